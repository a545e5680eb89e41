"""What the pilot depends on: zones of the picture are exchanged with another frame's, or erased.

    swapped   |value(frame i with the zone of frame j) − value(frame i)|  /  |value(frame j) − value(frame i)|
    erased    |value(frame with the zone blurred) − value(frame)|  /  |value(all of it blurred) − value(frame)|

Means over frames above and below. A pilot that ignores the sky has 0 there; 1 means that another sky changes its mind
as much as another picture. A naive pilot steers by the horizon of the one track it knows, and by one line of two; the
sky's `swapped` and the lines' `erased` show it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.deletion import Floats
from edge.pilot import Pilot
from models.report.frames import pick
from models.report.result import Zone
from models.report.statistics import Bootstrap
from models.report.subject import Prepared, Subject
from models.report.zones import Mask

PARTNERS = 3
"""Other frames that each frame is exchanged with."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effects:
    """|change| of the output: float64 (frames, zones), and (frames,) for the whole picture."""

    swapped: Values
    swapped_whole: Values
    erased: Values
    erased_whole: Values


def zone_effects(
    pilot: Pilot, source: str, *, target: str = "steering", frames: int = 200, seed: int = 0
) -> list[Zone]:
    """How much a pilot depends on each zone of a source, with 95 % intervals; the last zone is the rest.

    On track:NAME the zones are ground truth ("sky", "left line", "centre line", "right line"). Raises SourceError.
    """
    subject = Subject(pilot, target)
    prepared = [subject.prepare(sample) for sample in pick(source, frames, seed).samples]
    return zones(prepared, measure(subject, prepared, seed), Bootstrap(len(prepared), seed))


def zones(frames: Sequence[Prepared], effects: Effects, bootstrap: Bootstrap) -> list[Zone]:
    """The effects as figures."""
    names = list(frames[0].zones)
    area = np.array([[mask.mean() for mask in prepared.zones.values()] for prepared in frames])
    return [
        Zone(
            name=name,
            area=bootstrap.mean(area[:, i]),
            swapped=bootstrap.ratio(effects.swapped[:, i], effects.swapped_whole),
            erased=bootstrap.ratio(effects.erased[:, i], effects.erased_whole),
        )
        for i, name in enumerate(names)
    ]


def measure(
    subject: Subject, frames: Sequence[Prepared], seed: int = 0, tick: Callable[[], None] = lambda: None
) -> Effects:
    """Exchange and erase every zone of every frame. `tick` is called once per frame."""
    swapped, swapped_whole, erased, erased_whole = [], [], [], []
    for i, others in enumerate(partners(len(frames), seed)):
        here, there = frames[i], [frames[j] for j in others]
        masks = list(here.zones.values())
        swapped.append([np.mean([_exchanged(subject, here, mask, other.image) for other in there]) for mask in masks])
        swapped_whole.append(np.mean([_change(subject, here, other.image) for other in there]))
        erased.append([_exchanged(subject, here, mask, here.background) for mask in masks])
        erased_whole.append(_change(subject, here, here.background))
        tick()
    return Effects(np.array(swapped), np.array(swapped_whole), np.array(erased), np.array(erased_whole))


def partners(count: int, seed: int) -> NDArray[np.intp]:
    """For each frame the numbers of PARTNERS others, at least a quarter of the drive away: (count, PARTNERS)."""
    near, far = -(-count // 4), count - -(-count // 4)
    away = np.random.default_rng(seed).integers(near, max(far, near) + 1, (count, PARTNERS))
    numbers: NDArray[np.intp] = (np.arange(count)[:, None] + away) % count
    return numbers


def _exchanged(subject: Subject, here: Prepared, mask: Mask, image: Floats) -> float:
    return _change(subject, here, np.where(mask[..., None], image, here.image))


def _change(subject: Subject, here: Prepared, image: Floats) -> float:
    return abs(subject.value(here.sample, image) - here.value)
