"""What a pilot steers by: one thing about the picture is changed, and how much its steering changes is measured."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.capture.track.car import expert
from models.study.scenes import LINES, TURNS, Frames, Scenery, places, skies
from wire import Drive

Steers = Callable[[NDArray[np.uint8]], Drive]
"""A pilot: uint8 (H, W, 3) to what it would do."""
Floats = NDArray[np.float64]

ERROR, OTHER_SKY, TURNED_SKY = "error", "another skyline", "the skyline turned"


def steering(pilot: Steers, frames: Frames) -> Floats:
    """float64 (N,)."""
    return np.array([pilot(rgb).steering for rgb in frames])


def reliance(pilot: Steers, scenery: Scenery, count: int) -> dict[str, float]:
    """Mean |change of steering| by what was changed, in standard deviations of the expert's steering at these places.

    ERROR is the mean |error| against the expert with nothing changed, in the same unit; "left line" … are without it.
    """
    where = places(scenery.road, count)
    right = np.array([expert(scenery.road, pose).steering for pose in where])
    before = steering(pilot, scenery.frames(where))

    def change(frames: Frames) -> float:
        return float(np.abs(steering(pilot, frames) - before).mean() / right.std())

    found = {
        ERROR: float(np.abs(before - right).mean() / right.std()),
        OTHER_SKY: float(np.mean([change(scenery.frames(where, sky=sky)) for sky in skies(scenery.track)])),
        TURNED_SKY: float(np.mean([change(scenery.frames(where, turn=turn)) for turn in TURNS])),
    }
    return found | {f"{line} line": change(scenery.frames_without(line, where)) for line in LINES}


def described(what: str) -> str:
    """What was changed, for people."""
    if what == ERROR:
        return "nothing: mean error against the expert"
    return f"{what} not painted" if what.endswith(" line") else what
