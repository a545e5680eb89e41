"""From raw masks to 8-bit ones that do not flicker: a running scale, and smoothing in space and time.

    raw mask ─▶ high percentile ─▶ running scale ─┐
             └──────────────────────────────────▶ 255 · (mask / scale) ** gamma ─▶ smooth ─▶ uint8

A mask's strongest pixel varies several-fold from one frame to the next while the scene stays the same; divided by it,
every frame would be scaled differently. The scale here follows a high percentile of the mask, upwards quickly and
downwards slowly, in frames rather than seconds: a recording comes out the same however fast it is worked through.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.mask import Floats, RawMask
from wire import Look, MaskStats

Bytes = NDArray[np.uint8]

PEAK = 0.99
"""The part of a mask's pixels that lies below its `magnitude`."""
RISE_FRAMES = 4.0
FALL_FRAMES = 20.0
"""Time constants with which the logarithm of the scale follows that of the magnitude."""
HEADROOM = 8.0
"""A magnitude more than this times the scale pulls the scale along at once."""

_SAMPLES = 1350


class Scaler:
    """The running scale of one model's masks. Make a new one for another model or session."""

    def __init__(self) -> None:
        self._form = ""
        self._scale_log2: float | None = None
        self._root: Floats = np.empty((0, 0), np.float32)
        self._faded: Floats | None = None

    def __call__(self, mask: RawMask, look: Look) -> tuple[Bytes, MaskStats]:
        """The mask to show, uint8 (h, w) like the raw one, and the numbers behind it.

        An all-zero mask comes out all zero (with `look.smoothing` what was shown before fades) and leaves the scale
        alone. Another form or size starts afresh. The array is the caller's to keep.
        """
        if look.mask != self._form or mask.values.shape != self._root.shape:
            self._restart(look.mask, mask.values.shape)
        magnitude = _magnitude(mask.values)
        if magnitude > 0:
            self._follow(math.log2(magnitude) + mask.exponent)
        scale = 0.0 if self._scale_log2 is None else _times_power(1, self._scale_log2)
        stats = MaskStats(_times_power(magnitude, mask.exponent), scale)
        return self._fade(self._grey(mask, look), look.smoothing), stats

    def _restart(self, form: str, shape: tuple[int, ...]) -> None:
        self._form, self._scale_log2, self._faded = form, None, None
        self._root = np.empty(shape, np.float32)

    def _follow(self, magnitude_log2: float) -> None:
        if self._scale_log2 is None:
            self._scale_log2 = magnitude_log2
        change = magnitude_log2 - self._scale_log2
        frames = RISE_FRAMES if change > 0 else FALL_FRAMES
        followed = self._scale_log2 + change * (1 - math.exp(-1 / frames))
        self._scale_log2 = max(followed, magnitude_log2 - math.log2(HEADROOM))

    def _grey(self, mask: RawMask, look: Look) -> Bytes:
        """Eight bits hold the square root, as most of a mask is below a thousandth of its peak; then comes gamma."""
        if self._scale_log2 is None:
            return np.zeros(mask.values.shape, np.uint8)
        scale = min(_times_power(1, self._scale_log2 - mask.exponent), 1e30)
        cv2.threshold(mask.values, scale, 0, cv2.THRESH_TRUNC, self._root)
        cv2.sqrt(self._root, self._root)
        grey: Bytes = cv2.convertScaleAbs(self._root, alpha=255 / math.sqrt(scale))
        if look.mask == "exact":  # its checkerboard has the period of the first stride, mostly 2
            grey = cv2.GaussianBlur(grey, (3, 3), 0)
        return grey if look.gamma == 0.5 else cv2.LUT(grey, _from_root(look.gamma))

    def _fade(self, grey: Bytes, smoothing: float) -> Bytes:
        if smoothing == 0:
            self._faded = None
            return grey
        if self._faded is None:
            self._faded = grey.astype(np.float32)
        cv2.accumulateWeighted(grey, self._faded, 1 - smoothing)
        faded: Bytes = cv2.convertScaleAbs(self._faded)
        return faded


@lru_cache(maxsize=1)
def _from_root(gamma: float) -> Bytes:
    """The table that takes a square root in 0 … 255 to the power of `gamma`: uint8 (256,)."""
    return np.round(255 * (np.arange(256) / 255) ** (2 * gamma)).astype(np.uint8)


def _magnitude(values: Floats) -> float:
    """The PEAK quantile of an even sample, or the maximum where that is 0."""
    sample = values.ravel()[:: _stride(*values.shape)]
    rank = int(PEAK * (sample.size - 1))
    return float(np.partition(sample, rank)[rank]) or float(values.max())


@lru_cache(maxsize=4)
def _stride(height: int, width: int) -> int:
    """Takes some _SAMPLES of the pixels; odd and prime to the width, or the sample would fall into a few columns."""
    stride = height * width // _SAMPLES | 1
    while math.gcd(stride, width) > 1:
        stride += 2
    return stride


def _times_power(factor: float, exponent: float) -> float:
    """factor · 2**exponent, kept within a float."""
    power: float = 2.0 ** min(exponent, 1000.0)
    return factor * power
