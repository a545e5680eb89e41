"""Whether the maps tell the truth, measured while the car drives.

    a frame and its map ─▶ hide the top 10 % ─▶ pilot ─▶ how much its word changes ─┐
                        └▶ hide 10 % at random ─▶ pilot ─▶ the same ────────────────┴─▶ ratio of means over the window

A map that explains the pilot's word points at what the word hangs on: hidden there, the word changes more than hidden
anywhere else. The measure is that of deletion.py and of `python -m models report`, on the frames as they come.

A thread with a pilot of its own takes a frame now and then, so seldom that the stream keeps its pace: at most one a
second, and at rest for at least REST times as long as it worked.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge import deletion
from edge.beside import Beside
from edge.capture import Frame
from edge.pilot import Past, Pilot
from edge.tflite import Floats
from wire import Check, Look

SHARE = 0.10
"""Of the pixels, that is hidden."""
RANDOM_MAPS = 2
"""Random maps per frame; their changes are averaged."""
WINDOW = 60
FEWEST = 8
"""Frames that count, and frames without which nothing is said."""
EVERY_S = 1.0
REST = 50.0
MOST = 1000.0
"""A larger ratio is not told apart: random maps change next to nothing then."""

_RESAMPLES = 500
_LOW, _HIGH = 0.025, 0.975

Target = tuple[str, str, str]
"""What is checked: method, target, layer."""


class Change(NamedTuple):
    """How much the pilot's word changed on one frame: what the map shows hidden, and as much at random."""

    shown: float
    random: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame, what the pilot remembered when it saw it, and a map of it."""

    frame: Frame
    past: Past
    values: Floats
    """float32 (H, W) at the pilot's input size."""


def measure(pilot: Pilot, sample: Sample, target: str) -> Change:
    """Runs the pilot 2 + RANDOM_MAPS times."""
    rgb, values = sample.frame.rgb, sample.values
    pilot.past = sample.past
    word = pilot.value(target, pilot.infer(rgb, sample.frame.extras))
    image = pilot.fed()
    nothing = deletion.blurred(image)

    def change(of: Floats) -> float:
        hidden = deletion.deleted(image, nothing, deletion.ranking(of), SHARE)
        return abs(pilot.value(target, pilot.run(hidden)) - word)

    rng = np.random.default_rng(int(rgb.sum()))
    shape = (values.shape[0], values.shape[1])
    at_random = [change(deletion.random_map(shape, rng)) for _ in range(RANDOM_MAPS)]
    return Change(change(values), float(np.mean(at_random)))


def summary(changes: list[Change], method: str) -> Check | None:
    """Ratio of the means, with a bootstrap interval over frames; None while there are too few, or nothing changes."""
    shown, random = np.array(changes, np.float64).reshape(-1, 2).T
    if len(changes) < FEWEST or not np.isfinite(shown + random).all() or not random.any():
        return None
    picks = np.random.default_rng(0).integers(0, len(changes), (_RESAMPLES, len(changes)))
    ratios = _ratio(shown[picks].sum(axis=1), random[picks].sum(axis=1))
    low, high = np.quantile(ratios, (_LOW, _HIGH))
    ratio = float(_ratio(shown.sum(), random.sum()))
    return Check(method=method, ratio=ratio, low=float(low), high=float(high), frames=len(changes))


def _ratio(shown: NDArray[np.float64], random: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most MOST; 0 where neither changed."""
    with np.errstate(over="ignore"):
        return np.minimum(shown / np.maximum(random, np.finfo(np.float64).tiny), MOST)


class Checker(Beside[tuple[Sample, Look]]):
    """`due`, `put` and `check` are for other threads and never wait."""

    def __init__(self, begin: Callable[[], Pilot], *, every_s: float = EVERY_S, rest: float = REST) -> None:
        """begin: called in the thread, when the first frame comes; gives a pilot that is shared with nobody."""
        super().__init__("check")
        self._begin = begin
        self._every_s = every_s
        self._rest = rest
        self._changes: deque[Change] = deque(maxlen=WINDOW)
        self._due_s = 0.0
        self._told: tuple[Target, Check | None] = (("", "", ""), None)

    def due(self) -> bool:
        """Whether a frame is wanted now."""
        return time.monotonic() >= self._due_s

    def put(self, frame: Frame, past: Past, values: Floats, look: Look) -> None:
        """Leave a frame and the map that `look` asks for, which is copied (see Sample)."""
        self._due_s = time.monotonic() + self._every_s
        self._slot.put((Sample(frame, past, values.copy()), look))

    def check(self, look: Look) -> Check | None:
        """What is known of maps made like this."""
        target, check = self._told
        return check if target == _target(look) else None

    def work(self, item: tuple[Sample, Look]) -> None:
        (sample, look), began_s = item, time.monotonic()
        target = _target(look)
        if target != self._told[0]:
            self._changes.clear()
        if look.target in self._pilot.targets:
            self._changes.append(measure(self._pilot, sample, look.target))
        self._told = (target, summary(list(self._changes), look.method))
        now_s = time.monotonic()
        self._due_s = now_s + max(self._every_s - (now_s - began_s), self._rest * (now_s - began_s))

    @cached_property
    def _pilot(self) -> Pilot:
        return self._begin()


def _target(look: Look) -> Target:
    return (look.method, look.target, look.layer)
