"""Where a pilot's maps lie, by ground truth: on the sky, on each line of the road, or elsewhere."""

from collections.abc import Sequence

import numpy as np

from edge.capture.track import TrackSource
from edge.capture.track.course import Pose
from edge.methods import Methods
from edge.pilot import Pilot
from models.report.measure import share_within
from models.report.zones import Mask, TrackZones, partition
from models.study.scenes import SIZE, Frames

METHODS = ("visualbackprop", "gradient", "gradient-visualbackprop", "integrated-visualbackprop")
"""One that knows nothing of the output, one that knows nothing of the layers, and two that know both."""


def zones(track: str, places: Sequence[Pose]) -> list[dict[str, Mask]]:
    """Sky, left, centre and right line, and the rest, bool (H, W), as seen from each place."""
    whole = np.ones(SIZE[::-1], np.bool_)
    seen = TrackZones(TrackSource(track, size=SIZE, realtime=False))
    return [partition(seen(pose), whole) for pose in places]


def areas(zones: Sequence[dict[str, Mask]]) -> dict[str, float]:
    """Mean share of the picture by zone: what a map that knows nothing would have."""
    return {name: float(np.mean([parts[name].mean() for parts in zones])) for name in zones[0]}


def shares(pilot: Pilot, method: str, frames: Frames, zones: Sequence[dict[str, Mask]]) -> dict[str, float]:
    """Mean share of the map's magnitude by zone; `frames` uint8 (N, H, W, 3), of the pilot's size."""
    explain = Methods(pilot)
    found: dict[str, list[float]] = {name: [] for name in zones[0]}
    for rgb, parts in zip(frames, zones, strict=True):
        pilot.infer(rgb)
        values = explain(method).values
        for name, mask in parts.items():
            found[name].append(share_within(values, mask))
    return {name: float(np.mean(each)) for name, each in found.items()}
