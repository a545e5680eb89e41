"""From raw masks to 8-bit ones that do not flicker: a running scale, and smoothing in space and time.

    raw mask ─▶ high percentile ─▶ running scale ─┐
             └──────────────────────────────────▶ 255 · (mask / scale) ** gamma ─▶ smooth ─▶ uint8

A mask's strongest pixel varies several-fold from one frame to the next while the scene stays the same; divided by it,
every frame would be scaled differently. The scale here follows a high percentile of the mask, upwards quickly and
downwards slowly, in frames rather than seconds: a recording comes out the same however fast it is worked through.

A signed mask is scaled by its size without the sign; ZERO stands for nothing then, and either side has 127 steps.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.mask import RawMask
from edge.tflite import Floats
from wire import Look, MaskStats

Bytes = NDArray[np.uint8]

PEAK = 0.99
"""The part of a mask's pixels that lies below its `magnitude`."""
RISE_FRAMES = 4.0
FALL_FRAMES = 20.0
"""Time constants with which the logarithm of the scale follows that of the magnitude."""
HEADROOM = 8.0
"""A magnitude more than this times the scale pulls the scale along at once."""

ZERO = 128
"""What stands for nothing in an 8-bit mask that is signed; 1 is the scale downwards, 255 upwards."""

_SMOOTH = frozenset({"coverage", "itti", "edges"})
"""Methods whose maps are shown as they are. The others' are rough: the chain of ones-kernels draws a checkerboard with
the period of the first stride, mostly 2; gradients by the pixels jump from one to the next."""

_GRAINY = frozenset({"gradient", "gradient-input", "integrated-gradients"})
"""The latter: smoothed over about the box within which deletion.py ranks pixels."""

_SAMPLES = 1350


class Scaler:
    """The running scale of one model's masks. Make a new one for another model or session."""

    def __init__(self) -> None:
        self._made: tuple[object, ...] = ()
        self._scale_log2: float | None = None
        self._root: Floats = np.empty((0, 0), np.float32)
        self._faded: Floats | None = None

    def __call__(self, mask: RawMask, look: Look) -> tuple[Bytes, MaskStats]:
        """The mask to show, uint8 (h, w) like the raw one, and the numbers behind it (they say how it reads).

        An all-zero mask comes out all zero (with `look.smoothing` what was shown before fades) and leaves the scale
        alone. Another method, target, layer or size starts afresh. The array is the caller's to keep.
        """
        made = (look.method, look.target, look.layer, mask.signed, mask.values.shape)
        if made != self._made:
            self._made, self._scale_log2, self._faded = made, None, None
            self._root = np.empty(mask.values.shape, np.float32)
        values = _softened(mask.values, look.method) if mask.signed else mask.values
        sizes = np.abs(values) if mask.signed else values
        magnitude = _magnitude(sizes)
        if magnitude > 0:
            self._follow(math.log2(magnitude) + mask.exponent)
        scale = 0.0 if self._scale_log2 is None else _times_power(1, self._scale_log2)
        stats = MaskStats(_times_power(magnitude, mask.exponent), scale, mask.signed, _shares(sizes))
        draw = self._two_sided if mask.signed else self._grey
        return self._fade(draw(values, mask.exponent, look), look.smoothing), stats

    def _follow(self, magnitude_log2: float) -> None:
        if self._scale_log2 is None:
            self._scale_log2 = magnitude_log2
        change = magnitude_log2 - self._scale_log2
        frames = RISE_FRAMES if change > 0 else FALL_FRAMES
        followed = self._scale_log2 + change * (1 - math.exp(-1 / frames))
        self._scale_log2 = max(followed, magnitude_log2 - math.log2(HEADROOM))

    def _grey(self, values: Floats, exponent: int, look: Look) -> Bytes:
        """Eight bits hold the square root, as most of a mask is below a thousandth of its peak; then comes gamma."""
        if self._scale_log2 is None:
            return np.zeros(values.shape, np.uint8)
        scale = self._take_root(values, exponent)
        grey: Bytes = cv2.convertScaleAbs(self._root, alpha=255 / math.sqrt(scale))
        if look.method not in _SMOOTH:
            grey = cv2.GaussianBlur(grey, _softness(look.method), 0)
        return grey if look.gamma == 0.5 else cv2.LUT(grey, _from_root(look.gamma))

    def _two_sided(self, values: Floats, exponent: int, look: Look) -> Bytes:
        """The same for either sign, around ZERO."""
        if self._scale_log2 is None:
            return np.full(values.shape, ZERO, np.uint8)
        scale = self._take_root(np.abs(values), exponent)
        np.copysign(self._root, values, out=self._root)
        both: Bytes = cv2.convertScaleAbs(self._root, alpha=(ZERO - 1) / math.sqrt(scale), beta=ZERO)
        return both if look.gamma == 0.5 else cv2.LUT(both, _from_signed_root(look.gamma))

    def _take_root(self, sizes: Floats, exponent: int) -> float:
        """Put the root of `sizes`, cut off at the scale, into `_root`; returns the scale in their unit."""
        scale = min(_times_power(1, (self._scale_log2 or 0.0) - exponent), 1e30)
        cv2.threshold(sizes, scale, 0, cv2.THRESH_TRUNC, self._root)
        cv2.sqrt(self._root, self._root)
        return scale

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


@lru_cache(maxsize=1)
def _from_signed_root(gamma: float) -> Bytes:
    """The same for a signed root around ZERO."""
    root = (np.arange(256) - ZERO) / (ZERO - 1)
    power = np.copysign(np.abs(root) ** (2 * gamma), root)
    return np.clip(np.round(ZERO + (ZERO - 1) * power), 0, 255).astype(np.uint8)


def _softened(values: Floats, method: str) -> Floats:
    """Smoothed before its size is taken: what jumps between the signs from pixel to pixel is nothing."""
    soft: Floats = values if method in _SMOOTH else cv2.GaussianBlur(values, _softness(method), 0)
    return soft


def _softness(method: str) -> tuple[int, int]:
    return (7, 7) if method in _GRAINY else (3, 3)


def _shares(sizes: Floats) -> list[float]:
    """What each ninth of the map holds of it (see wire.MaskStats)."""
    height, width = sizes.shape
    ninths = (_thirds(height) @ sizes @ _thirds(width).T).ravel().tolist()
    whole = math.fsum(ninths)
    return [max(0.0, ninth / whole) for ninth in ninths] if 0 < whole < math.inf else []


@lru_cache(maxsize=8)
def _thirds(cells: int) -> Floats:
    """How much of each cell lies in which third of a row of them: float32 (3, cells)."""
    cell, third = np.arange(cells), np.arange(3)[:, np.newaxis]
    end = np.minimum(3 * (cell + 1), cells * (third + 1))
    start = np.maximum(3 * cell, cells * third)
    inside: Floats = (np.maximum(end - start, 0) / 3).astype(np.float32)
    return inside


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
