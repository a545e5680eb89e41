"""Entries and tapes made of them, for the tests of what reads and writes tapes."""

import random
from collections.abc import Iterable
from pathlib import Path

import wire
from host.record.tape import Entry, Tape

MS = 1_000_000
UNIX_NS = 1_790_000_000_123_456_789
STEP_TICKS = 3000


def entry(number: int, tick: int | None = None, **changes: object) -> Entry:
    """The so-manieth frame of a drive at 30 frames/s, no two of them alike."""
    at_ns = number * 100 * MS // 3
    fields: dict[str, object] = {
        "car": "kart",
        "session": "ab",
        "seq": number,
        "captured_ns": 7_000 * MS + at_ns,
        "sent_ns": 7_009 * MS + at_ns,
        "stages_ns": {"wait": 1, "pilot": 2 * MS + number, "mask": 3},
        "width": 160,
        "height": 120,
        "drive": wire.Drive(number / 1000 - 0.5, 0.25),
        "outputs": {"angle": [number / 7], "bins": [0.1, 0.9]},
        "mask": wire.MaskStats(2.5 + number, 4.0, shares=[0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]),
        "drops": {"slow": number // 10, "credit": 2},
        "health": wire.Health(temperature_c=51.5),
    }
    return Entry(
        tick=number * STEP_TICKS if tick is None else tick,
        unix_ns=UNIX_NS + at_ns,
        captured_ns=90_000 * MS + at_ns,
        received_ns=90_030 * MS + at_ns + number,
        clock_error_ns=150_000,
        frame=wire.Frame(**(fields | changes)),  # type: ignore[arg-type]
    )


def pictures(number: int, size_bytes: int = 400) -> dict[str, bytes]:
    """Bytes in the place of JPEGs, of every frame their own."""
    noise = random.Random(number)
    return {"camera": noise.randbytes(size_bytes), "mask": noise.randbytes(size_bytes // 4)}


def make(path: Path, numbers: Iterable[int], *, close: bool = True, events: Iterable[int] = ()) -> Path:
    """A tape of these frames, with a bookmark after some of them."""
    tape = Tape(path, "kart")
    marked = set(events)
    for number in numbers:
        one = entry(number)
        tape.write(one, pictures(number))
        if number in marked:
            tape.event(one.unix_ns, one.tick, "bookmark", f"after {number}")
    if close:
        tape.close()
    else:
        tape.flush()
        tape._close()
    return path
