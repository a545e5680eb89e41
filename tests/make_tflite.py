"""Writes small .tflite networks of any operators, with random weights, by the schema inside ai-edge-litert.

    net = Network(24, 32)
    net.conv(8, kernel=(5, 5), stride=(2, 2), activation="RELU")
    net.dense(2, "outputs")
    path.write_bytes(net.bytes())

`net.at` is the tensor the next layer goes on from; layers return the tensor they write, so branches are possible:

    start = net.at
    other = net.conv(8, same=True)
    net.join("ADD", start, other)

A network whose image is integers, `Network(24, 32, dtype=np.int8)`, or that goes on from `net.quantize(...)`, computes
in integers from there: layers quantize their weights and say what their numbers stand for.
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
Scaled = tuple[float | Array, int | Array]
"""What integers stand for: (scale, zero), arrays where each slice has its own."""

_TYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
_IMAGES: dict[str, Scaled] = {
    "float32": (0.0, 0),
    "int8": (1 / 255, -128),
    "uint8": (1 / 255, 0),
    "int16": (1 / 32767, 0),
}
_FIXED = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "SOFTMAX": (1 / 256, -128)}
"""int8 outputs whose meaning TFLite prescribes."""
RANGE = 4.0
"""Integers reach from -RANGE to RANGE, behind a ReLU from 0 to RANGE."""


class Network:
    """A network under construction, with one image input (1, height, width, channels).

    frames: how many images the input holds, as (1, frames, height, width, channels); 0 for a plain image.
    dtype: of the image; integers stand for 0..1.
    """

    def __init__(
        self, height: int, width: int, channels: int = 3, *, seed: int = 0, frames: int = 0, dtype: Any = np.float32
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.outputs: list[int] = []
        self.names: dict[int, str] = {}
        self.scaled: dict[int, Scaled] = {}
        kind = np.dtype(dtype)
        shape = (1, frames, height, width, channels) if frames else (1, height, width, channels)
        scaled = None if kind == np.float32 else _IMAGES[kind.name]
        self.at = self.tensor(shape, name="image", dtype=kind, scaled=scaled)
        self.inputs = [self.at]

    def tensor(
        self,
        shape: Sequence[int],
        data: Array | None = None,
        *,
        name: str = "",
        dtype: Any = np.float32,
        scaled: Scaled | None = None,
        axis: int = 0,
    ) -> int:
        """A new tensor's number; a constant if data is given. `scaled` where integers stand for real numbers."""
        tensor = schema.TensorT()
        tensor.name = name or f"tensor{len(self.tensors)}"
        tensor.shape = list(shape)
        tensor.type = _TYPES[np.dtype(dtype if data is None else data.dtype)]
        tensor.buffer = 0 if data is None else self._buffer(data)
        self.tensors.append(tensor)
        if scaled is not None:
            tensor.quantization = _quantization(scaled, axis)
            self.scaled[len(self.tensors) - 1] = scaled
        return len(self.tensors) - 1

    def input(self, shape: Sequence[int], name: str = "") -> int:
        """A further input of the network, beside the image."""
        self.inputs.append(self.tensor(shape, name=name))
        return self.inputs[-1]

    def constant(self, data: Array, name: str = "", *, scaled: Scaled | None = None, axis: int = 0) -> int:
        return self.tensor(data.shape, data, name=name, scaled=scaled, axis=axis)

    def dtype(self, tensor: int | None = None) -> np.dtype[Any]:
        kind = self.tensors[self.at if tensor is None else tensor].type
        return next(dtype for dtype, number in _TYPES.items() if number == kind)

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
        scaled: Scaled | None = None,
    ) -> int:
        """Any operator with one output of the given shape, where the way goes on. Unknown names become custom ones."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs = list(inputs)
        self.at = self.tensor(shape, name=label, dtype=dtype, scaled=scaled)
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
        bias: Array | None = None,
        unpack: str = "",
        hybrid: bool = False,
        name: str = "",
    ) -> int:
        """A convolution; `filters` multiplies the depth if depthwise. Weights and bias are random if not given.

        unpack: name of the operator that unpacks float16 weights. hybrid: int8 weights, computing in float32.
        """
        _, height, width, channels = self.shape()
        shape = (1, *kernel, channels * filters) if depthwise else (filters, *kernel, channels)
        if weights is None:
            scale = np.sqrt(2 / prod(kernel) / (1 if depthwise else channels))
            weights = (self.random.standard_normal(shape) * scale).astype(np.float32)
        name = name or f"conv{len(self.operators)}"
        data, axis = self.at, 3 if depthwise else 0
        count = shape[axis]
        if bias is None:
            bias = (self.random.standard_normal(count) / 10).astype(np.float32)
        names = (f"net/{name}/Conv2D", f"net/{name}/BiasAdd")
        held, added = self._weights(weights, bias, names, axis=axis, unpack=unpack, hybrid=hybrid)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        if depthwise:
            options.depthMultiplier = filters
        options.dilationHFactor, options.dilationWFactor = dilation
        size = self._window(options, (height, width), kernel, stride, dilation, same=same, activation=activation)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        shape = (self.shape(data)[0], *size, count)
        label = f"net/{name}/Relu"
        return self.operator(kind, [data, held, added], shape, options, label=label, **self._computed(data, activation))

    def pool(self, kind: str, kernel: Pair = (2, 2), stride: Pair = (2, 2), *, same: bool = False) -> int:
        """`kind`: MAX_POOL_2D or AVERAGE_POOL_2D."""
        batch, height, width, channels = self.shape()
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = kernel
        size = self._window(options, (height, width), kernel, stride, (1, 1), same=same, activation="NONE")
        return self.operator(kind, [self.at], (batch, *size, channels), options, **self._alike())

    def apply(self, kind: str, *constants: Array, options: Any = None) -> int:
        """An operator that keeps the shape: an activation function, or arithmetic with constants."""
        alike = self._alike()
        if alike["dtype"] == np.int8:
            alike["scaled"] = _FIXED.get(kind, alike["scaled"])
        return self.operator(kind, [self.at, *map(self.constant, constants)], self.shape(), options, **alike)

    def join(self, kind: str, *tensors: int, activation: str = "NONE") -> int:
        """ADD, SUB, MUL, … of two tensors of one grid, or CONCATENATION of any number of them along their channels."""
        channels = [self.shape(tensor)[-1] for tensor in tensors]
        options = getattr(schema, {"CONCATENATION": "Concatenation"}.get(kind, kind.title()) + "OptionsT")()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        if kind == "CONCATENATION":
            options.axis = 3
        depth = sum(channels) if kind == "CONCATENATION" else max(channels)
        shape = (*self.shape(tensors[0])[:-1], depth)
        return self.operator(kind, tensors, shape, options, **self._alike(tensors[0]))

    def crop(self, rows: slice, columns: slice, kind: str = "STRIDED_SLICE") -> int:
        """The image without what lies outside; steps only for STRIDED_SLICE."""
        batch, height, width, channels = self.shape()
        spans = [rows.indices(height), columns.indices(width)]
        begin, end, step = zip((0, batch, 1), *spans, (0, channels, 1), strict=True)
        size = tuple(len(range(*span)) for span in zip(begin, end, step, strict=True))
        given = (begin, end, step) if kind == "STRIDED_SLICE" else (begin, size)
        held = [self.constant(np.array(it, np.int32)) for it in given]
        options = schema.StridedSliceOptionsT() if kind == "STRIDED_SLICE" else None
        return self.operator(kind, [self.at, *held], size, options, **self._alike())

    def frame(self, number: int) -> int:
        """One frame of a sequence (frames, 1, height, width, channels)."""
        sizes = self.shape()
        begin = self.constant(np.array([number, *[0] * (len(sizes) - 1)], np.int32))
        end = self.constant(np.array([number + 1, *sizes[1:]], np.int32))
        step = self.constant(np.ones(len(sizes), np.int32))
        options = schema.StridedSliceOptionsT()
        options.shrinkAxisMask = 1
        return self.operator("STRIDED_SLICE", [self.at, begin, end, step], sizes[1:], options, **self._alike())

    def pack(self, *tensors: int) -> int:
        """Frames to a sequence."""
        options = schema.PackOptionsT()
        options.valuesCount = len(tensors)
        return self.operator("PACK", tensors, (len(tensors), *self.shape(tensors[0])), options)

    def space_to_batch(self, block: Pair, rows: Pair = (0, 0), columns: Pair = (0, 0)) -> int:
        """With this much padding."""
        batch, height, width, channels = self.shape()
        held = [self.constant(np.array(it, np.int32)) for it in (block, (rows, columns))]
        size = ((height + sum(rows)) // block[0], (width + sum(columns)) // block[1])
        shape = (batch * prod(block), *size, channels)
        return self.operator("SPACE_TO_BATCH_ND", [self.at, *held], shape, **self._alike())

    def batch_to_space(self, block: Pair, rows: Pair = (0, 0), columns: Pair = (0, 0)) -> int:
        """With this much cut off."""
        batch, height, width, channels = self.shape()
        held = [self.constant(np.array(it, np.int32)) for it in (block, (rows, columns))]
        size = (height * block[0] - sum(rows), width * block[1] - sum(columns))
        shape = (batch // prod(block), *size, channels)
        return self.operator("BATCH_TO_SPACE_ND", [self.at, *held], shape, **self._alike())

    def resize(self, height: int, width: int, kind: str = "RESIZE_BILINEAR") -> int:
        options = getattr(
            schema, {"RESIZE_BILINEAR": "ResizeBilinearOptionsT"}.get(kind, "ResizeNearestNeighborOptionsT")
        )()
        options.halfPixelCenters = True
        held = self.constant(np.array((height, width), np.int32))
        shape = (self.shape()[0], height, width, self.shape()[3])
        return self.operator(kind, [self.at, held], shape, options, **self._alike())

    def mean(self, *axes: int, keep: bool = True) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        sizes = [1 if axis in axes else size for axis, size in enumerate(self.shape()) if keep or axis not in axes]
        return self.operator(
            "MEAN", [self.at, self.constant(np.array(axes, np.int32))], sizes, options, **self._alike()
        )

    def quantize(self, scale: float = 2 * RANGE / 255, zero: int = 0, dtype: Any = np.int8) -> int:
        return self.operator("QUANTIZE", [self.at], self.shape(), dtype=dtype, scaled=(scale, zero))

    def dequantize(self) -> int:
        return self.operator("DEQUANTIZE", [self.at], self.shape())

    def pad(self, rows: Pair, columns: Pair, kind: str = "PAD", *, value: Array | None = None) -> int:
        paddings = np.array([(0, 0), rows, columns, (0, 0)], np.int32)
        shape = tuple(size + sum(pad) for size, pad in zip(self.shape(), paddings.tolist(), strict=True))
        extra = [] if value is None else [self.constant(value)]
        options = schema.MirrorPadOptionsT() if kind == "MIRROR_PAD" else None
        return self.operator(kind, [self.at, self.constant(paddings), *extra], shape, options, **self._alike())

    def reshape(self, *shape: int) -> int:
        held = self.constant(np.array(shape, np.int32))
        return self.operator("RESHAPE", [self.at, held], shape, **self._alike())

    def dense(self, count: int, name: str = "", *, output: bool = True, hybrid: bool = False) -> int:
        """A dense layer on the flattened tensor; if it is an output of the network, the way goes on from before it."""
        before = self.at
        size = prod(self.shape())
        flat = self.reshape(1, size)
        weights = (self.random.standard_normal((count, size)) / np.sqrt(size)).astype(np.float32)
        options = schema.FullyConnectedOptionsT()
        bias = self.random.standard_normal(count).astype(np.float32)
        held, added = self._weights(weights, bias, (f"net/{name or 'dense'}/MatMul", ""), hybrid=hybrid, whole=True)
        label = f"Identity_{len(self.tensors)}"
        result = self.operator(
            "FULLY_CONNECTED", [flat, held, added], (1, count), options, label=label, **self._computed(flat, "NONE")
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

    def _alike(self, tensor: int | None = None) -> dict[str, Any]:
        """Type and scale of a tensor, for one that is like it."""
        tensor = self.at if tensor is None else tensor
        return {"dtype": self.dtype(tensor), "scaled": self.scaled.get(tensor)}

    def _computed(self, data: int, activation: str) -> dict[str, Any]:
        """Type and scale of what a layer makes of tensor `data`."""
        dtype = self.dtype(data)
        if dtype == np.float32:
            return {}
        if dtype == np.int16:
            return {"dtype": dtype, "scaled": (RANGE / 32767, 0)}
        positive = activation in {"RELU", "RELU6"}
        lowest = int(np.iinfo(dtype).min)
        return {"dtype": dtype, "scaled": (RANGE / 255, lowest) if positive else (2 * RANGE / 255, lowest + 128)}

    def _weights(
        self,
        weights: Array,
        bias: Array,
        names: tuple[str, str],
        *,
        axis: int = 0,
        unpack: str = "",
        hybrid: bool = False,
        whole: bool = False,
    ) -> Pair:
        """Weights and bias as constants of the types that tensor `at` asks for. whole: one scale for all of them."""
        integers = self.dtype() != np.float32
        if unpack:
            packed = self.constant(weights.astype(np.float16), names[0])
            before = self.at
            held = self.operator(unpack, [packed], weights.shape)
            self.at = before
        elif integers or hybrid:
            kind, zero = (np.uint8, 128) if self.dtype() == np.uint8 else (np.int8, 0)
            others = None if whole or kind == np.uint8 else tuple(i for i in range(weights.ndim) if i != axis)
            scale = np.maximum(np.abs(weights).max(others), 1e-6).astype(np.float64) / 127
            spread = scale if others is None else np.expand_dims(scale, others)
            stored = (np.rint(weights / spread) + zero).astype(kind)
            held = self.constant(stored, names[0], scaled=(scale, np.full(scale.shape, zero)), axis=axis)
        else:
            held = self.constant(weights, names[0])
        if not integers:
            return held, self.constant(bias, names[1])
        unit = np.asarray(self.scaled[self.at][0]) * scale
        wide = np.int64 if self.dtype() == np.int16 else np.int32
        scaled = (unit, np.zeros(np.shape(unit), np.int64))
        return held, self.constant(np.rint(bias / unit).astype(wide), names[1], scaled=scaled)

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


def quantized(dtype: Any = np.int8, height: int = 60, width: int = 80) -> Network:
    """A small network that computes in integers, from its image to its outputs."""
    net = Network(height, width, dtype=dtype)
    net.conv(6, (5, 5), (2, 2), activation="RELU")
    net.conv(8, same=True, activation="NONE" if dtype == np.int16 else "RELU6")
    net.pool("MAX_POOL_2D")
    net.conv(8)
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    return net


def residual(height: int = 40, width: int = 48) -> Network:
    """Two residual blocks, a concatenation of two branches, and an end on each of two scales."""
    net = Network(height, width)
    net.conv(6, stride=(2, 2), same=True, activation="RELU")
    for _ in range(2):
        start = net.at
        net.conv(6, same=True, activation="RELU")
        net.join("ADD", start, net.conv(6, same=True), activation="RELU")
    start = net.at
    one = net.conv(4, (1, 1), activation="RELU")
    net.at = start
    net.join("CONCATENATION", one, net.pool("MAX_POOL_2D", (3, 3), (1, 1), same=True))
    net.dense(1, "side")
    net.conv(6, stride=(2, 2), activation="RELU")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    return net


def _quantization(scaled: Scaled, axis: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.atleast_1d(scaled[0]).astype(np.float32)
    quantization.zeroPoint = np.atleast_1d(scaled[1]).astype(np.int64)
    quantization.quantizedDimension = axis
    return quantization


def _named(tensor: int, name: str) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry
