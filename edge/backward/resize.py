"""Backward rule of resizing an image: linear along rows and along columns, so two matrix products.

The matrices are what the operator itself makes of an image one pixel wide (high) that is 1 in one place
and 0 elsewhere, in each channel another one.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.backward.convolution import build
from edge.backward.link import Back, Link, Values, memory
from edge.backward.machine import Layer
from edge.tflite import Floats

_OPTIONS = {
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", 2),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", 0),
}
"""Type of options, and the first field of (alignCorners, halfPixelCenters)."""


def resized(link: Link) -> Back:
    link.only(0)
    if len(link.source.shape) != 4 or len(link.result.shape) != 4 or link.integers(1) != link.result.shape[1:3]:
        raise link.damage()
    rows, columns = _matrix(link, 1), _matrix(link, 2)
    batch, height, width, channels = link.source.shape
    wide = link.result.shape[2]
    half, total = memory((batch, height, wide * channels)), memory((batch * height, width, channels))

    def back(_: Values, gradient: Floats) -> Floats:
        np.matmul(rows, gradient.reshape(batch, -1, wide * channels), out=half)
        return np.matmul(columns, half.reshape(-1, wide, channels), out=total).reshape(link.source.shape)

    return back


def _matrix(link: Link, axis: int) -> Floats:
    """float32 (size of the source, size of the result) along an axis; the image is one row or column of pixels."""
    before, after = link.source.shape[axis], link.result.shape[axis]
    kind, field = _OPTIONS[link.operator.name]
    options = getattr(schema, kind + "T")()
    options.alignCorners, options.halfPixelCenters = (bool(link.setting(kind, field + i, "<B")) for i in (0, 1))
    given, result = ((1, size, 1, before) if axis == 1 else (1, 1, size, before) for size in (before, after))
    layer = Layer(link.operator.name, [None, np.array(result[1:3], np.int32)], [result], options)
    machine = build(link, given, [layer], fast=False)
    machine.given()[...] = np.eye(before, dtype=np.float32).reshape(given)
    matrix: Floats = machine.run().reshape(after, before)
    return matrix.T.copy()
