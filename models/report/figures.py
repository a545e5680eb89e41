"""From what was measured on every frame to one method's figures with their intervals, judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.methods import CATALOG
from models.report import verdict
from models.report.measure import RANDOM, Curves
from models.report.result import Lane, MethodReport, Picked, Randomised, Shift
from models.report.shift import Moved
from models.report.statistics import Bootstrap
from models.report.subject import Prepared

EDGES = "edges"


@dataclass(frozen=True, slots=True)
class Study:
    """All that was measured, by method where it is one's; `curves` has edges and random in any case."""

    frames: Sequence[Prepared]
    bootstrap: Bootstrap
    curves: Mapping[str, Curves]
    shifts: Mapping[str, Moved]
    shift_whole: NDArray[np.float64]
    shift_bootstrap: Bootstrap
    randomised: Mapping[str, Randomised]
    levels: list[str]


def of(study: Study, name: str, target: str, samples: list[Picked]) -> MethodReport:
    """One method of the catalog."""
    about = CATALOG[name]
    found = _measured(study, name, about.title)
    found = msgspec.structs.replace(
        found,
        says=about.says,
        paper=about.source,
        signed=about.signed,
        slow=about.slow,
        shift=_shift(study, study.shifts[name]),
        randomised=study.randomised.get(name),
        samples=samples,
    )
    trust, says = verdict.judge(found, target)
    return msgspec.structs.replace(found, trust=trust, verdict=says)


def random(study: Study) -> MethodReport:
    """What maps of random blobs reach."""
    return msgspec.structs.replace(_measured(study, RANDOM, "random blobs"), trust="baseline")


def refused(name: str, reason: str) -> MethodReport:
    """A method that this pilot does not allow."""
    about = CATALOG[name]
    return MethodReport(
        name=name,
        title=about.title,
        says=about.says,
        paper=about.source,
        signed=about.signed,
        slow=about.slow,
        refused=reason,
        trust="refused",
        verdict=reason,
    )


def _measured(study: Study, name: str, title: str) -> MethodReport:
    curves, resample = study.curves[name], study.bootstrap
    edges, blobs = study.curves[EDGES], study.curves[RANDOM]
    return MethodReport(
        name=name,
        title=title,
        milliseconds=round(float(np.median(curves.milliseconds)), 3),
        deletion=resample.means(curves.deletion),
        insertion=resample.means(curves.insertion),
        change=resample.mean(curves.change),
        to_edges=resample.ratio(curves.change, edges.change),
        to_random=resample.ratio(curves.change, blobs.change),
        insertion_to_edges=resample.ratio(curves.missing, edges.missing),
        zones=resample.means(curves.zones),
        lane=_lane(study, curves),
    )


def _lane(study: Study, curves: Curves) -> Lane | None:
    """Frames without any paint count too: nothing of a map can lie on it there."""
    masks = [prepared.lane for prepared in study.frames if prepared.lane is not None]
    if curves.lane is None or len(masks) < len(study.frames):
        return None
    area = np.array([mask.mean() for mask in masks])
    resample = study.bootstrap
    return Lane(resample.mean(curves.lane), resample.mean(area), resample.ratio(curves.lane, area))


def _shift(study: Study, moved: Moved) -> Shift:
    resample, whole = study.shift_bootstrap, study.shift_whole.mean(axis=1)
    return Shift(
        salient=resample.means(moved.salient),
        background=resample.means(moved.background),
        salient_of_whole=resample.ratio(moved.salient.mean(axis=1), whole),
        background_of_whole=resample.ratio(moved.background.mean(axis=1), whole),
    )
