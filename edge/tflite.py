"""A .tflite file as plain objects, checked so that it cannot hurt the interpreter; and with more outputs if wanted.

    file ──read──▶ Model ──expose──▶ the same bytes + one new list of outputs at the end ──▶ interpreter

Everything the interpreter would follow without looking is checked: indices, sizes of constants and order of operators
here, what operators take for granted in kernels.py.
"""

import struct
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType
from numpy.typing import NDArray

from edge import kernels
from edge.flatbuffer import FlatbufferError, Table
from edge.model import Floats, Model, Operator, PilotError, Quantization, Tensor

__all__ = ["Floats", "Model", "Operator", "PilotError", "Quantization", "Tensor", "expose", "parse", "read"]

MAX_TENSOR_BYTES = 256 * 2**20
"""More than any pilot needs; a damaged shape would ask for the whole memory."""

_MAX_TENSORS = 10_000
_MAX_OPERANDS = 256
_MAX_RANK = 8
_OPERATORS = {number: name for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
_TYPES = {number: name for name, number in vars(TensorType).items() if isinstance(number, int)}
_ITEM_BYTES = {
    "FLOAT32": 4, "FLOAT16": 2, "INT32": 4, "UINT8": 1, "INT64": 8, "BOOL": 1, "INT16": 2, "INT8": 1, "FLOAT64": 8,
    "UINT64": 8, "UINT32": 4, "UINT16": 2, "BFLOAT16": 2, "COMPLEX64": 8, "COMPLEX128": 16,
}  # fmt: skip


def read(data: bytes) -> Model:
    """What is safe to run. Raises PilotError: not a TFLite file, damaged, or what the interpreter would choke on."""
    model = parse(data)
    try:
        kernels.check(model)
    except FlatbufferError as why:
        raise PilotError(f"is not a usable TFLite file: {why}") from why
    return model


def parse(data: bytes) -> Model:
    """What is safe to look at. Raises PilotError: not a TFLite file, damaged, or of a kind that is not supported."""
    try:
        model = _model(data, Table.root(data, b"TFL3"))
        _check_indices(model)
        _check_order(model)
    except FlatbufferError as why:
        raise PilotError(f"is not a usable TFLite file: {why}") from why
    return model


def expose(model: Model, taps: Iterable[int]) -> bytes:
    """The file with `taps` (indices of tensors) as further outputs, after its own, each tensor once.

    A new list of outputs is appended to the file and the subgraph's offset to the old list (4 bytes) is turned to it.
    All other bytes stay where they are: constants keep their alignment, and data that lies behind the flatbuffer
    (`Buffer.offset`, counted from the start of the file) stays valid, which unpacking and packing again would lose.
    """
    outputs = tuple(dict.fromkeys((*model.outputs, *taps)))
    at = Table.root(model.data, b"TFL3").tables(2, _MAX_TENSORS)[0].where(2)
    if at is None:
        raise PilotError("has no outputs")
    exposed = bytearray(model.data)
    exposed.extend(bytes(-len(exposed) % 16))
    struct.pack_into("<I", exposed, at, len(exposed) - at)
    exposed.extend(struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs))
    if parse(bytes(exposed)).outputs != outputs:
        raise PilotError("is not a usable TFLite file: its parts overlap")
    return bytes(exposed)


def _model(data: bytes, root: Table) -> Model:
    if (version := root.number(0, "<I")) != 3:
        raise FlatbufferError(f"it is of version {version}, not 3")
    codes = [_code(table) for table in root.tables(1, 1000)]
    buffers = [_buffer(data, table) for table in root.tables(4, 2 * _MAX_TENSORS)]
    graphs = root.tables(2, 1000)
    if not graphs:
        raise FlatbufferError("it holds no network")
    _check_metadata(root, len(buffers))
    tensors = [_tensor(i, table, buffers) for i, table in enumerate(graphs[0].tables(0, _MAX_TENSORS))]
    operators = [_operator(i, table, codes) for i, table in enumerate(graphs[0].tables(3, _MAX_TENSORS))]
    graphs[0].text(4)
    return Model(
        data=data,
        tensors=tuple(tensors),
        operators=tuple(operators),
        inputs=graphs[0].integers(1, _MAX_OPERANDS),
        outputs=graphs[0].integers(2, _MAX_OPERANDS),
        names=_names(root),
        subgraphs=len(graphs),
    )


def _code(table: Table) -> tuple[str, bool]:
    """An operator's name and whether it is a custom one. Old files have the number in the first field only."""
    number = max(table.number(0, "<b"), table.number(3))
    custom = number == BuiltinOperator.CUSTOM
    own = table.text(1)
    return (own or "CUSTOM") if custom else _OPERATORS.get(number, f"operator {number}"), custom


def _buffer(data: bytes, table: Table) -> NDArray[np.uint8]:
    offset, size = table.number(1, "<Q"), table.number(2, "<Q")
    if offset <= 1:
        return table.array(0, "u1", len(data)).view(np.uint8)
    if offset + size > len(data):
        raise FlatbufferError("it is cut off: the weights behind its end are missing")
    return np.frombuffer(data, np.uint8, size, offset)


