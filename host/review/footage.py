"""Reading a tape, also one that is being written or was torn by a crash: columns, and any frame or picture at once.

    frames.idx ──rows──▶┐
                        ├─▶ Footage: ticks, columns, events │ index ─▶ Entry, JPEG (read from the tape when asked for)
    frames.mcap ─tail──▶┘

What the ledger lacks is found in the tape; a closed tape gets its ledger back.
"""

import contextlib
import errno
import shutil
import threading
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from host.record import topics
from host.record.entry import COLUMNS, Entry, Event, decode
from host.record.ledger import Place, ledger_path
from host.record.storage import sync_folder
from host.record.tape import Tape
from host.review.gaps import gaps_between
from host.review.reader import Reader
from host.review.scan import FootageError

__all__ = ["COLUMNS", "Entry", "Event", "Footage", "FootageError", "mend"]

_KINDS = {"camera": 5, "mask": 6}
"""Cells of a row that say where a picture lies."""


class Footage:
    """A tape being read, by any number of threads. Leave it, or close it, to let go of the file."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises FootageError where there is no tape, or something else in its place."""
        self.path = path
        self._lock = threading.RLock()
        try:
            self._reader = Reader(path)
        except FootageError as why:
            raise FootageError(f"{path} cannot be read: {why}") from why
        self._rows = self._reader.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; what was not read by then cannot be any more."""
        with self._lock:
            self._reader.close()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def car(self) -> str:
        """Whose tape it is; empty where its start is spoilt."""
        return self._reader.car

    @property
    def ticks(self) -> Sequence[int]:
        """When each frame stands in the video, 1/90000 s; array('q') that stays as it is when the footage grows."""
        return self._rows.ticks

    @property
    def ended(self) -> bool:
        """Whether the tape was closed: it grows no more."""
        return self._reader.ended

    def refresh(self) -> int:
        """Read what was written since; how many frames there are now."""
        with self._lock:
            self._check_open()
            self._reader.take()
            return len(self)

    def column(self, name: str, first: int = 0) -> "array[float]":
        """One of COLUMNS, a number a frame from `first` on, NaN where it is unknown: array('d'), yours.

        KeyError for other names.
        """
        if name not in COLUMNS:
            raise KeyError(name)
        with self._lock:
            return self._rows.column(COLUMNS.index(name), first)

    def is_whole(self) -> bool:
        """Whether the tape was closed with the summary that other programs seek by."""
        with self._lock:
            self._check_open()
            return self._reader.is_whole()

    def index_at(self, tick: int) -> int:
        """The frame on screen at this tick: the newest one by then, or the first. IndexError without frames."""
        if not len(self):
            raise IndexError("there is no frame yet")
        return max(0, bisect_right(self._rows.ticks, tick) - 1)

    def entry(self, index: int) -> Entry:
        """All that is known of a frame. IndexError where there is no such frame, FootageError where it is spoilt."""
        with self._lock:
            place = self._place(index)
            data = self._reader.message(place, place.at, topics.FRAME)
        with contextlib.suppress(ValueError):
            if data:
                return decode(data)
        raise FootageError(f"frame {index} of {self.path} is spoilt")

    def picture(self, index: int, kind: str) -> bytes | None:
        """The JPEG "camera" or "mask" of a frame; None where there is none, or it is spoilt. IndexError as `entry`."""
        with self._lock:
            place = self._place(index)
            at = place[_KINDS[kind]] if kind in _KINDS else 0
            data = self._reader.message(place, at, topics.PICTURES[kind]) if at else None
        with contextlib.suppress(ValueError):
            return topics.jpeg(data) if data else None
        return None

    def pictures(self, index: int) -> dict[str, bytes]:
        """All pictures of a frame by kind; IndexError as `entry`."""
        found = ((kind, self.picture(index, kind)) for kind in _KINDS)
        return {kind: jpeg for kind, jpeg in found if jpeg is not None}

    def kinds(self) -> list[str]:
        """The pictures that there are of some frames at least: not every link carries them all the time."""
        with self._lock:
            return [kind for kind, place in _KINDS.items() if any(self._rows.whole(place))]

    def has(self, kind: str, first: int = 0) -> "array[float]":
        """For each frame from `first` on 1 if the tape has its picture "camera" or "mask", else 0.

        KeyError for other kinds.
        """
        with self._lock:
            return array("d", map(bool, self._rows.whole(_KINDS[kind], first)))

    def gaps(self) -> list[tuple[int, int]]:
        """Where nothing came, in ticks: of the last frame before and of the first one after it."""
        return gaps_between(self._rows.ticks)

    def events(self) -> list[Event]:
        """What happened, in the order it was noted."""
        with self._lock:
            return [event for _, event in self._reader.events]

    def _place(self, index: int) -> Place:
        self._check_open()
        return self._rows.place(index)

    def _check_open(self) -> None:
        if self._reader.closed:
            raise FootageError(f"{self.path} was closed")


def mend(path: Path, floor_bytes: int = 0, check: Callable[[], object] = lambda: None) -> int:
    """Make a torn tape a closed, indexed one, in its place and in one step; how many frames it has.

    A tape that was closed stays as it is. The new one is a copy first, for which the disk must have room beside
    `floor_bytes`; `check` is called before each frame and may raise what ends it all. Raises FootageError where there
    is no tape, OSError where the new one cannot be written; however it ends early, the torn one stays as it was.
    """
    with Footage(path) as footage:
        if footage.is_whole():
            return len(footage)
        _check_room(path, floor_bytes)
        part = path.with_name(f"{path.stem}.part{path.suffix}")
        try:
            count = _copy(footage, part, check)
            part.replace(path)
            ledger_path(part).replace(ledger_path(path))
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
                ledger_path(part).unlink(missing_ok=True)
    sync_folder(path.parent)
    return count


def _check_room(path: Path, floor_bytes: int) -> None:
    """Raise OSError where a copy of this file would not leave so much of the disk free."""
    if shutil.disk_usage(path.parent).free - path.stat().st_size < floor_bytes:
        raise OSError(errno.ENOSPC, "the disk has no room for a copy", str(path))


def _copy(footage: Footage, path: Path, check: Callable[[], object]) -> int:
    """Write what the footage has as a new tape; how many frames that is."""
    for earlier in (path, ledger_path(path)):
        earlier.unlink(missing_ok=True)
    count = 0
    events = deque(footage.events())
    with Tape(path, footage.car) as tape:
        for index, tick in enumerate(footage.ticks):
            check()
            while events and events[0].tick <= tick:
                _note(tape, events.popleft())
            with contextlib.suppress(FootageError):
                tape.write(footage.entry(index), footage.pictures(index))
                count += 1
        for event in events:
            _note(tape, event)
    return count


def _note(tape: Tape, event: Event) -> None:
    with contextlib.suppress(ValueError):
        tape.event(event.unix_ns, event.tick, event.kind, event.text)
