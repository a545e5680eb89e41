"""Writes small .tflite networks of any operators, with random weights, by the schema inside ai-edge-litert.

    net = Network(24, 32)
    net.conv(8, kernel=(5, 5), stride=(2, 2), activation="RELU")
    net.dense(2, "outputs")
    path.write_bytes(net.bytes())

`net.at` is the tensor the next layer goes on from; layers return the tensor they write, so branches are possible.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Pair = tuple[int, int]
Array = NDArray[Any]

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}


class Network:
    """A network under construction, with one image input (1, height, width, channels)."""

    def __init__(self, height: int, width: int, channels: int = 3, *, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.outputs: list[int] = []
        self.names: dict[int, str] = {}
        self.at = self.tensor((1, height, width, channels), name="image")
        self.inputs = [self.at]

    def tensor(
        self, shape: Sequence[int], data: Array | None = None, *, name: str = "", dtype: Any = np.float32
    ) -> int:
        """A new tensor's number; a constant if data is given."""
        tensor = schema.TensorT()
        tensor.name = name or f"tensor{len(self.tensors)}"
        tensor.shape = list(shape)
        tensor.type = _TYPES[np.dtype(dtype if data is None else data.dtype)]
        tensor.buffer = 0 if data is None else self._buffer(data)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, data: Array, name: str = "") -> int:
        return self.tensor(data.shape, data, name=name)

    def shape(self, tensor: int | None = None) -> tuple[int, ...]:
        return tuple(self.tensors[self.at if tensor is None else tensor].shape)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: Any = None,
        *,
        dtype: Any = np.float32,
        label: str = "",
    ) -> int:
        """Any operator with one output of the given shape, where the way goes on. Unknown names become custom ones."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs = list(inputs)
        self.at = self.tensor(shape, name=label, dtype=dtype)
        operator.outputs = [self.at]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.operators.append(operator)
        return self.at

    def conv(
        self,
        filters: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        same: bool = False,
        dilation: Pair = (1, 1),
        activation: str = "NONE",
        depthwise: bool = False,
        weights: Array | None = None,
        unpack: str = "",
        name: str = "",
    ) -> int:
        """A convolution; `filters` multiplies the depth if depthwise. `unpack` names what unpacks float16."""
        _, height, width, channels = self.shape()
        shape = (1, *kernel, channels * filters) if depthwise else (filters, *kernel, channels)
        if weights is None:
            scale = np.sqrt(2 / prod(kernel) / (1 if depthwise else channels))
            weights = (self.random.standard_normal(shape) * scale).astype(np.float32)
        name = name or f"conv{len(self.operators)}"
        data = self.at
        held = self.constant(weights.astype(np.float16) if unpack else weights, f"net/{name}/Conv2D")
        if unpack:
            held = self.operator(unpack, [held], shape)
        count = shape[3 if depthwise else 0]
        bias = self.constant((self.random.standard_normal(count) / 10).astype(np.float32), f"net/{name}/BiasAdd")
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        if depthwise:
            options.depthMultiplier = filters
        options.dilationHFactor, options.dilationWFactor = dilation
        size = self._window(options, (height, width), kernel, stride, dilation, same=same, activation=activation)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.operator(kind, [data, held, bias], (1, *size, count), options, label=f"net/{name}/Relu")

    def pool(self, kind: str, kernel: Pair = (2, 2), stride: Pair = (2, 2), *, same: bool = False) -> int:
        """`kind`: MAX_POOL_2D or AVERAGE_POOL_2D."""
        _, height, width, channels = self.shape()
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = kernel
        size = self._window(options, (height, width), kernel, stride, (1, 1), same=same, activation="NONE")
        return self.operator(kind, [self.at], (1, *size, channels), options)

    def apply(self, kind: str, *constants: Array, options: Any = None) -> int:
        """An operator that keeps the shape: an activation function, or arithmetic with constants."""
        return self.operator(kind, [self.at, *map(self.constant, constants)], self.shape(), options)

    def pad(self, rows: Pair, columns: Pair, kind: str = "PAD", *, value: Array | None = None) -> int:
        paddings = np.array([(0, 0), rows, columns, (0, 0)], np.int32)
        shape = tuple(size + sum(pad) for size, pad in zip(self.shape(), paddings.tolist(), strict=True))
        extra = [] if value is None else [self.constant(value)]
        options = schema.MirrorPadOptionsT() if kind == "MIRROR_PAD" else None
        return self.operator(kind, [self.at, self.constant(paddings), *extra], shape, options)

    def reshape(self, *shape: int) -> int:
        return self.operator("RESHAPE", [self.at, self.constant(np.array(shape, np.int32))], shape)

    def dense(self, count: int, name: str = "", *, output: bool = True) -> int:
        """A dense layer on the flattened tensor; if it is an output of the network, the way goes on from before it."""
        before = self.at
        size = prod(self.shape())
        flat = self.reshape(1, size)
        weights = (self.random.standard_normal((count, size)) / np.sqrt(size)).astype(np.float32)
        options = schema.FullyConnectedOptionsT()
        held = self.constant(weights, f"net/{name or 'dense'}/MatMul")
        bias = self.constant(self.random.standard_normal(count).astype(np.float32))
        result = self.operator(
            "FULLY_CONNECTED", [flat, held, bias], (1, count), options, label=f"Identity_{len(self.tensors)}"
        )
        if output:
            self.outputs.append(result)
            self.names[result] = name
            self.at = before
        return result

    def bytes(self, *, signature: bool = False) -> bytes:
        """The file. With a signature, outputs carry their names in it."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = self.inputs, self.outputs or [self.at], "main"
        model = schema.ModelT()
        model.version, model.description = 3, "made for a test"
        model.operatorCodes, model.subgraphs, model.buffers = self.codes, [graph], self.buffers
        model.signatureDefs = [self._signature()] if signature else []
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _signature(self) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs = [_named(self.inputs[0], "img_in")]
        signature.outputs = [
            _named(tensor, self.names.get(tensor, f"out{tensor}")) for tensor in reversed(self.outputs)
        ]
        return signature

    def _window(
        self, options: Any, size: Pair, kernel: Pair, stride: Pair, dilation: Pair, *, same: bool, activation: str
    ) -> Pair:
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        options.strideH, options.strideW = stride
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        return output_size(size, kernel, stride, dilation, same=same)

    def _buffer(self, data: Array) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _code(self, name: str) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = name if code.builtinCode == schema.BuiltinOperator.CUSTOM else None
        code.version = 1
        self.codes.append(code)
        return len(self.codes) - 1


