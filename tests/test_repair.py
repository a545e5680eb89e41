"""What a crash left: found at the next start, made whole, and never made worse."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import pytest

from host.record.notes import change_notes, read_notes
from host.record.session import MANIFEST, TAPE, VIDEO, read_manifest, write_manifest
from host.review.boxes import box
from host.review.footage import Footage
from host.review.limits import Limits
from host.review.remux import Length, RemuxError, count, remux
from host.review.repair import LEFT, NO_FRAME, in_fragments, mark, repair
from host.review.shelf import Shelf, Unknown
from tests.recordings import ROOT, killed, pictures, ticks
from tests.shelves import recorded

NO_PICTURE = box(b"ftyp", b"isom", bytes(4)) + box(b"moov", box(b"mvhd", bytes(100)))
"""An MP4 without any stream."""


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session whose host was killed."""
    return killed(tmp_path_factory.mktemp("killed"))


@pytest.fixture
def folder(torn: Path, tmp_path: Path) -> Path:
    """A copy of it to work on, alone in its directory."""
    return Path(shutil.copytree(torn, tmp_path / "sessions" / torn.name))


@pytest.fixture
def shelf(folder: Path) -> Iterator[Shelf]:
    with Shelf(folder.parent) as opened:
        yield opened


def pixels(video: Path) -> list[bytes]:
    with av.open(str(video)) as container:
        return [bytes(frame.planes[0]) for frame in container.decode(video=0)]


def packets(video: Path) -> list[tuple[int | None, int | None, int, bool]]:
    with av.open(str(video)) as container:
        found = list(container.demux(container.streams.video[0]))
        assert container.streams.video[0].time_base == found[0].time_base
    return [(one.pts, one.dts, one.size, one.is_keyframe) for one in found if one.size]


def test_the_video_becomes_an_ordinary_one_with_the_same_frames_and_times(folder: Path, shelf: Shelf) -> None:
    before, times, shown = packets(folder / VIDEO), ticks(folder), pixels(folder / VIDEO)
    change_notes(folder, lambda notes: msgspec.structs.replace(notes, title="kept", marked=True))
    assert in_fragments(folder / VIDEO)
    (found,) = shelf.repair(wait=True)
    assert (found.status, found.reason, found.frames) == ("recovered", LEFT, len(times))
    assert not in_fragments(folder / VIDEO)
    assert packets(folder / VIDEO) == before
    assert (ticks(folder), pixels(folder / VIDEO)) == (times, shown)
    manifest = read_manifest(folder)
    assert (manifest.status, manifest.frames, manifest.dropped) == ("recovered", len(times), None)
    assert manifest.duration_s == pytest.approx(len(times) * 0.033, abs=0.005)
    assert read_notes(folder).title == "kept"
    assert not list(folder.glob("*.part"))
    with Footage(folder / TAPE) as footage:
        assert list(footage.ticks[: len(times)]) == times
    assert shelf.repair(wait=True) == [], "what is done is done"


def test_marking_waits_for_nothing(folder: Path, shelf: Shelf) -> None:
    before = (folder / VIDEO).read_bytes()
    found = mark(folder)
    assert found is not None
    assert (found.status, found.frames) == ("recovered", 0)
    assert read_manifest(folder).status == "recovered"
    assert (folder / VIDEO).read_bytes() == before
    (again,) = shelf.repair(wait=True)
    assert again.frames == len(ticks(folder)) > 0, "a start that only marked is finished by the next"


def test_what_a_living_host_writes_is_left_alone(folder: Path, shelf: Shelf) -> None:
    with (folder / VIDEO).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert shelf.repair(wait=True) == []
        assert shelf.list()[0].recording
    assert not shelf.list()[0].recording
    assert [one.status for one in shelf.repair(wait=True)] == ["recovered"]


def test_two_hosts_do_not_repair_the_same_video(folder: Path) -> None:
    found = mark(folder)
    assert found is not None
    before = (folder / VIDEO).read_bytes()
    with (folder / VIDEO).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert repair(found, 0) == found
    assert (folder / VIDEO).read_bytes() == before


@pytest.mark.parametrize(
    "video", [None, b"", b"rubbish" * 1000, b"\0\0\0\1moof\0\0\0\0\0\0\0\3", b"\0\0\0\10moof", NO_PICTURE]
)
def test_a_session_without_a_readable_frame_is_kept_and_marked(folder: Path, shelf: Shelf, video: bytes | None) -> None:
    (folder / VIDEO).unlink()
    if video is not None:
        (folder / VIDEO).write_bytes(video)
    (found,) = shelf.repair(wait=True)
    assert (found.status, found.reason, found.frames) == ("failed", NO_FRAME, 0)
    assert (folder / VIDEO).exists() == (video is not None)
    assert video is None or (folder / VIDEO).read_bytes() == video
    assert shelf.repair(wait=True) == [], "there is nothing to try again"


