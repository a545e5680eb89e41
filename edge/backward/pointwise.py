"""Backward rules of functions of one value, and of softmax.

    gradient of the input = gradient of the output · slope

The slope is had from the output or the input, whichever is precise and quick.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from edge.backward.link import Back, Link, Values, memory
from edge.tflite import Floats

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_FEW = 1024


def unchanged(link: Link) -> Back:
    """The same values, perhaps in another shape or type; or changed by an activation alone, which gate.py does."""
    link.only(0)
    shape = link.source.shape
    if math.prod(shape) != math.prod(link.result.shape):
        raise link.damage()
    return lambda _, gradient: gradient.reshape(shape)


def function(link: Link) -> Back:
    """An operator of SLOPES."""
    of_output, slope = SLOPES[link.operator.name]
    return _sloped(link, link.read(link.result if of_output else link.source), slope)


def sigmoid(link: Link) -> Back:
    """TANH and LOGISTIC. Where values are few, one near its end may be all there is: its slope is to be precise."""
    factor = 2 if link.operator.name == "TANH" else 1
    if math.prod(_shape(link)) <= _FEW:
        return _sloped(link, link.read(link.source), lambda x: factor**2 * _bell(factor * x))
    first = np.float32(1 - factor)
    return _sloped(link, link.read(link.result), lambda y: (y - first) * (_ONE - y))


def leaky_relu(link: Link) -> Back:
    alpha = np.float32(link.setting("LeakyReluOptions", 0, "<f"))
    return _sloped(link, link.read(link.source), lambda x: np.where(x > 0, _ONE, alpha))


def prelu(link: Link) -> Back:
    """PRELU: one slope for each channel, or for each value, where the input is negative."""
    alpha = link.constant(1)
    return _sloped(link, link.read(link.source), lambda x: np.where(x > 0, _ONE, alpha))


def gelu(link: Link) -> Back:
    """GELU: x·Φ(x), with Φ the normal distribution or its approximation by tanh."""
    approximate = link.setting("GeluOptions", 0, "<B")
    return _sloped(link, link.read(link.source), _gelu_by_tanh if approximate else _gelu)


def softmax(link: Link) -> Back:
    """y · (g - Σ g·y) · beta, along the last axis."""
    beta, index, shape = np.float32(link.setting("SoftmaxOptions", 0, "<f")), link.read(link.result), _shape(link)
    product = memory(shape)

    def back(values: Values, gradient: Floats) -> Floats:
        y = values(index)
        np.multiply(gradient, y, out=product)
        np.subtract(gradient, product.sum(-1, keepdims=True), out=product)
        np.multiply(product, beta, out=product)
        return np.multiply(product, y, out=product)

    return back


def log_softmax(link: Link) -> Back:
    """g - exp(y) · Σ g, along the last axis."""
    index, product = link.read(link.result), memory(_shape(link))

    def back(values: Values, gradient: Floats) -> Floats:
        np.exp(values(index), out=product)
        np.multiply(product, gradient.sum(-1, keepdims=True), out=product)
        return np.subtract(gradient, product, out=product)

    return back


def _sloped(link: Link, index: int, slope: Callable[[Floats], Floats]) -> Back:
    product = memory(_shape(link))
    return lambda values, gradient: np.multiply(gradient, slope(values(index)), out=product)


def _shape(link: Link) -> tuple[int, ...]:
    link.only(0)
    if link.source.shape != link.result.shape:
        raise link.damage()
    return link.source.shape


def _elu(y: Floats) -> Floats:
    slope: Floats = np.minimum(y, 0) + _ONE
    return slope


def _bell(x: Floats) -> Floats:
    """The slope of 1 / (1 + exp(-x)), precise however near its ends it is; y·(1 - y) would not be."""
    small = np.exp(-np.abs(x))
    whole = _ONE + small
    slope: Floats = small / (whole * whole)
    return slope


def _hard_swish(x: Floats) -> Floats:
    """Of x · min(max(x + 3, 0), 6) / 6"""
    slope: Floats = np.where(x >= 3, _ONE, np.where(x > -3, x / 3 + _HALF, np.float32(0)))
    return slope


def _gelu(x: Floats) -> Floats:
    """Φ(x) + x·φ(x)"""
    density = np.exp(-_HALF * x * x) / np.float32(math.sqrt(2 * math.pi))
    slope: Floats = _HALF * (_ONE + _erf(x / np.float32(math.sqrt(2)))) + x * density
    return slope


def _gelu_by_tanh(x: Floats) -> Floats:
    """Of x·(1 + tanh u) / 2 with u = sqrt(2/π)·(x + 0.044715·x³)"""
    factor, cubic = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
    tanh = np.tanh(factor * x * (_ONE + cubic * x * x))
    slope: Floats = _HALF * (_ONE + tanh) + _HALF * x * (_ONE - tanh * tanh) * factor * (_ONE + 3 * cubic * x * x)
    return slope


def _erf(x: Floats) -> Floats:
    return np.array([math.erf(value) for value in x.ravel().tolist()], np.float32).reshape(x.shape)


SLOPES: Mapping[str, tuple[bool, Callable[[Floats], Floats]]] = {
    "ELU": (True, _elu),
    "EXP": (True, lambda y: y),
    "SQRT": (True, lambda y: _HALF / y),
    "RSQRT": (True, lambda y: -_HALF * y * y * y),
    "HARD_SWISH": (False, _hard_swish),
    "SQUARE": (False, lambda x: 2 * x),
    "ABS": (False, np.sign),
    "NEG": (False, lambda x: np.full_like(x, -1)),
    "LOG": (False, lambda x: _ONE / x),
    "SIN": (False, np.cos),
    "COS": (False, lambda x: -np.sin(x)),
}
"""Operator → (True: from the output, else from the input; the slope)."""
