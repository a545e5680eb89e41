"""What each operator of a .tflite file does to the cells of an image, on the way to the last convolution: a table.

What is not in the table gives something that is no image any more; a convolution behind that is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ai_edge_litert.schema_py_generated import ActivationFunctionType

from edge.geometry import Reads
from edge.tflite import Operator
from edge.windows import WINDOWS, Window, layer_name, window

__all__ = ["CONVOLUTIONS", "OPERATORS", "activation", "fused", "layer_name", "refusal", "window"]

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "CONV_3D_TRANSPOSE"})
"""The ways end when none of these lies ahead."""

_FUSED = {number: name for name, number in vars(ActivationFunctionType).items() if isinstance(number, int)}


@dataclass(frozen=True, slots=True)
class Activation:
    """Changes each value by itself; a convolution's tap moves behind it."""

    reads: Reads
    """How the activations behind it count, see mask.py."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Combines values of the same cell: with constants, with each other, or with those of another branch."""

    fused: int | None = None
    """Number of the field of its options that holds an activation function."""
    symmetric: bool = False
    """What it makes of a convolution's values and an activation of theirs has both signs alike (x / (1 + |x|))."""


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Puts the channels of several branches one behind the other."""

    fused: int = 1
    symmetric: bool = True


@dataclass(frozen=True, slots=True)
class Split:
    """Gives its input `data` out in parts along an axis, which stands in the input `axis` or, if -1, in its options."""

    data: int
    axis: int


@dataclass(frozen=True, slots=True)
class Pack:
    """Makes one sequence of several images."""


@dataclass(frozen=True, slots=True)
class Pad:
    """Puts a frame around the image; the next step's business."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Leaves a part of the image."""


@dataclass(frozen=True, slots=True)
class Resize:
    """Changes the number of rows and columns."""


@dataclass(frozen=True, slots=True)
class Divide:
    """Lays pixels that are a block apart beside each other, or (back) does the opposite: a dilation made by hand."""

    back: bool


@dataclass(frozen=True, slots=True)
class Fold:
    """Makes channels of the pixels of each block."""


@dataclass(frozen=True, slots=True)
class Reduce:
    """Sums up along axes: over all rows and columns nothing of the image is left."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Passes its input on, as it is or in a shape that may tell frames apart differently."""


@dataclass(frozen=True, slots=True)
class End:
    """Mixes all places: what follows says nothing about where."""


Kind = (
    Window | Activation | Arithmetic | Concatenation | Split | Pack | Pad | Crop | Resize | Divide | Fold | Reduce
    | Identity | End
)  # fmt: skip

OPERATORS: Mapping[str, Kind] = {
    **WINDOWS,
    **dict.fromkeys(
        ("RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC", "SOFTMAX", "EXP", "ABS", "SQUARE", "SQRT"), Activation("mean")
    ),
    **dict.fromkeys(("ELU", "LEAKY_RELU", "PRELU", "HARD_SWISH", "GELU"), Activation("positive")),
    **dict.fromkeys(("RELU_N1_TO_1", "TANH", "LOG", "SIN", "COS"), Activation("magnitude")),
    **dict.fromkeys(("ADD", "SUB", "MUL"), Arithmetic(fused=0)),
    "DIV": Arithmetic(fused=0, symmetric=True),
    **dict.fromkeys(
        (
            "ADD_N", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "NEG", "RSQRT", "SELECT", "SELECT_V2",
            "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "L2_NORMALIZATION", "LOCAL_RESPONSE_NORMALIZATION",
        ),
        Arithmetic(),
    ),
    "CONCATENATION": Concatenation(),
    "SPLIT": Split(data=1, axis=0),
    "SPLIT_V": Split(data=0, axis=2),
    "UNPACK": Split(data=0, axis=-1),
    "PACK": Pack(),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), Pad()),
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), Crop()),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), Resize()),
    "SPACE_TO_BATCH_ND": Divide(back=False),
    "BATCH_TO_SPACE_ND": Divide(back=True),
    "SPACE_TO_DEPTH": Fold(),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), Reduce()),
    **dict.fromkeys(
        ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST"), Identity()
    ),
    **dict.fromkeys(
        (
            "FULLY_CONNECTED", "SHAPE", "RANK", "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM",
            "UNIDIRECTIONAL_SEQUENCE_RNN",
        ),
        End(),
    ),
}  # fmt: skip

_REASONS = {
    "CONCATENATION": "joins images along another axis than their channels",
    "PACK": "stacks images other than one behind the other in time",
    "SPLIT": "splits the image along its rows or columns",
    "SPLIT_V": "splits the image along its rows or columns",
    "UNPACK": "splits the image along its rows or columns",
    "RESHAPE": "changes the shape of the image",
    "SQUEEZE": "changes the shape of the image",
    "EXPAND_DIMS": "changes the shape of the image",
    "TRANSPOSE": "turns the axes around; convert it with the channels last",
    "REVERSE_V2": "turns the image over",
    "GATHER": "takes the image apart",
    "PAD": "pads other than with rows and columns of a fixed number",
    "PADV2": "pads other than with rows and columns of a fixed number",
    "MIRROR_PAD": "pads other than with rows and columns of a fixed number",
    "SLICE": "cuts out other than fixed rows and columns",
    "STRIDED_SLICE": "cuts out other than fixed rows and columns",
    "SPACE_TO_BATCH_ND": "takes the image apart",
    "BATCH_TO_SPACE_ND": "puts an image together that was not taken apart in the same way",
    "SPACE_TO_DEPTH": "takes the image apart",
    "DEPTH_TO_SPACE": "makes a larger image of channels",
    "MEAN": "sums up along some of its axes",
    "SUM": "sums up along some of its axes",
    "FULLY_CONNECTED": "is a dense layer for each cell; make it a convolution of kernel 1x1",
    "BATCH_MATMUL": "is a matrix product of whole images",
    "TRANSPOSE_CONV": "is a convolution that enlarges; resize and convolve instead",
    "CONV_3D": "looks at several frames at once, which no mask of one frame shows; use TimeDistributed Conv2D",
    "CONV_3D_TRANSPOSE": "looks at several frames at once, which no mask of one frame shows",
}


def refusal(operator: Operator) -> str:
    """Why the way cannot lead over an operator, where it does not do what its place in the table says."""
    return _REASONS.get(operator.name, "is of a kind that is not supported there")


def activation(operator: Operator) -> str:
    """The activation function fused into an operator, such as RELU; empty if there is none."""
    kind = OPERATORS.get(operator.name)
    field = 0 if operator.name == "FULLY_CONNECTED" else getattr(kind, "fused", None)
    name = "NONE" if field is None else _FUSED.get(operator.setting(field, "<b"), "?")
    return "" if name == "NONE" else name


def fused(operator: Operator) -> Reads | None:
    """How values count behind the activation function fused into an operator; None if there is none."""
    kind = OPERATORS.get(name := activation(operator))
    if isinstance(kind, Activation):
        return kind.reads
    return "magnitude" if name else None
