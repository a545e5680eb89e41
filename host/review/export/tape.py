"""MCAP: the part of the tape, closed and indexed, so that Foxglove and every reader of MCAP can seek in it.

    frames.mcap, open or torn too ──▶ frames of the span as they were, their pictures as they came ──▶ NAME.mcap
    notes.json ──bookmarks────────────▶ on /events, in the place of those noted while recording

Ticks and wall clock stay those of the session.
"""

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from host.record.entry import Event
from host.record.ledger import ledger_path
from host.record.session import TICKS_HZ
from host.record.tape import Tape
from host.record.topics import PICTURES
from host.review.export.formats import Written
from host.review.export.source import ExportError, Progress, Source, Span
from host.review.footage import Footage, FootageError


def write(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    """See formats.py."""
    rows = source.rows(span)
    footage = source.footage
    events = _Due(sorted(_events(source, span), key=attrgetter("tick")))
    frames = 0
    with Tape(path, source.car) as tape:
        for done, row in enumerate(rows, 1):
            events.write(tape, footage.ticks[row])
            frames += _copied(footage, row, tape)
            progress(done / len(rows))
        events.write(tape, span.stop)
    ledger_path(path).unlink()
    if not frames:
        raise ExportError(f"no frame of {source.name} can be read in this part: choose another one")
    spoilt = len(rows) - frames
    return Written(frames, f"{spoilt} of {len(rows)} frames are spoilt on the disk and were left out" if spoilt else "")


class _Due:
    """Events that wait for their place."""

    def __init__(self, events: list[Event]) -> None:
        self._waiting = events[::-1]

    def write(self, tape: Tape, tick: int) -> None:
        """Note what happened by this tick."""
        while self._waiting and self._waiting[-1].tick <= tick:
            event = self._waiting.pop()
            tape.event(event.unix_ns, event.tick, event.kind, event.text)


def _copied(footage: Footage, row: int, tape: Tape) -> bool:
    """Copy one frame; False where it is spoilt."""
    try:
        entry = footage.entry(row)
    except FootageError:
        return False
    pictures = {kind: footage.picture(row, kind) for kind in PICTURES}
    tape.write(entry, {kind: jpeg for kind, jpeg in pictures.items() if jpeg is not None})
    return True


def _events(source: Source, span: Span) -> Iterator[Event]:
    for event in source.footage.events():
        if event.kind != "bookmark" and span.start <= event.tick < span.stop:
            yield event
    unix_s = source.footage.column("unix_s")
    for bookmark in source.notes.bookmarks:
        tick = round(bookmark.time_s * TICKS_HZ)
        if span.start <= tick < span.stop:
            row = source.footage.index_at(tick)
            since_s = (tick - source.footage.ticks[row]) / TICKS_HZ
            unix_ns = max(0, round((unix_s[row] + since_s) * 1e9))
            yield Event(unix_ns=unix_ns, tick=tick, kind="bookmark", text=bookmark.label)
