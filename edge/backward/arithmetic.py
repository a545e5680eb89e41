"""Backward rules of arithmetic between two tensors, each a constant or not, the smaller one broadcast.

What was spread over an axis is summed over it on the way back.
"""

from collections.abc import Callable, Mapping

import numpy as np

from edge.backward.link import Back, Link, Values, memory
from edge.tflite import Floats

Operand = Callable[[Values], Floats]


def summed(gradient: Floats, shape: tuple[int, ...]) -> Floats:
    """The gradient of what was broadcast from `shape`: the sum over all places a value went to."""
    if gradient.shape == shape:
        return gradient
    lead = gradient.ndim - len(shape)
    spread = tuple(axis for axis, size in enumerate(gradient.shape) if axis < lead or shape[axis - lead] < size)
    total: Floats = gradient.sum(axis=spread).reshape(shape)
    return total


def added(link: Link) -> Back:
    """ADD, ADD_N, and the first of SUB."""
    shape = _fitting(link).source.shape
    return lambda _, gradient: summed(gradient, shape)


def subtracted(link: Link) -> Back:
    if link.position == 0:
        return added(link)
    return _scaled(link, lambda _: np.float32(-1))


def multiplied(link: Link) -> Back:
    return _scaled(link, link.operand(1 - link.position))


def divided(link: Link) -> Back:
    """x / d: 1 / d, and -x / d²"""
    divisor = link.operand(1)
    if link.position == 0:
        return _scaled(link, lambda values: np.reciprocal(divisor(values)))
    dividend = link.operand(0)
    return _scaled(link, lambda values: np.negative(dividend(values) / np.square(divisor(values))))


def squared_difference(link: Link) -> Back:
    own, other = link.operand(link.position), link.operand(1 - link.position)
    return _scaled(link, lambda values: 2 * (own(values) - other(values)))


def power(link: Link) -> Back:
    """x ** n with a constant n: n · x ** (n - 1)"""
    link.only(0)
    base, exponent = link.operand(0), link.constant(1)
    return _scaled(link, lambda values: exponent * base(values) ** (exponent - 1))


def extreme(link: Link) -> Back:
    """MAXIMUM and MINIMUM: to the one that was taken; the first of equal ones."""
    first, second = link.operand(0), link.operand(1)
    taken = np.greater_equal if link.operator.name == "MAXIMUM" else np.less_equal
    mine = bool(link.position == 0)
    return _scaled(link, lambda values: taken(first(values), second(values)) == mine)


def selected(link: Link) -> Back:
    """SELECT, SELECT_V2: (condition, where true, where false)."""
    link.only(1, 2)
    condition, mine = link.read(link.input(0)), link.position == 1
    return _scaled(link, lambda values: values.stored(condition) == mine)


def _scaled(link: Link, factor: Callable[[Values], Floats | np.float32 | np.bool_]) -> Back:
    """gradient · factor, then back to the shape it was broadcast from."""
    shape = _fitting(link).source.shape
    product = memory(link.result.shape)

    def back(values: Values, gradient: Floats) -> Floats:
        return summed(np.multiply(gradient, factor(values), out=product), shape)

    return back


def _fitting(link: Link) -> Link:
    """The same link; raises BackwardError if its inputs do not broadcast to its output."""
    try:
        shape = np.broadcast_shapes(*(tensor.shape for tensor in link.model.operands(link.operator)))
    except ValueError as why:
        raise link.damage() from why
    if shape != link.result.shape:
        raise link.damage()
    return link


ARITHMETIC: Mapping[str, Callable[[Link], Back]] = {
    "ADD": added,
    "ADD_N": added,
    "SUB": subtracted,
    "MUL": multiplied,
    "DIV": divided,
    "SQUARED_DIFFERENCE": squared_difference,
    "POW": power,
    "MAXIMUM": extreme,
    "MINIMUM": extreme,
    "SELECT": selected,
    "SELECT_V2": selected,
}
