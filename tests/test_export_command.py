"""`python -m host export`, as a person at a terminal uses it."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.record.movie import Movie
from host.record.notes import Notes
from host.record.session import VIDEO
from host.review.export.command import main
from host.review.export.place import PREFIX
from host.review.export.source import ExportError, seconds
from tests.exports import NAME, Making, film, jpeg_of
from tests.wall import until

ROOT = Path(__file__).parents[1]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with `sessions` in it, to stand in."""
    Making(notes=Notes(title="Kurve")).session(tmp_path / "sessions")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "sessions")


def test_a_name_and_a_format_is_all_it_takes(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([NAME, "--format", "mp4"]) == 0
    assert said(capsys) == f"Kurve - {NAME}.mp4: 60 frames\n"
    assert main([f"sessions/{NAME}", "--format", "tub", "--from", "1", "--to", "0:01.5"]) == 0
    assert main([str(shelf / "sessions" / NAME), "-o", "cut.CSV"]) == 0
    assert main([NAME, "-o", "cut.zip"]) == 0
    (shelf / "out").mkdir()
    assert main([NAME, "--format", "mcap", "-o", "out", "--from", "0:00:01.95"]) == 0
    assert said(capsys).splitlines()[-1] == f"out/Kurve - {NAME} - 1.95-end.mcap: 1 frame"
    assert files(shelf) == [f"Kurve - {NAME} - 1-1.5s-tub", f"Kurve - {NAME}.mp4", "cut.CSV", "cut.zip", "out"]
    assert len(list((shelf / f"Kurve - {NAME} - 1-1.5s-tub" / "images").iterdir())) == 15


def test_nothing_is_overwritten_without_being_told(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([NAME, "-o", "clip.mp4", "--to", "1"]) == 0
    before = (shelf / "clip.mp4").read_bytes()
    said(capsys)
    assert main([NAME, "-o", "clip.mp4"]) == 2
    assert said(capsys) == "host export: clip.mp4 is there already: name another file with -o, or say --overwrite.\n"
    assert (shelf / "clip.mp4").read_bytes() == before
    assert main([NAME, "-o", "clip.mp4", "--overwrite"]) == 0
    assert len(film(shelf / "clip.mp4")) == 60
    assert main([NAME, "--format", "tub", "-o", "tub"]) == 0
    assert main([NAME, "--format", "tub", "-o", "tub/tub"]) == 0
    assert files(shelf) == ["clip.mp4", "tub"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nobody", "--format", "mp4"], "there is no session 'nobody', neither here nor in sessions: give its folder"),
        (["sessions", "--format", "mp4"], "the folder sessions is no session: a session is a folder with session.json"),
        ([NAME], "what shall it be? Say --format, one of: mp4, gif, csv, tub, mcap"),
        ([NAME, "-o", "clip.avi"], "what shall it be? Say --format, one of: mp4, gif, csv, tub, mcap"),
        ([NAME, "--format", "avi"], "there is no format 'avi'; there is: mp4, gif, csv, tub, mcap"),
        ([NAME, "-o", "a.mp4", "--from", "soon"], "'soon' is no time: give seconds like 83.5, or H:MM:SS"),
        ([NAME, "-o", "a.mp4", "--from", "2", "--to", "1"], "there is nothing between 2 s and 1 s: the end must come"),
        ([NAME, "-o", "a.csv", "--from", "9"], f"the session {NAME} holds no frame between 9 s and the end: its last"),
        ([NAME, "-o", "nowhere/a.csv"], "a.csv could not be made in nowhere: No such file or directory"),
        ([NAME, "-o", "nowhere/", "--format", "csv"], "there is no folder nowhere/: make it first, or name a file"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    shelf: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert main(argv) == 2
    text = said(capsys)
    assert text.startswith(f"host export: {says}")
    assert text.endswith(".\n")
    assert text.count("\n") == 1
    assert files(shelf) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("83.5", 83.5),
        ("1:23.5", 83.5),
        ("0:01:23.5", 83.5),
        ("2:00:00", 7200),
        ("90:00", None),
        ("59:59", 3599),
    ],
)
def test_times(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(ExportError, match="is no time"):
            seconds(text)
    else:
        assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "nan", "inf", "1:2:3:4", "1:60", "٣", "1,5", ":", "9" * 400, "1:", "0x1"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ExportError, match=r"is no time: give seconds like 83\.5, or H:MM:SS like 0:01:23\.5$"):
        seconds(text)


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    folder = Making([3000 * number for number in range(300)], tape=False).session(tmp_path / "sessions")
    with subprocess.Popen(command(folder, "clip.gif"), cwd=tmp_path, stderr=terminal, stdout=terminal) as process:
        os.close(terminal)
        shown = b"".join(chunks(controller))
        assert process.wait(30) == 0
    assert re.search(rb"\r\x1b\[Kclip\.gif: +\d+%, \d+ s left", shown)
    assert shown.endswith(
        b"\r\x1b[Kclip.gif: 150 frames\r\nhost export: 150 of 300 frames were left out to keep it small.\r\n"
    )
    quiet = subprocess.run(command(folder, "again.gif"), cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert b"%" not in quiet.stderr


def chunks(descriptor: int) -> Iterator[bytes]:
    """All that a terminal is sent; it ends with an error on Linux, and with nothing elsewhere."""
    with contextlib.suppress(OSError):
        while chunk := os.read(descriptor, 4096):
            yield chunk
    os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_export_leaves_nothing_in_its_place(tmp_path: Path, number: int) -> None:
    folder = laborious(tmp_path)
    with subprocess.Popen(command(folder, "clip.gif"), cwd=tmp_path, stderr=subprocess.PIPE) as process:
        until(lambda: any(map(held, tmp_path.glob(f"{PREFIX}*"))))
        process.send_signal(number)
        code = process.wait(30)
        assert process.stderr is not None
        said = process.stderr.read()
    assert not (tmp_path / "clip.gif").exists()
    if number == signal.SIGINT:
        assert (code, said) == (130, b"host export: interrupted; nothing was written.\n")
        assert files(tmp_path) == []
    else:
        for room in tmp_path.glob(f"{PREFIX}*"):
            os.utime(room, (time.time() - 1000,) * 2)
        subprocess.run(command(folder, "clip.mp4"), cwd=tmp_path, check=True, capture_output=True, timeout=60)
        assert files(tmp_path) == ["clip.mp4"]


def held(room: Path) -> bool:
    """Whether a process works in there."""
    descriptor = os.open(room, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def laborious(directory: Path) -> Path:
    """A session whose GIF takes a while."""
    folder = Making([], tape=False).session(directory / "sessions")
    pictures = [jpeg_of(320, 240, seed) for seed in range(5)]
    with Movie(folder / VIDEO) as movie:
        for number in range(100):
            picture = movie.read(pictures[number % 5])
            assert picture is not None
            movie.write(picture, 3000 * number, 3000)
    return folder


def command(folder: Path, output: str) -> list[str]:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from host.review.export.command import main"
    return [sys.executable, "-c", f"{program}; sys.exit(main(sys.argv[1:]))", str(folder), "-o", output]


@pytest.mark.parametrize("kind", ["mp4", "gif", "csv", "tub", "zip", "mcap"])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a tmpfs")
    try:
        folder = Making([3000 * number for number in range(300)]).session(tmp_path / "sessions")
        format_of = ["--format", "tub"] if kind in {"tub", "zip"} else ["--format", kind]
        output = disk / f"out.{kind}" if kind != "tub" else disk / "out"
        done = subprocess.run(
            [*command(folder, str(output)), *format_of], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2
        assert done.stderr == (
            f"host export: the disk of {disk} has no room for {output.name}: make some, or choose a shorter part.\n"
        )
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
