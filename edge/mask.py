"""VisualBackProp: which pixels the convolutions of a pilot agree on (Bojarski et al., arXiv 1611.05418).

    activations of the path      means over channels     upscaled and multiplied, deepest first
    conv1 (h1, w1, C1)  ───────▶  m1 (h1, w1)             mask (H, W)  = up1(m1 · u1)
    conv2 (h2, w2, C2)  ───────▶  m2 (h2, w2)               u1 (h1, w1) = up2(m2 · u2)
    conv3 (h3, w3, C3)  ───────▶  m3 (h3, w3)               u2 (h2, w2) = up3(m3)

`up` is the transposed convolution of the layer's own geometry with all weights 1: every cell is spread over the inputs
it saw. That is the same as writing the cells `stride` apart among zeros and summing over the kernel's taps, which is
separable: exact for any kernel, stride, dilation and padding, and linear in the number of pixels. A pooling layer is
upscaled too, but has no mean to multiply with.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Geometry, Step

Floats = NDArray[np.float32]
Form = Literal["exact", "coverage"]

_ONE: Floats = np.ones((), np.float32)
_SMALL = 3000
"""Inputs of fewer pixels are upscaled by matrix products: to set a filter up takes longer than to run it."""
_COMFORT = 2.0**60
"""A mask whose sum lies between the inverse of this and this has not left float32 on its way, or not where it shows."""


class RawMask(NamedTuple):
    """A mask before it is scaled for the eye: `values · 2**exponent`."""

    values: Floats
    """float32 (H, W) at the model's input size, finite. Belongs to the method that made it, until its next call."""
    exponent: int = 0
    """Not 0 only where the true mask would leave float32."""
    signed: bool = False
    """True where the sign tells which way a pixel pushes what is explained: steering to the left (negative) or right.
    Otherwise all values are ≥ 0."""


class VisualBackProp:
    """The masks of one model, each from the activations of one frame. All memory is taken here, once.

    Activations count as they are. Behind a ReLU none is negative; where channel means can be negative (ELU, tanh) their
    sign goes into the product, and what is negative at the end is 0 in the mask.
    """

    def __init__(self, geometry: Geometry) -> None:
        if not geometry or not geometry[-1].tapped:
            raise ValueError("the geometry must end with a tapped convolution")
        self._upscales = [(_Product if math.prod(step.in_size) < _SMALL else _Filter)(step) for step in geometry]
        self._means = [np.zeros(step.out_size, np.float32) for step in geometry if step.tapped]
        self._weights: list[Floats] = []
        self._coverage: RawMask | None = None

    def means(self, activations: Sequence[Floats]) -> list[Floats]:
        """The mean over channels of every tapped step's activations, in the order of the path.

        activations: float32 (h, w, C) each, contiguous; no view of them is kept. Returns float32 (h, w) each, valid
        until the next call.
        """
        if not self._weights:
            self._weights = [np.full(a.shape[-1], 1 / a.shape[-1], np.float32) for a in activations]
        with np.errstate(all="ignore"):
            for a, weights, mean in zip(activations, self._weights, self._means, strict=True):
                np.dot(a.reshape(-1, weights.size), weights, out=mean.reshape(-1))  # (h·w, C) · (C,) → (h·w,)
        return self._means

    def __call__(self, means: Sequence[Floats], form: Form = "exact") -> RawMask:
        """The mask of these channel means (see `means`): as published, or freed from how often each pixel counts.

        "coverage" is the exact mask divided by that of all-ones means, 0 where no cell looks. One mean that is not
        finite (or beyond 1e35) makes the whole mask 0.
        """
        if form == "exact":
            return self._exact(means)
        ones = self._coverage = self._coverage or self._ones()
        values, exponent, _ = self._exact(means)
        cv2.divide(values, ones.values, values)
        return RawMask(values, exponent - ones.exponent)

    def _exact(self, means: Sequence[Floats]) -> RawMask:
        mask, exponent = self._chain(means)
        if not 1 / _COMFORT < _total(mask) < _COMFORT:
            mask, exponent = self._chain(means, settle=True)
        cv2.threshold(mask, 0, 0, cv2.THRESH_TOZERO, mask)
        return RawMask(mask, exponent)

    def _chain(self, means: Sequence[Floats], *, settle: bool = False) -> tuple[Floats, int]:
        left, exponent = list(means), 0
        up = _ONE
        with np.errstate(all="ignore"):
            for upscale in reversed(self._upscales):
                np.multiply(left.pop() if upscale.tapped else _ONE, up, out=upscale.cells)  # (h, w)
                up = upscale()  # (H, W), the size of the step before
                exponent += _settle(up) if settle else 0
        return up, exponent

    def _ones(self) -> RawMask:
        """The exact mask of all-ones means, with 1 in place of 0, as it divides a 0 there."""
        values, exponent, _ = self._exact([np.ones_like(mean) for mean in self._means])
        return RawMask(np.where(values > 0, values, _ONE), exponent)


