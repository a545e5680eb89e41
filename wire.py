"""The one message between car and host: bytes in, bytes out. No sockets, no clock, no numpy.

    car → host   Frame     header │ picture │ picture …   a video frame and all that is known of it
                 Status    header                         answers a Ping: both clocks, what the car is doing
    host → car   Ping      header                         "I am here"; answered with a Status at once
                 Credit    header                         "I hold frame `seq`; `window` more may be under way"
                 Settings  header                         how the overlay shall look from now on

A header is `b"PL"`, one version byte and a msgpack map whose `type` names the message. Unknown fields are ignored, so
either side may be newer; sizes and numbers are bounded, so neither side can hurt the other. Byte table: docs/wire.md.

What can go wrong, all of it a WireError:

    WireError
    ├── NotPilotLens   the first part does not start with the magic bytes
    ├── WrongVersion   another wire version
    ├── TooLarge       more parts or bytes than allowed
    ├── Malformed      the header is not the msgpack map it should be, or a value is out of its range
    └── PartsMismatch  the parts that follow are not those the header lists
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

MAGIC = b"PL"
VERSION = 1
MAX_HEADER_BYTES = 16 * 1024
MAX_PART_BYTES = 8 * 1024 * 1024
MAX_PARTS = 8
MAX_WINDOW = 3
"""The most frames that may be under way to one host."""

PARTS = ("overlay", "camera", "mask")
"""The pictures a car can send: camera frame with the mask drawn in, camera frame alone, mask alone (grey)."""

COLORMAPS = ("turbo", "inferno", "viridis", "jet", "hot", "green")

METHODS = (
    "visualbackprop",
    "coverage",
    "gradient",
    "gradient-input",
    "gradcam",
    "hirescam",
    "gradient-visualbackprop",
    "integrated-gradients",
    "integrated-visualbackprop",
    "itti",
    "edges",
)
"""How a map can be made; edge/methods says what each one is worth, and which can be had for a pilot Status says."""

TARGETS = ("steering", "throttle", "steering-bin", "throttle-bin")
"""What a map can explain: the number the pilot gives, or the bin it chose."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")]
"""A car's name: safe in a URL, a file name and a log line."""
Label = Annotated[str, Meta(min_length=1, max_length=64)]
Sentence = Annotated[str, Meta(max_length=400)]
SessionId = Annotated[str, Meta(pattern=r"^[0-9a-f]{0,32}\Z")]
Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Pixels = Annotated[int, Meta(ge=1, le=16384)]


class _Message(msgspec.Struct, frozen=True, tag=lambda name: name.lower(), tag_field="type"):
    """What all messages share: immutable, named fields, told apart by `type`."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How the overlay is drawn; set from the page while the car drives."""

    strength: Annotated[float, Meta(ge=0, le=1)] = 0.7
    """Opacity of the strongest mask pixel."""
    colormap: Literal["turbo", "inferno", "viridis", "jet", "hot", "green"] = "turbo"
    method: Literal[
        "visualbackprop",
        "coverage",
        "gradient",
        "gradient-input",
        "gradcam",
        "hirescam",
        "gradient-visualbackprop",
        "integrated-gradients",
        "integrated-visualbackprop",
        "itti",
        "edges",
    ] = "visualbackprop"
    """How the map is made."""
    target: Literal["steering", "throttle", "steering-bin", "throttle-bin"] = "steering"
    """Which of the pilot's words is explained; not every method can tell them apart."""
    layer: Annotated[str, Meta(max_length=64)] = ""
    """The convolution that Grad-CAM and HiResCAM look at, by name; empty is the last one."""
    gamma: Annotated[float, Meta(ge=0.2, le=2)] = 0.5
    """Exponent on the scaled mask; below 1 lifts the faint parts."""
    smoothing: Annotated[float, Meta(ge=0, le=0.95)] = 0.0
    """Weight of the previous mask in the shown one (exponential, per frame)."""
    gauges: bool = True
    """Draw steering and throttle into the overlay."""


class Drive(msgspec.Struct, frozen=True):
    """Steering −1 (left) … 1 (right) and throttle −1 … 1, as a pilot says or a driver did."""

    steering: float
    throttle: float


