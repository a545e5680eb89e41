"""Where exports are made: nothing half made in its place, nothing left beside it, nothing overwritten unasked."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host.record.session import TAPE, VIDEO
from host.review.export.place import LEFT_S, PREFIX, check_free, move, workroom
from host.review.export.source import ExportError
from tests.exports import Making

ROOT = Path(__file__).parents[1]


def test_a_room_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    with workroom(tmp_path) as room:
        (room / "deep").mkdir()
        (room / "deep" / "file").write_bytes(b"x")
        assert room.parent == tmp_path
        assert room.name.startswith(PREFIX)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError), workroom(tmp_path) as room:
        room.joinpath("nowhere", "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_export(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from host.review.export.place import workroom\n"
        "with workroom(Path(sys.argv[1])) as room:\n"
        "    (room / 'half.mp4').write_bytes(b'x'); print(room, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        age(left)
        with workroom(tmp_path):
            assert (left / "half.mp4").exists(), "what a living process holds stays, however old"
        process.send_signal(signal.SIGKILL)
    with workroom(tmp_path) as room:
        assert list(tmp_path.iterdir()) == [room]


def age(room: Path) -> None:
    old_s = time.time() - 2 * LEFT_S
    os.utime(room, (old_s, old_s))


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in (".hidden", "pilotlens-export-notes", f"{PREFIX}young"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{PREFIX}file").write_bytes(b"x")
    age(tmp_path / ".hidden")
    age(tmp_path / f"{PREFIX}file")
    before = sorted(tmp_path.iterdir())
    with workroom(tmp_path):
        pass
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_replaced_only_where_that_is_said(tmp_path: Path) -> None:
    made, place = tmp_path / "made", tmp_path / "clip.mp4"
    made.write_bytes(b"new")
    place.write_bytes(b"old")
    refusal = r"clip\.mp4 is there already: name another file with -o, or say --overwrite"
    with pytest.raises(ExportError, match=refusal):
        check_free(place, overwrite=False)
    with pytest.raises(ExportError, match=refusal):
        move(made, place, overwrite=False)
    assert place.read_bytes() == b"old"
    move(made, place, overwrite=True)
    assert place.read_bytes() == b"new"


def test_a_link_to_nowhere_is_something_too(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="is there already"):
        move(tmp_path / "made", tmp_path / "link", overwrite=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", [VIDEO, TAPE])
def test_what_was_recorded_is_never_replaced_by_an_export_of_it(tmp_path: Path, name: str, overwrite: bool) -> None:
    place = Making().session(tmp_path) / name
    before = place.read_bytes()
    (tmp_path / "made").write_bytes(b"a part of it")
    with pytest.raises(ExportError, match=f"{name} is in a session's own folder: name another place with -o"):
        move(tmp_path / "made", place, overwrite=overwrite)
    assert place.read_bytes() == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "tub").mkdir()
    (tmp_path / "tub" / "manifest.json").write_bytes(b"a week of driving")
    for made in (tmp_path / "made", tmp_path / "tub" / "manifest.json"):
        with pytest.raises(ExportError, match="tub is a folder that is there already: name another place with -o"):
            move(made, tmp_path / "tub", overwrite=overwrite)
    assert (tmp_path / "tub" / "manifest.json").read_bytes() == b"a week of driving"
    move(tmp_path / "made", tmp_path / "new", overwrite=overwrite)
    assert (tmp_path / "new").is_dir()
