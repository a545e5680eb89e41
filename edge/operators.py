"""What each operator of a .tflite file means on the way from image to last convolution: a table, and its reading.

A convolution or pooling looks through a window at its input; `window` turns one into a Step. Anything else on the way
changes values one by one, frames the image with zeros, or does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOptions, Padding

from edge.geometry import Step
from edge.tflite import Model, Operator, PilotError

Pair = tuple[int, int]
Frame = tuple[Pair, Pair]
"""Rows (above, below) and columns (left, right) of zeros."""
NO_FRAME: Frame = ((0, 0), (0, 0))

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "CONV_3D_TRANSPOSE"})
"""The way ends when none of these lies ahead."""

_FUSED = {number: name for name, number in vars(ActivationFunctionType).items() if isinstance(number, int)}


@dataclass(frozen=True, slots=True)
class Window:
    """A convolution or pooling: numbers of the fields of its options (pairs are height, width)."""

    options: int
    stride: Pair
    fused: int
    kernel: Pair | None = None
    """None: the weights' axes 1 and 2."""
    dilation: Pair | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """Changes each value by itself; a convolution's tap moves behind it."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Combines each value with a constant, such as a scaling or an unfused batch normalisation."""

    options: int = BuiltinOptions.NONE
    fused: int | None = None


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros around the image; the next step's business."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Passes its input on; if it changes the shape, the way ends."""


OPERATORS: Mapping[str, Window | Activation | Arithmetic | Pad | Identity] = {
    "CONV_2D": Window(BuiltinOptions.Conv2DOptions, stride=(2, 1), fused=3, dilation=(5, 4)),
    "DEPTHWISE_CONV_2D": Window(BuiltinOptions.DepthwiseConv2DOptions, stride=(2, 1), fused=4, dilation=(6, 5)),
    "MAX_POOL_2D": Window(BuiltinOptions.Pool2DOptions, stride=(2, 1), fused=5, kernel=(4, 3)),
    "AVERAGE_POOL_2D": Window(BuiltinOptions.Pool2DOptions, stride=(2, 1), fused=5, kernel=(4, 3)),
    "RELU": Activation(),
    "RELU6": Activation(),
    "RELU_N1_TO_1": Activation(),
    "RELU_0_TO_1": Activation(),
    "ELU": Activation(),
    "LEAKY_RELU": Activation(),
    "PRELU": Activation(),
    "TANH": Activation(),
    "LOGISTIC": Activation(),
    "HARD_SWISH": Activation(),
    "GELU": Activation(),
    "ADD": Arithmetic(BuiltinOptions.AddOptions, fused=0),
    "SUB": Arithmetic(BuiltinOptions.SubOptions, fused=0),
    "MUL": Arithmetic(BuiltinOptions.MulOptions, fused=0),
    "DIV": Arithmetic(BuiltinOptions.DivOptions, fused=0),
    "MAXIMUM": Arithmetic(),
    "MINIMUM": Arithmetic(),
    "PAD": Pad(),
    "PADV2": Pad(),
    "RESHAPE": Identity(),
}
"""What is not listed may only come after the last convolution."""

REASONS = {
    "STRIDED_SLICE": "crops the image",
    "SLICE": "crops the image",
    "CONCATENATION": "joins several branches",
    "ADD_N": "joins several branches",
    "SPLIT": "splits the image into branches",
    "TRANSPOSE": "turns the axes around",
    "MIRROR_PAD": "pads with mirrored pixels",
    "RESIZE_BILINEAR": "resizes the image",
    "RESIZE_NEAREST_NEIGHBOR": "resizes the image",
    "QUANTIZE": "leaves floating point for integers",
    "SPACE_TO_BATCH_ND": "takes the image apart",
    "SPACE_TO_DEPTH": "takes the image apart",
    "TRANSPOSE_CONV": "is a convolution that enlarges",
}
"""What an operator that cannot be on the way does there, in words."""


def window(model: Model, operator: Operator, frame: Frame = NO_FRAME) -> Step | None:
    """A convolution or pooling as a Step; None for any other operator. Raises PilotError if its numbers do not fit.

    frame: the zeros that a PAD operator has put around its input.
    """
    kind = OPERATORS.get(operator.name)
    if not isinstance(kind, Window):
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
    if (rows[1], columns[1]) != target[1:3]:
        raise damaged(operator)
    (top, bottom), (left, right) = frame
    return Step(
        name=layer_name(model, operator),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        pad=(rows[0] + top, columns[0] + left),
        in_size=(source[1] - top - bottom, source[2] - left - right),
        out_size=(target[1], target[2]),
        tapped=kind.kernel is None,
    )


def activation(operator: Operator) -> str:
    """The activation function fused into an operator, such as RELU; empty if there is none."""
    kind = OPERATORS.get(operator.name)
    field = 0 if operator.name == "FULLY_CONNECTED" else getattr(kind, "fused", None)
    name = "NONE" if field is None else _FUSED.get(operator.setting(field, "<b"), "?")
    return "" if name == "NONE" else name


def layer_name(model: Model, operator: Operator) -> str:
    """What the author called the layer, as far as the converter left it in the names of tensors."""
    names = [model.tensors[index].name for index in (*operator.inputs[1:2], *operator.outputs[:1]) if index >= 0]
    for name in names:
        parts = [part for part in name.split(";")[0].split("/") if part != "ReadVariableOp"]
        if len(parts) > 1:
            return parts[-2]
    return names[-1] if names else operator.name


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


def shape(model: Model, index: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the one tensor in `index`."""
    return model.tensors[index[0]].shape if index and index[0] >= 0 else ()


def _image_shape(model: Model, operator: Operator, index: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the one tensor in `index`, which has to be an image or weights: four sizes, none of them 0."""
    sizes = shape(model, index)
    if len(sizes) != 4 or min(sizes) < 1:
        raise damaged(operator)
    return sizes


def paddings(model: Model, operator: Operator) -> list[list[int]]:
    """What a PAD operator puts [before, behind] along each of the four axes; empty if it cannot be told."""
    tensor = model.tensors[operator.inputs[1]] if len(operator.inputs) > 1 else None
    if tensor is None or tensor.data is None or tensor.shape != (4, 2) or tensor.type not in {"INT32", "INT64"}:
        return []
    zeros: list[list[int]] = tensor.data.view("<i4" if tensor.type == "INT32" else "<i8").reshape(4, 2).tolist()
    return zeros


def unusual_padding(model: Model, operator: Operator) -> str:
    """Why a PAD operator is not simply a frame of zeros; empty if it is."""
    zeros = paddings(model, operator)
    if not zeros or zeros[0] != [0, 0] or zeros[3] != [0, 0] or min(map(min, zeros)) < 0:
        return "pads other than with rows and columns of a fixed number"
    value = model.tensors[operator.inputs[2]].data if len(operator.inputs) > 2 else None
    if operator.name == "PADV2" and (value is None or value.any()):
        return "pads with something else than zeros"
    before, after = shape(model, operator.inputs[:1]), shape(model, operator.outputs[:1])
    fits = after == tuple(size + sum(pad) for size, pad in zip(before, zeros, strict=False))
    return "" if fits else "pads to another size than it says"


def damaged(operator: Operator) -> PilotError:
    return PilotError(f"is damaged: the settings of its operator {operator.name} do not fit its shapes")