class MaskStats(msgspec.Struct, frozen=True):
    """What the shown mask hides: this frame's raw high percentile, and the running one that is drawn as 1."""

    magnitude: float
    scale: float
    signed: bool = False
    """How to read the `mask` picture. False: 0 is nothing, 255 is `scale`. True: 128 is nothing, 1 pushes what is
    explained down by `scale` (steering: to the left), 255 pushes it up (to the right)."""
    shares: Annotated[list[float], Meta(max_length=9)] = []
    """How much of the map, its signs left aside, lies in each ninth of the frame, row by row from the top; together
    1. Empty for a map that is 0 everywhere."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """How faithful the maps are: hiding what they point at changes the pilot's word `ratio` times as much as hiding as
    much of the picture at random. Measured on the car, on frames as they come, for the method in `look`.
    """

    method: Label
    ratio: Annotated[float, Meta(ge=0, le=1e6)]
    low: Annotated[float, Meta(ge=0, le=1e6)]
    high: Annotated[float, Meta(ge=0, le=1e6)]
    """`ratio` lies between these two with a probability of 95 %."""
    frames: Annotated[int, Meta(ge=1, le=2**31)]
    """How many frames that is measured on."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The car's own state; None where the machine cannot tell."""

    temperature_c: float | None = None
    throttled: Count | None = None
    """Raspberry Pi firmware's throttled flags, as `vcgencmd get_throttled` prints them."""
    memory_bytes: Count | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One picture that follows the header."""

    kind: Label
    encoding: Label = "jpeg"
    size_bytes: Annotated[int, Meta(ge=0, le=MAX_PART_BYTES)]
    width: Pixels
    height: Pixels


class Frame(_Message, frozen=True, kw_only=True):
    """One captured frame. Times are the car's monotonic clock; the host knows the offset from Status."""

    car: Name
    session: SessionId
    """Random per start of the edge process."""
    seq: Count
    """Counts captured frames; gaps are frames that were dropped (see `drops`)."""
    captured_ns: Nanoseconds
    sent_ns: Nanoseconds
    stages_ns: Annotated[dict[Label, Nanoseconds], Meta(max_length=16)] = {}
    """Time spent per stage, in the order of the data path."""
    width: Pixels
    height: Pixels
    drive: Drive | None = None
    recorded: Drive | None = None
    """What the human did on this frame, where the source is a recording."""
    outputs: Annotated[dict[Label, Annotated[list[float], Meta(max_length=64)]], Meta(max_length=16)] = {}
    """Every output of the pilot by name, as it came."""
    mask: MaskStats | None = None
    check: Check | None = None
    """Of the newest frames explained like this one; None until enough of them were checked."""
    refused: Sentence = ""
    """Why there is no map made by `look.method`, where one was wanted; the pictures then show none."""
    drops: Annotated[dict[Label, Count], Meta(max_length=16)] = {}
    """Frames and messages dropped since the start of the process, by cause."""
    health: Health = Health()
    look: Look = Look()
    """The settings this frame was drawn with."""
    parts: Annotated[list[Part], Meta(max_length=MAX_PARTS)] = []


class Status(_Message, frozen=True, kw_only=True):
    """Answer to a Ping."""

    car: Name
    session: SessionId
    ping_ns: Nanoseconds
    """The Ping's `sent_ns`, returned."""
    received_ns: Nanoseconds
    sent_ns: Nanoseconds
    seq: Count | None = None
    """Newest frame captured."""
    trouble: Sentence = ""
    """Why no frames come, in one sentence; empty while they do."""
    source: Label = "?"
    pilot: Label = "?"
    pilot_sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    """Of the pilot's file: tells a host that has the file too which one drives."""
    methods: Annotated[list[Label], Meta(max_length=32)] = []
    """What can be asked for in Look.method of this pilot."""
    refusals: Annotated[dict[Label, Sentence], Meta(max_length=32)] = {}
    """Methods that cannot, and why."""
    targets: Annotated[list[Label], Meta(max_length=8)] = []
    layers: Annotated[list[Label], Meta(max_length=32)] = []
    """Convolutions to choose from, first to last."""


