"""What people say about a session: kept whole whatever happens, whoever says it at the same time."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.record.notes import (
    MAX_BOOKMARKS,
    MAX_TEXT,
    NOTES,
    Bookmark,
    Notes,
    change_notes,
    new_bookmark,
    plain,
    read_notes,
    with_bookmark,
)

ROOT = Path(__file__).parents[1]


def marked(notes: Notes) -> Notes:
    return msgspec.structs.replace(notes, marked=True)


def named(title: str, notes: Notes) -> Notes:
    return msgspec.structs.replace(notes, title=title)


def test_what_was_said_is_read_again(tmp_path: Path) -> None:
    bookmark = new_bookmark(12.5, "lost the cone")
    change_notes(tmp_path, lambda notes: with_bookmark(named("Evening run", notes), bookmark))
    assert read_notes(tmp_path) == Notes(title="Evening run", marked=False, bookmarks=[bookmark])
    assert change_notes(tmp_path, marked).title == "Evening run"
    assert [file.name for file in tmp_path.iterdir()] == [NOTES]


def test_bookmarks_stand_in_the_order_of_their_times() -> None:
    notes = Notes()
    for at in (5.0, 1.0, 3.0):
        notes = with_bookmark(notes, new_bookmark(at))
    assert [one.time_s for one in notes.bookmarks] == [1.0, 3.0, 5.0]
    assert len({one.id for one in notes.bookmarks}) == 3
    moved = msgspec.structs.replace(notes.bookmarks[0], time_s=9.0)
    assert [one.time_s for one in with_bookmark(notes, moved).bookmarks] == [3.0, 5.0, 9.0]


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -0.1])
def test_a_time_that_cannot_be_is_refused(time_s: float) -> None:
    with pytest.raises(ValueError, match="seconds from the start"):
        new_bookmark(time_s)
    with pytest.raises(ValueError, match="seconds from the start"):
        msgspec.structs.replace(new_bookmark(1.0), time_s=time_s)


def test_there_are_not_more_bookmarks_than_fit() -> None:
    full = Notes(bookmarks=[Bookmark(id=f"{n:08x}", time_s=n, made_at="") for n in range(MAX_BOOKMARKS)])
    with pytest.raises(ValueError, match="at most"):
        with_bookmark(full, new_bookmark(1.0))
    assert len(with_bookmark(full, full.bookmarks[3]).bookmarks) == MAX_BOOKMARKS


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_becomes_a_line_that_can_be_stored(text: str) -> None:
    line = plain(text)
    assert msgspec.json.decode(msgspec.json.encode(line)) == line == plain(line)
    assert len(line) <= MAX_TEXT
    assert line == line.strip()
    assert all(letter.isprintable() for letter in line)


def test_no_notes_yet_or_no_folder_are_no_notes(tmp_path: Path) -> None:
    assert read_notes(tmp_path) == read_notes(tmp_path / "nowhere") == Notes()
    with pytest.raises(FileNotFoundError):
        change_notes(tmp_path / "nowhere", marked)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_is_not_read_and_may_say_that_the_session_is_kept(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / NOTES)
    assert read_notes(tmp_path) == Notes(marked=True)
    with pytest.raises(OSError, match=NOTES):
        change_notes(tmp_path, marked)


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"title": 3}', b'{"bookmarks": [{"id": "a"}]}', b'{"weather": ' + b"[" * 100_000],
)
def test_a_broken_file_is_set_aside_and_kept_and_so_is_the_session(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / NOTES).write_bytes(rubbish)
    assert read_notes(tmp_path) == Notes(marked=True)
    assert (tmp_path / NOTES).read_bytes() == rubbish, "reading changes nothing"
    change_notes(tmp_path, partial(named, "again"))
    assert read_notes(tmp_path) == Notes(title="again", marked=True)
    assert (tmp_path / f"{NOTES}.broken").read_bytes() == rubbish
    (tmp_path / NOTES).write_bytes(b"again")
    change_notes(tmp_path, marked)
    assert (tmp_path / f"{NOTES}.broken-2").read_bytes() == b"again"
    assert (tmp_path / f"{NOTES}.broken").read_bytes() == rubbish


def test_notes_of_a_newer_version_are_understood(tmp_path: Path) -> None:
    (tmp_path / NOTES).write_text('{"title": "x", "weather": "rain"}')
    assert read_notes(tmp_path) == Notes(title="x")


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    change_notes(tmp_path, partial(named, "before"))
    with pytest.raises(ZeroDivisionError):
        change_notes(tmp_path, lambda _: Notes(title=str(1 / 0)))
    assert read_notes(tmp_path).title == "before"


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / f"{NOTES}.part").mkdir()  # root, as which tests may run, writes to read-only folders
    with pytest.raises(IsADirectoryError):
        change_notes(tmp_path, marked)


def test_nothing_said_at_the_same_time_is_lost(tmp_path: Path) -> None:
    """Two processes with two threads each."""
    each = 15
    code = f"""
import sys, threading
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from host.record.notes import change_notes, new_bookmark, with_bookmark

def add(start):
    for n in range({each}):
        change_notes(Path(sys.argv[1]), lambda notes: with_bookmark(notes, new_bookmark(start + n)))

threads = [threading.Thread(target=add, args=[int(sys.argv[2]) + 100 * one]) for one in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    children = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(tmp_path), str(1000 * n)]) for n in range(2)
    ]
    read = []
    while any(child.poll() is None for child in children):
        read.append(len(read_notes(tmp_path).bookmarks))
    assert [child.returncode for child in children] == [0, 0]
    expected = {1000 * process + 100 * thread + n for process in range(2) for thread in range(2) for n in range(each)}
    assert {one.time_s for one in read_notes(tmp_path).bookmarks} == expected
    assert read == sorted(read), "a reader sees the notes as they were or as they are"


def test_whoever_holds_the_notes_is_waited_for(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(notes: Notes) -> Notes:
        entered.set()
        assert go_on.wait(10)
        return named("slow", notes)

    first = threading.Thread(target=change_notes, args=[tmp_path, slow])
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=change_notes, args=[tmp_path, marked])
    second.start()
    assert read_notes(tmp_path) == Notes()
    go_on.set()
    first.join()
    second.join()
    assert read_notes(tmp_path) == Notes(title="slow", marked=True)
    assert [file.name for file in tmp_path.iterdir()] == [NOTES]
