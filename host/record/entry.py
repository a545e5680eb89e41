"""What is known of one recorded frame: as a value, as JSON in the tape, and as the numbers that are plotted.

    Arrival ─▶ Entry ─encode─▶ JSON on topic /frame ─decode─▶ Entry
                 └──numbers──▶ one float for each of COLUMNS

JSON has no word for numbers that are none: "nan" and "inf" stand in their place as strings.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

import wire
from host.record.session import TICKS_HZ

NAN = math.nan
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=64)]

COLUMNS = (
    "time_s",
    "unix_s",
    "seq",
    "steering",
    "throttle",
    "recorded_steering",
    "recorded_throttle",
    "disagreement",
    "age_ms",
    "network_ms",
    "pilot_ms",
    "on_car_ms",
    "lost",
    "drops",
    "magnitude",
    "scale",
    "left",
    "centre",
    "right",
    "top",
    "middle",
    "bottom",
    "temperature_c",
)
"""What can be plotted of a session, one number a frame:

    time_s        since the first frame of the video     unix_s     wall clock of the capture
    disagreement  |steering − recorded steering|         lost       frames of the same car session missing before this
    age_ms        capture → host = on_car_ms + network_ms           drops  by the car so far, all causes together
    left … right, top … bottom   shares of the map in the thirds of the frame
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One frame as it was recorded; ValueError where a time cannot be one."""

    tick: wire.Count
    """Place in the video, 1/90000 s since its first frame."""
    unix_ns: wire.Nanoseconds
    """Wall clock of the capture."""
    captured_ns: Int64
    """The same by the recording host's monotonic clock."""
    received_ns: Int64
    clock_error_ns: Int64
    """`captured_ns` may be off by this much either way."""
    frame: wire.Frame
    """As it came, but for its list of parts, which is not kept."""

    def __post_init__(self) -> None:
        check_times(self.tick, self.unix_ns)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened while a session was recorded."""

    unix_ns: int
    tick: int
    kind: str
    """"bookmark", "gap", "restart", "look", "trouble"."""
    text: str


def check_times(tick: int, unix_ns: int) -> None:
    """Raise ValueError for times that a tape cannot hold."""
    if not (0 <= tick < 2**63 and 0 <= unix_ns < 2**63):
        raise ValueError(f"a tape holds ticks and unix times from 0 to 2^63 − 1, not {tick} and {unix_ns}")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry, strict=False)


def encode(entry: Entry) -> bytes:
    """The entry as JSON. What is None is left out; numbers that JSON has no word for are strings: "nan", "inf"."""
    told = _told(entry)
    told["frame"].pop("parts", None)
    told["frame"]["type"] = "frame"
    data = _encoder.encode(told)
    return _encoder.encode(_worded(msgspec.to_builtins(told))) if b"null" in data else data


def decode(data: bytes) -> Entry:
    """The entry that was encoded. Raises ValueError for bytes that hold none."""
    try:
        return _decoder.decode(data)
    except RecursionError as why:
        raise ValueError("the JSON is nested too deep") from why


def _told(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields that are not None, structs in them likewise."""
    fields = ((name, getattr(struct, name)) for name in struct.__struct_fields__)
    return {
        name: _told(value) if isinstance(value, msgspec.Struct) else value
        for name, value in fields
        if value is not None
    }


def _worded(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: _worded(one) for name, one in value.items()}
    return [_worded(one) for one in value] if isinstance(value, list) else value


def numbers(entry: Entry, before: Entry | None) -> tuple[float, ...]:
    """One number for each of COLUMNS, NaN where it is unknown; `before` is the entry recorded before this one."""
    frame = entry.frame
    drive, recorded = _drive(frame.drive), _drive(frame.recorded)
    age_ms = (entry.received_ns - entry.captured_ns) / 1e6
    on_car_ms = (frame.sent_ns - frame.captured_ns) / 1e6
    return (
        entry.tick / TICKS_HZ,
        entry.unix_ns / 1e9,
        float(frame.seq),
        *drive,
        *recorded,
        abs(drive[0] - recorded[0]),
        age_ms,
        age_ms - on_car_ms,
        frame.stages_ns.get("pilot", NAN) / 1e6,
        on_car_ms,
        _lost(frame, before),
        float(sum(frame.drops.values())),
        *_mask(frame.mask),
        NAN if frame.health.temperature_c is None else frame.health.temperature_c,
    )


def _drive(drive: wire.Drive | None) -> tuple[float, float]:
    return (NAN, NAN) if drive is None else (drive.steering, drive.throttle)


def _lost(frame: wire.Frame, before: Entry | None) -> float:
    if before is None or before.frame.session != frame.session:
        return 0.0
    return float(max(0, frame.seq - before.frame.seq - 1))


def _mask(mask: wire.MaskStats | None) -> Sequence[float]:
    """Magnitude, scale, and the shares of three columns and three rows."""
    if mask is None:
        return (NAN,) * 8
    thirds = (NAN,) * 6
    if len(mask.shares) == 9:
        a, b, c, d, e, f, g, h, i = mask.shares
        thirds = (a + d + g, b + e + h, c + f + i, a + b + c, d + e + f, g + h + i)
    return (mask.magnitude, mask.scale, *thirds)
