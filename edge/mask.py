"""VisualBackProp: which pixels the convolutions of a pilot agree on (Bojarski et al., arXiv 1611.05418).

    activations of the path      means over channels     upscaled and multiplied, deepest first
    conv1 (h1, w1, C1)  ───────▶  m1 (h1, w1)             mask (H, W)  = up1(m1 · u1)
    conv2 (h2, w2, C2)  ───────▶  m2 (h2, w2)               u1 (h1, w1) = up2(m2 · u2)
    conv3 (h3, w3, C3)  ───────▶  m3 (h3, w3)               u2 (h2, w2) = up3(m3)

`up` is the transposed convolution of the layer's own geometry with all weights 1: every cell is spread over the inputs
it saw (upscale.py). A pooling layer is upscaled too, but has no mean to multiply with.

Where ways part and meet (residual blocks, branches) the paper is silent. Here, from the ends, which begin with 1:

    conv1 ─┬─▶ conv2 ─▶ join ─▶ conv3             mask (H, W) = up1(m1 · (u2 + j))  what comes back is added
           └──────────▶                             u2 = up2(m2 · j)
                                                    j  = up3(m3)                    a join passes its mask to all inputs

So the mask is the sum, over all ways through the network, of the mask that each would have as a plain chain. A cell
hands on only to places that it saw directly: what is cut off gets nothing, and a frame of zeros, of a constant or of
mirrored pixels is no part of the image.

What stands for the channels of a cell is never negative, or two layers that deny would make one that agrees:

    the activation function           channels count as            Step.reads
    never gives less than 0 (ReLU)    their mean                   mean
    gives little below 0 (ELU, Swish, leaky ReLU)
                                      the mean of max(a, 0)        positive
    gives both signs alike, or there is none (tanh, linear)
                                      the mean of |a|              magnitude
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from edge.geometry import Geometry, Step
from edge.upscale import Floats, Upscale, upscale

Form = Literal["exact", "coverage"]

_ONE: Floats = np.ones((), np.float32)
_COMFORT = 2.0**60
"""A mask whose sum lies between the inverse of this and this has not left float32 on its way, or not where it shows."""
_NOWHERE = -(2**40)
"""The exponent of a grid of zeros: lower than that of any other."""


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
    """The masks of one model, each from the activations of one frame. All memory is taken here, once."""

    def __init__(self, geometry: Geometry) -> None:
        _check(geometry)
        upscales = [upscale(step) for step in geometry]
        looking: dict[int, list[Upscale]] = {place: [] for place in range(-1, len(geometry))}
        for step, up in zip(geometry, upscales, strict=True):
            for place in step.inputs:
                looking[place].append(up)
        self._image = _Meeting(looking[-1], next(step.in_size for step in geometry if -1 in step.inputs))
        meetings = [_Meeting(looking[place], step.out_size) for place, step in enumerate(geometry)]
        self._way = list(zip(upscales, meetings, strict=True))[::-1]
        self._means = [_Mean(step) for step in geometry if step.tapped]
        self._coverage: RawMask | None = None

    def means(self, activations: Sequence[Floats]) -> list[Floats]:
        """What stands for the channels of every tapped step's activations, none negative, in the order of the geometry.

        activations: float32 (h, w, C) each, contiguous; no view of them is kept. Returns float32 (h, w) each, valid
        until the next call.
        """
        with np.errstate(all="ignore"):
            for mean, layer in zip(self._means, activations, strict=True):
                mean(layer)
        return [mean.values for mean in self._means]

    def __call__(self, means: Sequence[Floats], form: Form = "exact") -> RawMask:
        """The mask of these channel means (see `means`; any other maps without negative values do as well).

        "exact" is as published; "coverage" is that divided by the mask of all-ones means, 0 where no cell looks: freed
        from how often each pixel counts. One mean that is not finite (or beyond 1e35) makes the whole mask 0.
        """
        if form == "exact":
            return self._exact(means)
        ones = self._coverage = self._coverage or self._ones()
        values, exponent, _ = self._exact(means)
        cv2.divide(values, ones.values, values)
        return RawMask(values, exponent - ones.exponent)

    def _exact(self, means: Sequence[Floats]) -> RawMask:
        left = list(means)
        with np.errstate(all="ignore"):
            for up, back in self._way:
                np.multiply(left.pop() if up.tapped else _ONE, back.sum(), out=up.cells)  # (h, w)
                up()  # (H, W), the size of what it looks at
            mask = self._image.sum()
        return RawMask(mask) if 1 / _COMFORT < _total(mask) < _COMFORT else self._settled(means)

    def _settled(self, means: Sequence[Floats]) -> RawMask:
        """The same, each grid divided by a power of two that keeps it within float32."""
        left = list(means)
        with np.errstate(all="ignore"):
            for up, back in self._way:
                arrived, exponent = back.settled()
                np.multiply(left.pop() if up.tapped else _ONE, arrived, out=up.cells)
                up()
                up.exponent = exponent + _settle(up.up)
            mask, exponent = self._image.settled()
        if not 0 < _total(mask) < math.inf:
            mask[...] = exponent = 0
        return RawMask(mask, exponent)

    def _ones(self) -> RawMask:
        """The exact mask of all-ones means, with 1 in place of 0, as it divides a 0 there."""
        values, exponent, _ = self._exact([np.ones_like(mean.values) for mean in self._means])
        return RawMask(np.where(values > 0, values, _ONE), exponent)


def _check(geometry: Geometry) -> None:
    """Raises ValueError where steps do not fit together."""
    used = {place for step in geometry for place in step.inputs}
    if not geometry or not all(step.tapped for place, step in enumerate(geometry) if place not in used):
        raise ValueError("every end of the geometry must be a tapped convolution")
    image = {step.in_size for step in geometry if -1 in step.inputs}
    for place, step in enumerate(geometry):
        before = {geometry[i].out_size for i in step.inputs if 0 <= i < place} | (image if -1 in step.inputs else set())
        if before != {step.in_size} or not all(-1 <= i < place for i in step.inputs):
            raise ValueError(f"step {place} of the geometry does not fit what it looks at")


class _Mean:
    """What stands for the channels of one layer, cell by cell: float32 (h, w)."""

    def __init__(self, step: Step) -> None:
        self.values: Floats = np.zeros(step.out_size, np.float32)
        self._reads = step.reads
        self._weights: Floats = np.empty(0, np.float32)
        self._counted: Floats = np.empty(0, np.float32)

    def __call__(self, activations: Floats) -> None:
        cells = activations.reshape(self.values.size, -1)  # (h·w, C)
        if not self._weights.size:
            self._weights = np.full(cells.shape[1], 1 / cells.shape[1], np.float32)
            self._counted = np.empty(0 if self._reads == "mean" else cells.shape, np.float32)
        if self._reads == "positive":
            cv2.threshold(cells, 0, 0, cv2.THRESH_TOZERO, self._counted)  # np.maximum takes five times as long
        elif self._reads == "magnitude":
            np.abs(cells, out=self._counted)
        np.dot(self._counted if self._counted.size else cells, self._weights, out=self.values.reshape(-1))


class _Meeting:
    """What comes back to a grid from the steps that look at it, added; 1 where none does."""

    def __init__(self, users: Sequence[Upscale], size: tuple[int, int]) -> None:
        self._users = users
        self._ups = [user.up for user in users] or [_ONE]
        self._sum: Floats = np.empty(size if len(users) > 1 else 0, np.float32)

    def sum(self) -> Floats:
        return self._ups[0] if len(self._ups) == 1 else self._add(self._ups)

    def settled(self) -> tuple[Floats, int]:
        """The sum of what stands for up · 2**exponent each, and its exponent."""
        exponent = max((user.exponent for user in self._users), default=0)
        if len(self._ups) == 1:
            return self._ups[0], exponent
        return self._add([np.ldexp(user.up, max(user.exponent - exponent, -999)) for user in self._users]), exponent

    def _add(self, ups: Sequence[Floats]) -> Floats:
        np.add(ups[0], ups[1], out=self._sum)
        for up in ups[2:]:
            np.add(self._sum, up, out=self._sum)
        return self._sum


def _total(up: Floats) -> float:
    """The sum of |up|, in float64: it cannot overflow and does not lose a NaN."""
    return float(cv2.norm(up, cv2.NORM_L1))


def _settle(up: Floats) -> int:
    """Divide `up`, if finite, by the power of two that brings its sum near 1, and return that power's exponent."""
    fraction, exponent = math.frexp(_total(up))
    if not math.isfinite(fraction):
        return 0
    np.ldexp(up, -exponent, out=up)
    return exponent if fraction else _NOWHERE
