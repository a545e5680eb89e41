"""The picture a person sees: the mask as colour over the camera frame, and what the pilot does as gauges.

    mask (h, w) ─▶ one table look-up ─▶ colour · opacity, 1 - opacity ─▶ resize ─┐
    rgb (H, W, 3) ───────────────────────────────────────────────────────▶ blend ─▶ gauges ─▶ rgb (H, W, 3)

The mask is coloured at its own size and the colour stretched over the frame, which is cheaper for large frames than the
other way round. A signed mask is always drawn in two colours that nobody mistakes for each other, whatever the colour
map: blue pushes what is explained down (steering: to the left), orange pushes it up (to the right).
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.gauges import draw_gauges
from edge.scale import ZERO
from wire import Drive, Look

Bytes = NDArray[np.uint8]

DOWN = (38, 120, 255)
UP = (255, 140, 0)
"""Red, green, blue of what pushes down and up. Told apart with any kind of colour blindness, and from a grey road."""

_COLORMAPS = {
    "turbo": cv2.COLORMAP_TURBO,
    "inferno": cv2.COLORMAP_INFERNO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "jet": cv2.COLORMAP_JET,
    "hot": cv2.COLORMAP_HOT,
}


class Overlay:
    """Draws overlay frames, all into one buffer."""

    def __init__(self) -> None:
        self._out: Bytes = np.empty((0, 0, 3), np.uint8)

    def draw(
        self,
        rgb: Bytes,
        mask: Bytes | None,
        look: Look,
        drive: Drive | None,
        recorded: Drive | None,
        *,
        signed: bool = False,
    ) -> Bytes:
        """The overlay frame: uint8 (H, W, 3), red first, valid until the next call.

        rgb: uint8 (H, W, 3), left as it is. mask: uint8 (h, w) as scale.py makes it, of any size, stretched over the
        frame: where it is 0 (ZERO if `signed`) the frame shows unchanged, where it is 255 (or 1) `look.strength` of the
        frame is covered. None: no mask. What `drive` and `recorded` look like, gauges.py says.
        """
        if self._out.shape != rgb.shape:
            self._out = np.empty_like(rgb)
        if mask is None:
            self._out[...] = rgb
        else:
            _blend(rgb, mask, _signed_tint(look.strength) if signed else _tint(look.colormap, look.strength), self._out)
        if look.gauges:
            draw_gauges(self._out, drive, recorded)
        return self._out


def colours(colormap: str) -> Bytes:
    """One of wire.COLORMAPS as a table: uint8 (256, 3), red first."""
    ramp = np.arange(256, dtype=np.uint8)
    if colormap == "green":
        return np.stack([np.zeros_like(ramp), ramp, np.zeros_like(ramp)], axis=1)
    table: Bytes = cv2.applyColorMap(ramp[:, None], _COLORMAPS[colormap])[:, 0, ::-1]
    return table


@lru_cache(maxsize=2)
def _tint(colormap: str, strength: float) -> NDArray[np.int32]:
    """For each mask value four bytes in one: its colour times its opacity, and how much of the frame shows through."""
    return _table(colours(colormap), strength * np.arange(256) / 255)


@lru_cache(maxsize=2)
def _signed_tint(strength: float) -> NDArray[np.int32]:
    """The same for the values of a signed mask."""
    value = np.arange(256) - ZERO
    return _table(np.where(value[:, None] < 0, DOWN, UP), strength * np.minimum(np.abs(value) / (ZERO - 1), 1))


def _table(colour: NDArray[np.integer], opacity: NDArray[np.float64]) -> NDArray[np.int32]:
    table = np.hstack([colour * opacity[:, None], 255 * (1 - opacity[:, None])])
    return np.round(table).astype(np.uint8).view(np.int32)[:, 0]


def _blend(rgb: Bytes, mask: Bytes, tint: NDArray[np.int32], out: Bytes) -> None:
    height, width = rgb.shape[:2]
    rgba: Bytes = cv2.LUT(mask, tint).view(np.uint8).reshape(*mask.shape, 4)
    if mask.shape != (height, width):
        rgba = cv2.resize(rgba, (width, height), interpolation=cv2.INTER_LINEAR)
    through = cv2.cvtColor(cv2.extractChannel(rgba, 3), cv2.COLOR_GRAY2RGB)
    cv2.multiply(rgb, through, out, 1 / 255)
    cv2.add(out, cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), out)
