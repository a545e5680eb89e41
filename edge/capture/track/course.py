"""The road's shape: a closed, smooth centre line, and where on it a car is.

World axes are metres, x east and y north; a heading is radians counter-clockwise from east. Along the road `s` runs in
the driving direction, offsets run to the right, curvature is positive to the left. One drives in the right-hand lane.
"""

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.capture.source import SourceError

LANE_WIDTH_M = 0.40
ROAD_WIDTH_M = 2 * LANE_WIDTH_M + 0.10
"""Asphalt: two lanes and a shoulder of 5 cm outside each outer line."""
LANE_CENTRE_M = LANE_WIDTH_M / 2
"""Offset of the driven lane's centre from the centre line."""
SPACING_M = 0.01

_MIN_RADIUS_M = 0.62
_MIN_GAP_M = 1.1
_BEND, _MIN_BENDS = 0.25, 0.12
"""Curvature that counts as a bend, and the least share of the road that bends either way."""

Floats = NDArray[np.float64]


class Pose(NamedTuple):
    """Where a car is and where it points."""

    x: float
    y: float
    heading: float


class Place(NamedTuple):
    """`s_m` along the road, `offset_m` to the right of its centre line, and the road's heading there."""

    s_m: float
    offset_m: float
    heading: float


class Course:
    """A closed uniform cubic B-spline through no, but near all, `control` points: float64 (N ≥ 4, 2), metres.

    xy: float64 (M, 2), the centre line every centimetre; heading, curvature (1/m): float64 (M,) there.
    """

    def __init__(self, control: Floats) -> None:
        fine, velocity, acceleration = _spline(control, 64)
        steps = np.linalg.norm(np.diff(fine, axis=0, append=fine[:1]), axis=1)
        s = np.concatenate([[0.0], np.cumsum(steps)])
        self.length_m = float(s[-1])
        at = np.linspace(0, self.length_m, round(self.length_m / SPACING_M), endpoint=False)
        heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
        turn = velocity[:, 0] * acceleration[:, 1] - velocity[:, 1] * acceleration[:, 0]
        curvature = turn / np.linalg.norm(velocity, axis=1) ** 3
        full_turn = round((heading[-1] - heading[0]) / math.tau) * math.tau
        self.xy = np.stack([_resample(at, s, axis, axis[0]) for axis in fine.T], axis=1)
        self.heading = _resample(at, s, heading, heading[0] + full_turn)
        self.curvature = _resample(at, s, curvature, curvature[0])

    @cached_property
    def _rights(self) -> Floats:
        return np.stack([np.sin(self.heading), -np.cos(self.heading)], axis=1)

    def beside(self, offset_m: float) -> Floats:
        """The line `offset_m` to the right of the centre line: float64 (M, 2)."""
        return self.xy + offset_m * self._rights

    def index(self, s_m: float) -> int:
        """Which of the M points lies at `s_m`; any number will do, the road is closed."""
        return round(s_m / self.length_m * len(self.xy)) % len(self.xy)

    def pose(self, s_m: float, offset_m: float = 0.0, turn: float = 0.0) -> Pose:
        """`offset_m` to the right of the centre line at `s_m`, pointing `turn` radians to the left of the road."""
        index = self.index(s_m)
        x, y = self.xy[index] + offset_m * self._rights[index]
        return Pose(float(x), float(y), float(self.heading[index]) + turn)

    def locate(self, x: float, y: float) -> Place:
        """The nearest place of the road."""
        away = np.array([x, y]) - self.xy
        index = int(np.argmin(np.einsum("ij,ij->i", away, away)))
        heading = float(self.heading[index])
        offset = float(away[index] @ self._rights[index])
        along = float(away[index] @ (math.cos(heading), math.sin(heading)))
        return Place((index * self.length_m / len(self.xy) + along) % self.length_m, offset, heading)


def _resample(at: Floats, s: Floats, values: Floats, closing: float) -> Floats:
    resampled: Floats = np.interp(at, s, np.append(values, closing))
    return resampled


