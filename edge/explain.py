"""One frame in, everything known about it out. No threads, no sockets: what the worker calls per frame.

frame ─▶ pilot ─▶ drive
          └─▶ map, made by look.method ─▶ 8-bit mask ─▶ overlay ─▶ JPEG
                 └─▶ every now and then to the check (check.py)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edge.capture import Frame
from edge.check import Checker
from edge.mask import RawMask
from edge.methods import CATALOG, MethodError, Methods
from edge.overlay import Overlay
from edge.pilot import Past, Pilot
from edge.publish import Abilities, Explained, Picture
from edge.scale import Scaler
from wire import Check, Drive, Health, Look, MaskStats
from wire import Frame as Header

MAPPED = frozenset({"overlay", "mask"})
"""Kinds of pictures that need a map."""


@dataclass(frozen=True, slots=True)
class Captured:
    seq: int
    frame: Frame


class Stages:
    """Nanoseconds spent per stage, in order."""

    def __init__(self, captured_ns: int, before: dict[str, int] | None = None) -> None:
        """`before`: stages of another thread that has had the frame; what passed since then counts as "background"."""
        self._last_ns = time.monotonic_ns()
        self.ns: dict[str, int] = dict(before or {})
        self.ns["background" if before else "wait"] = max(0, self._last_ns - captured_ns - sum(self.ns.values()))

    def done(self, stage: str) -> None:
        """The time since the last stage was this one's."""
        now_ns = time.monotonic_ns()
        self.ns[stage] = now_ns - self._last_ns
        self._last_ns = now_ns


class _Drawn(NamedTuple):
    """The pictures of one frame, and what its header says of them."""

    pictures: dict[str, Picture]
    stats: MaskStats | None
    refused: str
    check: Check | None


class Explainer:
    """Explains frames with one pilot. Not for several threads at once."""

    def __init__(
        self, pilot: Pilot, *, car: str, session: str, quality: int = 80, checker: Checker | None = None
    ) -> None:
        self._pilot = pilot
        self._methods = Methods(pilot)
        self._scaler = Scaler()
        self._overlay = Overlay()
        self._quality = quality
        self._car = car
        self._session = session
        self._checker = checker
        self._refused: tuple[Look | None, str] = (None, "")
        self.past = Past()
        """What the pilot remembered when it saw the last frame."""

    def explain(
        self,
        captured: Captured,
        wanted: frozenset[str],
        look: Look,
        *,
        late: frozenset[str] = frozenset(),
        drive: Callable[[Drive], None] = lambda drive: None,
        drops: dict[str, int] | None = None,
        health: Health | None = None,
    ) -> Explained:
        """Run the pilot, hand its word to `drive` at once, then draw what is `wanted` (wire.PARTS) and not `late`."""
        frame = captured.frame
        stages = Stages(frame.captured_ns)
        self.past = self._pilot.past
        outputs = self._pilot.infer(frame.rgb, frame.extras)
        driven = self._pilot.drive(outputs)
        drive(driven)
        stages.done("pilot")
        drawn = self._draw(frame, look, driven, wanted - late, stages)
        height, width = frame.rgb.shape[:2]
        header = Header(
            car=self._car,
            session=self._session,
            seq=captured.seq,
            captured_ns=frame.captured_ns,
            sent_ns=0,
            stages_ns=stages.ns,
            width=width,
            height=height,
            drive=driven,
            recorded=frame.recorded,
            outputs={name: values.tolist() for name, values in outputs.items()},
            mask=drawn.stats,
            check=drawn.check,
            refused=drawn.refused,
            drops=drops or {},
            health=health or Health(),
            look=look,
        )
        return Explained(header, drawn.pictures, late)

    def explain_later(self, frame: Frame, past: Past, header: Header, wanted: frozenset[str]) -> Explained:
        """Draw what is `wanted` of a frame that another explainer ran its pilot on, as its `past` and `header` tell."""
        self.past = self._pilot.past = past
        stages = Stages(header.captured_ns, {stage: header.stages_ns[stage] for stage in ("wait", "pilot")})
        self._pilot.infer(frame.rgb, frame.extras)
        pictures, stats, refused, check = self._draw(frame, header.look, header.drive, wanted, stages)
        told = msgspec.structs.replace(header, stages_ns=stages.ns, mask=stats, refused=refused, check=check)
        return Explained(told, pictures)

    def refusal(self, look: Look) -> str:
        """Why there is no such map of this pilot, in one sentence; empty if there is."""
        known, why = self._refused
        if known is not look:
            why = self._methods.refusal(look.method, look.target, look.layer)[:400]
            self._refused = (look, why)
        return why

    def abilities(self) -> Abilities:
        """What may be asked for of this pilot."""
        refusals = {name: self._methods.refusal(name)[:400] for name in CATALOG}
        return Abilities(
            methods=[name for name, why in refusals.items() if not why],
            refusals={name: why for name, why in refusals.items() if why},
            targets=list(self._pilot.targets),
            layers=[name for name in self._methods.layers if 0 < len(name) <= 64][-32:],
        )

    def _draw(self, frame: Frame, look: Look, driven: Drive | None, wanted: frozenset[str], stages: Stages) -> _Drawn:
        pictures: dict[str, Picture] = {}
        stats, refused, check = None, "", None
        if wanted & MAPPED:
            mask, stats, refused = self._map(frame, look)
            check = self._checker.check(look) if self._checker and stats else None
            stages.done("mask")
            if "overlay" in wanted:
                signed = stats is not None and stats.signed
                drawn = self._overlay.draw(frame.rgb, mask, look, driven, frame.recorded, signed=signed)
                stages.done("overlay")
                pictures["overlay"] = self._jpeg(drawn)
            if "mask" in wanted:
                pictures["mask"] = self._jpeg(np.zeros(frame.rgb.shape[:2], np.uint8) if mask is None else mask)
        if "camera" in wanted:
            pictures["camera"] = self._jpeg(frame.rgb)
        stages.done("jpeg")
        return _Drawn(pictures, stats, refused, check)

    def _map(self, frame: Frame, look: Look) -> tuple[NDArray[np.uint8] | None, MaskStats | None, str]:
        """The mask to show of the frame the pilot ran on last and the numbers behind it, or why there is none."""
        if refused := self.refusal(look):
            return None, None, refused
        try:
            raw = self._methods(look.method, look.target, look.layer)
        except MethodError as why:
            return None, None, str(why)[:400]
        if self._checker and self._checker.due():
            self._checker.put(frame, self.past, raw.values, look)
        mask, stats = self._scaler(self._placed(raw, frame), look)
        return mask, stats, ""

    def _placed(self, raw: RawMask, frame: Frame) -> RawMask:
        """The map where the pilot's crop was taken from."""
        height, width = frame.rgb.shape[:2]
        values = self._pilot.onto_frame(raw.values, (height, width))
        return raw if values is raw.values else raw._replace(values=values)

    def _jpeg(self, pixels: NDArray[np.uint8]) -> Picture:
        height, width = pixels.shape[:2]
        if pixels.ndim == 2:
            data = simplejpeg.encode_jpeg(pixels[:, :, None], self._quality, "GRAY", "Gray", fastdct=True)
        else:
            data = simplejpeg.encode_jpeg(pixels, self._quality, "RGB", "420", fastdct=True)
        return Picture(data, width, height)