class Ping(_Message, frozen=True, kw_only=True):
    sent_ns: Nanoseconds
    """The host's monotonic clock."""


class Credit(_Message, frozen=True, kw_only=True):
    """Permission to send, said so that repeating it changes nothing.

    The car may have at most `window` frames of `session` under way beyond `seq`, the newest frame the host holds.
    """

    session: SessionId = ""
    """The session `seq` belongs to; another one, or empty, means that nothing is held."""
    seq: Annotated[int, Meta(ge=-1, le=2**63 - 1)] = -1
    window: Annotated[int, Meta(ge=0, le=MAX_WINDOW)] = 1
    want: Annotated[list[Label], Meta(max_length=MAX_PARTS)] = []
    """Kinds of parts to send; empty asks for headers alone."""


class Settings(_Message, frozen=True, kw_only=True):
    look: Look


Down = Frame | Status
Up = Ping | Credit | Settings


T = TypeVar("T")


class Message(NamedTuple, Generic[T]):
    """A parsed message: its header and its pictures by kind."""

    header: T
    parts: Mapping[str, bytes]


class WireError(Exception):
    """Base of everything that can be wrong with received bytes."""


class NotPilotLens(WireError):
    def __init__(self, start: bytes) -> None:
        super().__init__(f"not a PilotLens message: it starts with {start!r}, not with {MAGIC!r}")


class WrongVersion(WireError):
    def __init__(self, version: int) -> None:
        super().__init__(f"the other side speaks wire version {version}, this side {VERSION}: update the older one")
        self.version = version


class TooLarge(WireError):
    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what}: {size}, at most {limit} allowed")


class Malformed(WireError):
    def __init__(self, why: object) -> None:
        super().__init__(f"the header does not parse: {str(why)[:200]}")


class PartsMismatch(WireError):
    def __init__(self, listed: Sequence[object], found: Sequence[object]) -> None:
        super().__init__(f"the header lists parts of {list(listed)} bytes, but {list(found)} followed")


_encoder = msgspec.msgpack.Encoder()
_down = msgspec.msgpack.Decoder(Frame | Status)
_up = msgspec.msgpack.Decoder(Ping | Credit | Settings)


def encode(header: Down | Up) -> bytes:
    """A header as bytes; for a Frame the bytes of its parts follow as message parts of their own."""
    return MAGIC + bytes((VERSION,)) + _encoder.encode(header)


def decode_down(message: Sequence[bytes]) -> Message[Down]:
    """What a car sent, from the parts of one multipart message. Raises WireError and nothing else."""
    header: Down = _decode(_down, message)
    listed = header.parts if isinstance(header, Frame) else []
    sizes = [part.size_bytes for part in listed]
    found = [len(part) for part in message[1:]]
    if sizes != found:
        raise PartsMismatch(sizes, found)
    return Message(header, {part.kind: data for part, data in zip(listed, message[1:], strict=True)})


def decode_up(message: Sequence[bytes]) -> Up:
    """What a host sent, from the parts of one multipart message. Raises WireError and nothing else."""
    header: Up = _decode(_up, message)
    if len(message) > 1:
        raise PartsMismatch([], [len(part) for part in message[1:]])
    return header


def _decode(decoder: msgspec.msgpack.Decoder[T], message: Sequence[bytes]) -> T:
    if len(message) > 1 + MAX_PARTS:
        raise TooLarge("message parts", len(message) - 1, MAX_PARTS)
    for part in message[1:]:
        if len(part) > MAX_PART_BYTES:
            raise TooLarge("bytes in one part", len(part), MAX_PART_BYTES)
    head = message[0] if message else b""
    if len(head) > MAX_HEADER_BYTES:
        raise TooLarge("bytes in the header", len(head), MAX_HEADER_BYTES)
    if len(head) < 3 or head[:2] != MAGIC:
        raise NotPilotLens(head[:8])
    if head[2] != VERSION:
        raise WrongVersion(head[2])
    try:
        return decoder.decode(memoryview(head)[3:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(why) from why
