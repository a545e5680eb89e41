"""The shelf of sessions: what it lists, what can be done, and what no name or rubbish can make it do."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import psutil
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.record import Recordings
from host.record.notes import NOTES, read_notes
from host.record.session import MANIFEST, TAPE, VIDEO, read_manifest
from host.relay import Channel
from host.review.footage import Footage
from host.review.footages import MAX_BUSY
from host.review.limits import Limits
from host.review.shelf import TRASH, Refused, Shelf, ShelfError, Unknown
from host.review.thumbnail import THUMBNAIL
from tests.recordings import BLUE, RED, ROOT, arrival, film, jpeg, running_loop, start, until
from tests.shelves import copied, recorded


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A session, alone in its directory."""
    return Path(shutil.copytree(made, tmp_path / made.name))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path) as opened:
        yield opened


def names(shelf: Shelf) -> list[str]:
    return [one.name for one in shelf.list()]


def test_a_recorded_session_is_listed_with_what_is_known(folder: Path, shelf: Shelf) -> None:
    (one,) = shelf.list()
    manifest = read_manifest(folder)
    assert (one.name, one.title, one.marked, one.bookmarks) == (folder.name, "", False, [])
    assert (one.car, one.status, one.recording, one.started_at) == ("kart", "complete", False, manifest.started_at)
    assert (one.frames, one.duration_s) == (6, 0.6)
    assert one.bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert one.has_frames
    assert shelf.summary(folder.name) == one


def test_newest_first_and_older_sessions_without_tape_or_notes_too(folder: Path, shelf: Shelf) -> None:
    copied(folder, "b", day=2, start_unix_ns=10**18)
    copied(folder, "a", day=3)
    old = copied(folder, "c", day=1)
    for file in old.glob("frames.*"):
        file.unlink()
    # The manifest of the first version that recorded.
    known = {"version": 1, "pilotlens": "0.1.0", "car": "kart", "status": "complete", "reason": ""}
    known |= {"started_at": "2025-12-24T18:00:00.000Z", "frames": 6, "dropped": 0, "drops": {}, "duration_s": 0.6}
    (old / MANIFEST).write_text(json.dumps(known))
    assert names(shelf) == [folder.name, "a", "c", "b"]
    (oldest,) = (one for one in shelf.list() if one.name == "c")
    assert (oldest.has_frames, oldest.pilot, oldest.duration_s) == (False, "", 0.6)
    assert shelf.footage("c") is None
    assert shelf.thumbnail("c").startswith(b"\xff\xd8")
    assert shelf.change("c", title="First of all").title == "First of all"


def test_rubbish_is_not_listed_and_not_touched(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    outside = copied(folder, "outside")
    outside = outside.rename(tmp_path.parent / f"{tmp_path.name}-outside")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "tub").mkdir()
    (tmp_path / "tub" / "manifest.json").write_text("[]")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / MANIFEST).write_bytes((folder / MANIFEST).read_bytes())
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST).write_text("{")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / MANIFEST).mkdir()
    with contextlib.suppress(OSError):  # macOS takes no such name
        (tmp_path / os.fsdecode(b"byte-\xff")).mkdir()
        shutil.copy(folder / MANIFEST, tmp_path / os.fsdecode(b"byte-\xff") / MANIFEST)
    os.mkfifo(tmp_path / "pipe")
    rubbish = set(tmp_path.rglob("*")) - set(folder.rglob("*")) - {folder}
    assert names(shelf) == [folder.name]
    with pytest.raises(Unknown):
        shelf.summary("broken")
    with Shelf(tmp_path, Limits(max_bytes=1, floor_bytes=2**60)) as greedy:
        assert greedy.tidy() == [folder.name]
    assert set(tmp_path.rglob("*")) - {tmp_path / TRASH} == rubbish
    assert (outside / VIDEO).exists()


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/",
    "/etc",
    ".trash",
    ".hidden",
    "x\0y",
    "\ud800",
    "a" * 300,
    "link",
    "nowhere",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_directory(folder: Path, shelf: Shelf, name: str, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    shutil.copytree(folder, outside)
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / TRASH).mkdir()
    (tmp_path / TRASH / "link").symlink_to(outside)
    before = sorted(path for path in tmp_path.parent.rglob("*") if path.name != TRASH)
    for do in (
        shelf.folder,
        shelf.summary,
        shelf.footage,
        shelf.thumbnail,
        shelf.delete,
        shelf.restore,
        lambda name: shelf.change(name, title="x"),
        lambda name: shelf.add_bookmark(name, 1.0),
    ):
        with pytest.raises(Unknown) as caught:
            do(name)
        assert str(caught.value).endswith(".")
    assert sorted(path for path in tmp_path.parent.rglob("*") if path.name != TRASH) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_session_may_be_called_anything(folder: Path, shelf: Shelf, name: str) -> None:
    if name.startswith("."):
        return
    renamed = folder.rename(folder.with_name(name))
    try:
        assert names(shelf) == [renamed.name]
        shelf.delete(name)
        assert names(shelf) == []
        assert shelf.restore(name).name == name
    finally:
        renamed.rename(folder)


