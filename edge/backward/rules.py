"""Which rule leads back over which operator. A rule makes a Back from a Link; no other operators can be gone over."""

from collections.abc import Callable, Mapping

from edge.backward import convolution, dense, movement, pointwise, pooling, reduction, resize
from edge.backward.arithmetic import ARITHMETIC
from edge.backward.gate import ACTIVATIONS
from edge.backward.link import Back, Link

Rule = Callable[[Link], Back]

RULES: Mapping[str, Rule] = {
    "CONV_2D": convolution.convolution,
    "DEPTHWISE_CONV_2D": convolution.depthwise,
    "TRANSPOSE_CONV": convolution.transposed,
    "AVERAGE_POOL_2D": convolution.average_pooling,
    "MAX_POOL_2D": pooling.max_pooling,
    "FULLY_CONNECTED": dense.fully_connected,
    "BATCH_MATMUL": dense.matrix_product,
    **dict.fromkeys(ACTIVATIONS, pointwise.unchanged),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), pointwise.unchanged),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE", "CAST"), pointwise.unchanged),
    **dict.fromkeys(pointwise.SLOPES, pointwise.function),
    "TANH": pointwise.sigmoid,
    "LOGISTIC": pointwise.sigmoid,
    "LEAKY_RELU": pointwise.leaky_relu,
    "PRELU": pointwise.prelu,
    "GELU": pointwise.gelu,
    "SOFTMAX": pointwise.softmax,
    "LOG_SOFTMAX": pointwise.log_softmax,
    **ARITHMETIC,
    "SUM": reduction.total,
    "MEAN": reduction.total,
    "REDUCE_MAX": reduction.extreme,
    "REDUCE_MIN": reduction.extreme,
    **dict.fromkeys(movement.OPTIONS, movement.moved),
    "STRIDED_SLICE": movement.strided_slice,
    "RESIZE_BILINEAR": resize.resized,
    "RESIZE_NEAREST_NEIGHBOR": resize.resized,
}

FLAT = frozenset({"FLOOR", "CEIL", "ROUND", "SIGN", "ZEROS_LIKE"})
"""Operators whose output does not move with their input: no gradient, and nothing to refuse."""
