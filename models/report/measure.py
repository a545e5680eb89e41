"""The figures of every method on every frame: deletion, insertion, where the map lies, how long it takes.

for each frame   the output as it is, and for each method: map ─▶ ranking ─▶ 2 · len(CURVE) further runs of the pilot
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.deletion import SHARES, Floats, deleted, inserted, random_map, ranking
from models.report.result import CURVE
from models.report.subject import Prepared, Subject

RANDOM = "random"
Values = NDArray[np.float64]

SUMMARY = [CURVE.index(share) for share in SHARES]


@dataclass(frozen=True, slots=True)
class Curves:
    """What one method gave; the first axis of all is frames, in order."""

    deletion: Values
    """(N, len(CURVE)): |change| of the output."""
    insertion: Values
    """(N, len(CURVE)): |distance| from the original output."""
    milliseconds: Values
    """(N,)"""
    zones: Values
    """(N, zones): share of the map's magnitude."""
    lane: Values | None
    """(N,): the same for lane paint, where all frames know it."""

    @property
    def change(self) -> Values:
        """(N,): deletion, mean over SHARES: the summary."""
        mean: Values = self.deletion[:, SUMMARY].mean(axis=1)
        return mean

    @property
    def missing(self) -> Values:
        """(N,): insertion, mean over SHARES."""
        mean: Values = self.insertion[:, SUMMARY].mean(axis=1)
        return mean


@dataclass(frozen=True, slots=True)
class _Row:
    deletion: list[float]
    insertion: list[float]
    milliseconds: float
    zones: list[float]
    lane: float | None


def measure(
    subject: Subject, frames: Sequence[Prepared], methods: Sequence[str], seed: int, tick: Callable[[], None]
) -> dict[str, Curves]:
    """Of each method, and of RANDOM. `tick` is called once per method and frame."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[_Row]] = {name: [] for name in (*methods, RANDOM)}
    for prepared in frames:
        for name, found in rows.items():
            found.append(_row(subject, prepared, name, rng))
            tick()
    return {name: _curves(found) for name, found in rows.items()}


def share_within(values: Floats, mask: NDArray[np.bool_]) -> float:
    """How much of a map's magnitude lies within; for an all-zero map the share of the area."""
    magnitude = np.abs(values)
    total = float(magnitude.sum(dtype=np.float64))
    return float(magnitude[mask].sum(dtype=np.float64)) / total if total else float(mask.mean())


def _row(subject: Subject, prepared: Prepared, name: str, rng: np.random.Generator) -> _Row:
    sample, image, background = prepared.sample, prepared.image, prepared.background
    if name == RANDOM:
        values, seconds = random_map(image.shape[:2], rng), 0.0
    else:
        values, seconds = subject.explain(sample, name)
    order = ranking(values)

    def change(mixed: Floats) -> float:
        return abs(subject.value(sample, mixed) - prepared.value)

    return _Row(
        deletion=[change(deleted(image, background, order, share)) for share in CURVE],
        insertion=[change(inserted(image, background, order, share)) for share in CURVE],
        milliseconds=1000 * seconds,
        zones=[share_within(values, mask) for mask in prepared.zones.values()],
        lane=None if prepared.lane is None else share_within(values, prepared.lane),
    )


def _curves(rows: Sequence[_Row]) -> Curves:
    lane = [row.lane for row in rows if row.lane is not None]
    return Curves(
        deletion=np.array([row.deletion for row in rows]),
        insertion=np.array([row.insertion for row in rows]),
        milliseconds=np.array([row.milliseconds for row in rows]),
        zones=np.array([row.zones for row in rows]),
        lane=np.array(lane) if len(lane) == len(rows) else None,
    )
