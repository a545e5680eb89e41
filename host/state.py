"""What the pit wall knows, as JSON: the answer of /state, and what the page is told along with each picture.

Times in ns are this host's monotonic clock; `now_ns` says what it shows as the answer leaves.
"""

import time
from collections.abc import Mapping

import msgspec

import wire
from host.record import Recordings
from host.relay import Arrival, Channel
from host.review.limits import Forecast
from host.watch import Kind, Watcher, Watchers

FRESH_NS = 2_000_000_000
"""A car is ready when its newest frame is younger; an unwatched car sends headers twice a second."""


class FrameState(msgspec.Struct, kw_only=True):
    """A frame without its pictures."""

    session: str
    seq: int
    captured_ns: int
    received_ns: int
    clock_error_ns: int
    width: int
    height: int
    stages_ns: dict[str, int]
    """The car's stages in the order of the data path, then `network`."""
    drive: wire.Drive | None
    recorded: wire.Drive | None
    outputs: dict[str, list[float]]
    mask: wire.MaskStats | None
    check: wire.Check | None
    refused: str
    drops: dict[str, int]
    health: wire.Health
    look: wire.Look
    parts: list[str]


class LinkState(msgspec.Struct, kw_only=True):
    address: str
    live: bool
    trouble: str
    source: str
    pilot: str
    round_trip_ns: int | None
    clock_error_ns: int
    frames: int
    received_bytes: int
    malformed: int
    restarts: int
    methods: list[str]
    """What can be asked for of this car's pilot; and `refusals`, methods that cannot and why."""
    refusals: dict[str, str]
    targets: list[str]
    layers: list[str]


class RecordingState(msgspec.Struct, kw_only=True):
    """A car's newest recording (see host/record/recorder.py, Recordings.state)."""

    name: str
    """The session's: its folder's. Empty where there is none, or where nothing was kept."""
    directory: str
    running: bool
    started_at: str
    frames: int
    dropped: int
    drops: dict[str, int]
    written_bytes: int
    bytes_per_s: float
    """How fast it grows; 0 when it does not."""
    duration_s: float
    """Of the video, what came before the start included: `pre_roll_s` of it."""
    pre_roll_s: float
    bookmarks: int
    """Made while it was being recorded."""
    gaps: int
    """How often the link brought nothing for a while."""
    thrift: str
    """What is left out for the sake of the live picture, in one sentence."""
    trouble: str
    """What goes badly though the recording goes on, in one sentence."""
    error: str
    """Why it stopped by itself, or could not be started; empty while all is well."""


class WatcherState(msgspec.Struct, kw_only=True):
    name: str
    kind: Kind
    address: str
    part: str
    since_s: float
    fps: float
    sent: int
    skipped: int
    shown_seq: int | None
    shown_captured_ns: int | None


class CarState(msgspec.Struct, kw_only=True):
    name: str
    fps: float
    age_ns: int | None
    """How old the newest frame is; None before the first."""
    late: int
    link: LinkState
    frame: FrameState | None
    pre_roll_s: float
    """What a recording that is started now keeps of the time before."""
    recording: RecordingState | None
    watchers: list[WatcherState]


class State(msgspec.Struct, kw_only=True):
    now_ns: int
    places: int
    """How many watchers there may be."""
    cars: list[CarState]
    disk: Forecast | None = None
    """How much room sessions have, and for how long; None where none are kept."""


def frame_state(arrival: Arrival) -> FrameState:
    frame = arrival.frame
    on_car_ns = frame.sent_ns - frame.captured_ns
    network_ns = max(0, arrival.received_ns - arrival.captured_ns - on_car_ns)
    return FrameState(
        session=frame.session,
        seq=frame.seq,
        captured_ns=arrival.captured_ns,
        received_ns=arrival.received_ns,
        clock_error_ns=arrival.clock_error_ns,
        width=frame.width,
        height=frame.height,
        stages_ns={**frame.stages_ns, "network": network_ns},
        drive=frame.drive,
        recorded=frame.recorded,
        outputs=frame.outputs,
        mask=frame.mask,
        check=frame.check,
        refused=frame.refused,
        drops=frame.drops,
        health=frame.health,
        look=frame.look,
        parts=list(arrival.parts),
    )


def link_state(channel: Channel) -> LinkState:
    link = channel.link
    status = link.status
    return LinkState(
        address=link.address,
        live=link.live,
        trouble=link.trouble,
        source=status.source if status else "?",
        pilot=status.pilot if status else "?",
        round_trip_ns=link.round_trip_ns,
        clock_error_ns=link.clock_error_ns,
        frames=link.frames,
        received_bytes=link.received_bytes,
        malformed=link.malformed,
        restarts=link.restarts,
        methods=status.methods if status else [],
        refusals=status.refusals if status else {},
        targets=status.targets if status else [],
        layers=status.layers if status else [],
    )


def recording_state(recordings: Recordings, car: str) -> RecordingState | None:
    """The one that runs, else the last one; None when this car was not recorded yet."""
    for known in recordings.state():
        if known["car"] == car:
            kept = known["folder"] if known["running"] or known["frames"] else ""
            directory = str((recordings.directory / str(known["folder"])).absolute())
            return msgspec.convert({**known, "name": kept, "directory": directory}, RecordingState)
    return None


def watcher_state(watcher: Watcher) -> WatcherState:
    shown = watcher.shown
    return WatcherState(
        name=watcher.name,
        kind=watcher.kind,
        address=watcher.address,
        part=watcher.part,
        since_s=round(time.monotonic() - watcher.since, 3),
        fps=round(watcher.pace.hz(), 2),
        sent=watcher.sent,
        skipped=watcher.subscription.skipped if watcher.subscription else 0,
        shown_seq=shown.frame.seq if shown else None,
        shown_captured_ns=shown.captured_ns if shown else None,
    )


def car_state(channel: Channel, recordings: Recordings, watchers: Watchers) -> CarState:
    newest = channel.newest
    return CarState(
        name=channel.name,
        fps=round(channel.fps(), 2),
        age_ns=age_ns(channel),
        late=channel.late,
        link=link_state(channel),
        frame=frame_state(newest) if newest else None,
        pre_roll_s=recordings.pre_roll_s,
        recording=recording_state(recordings, channel.name),
        watchers=[watcher_state(watcher) for watcher in watchers.of(channel.name)],
    )


def age_ns(channel: Channel) -> int | None:
    return time.monotonic_ns() - channel.newest.captured_ns if channel.newest else None


def readiness(channels: Mapping[str, Channel]) -> tuple[bool, dict[str, object]]:
    """Whether any car brings fresh frames, and the answer of /healthz."""
    ages = {name: age_ns(channel) for name, channel in channels.items()}
    fresh = {name: age is not None and age < FRESH_NS for name, age in ages.items()}
    cars = {
        name: {"ready": fresh[name], "age_ns": ages[name], "trouble": channels[name].link.trouble} for name in channels
    }
    return any(fresh.values()), {"ready": any(fresh.values()), "cars": cars}
