"""Evidence of pixels and of all layers for where the target goes, put together by VisualBackProp's chain.

    pixels (H, W) ── smoothed ── winning side ─────────────────────────────────┐
    cells of conv1 (h1, w1) ──── winning side ──▶ chain of products, upscaled ─┴─▶ mean of both, signed
    …                                            as in mask.py
    cells of convN (hN, wN) ──── winning side ──▶

A part of the picture that pushes right and one that pushes left take each other's effect away; hiding both may change
nothing. So only the side that wins is shown: what pushes the target up if it went up from the blurred frame to this
one, else what pushes it down. The two halves weigh the same: pixels are sharp but grainy, the chain is coarse but sure.
"""

import cv2
import numpy as np

from edge.deletion import averaged
from edge.geometry import Geometry
from edge.mask import RawMask, VisualBackProp
from edge.tflite import Floats

_BOX = 7 / 160
"""Side of the box that pixels are smoothed over, signs and all, in widths."""


class Evidence:
    """Puts together what the pixels and cells of one model contribute to a target."""

    def __init__(self, geometry: Geometry) -> None:
        self._chain = VisualBackProp(geometry)
        looked_at = {place for step in geometry for place in step.inputs}
        tapped = [place for place, step in enumerate(geometry) if step.tapped]
        self._ends = [tap for tap, place in enumerate(tapped) if place not in looked_at]

    def __call__(self, pixels: Floats, cells: list[Floats], went: float = 0) -> RawMask:
        """pixels: float32 (H, W), cells: float32 (h, w) for each tapped step; what each adds to the target.

        went: how the target changed on the way; if it is not known or 0, the side wins that adds more at the end of the
        convolutions. The values of the map sum to what the pixels of the winning side add, in the unit of the target.
        """
        with np.errstate(all="ignore"):
            side = np.float32(np.sign(went or sum(cells[end].sum(dtype=np.float64) for end in self._ends)))
            near = np.maximum(side * averaged(pixels, _BOX), 0)
            far = self._chain([np.maximum(side * cell, 0) for cell in cells]).values
            worth = cv2.sumElems(near)[0] * float(side) / 2
            values = cv2.addWeighted(near, worth / _sum(near), far, worth / _sum(far), 0)
            return RawMask(values, signed=True)


def _sum(values: Floats) -> float:
    """1 where it is 0: nothing has no shares."""
    return float(cv2.sumElems(values)[0]) or 1.0
