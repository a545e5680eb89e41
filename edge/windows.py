"""The numbers in an operator that moves or joins cells: windows, paddings, crops, axes; read without trusting them.

tensor (lead …, rows, columns, channels)      lead: the batch, or frames that follow each other, the newest last
                └──── grid ────┘
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ai_edge_litert.schema_py_generated import BuiltinOptions, Padding

from edge.geometry import Step
from edge.tflite import Model, Operator, PilotError

Pair = tuple[int, int]
Frame = tuple[Pair, Pair]
"""Rows (above, below) and columns (left, right)."""
NO_FRAME: Frame = ((0, 0), (0, 0))

MAX_BLOCK = 8192
"""Rows or columns: more than any camera has."""


@dataclass(frozen=True, slots=True)
class Window:
    """A convolution or pooling: numbers of the fields of its options (pairs are height, width)."""

    options: int
    stride: Pair
    fused: int
    kernel: Pair | None = None
    """None: the weights' axes 1 and 2."""
    dilation: Pair | None = None


_POOL = Window(BuiltinOptions.Pool2DOptions, stride=(2, 1), fused=5, kernel=(4, 3))
WINDOWS: Mapping[str, Window] = {
    "CONV_2D": Window(BuiltinOptions.Conv2DOptions, stride=(2, 1), fused=3, dilation=(5, 4)),
    "DEPTHWISE_CONV_2D": Window(BuiltinOptions.DepthwiseConv2DOptions, stride=(2, 1), fused=4, dilation=(6, 5)),
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
}


def window(model: Model, operator: Operator, block: Pair = (1, 1)) -> Step | None:
    """A convolution or pooling as a Step; None for any other operator. Raises PilotError if its numbers do not fit.

    block: what SPACE_TO_BATCH_ND has divided rows and columns by. The step then is that on the undivided image.
    """
    if not (kind := WINDOWS.get(operator.name)):
        return None
    if operator.options_type != kind.options:
        raise damaged(operator)
    source = _image_shape(model, operator, operator.inputs[:1])
    target = _image_shape(model, operator, operator.outputs[:1])
    kernel = _pair(operator, kind.kernel) if kind.kernel else _weights_size(model, operator)
    stride = _pair(operator, kind.stride)
    dilation = _pair(operator, kind.dilation, missing=1) if kind.dilation else (1, 1)
    same = operator.setting(0, "<b") == Padding.SAME
    rows, columns = (_along(*numbers, same=same) for numbers in zip(source[1:3], kernel, stride, dilation, strict=True))
    vast = any(k * d > max(2 * n, 64) for k, d, n in zip(kernel, dilation, source[1:3], strict=True))
    if (rows[1], columns[1]) != target[1:3] or vast:
        raise damaged(operator)
    return Step(
        name=layer_name(model, operator),
        kernel=kernel,
        stride=stride,
        dilation=_scaled(dilation, block),
        pad=_scaled((rows[0], columns[0]), block),
        in_size=_scaled((source[1], source[2]), block),
        out_size=_scaled((target[1], target[2]), block),
        tapped=kind.kernel is None,
    )


def layer_name(model: Model, operator: Operator) -> str:
    """What the author called the layer, as far as the converter left it in the names of tensors."""
    weights = [index for index in operator.inputs[1:2] if index in model.constants]
    names = [model.tensors[index].name for index in (*weights, *operator.outputs[:1])]
    for name in names:
        parts = [part for part in name.split(";")[0].split("/") if part != "ReadVariableOp"]
        if len(parts) > 1:
            return parts[-2]
    return names[-1] if names else operator.name


