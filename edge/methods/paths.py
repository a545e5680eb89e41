"""Maps from what happens on the way from a blurred frame to the frame itself.

    blur ──·─────────·─────────·─────────·── frame        gradients at places between them, averaged
           └─ activations here, subtracted ─┘ from those there

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365): the mean gradient times the change, pixel by pixel.
The same holds for the cells of every layer, and the evidence of the layers is put together in evidence.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from edge.geometry import Geometry
from edge.mask import RawMask
from edge.methods.case import Case, blurred, summed
from edge.methods.evidence import Evidence
from edge.tflite import Floats

ONE = (0.4,)
"""Where on the way the method for every frame takes its one gradient, 0 being the blur: pilots change most before the
middle, and saturate then."""
THREE = (1 / 6, 3 / 6, 5 / 6)
FOUR = (1 / 8, 3 / 8, 5 / 8, 7 / 8)
"""The middles of equal steps. Each place costs an invoke and a gradient."""


class Contributions(NamedTuple):
    """What each pixel and each cell adds to the target, in its unit."""

    pixels: Floats
    """float32 (H, W)."""
    cells: list[Floats]
    """float32 (h, w) for each tapped step."""


class Paths:
    """The path methods of one pilot."""

    def __init__(self, geometry: Geometry) -> None:
        self._evidence = Evidence(geometry)
        self._memory: list[tuple[Floats, Floats, Floats]] = []
        """For the image and each tap: how far it moved, the sum of its gradients, their product."""

    def integrated_gradients(self, case: Case) -> RawMask:
        """From the blurred frame; the pixels add up to the change of the target, but for how coarse the steps are."""
        return RawMask(self.contributions(case, FOUR).pixels, signed=True)

    def gradient_visualbackprop(self, case: Case) -> RawMask:
        """From one gradient, by which the winning side is told as well."""
        return self._evidence(*self.contributions(case, ONE))

    def integrated_visualbackprop(self, case: Case) -> RawMask:
        """From three gradients; which side wins is not estimated but tried."""
        found = self.contributions(case, THREE)
        blank, word = (
            case.pilot.value(case.target, case.pilot.run(image)) for image in (blurred(case.image), case.image)
        )
        return self._evidence(*found, went=word - blank)

    def contributions(self, case: Case, places: Sequence[float]) -> Contributions:
        """From the gradients at these places of the path, rising from 0 (blur) to 1 (frame).

        What the cells of a layer add is measured between the first place and the frame, and taken for the whole path.
        Runs the pilot once for each place; it must have run on the frame before.
        """
        blank = blurred(case.image)
        self._begin(cv2.subtract(case.image, blank).reshape(blank.shape), case.pilot.activations())
        totals: list[Floats] = []
        for number, place in enumerate(places):
            between = cv2.addWeighted(case.image, place, blank, 1 - place, 0)
            case.pilot.run(between.reshape(blank.shape))
            if number == 0:
                self._leave(case.pilot.activations())
            gradients = case.pilot.gradients(case.target)
            totals = self._added(totals, [gradients.image, *gradients.taps], more=len(places) > number + 1)
        changes = zip(self._memory, totals, strict=True)
        pixels, *cells = (summed(moved, total, spare) / np.float32(len(places)) for (moved, _, spare), total in changes)
        return Contributions(pixels, [cell / np.float32(1 - places[0]) for cell in cells])

    def _begin(self, change: Floats, taps: Sequence[Floats]) -> None:
        if not self._memory:
            self._memory = [(np.empty_like(it), np.empty_like(it), np.empty_like(it)) for it in (change, *taps)]
        for (moved, _, _), it in zip(self._memory, (change, *taps), strict=True):
            np.copyto(moved, it)

    def _leave(self, taps: Sequence[Floats]) -> None:
        for (moved, _, _), tap in zip(self._memory[1:], taps, strict=True):
            np.subtract(moved, tap, out=moved)

    def _added(self, totals: list[Floats], gradients: list[Floats], *, more: bool) -> list[Floats]:
        """The sums so far and these; gradients hold until the next are asked for, so they are kept if `more` come."""
        if totals:
            for total, gradient in zip(totals, gradients, strict=True):
                np.add(total, gradient, out=total)
            return totals
        if not more:
            return gradients
        for (_, total, _), gradient in zip(self._memory, gradients, strict=True):
            np.copyto(total, gradient)
        return [total for _, total, _ in self._memory]