class _Product:
    """The transposed convolution of one step with a kernel of ones: what is in `cells` (h, w), spread over (H, W).

    As two matrix products, rows (H, h) · cells (h, w) · columns (w, W): quickest while a grid is small.
    """

    def __init__(self, step: Step) -> None:
        self.tapped = step.tapped
        self.cells: Floats = np.zeros(step.out_size, np.float32)
        self.up: Floats = np.empty(step.in_size, np.float32)
        self._rows, columns = (_taps_of(step, axis) for axis in (0, 1))
        self._columns = np.ascontiguousarray(columns.T)
        self._half: Floats = np.empty((step.in_size[0], step.out_size[1]), np.float32)

    def __call__(self) -> Floats:
        np.dot(self._rows, self.cells, out=self._half)
        return np.dot(self._half, self._columns, out=self.up)


def _taps_of(step: Step, axis: int) -> Floats:
    """1 where an input place (rows) is seen by a cell (columns): float32 (in, out), counted where seen twice."""
    seen: Floats = np.zeros((step.in_size[axis], step.out_size[axis]), np.float32)
    for cell in range(step.out_size[axis]):
        first = step.stride[axis] * cell - step.pad[axis]
        for place in range(first, first + step.dilation[axis] * step.kernel[axis], step.dilation[axis]):
            if 0 <= place < step.in_size[axis]:
                seen[place, cell] += 1
    return seen


class _Filter:
    """The same by writing the cells `stride` apart among zeros and filtering: linear in the number of pixels."""

    def __init__(self, step: Step) -> None:
        rows, columns = (_Axis(step, axis) for axis in (0, 1))
        stuffed = np.zeros((rows.length, columns.length), np.float32)
        summed = np.empty_like(stuffed)
        self.tapped = step.tapped
        self.cells = stuffed[rows.cells, columns.cells]
        """Write here; the zeros between stay."""
        self.up = summed[rows.seen, columns.seen]
        self._filter = (stuffed, -1, columns.taps, rows.taps, summed, (-1, -1), 0, cv2.BORDER_CONSTANT)

    def __call__(self) -> Floats:
        cv2.sepFilter2D(*self._filter)
        return self.up


class _Axis:
    """Where the cells, the zeros between them and the sums lie along one axis.

    The sum at r covers `reach` places from r - centre on (0 outside), and has to collect every cell i for which
    stride·i - pad + dilation·t = r. So cell i is written at stride·i + shift; a negative shift moves the sums instead.
    """

    def __init__(self, step: Step, axis: int) -> None:
        stride, dilation, count = step.stride[axis], step.dilation[axis], step.out_size[axis]
        reach = dilation * (step.kernel[axis] - 1) + 1
        centre = reach // 2
        shift = reach - 1 - centre - step.pad[axis]
        first, crop = max(shift, 0), max(-shift, 0)
        last = first + stride * (count - 1)
        self.cells = slice(first, last + 1, stride)
        self.seen = slice(crop, crop + step.in_size[axis])
        self.length = max(last + 1, self.seen.stop)
        self.taps: Floats = np.zeros(reach, np.float32)
        self.taps[::dilation] = 1


def _total(up: Floats) -> float:
    """The sum of |up|, in float64: it cannot overflow and does not lose a NaN."""
    return float(cv2.norm(up, cv2.NORM_L1))


def _settle(up: Floats) -> int:
    """Divide `up` by the power of two that brings its sum near 1, and return its exponent. Not finite becomes 0."""
    fraction, exponent = math.frexp(_total(up))
    if not math.isfinite(fraction):
        up[...] = 0
        return 0
    np.ldexp(up, -exponent, out=up)
    return exponent
