"""The frames a report is measured on: spread evenly over a recording, or over a simulated track.

A tub, images or a video are read through once, in order, and every n-th frame is kept. On track:NAME the car is put
down at even distances along one lap, a little beside its lane's centre and a little askew: the same pictures for every
pilot, each with what the expert would do there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.capture import Frame, Source, SourceError, open_source
from edge.capture.opencv import VideoSource
from edge.capture.stills import Stills
from edge.capture.track import TrackSource
from models.report.zones import Mask, TrackZones, widened
from wire import Drive

MAX_BYTES = 2**31
"""Of frames kept at once."""

_ASIDE_M, _ASKEW = 0.08, 0.15
"""How far the simulated car is put down beside its lane's centre, and askew in radians, at most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame to measure on. number: its place in the source, from 0; broken pictures do not count."""

    number: int
    frame: Frame
    driver: Drive | None = None
    """What a driver did or the expert would do."""
    lane: Mask | None = None
    """bool (H, W) of the camera's frame: lane paint and two pixels about it, by ground truth."""
    zones: dict[str, Mask] = field(default_factory=dict)
    """By ground truth, bool (H, W) each; empty where there is none."""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        return self.frame.rgb

    @property
    def extras(self) -> Mapping[str, NDArray[np.float32]]:
        """Values for the pilot's further inputs, where the source has them."""
        return self.frame.extras


@dataclass(frozen=True, slots=True)
class Frames:
    """What was picked from a source."""

    name: str
    kind: str
    samples: list[Sample]
    read: int
    skipped: int
    driver: str = "the recorded driver"


def pick(spec: str, count: int, seed: int = 0, tick: Callable[[], None] = lambda: None) -> Frames:
    """At most `count` frames of the source, in order, spread evenly. `tick` is called for every frame read.

    Raises SourceError: also for a live camera, and for a recording without a single frame.
    """
    source = open_source(spec, size=None, fps=None, realtime=False)
    if not isinstance(source, Stills | VideoSource | TrackSource):
        raise SourceError(f"source {spec!r} is live: a report needs a recording or track:NAME, so record a drive first")
    with source:
        frames = _along(source, count, seed, tick) if isinstance(source, TrackSource) else _spread(source, count, tick)
    if not frames.samples:
        raise SourceError(f"source {spec!r} holds no frame that can be shown")
    return frames


def _spread(source: Source, count: int, tick: Callable[[], None]) -> Frames:
    """Every n-th frame, n doubling whenever twice as many as wanted are held: one pass, whatever the length."""
    held: list[Sample] = []
    read, step = 0, 1
    while (frame := source.read()) is not None:
        tick()
        if read % step == 0:
            held.append(Sample(read, frame, frame.recorded))
        read += 1
        if len(held) == 2 * count:
            held, step = held[::2], 2 * step
        if frame.rgb.nbytes * len(held) > MAX_BYTES:
            raise SourceError(f"source {source.name!r} has frames too large to keep {count}; use fewer --frames")
    places = np.linspace(0, len(held) - 1, min(count, len(held))).round().astype(int)
    kind = getattr(source, "kind", "video")
    return Frames(source.name, kind, [held[place] for place in places], read, source.skipped)


def _along(source: TrackSource, count: int, seed: int, tick: Callable[[], None]) -> Frames:
    rng = np.random.default_rng(seed)
    zones = TrackZones(source)
    samples = []
    for number in range(count):
        tick()
        source.place(number / count * source.course.length_m, *rng.uniform((-_ASIDE_M, -_ASKEW), (_ASIDE_M, _ASKEW)))
        frame = source.read()
        lane = widened(source.lane_mask() > 0)
        samples.append(Sample(number, frame, source.expert(), lane, zones(source.pose)))
    return Frames(source.name, "track", samples, count, 0, "the simulator's expert")
