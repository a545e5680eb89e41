"""Make a report: pick frames, measure every method on them, judge, picture.

frames ─▶ prepared ─┬─▶ deletion, insertion, zones ─┐
                    ├─▶ shift test                  ├─▶ MethodReport each ─▶ checks ─▶ Report, Shots
                    ├─▶ randomised weights          │
                    └─▶ zones exchanged, driving  ──┘
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from edge import tflite
from edge.deletion import SHARES
from edge.methods import CATALOG, MethodError
from edge.pilot import Pilot, PilotError, dimensions
from models.report import cascade, figures, horizon, measure, shift, shots, verdict
from models.report.driving import compare
from models.report.figures import EDGES, Study
from models.report.frames import Frames, pick
from models.report.measure import RANDOM
from models.report.progress import Progress
from models.report.randomise import levels
from models.report.result import Driving, MethodReport, PilotFacts, Report, SourceFacts, Zone
from models.report.shots import Shots
from models.report.statistics import Bootstrap
from models.report.subject import Prepared, Subject
from models.report.zones import CUT, TRUTH, Polygon

_SHIFT_FRAMES, _CASCADE_FRAMES = 60, 6


class ReportError(Exception):
    """A report cannot be made; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to report on. methods: names of CATALOG; edges and random are measured in any case."""

    pilot: Path
    source: str
    frames: int = 200
    methods: tuple[str, ...] = tuple(CATALOG)
    target: str = "steering"
    seed: int = 0
    zones: Mapping[str, Polygon] | None = None
    zones_from: str = ""


def make(request: Request, progress: Progress) -> tuple[Report, Shots]:
    """Measure it all. Raises PilotError, SourceError, ReportError."""
    started_s = time.monotonic()
    pilot = Pilot.load(request.pilot)
    if request.target not in pilot.targets:
        raise ReportError(f"pilot {request.pilot} has no output {request.target!r}; it has {', '.join(pilot.targets)}")
    subject, model = Subject(pilot, request.target), _model(request.pilot)
    progress.start("reading frames")
    frames = pick(request.source, request.frames, request.seed, progress.tick)
    prepared = [subject.prepare(sample, request.zones) for sample in frames.samples]
    refused = _refusals(subject, request.methods, prepared[0])
    names = [name for name in CATALOG if (name in request.methods or name == EDGES) and name not in refused]
    study = _study(subject, model, prepared, names, request.seed, progress)
    progress.start("exchanging zones", len(prepared))
    effects = horizon.measure(subject, prepared, request.seed, progress.tick)
    zones = horizon.zones(prepared, effects, study.bootstrap)
    picks = {name: shots.pick(study.curves[name], study.curves[RANDOM], prepared) for name in names}
    methods = [
        figures.of(study, name, request.target, picks[name]) if name in picks else figures.refused(name, refused[name])
        for name in CATALOG
        if name in picks or name in refused
    ]
    report = _report(request, subject, frames, study, zones, methods, started_s)
    progress.start("pictures")
    top = verdict.best(methods)
    return report, shots.take(subject, prepared, picks, top.name if top else EDGES)


def _model(file: Path) -> tflite.Model:
    try:
        return tflite.read(file.read_bytes())
    except OSError as why:
        raise PilotError(f"pilot {file} cannot be read: {why.strerror}") from why


def _refusals(subject: Subject, methods: Sequence[str], first: Prepared) -> dict[str, str]:
    """Why a method cannot run on this pilot, found out before and not in the middle of it."""
    refused = {}
    for name in methods:
        if not (reason := subject.methods.refusal(name, subject.target)):
            try:
                subject.explain(first.sample, name)
            except MethodError as why:
                reason = str(why)
        if reason:
            refused[name] = reason
    return refused


def _study(
    subject: Subject, model: tflite.Model, frames: Sequence[Prepared], names: Sequence[str], seed: int, to: Progress
) -> Study:
    few = frames[:: -(-len(frames) // _SHIFT_FRAMES)]
    fewest = [it.sample for it in frames[:: -(-len(frames) // _CASCADE_FRAMES)]]
    try:
        to.start("deletion and insertion", len(frames) * (len(names) + 1))
        curves = measure.measure(subject, frames, names, seed, to.tick)
        to.start("shift test", len(few) * len(names))
        moves = {name: shift.measure(subject, few, name, to.tick) for name in names}
        to.start("randomised weights", cascade.DRAWS * len(levels(model)))
        kept = cascade.measure(subject, model, fewest, names, seed, to.tick)
    except MethodError as why:
        raise ReportError(f"a method that began well has stopped: {why}") from why
    return Study(
        frames=frames,
        bootstrap=Bootstrap(len(frames), seed),
        curves=curves,
        shifts=moves,
        shift_whole=shift.whole(subject, few),
        shift_bootstrap=Bootstrap(len(few), seed),
        randomised=kept,
        levels=[str(level) for level in levels(model)],
    )


def _report(
    request: Request,
    subject: Subject,
    frames: Frames,
    study: Study,
    zones: list[Zone],
    methods: list[MethodReport],
    started_s: float,
) -> Report:
    spread = float(np.std([it.value for it in study.frames]))
    driving = _driving(subject, frames, request.seed)
    known = bool(request.zones) or frames.kind == "track"
    found = verdict.checks(methods, driving, zones, spread, known=known)
    return Report(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        program=_program(),
        seed=request.seed,
        seconds=round(time.monotonic() - started_s, 1),
        pilot=_pilot_facts(subject),
        source=SourceFacts(frames.name, frames.kind, len(frames.samples), frames.read, frames.skipped),
        block=study.bootstrap.block,
        shares=SHARES,
        spread=spread,
        passed=verdict.passed(found),
        verdict=verdict.summary(methods, found),
        checks=found,
        driving=driving,
        zones=zones,
        zones_from=request.zones_from if request.zones else TRUTH if frames.kind == "track" else CUT,
        shifts=shift.shifts(subject.pilot.input_size[1]),
        shift_whole=study.shift_bootstrap.means(study.shift_whole),
        levels=study.levels,
        random=figures.random(study),
        methods=methods,
    )


def _pilot_facts(subject: Subject) -> PilotFacts:
    pilot = subject.pilot
    return PilotFacts(
        pilot.name, pilot.sha256, f"{dimensions((*pilot.input_size, pilot.channels))} image", subject.target
    )


def _driving(subject: Subject, frames: Frames, seed: int) -> Driving | None:
    pilot = subject.pilot
    drives = [pilot.drive(subject.outputs(sample)) for sample in frames.samples]
    drivers = [sample.driver for sample in frames.samples]
    return compare(drives, drivers, frames.driver, seed, throttle=pilot.controls.throttle is not None)


def _program() -> str:
    try:
        return f"PilotLens {version('pilotlens')}"
    except PackageNotFoundError:
        return "PilotLens"