FILES = [MANIFEST, VIDEO, TAPE, "frames.idx", NOTES, THUMBNAIL]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/passwd")])
@pytest.mark.parametrize("file", FILES)
def test_nobody_waits_for_or_is_led_elsewhere_by_what_is_no_file(
    folder: Path, shelf: Shelf, file: str, make: Callable[[Path], object]
) -> None:
    copied(folder, "untouched")
    (folder / file).unlink(missing_ok=True)
    make(folder / file)
    assert "untouched" in names(shelf)
    assert shelf.repair(wait=True) == []
    if file != MANIFEST:
        assert (shelf.footage(folder.name) is None) == (file == TAPE)
        with contextlib.suppress(Unknown):
            assert shelf.thumbnail(folder.name).startswith(b"\xff\xd8")
        with contextlib.suppress(Refused):
            shelf.add_bookmark(folder.name, 0.1)
    assert len(shelf.trash()) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"start_unix_ns": 10**400},
        {"frames": 10**30},
        {"frames": -1},
        {"drops": {"a": 10**30}},
        {"duration_s": 1e300},
        {"status": "finished"},
    ],
)
def test_numbers_that_cannot_be_hide_no_other_session(folder: Path, shelf: Shelf, changes: dict[str, object]) -> None:
    copied(folder, "good")
    known = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(json.dumps(known | changes))
    assert names(shelf) == ["good"]
    with pytest.raises(Unknown, match="broken"):
        shelf.summary(folder.name)


def test_what_cannot_be_read_may_be_marked_and_makes_no_room(folder: Path) -> None:
    copied(folder, "other", day=2)
    (folder / NOTES).write_bytes(b"\0\0\0")
    with Shelf(folder.parent, Limits(max_bytes=1)) as shelf:
        assert shelf.tidy() == ["other"]
        assert not shelf.change(folder.name, marked=False).marked
        assert shelf.tidy() == [folder.name]


def test_emptying_removes_what_cannot_be_read_too(folder: Path, shelf: Shelf) -> None:
    shelf.delete(folder.name)
    ((folder.parent / TRASH / folder.name) / MANIFEST).write_text("rubbish")
    assert shelf.trash() == []
    assert shelf.empty() == [folder.name]
    assert not list((folder.parent / TRASH).iterdir())