def test_a_list_of_other_films_is_not_followed(folder: Path, shelf: Shelf) -> None:
    (folder / VIDEO).rename(folder / "other.mp4")
    (folder / VIDEO).write_bytes(b"ffconcat version 1.0\nfile other.mp4\n")
    assert pictures(folder), "readers of films do follow it"
    (found,) = shelf.repair(wait=True)
    assert (found.status, found.frames) == ("failed", 0)
    with pytest.raises(Unknown):
        shelf.thumbnail(folder.name)


@pytest.mark.parametrize("manifest", [b'{"weather": ' + b"[" * 100_000, b'{"frames": ' + b"9" * 400 + b"}"])
def test_a_manifest_that_makes_no_sense_stops_no_host(folder: Path, shelf: Shelf, manifest: bytes) -> None:
    (folder / MANIFEST).write_bytes(manifest)
    os.utime(folder, (0, 0))
    (found,) = shelf.repair(wait=True)
    assert found.status == "recovered"
    assert (folder / f"{MANIFEST}.broken").read_bytes() == manifest


def test_mending_the_tape_leaves_room_on_the_disk_and_stops_when_asked(folder: Path) -> None:
    torn = (folder / TAPE).read_bytes()
    found = mark(folder)
    assert found is not None
    asked: Iterator[bool] = iter([False] + [True] * 1000)
    assert repair(found, 0, lambda: next(asked)) == found
    assert "the disk has no room for a copy" in repair(found, 2**62).reason
    assert (folder / TAPE).read_bytes() == torn
    assert {file.name for file in folder.iterdir()} == {VIDEO, MANIFEST, TAPE, "frames.idx"}


