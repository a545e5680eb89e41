"""What TFLite's kernels take for granted; where it is not so they do not refuse, they end the process.

So a file is only given to the interpreter with operators from this table, each with as many inputs and outputs as its
kernel reads, and with numbers for its integers that the kernel can compute with.
"""

from collections.abc import Iterator, Mapping

from edge.flatbuffer import FlatbufferError
from edge.model import Model, Operator, Tensor

_MANY = 256
_LSTM = frozenset({1, 5, 9, 10, 11, 12, 16, 17, 20, 21, 22, 23})

INPUTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            "ABS", "AVERAGE_POOL_2D", "CAST", "CEIL", "COS", "DEPTH_TO_SPACE", "DEQUANTIZE", "ELU", "EXP", "FLOOR",
            "GELU", "HARD_SWISH", "L2_NORMALIZATION", "L2_POOL_2D", "LEAKY_RELU", "LOCAL_RESPONSE_NORMALIZATION", "LOG",
            "LOGICAL_NOT", "LOGISTIC", "LOG_SOFTMAX", "MAX_POOL_2D", "NEG", "QUANTIZE", "RANK", "RELU", "RELU6",
            "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SHAPE", "SIGN", "SIN", "SOFTMAX", "SPACE_TO_DEPTH",
            "SQRT", "SQUARE", "SQUEEZE", "TANH", "UNPACK", "ZEROS_LIKE",
        ),
        (1, 1),
    ),
    **dict.fromkeys(
        (
            "ADD", "ARG_MAX", "ARG_MIN", "BATCH_MATMUL", "BROADCAST_TO", "CUMSUM", "DIV", "EQUAL", "EXPAND_DIMS",
            "FILL", "FLOOR_DIV", "FLOOR_MOD", "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL",
            "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NOT_EQUAL", "PAD", "POW",
            "PRELU", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RESIZE_BILINEAR",
            "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SPLIT", "SQUARED_DIFFERENCE", "SUB", "SUM", "TILE", "TOPK_V2",
            "TRANSPOSE",
        ),
        (2, 2),
    ),
    **dict.fromkeys(
        ("BATCH_TO_SPACE_ND", "PADV2", "RANGE", "SELECT", "SELECT_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPLIT_V"), (3, 3)
    ),
    **dict.fromkeys(("CONV_2D", "CONV_3D", "FULLY_CONNECTED"), (2, 3)),
    "DEPTHWISE_CONV_2D": (3, 3),
    **dict.fromkeys(("CONV_3D_TRANSPOSE", "TRANSPOSE_CONV"), (3, 4)),
    **dict.fromkeys(("ADD_N", "CONCATENATION", "PACK"), (1, _MANY)),
    **dict.fromkeys(("RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN"), (5, 5)),
    "LSTM": (20, 24),
    "ONE_HOT": (4, 4),
    "RESHAPE": (1, 2),
    "STRIDED_SLICE": (4, 4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (20, 24),
}  # fmt: skip
"""The operators that pilots are made of, and how many inputs each takes."""

_OUTPUTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("SPLIT", "SPLIT_V", "UNPACK"), (1, _MANY)),
    "TOPK_V2": (2, 2),
}
_OPTIONAL: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(("CONV_2D", "CONV_3D", "FULLY_CONNECTED"), frozenset({2})),
    **dict.fromkeys(("CONV_3D_TRANSPOSE", "SVDF", "TRANSPOSE_CONV"), frozenset({3})),
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"), _LSTM),
}
"""Inputs that may be left out, such as a bias."""


_INTEGERS = {"INT8": (-(2**7), 2**7 - 1), "UINT8": (0, 2**8 - 1), "INT16": (-(2**15), 2**15 - 1)}
"""Types that stand for real numbers, and what can be the zero among them; wider ones (a bias) have 0."""
_SCALES = (1e-15, 1e6)
"""Kernels end the process where the quotient of two scales is out of all reason."""
_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_3D"})
_UNSCALED = frozenset({
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CAST", "DEPTH_TO_SPACE", "DEQUANTIZE", "EXPAND_DIMS", "FILL", "GATHER",
    "GATHER_ND", "LSTM", "MIRROR_PAD", "PACK", "RANK", "RESHAPE", "REVERSE_V2", "RNN", "SHAPE", "SLICE",
    "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "SVDF", "TILE", "TRANSPOSE",
    "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "UNPACK", "ZEROS_LIKE",
})  # fmt: skip
"""Operators that move integers without computing, or that check them."""
_ADDING = frozenset({"ADD", "SUB", "SQUARED_DIFFERENCE"})
_MOST = 2.0**13
"""Such operators can shift their operands by so much."""


def check(model: Model) -> None:
    """Raises FlatbufferError where an operator is not what its kernel expects.

    Files of several networks and of custom operators are left to plan.py, which refuses them.
    """
    for tensor in model.tensors:
        _check_numbers(tensor)
    for operator in model.operators if model.subgraphs == 1 else ():
        if not operator.custom:
            _check_operands(operator)
            _check_scales(model, operator)


def _check_numbers(tensor: Tensor) -> None:
    """What integers stand for is something to compute with."""
    if (how := tensor.quantization) is None or tensor.type not in {*_INTEGERS, "INT32", "INT64"}:
        return
    (low, high), (least, most) = _INTEGERS.get(tensor.type, (0, 0)), _SCALES
    if not (least < how.scales.min() <= how.scales.max() < most and low <= how.zeros.min() <= how.zeros.max() <= high):
        raise FlatbufferError(f"its tensor {tensor.name!r} is quantized with impossible numbers")


def _check_operands(operator: Operator) -> None:
    if operator.name not in INPUTS:
        raise FlatbufferError(f"its operator {operator.name} is not one that pilots are known to be made of")
    for what, indices, table in (("inputs", operator.inputs, INPUTS), ("outputs", operator.outputs, _OUTPUTS)):
        least, most = table.get(operator.name, (1, 1))
        if not least <= len(indices) <= most:
            raise FlatbufferError(f"its operator {operator.name} takes another number of {what} than {len(indices)}")
    optional = _OPTIONAL.get(operator.name, frozenset())
    missing = {place for place, index in enumerate(operator.inputs) if index < 0} - optional
    if missing:
        raise FlatbufferError(f"its operator {operator.name} lacks its input {min(missing)}")


def _check_scales(model: Model, operator: Operator) -> None:
    """Where a kernel computes with integers each operand has one scale; only weights may have one for each slice."""
    if operator.name in _UNSCALED or not any(tensor.type in _INTEGERS for tensor in model.operands(operator)):
        return
    for tensor in _computed(model, operator):
        if tensor.quantization is None or tensor.quantization.scales.size != 1:
            raise FlatbufferError(
                f"its tensor {tensor.name!r} has no scale for operator {operator.name} to compute with"
            )
    if operator.name in _ADDING:
        sources, (target,) = ([_scale(model, index) for index in it] for it in (operator.inputs, operator.outputs))
        if max(sources) > _MOST * target:
            raise FlatbufferError(f"its operator {operator.name} makes numbers of a scale that is far too small")


def _computed(model: Model, operator: Operator) -> Iterator[Tensor]:
    """The integers an operator computes with, weights aside, and those it gives."""
    weighted = operator.name in _WEIGHTED
    for place, index in enumerate((*operator.inputs, *operator.outputs)):
        weights = weighted and 0 < place < len(operator.inputs)
        if index >= 0 and not weights and model.tensors[index].type in _INTEGERS:
            yield model.tensors[index]


def _scale(model: Model, index: int) -> float:
    how = model.tensors[index].quantization
    return float(how.scales[0]) if how else 1.0
