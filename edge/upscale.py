"""The transposed convolution of one step with a kernel of ones: every cell is spread over the inputs that it saw.

    cells (h, w):  a b      ──▶      up (H, W):  a  a+b  b        (kernel 2, stride 1, along one axis)

Separable, so exact for any kernel, stride, dilation and padding in time linear in the number of pixels.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Step

Floats = NDArray[np.float32]

_SHORT = 256
_SMALL = 3000
"""Grids of fewer cells are spread by matrix products: to set a filter up takes longer than to run it."""


class Upscale:
    """What is in `cells` (h, w), spread over `up` (H, W). All memory is taken when it is made."""

    exponent = 0
    """What is in `up` stands for up · 2**exponent, while settled."""

    def __init__(self, step: Step, cells: Floats, up: Floats) -> None:
        self.tapped = step.tapped
        self.cells = cells
        self.up = up

    def __call__(self) -> None:
        """Spread. For a window of one cell that moves by one there is nothing to do: `up` is `cells`."""


def upscale(step: Step) -> Upscale:
    """The quickest way to do it for a step."""
    plain = (step.kernel, step.stride, step.pad, step.out_size) == ((1, 1), (1, 1), (0, 0), step.in_size)
    if plain and not step.resized:
        cells = np.zeros(step.out_size, np.float32)
        return Upscale(step, cells, cells)
    small = (
        max(math.prod(step.in_size), math.prod(step.out_size)) < _SMALL and max(*step.in_size, *step.out_size) < _SHORT
    )
    return _Product(step) if small or step.resized else _Filter(step)


class _Product(Upscale):
    """As two matrix products, rows (H, h) · cells (h, w) · columns (w, W): quickest while a grid is small."""

    def __init__(self, step: Step) -> None:
        super().__init__(step, np.zeros(step.out_size, np.float32), np.empty(step.in_size, np.float32))
        self._rows, columns = (_seen(step, axis) for axis in (0, 1))
        self._columns = np.ascontiguousarray(columns.T)
        self._half: Floats = np.empty((step.in_size[0], step.out_size[1]), np.float32)

    def __call__(self) -> None:
        np.dot(self._rows, self.cells, out=self._half)
        np.dot(self._half, self._columns, out=self.up)


def _seen(step: Step, axis: int) -> Floats:
    """1 where an input place (rows) is seen by a cell (columns): float32 (in, out), counted where seen twice."""
    inputs, cells = step.in_size[axis], step.out_size[axis]
    seen: Floats = np.zeros((inputs, cells), np.float32)
    for cell in range(cells):
        first = step.stride[axis] * cell - step.pad[axis]
        places = range(first, first + step.dilation[axis] * step.kernel[axis], step.dilation[axis])
        if step.resized:
            places = range(cell * inputs // cells, -(-(cell + 1) * inputs // cells))
        for place in places:
            if 0 <= place < inputs:
                seen[place, cell] += 1
    return seen


class _Filter(Upscale):
    """By writing the cells `stride` apart among zeros and filtering: linear in the number of pixels."""

    def __init__(self, step: Step) -> None:
        rows, columns = (_Axis(step, axis) for axis in (0, 1))
        stuffed = np.zeros((rows.length, columns.length), np.float32)
        summed = np.empty_like(stuffed)
        super().__init__(step, stuffed[rows.cells, columns.cells], summed[rows.seen, columns.seen])
        self._filter = (stuffed, -1, columns.taps, rows.taps, summed, (-1, -1), 0, cv2.BORDER_CONSTANT)

    def __call__(self) -> None:
        cv2.sepFilter2D(*self._filter)


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
