"""What a beginner records: laps of one course, one way round, on one afternoon, kept in the lane as well as one can.

The driver knows the way but has no steady hand: the wheel wanders slowly about where it should be, and the recording
says what the hand did. So the car weaves a few centimetres: that is all the recording tells of being off the middle.
"""

import math
from collections.abc import Iterator

import numpy as np

from edge.capture.track import TrackSource
from models.train.samples import SIZE, Bytes, Label
from wire import Drive

COURSE = "demo"

_WANDER, _WANDER_S = 0.10, 0.4
"""How far the hand strays (standard deviation of steering), and for how long at a time."""


def frames(seed: int) -> Iterator[tuple[Bytes, Label]]:
    """Labelled frames of one drive without end; always the same one for a seed."""
    return drive(TrackSource(COURSE, size=SIZE, realtime=False, seed=seed), seed)


def drive(source: TrackSource, seed: int) -> Iterator[tuple[Bytes, Label]]:
    """What is seen, and what the hand does then, for ever."""
    rng = np.random.default_rng([seed, 0x1AB])
    stays = math.exp(-1 / source.fps / _WANDER_S)
    stray = 0.0
    while True:
        rgb = source.read().rgb
        stray = stays * stray + math.sqrt(1 - stays**2) * rng.normal(0, _WANDER)
        right = source.expert()
        steering = min(1.0, max(-1.0, right.steering + stray))
        yield rgb, (steering, right.throttle)
        source.drive(Drive(steering, right.throttle))
