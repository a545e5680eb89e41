"""Backward rules of matrix products: the gradient times the other matrix, turned around."""

from math import prod

import numpy as np

from edge.backward.arithmetic import summed
from edge.backward.link import Back, Link, Values, memory
from edge.tflite import Floats


def fully_connected(link: Link) -> Back:
    """FULLY_CONNECTED: rows of the input (n, size) · weights (units, size)ᵀ; dimensions kept or flattened."""
    link.only(0)
    weights = link.constant(1)
    if weights.ndim != 2 or link.setting("FullyConnectedOptions", 1, "<b"):
        raise link.refusal("keeps its weights in an order that is not supported")
    units, size = weights.shape
    rows = prod(link.source.shape) // size
    if rows * size != prod(link.source.shape) or rows * units != prod(link.result.shape):
        raise link.damage()
    back_rows = memory((rows, size))

    def back(_: Values, gradient: Floats) -> Floats:
        return np.dot(gradient.reshape(rows, units), weights, out=back_rows).reshape(link.source.shape)

    return back


def matrix_product(link: Link) -> Back:
    """BATCH_MATMUL: A · B, each perhaps turned around before; constants or not. dA = dC · Bᵀ, dB = Aᵀ · dC."""
    link.only(0, 1)
    turned = [bool(link.setting("BatchMatMulOptions", number, "<B")) for number in (0, 1)]
    other = link.operand(1 - link.position)
    position = link.position
    shape = link.source.shape

    def back(values: Values, gradient: Floats) -> Floats:
        known = other(values)
        known = known if turned[1 - position] else known.swapaxes(-1, -2)
        product = gradient @ known if position == 0 else known @ gradient
        return summed(product.swapaxes(-1, -2) if turned[position] else product, shape)

    return back
