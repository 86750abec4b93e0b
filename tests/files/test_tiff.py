import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 16, 18)).astype("u2")


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.zeros((16, 18, 3), "u1"), {"photometric": "rgb"}),
        (np.zeros((2, 16, 18, 3), "u1"), {"photometric": "rgb"}),
        (np.zeros((3, 16, 18), "u1"), {"photometric": "rgb", "planarconfig": "separate"}),
        (
            np.zeros((16, 18), "u1"),
            {"photometric": "palette", "colormap": np.zeros((3, 256), "u2")},
        ),
    ],
)
def test_pictures_in_colour_are_no_patterns(tmp_path, values, options):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    with pytest.raises(
        ValueError, match=r"a\.tif holds a picture with (3 colours|a colour palette)"
    ):
        read_diffraction(tmp_path / "a.tif")


def test_a_preview_beside_the_frames_is_not_joined_to_them(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(STACK[0])
        file.write(STACK[0, ::4, ::4])
    with pytest.raises(ValueError, match=r"holds frames of shape \(4, 5\), .* of \(16, 18\)"):
        read_diffraction(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}], ids=str)
@pytest.mark.parametrize("kept", [9, 0.3, 0.6])
def test_truncated_files_are_refused(tmp_path, options, kept):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, STACK, **({} if "imagej" in options else {"photometric": "minisblack"}), **options
    )
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(OSError, match=r"a\.tif cannot be read as TIFF: .*(truncated|damaged)"):
        read_diffraction(path)


def test_a_page_that_is_damaged_inside_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        place = file.pages[1].dataoffsets[0] + 40
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(OSError, match="cannot be read as TIFF"):
        read_diffraction(path)
    assert read_diffraction(path, select=[0, 2]).data.shape == (2, 16, 18)


@pytest.mark.parametrize("n_frames", [3, 4])
def test_few_frames_that_became_colours_are_refused_with_the_way(tmp_path, n_frames):
    frames = np.random.default_rng(0).poisson(50, (n_frames, 16, 18)).astype("u2")
    options = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.tif", frames, **options)
    with pytest.raises(ValueError, match=f"if these are {n_frames} frames, save them with photo"):
        read_diffraction(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    np.testing.assert_allclose(read_diffraction(tmp_path / "a.tif").data ** 2, frames, rtol=1e-5)


def test_negatives_are_read_as_stored_with_a_word(tmp_path):
    path = tmp_path / "negative.tif"
    tifffile.imwrite(path, STACK, photometric="miniswhite")
    with pytest.warns(
        UserWarning, match="'miniswhite'.*; the readings are used as they are stored"
    ):
        found = read_diffraction(path)
    np.testing.assert_allclose(found.data**2, STACK, rtol=1e-5)
