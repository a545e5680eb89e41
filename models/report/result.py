"""What report.json holds: everything the page shows, as numbers.

A reader should check `version` and ignore fields it does not know. Steering is −1 (left) … 1; shares are 0 … 1.
"""

from typing import Literal

import msgspec

from models.report.statistics import Interval

VERSION = 1
CURVE = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50)
"""Shares of the pixels at which deletion and insertion are measured."""

Trust = Literal["trust", "unclear", "distrust", "baseline", "refused"]


class Randomised(msgspec.Struct, frozen=True):
    """Spearman's rank correlation of a map with that of the pilot with its weights redrawn from the head to a level."""

    values: list[Interval]
    """Of the maps as they are, signs included."""
    magnitudes: list[Interval]


class Shift(msgspec.Struct, frozen=True):
    """Mean |change| of the output when a part of the picture is moved sideways by each of the report's `shifts`."""

    salient: list[Interval]
    background: list[Interval]
    salient_of_whole: Interval | None
    """Over all shifts, divided by what moving the whole picture does."""
    background_of_whole: Interval | None


class Lane(msgspec.Struct, frozen=True):
    """How much of a map lies on lane paint, by ground truth."""

    share: Interval
    area: Interval
    """Share of the picture that is paint: what a map that knows nothing would have."""
    factor: Interval | None
    """share / area."""


class Picked(msgspec.Struct, frozen=True):
    """A frame picked for the page: how much more than random deletion did on it."""

    what: Literal["best", "median", "worst"]
    frame: int
    """Which one of the source, from 0."""
    factor: float


class MethodReport(msgspec.Struct, frozen=True, kw_only=True):
    """One method; the figures are empty where it refused."""

    name: str
    title: str
    says: str = ""
    paper: str = ""
    signed: bool = False
    slow: bool = False
    refused: str = ""
    milliseconds: float = 0.0
    """For one map, median, the pilot's own run not counted."""
    deletion: list[Interval] = []
    """Mean |change| of the output at each share of `curve`."""
    insertion: list[Interval] = []
    """Mean |distance| from the original output: the smaller the better."""
    change: Interval | None = None
    """Deletion, mean over `shares`: the summary."""
    to_edges: Interval | None = None
    """That divided by the same of the edge map."""
    to_random: Interval | None = None
    insertion_to_edges: Interval | None = None
    """Mean over `shares`; below 1 is better than edges."""
    shift: Shift | None = None
    randomised: Randomised | None = None
    zones: list[Interval] = []
    lane: Lane | None = None
    samples: list[Picked] = []
    trust: Trust = "unclear"
    verdict: str = ""


class Zone(msgspec.Struct, frozen=True):
    name: str
    area: Interval
    """Share of what the network sees."""
    swapped: Interval | None
    """Mean |change| of the output when this zone is another frame's, divided by that when the whole picture is."""
    erased: Interval | None
    """The same for the zone blurred, divided by that when the whole picture is blurred."""


class Driving(msgspec.Struct, frozen=True):
    """The pilot's word against the driver's, over frames that have both."""

    frames: int
    driver: str
    """Who: a recorded driver or the simulator's expert."""
    steering_r: Interval | None
    steering_error: Interval
    steering_spread: float
    """Standard deviation of the driver's steering: what the error is to be compared with."""
    same_side: Interval | None
    """Share of the frames where the driver steers by more than 0.1 on which the pilot steers to the same side."""
    throttle_r: Interval | None
    throttle_error: Interval | None
    points: list[tuple[float, float]]
    """Steering, (driver, pilot)."""


class Check(msgspec.Struct, frozen=True):
    """One of the rules a pilot passes or fails by; None: could not be judged on this source."""

    name: str
    passed: bool | None
    figure: str
    rule: str


class PilotFacts(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    input: str
    target: str


class SourceFacts(msgspec.Struct, frozen=True):
    name: str
    kind: str
    frames: int
    """Used."""
    read: int
    """Seen to pick them from."""
    skipped: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    version: int = VERSION
    made: str
    """UTC, ISO 8601."""
    program: str
    seed: int
    seconds: float
    pilot: PilotFacts
    source: SourceFacts
    block: int
    """Length of the blocks of frames that are resampled."""
    curve: tuple[float, ...] = CURVE
    shares: tuple[float, ...]
    spread: float
    """Standard deviation of the output over the frames."""
    passed: bool
    verdict: list[str]
    checks: list[Check]
    driving: Driving | None
    zones: list[Zone]
    zones_from: str
    """Where the zones come from: ground truth, a file, or a mere cut of the picture."""
    shifts: list[int]
    """Pixels of the network's input; to the right."""
    shift_whole: list[Interval]
    levels: list[str]
    """Layers by distance from the output, as randomised one level after the other."""
    random: MethodReport
    methods: list[MethodReport]


def encode(report: Report) -> bytes:
    """As JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def decode(data: bytes) -> Report:
    """Raises msgspec.DecodeError (ValidationError) where it is no report of this version."""
    report = msgspec.json.decode(data, type=Report)
    if report.version != VERSION:
        raise msgspec.ValidationError(f"it is of version {report.version}, not {VERSION}")
    return report
