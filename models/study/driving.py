"""How far a pilot drives in each guise of a track, the loop closed and its word one frame late."""

from collections.abc import Iterator
from itertools import count

import msgspec

from edge.capture.track import TrackSource
from edge.capture.track.course import LANE_WIDTH_M
from edge.capture.track.style import STYLES, without
from models.study.reliance import Steers
from models.study.scenes import LINES, SIZE, skies
from wire import Drive

_SLOWEST_M_S, _START_S = 0.4, 3.0
"""Whoever has come less far after a start of three seconds is not driving: the expert's slowest is 1 m/s."""


class Run(msgspec.Struct, frozen=True):
    """One drive. laps: until the car's middle left its lane, at most what was asked for."""

    guise: str
    laps: float
    farthest_m: float
    """Greatest distance from the lane's centre on the way."""


def runs(pilot: Steers, track: str, most: int) -> Iterator[Run]:
    """`track` as it is, before each of other skylines, and without each line."""
    style = STYLES[track]
    yield run(pilot, TrackSource(track, size=SIZE, realtime=False), most, "as it is")
    for number, sky in enumerate(skies(track), 1):
        yield run(pilot, TrackSource(track, size=SIZE, realtime=False, sky=sky), most, f"skyline {number}")
    for line in LINES:
        guise = TrackSource(track, size=SIZE, realtime=False, style=without(style, line))
        yield run(pilot, guise, most, f"no {line} line")


def run(pilot: Steers, source: TrackSource, most: int, guise: str) -> Run:
    """Drive `most` laps, or until the car's middle leaves its lane or the car stands."""
    late, farthest = Drive(0.0, 0.0), 0.0
    with source:
        for frame in count():
            rgb = source.read().rgb
            farthest = max(farthest, abs(source.lane_offset_m))
            stands = source.progress_m < (frame / source.fps - _START_S) * _SLOWEST_M_S
            if source.laps >= most or farthest > LANE_WIDTH_M / 2 or stands:
                break
            source.drive(late)
            late = pilot(rgb)
    laps = source.progress_m / source.course.length_m
    return Run(guise, round(min(most, max(0.0, laps)), 2), round(farthest, 3))
