"""One backward rule for all operators that only move values: crops, pads, joins, splits, turns, repeats.

Where values go is not read from the operator's settings: the operator itself is run once, on the numbers of places.

    source   1 2 3     ── PAD ──▶     0 0 0 0 0      cell (1, 1) of the result is place 1 of the source, and so on;
             4 5 6                    0 1 2 3 0      0 is from elsewhere
                                      0 4 5 6 0

The gradient of a place is the sum of the gradients of all cells it went to.
"""

from collections.abc import Mapping, Sequence
from math import prod
from types import EllipsisType
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge.backward.convolution import build
from edge.backward.link import Back, Link, Values, memory
from edge.backward.machine import Layer
from edge.tflite import Floats, Tensor

OPTIONS: Mapping[str, tuple[str, Mapping[str, tuple[int, str]]]] = {
    "TRANSPOSE": ("", {}),
    "PAD": ("", {}),
    "PADV2": ("", {}),
    "MIRROR_PAD": ("MirrorPadOptions", {"mode": (0, "<b")}),
    "SLICE": ("", {}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": (0, "<i")}),
    "SPLIT": ("SplitOptions", {"numSplits": (0, "<i")}),
    "SPLIT_V": ("SplitVOptions", {"numSplits": (0, "<i")}),
    "PACK": ("PackOptions", {"valuesCount": (0, "<i"), "axis": (1, "<i")}),
    "UNPACK": ("UnpackOptions", {"num": (0, "<i"), "axis": (1, "<i")}),
    "GATHER": ("GatherOptions", {"axis": (0, "<i"), "batchDims": (1, "<i")}),
    "TILE": ("", {}),
    "BROADCAST_TO": ("", {}),
    "REVERSE_V2": ("", {}),
    "SPACE_TO_BATCH_ND": ("", {}),
    "BATCH_TO_SPACE_ND": ("", {}),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", {"blockSize": (0, "<i")}),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", {"blockSize": (0, "<i")}),
}
"""What has to be passed on for an operator to move values the same way: type of options, and fields by the schema."""

_MOST = 2**24
"""Further than this float32 does not count place by place."""


def moved(link: Link) -> Back:
    """Any operator of OPTIONS."""
    return _back(link, _places(link))


def strided_slice(link: Link) -> Back:
    """STRIDED_SLICE. TFLite does not check its settings and may crash, so NumPy is asked."""
    link.only(0)
    numbers = np.arange(1, prod(link.source.shape) + 1).reshape(link.source.shape)
    try:
        places = numbers[_selection(link)]
    except (IndexError, ValueError) as why:
        raise link.damage() from why
    if places.shape != link.result.shape:
        raise link.damage()
    return _back(link, places)


def _selection(link: Link) -> tuple[slice | int | EllipsisType | None, ...]:
    """What NumPy calls the selected part."""
    masks = [link.setting("StridedSliceOptions", number) for number in range(5)]
    relative = link.setting("StridedSliceOptions", 5, "<B")
    chosen: list[slice | int | EllipsisType | None] = []
    for i, (begin, end, step) in enumerate(zip(*map(link.integers, (1, 2, 3)), strict=True)):
        from_start, to_end, ellipsis, new_axis, shrink = (mask >> i & 1 for mask in masks)
        if ellipsis or new_axis:
            chosen.append(... if ellipsis else None)
        elif shrink:
            chosen.append(begin)
        else:
            last = begin + end if relative else end
            chosen.append(slice(None if from_start else begin, None if to_end else last, step))
    return tuple(chosen)


def _back(link: Link, places: NDArray[np.intp]) -> Back:
    return _in_lattice(link, places) or _anywhere(link, places)


def _places(link: Link) -> NDArray[np.intp]:
    """For each cell of the result, in its shape, its place in the source counted from 1, or 0."""
    size = prod(link.source.shape)
    if not 0 < size < _MOST:
        raise link.refusal(f"moves {size} values at once, which is too many")
    kind, fields = OPTIONS[link.operator.name]
    options = getattr(schema, kind + "T")() if kind else None
    for name, (number, form) in fields.items():
        setattr(options, name, link.setting(kind, number, form))
    inputs = [None if i == link.position else _constant(link, i) for i in range(len(link.operator.inputs))]
    outputs = [link.model.tensors[index].shape for index in link.operator.outputs]
    layer = Layer(link.operator.name, inputs, outputs, options, link.output)
    machine = build(link, link.source.shape, [layer], fast=False)
    machine.given()[...] = np.arange(1, size + 1, dtype=np.float32).reshape(link.source.shape)
    return machine.run().astype(np.intp)


def _constant(link: Link, position: int) -> NDArray[Any]:
    """Numbers that say how to move, as they are; other values that are moved, as zeros."""
    tensor: Tensor = link.input(position)
    if tensor.type in {"INT32", "INT64"} and not tensor.quantization:
        return np.array(link.integers(position), tensor.type.lower()).reshape(tensor.shape)
    return memory(tensor.shape)


def _in_lattice(link: Link, places: NDArray[np.intp]) -> Back | None:
    """Where the places form a box in the result with a fixed step along each axis: one copy between views."""
    if not places.ndim or not places.any():
        return None
    found = places.nonzero()
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    inner = places[box]
    first = int(inner[(0,) * inner.ndim])
    steps = [int(np.take(inner, 1, axis).flat[0]) - first if size > 1 else 0 for axis, size in enumerate(inner.shape)]
    grids: Sequence[NDArray[np.intp]] = np.indices(inner.shape, sparse=True)
    lattice = first + sum(step * grid for step, grid in zip(steps, grids, strict=True))
    if not np.array_equal(inner, lattice) or np.bincount(inner.ravel()).max() > 1:
        return None
    total = memory(link.source.shape)
    strides = tuple(4 * step for step in steps)
    target: Floats = np.ndarray(inner.shape, np.float32, total, 4 * (first - 1), strides)

    def back(_: Values, gradient: Floats) -> Floats:
        target[...] = gradient[box]
        return total

    return back


def _anywhere(link: Link, places: NDArray[np.intp]) -> Back:
    """Any other way to move, repeating included."""
    cells = places.ravel().nonzero()[0]
    targets = places.ravel()[cells] - 1
    total = memory(link.source.shape)

    def back(_: Values, gradient: Floats) -> Floats:
        total.fill(0)
        np.add.at(total.reshape(-1), targets, gradient.ravel()[cells])
        return total

    return back
