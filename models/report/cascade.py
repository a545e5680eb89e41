"""Does a map notice when the pilot's weights are redrawn, level by level from the head? (see randomise.py)

A map that stays the same does not show why *this* pilot steers so. For each draw and depth the changed pilot is loaded
and every method is asked again; rank correlations with the original map are averaged over frames; intervals go over
draws.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.deletion import Floats
from edge.methods import MethodError
from edge.pilot import Pilot
from edge.tflite import Model
from models.report.frames import Sample
from models.report.randomise import levels, redrawn
from models.report.result import Randomised
from models.report.statistics import Bootstrap, spearman
from models.report.subject import Subject

DRAWS = 6
Values = NDArray[np.float64]
Maps = dict[str, list[Floats]]


def measure(
    subject: Subject,
    model: Model,
    samples: Sequence[Sample],
    methods: Sequence[str],
    seed: int,
    tick: Callable[[], None],
    draws: int = DRAWS,
) -> dict[str, Randomised]:
    """Of each method, a figure per level. `tick` is called once per draw and level."""
    original = _maps(subject, samples, methods)
    depths = len(levels(model))
    kept = {name: np.zeros((draws, depths, 2)) for name in methods}
    for draw in range(draws):
        for depth, changed in enumerate(pilots(subject.pilot, model, seed + draw)):
            maps = _maps(Subject(changed, subject.target), samples, methods)
            for name in methods:
                kept[name][draw, depth] = _alike(original[name], maps[name])
            tick()
    bootstrap = Bootstrap(draws, seed, block=1)
    return {name: Randomised(*(bootstrap.means(it[..., i]) for i in (0, 1))) for name, it in kept.items()}


def pilots(pilot: Pilot, model: Model, seed: int) -> Iterator[Pilot]:
    """The pilot with its first, its first two, … all levels redrawn, each level always alike for one seed."""
    found = levels(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "randomised.tflite"
        for depth in range(1, len(found) + 1):
            file.write_bytes(redrawn(model, found[:depth], seed))
            yield Pilot.load(file, card=pilot.card)


def _maps(subject: Subject, samples: Sequence[Sample], methods: Sequence[str]) -> Maps:
    """A map that cannot be made any more counts as all zero."""
    return {name: [_map(subject, sample, name) for sample in samples] for name in methods}


def _map(subject: Subject, sample: Sample, method: str) -> Floats:
    try:
        return subject.explain(sample, method)[0]
    except MethodError:
        return np.zeros(subject.pilot.input_size, np.float32)


def _alike(before: Sequence[Floats], after: Sequence[Floats]) -> tuple[float, float]:
    """Mean rank correlation of maps, as they are and of their magnitudes."""
    pairs = list(zip(before, after, strict=True))
    values = [spearman(one, other) for one, other in pairs]
    magnitudes = [spearman(np.abs(one), np.abs(other)) for one, other in pairs]
    return float(np.mean(values)), float(np.mean(magnitudes))
