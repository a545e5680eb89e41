"""What the study finds out about each pilot, and the file it is kept in."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.capture.track.style import STYLES
from edge.methods import Methods
from edge.pilot import Pilot
from models.study import attention
from models.study.driving import Run, runs
from models.study.reliance import Steers, reliance
from models.study.scenes import Scenery, places

TRACKS = ("demo", "unseen")
"""The course the laps are driven on, and one that no recipe has in it."""


class Extent(msgspec.Struct, frozen=True):
    """How much is measured.

    places: where pictures are compared; looks: where maps are made; laps: to drive in each guise.
    """

    places: int = 200
    looks: int = 60
    laps: int = 2


class Figures(msgspec.Struct, frozen=True):
    """Of one pilot. By track; by what was changed (reliance.py), by guise, by method and zone."""

    name: str
    says: str
    sha256: str
    size_bytes: int
    reliance: dict[str, dict[str, float]]
    runs: dict[str, list[Run]]
    attention: dict[str, dict[str, dict[str, float]]]


class Study(msgspec.Struct, frozen=True):
    """study.json. trained: frames, epochs and seed of all pilots but the bundled one; empty where not known."""

    trained: dict[str, int]
    extent: Extent
    areas: dict[str, dict[str, float]]
    """Share of the picture by track and zone."""
    pilots: list[Figures]


class Measuring:
    """The pictures of all tracks, made once for all pilots."""

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._sceneries = [Scenery(track, STYLES[track]) for track in TRACKS]
        self._looks = {it.track: places(it.road, extent.looks) for it in self._sceneries}
        self._zones = {track: attention.zones(track, where) for track, where in self._looks.items()}

    @property
    def areas(self) -> dict[str, dict[str, float]]:
        return {track: _rounded(attention.areas(zones)) for track, zones in self._zones.items()}

    def figures(self, name: str, says: str, file: Path, tell: Callable[[str], None]) -> Figures:
        """Everything about the pilot in `file`. Raises PilotError."""
        pilot = Pilot.load(file)
        data = file.read_bytes()
        tell(f"{name}: what it steers by")
        reliances = {it.track: _rounded(reliance(steers(pilot), it, self._extent.places)) for it in self._sceneries}
        tell(f"{name}: how far it drives")
        drives = {track: list(runs(steers(pilot), track, self._extent.laps)) for track in TRACKS}
        tell(f"{name}: where its maps lie")
        maps = {it.track: self._attention(pilot, it) for it in self._sceneries}
        return Figures(name, says, hashlib.sha256(data).hexdigest(), len(data), reliances, drives, maps)

    def _attention(self, pilot: Pilot, scenery: Scenery) -> dict[str, dict[str, float]]:
        frames, zones = scenery.frames(self._looks[scenery.track]), self._zones[scenery.track]
        able = [method for method in attention.METHODS if not Methods(pilot).refusal(method)]
        return {method: _rounded(attention.shares(pilot, method, frames, zones)) for method in able}


def steers(pilot: Pilot) -> Steers:
    """A pilot as a function of the picture alone."""
    return lambda rgb: pilot.drive(pilot.infer(rgb))


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
