"""Recorded frames drawn again: with another method, strength, colour map or pilot than they were recorded with.

    recorded mask ── same pilot, method, target, layer, smoothing ──▶ gamma ─────────────┐
    camera frames ── anything else ──▶ pilot ─▶ map ─▶ running scale, smoothing, gamma ──┴─▶ colour, strength ─▶ JPEG

A recorded mask has 8 bits: a gamma far below the recorded one shows its faint parts in steps, and what was 0 stays 0.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edge.capture.pictures import PictureError, decode
from edge.explain import Explainer
from edge.methods import CATALOG
from edge.overlay import Overlay
from edge.pilot import Pilot, PilotError
from edge.scale import ZERO
from edge.start import BUNDLED_PILOT
from host.render.mind import Mapped, Mind, recipe
from host.render.scene import Part
from wire import Drive, Frame, Look, MaskStats

log = logging.getLogger(__name__)

Bytes = NDArray[np.uint8]

WARM = 40
"""Frames before the one wanted that are worth handing in, for the running scale, smoothing and memory to settle."""
WARM_SLOW = 8
"""Of how many of them maps are made where that takes long."""
QUALITY = 85
_MOST_PLAYS = 4


class RetuneError(Exception):
    """A frame cannot be drawn like this; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One frame as a session holds it."""

    index: int
    """Its place in the session."""
    camera: bytes | None
    """JPEG."""
    mask: bytes | None
    """JPEG."""
    frame: Frame
    """Its header: what was driven, the mask's stats, the look it was drawn with."""
    pilot: str = ""
    """sha256 of the pilot that drove, where known."""


class PilotAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked for of one pilot."""

    name: str
    sha256: str
    methods: list[str]
    refusals: dict[str, str]
    """Methods that cannot, and why."""
    targets: list[str]
    layers: list[str]


class Retuner:
    """Draws with some pilots, for any thread. Going on in order costs one frame; a jump as many as are handed in."""

    def __init__(self, pilots: Sequence[Path]) -> None:
        """The bundled pilot always counts too. Nothing is loaded yet."""
        self._paths = [*pilots, BUNDLED_PILOT]
        self._lock = threading.Lock()
        self._pilots: dict[str, Pilot] | None = None
        self._plays: OrderedDict[object, _Play] = OrderedDict()
        self._overlay = Overlay()

    def pilots(self) -> list[PilotAbilities]:
        """All there are; loads them, once. One that cannot be loaded is left out and logged."""
        with self._lock:
            return [_abilities(pilot) for pilot in self._loaded().values()]

    def draw(self, session: str, kept: Sequence[Kept], look: Look, pilot: str = "", part: Part = "overlay") -> bytes:
        """The last of `kept`, which follow each other in `session`, as JPEG; those before it settle what needs it.

        pilot: sha256, or "" for the one that drove. Of `kept` only what is needed is looked at. Raises RetuneError.
        """
        wanted = kept[-1]
        if part == "camera":
            return _camera(wanted)
        recorded = _recorded(wanted, look, pilot)
        with self._lock:
            drawn = recorded or self._play(session, wanted, look, pilot).draw(kept, wanted)
            if drawn.mapped.refused:
                raise RetuneError(f"There is no such map: {drawn.mapped.refused}.")
            return _jpeg(self._painted(wanted, look, drawn, part))

    def _painted(self, wanted: Kept, look: Look, drawn: "_Drawn", part: Part) -> Bytes:
        mask, stats, _ = drawn.mapped
        if part == "mask" and mask is not None:
            return mask
        signed = stats is not None and stats.signed
        rgb = _pixels(wanted)
        return self._overlay.draw(rgb, mask, look, drawn.drive, wanted.frame.recorded, signed=signed)

    def _play(self, session: str, wanted: Kept, look: Look, pilot: str) -> "_Play":
        sha256 = pilot or wanted.pilot
        loaded = self._loaded().get(sha256)
        if loaded is None:
            raise RetuneError(_missing(sha256))
        key = (session, sha256, recipe(look))
        play = self._plays.pop(key, None) or _Play(loaded, look)
        self._plays[key] = play
        if len(self._plays) > _MOST_PLAYS:
            self._plays.popitem(last=False)
        return play

    def _loaded(self) -> dict[str, Pilot]:
        """By sha256, in the order they were given."""
        if self._pilots is None:
            self._pilots = {}
            for path in self._paths:
                try:
                    pilot = Pilot.load(path)
                except PilotError as why:
                    log.warning("recorded frames cannot be explained with this one: %s", why)
                    continue
                self._pilots.setdefault(pilot.sha256, pilot)
        return self._pilots


class _Drawn(NamedTuple):
    mapped: Mapped
    drive: Drive | None


class _Play:
    """One pilot and recipe going through a session."""

    def __init__(self, pilot: Pilot, look: Look) -> None:
        self._mind = Mind(pilot.another(), [look])
        self._key = recipe(look)
        self._warm = WARM_SLOW if CATALOG[look.method].slow else WARM
        self._at: int | None = None
        self._drawn = _Drawn(Mapped(None, None, ""), None)

    def draw(self, kept: Sequence[Kept], wanted: Kept) -> _Drawn:
        """The map of the last of `kept`. Raises RetuneError."""
        steps = len(kept) if self._at is None else wanted.index - self._at
        if not 0 <= steps <= len(kept):
            self._at = None
            steps = len(kept)
        if self._at is None:
            self._mind.forget()
        self._at = None
        for place in range(len(kept) - steps, len(kept) - 1):
            self._see(kept[place], mapped=place >= len(kept) - 1 - self._warm)
        if steps:
            self._drawn = self._last(wanted)
        self._at = wanted.index
        return self._drawn

    def _see(self, kept: Kept, *, mapped: bool) -> None:
        """Run on a frame that is not drawn; one that cannot be read is passed over."""
        try:
            rgb = _pixels(kept)
        except RetuneError:
            return
        self._mind.drive(rgb, {})
        if mapped:
            self._mind.maps()

    def _last(self, wanted: Kept) -> _Drawn:
        drive = self._mind.drive(_pixels(wanted), {})
        drove = wanted.frame.drive if wanted.pilot == self._mind.pilot.sha256 else None
        return _Drawn(self._mind.maps()[self._key], drove or drive)


def _recorded(wanted: Kept, look: Look, pilot: str) -> _Drawn | None:
    """From the mask as it was recorded; None where it is another one that is wanted, or there is none."""
    frame = wanted.frame
    same = recipe(look)._replace(gamma=frame.look.gamma) == recipe(frame.look)
    if not same or pilot not in {"", wanted.pilot}:
        return None
    if frame.refused:
        return _Drawn(Mapped(None, None, frame.refused), frame.drive)
    if wanted.mask is None or frame.mask is None:
        return None
    try:
        mask = decode(wanted.mask)[:, :, 1]
    except PictureError:
        return None
    lifted = _lifted(np.ascontiguousarray(mask), frame.mask, look.gamma / frame.look.gamma)
    return _Drawn(Mapped(lifted, frame.mask, ""), frame.drive)


def _lifted(mask: Bytes, stats: MaskStats, power: float) -> Bytes:
    """An 8-bit mask with another gamma: to the power of new over old."""
    if power == 1:
        return mask
    zero, full = (ZERO, 127) if stats.signed else (0, 255)
    value = (np.arange(256) - zero) / full
    raised = np.copysign(np.abs(value) ** power, value)
    table = np.clip(np.round(zero + full * raised), 0, 255).astype(np.uint8)
    lifted: Bytes = cv2.LUT(mask, table)
    return lifted


def _abilities(pilot: Pilot) -> PilotAbilities:
    can = Explainer(pilot, car="", session="").abilities()
    return PilotAbilities(
        name=pilot.name,
        sha256=pilot.sha256,
        methods=can.methods,
        refusals=can.refusals,
        targets=can.targets,
        layers=can.layers,
    )


def _missing(sha256: str) -> str:
    if not sha256:
        return "Nobody recorded which pilot drove: choose one of this host's to explain these frames with."
    return (
        f"This host has no pilot {sha256[:12]}..: give its file to the host as --pilot FILE, or choose another pilot."
    )


def _camera(wanted: Kept) -> bytes:
    """Raises RetuneError."""
    if not wanted.camera:
        raise RetuneError("This frame was recorded without its camera picture, so it cannot be drawn again.")
    return wanted.camera


def _pixels(kept: Kept) -> Bytes:
    """Raises RetuneError."""
    try:
        return decode(_camera(kept))
    except PictureError as why:
        raise RetuneError(f"This frame's camera picture cannot be read: {why}.") from why


def _jpeg(pixels: Bytes) -> bytes:
    grey = pixels.ndim == 2
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels[:, :, None] if grey else pixels),
        QUALITY,
        "GRAY" if grey else "RGB",
        "Gray" if grey else "420",
        fastdct=True,
    )
    return data
