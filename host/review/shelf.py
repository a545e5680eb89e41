"""The sessions directory: which sessions there are, what is said of them, and what happens to them.

    SESSIONS/<name>/          a session (see host/record/session.py); what is none is left alone and not listed
    SESSIONS/.trash/<name>/   deleted, until restored or emptied
    SESSIONS/.trash/.gone-…   being removed for good

A name leads to a folder right in the directory or nowhere: no way out, no symbolic links. All methods touch the disk
and may be called from any thread, also of several processes; errors a person can cause are ShelfErrors.
"""

import contextlib
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from host.record.notes import Bookmark, Notes, change_notes, new_bookmark, plain, read_notes, with_bookmark
from host.record.session import MANIFEST, TAPE, TICKS_HZ
from host.review.files import changed_s, disk_usage, entries, inside, leftovers, move, size_bytes
from host.review.footages import Footages
from host.review.limits import Disk, Forecast, Limits, Stored, forecast, surplus
from host.review.repair import Repaired, Repairing
from host.review.summary import Summaries, Summary, open_now

if TYPE_CHECKING:
    from host.review.footage import Footage

__all__ = ["Forecast", "Limits", "Refused", "Shelf", "ShelfError", "Summary", "Unknown"]

TRASH = ".trash"
GONE = ".gone-"
MEASURED_S = 5.0
"""How long a measurement of the disk holds for a forecast."""
RATE_SESSIONS = 10
"""So many of the last sessions tell what recording takes while nothing is recorded."""


class ShelfError(Exception):
    """Something cannot be done with a session; the message is one sentence for a person.

    ├── Unknown  there is no such session, bookmark or picture
    └── Refused  it cannot be done with this one, or the disk does not let us
    """


class Unknown(ShelfError):
    """There is no such session, bookmark or picture."""


class Refused(ShelfError):
    """It cannot be done with this one, or the disk does not let us."""


Names = list[str]
Found = list[Summary]
Repairs = list[Repaired]


