import bz2
import gzip
import sys

import fabio
import numpy as np
import pytest

from skpr.files import read_diffraction

FRAME = np.random.default_rng(0).poisson(50, (16, 18)).astype("i4")


@pytest.fixture
def written(tmp_path):
    def write(ending, frame=FRAME, header=None):
        kind = {".edf": fabio.edfimage.EdfImage, ".cbf": fabio.cbfimage.CbfImage}.get(
            ending, fabio.tifimage.TifImage
        )
        kind(data=frame, header=header or {}).write(str(tmp_path / f"a{ending}"))
        return tmp_path / f"a{ending}"

    return write


@pytest.mark.parametrize("ending", [".edf", ".cbf"])
def test_flags_of_pixels_that_did_not_measure_are_no_counts(written, ending):
    frame = FRAME.copy()
    frame[0], frame[1, 1] = -1, -2
    found = read_diffraction(written(ending, frame))
    np.testing.assert_array_equal(np.isnan(found.data[0]), frame < 0)
    assert found.unmeasured == {"negative": 19}


def test_the_header_says_the_geometry(written):
    header = {
        "WaveLength": "1.3776e-10",
        "SampleDistance": "1.5",
        "PSize_1": "7.5e-05",
        "PSize_2": "5e-05",
    }
    found = read_diffraction(written(".edf", header=header))
    assert (found.wavelength, found.distance, found.pixel_size) == (
        1.3776e-10,
        1.5,
        (5e-05, 7.5e-05),
    )


@pytest.mark.parametrize(
    ("ending", "change"),
    [
        (".edf", lambda content: content[:-300]),
        (".edf", lambda content: content[:200]),
        (".edf", lambda content: content.replace(b"Dim_2 = 16", b"Dim_2 = 99")),
        (".cbf", lambda content: content[:-300]),
        (".cbf", lambda content: content[:60]),
        (".cbf", lambda content: b"#!" + content[2:]),
        (".cbf", lambda content: content.replace(b"\x0c\x1a\x04\xd5", b"\x0c\x1a\x04\xd6")),
        (
            ".cbf",
            lambda content: bytes(
                b ^ 8 if i == len(content) - 400 else b for i, b in enumerate(content)
            ),
        ),
    ],
    ids=["end", "header", "size", "end", "header", "first line", "section", "one bit"],
)
def test_what_is_missing_is_not_filled_with_zeros(written, ending, change):
    path = written(ending)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(
        OSError, match=r"a\.(edf|cbf) cannot be read: .*; the file may be damaged or incomplete"
    ):
        read_diffraction(path)


def test_a_header_is_not_believed_to_any_size(written):
    path = written(".edf")
    path.write_bytes(path.read_bytes().replace(b"Dim_1 = 18", b"Dim_1 = 18000000000"))
    with pytest.raises(MemoryError, match="needs .* GiB of memory .*; its header may be damaged"):
        read_diffraction(path)


def test_files_of_detectors_need_fabio(written, monkeypatch):
    path = written(".edf")
    monkeypatch.setitem(sys.modules, "fabio", None)
    with pytest.raises(ImportError, match="needs fabio: pip install 'skpr"):
        read_diffraction(path)


@pytest.mark.parametrize("compression", [".gz", ".bz2"])
@pytest.mark.parametrize("ending", [".edf", ".cbf", ".tif", ".npy"])
def test_compressed_files_are_read(tmp_path, written, capsys, ending, compression):
    path = tmp_path / "a.npy"
    if ending == ".npy":
        np.save(path, FRAME)
    else:
        path = written(ending)
    compressed = tmp_path / f"b{ending}{compression}"
    opener = {".gz": gzip.open, ".bz2": bz2.open}[compression]
    with opener(compressed, "wb") as file:
        file.write(path.read_bytes())
    np.testing.assert_allclose(read_diffraction(compressed).data[0] ** 2, FRAME, rtol=1e-5)
    assert capsys.readouterr().out == ""
    compressed.write_bytes(compressed.read_bytes()[:-20])
    with pytest.raises(OSError, match=r"b\..* cannot be (read|decompressed)"):
        read_diffraction(compressed)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"), (b"PK\x03\x04" + bytes(99), "npz")],
)
def test_compressed_files_of_arrays_are_to_be_decompressed(tmp_path, content, kind):
    with gzip.open(tmp_path / "a.h5.gz", "wb") as file:
        file.write(content)
    with pytest.raises(
        ValueError, match=f"a.h5.gz is a compressed {kind} file; decompress it first"
    ):
        read_diffraction(tmp_path / "a.h5.gz")
    with gzip.open(tmp_path / "a.txt.gz", "wb") as file:
        file.write(b"Notes of the beam time")
    with pytest.raises(ValueError, match="none of the formats that can be read"):
        read_diffraction(tmp_path / "a.txt.gz")


def test_grey_maps_are_read(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5\n18 16\n255\n" + FRAME.astype("u1").tobytes())
    np.testing.assert_allclose(read_diffraction(tmp_path / "a.pgm").data[0] ** 2, FRAME, rtol=1e-5)
