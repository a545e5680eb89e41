"""What a film is made of and looks like: plain values that can be sent to another process.

┌──────────────┬──────────────┐
│ linear       │ memory       │ title, where there are several panels
├──────────────┼──────────────┤
│              │              │ panels: a part (overlay, camera, mask) as one pilot and one look make it,
│      o|      │      o|      │ enlarged by `scale`, with gauges or lines for what is driven
├──────────────┴──────────────┤
│ ~~~~~~~~~~~~~~|~~~~~~~~~~~~ │ chart: steering and throttle of the driver and each pilot, now in the middle
└─────────────────────────────┘
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta
from numpy import float32
from numpy.typing import NDArray

from edge.card import Card
from wire import Drive, Look

CHART_S = 5.0
"""How far the chart looks back and ahead."""
MAX_PANELS = 64
MAX_SIDE = 8192
"""Pixels a film may be wide or high."""

Part = Literal["overlay", "camera", "mask"]


class SceneError(Exception):
    """A film cannot be made like this; the message is one sentence for a person."""


class Shot(NamedTuple):
    """One frame of a source."""

    data: bytes
    """JPEG, PNG or BMP, as it is stored."""
    index: int  # type: ignore[assignment]  # a tuple's own `index` is hidden
    """Its number in the source."""
    tick: int
    """When it was taken, in 1/90000 s; each shot's is greater than that of the one before."""
    recorded: Drive | None = None
    """What a driver did on it."""
    extras: Mapping[str, NDArray[float32]] = {}
    """What else was measured, for pilots that want it, as in edge.capture.Frame."""


class PilotFile(msgspec.Struct, frozen=True, dict=True):
    """A pilot as a task carries it."""

    name: str
    data: bytes
    """The .tflite file."""
    card: Card | None = None
    """None: as far as the file itself says."""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class Panel(msgspec.Struct, frozen=True):
    """One picture of the film."""

    part: Part = "overlay"
    pilot: int = 0
    """Its place among the pilots."""
    look: Look = Look()
    title: str = ""
    """Empty: what tells it from the others."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The picture of a film."""

    panels: tuple[Panel, ...]
    size: tuple[int, int]
    """Width and height of the source's frames; those of another size are fitted to it (segment.size_of tells)."""
    scale: Annotated[float, Meta(ge=0.05, le=32)] = 1.0
    """How much the frames are enlarged."""
    columns: Annotated[int, Meta(ge=0, le=MAX_PANELS)] = 0
    """Panels in a row; 0: all of them."""
    drawn: Literal["gauges", "lines", "none"] = "gauges"
    """How steering and throttle stand in the panels: as on the live page, as control lines from the bottom centre
    (driver green, pilot blue), not at all. A panel whose look has no gauges has none of either."""
    recorded: bool = True
    """Draw what the driver did, where it is known."""
    chart: bool = False
    titles: bool = True
    """Say above each panel what it is, where there are several."""
    qp: Annotated[int, Meta(ge=1, le=51)] = 23
    """x264's quantizer, the same for every frame: less is better and larger."""
