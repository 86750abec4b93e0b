"""The command line, called as a user would call it, with right and wrong input."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import skpr
from skpr import FourierMagnitude
from skpr.__main__ import main
from skpr._command import parser, read_pattern
from skpr._progress import IterationLine
from skpr.datasets import make_crystals
from skpr.files import read_reconstruction

ROOT = Path(__file__).parent.parent
QUICK = "--iterations", "30", "--starts", "2", "--quiet"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def counts(here):
    """Counts of one pattern in a file `scan.npy`."""
    objects = make_crystals(1, shape=(12, 12), random_state=0).data
    magnitudes = FourierMagnitude(fourier_shape=(32, 32)).fit_transform(objects)[0]
    expected = magnitudes**2 / (magnitudes**2).sum() * 1e6
    values = np.random.default_rng(0).poisson(expected).astype("u4")
    np.save("scan.npy", values)
    return values


def volume():
    """Counts of a rocking curve of 15 frames."""
    objects = make_crystals(1, shape=(8, 8, 8), random_state=0).data
    counts = FourierMagnitude(fourier_shape=(15, 16, 18)).fit_transform(objects)[0] ** 2
    return np.rint(counts / counts.sum() * 1e6).astype("u4")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def error_of(capsys, *arguments, status=2):
    """The one sentence that the command leaves on standard error."""
    assert main(arguments) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("skpr: ")
    return printed.err


def test_one_pattern_becomes_an_object_a_page_and_a_verdict(here, counts, capsys):
    assert main(["scan.npy", "--iterations", "60", "--starts", "4"]) == 0
    assert names(here) == ["scan.npy", "scan_object.cxi", "scan_report.png"]
    found = read_reconstruction("scan_object.cxi")
    assert found.data.shape == (1, 16, 16)
    assert found.supports.any()
    np.testing.assert_allclose(found.magnitudes[0] ** 2, counts, rtol=1e-5)
    assert Path("scan_report.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr()
    assert re.search(r"^verdict: (good|doubtful|failed|undecided)", printed.out, re.MULTILINE)
    assert "noise of photon counts" in printed.out
    assert "wrote scan_object.cxi, scan_report.png" in printed.out
    assert "phase retrieval: 100%" in printed.err  # though this is no terminal
    assert "\r" not in printed.err


def test_the_same_seed_gives_the_same_object(here, counts):
    for name in ("a", "b"):
        assert main(["scan.npy", *QUICK, "-o", name, "--seed", "3"]) == 0
    first, second = (read_reconstruction(f"{name}_object.cxi").data for name in ("a", "b"))
    np.testing.assert_array_equal(first, second)


def test_geometry_and_folder_are_taken_from_the_options(here, counts, capsys):
    lengths = "--energy", "9", "--distance", "0.5m", "--pixel-size", "55um"
    options = "--output", "out/", "--report", "pdf", *lengths
    assert main(["scan.npy", *QUICK, *options]) == 0
    assert names(here / "out") == ["scan_object.cxi", "scan_report.pdf"]
    found = read_reconstruction("out/scan_object.cxi")
    assert found.wavelength == pytest.approx(1.3776e-10, rel=1e-4)
    assert (found.distance, found.pixel_size) == (0.5, (55e-6, 55e-6))
    side = found.wavelength * 0.5 / (32 * 55e-6) * 1e9
    assert f"pixels of the object: {side:.3g} x {side:.3g} nm" in capsys.readouterr().out


def test_frames_of_a_rocking_curve_in_several_files_are_one_volume(here):
    for number, frame in enumerate(volume()):
        np.save(f"frame_{number}.npy", frame)
    as_a_shell_lists_them = sorted(f"frame_{i}.npy" for i in range(15))
    for files in (["frame_*.npy"], as_a_shell_lists_them):
        assert main([*files, *QUICK, "--overwrite", "-o", "crystal"]) == 0
        found = read_reconstruction("crystal_object.cxi")
        np.testing.assert_allclose(
            found.magnitudes[0] ** 2, [np.load(f"frame_{i}.npy") for i in range(15)], rtol=1e-5
        )
        assert found.data.ndim == 4


def test_exposures_of_one_pattern_are_summed(here, counts, capsys):
    exposures = np.random.default_rng(1).poisson(counts, (3, *counts.shape))
    np.save("exposures.npy", exposures.astype("u4"))
    assert main(["exposures.npy", *QUICK]) == 0
    assert "sum of 3 frames" in capsys.readouterr().out
    magnitudes = read_reconstruction("exposures_object.cxi").magnitudes[0]
    np.testing.assert_allclose(magnitudes**2, exposures.sum(axis=0), rtol=1e-5)
    assert main(["exposures.npy", *QUICK, "--select", "1", "-o", "one"]) == 0
    magnitudes = read_reconstruction("one_object.cxi").magnitudes[0]
    np.testing.assert_allclose(magnitudes**2, exposures[1], rtol=1e-5)


def test_dark_frames_flat_field_mask_centre_and_window_are_used(here, counts, capsys):
    mask, flat, dark = np.zeros((40, 44)), np.ones((40, 44)), np.full((40, 44), 7)
    mask[9, 12] = 1
    frame = np.full((40, 44), 7)
    frame[3:35, 6:38] += counts
    flat[3:35, 6:38] = 2
    for name, values in (("frame", frame), ("dark", dark), ("flat", flat), ("mask", mask)):
        np.save(f"{name}.npy", values.astype("u4"))
    planes = "--dark", "dark.npy", "--flat", "flat.npy", "--mask", "mask.npy"
    assert main(["frame.npy", *QUICK, *planes, "--center", "19,22", "--crop", "32"]) == 0
    expected = np.sqrt(counts.astype(float))
    expected[6, 6] = np.nan
    found = read_reconstruction("frame_object.cxi").magnitudes[0]
    ratio = np.nansum(found) / np.nansum(expected)
    np.testing.assert_allclose(found, ratio * expected, rtol=1e-4)
    assert "1 masked" in capsys.readouterr().out


def test_the_centre_is_found_unless_it_is_given(here, counts, capsys):
    np.save("off.npy", np.pad(counts, ((0, 10), (4, 0))))
    assert main(["off.npy", *QUICK]) == 0
    assert "about (16, 20)" in capsys.readouterr().out


def test_patterns_in_fft_order_need_one_option(here, counts):
    np.save("fft.npy", np.fft.ifftshift(counts))
    assert main(["fft.npy", *QUICK, "--centered", "no"]) == 0
    magnitudes = read_reconstruction("fft_object.cxi").magnitudes[0]
    np.testing.assert_allclose(magnitudes**2, counts, rtol=1e-5)


def test_files_that_say_that_they_are_in_fft_order_need_no_option(here, counts):
    with h5py.File("fft.cxi", "w") as file:
        file["cxi_version"] = 150
        file["entry_1/image_1/data"] = np.fft.ifftshift(counts)
        file["entry_1/image_1/data_space"] = "diffraction"
        file["entry_1/image_1/is_fft_shifted"] = 1
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")
    assert main(["fft.cxi", *QUICK, "-o", "found"]) == 0
    magnitudes = read_reconstruction("found_object.cxi").magnitudes[0]
    np.testing.assert_allclose(magnitudes**2, counts, rtol=1e-5)


def test_the_place_of_the_beam_on_the_detector_serves_a_volume(here, capsys):
    np.save("volume.npy", volume())
    assert main(["volume.npy", *QUICK, "--center", "8,9"]) == 0
    assert "15 x 16 x 18 pixels about (7, 8, 9)" in capsys.readouterr().out


def test_magnitudes_are_told_from_counts(here, counts, capsys):
    np.save("magnitudes.npy", np.sqrt(counts))
    assert main(["magnitudes.npy", *QUICK]) == 0
    assert "are square roots of whole numbers, and are taken for" in capsys.readouterr().err
    magnitudes = read_reconstruction("magnitudes_object.cxi").magnitudes[0]
    np.testing.assert_allclose(magnitudes**2, counts, rtol=1e-5)
    assert main(["magnitudes.npy", *QUICK, "--content", "magnitudes", "--overwrite"]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--binning", "2"], ["--frames", "sum"]])
def test_magnitudes_are_told_before_they_are_summed_or_binned(here, counts, capsys, options):
    np.save("counts.npy", [counts, counts])
    np.save("roots.npy", np.sqrt([counts, counts]))
    found, expected = (
        read_pattern(parser().parse_args([name, *options, "--center", "middle"])).magnitudes
        for name in ("roots.npy", "counts.npy")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert capsys.readouterr().err.count("are square roots of whole numbers, and are taken") == 1


def test_results_of_an_earlier_run_that_are_not_replaced_are_named(here, counts, capsys):
    Path("scan_object.vti").touch()
    assert main(["scan.npy", *QUICK, "--overwrite"]) == 0
    assert "warning: scan_object.vti is of an earlier run" in capsys.readouterr().err


def test_no_more_threads_are_used_than_there_are_cores(here, monkeypatch):
    asked = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    assert main(["missing.npy", "--threads", "100000"]) == 2
    assert asked == [os.cpu_count()]


def test_the_share_of_counts_is_of_all_only_where_all_were_counted(here, counts):
    about = {
        center: read_pattern(parser().parse_args(["scan.npy", "--center", center, "--crop", "16"]))
        for center in ("16,16", "12,12")
    }
    share = counts[8:24, 8:24].sum() / counts.sum()
    assert f" counts, {share:.1%} of all" in about["16,16"].notes[1]
    assert about["12,12"].notes[1].endswith(" of those in a window of the frames' size")


def test_volumes_are_written_for_other_programs_too(here, capsys):
    np.save("volume.npy", volume())
    assert main(["volume.npy", *QUICK, "--frames", "volume"]) == 0
    assert "wrote volume_object.cxi, volume_report.png, volume_object.vti" in (
        printed := capsys.readouterr().out
    )
    assert "cubes of one nanometre" in printed
    x = read_reconstruction("volume_object.cxi").data[0]
    head = (here / "volume_object.vti").read_bytes()[:1000].decode("latin1")
    assert f'WholeExtent="{" ".join(f"0 {n - 1}" for n in x.shape)}"' in head
    assert 'Name="amplitude"' in head


# what is wrong


def test_files_that_hold_no_pattern_end_in_one_sentence(here, capsys):
    Path("empty.h5").touch()
    Path("notes.txt").write_text("beam time")
    Path("broken.npy").write_bytes(b"\x93NUMPY\x01\x00v")
    np.save("dark.npy", np.zeros((16, 16), "u4"))
    np.save("complex.npy", np.ones((16, 16), complex))
    np.save("line.npy", np.ones(16))
    before = names(here)
    for files, words in {
        "gone.h5": "gone.h5 does not exist",
        "gone_*.h5": "no file matches 'gone_*.h5'",
        ".": "is a folder; give a file",
        "empty.h5": "empty.h5 is empty: 0 bytes",
        "notes.txt": "none of the formats that can be read",
        "broken.npy": "it may be damaged or incomplete",
        "dark.npy": "dark.npy holds no pattern: every count is zero",
        "complex.npy": "counts are real numbers",
        "line.npy": "give a frame or a stack of frames",
    }.items():
        assert words in error_of(capsys, files, *QUICK)
    assert names(here) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frames", "all"], "argument --frames: invalid choice: 'all'"),
        (["--select", "a"], "argument --select: 'a' is not valid; give a number such as 7"),
        (["--select", "9"], "--select 9 is not valid|select=|--select"),
        (["--center", "corner"], "argument --center: 'corner' is not valid; give one of auto, mid"),
        (["--center", "99,5"], "--center 99.0,5.0 is not valid; choose 'friedel'"),
        (["--center", "1,2,3"], "--center names 3 indices, and the pattern has 2 axes"),
        (["--crop", "0"], "--crop 0 is not valid"),
        (["--frames", "volume"], "--frames volume needs several frames; scan.npy holds one"),
        (["--wavelength", "1.38"], "'1.38' is not valid; it is 1.38 m, and 1e-13 to 1e-05 m are"),
        (["--distance", "2 feet"], "give a number with one of the units m, mm, um"),
        (["--energy", "9000"], "give the energy in keV, from 0.001 to 1000"),
        (["--starts", "0"], "argument --starts: '0' is not valid; give a whole number from 1 on"),
        (["--dark", "gone.npy"], "--dark 'gone.npy'|--dark gone.npy is neither a file nor a name"),
        (["--roi", "3"], "give a row and a column, such as 0,256"),
        (["--format", "sxr"], "--format sxr is not valid; choose 'auto'"),
        (["--device", "abacus"], "abacus"),
        (["--select", "::0"], "'::0' is not valid; the step of a range must not be 0"),
        (["--select", "3:1"], "--select 3:1 is not valid; it leaves none of 1 frames"),
        (["--crop", "-5"], "--crop -5 is not valid"),
        (["--crop", "2"], "a window of 2 x 2 pixels is not a pattern: at least 4 are needed"),
        (["--binning", "30"], "a window of 1 x 1 pixels is not a pattern"),
        (["--threshold", "1e9"], "no count is left in the window of 32 x 32 pixels"),
        (["--dark", "scan.npy"], "scan.npy holds no pattern: every count is zero after --dark"),
        (["--seed", "-3"], "'-3' is not valid; give a whole number from 0 to 4294967295"),
        (["--energy", "9", "--wavelength", "1A"], "--wavelength: not allowed with argument --ener"),
        (["./scan.npy"], "scan.npy is named twice; give each file once"),
        ([""], "argument FILE: '' is not valid; give the name of a file"),
        (["-o", "/proc/skpr/"], "results cannot be written to /proc/skpr: no such file|denied"),
        (
            ["-o", "x" * 250],
            "results cannot be written to .: file name too long|File name too long",
        ),
        (["--outptu", "a"], "unrecognized arguments: --outptu a; skpr --help lists the options"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_are_not_valid_are_named_with_what_is(here, counts, capsys, options, message):
    assert re.search(message.replace("(", r"\("), error_of(capsys, "scan.npy", *QUICK, *options))
    assert names(here) == ["scan.npy"]


def test_units_may_be_written_in_any_script(here, counts, capsys):
    lengths = "--pixel-size", "55\N{GREEK SMALL LETTER MU}m", "--distance", "1m"
    for wavelength in ("1.5A", "1.5\N{ANGSTROM SIGN}"):
        given = *lengths, "--wavelength", wavelength
        assert main(["scan.npy", *QUICK, *given, "--overwrite"]) == 0
        assert "pixels of the object: 85.2 x 85.2 nm" in capsys.readouterr().out


def test_lengths_that_resolve_less_than_a_wavelength_are_doubted(here, counts, capsys):
    given = "--pixel-size", "10mm", "--distance", "1mm", "--energy", "9"
    assert main(["scan.npy", *QUICK, *given]) == 0
    assert "far below the wavelength of 1.38e-10 m: check the units" in capsys.readouterr().err


def test_files_after_two_dashes_may_begin_with_a_dash(here, counts, capsys):
    assert "-scan.npy does not exist" in error_of(capsys, *QUICK, "--", "-scan.npy")
    os.rename("scan.npy", "-scan.npy")
    assert main([*QUICK, "--", "-scan.npy"]) == 0
    assert names(here) == ["-scan.npy", "-scan_object.cxi", "-scan_report.png"]


def test_any_name_of_a_file_becomes_a_title(here, counts, capsys):
    for name in ("a$b$^$.npy", "\u6570\u636e.npy", "half_\udcc3.npy"):
        Path("scan.npy").rename(name)
        assert main([name, *QUICK]) == 0
        assert "warning" not in capsys.readouterr().err
        Path(name).rename("scan.npy")


def test_logarithms_fail_and_the_advice_names_them(here, counts, capsys):
    np.save("logarithms.npy", np.log10(counts + 1.0))
    assert main(["logarithms.npy", *QUICK]) == 0
    printed = capsys.readouterr()
    assert "verdict: failed" in printed.out
    assert "if they are logarithms" in printed.out
    assert re.fullmatch(
        r"skpr: warning: the values of logarithms.npy look like logarithms: .* magnitudes "
        r"np.sqrt\(10\*\*X - 1\) of these values X with --content magnitudes\n",
        printed.err,
    )


def test_words_name_options_of_the_command(here, counts, capsys):
    np.save("fft.npy", np.fft.ifftshift(counts))
    main(["fft.npy", *QUICK])
    printed = capsys.readouterr()
    assert "pass --centered no" in printed.err
    assert "centered=" not in printed.out + printed.err


def test_without_a_file_the_help_is_named(here, capsys):
    assert "the following arguments are required: FILE" in error_of(capsys)


def test_results_that_exist_are_kept_unless_the_user_says_otherwise(here, counts, capsys):
    Path("scan_report.png").write_text("mine")
    assert "scan_report.png exists; --overwrite replaces it" in error_of(capsys, "scan.npy")
    assert Path("scan_report.png").read_text() == "mine"
    assert main(["scan.npy", *QUICK, "--overwrite"]) == 0
    assert Path("scan_report.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_read_is_never_overwritten(here, counts, capsys):
    Path("scan.npy").rename("scan_object.cxi")
    message = error_of(capsys, "scan_object.cxi", "-o", "scan", "--overwrite")
    assert "scan_object.cxi is one of the input files; choose another name by --output" in message


def test_a_folder_that_cannot_be_is_refused_before_the_work(here, counts, capsys):
    assert "scan.npy is not a folder" in error_of(capsys, "scan.npy", "-o", "scan.npy/found")


def test_frames_that_are_neither_a_curve_nor_exposures_are_the_users_choice(here, capsys):
    frames = np.random.default_rng(0).poisson(20, (4, 24, 24)).astype("u4")
    np.save("many.npy", frames)
    message = error_of(capsys, "many.npy", *QUICK)
    assert "choose --frames volume or --frames sum, or one frame by --select" in message


def test_warnings_are_sentences_with_options_in_place_of_parameters(here, counts, capsys):
    values = counts + np.random.default_rng(1).normal(0, 30, counts.shape)
    np.save("negative.npy", values)
    assert main(["negative.npy", *QUICK, "--center", "middle"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("skpr: warning: ") and "--negative keep" in line for line in lines)
    assert not any("Warning" in line or ".py:" in line for line in lines)


@pytest.mark.parametrize("n_iterations", [3, 40])
def test_an_interrupt_leaves_a_sentence_and_nothing_else(
    here, counts, capsys, monkeypatch, n_iterations
):
    advance, done = IterationLine.advance, []

    def interrupted(line):
        done.append(True)
        if len(done) == n_iterations:
            signal.raise_signal(signal.SIGINT)
        advance(line)

    monkeypatch.setattr(IterationLine, "advance", interrupted)
    # a shell lets processes in the background ignore the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        message = error_of(capsys, "scan.npy", *QUICK, status=130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert message == "skpr: interrupted; nothing was written\n"
    assert names(here) == ["scan.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent to a child there")
def test_an_interrupt_while_the_package_is_imported_leaves_the_same_sentence(here):
    Path("torch.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    path = os.pathsep.join([str(here), str(ROOT)])
    # a shell starts background jobs, such as this test may be, with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "skpr", "scan.npy"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.stdout.readline() == "importing\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[1] == "skpr: interrupted; nothing was written\n"
    assert child.returncode == 130


def test_a_result_that_cannot_be_written_leaves_none(here, counts, capsys, monkeypatch):
    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert "the disk is full" in error_of(capsys, "scan.npy", *QUICK)
    assert names(here) == ["scan.npy"]


def test_missing_libraries_are_named_before_the_work(here, counts, capsys, monkeypatch):
    monkeypatch.setattr("skpr._command._outputs.NEEDED", (("no_such_library", "plot"),))
    message = error_of(capsys, "scan.npy")
    assert "results need no_such_library: pip install 'skpr[plot]'" in message


def test_libraries_that_are_damaged_are_told_before_the_work(here, counts, capsys):
    Path("damaged_library.py").write_text("raise RuntimeError('no such symbol')")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(here)
        patch.setattr("skpr._command._outputs.NEEDED", (("damaged_library", "plot"),))
        message = error_of(capsys, "scan.npy")
    assert "damaged_library cannot be imported: no such symbol" in message


@pytest.mark.slow
@pytest.mark.parametrize("ending", [">&-", "2>&-", ">&- 2>&-", "2>&1 | true", "| true"])
def test_results_are_written_whoever_reads_along(here, counts, ending):
    command = f"{sys.executable} -m skpr scan.npy --iterations 30 --starts 2 {ending}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "nonsense"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert names(here) == ["scan.npy", "scan_object.cxi", "scan_report.png"]


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_are_told(capsys, option):
    with pytest.raises(SystemExit) as end:
        main([option])
    assert end.value.code == 0
    told = capsys.readouterr().out
    if option == "--version":
        assert told == f"skpr {skpr.__version__}\n"
        return
    for words in ("rocking curve", "NAME_report.png", "--dark", "--overwrite", "examples:"):
        assert words in told


@pytest.mark.slow
def test_the_module_runs(here):
    command = [sys.executable, "-m", "skpr", "gone.h5"]
    failed = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.splitlines()[-1] == "skpr: error: gone.h5 does not exist"


def test_the_command_is_installed_with_the_package():
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.scripts]\nskpr = "skpr.__main__:main"' in text
