"""What stands out to an eye that knows nothing of driving (Itti, Koch, Niebur 1998, IEEE PAMI 20(11), 1254-1259).

    intensity ────────────────────────── 6 maps  |centre - surround| ── N ── + ─ N ─┐
    red-green, blue-yellow ──────────── 12 maps  |centre - surround| ── N ── + ─ N ─┼── mean ── saliency
    Gabor filters 0°, 45°, 90°, 135° ── 24 maps  |centre - surround| ── N ── + ─ N ─┘

Centres are the levels 2, 3, 4 of dyadic Gaussian pyramids, surrounds 3 and 4 levels coarser. N(·) favours maps with one
peak over those with many. The paper has frames of 640×480; a smaller one stands for the level of that size, up to level
2. Opponent colours are differences of one channel between levels, as in the authors' program; the paper's formula has
the sign of the surround turned, which would make a plain red frame salient.
"""

import math
from collections.abc import Iterable

import cv2
import numpy as np

from edge.tflite import Floats

ORIENTATIONS = (0.0, 45.0, 90.0, 135.0)

_WIDTH = 640
_CENTRES = (2, 3, 4)
_DEEPER = (3, 4)
_COMMON = 4
"""The level at which maps are added."""
_FAINT = 1e-3
"""A map whose highest value is below this, at brightnesses of 0 to 1, shows rounding and nothing else."""

Pyramid = list[Floats]


def itti(rgb: Floats) -> Floats:
    """The saliency of an image, float32 (H, W, C), 0..1: float32 (H, W), ≥ 0. Three channels are red, green, blue."""
    base = min(max(round(math.log2(_WIDTH / rgb.shape[1])), 0), 2)
    light = rgb.mean(-1)
    parts = [_conspicuity([light], base), _orientation(light, base)]
    if rgb.shape[2] == 3:
        parts.append(_conspicuity(_opponents(rgb, light), base))
    size = (rgb.shape[1], rgb.shape[0])
    saliency: Floats = cv2.resize(sum(map(normalize, parts)) / np.float32(3), size, interpolation=cv2.INTER_LINEAR)
    return saliency


def normalize(values: Floats) -> Floats:
    """N(·): scaled to a highest value of 1, then by (1 - mean of the other local maxima)². A new array."""
    top = float(values.max())
    if not top > _FAINT:
        return np.zeros_like(values)
    scaled: Floats = values / np.float32(top)
    peaks = scaled[(scaled == cv2.dilate(scaled, np.ones((3, 3), np.uint8))) & (scaled > 0)]
    others = (peaks.sum(dtype=np.float64) - 1) / (peaks.size - 1) if peaks.size > 1 else 0.0
    return scaled * np.float32((1 - others) ** 2)


def _opponents(rgb: Floats, light: Floats) -> list[Floats]:
    """Red against green and blue against yellow, of hues where the frame is not dark."""
    bright = light > 0.1 * light.max()
    hue = np.divide(rgb, light[..., None], out=np.zeros_like(rgb), where=bright[..., None])
    r, g, b = (np.ascontiguousarray(hue[..., i]) for i in range(3))
    red, green, blue = r - (g + b) / 2, g - (r + b) / 2, b - (r + g) / 2
    yellow = (r + g) / 2 - np.abs(r - g) / 2 - b
    red, green, blue, yellow = (np.maximum(colour, 0) for colour in (red, green, blue, yellow))
    return [red - green, blue - yellow]


def _orientation(light: Floats, base: int) -> Floats:
    """Each orientation is normalized on its own before they are added, as in the paper."""
    levels = _pyramid(light, base)
    found = []
    for degrees in ORIENTATIONS:
        even, odd = (_gabor(degrees, phase) for phase in (0.0, math.pi / 2))
        energy = [np.hypot(_filtered(level, even), _filtered(level, odd)) for level in levels]
        found.append(normalize(_added(_differences(energy, base), levels[_COMMON - base])))
    return _sum(found)


def _conspicuity(channels: Iterable[Floats], base: int) -> Floats:
    found = []
    for channel in channels:
        levels = _pyramid(channel, base)
        found.append(_added(_differences(levels, base), levels[_COMMON - base]))
    return _sum(found)


def _pyramid(values: Floats, base: int) -> Pyramid:
    """Levels `base` to 8; a level is never smaller than one cell."""
    levels = [values]
    while len(levels) <= _CENTRES[-1] + _DEEPER[-1] - base:
        levels.append(cv2.pyrDown(levels[-1], borderType=cv2.BORDER_REPLICATE))
    return levels


def _differences(levels: Pyramid, base: int) -> list[Floats]:
    """|centre - surround|, each at the size of its centre."""
    pairs = [(levels[c - base], levels[c + deeper - base]) for c in _CENTRES for deeper in _DEEPER]
    return [np.abs(centre - _fit(surround, centre)) for centre, surround in pairs]


def _added(maps: Iterable[Floats], like: Floats) -> Floats:
    """Σ N(map), at the size of `like`."""
    return _sum([_fit(normalize(values), like) for values in maps])


def _fit(values: Floats, like: Floats) -> Floats:
    shrinks = values.shape[0] > like.shape[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    fitted: Floats = cv2.resize(values, (like.shape[1], like.shape[0]), interpolation=way)
    return fitted


def _gabor(degrees: float, phase: float) -> Floats:
    """A filter of 9×9 without answer to plain light, for bars in this direction: 0 is horizontal."""
    kernel = cv2.getGaborKernel((9, 9), 2.33, math.radians(90 - degrees), 7.0, 1.0, phase, cv2.CV_32F)
    kernel -= kernel.mean()
    weighted: Floats = kernel / np.abs(kernel).sum()
    return weighted


def _filtered(values: Floats, kernel: Floats) -> Floats:
    answer: Floats = cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
    return answer


def _sum(maps: list[Floats]) -> Floats:
    total: Floats = np.sum(maps, axis=0, dtype=np.float32)
    return total