def output_size(size: Pair, kernel: Pair, stride: Pair, dilation: Pair, *, same: bool) -> Pair:
    """Cells a convolution or pooling gives along both axes."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    rows, columns = (
        len(range(0, n, s)) if same else len(range(0, n - r + 1, s))
        for n, r, s in zip(size, reach, stride, strict=True)
    )
    return rows, columns


def tutorial(height: int = 120, width: int = 160) -> Network:
    """The usual Donkeycar network, thinner."""
    net = Network(height, width)
    for filters, size, step in ((6, 5, 2), (8, 5, 2), (8, 5, 2), (8, 3, 1), (8, 3, 1)):
        net.conv(filters, (size, size), (step, step), activation="RELU")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    return net


def mixed() -> Network:
    """A grey network with every kind of step and of activation function."""
    net = Network(31, 33, 1)
    net.apply("MUL", np.array([2], np.float32), options=schema.MulOptionsT())
    net.conv(4, (5, 3), (2, 1), same=True)
    net.apply("ELU")
    net.pad((1, 2), (0, 1))
    net.conv(5, unpack="DEQUANTIZE")
    net.apply("MUL", np.linspace(-1, 1, 5, dtype=np.float32), options=schema.MulOptionsT())
    net.apply("ADD", np.linspace(0, 1, 5, dtype=np.float32), options=schema.AddOptionsT())
    net.apply("RELU")
    net.pool("MAX_POOL_2D", (3, 3), same=True)
    net.conv(2, depthwise=True, dilation=(2, 1), activation="RELU6")
    net.conv(6, (1, 1))
    net.apply("TANH")
    net.dense(15, "angle_out")
    net.dense(20, "throttle_out")
    return net


def _named(tensor: int, name: str) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry
