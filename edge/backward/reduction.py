"""Backward rules of operators that reduce axes: each value gets its share of what became of it."""

from math import prod

import numpy as np

from edge.backward.link import Back, Link, Values, memory
from edge.tflite import Floats


def total(link: Link) -> Back:
    """SUM and MEAN: the same for all of them."""
    kept = _kept(link)
    count = prod(link.source.shape) // prod(kept)
    share = np.float32(1 / count if link.operator.name == "MEAN" else 1)
    shares = memory(link.source.shape)
    return lambda _, gradient: np.multiply(gradient.reshape(kept), share, out=shares)


def extreme(link: Link) -> Back:
    """REDUCE_MAX and REDUCE_MIN: to those that were taken, in equal shares."""
    kept = _kept(link)
    source, result = link.read(link.source), link.read(link.result)
    axes = tuple(axis for axis, size in enumerate(kept) if size == 1)
    shares = memory(link.source.shape)

    def back(values: Values, gradient: Floats) -> Floats:
        taken = values(source) == values(result).reshape(kept)
        np.divide(taken, taken.sum(axes, np.float32, keepdims=True), out=shares)
        return np.multiply(shares, gradient.reshape(kept), out=shares)

    return back


def _kept(link: Link) -> tuple[int, ...]:
    """The input's shape with 1 for each axis that is reduced: the output's, but for those."""
    link.only(0)
    shape = link.source.shape
    axes = {axis % len(shape) for axis in link.integers(1)} if shape else set()
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    if prod(kept) != prod(link.result.shape) or not prod(shape):
        raise link.damage()
    return kept