class Shelf:
    """All sessions in a directory. Leave it, or call `close`, to let go of open tapes and stop a repair under way."""

    def __init__(self, directory: Path, limits: Limits = Limits()) -> None:  # noqa: B008 - it is frozen
        self.directory = directory
        self.limits = limits
        self._footages = Footages()
        self._summaries = Summaries()
        self._discarded = Summaries()
        self._disk: tuple[float, Disk, float] | None = None
        self._lock = threading.Lock()
        self._tidying = threading.Lock()
        self._repairing = Repairing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._repairing.stop()
        self._footages.close()

    # What there is

    def list(self) -> Found:
        """All sessions, newest first."""
        return self._read(self.directory, self._summaries)

    def trash(self) -> Found:
        """What can be restored, newest first."""
        return self._read(self.directory / TRASH, self._discarded)

    def summary(self, name: str) -> Summary:
        """One session. Raises Unknown."""
        folder = self.folder(name)
        with self._lock:
            summary = self._summaries.read(folder)
        if summary is None:
            raise Unknown(f"The session {_shown(name)} cannot be read: its {MANIFEST} is broken.")
        return self._grown(summary) if summary.recording else summary

    def folder(self, name: str) -> Path:
        """Where a session is. Raises Unknown for a name that is none of ours."""
        folder = inside(self.directory, name)
        if folder is None or not (folder / MANIFEST).is_file():
            raise Unknown(f"There is no session {_shown(name)} here; it may have been deleted.")
        return folder

    def footage(self, name: str) -> "Footage | None":
        """The session's tape, read up to now; None where there is none or nothing in it can be read. Raises Unknown."""
        return self._footages.get(self.folder(name) / TAPE)

    def thumbnail(self, name: str) -> bytes:
        """A JPEG of at most 320 pixels in width. Raises Unknown where there is no picture to be had."""
        from host.review.thumbnail import thumbnail

        picture = thumbnail(self.folder(name))
        if picture is None:
            raise Unknown(f"The session {_shown(name)} has no picture to be shown small.")
        return picture

    # What people say of it

    def change(self, name: str, *, title: str | None = None, marked: bool | None = None) -> Summary:
        """Rename a session, or mark it so that it is kept. Raises ShelfError."""
        changes: dict[str, object] = {}
        if title is not None:
            changes["title"] = plain(title)
        if marked is not None:
            changes["marked"] = marked
        self._note(name, lambda notes: msgspec.structs.replace(notes, **changes))
        return self.summary(name)

    def add_bookmark(self, name: str, time_s: float, label: str = "") -> Bookmark:
        """A new bookmark. Raises ShelfError."""
        try:
            bookmark = new_bookmark(time_s, label)
        except ValueError as why:
            raise Refused(f"There cannot be a bookmark at {time_s} s: {why}.") from why
        self._note(name, lambda notes: with_bookmark(notes, bookmark))
        return bookmark

    def change_bookmark(
        self, name: str, identity: str, *, time_s: float | None = None, label: str | None = None
    ) -> Bookmark:
        """Move or rename a bookmark. Raises ShelfError."""
        changes: dict[str, object] = {} if time_s is None else {"time_s": time_s}
        if label is not None:
            changes["label"] = plain(label)

        def change(notes: Notes) -> Notes:
            old = _bookmark(notes, name, identity)
            return with_bookmark(notes, msgspec.structs.replace(old, **changes))

        return _bookmark(self._note(name, change), name, identity)

    def remove_bookmark(self, name: str, identity: str) -> None:
        """Raises ShelfError."""

        def change(notes: Notes) -> Notes:
            gone = _bookmark(notes, name, identity)
            return msgspec.structs.replace(notes, bookmarks=[one for one in notes.bookmarks if one != gone])

        self._note(name, change)

    # Where it goes

    def delete(self, name: str) -> None:
        """Move a session to the trash. Raises ShelfError, also for one that is being recorded."""
        folder = self.folder(name)
        if open_now(folder):
            raise Refused(f"The session {_shown(name)} is still being recorded: stop the recording first.")
        with _as_refusal(f"The session {_shown(name)} cannot be deleted"):
            move(folder, self.directory / TRASH)
        self._footages.forget(folder)

    def restore(self, name: str) -> Summary:
        """Take a session out of the trash. Raises ShelfError."""
        folder = inside(self.directory / TRASH, name)
        if folder is None:
            raise Unknown(f"The session {_shown(name)} is not in the trash; it may have been removed to make room.")
        with _as_refusal(f"The session {_shown(name)} cannot be restored"):
            move(folder, self.directory)
        return self.summary(name)

    def empty(self) -> Names:
        """Remove for good what is in the trash; their names."""
        return [folder.name for folder in entries(self.directory / TRASH) if self._remove(folder)]

    def tidy(self) -> Names:
        """Remove for good what the limits leave no room for, trash first; the names of what went.

        Raises OSError where the disk cannot be measured.
        """
        with self._tidying:
            for rest in leftovers(self.directory / TRASH, GONE):
                shutil.rmtree(rest, ignore_errors=True)  # a crash came between
            trash, sessions = surplus(self.limits, self._measure(), time.time())
            gone = [one.name for one in trash if self._remove(self.directory / TRASH / one.name)]
            gone += [one.name for one in sessions if self._remove(self.directory / one.name)]
            self._disk = None
            return gone

    def forecast(self, bytes_per_s: float = 0.0) -> Forecast:
        """Where the disk goes at that rate; at 0, at the rate of the last sessions. Measures at most every 5 s.

        Of a disk that cannot be measured, what was known last.
        """
        now = time.monotonic()
        known = self._disk or (-math.inf, Disk(0, 0, [], []), 0.0)
        if now - known[0] > MEASURED_S:
            with contextlib.suppress(OSError):
                known = self._disk = now, self._measure(), self._usual_rate()
        return forecast(self.limits, known[1], bytes_per_s or known[2])

    def repair(self, *, wait: bool = False) -> Repairs:
        """Mark what a crash left, and set about repairing it in a thread of its own; `wait` until that is done.

        What it returns is marked, and if `wait` repaired as far as it can be.
        """
        folders = list(entries(self.directory))
        return self._repairing.run(folders, self.limits.floor_bytes, wait=wait)

    def _read(self, directory: Path, summaries: Summaries) -> Found:
        folders = set(entries(directory))
        with self._lock:
            summaries.keep_only(folders)
            found = [one for one in map(summaries.read, folders) if one is not None]
        found = [self._grown(one) if one.recording else one for one in found]
        return sorted(found, key=lambda one: (one.started_unix_s, one.name), reverse=True)

    def _grown(self, summary: Summary) -> Summary:
        """The summary of a session being recorded, with what its tape holds by now."""
        footage = self._footages.get(self.directory / summary.name / TAPE)
        if footage is None or not len(footage):
            return summary
        duration_s = round(footage.ticks[-1] / TICKS_HZ, 3)
        return msgspec.structs.replace(summary, frames=len(footage), duration_s=duration_s)

    def _note(self, name: str, change: Callable[[Notes], Notes]) -> Notes:
        folder = self.folder(name)
        with _as_refusal(f"The notes of {_shown(name)} cannot be written"):
            notes = change_notes(folder, change)
        with self._lock:
            self._summaries.forget(folder)
        return notes

    def _remove(self, folder: Path) -> bool:
        """Remove for good, if nobody has marked or opened it meanwhile; a crash never leaves half a session."""
        trash = self.directory / TRASH
        if folder.parent != trash and (open_now(folder) or read_notes(folder).marked):
            return False
        gone = trash / (GONE + folder.name)
        try:
            trash.mkdir(exist_ok=True)
            folder.rename(gone)
        except OSError:
            return False
        self._footages.forget(folder)
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def _measure(self) -> Disk:
        disk = disk_usage(self.directory)
        sessions = [Stored(one.name, one.bytes, one.started_unix_s, one.marked or one.recording) for one in self.list()]
        trash = [
            Stored(folder.name, size_bytes(folder), changed_s(folder)) for folder in entries(self.directory / TRASH)
        ]
        return Disk(disk.free, disk.total, sessions, trash)

    def _usual_rate(self) -> float:
        last = [one for one in self.list() if one.duration_s > 0 and not one.recording][:RATE_SESSIONS]
        duration_s = sum(one.duration_s for one in last)
        return sum(one.bytes for one in last) / duration_s if duration_s else 0.0


def _bookmark(notes: Notes, name: str, identity: str) -> Bookmark:
    for one in notes.bookmarks:
        if one.id == identity:
            return one
    raise Unknown(f"The session {_shown(name)} has no bookmark {_shown(identity)}; it may have been removed.")


@contextlib.contextmanager
def _as_refusal(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        raise Refused(f"{what}: {why.strerror or why}.") from why
    except ValueError as why:
        raise Refused(f"{what}: {why}.") from why


def _shown(name: str) -> str:
    return repr(name[:80])
