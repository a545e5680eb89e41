"""Which frames are shown, and their pictures: best, median and worst of each method, and one frame through all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.methods import CATALOG
from models.report.measure import RANDOM, Curves
from models.report.pictures import data_uri, fitted, overlay
from models.report.result import Picked
from models.report.subject import Prepared, Subject

_PICKS: tuple[tuple[Literal["best", "median", "worst"], float], ...] = (("best", 1), ("median", 0.5), ("worst", 0))


@dataclass(frozen=True, slots=True)
class Shots:
    """Pictures as data addresses. methods: by name, as `pick` gave them. gallery: captions with pictures."""

    methods: Mapping[str, list[tuple[Picked, str]]] = field(default_factory=dict)
    gallery: Sequence[tuple[str, str]] = ()
    gallery_frame: int = 0


def pick(curves: Curves, random: Curves, frames: Sequence[Prepared]) -> list[Picked]:
    """The frames where a method does best, as usual, and worst against random blobs."""
    factor = factors(curves, random)
    order = np.argsort(factor, kind="stable")
    places = [(what, int(order[round(rank * (order.size - 1))])) for what, rank in _PICKS]
    return [Picked(what, frames[place].sample.number, float(factor[place])) for what, place in places]


def factors(curves: Curves, random: Curves) -> NDArray[np.float64]:
    """Deletion on each frame over that of random blobs, which counts at least a quarter of its mean: float64 (N,)."""
    below = np.maximum(random.change, random.change.mean() / 4)
    factor: NDArray[np.float64] = curves.change / np.maximum(below, 1e-12)
    return factor


def take(subject: Subject, frames: Sequence[Prepared], picks: Mapping[str, list[Picked]], gallery_of: str) -> Shots:
    """The pictures of these picks; the gallery shows the median frame of `gallery_of`. Raises MethodError."""
    by_number = {prepared.sample.number: prepared for prepared in frames}
    methods = {
        name: [(one, _picture(subject, by_number[one.frame], name)) for one in picked]
        for name, picked in picks.items()
        if name != RANDOM
    }
    if gallery_of not in picks:
        return Shots(methods)
    frame = next(one.frame for one in picks[gallery_of] if one.what == "median")
    shown = [(CATALOG[name].title, _picture(subject, by_number[frame], name)) for name in methods]
    camera = data_uri(fitted(by_number[frame].sample.rgb))
    return Shots(methods, [("camera", camera), *shown], frame)


def _picture(subject: Subject, prepared: Prepared, method: str) -> str:
    rgb = prepared.sample.rgb
    values, _ = subject.explain(prepared.sample, method)
    placed = subject.pilot.onto_frame(values, (rgb.shape[0], rgb.shape[1]))
    return data_uri(overlay(rgb, placed, signed=CATALOG[method].signed))
