"""One pilot at work on frames in order: what it drives, and the maps several panels want of it.

rgb ─▶ pilot ─▶ drive
        └─▶ map, once for all panels that want the same ─▶ 8-bit mask and its stats, or why there is none
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.methods import MethodError, Methods
from edge.pilot import Past, Pilot
from edge.scale import Scaler
from wire import Drive, Look, MaskStats

_PATHS = frozenset({"gradient-visualbackprop", "integrated-gradients", "integrated-visualbackprop"})
"""Methods that run the pilot on other pictures, and leave it there."""


class Recipe(NamedTuple):
    """All of a look that a mask depends on."""

    method: str
    target: str
    layer: str
    gamma: float
    smoothing: float


class Mapped(NamedTuple):
    """A mask, uint8 (h, w), and its stats; or neither, and why."""

    mask: NDArray[np.uint8] | None
    stats: MaskStats | None
    refused: str


Maps = Mapping[Recipe, Mapped]
"""What a pilot's maps show of one frame."""


def recipe(look: Look) -> Recipe:
    return Recipe(look.method, look.target, look.layer, look.gamma, look.smoothing)


class Mind:
    """A pilot and its maps. Not for several threads at once."""

    def __init__(self, pilot: Pilot, looks: Iterable[Look]) -> None:
        """looks: of the maps that `maps` makes; those of the same recipe are one."""
        self.pilot = pilot
        self._methods = Methods(pilot)
        self._looks: dict[Recipe, Look] = {}
        for look in looks:
            self._looks.setdefault(recipe(look), look)
        self._refused = {
            key: self._methods.refusal(look.method, look.target, look.layer)[:400] for key, look in self._looks.items()
        }
        self._scalers: dict[Recipe, Scaler] = {}
        self._size = (0, 0)
        self.forget()

    def forget(self) -> None:
        """Be as new: no memory, no running scale."""
        self.pilot.past = Past()
        self._scalers = {key: Scaler() for key in self._looks}

    def drive(self, rgb: NDArray[np.uint8], extras: Mapping[str, NDArray[np.float32]]) -> Drive:
        """Run on the next frame."""
        self._size = rgb.shape[:2]
        return self.pilot.drive(self.pilot.infer(rgb, extras))

    def maps(self) -> Maps:
        """Of the frame it has just run on."""
        made: dict[Recipe, Mapped] = {}
        fed = self.pilot.fed() if len(self._looks) > 1 else None
        astray = False
        for key, look in self._looks.items():
            if astray and fed is not None:
                self.pilot.run(fed)
            made[key] = self._map(key, look)
            astray = look.method in _PATHS
        return made

    def _map(self, key: Recipe, look: Look) -> Mapped:
        if self._refused[key]:
            return Mapped(None, None, self._refused[key])
        try:
            raw = self._methods(look.method, look.target, look.layer)
        except MethodError as why:
            return Mapped(None, None, str(why)[:400])
        placed = raw._replace(values=self.pilot.onto_frame(raw.values, self._size))
        return Mapped(*self._scalers[key](placed, look), "")
