"""What an activation function lets through on the way back: a matter of the operator's own output.

A fused activation, and one that is an operator of its own (RELU), are the same thing: where the output stands at a
limit it does not move with the input, so no gradient passes.

    y = min(max(x, low), high)        dy/dx = 1 where low < y < high, else 0

Integers end somewhere too. Where an end is 0, or 0 and 6, converters leave the activation to it, and it counts as one.
Any other end is where calibration happened to see the most: an output there, such as the hardest left turn, is not
explained by nothing, so gradients pass.
"""

import math
from collections.abc import Mapping

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType

from edge.backward.link import Back, Link, Values, memory
from edge.tflite import Floats

_FUSED = {
    "CONV_2D": ("Conv2DOptions", 3),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 4),
    "TRANSPOSE_CONV": ("TransposeConvOptions", 3),
    "MAX_POOL_2D": ("Pool2DOptions", 5),
    "AVERAGE_POOL_2D": ("Pool2DOptions", 5),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 0),
    "ADD": ("AddOptions", 0),
    "SUB": ("SubOptions", 0),
    "MUL": ("MulOptions", 0),
    "DIV": ("DivOptions", 0),
}
"""Where the options say which activation is fused in. CONCATENATION has such a field too, which TFLite ignores."""

ACTIVATIONS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"})
"""Operators that are an activation and nothing else: all of their gradient is here."""

_LIMITS: Mapping[str, tuple[float, float]] = {
    "NONE": (-math.inf, math.inf),
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
"""TFLite's kernels apply no other fused activation; they ignore a fused TANH, and so do we."""

_COMPUTING = frozenset({*_FUSED, "BATCH_MATMUL", "LEAKY_RELU", "PRELU", "MEAN", "SUM", *ACTIVATIONS})
"""Operators whose results may be clipped to integers; others move what has been clipped already."""

_INTEGERS = frozenset({"INT8", "UINT8", "INT16"})

_NAMES: dict[int, str] = {
    number: name for name, number in vars(ActivationFunctionType).items() if isinstance(number, int)
}


def gate(link: Link) -> Back | None:
    """The gradient of the operator's output before its activation function; None if it is the same."""
    low, high = _LIMITS.get(_activation(link), _LIMITS["NONE"])
    if link.result.quantization and link.result.type in _INTEGERS:
        low, high = _stored_limits(link, low, high)
    return None if (low, high) == _LIMITS["NONE"] else _limited(link, low, high)


def _activation(link: Link) -> str:
    if link.operator.name in ACTIVATIONS:
        return link.operator.name
    options, number = _FUSED.get(link.operator.name, ("NONE", 0))
    chosen = link.setting(options, number, "<b") if options != "NONE" else 0
    return _NAMES.get(chosen, f"number {chosen}")


def _stored_limits(link: Link, low: float, high: float) -> tuple[float, float]:
    """The limits as stored integers; with the ends of their range, where these stand for an activation."""
    how = link.result.quantization
    assert how is not None
    ends = np.iinfo(link.result.type.lower())
    scale, zero = float(how.scales[0]), int(how.zeros[0])
    first, last = (limit if math.isinf(limit) else round(limit / scale) + zero for limit in (low, high))
    if zero == ends.min and link.operator.name in _COMPUTING:
        first = max(first, ends.min)
        last = min(last, ends.max if abs((ends.max - zero) * scale - 6) < scale else math.inf)
    return first, last


def _limited(link: Link, low: float, high: float) -> Back:
    index = link.read(link.result)
    inside, below = (np.empty(link.result.shape, np.bool_) for _ in range(2))
    passed = memory(link.result.shape)

    def back(values: Values, gradient: Floats) -> Floats:
        stored = values.stored(index)
        np.greater(stored, low, out=inside)
        if high < math.inf:
            np.less(stored, high, out=below)
            np.logical_and(inside, below, out=inside)
        return np.multiply(gradient, inside, out=passed)

    return back