def test_wherever_the_video_is_torn_its_whole_frames_stay(torn: Path, tmp_path: Path) -> None:
    data = (torn / VIDEO).read_bytes()
    whole = packets(torn / VIDEO)
    lengths = []
    for cut in range(0, len(data), len(data) // 23):
        video = tmp_path / VIDEO
        video.write_bytes(data[:cut])
        left = remux(video, tmp_path / "part")
        lengths.append(left.frames)
        if left.frames:
            assert packets(video) == whole[: left.frames]
            assert pixels(video)
        else:
            assert video.read_bytes() == data[:cut]
        assert not (tmp_path / "part").exists()
    assert lengths == sorted(lengths)
    assert lengths[-1] > len(whole) * 0.8


def test_zeros_where_the_disk_had_not_written_are_no_frames(torn: Path, tmp_path: Path) -> None:
    """After a power loss a file may have its length but not its contents."""
    data, whole = (torn / VIDEO).read_bytes(), packets(torn / VIDEO)
    for share in (0.5, 0.7, 0.95):
        cut = int(len(data) * share)
        video = tmp_path / VIDEO
        video.write_bytes(data[:cut] + bytes(len(data) - cut))
        left = remux(video, tmp_path / "part")
        assert 0 < left.frames < len(whole)
        assert packets(video) == whole[: left.frames]


def test_a_video_with_much_that_cannot_be_read_stays_as_it_is(
    folder: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (folder / VIDEO).read_bytes()
    (folder / VIDEO).write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    monkeypatch.setattr("host.review.remux.MAX_LOST_BYTES", 100_000)
    with pytest.raises(RemuxError, match="cannot be read"):
        remux(folder / VIDEO, folder / "part")
    (found,) = shelf.repair(wait=True)
    assert found.status == "recovered"
    assert found.frames > 0
    assert "overlay.mp4 stays in fragments" in found.reason
    assert (folder / VIDEO).stat().st_size == len(data) // 2 * 2
    assert {file.name for file in folder.iterdir()} >= {VIDEO, MANIFEST, TAPE}


def test_a_disk_without_room_leaves_the_video_in_fragments_for_the_next_start(folder: Path) -> None:
    before = (folder / VIDEO).read_bytes()
    with Shelf(folder.parent, Limits(floor_bytes=2**62)) as full:
        (found,) = full.repair(wait=True)
    assert (found.status, found.frames) == ("recovered", len(ticks(folder)))
    assert "no room" in found.reason
    assert (folder / VIDEO).read_bytes() == before
    with Shelf(folder.parent) as shelf:
        (found,) = shelf.repair(wait=True)
    assert found.reason == LEFT
    assert not in_fragments(folder / VIDEO)


def test_a_folder_that_cannot_be_written_is_told_of_and_left(folder: Path, shelf: Shelf) -> None:
    before = (folder / VIDEO).read_bytes()
    (folder / f"{MANIFEST}.part").mkdir()
    (found,) = shelf.repair(wait=True)
    assert found.status == "recording"
    assert "cannot be" in found.reason
    (folder / f"{MANIFEST}.part").rmdir()
    (folder / f"{VIDEO}.part").mkdir()
    (found,) = shelf.repair(wait=True)
    assert "cannot be repaired" in found.reason
    assert (folder / VIDEO).read_bytes() == before
    (folder / f"{VIDEO}.part").rmdir()
    (found,) = shelf.repair(wait=True)
    assert found.reason == LEFT


def test_a_repair_that_is_stopped_leaves_the_rest_to_the_next(folder: Path) -> None:
    found, before = mark(folder), (folder / VIDEO).read_bytes()
    assert found is not None
    calls: Iterator[bool] = iter([False] * 50 + [True] * 1000)
    assert repair(found, 0, lambda: next(calls)) == found
    assert (folder / VIDEO).read_bytes() == before
    assert not list(folder.glob(f"{VIDEO}.part"))
    with Shelf(folder.parent) as shelf:
        assert [one.reason for one in shelf.repair(wait=True)] == [LEFT]


REPAIR = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from host.review.shelf import Shelf
import host.review.repair, host.review.remux
print("ready", flush=True)
sys.stdin.readline()
Shelf(Path(sys.argv[1])).repair(wait=True)
"""


def test_killed_while_repairing_the_next_start_finishes(torn: Path, tmp_path: Path) -> None:
    """At five moments of a repair that takes some 10 ms."""
    times, states = ticks(torn), set()
    for number in range(5):
        folder = Path(shutil.copytree(torn, tmp_path / str(number) / torn.name))
        process = subprocess.Popen(
            [sys.executable, "-c", REPAIR, str(folder.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
            time.sleep(0.004 * number)
            process.send_signal(signal.SIGKILL)
        states.add((read_manifest(folder).status, in_fragments(folder / VIDEO)))
        assert ticks(folder) == times
        with Shelf(folder.parent) as shelf:
            shelf.repair(wait=True)
            assert ticks(folder) == times
            assert not in_fragments(folder / VIDEO)
            (summary,) = shelf.list()
        assert (summary.status, summary.frames) == ("recovered", len(times))
        assert not list(folder.glob("*.part"))
    assert states & {("recording", True), ("recovered", True)}, "it was killed before it was done"


def test_a_session_that_was_closed_is_not_touched(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    before = {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()}
    with Shelf(tmp_path) as shelf:
        assert shelf.repair(wait=True) == []
    assert {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()} == before


def test_a_lost_manifest_is_made_from_the_name(folder: Path, shelf: Shelf) -> None:
    (folder / MANIFEST).write_bytes(b"\0" * 500)
    new = folder.rename(folder.with_name("north-kart-20260314-150926Z-2"))
    assert shelf.repair(wait=True) == [], "it may be about to begin"
    os.utime(new, (time.time() - 3600, time.time() - 3600))
    (found,) = shelf.repair(wait=True)
    assert (found.status, found.frames) == ("recovered", len(ticks(new)))
    (summary,) = shelf.list()
    assert (summary.car, summary.started_at) == ("north-kart", "2026-03-14T15:09:26Z")
    assert (new / f"{MANIFEST}.broken").read_bytes() == b"\0" * 500


def test_other_peoples_folders_are_not_repaired(tmp_path: Path) -> None:
    for name in ("notes", "kart-20260314-150926Z", ".trash"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes" / VIDEO).write_bytes(b"mine")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "notes")
    os.utime(tmp_path / "notes", (0, 0))
    before = sorted(tmp_path.rglob("*"))
    with Shelf(tmp_path) as shelf:
        assert shelf.repair(wait=True) == []
    assert sorted(tmp_path.rglob("*")) == before
    with Shelf(tmp_path / "nowhere") as shelf:
        assert shelf.repair(wait=True) == []


def test_an_older_recovery_without_tape_is_made_ordinary_too(folder: Path, shelf: Shelf) -> None:
    """Versions before this one marked a session and left its video in fragments."""
    for file in folder.glob("frames.*"):
        file.unlink()
    old = msgspec.structs.replace(read_manifest(folder), status="recovered", reason=LEFT, frames=144)
    write_manifest(folder, old)
    (found,) = shelf.repair(wait=True)
    assert found.frames == len(ticks(folder))
    assert not in_fragments(folder / VIDEO)


def test_counting_agrees_with_decoding(torn: Path) -> None:
    frames, duration_s = count(torn / VIDEO)
    assert frames == len(ticks(torn))
    assert duration_s == pytest.approx((ticks(torn)[-1] or 0) / 90_000 + 0.033, abs=0.001)
    with pytest.raises(OSError, match="No such file"):
        count(torn / "nothing")
    assert count(torn / MANIFEST) == Length(0, 0.0)
