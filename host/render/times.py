"""When frames stand in a film: ticks of 1/90000 s, each later than the one before.

Recordings are believed where their times can be true. Those of a tub whose records lie 3 ms apart have nothing to do
with the drive, so its film runs at Donkeycar's own rate; and nobody wants to watch the two minutes in which somebody
carried the car back to the start, so a pause is cut to the length of an ordinary frame unless somebody wants it. Either
is said in a sentence.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple, Self

from edge.capture.tub import FASTEST_FPS, SLOWEST_FPS
from host.record.session import TICKS_HZ

PAUSE_MS = 2000.0
"""A longer one is left out."""
DISORDER = 0.05
"""The part of the steps that may lead backwards before none of the times is believed."""


class Times(NamedTuple):
    """Of all frames of a source."""

    ticks: "array[int]"
    """When they stand in a film."""
    taken: "array[int]"
    """When they were taken: the same, but for pauses."""
    note: str = ""
    """What was not believed, in a sentence; empty if nothing."""

    @classmethod
    def plain(cls, ticks: "array[int]", note: str = "") -> Self:
        return cls(ticks, ticks, note)


def steady(count: int, fps: float) -> "array[int]":
    """The ticks of `count` frames at a constant rate (at most TICKS_HZ)."""
    return array("q", (round(i * TICKS_HZ / fps) for i in range(count)))


def believed(times_ms: Sequence[float | None], default_fps: float) -> Times:
    """The ticks of frames that a recording says were taken at these times; `default_fps` where that cannot be."""
    if not times_ms:
        return Times.plain(array("q"))
    known = [time for time in times_ms if time is not None]
    steps = [after - before for before, after in pairwise(known)]
    forward = [step for step in steps if step > 0]
    if len(known) < len(times_ms) or len(forward) < (1 - DISORDER) * len(steps):
        why = "its frames have no times, or none in order"
    elif not forward or SLOWEST_FPS <= 1000 / median(forward) <= FASTEST_FPS:
        return _mended(steps, median(forward) if forward else 0.0)
    else:
        why = f"its frames' times lie {median(forward):g} ms apart, which cannot be true"
    return Times.plain(steady(len(times_ms), default_fps), f"{why}: they stand at {default_fps:g} frames/s")


def _mended(steps: Sequence[float], usual_ms: float) -> Times:
    """Ticks from the steps between frames; those that cannot be are of the usual length."""
    taken = [step if step > 0 else usual_ms for step in steps]
    mended = [step if step <= PAUSE_MS else usual_ms for step in taken]
    pauses = [step for step in steps if step > PAUSE_MS]
    note = (
        f"pauses longer than {PAUSE_MS / 1000:g} s are left out: {len(pauses)}, together {sum(pauses) / 1000:.0f} s; "
        "--keep-pauses keeps them"
        if pauses
        else ""
    )
    return Times(increasing(_summed(mended)), increasing(_summed(taken)), note)


def _summed(steps_ms: Iterable[float]) -> Iterable[int]:
    at_ms = 0.0
    yield 0
    for step in steps_ms:
        at_ms += step
        yield round(at_ms * TICKS_HZ / 1000)


def increasing(ticks: Iterable[int]) -> "array[int]":
    """The same, moved on by a tick where two would stand at one place."""
    found = array("q")
    for tick in ticks:
        found.append(tick if not found or tick > found[-1] else found[-1] + 1)
    return found
