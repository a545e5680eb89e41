"""Backward rule of maximum pooling: the gradient of a cell goes to the place its value came from."""

from itertools import product

import numpy as np

from edge.backward.link import Back, Link, Values, memory
from edge.geometry import Step
from edge.operators import window
from edge.tflite import Floats


def max_pooling(link: Link) -> Back:
    """MAX_POOL_2D: to the first place, row by row, that holds the cell's value.

    Tap by tap: all cells whose window shows its value there, and not at an earlier tap, give their gradient.
    """
    step = window(link.model, link.operator)
    if step is None or (link.source.shape[0], link.source.shape[3]) != (link.result.shape[0], link.result.shape[3]):
        raise link.damage()
    image, cells = link.read(link.source), link.read(link.result)
    taps = [(*_along(step, 0, y), *_along(step, 1, x)) for y, x in product(*map(range, step.kernel))]
    places = [((slice(None), it[0], it[2]), (slice(None), it[1], it[3])) for it in taps]
    free = np.empty(link.result.shape, np.bool_)
    here, share = np.empty(link.result.shape, np.bool_), memory(link.result.shape)
    total = memory(link.source.shape)
    apart = step.stride[0] >= step.kernel[0] and step.stride[1] >= step.kernel[1]

    def back(values: Values, gradient: Floats) -> Floats:
        seen, taken = values.stored(image), values.stored(cells)
        free.fill(1)
        if not apart:
            total.fill(0)
        for seen_at, cells_at in places:
            now = np.equal(seen[seen_at], taken[cells_at], out=here[cells_at])
            np.logical_and(now, free[cells_at], out=now)
            np.greater(free[cells_at], now, out=free[cells_at])
            if apart:
                np.multiply(gradient[cells_at], now, out=total[seen_at])
            else:
                total[seen_at] += np.multiply(gradient[cells_at], now, out=share[cells_at])
        return total

    return back


def _along(step: Step, axis: int, tap: int) -> tuple[slice, slice]:
    """Along one axis: the places a tap falls on inside the image, and the cells they belong to."""
    stride, shift = step.stride[axis], tap - step.pad[axis]
    first = max(-(shift // stride), 0)
    last = min((step.in_size[axis] - 1 - shift) // stride, step.out_size[axis] - 1)
    if last < first:
        return slice(0), slice(0)
    return slice(stride * first + shift, stride * last + shift + 1, stride), slice(first, last + 1)