def _spline(control: Floats, pieces: int) -> tuple[Floats, Floats, Floats]:
    """Points, first and second derivatives of the closed uniform cubic B-spline, `pieces` per control point."""
    u = np.linspace(0, 1, pieces, endpoint=False)[:, None]
    position = np.hstack([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6
    velocity = np.hstack([-((1 - u) ** 2), 3 * u**2 - 4 * u, -3 * u**2 + 2 * u + 1, u**2]) / 2
    acceleration = np.hstack([1 - u, 3 * u - 2, -3 * u + 1, u])
    corners = np.stack([np.roll(control, 1 - k, axis=0) for k in range(4)], axis=1)
    points, first, second = (
        np.einsum("uk,nkd->nud", basis, corners).reshape(-1, 2) for basis in (position, velocity, acceleration)
    )
    return points, first, second


_SHAPES: dict[str, list[tuple[float, float]]] = {
    # A long straight, a hairpin, an S through the middle.
    "demo": [
        (-2.4, -2.1), (-1.2, -2.1), (0.0, -2.1), (1.2, -2.1), (2.7, -2.1), (3.4, -0.9), (2.6, 0.2),
        (1.5, 0.1), (0.65, 0.5), (0.5, 1.3), (-0.1, 2.2), (-1.5, 2.2), (-2.1, 1.1), (-3.0, 0.4), (-3.3, -0.9),
    ],
    # Driven the other way round: mostly right-hand bends, a chicane on the long side.
    "unseen": [
        (-2.9, 0.2), (-2.8, 1.5), (-1.8, 2.2), (-0.7, 1.7), (0.3, 1.2), (1.3, 1.7), (2.4, 2.1), (3.2, 1.2),
        (2.7, 0.1), (2.5, -0.9), (2.5, -2.1), (1.2, -2.4), (0.1, -1.8), (-0.9, -1.3), (-2.0, -1.5), (-2.9, -1.0),
    ],
}  # fmt: skip

TRACKS = (*_SHAPES, "random-<n>")
"""The names `course` knows."""


def course(track: str) -> Course:
    """The course of that name; `random-7` is drawn from the number alone. Raises SourceError for any other name."""
    if track in _SHAPES:
        return Course(np.array(_SHAPES[track]))
    return _random_course(track_number(track))


def track_number(track: str) -> int:
    """The n of random-<n>. Raises SourceError."""
    kind, _, number = track.partition("-")
    if kind != "random" or not (number.isascii() and number.isdigit()) or len(number) > 9:
        known = ", ".join(TRACKS)
        raise SourceError(f"There is no track named {track!r}; use one of: {known} (n is a whole number).")
    return int(number)


def _random_course(number: int) -> Course:
    """The first drawn loop worth driving: bends both ways, no two stretches too close."""
    rng = np.random.default_rng([number, 0x7AC])
    while True:
        drawn = _ironed(_random_loop(rng))
        left, right = np.mean(drawn.curvature > _BEND), np.mean(drawn.curvature < -_BEND)
        if min(left, right) > _MIN_BENDS and narrowest_gap_m(drawn) > _MIN_GAP_M:
            return drawn


def _random_loop(rng: np.random.Generator) -> Floats:
    """Control points on an ellipse with two to five dents."""
    angle = np.linspace(0, math.tau, 16, endpoint=False) + rng.uniform(-0.08, 0.08, 16)
    dents = np.arange(2, 6)[:, None]
    waves = rng.uniform(0, 0.3, (4, 1)) * np.cos(dents * angle + rng.uniform(0, math.tau, (4, 1)))
    radius = (1 + waves.sum(axis=0)).clip(0.3)
    loop = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    loop *= (2.1, 1.45) / loop.std(axis=0)
    return loop[::-1] if rng.random() < 0.5 else loop


def _ironed(control: Floats) -> Course:
    """Smooth a loop, its size kept, until no bend is too tight to drive; it ends as an ellipse at worst."""
    size = control.std(axis=0)
    while np.abs((drawn := Course(control)).curvature).max() > 1 / _MIN_RADIUS_M:
        neighbours = (np.roll(control, 1, axis=0) + np.roll(control, -1, axis=0)) / 2
        smoother = 0.75 * control + 0.25 * neighbours
        control = smoother * (size / smoother.std(axis=0))
    return drawn


def narrowest_gap_m(course: Course) -> float:
    """The least distance between stretches of the centre line that are not neighbours along it."""
    xy = course.xy[::8]
    apart = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    steps = np.abs(np.subtract.outer(np.arange(len(xy)), np.arange(len(xy))))
    along_m = np.minimum(steps, len(xy) - steps) * 8 * SPACING_M
    return float(apart[along_m > math.pi * _MIN_GAP_M / 2].min())