def shape(model: Model, index: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the one tensor in `index`."""
    return model.tensors[index[0]].shape if index and index[0] >= 0 else ()


def grid(model: Model, index: int) -> Pair | None:
    """Rows and columns of a tensor; None if it has none."""
    sizes = model.tensors[index].shape
    return (sizes[-3], sizes[-2]) if len(sizes) >= 3 and min(sizes) > 0 else None


def integers(model: Model, operator: Operator, place: int) -> list[int]:
    """The constant integers in an operator's input, flat; empty if it has none there."""
    index = operator.inputs[place] if place < len(operator.inputs) else -1
    tensor = model.tensors[index] if index >= 0 else None
    if tensor is None or tensor.data is None or tensor.type not in {"INT32", "INT64"} or tensor.data.size > 1024:
        return []
    numbers: list[int] = tensor.data.view("<i4" if tensor.type == "INT32" else "<i8").tolist()
    return numbers


def paddings(model: Model, operator: Operator) -> Frame | None:
    """The frame that a padding operator puts around its image; None if it does anything else or its numbers are off."""
    before, after = shape(model, operator.inputs[:1]), shape(model, operator.outputs[:1])
    numbers = integers(model, operator, 1)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    fits = 2 * len(before) == len(numbers) and after == tuple(
        size + sum(pad) for size, pad in zip(before, pairs, strict=True)
    )
    if not fits or len(before) < 3 or min(numbers) < 0 or any(map(any, pairs[:-3])):
        return None
    return pairs[-3], pairs[-2]


def blocks(model: Model, operator: Operator) -> tuple[Pair, Frame] | None:
    """Block and paddings (or crops) of SPACE_TO_BATCH_ND (or BATCH_TO_SPACE_ND); None if its numbers do not fit."""
    block, frame = integers(model, operator, 1), integers(model, operator, 2)
    ends = shape(model, operator.inputs[:1]), shape(model, operator.outputs[:1])
    if len(block) != 2 or len(frame) != 4 or any(len(end) != 4 for end in ends):
        return None
    if not 0 < min(block) <= max(block) <= MAX_BLOCK or min(frame) < 0:
        return None
    divided, whole = ends if operator.name == "BATCH_TO_SPACE_ND" else ends[::-1]
    sides = zip(divided[1:3], whole[1:3], block, (sum(frame[:2]), sum(frame[2:])), strict=True)
    fits = all(part * times == size + extra for part, size, times, extra in sides)
    pairs: Frame = (frame[0], frame[1]), (frame[2], frame[3])
    return ((block[0], block[1]), pairs) if fits else None


def crop(model: Model, operator: Operator) -> tuple[range, ...] | None:
    """What SLICE or STRIDED_SLICE leaves along each axis of its input; None if it cannot be told."""
    sizes = shape(model, operator.inputs[:1])
    kept, shrunk = _sliced(model, operator, sizes) if operator.name == "SLICE" else _strided(model, operator, sizes)
    left = tuple(len(span) for axis, span in enumerate(kept) if axis not in shrunk)
    return kept if kept and left == shape(model, operator.outputs[:1]) and min(map(len, kept)) > 0 else None


def _sliced(model: Model, operator: Operator, sizes: tuple[int, ...]) -> tuple[tuple[range, ...], set[int]]:
    begins, counts = integers(model, operator, 1), integers(model, operator, 2)
    if not len(begins) == len(counts) == len(sizes) or min(begins, default=-1) < 0:
        return (), set()
    spans = zip(begins, counts, sizes, strict=True)
    return tuple(range(size)[b:] if n < 0 else range(size)[b : b + n] for b, n, size in spans), set()


def _strided(model: Model, operator: Operator, sizes: tuple[int, ...]) -> tuple[tuple[range, ...], set[int]]:
    """What is left along each axis, and the axes that are dropped. Ellipses and new axes are not followed."""
    begins, ends, steps = (integers(model, operator, place) for place in (1, 2, 3))
    open_begin, open_end, ellipsis, new, shrink = (operator.setting(field) for field in range(5))
    unlike = operator.options_type != BuiltinOptions.StridedSliceOptions or operator.setting(5, "<b")
    fits = 0 < len(begins) == len(ends) == len(steps) <= len(sizes)
    if unlike or ellipsis or new or not fits or 0 in steps:
        return (), set()
    kept = [range(size) for size in sizes]
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        bit = 1 << axis
        first, last = None if open_begin & bit else begin, None if open_end & bit else end
        if shrink & bit:
            first, last, step = begin, begin + 1 or None, 1  # noqa: PLW2901
        kept[axis] = kept[axis][first:last:step]
    return tuple(kept), {axis for axis in range(len(begins)) if shrink & 1 << axis}


def axes(model: Model, operator: Operator, place: int) -> set[int]:
    """The constant axes in an operator's input, from 0; empty if they cannot be told."""
    rank = len(shape(model, operator.outputs[:1] if place == 0 else operator.inputs[:1]))
    numbers = integers(model, operator, place)
    return {axis % rank for axis in numbers} if rank and all(-rank <= axis < rank for axis in numbers) else set()


def framed(name: str, size: Pair, frame: Frame) -> Step:
    """A frame around a grid of `size`, or what is left when it is cut off (negative), as a step of its own."""
    (top, bottom), (left, right) = frame
    out_size = (size[0] + top + bottom, size[1] + left + right)
    return Step(name, (1, 1), (1, 1), (1, 1), (top, left), size, out_size, tapped=False)


def damaged(operator: Operator) -> PilotError:
    return PilotError(f"is damaged: the settings of its operator {operator.name} do not fit its shapes")


def _along(size: int, kernel: int, stride: int, dilation: int, *, same: bool) -> Pair:
    """Zeros before the first cell, and number of cells out, along one axis."""
    reach = (kernel - 1) * dilation + 1
    if not same:
        return 0, (size - reach) // stride + 1
    cells = -(-size // stride)
    return max((cells - 1) * stride + reach - size, 0) // 2, cells


def _pair(operator: Operator, fields: Pair, missing: int = 0) -> Pair:
    """Two sizes from an operator's options."""
    first, second = (operator.setting(field, default=missing) for field in fields)
    if not (0 < first < 2**15 and 0 < second < 2**15):
        raise damaged(operator)
    return first, second


def _weights_size(model: Model, operator: Operator) -> Pair:
    _, height, width, _ = _image_shape(model, operator, operator.inputs[1:2])
    return height, width


def _image_shape(model: Model, operator: Operator, index: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the one tensor in `index`, which has to be an image or weights: four sizes, none of them 0."""
    sizes = shape(model, index)
    if len(sizes) != 4 or min(sizes) < 1:
        raise damaged(operator)
    return sizes


def _scaled(pair: Pair, factors: Pair) -> Pair:
    return pair[0] * factors[0], pair[1] * factors[1]
