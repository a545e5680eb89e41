"""What is exported: one session, and the part of it that is wanted.

    SESSIONS/NAME/ overlay.mp4 ──▶ film.py ──▶ mp4, gif
                   frames.mcap ──▶ Footage ──▶ csv, tub, mcap
                   notes.json  ──▶ title, bookmarks

Nothing in a session is changed. One that is still being recorded, or was torn by a crash, gives what there is.

    ExportError     the message is one sentence for a person
    ├── NoRoom      the disk is too full to write it
    └── Cancelled   nobody wants it any more
"""

import math
import re
from bisect import bisect_left
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from host.record.notes import Notes, read_notes
from host.record.session import MANIFEST, TAPE, TICKS_HZ, VIDEO, RecordError, read_manifest
from host.review.footage import Footage, FootageError

FOREVER = 2**62
"""A tick after every session's end."""


class ExportError(Exception):
    """Something cannot be exported; the message is one sentence for a person."""


class NoRoom(ExportError):
    """The disk is too full."""


class Cancelled(ExportError):
    """Whoever wanted it is gone."""


Progress = Callable[[float], None]
"""Told after every frame how much is done, 0 … 1; raises Cancelled (or another ExportError) to end the export."""


class Span(NamedTuple):
    """A part of a session, in ticks: from the frame at `start` up to, without, the one at `stop`."""

    start: int = 0
    stop: int = FOREVER

    @classmethod
    def of_seconds(cls, start_s: float = 0.0, stop_s: float | None = None) -> Self:
        """The part between two times. Raises ExportError where there can be nothing between them."""
        if stop_s is not None and stop_s <= start_s:
            raise ExportError(
                f"there is nothing between {start_s:g} s and {stop_s:g} s: the end must come after the start"
            )
        return cls(_tick(start_s), FOREVER if stop_s is None else _tick(stop_s))

    @property
    def start_s(self) -> float:
        return self.start / TICKS_HZ

    @property
    def stop_s(self) -> float | None:
        """None for the end of the session."""
        return None if self.stop == FOREVER else self.stop / TICKS_HZ

    def done(self, tick: int, end: int) -> float:
        """How much of the span lies before `tick`, 0 … 1, in a session that ends at `end`."""
        last = min(self.stop, end)
        return min(1.0, max(0.0, (tick - self.start) / (last - self.start))) if last > self.start else 1.0


def seconds(text: str) -> float:
    """A time from the start of the session: `83.5`, `1:23.5` or `0:01:23.5`. Raises ExportError."""
    if not re.fullmatch(r"(\d{1,9}|(\d{1,4}:)?[0-5]?\d:[0-5]?\d)(\.\d{0,18})?", text.strip(), re.ASCII):
        raise ExportError(f"{text[:40]!r} is no time: give seconds like 83.5, or H:MM:SS like 0:01:23.5")
    total = 0.0
    for place in text.strip().split(":"):
        total = total * 60 + float(place)
    return total


class Source:
    """A session's folder, open for reading. A context manager. Raises ExportError where it is none."""

    def __init__(self, folder: Path) -> None:
        if not ((folder / MANIFEST).is_file() or (folder / VIDEO).is_file()):
            raise ExportError(f"the folder {folder} is no session: a session is a folder with {MANIFEST} and {VIDEO}")
        self.folder = folder
        self.name = folder.resolve().name
        self.video = folder / VIDEO
        self.notes: Notes = read_notes(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "footage" in self.__dict__:
            self.footage.__exit__(kind, error, trace)

    @property
    def car(self) -> str:
        try:
            return read_manifest(self.folder).car
        except RecordError:
            return self.name.partition("-")[0]

    @property
    def whole(self) -> bool:
        """Whether its files were closed, or repaired, so that what they hold need not be doubted."""
        try:
            return read_manifest(self.folder).status in {"complete", "recovered"}
        except RecordError:
            return False

    @cached_property
    def footage(self) -> Footage:
        """What was measured. Raises ExportError for a session without."""
        path = self.folder / TAPE
        if not path.is_file():
            raise ExportError(
                f"the session {self.name} has no {TAPE}, which holds camera pictures and figures: "
                "it can be exported as mp4 or gif"
            )
        try:
            return Footage(path)
        except FootageError as why:
            raise ExportError(f"the tape {why}; the session can still be exported as mp4 or gif") from why

    def rows(self, span: Span) -> range:
        """The frames of its tape within a span. Raises ExportError where there are none."""
        ticks = self.footage.ticks
        rows = range(bisect_left(ticks, span.start), bisect_left(ticks, span.stop))
        if not rows:
            raise self.nothing(span, ticks[-1] if len(ticks) else None)
        return rows

    def nothing(self, span: Span, last: int | None) -> ExportError:
        """Why a span is empty, `last` being the newest frame's tick."""
        if last is None:
            return ExportError(f"the session {self.name} holds no frame that can be read: there is nothing to export")
        until = "the end" if span.stop_s is None else f"{span.stop_s:g} s"
        return ExportError(
            f"the session {self.name} holds no frame between {span.start_s:g} s and {until}: its last one is at "
            f"{last / TICKS_HZ:.2f} s"
        )


def _tick(time_s: float) -> int:
    if not (math.isfinite(time_s) and 0 <= time_s <= 1e9):
        raise ExportError(f"{time_s:g} s is no time in a session: it starts at 0 s")
    return round(time_s * TICKS_HZ)