def test_titles_marks_and_bookmarks_are_kept(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    name = folder.name
    assert shelf.change(name, title="  Lap\n7 ").title == "Lap 7"
    assert shelf.change(name, marked=True).title == "Lap 7"
    one = shelf.add_bookmark(name, 0.3, "here")
    other = shelf.add_bookmark(name, 0.1)
    assert shelf.summary(name).bookmarks == [other, one]
    moved = shelf.change_bookmark(name, one.id, time_s=0.05, label="there")
    assert (moved.id, moved.time_s, moved.label, moved.made_at) == (one.id, 0.05, "there", one.made_at)
    shelf.remove_bookmark(name, other.id)
    with Shelf(tmp_path) as again:
        (summary,) = again.list()
    assert (summary.title, summary.marked, summary.bookmarks) == ("Lap 7", True, [moved])
    for do in (shelf.remove_bookmark, shelf.change_bookmark):
        with pytest.raises(Unknown, match="no bookmark"):
            do(name, other.id)
    for time_s in (-1.0, float("nan"), float("inf")):
        with pytest.raises(Refused):
            shelf.add_bookmark(name, time_s)
        with pytest.raises(Refused):
            shelf.change_bookmark(name, one.id, time_s=time_s)
    assert shelf.summary(name).bookmarks == [moved]


def test_what_others_write_is_seen(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    assert shelf.list()[0].title == ""
    with Shelf(tmp_path) as other:
        other.change(folder.name, title="from elsewhere")
    assert shelf.list()[0].title == "from elsewhere"
    assert shelf.summary(folder.name).title == "from elsewhere"


def test_notes_that_cannot_be_written_are_a_sentence(folder: Path, shelf: Shelf) -> None:
    (folder / "notes.json.part").mkdir()
    with pytest.raises(Refused, match=r"^The notes of 'kart-.*' cannot be written: Is a directory\.$"):
        shelf.change(folder.name, marked=True)


def test_deleted_is_in_the_trash_until_restored(folder: Path, shelf: Shelf) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    shelf.change(folder.name, title="lap")
    shelf.delete(folder.name)
    assert not folder.exists()
    assert names(shelf) == []
    assert [one.title for one in shelf.trash()] == ["lap"]
    with pytest.raises(Unknown):
        shelf.delete(folder.name)
    assert shelf.restore(folder.name).title == "lap"
    assert shelf.trash() == []
    assert before.items() <= {file.name: file.read_bytes() for file in folder.iterdir()}.items()
    with pytest.raises(Unknown, match="not in the trash"):
        shelf.restore(folder.name)


def test_nothing_is_overwritten_by_deleting_or_restoring(folder: Path, shelf: Shelf) -> None:
    shelf.delete(folder.name)
    (folder.parent / TRASH / folder.name / "mine").write_text("first")
    copied(folder.parent / TRASH / folder.name, "copy").rename(folder)
    with pytest.raises(Refused, match="is there already"):
        shelf.restore(folder.name)
    with pytest.raises(Refused, match="is there already"):
        shelf.delete(folder.name)
    assert names(shelf) == [folder.name]
    assert [one.name for one in shelf.trash()] == [folder.name]


def test_an_open_session_grows_and_is_never_deleted(tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings:
        channel = Channel("kart", loop)
        recording = start(recordings, channel)
        for n in range(60):
            channel.deliver(arrival(5000 + 33 * n))
        until(lambda: recording.frames == 60)
        with Shelf(tmp_path, Limits(max_bytes=1, max_days=1e-9)) as shelf:
            (one,) = shelf.list()
            assert (one.recording, one.status) == (True, "recording")
            with pytest.raises(Refused, match="still being recorded: stop the recording first"):
                shelf.delete(one.name)
            assert shelf.tidy() == []
            assert shelf.repair(wait=True) == []
            until(lambda: shelf.list()[0].duration_s > 1.0)
            assert 30 < shelf.summary(one.name).frames <= 60
            assert shelf.add_bookmark(one.name, 1.5, "live").label == "live"
            recordings.stop("kart")
            (closed,) = shelf.list()
            assert (closed.recording, closed.status, closed.frames) == (False, "complete", 60)
            assert [mark.label for mark in closed.bookmarks] == ["live"]
            shelf.delete(one.name)


def test_the_limits_take_the_trash_then_the_oldest_and_spare_what_is_marked(folder: Path, tmp_path: Path) -> None:
    for day, name in enumerate(("oldest", "old", "marked", "young", "binned"), 1):
        copied(folder, name, day)
    with Shelf(tmp_path) as shelf:
        shelf.change("marked", marked=True)
        shelf.change("oldest", marked=True)
        shelf.delete("binned")
        size = shelf.summary("young").bytes
    for keep, gone in ((5, ["binned"]), (4, ["old"]), (4, []), (2, ["young", folder.name]), (1, [])):
        with Shelf(tmp_path, Limits(max_bytes=size * keep + size // 2)) as shelf:
            assert shelf.tidy() == gone
            assert not {one.name for one in shelf.list()} & set(gone)
    assert {path.name for path in tmp_path.iterdir()} == {"oldest", "marked", TRASH}
    assert list((tmp_path / TRASH).iterdir()) == []


def test_what_is_marked_while_tidying_stays(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Shelf(tmp_path, Limits(max_bytes=1)) as shelf:
        measured = shelf._measure()
        monkeypatch.setattr(shelf, "_measure", lambda: measured)
        with Shelf(tmp_path) as other:
            other.change(folder.name, marked=True)
        assert shelf.tidy() == []
    assert folder.exists()


def test_age_counts_from_the_recording(folder: Path, tmp_path: Path) -> None:
    copied(folder, "spring", started_at="2020-03-01T12:00:00.000Z")
    copied(folder, "undated", started_at="whenever")
    with Shelf(tmp_path, Limits(max_days=30)) as shelf:
        assert shelf.tidy() == ["spring"]


def test_half_removed_sessions_are_removed_at_the_next_tidying(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / TRASH).mkdir()
    shutil.move(folder, tmp_path / TRASH / f".gone-{folder.name}")
    assert (names(shelf), shelf.trash()) == ([], [])
    assert shelf.tidy() == []
    assert list((tmp_path / TRASH).iterdir()) == []


def test_emptying_the_trash(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    copied(folder, "stays")
    shelf.delete(folder.name)
    assert shelf.empty() == [folder.name]
    assert (names(shelf), shelf.trash()) == (["stays"], [])
    assert list((tmp_path / TRASH).iterdir()) == []


def test_the_forecast_knows_the_disk_and_the_usual_rate(folder: Path, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with Shelf(tmp_path, Limits(max_bytes=10**9)) as shelf:
        one = shelf.summary(folder.name)
        told = shelf.forecast()
        assert told.used_bytes == one.bytes
        assert told.bytes_per_s == pytest.approx(one.bytes / one.duration_s)
        assert told.room_bytes == 10**9 - one.bytes
        assert told.seconds_left == pytest.approx(told.room_bytes / told.bytes_per_s, rel=1e-3)
        assert abs(told.free_bytes - free) < 10**10
        assert shelf.forecast(2e6).seconds_left == pytest.approx(told.room_bytes / 2e6, rel=1e-3)
    with Shelf(tmp_path / "not" / "yet") as shelf:
        assert shelf.forecast().seconds_left is None
        assert shelf.forecast(1e6).seconds_left is not None
        assert (shelf.list(), shelf.trash(), shelf.tidy(), shelf.empty()) == ([], [], [], [])


def test_a_thumbnail_is_the_first_picture_that_shows_something(tmp_path: Path, shelf: Shelf) -> None:
    black = jpeg((0, 0, 0), 640, 480)
    folder = film(tmp_path, [arrival(5000 + 500 * n, black if n < 4 else half(640, 480)) for n in range(8)]).directory
    shown = simplejpeg.decode_jpeg(picture := shelf.thumbnail(folder.name))
    assert shown.shape == (240, 320, 3)
    assert abs(shown[120, 80].astype(int) - BLUE).max() < 25
    assert shown[120, 240].max() < 25
    assert (folder / THUMBNAIL).read_bytes() == picture
    (folder / THUMBNAIL).write_bytes(cached := jpeg(RED))
    assert shelf.thumbnail(folder.name) == cached
    for rubbish in (b"", b"rubbish", picture[:-9], picture + bytes(2 * 1024 * 1024)):
        (folder / THUMBNAIL).write_bytes(rubbish)
        assert shelf.thumbnail(folder.name) == picture == (folder / THUMBNAIL).read_bytes()


def half(width: int, height: int) -> bytes:
    """Left half blue, right half black."""
    import numpy as np

    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 2] = BLUE
    return bytes(simplejpeg.encode_jpeg(rgb, quality=95))


def test_a_dark_session_has_a_dark_thumbnail_and_an_empty_one_none(tmp_path: Path, shelf: Shelf) -> None:
    folder = film(tmp_path, [arrival(5000 + 500 * n, jpeg((9, 9, 9), 161, 121)) for n in range(3)]).directory
    assert simplejpeg.decode_jpeg(shelf.thumbnail(folder.name)).shape == (122, 162, 3)
    (folder / THUMBNAIL).unlink()
    for video in (b"", b"rubbish" * 99, (folder / VIDEO).read_bytes()[:900]):
        (folder / VIDEO).write_bytes(video)
        with pytest.raises(Unknown, match="no picture"):
            shelf.thumbnail(folder.name)
    assert not (folder / THUMBNAIL).exists()


def test_tapes_are_kept_open_but_not_all_of_them(folder: Path, shelf: Shelf, tmp_path: Path) -> None:
    for n in range(20):
        copied(folder, f"s{n}")
    first = shelf.footage("s0")
    assert first is not None
    assert len(first) == 6
    assert shelf.footage("s0") is first
    for n in range(20):
        assert shelf.footage(f"s{n}") is not None
    held = {Path(file.path) for file in psutil.Process().open_files()}
    assert 0 < len({path for path in held if path.name == TAPE and tmp_path in path.parents}) <= MAX_BUSY
    (folder / TAPE).write_bytes(b"rubbish")
    assert shelf.footage(folder.name) is None


def test_a_tape_that_was_replaced_is_read_anew(folder: Path, shelf: Shelf) -> None:
    before = shelf.footage(folder.name)
    assert before is not None
    shutil.copy(folder / TAPE, folder / "new")
    (folder / "new").rename(folder / TAPE)
    after = shelf.footage(folder.name)
    assert after is not None
    assert after is not before
    assert len(after) == 6


def test_a_tape_that_opens_slowly_delays_no_other(folder: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    copied(folder, "slow")
    begun, go_on, opened = threading.Event(), threading.Event(), list[Footage]()

    class Slow(Footage):
        def __init__(self, path: Path) -> None:
            if path.parent.name == "slow":
                begun.set()
                assert go_on.wait(30)
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr("host.review.footage.Footage", Slow)
    threads = [threading.Thread(target=shelf.footage, args=["slow"]) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    assert shelf.footage(folder.name) is not None
    go_on.set()
    for thread in threads:
        thread.join()
    assert [one.path.parent.name for one in opened] == [folder.name, "slow"], "each is opened once"


def test_several_threads_may_use_it_at_once(folder: Path, shelf: Shelf) -> None:
    for n in range(12):
        copied(folder, f"s{n}")
    errors: list[Exception] = []

    def use(which: int) -> None:
        try:
            for n in range(12):
                shelf.list()
                shelf.change(f"s{n}", title=str(which))
                shelf.footage(f"s{n}")
                shelf.add_bookmark(f"s{n}", which)
        except ShelfError as why:
            errors.append(why)

    threads = [threading.Thread(target=use, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(len(read_notes(folder.with_name(f"s{n}")).bookmarks) == 4 for n in range(12))


def sessions(directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """`python -m host sessions`, as far as this piece of it goes."""
    code = "import sys; from host.review.command import main; sys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-W", "error", "-c", code, "--sessions", str(directory), *options]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_does_what_the_page_does(folder: Path, tmp_path: Path) -> None:
    copied(folder, "old run", day=3, pilot="linear.tflite")
    listed = sessions(tmp_path, "list").stdout.splitlines()
    assert listed[0].split() == ["NAME", "LENGTH", "SIZE", "CAR", "PILOT", "TITLE"]
    assert [line.split("  ")[0] for line in listed[1:]] == [folder.name, "old run"]
    assert "linear.tflite" in listed[2]
    assert sessions(tmp_path, "mark", "old run", folder.name).returncode == 0
    assert sessions(tmp_path, "rename", "old run", "Before the rain").returncode == 0
    assert sessions(tmp_path, "unmark", folder.name).returncode == 0
    assert "Before the rain" in sessions(tmp_path, "list").stdout
    (new, old) = json.loads(sessions(tmp_path, "list", "--json").stdout)
    assert (new["marked"], old["marked"], old["title"]) == (False, True, "Before the rain")
    gone = sessions(tmp_path, "delete", "nowhere", "old run")
    assert gone.returncode == 1
    assert gone.stderr == "host sessions: There is no session 'nowhere' here; it may have been deleted.\n"
    assert "old run" in sessions(tmp_path, "list", "--trash").stdout
    assert sessions(tmp_path, "restore", "old run").returncode == 0
    assert sessions(tmp_path, "tidy", "--max-days", "1").stdout == ""
    assert sessions(tmp_path, "tidy", "--max-gb", "0.000000001").stdout == f"removed {folder.name}\n"
    assert sessions(tmp_path, "repair").returncode == 0


def test_what_a_terminal_would_obey_is_spelt_out(folder: Path, tmp_path: Path) -> None:
    copied(folder, "line\nbreak", pilot="\x1b[31mred")
    listed = sessions(tmp_path, "list").stdout
    assert "'line\\nbreak'" in listed
    assert "'\\x1b[31mred'" in listed
    assert "\x1b" not in listed
    assert "removed 'line\\nbreak'\n" in sessions(tmp_path, "tidy", "--max-days", "1").stdout


@pytest.mark.parametrize("options", [["tidy", "--max-gb", "-1"], ["tidy", "--max-days", "nan"], ["dance"], []])
def test_the_command_line_refuses_in_words(tmp_path: Path, options: list[str]) -> None:
    refused = sessions(tmp_path, *options)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "_limit" not in refused.stderr


def test_a_directory_that_cannot_be_looked_at_is_a_sentence(tmp_path: Path) -> None:
    refused = sessions(tmp_path / ("x" * 300), "list")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "File name too long" in refused.stderr


def test_whoever_has_seen_enough_of_a_list_may_leave(folder: Path, tmp_path: Path) -> None:
    code = "import sys; from host.review.command import main; sys.exit(main(sys.argv[1:]))"
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, "--sessions", str(tmp_path), "list"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(write)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (0, b"")


def test_the_command_line_says_where_it_looked(tmp_path: Path) -> None:
    refused = sessions(tmp_path / "nowhere", "list")
    assert refused.returncode == 2
    assert "there is no directory" in refused.stderr


def test_the_directory_may_be_told_before_the_command_or_after_it(folder: Path, tmp_path: Path) -> None:
    told = sessions(tmp_path / "nowhere", "list", "--sessions", str(folder.parent))
    assert told.returncode == 0, told.stderr
    assert told.stdout == sessions(folder.parent, "list").stdout


def test_a_lock_alone_does_not_make_a_closed_session_open(folder: Path, shelf: Shelf) -> None:
    """Whoever repairs a video holds its lock."""
    with (folder / VIDEO).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not shelf.list()[0].recording
        shelf.delete(folder.name)


def test_thumbnails_come_from_a_video_in_the_making(tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings, Shelf(tmp_path) as shelf:
        channel = Channel("kart", loop)
        start(recordings, channel)
        for n in range(60):
            channel.deliver(arrival(5000 + 33 * n, half(160, 120)))

        def there() -> bool:
            try:
                return bool(shelf.thumbnail(shelf.list()[0].name))
            except ShelfError:
                return False

        until(there)
        with av.open(str(recordings.stop("kart").directory / VIDEO)) as container:
            assert container.streams.video[0].frames == 60
