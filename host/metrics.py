"""What the pit wall knows as numbers over time: the answer of /metrics, in Prometheus' text format 0.0.4.

# HELP pilotlens_fps Frames a second that come from the car.
# TYPE pilotlens_fps gauge
pilotlens_fps{car="demo"} 29.9
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from host.review.limits import Forecast
from host.state import CarState

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Sample = tuple[Labels, float]


class _Metric(NamedTuple):
    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[Sample]


def exposition(cars: Sequence[CarState], disk: Forecast | None = None) -> str:
    """All there is to tell of the cars and of the disk that sessions are on, ready to be scraped."""
    metrics = itertools.chain(_metrics(cars), _recordings(cars), _disk(disk) if disk else ())
    return "".join(line + "\n" for metric in metrics if metric.samples for line in _lines(metric))


def _metrics(cars: Sequence[CarState]) -> Iterator[_Metric]:
    yield _Metric("up", "gauge", "Whether the car answers.", [(_car(one), one.link.live) for one in cars])
    yield _Metric("fps", "gauge", "Frames a second that come from the car.", [(_car(one), one.fps) for one in cars])
    ages = [(_car(one), one.age_ns / 1e9) for one in cars if one.age_ns is not None]
    yield _Metric("frame_age_seconds", "gauge", "How old the newest frame is.", ages)
    frames = [(_car(one), float(one.link.frames)) for one in cars]
    yield _Metric("frames_total", "counter", "Frames received.", frames)
    yield _Metric("dropped_total", "counter", "What was dropped, by cause.", list(_drops(cars)))
    yield from _checks(cars)


def _drops(cars: Sequence[CarState]) -> Iterator[Sample]:
    for one in cars:
        drops = one.frame.drops if one.frame else {}
        yield from (({**_car(one), "cause": cause}, float(count)) for cause, count in drops.items())
        yield {**_car(one), "cause": "malformed"}, float(one.link.malformed)


def _checks(cars: Sequence[CarState]) -> Iterator[_Metric]:
    checks = [
        ({**_car(one), "method": one.frame.check.method, "target": one.frame.look.target}, one.frame.check)
        for one in cars
        if one.frame and one.frame.check
    ]
    more = "How many times more than random the maps explain"
    yield _Metric("check_ratio", "gauge", f"{more}.", [(labels, check.ratio) for labels, check in checks])
    yield _Metric("check_ratio_low", "gauge", f"{more}, at least (95 %).", [(it, check.low) for it, check in checks])
    yield _Metric("check_ratio_high", "gauge", f"{more}, at most (95 %).", [(it, check.high) for it, check in checks])
    frames = [(labels, float(check.frames)) for labels, check in checks]
    yield _Metric("check_frames", "gauge", "Frames that is measured on.", frames)


def _recordings(cars: Sequence[CarState]) -> Iterator[_Metric]:
    """Of each car's newest recording; they begin anew with the next one."""
    running = [(_car(one), float(one.recording is not None and one.recording.running)) for one in cars]
    yield _Metric("recording", "gauge", "Whether the car is being recorded.", running)
    told = [(_car(one), one.recording) for one in cars if one.recording]
    of = "the car's newest recording"
    yield _Metric("recording_frames", "gauge", f"Frames in {of}.", [(car, float(it.frames)) for car, it in told])
    drops = [({**car, "cause": cause}, float(count)) for car, it in told for cause, count in it.drops.items()]
    yield _Metric("recording_dropped", "gauge", f"Frames that are not in {of}, by cause.", drops)
    yield _Metric("recording_bytes", "gauge", f"What {of} takes.", [(car, float(it.written_bytes)) for car, it in told])
    rates = [(car, it.bytes_per_s) for car, it in told]
    yield _Metric("recording_bytes_per_second", "gauge", f"How fast {of} grows.", rates)
    failed = [(car, float(bool(it.error))) for car, it in told]
    yield _Metric("recording_failed", "gauge", f"Whether {of} stopped by itself, or could not start.", failed)


def _disk(disk: Forecast) -> Iterator[_Metric]:
    for name, told, value in (
        ("disk_free_bytes", "Free space on the disk of the sessions.", disk.free_bytes),
        ("disk_sessions_bytes", "What the sessions take.", disk.used_bytes),
        ("disk_seconds_left", "Until old sessions have to make room.", disk.seconds_left),
        ("disk_seconds_to_stop", "Until recordings stop for want of room.", disk.seconds_to_stop),
    ):
        yield _Metric(name, "gauge", told, [] if value is None else [({}, float(value))])


def _car(one: CarState) -> Labels:
    return {"car": one.name}


def _lines(metric: _Metric) -> Iterable[str]:
    name = f"pilotlens_{metric.name}"
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} {metric.kind}"
    for labels, value in metric.samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{f'{{{told}}}' if told else ''} {float(value):.9g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
