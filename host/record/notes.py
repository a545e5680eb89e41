"""What people say about a session: `notes.json` in its folder, beside what the recorder wrote.

    change_notes:  lock the folder ─▶ read ─▶ change ─▶ notes.json.part ─fsync─▶ rename ─▶ notes.json

The page, the command line and a recorder that writes a bookmark may change the same notes at once, from different
processes: each change is made to what the others left.
"""

import contextlib
import fcntl
import itertools
import math
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from host.record.session import utc
from host.record.storage import read_json, write_json

NOTES = "notes.json"
MAX_TEXT = 200
"""Characters of a title or a label."""
MAX_BOOKMARKS = 10_000


class Bookmark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment somebody wants to find again. ValueError where the time cannot be one."""

    id: str
    """8 hexadecimal digits, unique within its session."""
    time_s: float
    """Since the first frame of the video."""
    label: str = ""
    made_at: str
    """Wall clock, ISO 8601 in UTC."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.time_s) and self.time_s >= 0):
            raise ValueError(f"a bookmark's time is seconds from the start of the video, not {self.time_s}")


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """`notes.json`."""

    title: str = ""
    marked: bool = False
    """Kept whatever the disk's limits say."""
    bookmarks: list[Bookmark] = []
    """In the order of their times."""


UNREADABLE = Notes(marked=True)
"""What stands for notes that cannot be read: they may have said that the session is to be kept."""


def new_bookmark(time_s: float, label: str = "") -> Bookmark:
    """A bookmark made now. Raises ValueError for a time that cannot be one."""
    return Bookmark(id=secrets.token_hex(4), time_s=time_s, label=plain(label), made_at=utc())


def with_bookmark(notes: Notes, bookmark: Bookmark) -> Notes:
    """The notes with this bookmark, in the place of the one with its id if there is one; ValueError for too many."""
    others = [one for one in notes.bookmarks if one.id != bookmark.id]
    if len(others) >= MAX_BOOKMARKS:
        raise ValueError(f"a session holds at most {MAX_BOOKMARKS} bookmarks: remove some first")
    return msgspec.structs.replace(notes, bookmarks=sorted([*others, bookmark], key=lambda one: one.time_s))


def plain(text: str) -> str:
    """The text as one line of at most MAX_TEXT characters, all of which can be shown and stored."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:MAX_TEXT].rstrip()


def read_notes(folder: Path) -> Notes:
    """The notes of a session; none where there is no such file, UNREADABLE where that cannot be read."""
    try:
        return _read(folder / NOTES)
    except (OSError, ValueError):
        return UNREADABLE


def change_notes(folder: Path, change: Callable[[Notes], Notes]) -> Notes:
    """Replace the notes by what `change` makes of them, and return that; survives a power loss.

    A file that holds no notes is set aside as notes.json.broken. Raises OSError, and what `change` raises.
    """
    with _locked(folder):
        try:
            notes = _read(folder / NOTES)
        except ValueError:
            _set_aside(folder / NOTES)
            notes = UNREADABLE
        notes = change(notes)
        write_json(folder / NOTES, notes)
    return notes


def _read(path: Path) -> Notes:
    with contextlib.suppress(FileNotFoundError):
        return read_json(path, Notes)
    return Notes()


def _set_aside(path: Path) -> None:
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.broken" + ("" if number == 1 else f"-{number}"))
        if not aside.exists():
            path.replace(aside)
            return


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process and thread has the folder's notes at a time; file systems without locks go without."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