def _tensor(index: int, table: Table, buffers: Sequence[NDArray[np.uint8]]) -> Tensor:
    if table.where(6) is not None:
        raise FlatbufferError("it holds sparse weights; convert it again without making them sparse")
    for variant in table.tables(9, _MAX_RANK):
        variant.integers(0, _MAX_RANK)
    data = buffers[_within(table.number(2, "<I"), len(buffers), "buffers")]
    kind = table.number(1, "<b")
    tensor = Tensor(
        index=index,
        name=table.text(3),
        type=_TYPES.get(kind, f"type {kind}"),
        shape=table.integers(0, _MAX_RANK),
        signature=table.integers(7, _MAX_RANK),
        data=data if data.size else None,
        variable=bool(table.number(5, "<B")),
        quantization=_quantization(table.table(4)),
    )
    _check_size(tensor)
    _check_quantization(tensor)
    return tensor


def _quantization(table: Table | None) -> Quantization | None:
    if table is None:
        return None
    if table.number(4, "<B") or table.where(5) is not None:
        raise FlatbufferError("it quantizes in a way that is not supported")
    for field in (0, 1):
        table.array(field, "<f4", 65_536)
    scales = table.array(2, "<f4", 65_536).astype(np.float32)
    zeros = table.array(3, "<i8", 65_536).astype(np.int64)
    if zeros.size not in {0, scales.size}:
        raise FlatbufferError("a scale of a quantized tensor has no zero point")
    return (
        Quantization(scales, zeros if zeros.size else np.zeros_like(scales, np.int64), table.number(6))
        if scales.size
        else None
    )


def _operator(index: int, table: Table, codes: Sequence[tuple[str, bool]]) -> Operator:
    name, custom = codes[_within(table.number(0, "<I"), len(codes), "operator codes")]
    for field, form in ((5, "u1"), (7, "u1"), (8, "<i4")):
        table.array(field, form, 2**20)
    if table.where(12) is not None or table.number(9, "<Q"):
        raise FlatbufferError(f"its operator {name} is of a kind that is not supported")
    options = table.table(4)
    if options is not None and name in {"RESHAPE", "SQUEEZE"}:
        options.integers(0, _MAX_RANK)
    return Operator(
        index=index,
        name=name,
        custom=custom,
        inputs=table.integers(1, _MAX_OPERANDS),
        outputs=table.integers(2, _MAX_OPERANDS),
        options=options,
        options_type=table.number(3, "<B"),
    )


def _names(root: Table) -> dict[int, str]:
    """What the signatures of the first subgraph call its inputs and outputs."""
    names: dict[int, str] = {}
    for signature in root.tables(7, 1000):
        signature.text(2)
        entries = [*signature.tables(0, _MAX_OPERANDS), *signature.tables(1, _MAX_OPERANDS)]
        for entry in entries:
            name = entry.text(0)
            if name and not signature.number(4, "<I"):
                names.setdefault(entry.number(1, "<I"), name)
    return names


def _check_metadata(root: Table, buffers: int) -> None:
    root.text(3)
    numbers = [*root.integers(5, 1000)]
    for entry in root.tables(6, 1000):
        entry.text(0)
        numbers.append(entry.number(1, "<I"))
    for number in numbers:
        _within(number, buffers, "buffers")


def _check_size(tensor: Tensor) -> None:
    """A constant is as long as its shape says."""
    if any(size < -1 for size in tensor.shape) or prod(map(abs, tensor.shape)) * 4 > MAX_TENSOR_BYTES:
        raise FlatbufferError(f"its tensor {tensor.name!r} has the impossible shape {list(tensor.shape)}")
    item_bytes = _ITEM_BYTES.get(tensor.type)
    if tensor.data is not None and item_bytes and tensor.data.size != prod(tensor.shape) * item_bytes:
        raise FlatbufferError(f"its constant {tensor.name!r} is not as long as its shape says")


def _check_quantization(tensor: Tensor) -> None:
    """One scale, or as many as there are slices along the axis."""
    if (how := tensor.quantization) is None:
        return
    sliced = 0 <= how.axis < len(tensor.shape) and how.scales.size == tensor.shape[how.axis]
    if not (how.scales.size == 1 or sliced):
        raise FlatbufferError(f"its tensor {tensor.name!r} is quantized with scales that do not fit its shape")


def _check_indices(model: Model) -> None:
    """Every tensor that is named by number exists; only an operator's input may be left out."""
    count = len(model.tensors)
    for index in (*model.inputs, *model.outputs, *model.names):
        _within(index, count, "tensors")
    for operator in model.operators:
        for index in operator.inputs:
            _within(index + 1, count + 1, "tensors")
        for index in operator.outputs:
            _within(index, count, "tensors")


def _check_order(model: Model) -> None:
    """Everything is made once, before it is used: by an earlier operator, from outside, or by being constant."""
    given = [tensor.index for tensor in model.tensors if tensor.data is not None or tensor.variable]
    made = {-1, *given, *model.inputs}
    if len(made) != 1 + len(given) + len(model.inputs):
        raise FlatbufferError("one of its inputs is given twice or is a constant")
    for operator in model.operators:
        if not made.issuperset(operator.inputs):
            raise FlatbufferError(f"its operator {operator.name} uses what no earlier one has made")
        if not made.isdisjoint(operator.outputs):
            raise FlatbufferError(f"its operator {operator.name} writes over what is there already")
        made.update(operator.outputs)
    if not made.issuperset(model.outputs):
        raise FlatbufferError("no operator makes one of its outputs")


def _within(index: int, count: int, what: str) -> int:
    if not 0 <= index < count:
        raise FlatbufferError(f"it is damaged: number {index} of {count} {what} is asked for")
    return index
