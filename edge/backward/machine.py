"""A few TFLite operators as a network of their own, made in memory: what TFLite does best is left to it.

Used to run the convolutions of the backward pass at TFLite's speed, and to ask an operator where it moves its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edge.invoke import invoke
from edge.tflite import Floats

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
}

_VERSIONS = {"BROADCAST_TO": 2}
"""Of operators that TFLite does not know in version 1."""

Shape = tuple[int, ...]


class MachineError(Exception):
    """TFLite does not run the operators as they were put together."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator as the schema calls it. `options` is an object of the schema's, such as Conv2DOptionsT."""

    operator: str
    inputs: Sequence[NDArray[Any] | None]
    """Constants of type float32, int32 or int64; None is what the layer before gave."""
    outputs: Sequence[Shape]
    options: Any = None
    output: int = 0
    """The output that counts."""


class Machine:
    """Float32 (`shape`) in, float32 of the last layer's shape out; one after the other.

    The input keeps what is written into it, so what never changes is written once. Raises MachineError where TFLite
    does not run it, or gives another shape. TFLite's own kernels check what they are given, its delegate XNNPACK does
    not: only where settings and shapes are our own may it be `fast`.
    """

    def __init__(self, shape: Shape, layers: Sequence[Layer], *, fast: bool) -> None:
        kernels = OpResolverType.AUTO if fast else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        network = _network(shape, layers)
        try:
            self._interpreter = Interpreter(model_content=network, num_threads=1, experimental_op_resolver_type=kernels)
            self._interpreter.allocate_tensors()
            (given,), (result,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
            self._given = self._interpreter.tensor(given["index"])
            self._result = self._interpreter.tensor(result["index"])
            self._given().fill(0)
            actual = self.run().shape
        except (RuntimeError, ValueError) as why:
            raise MachineError(" ".join(str(why).split())) from why
        if actual != layers[-1].outputs[layers[-1].output]:
            raise MachineError(f"TFLite gives the shape {list(actual)}")

    def given(self) -> Floats:
        """A view of the input. Let go of it before `run`."""
        view: Floats = self._given()
        return view

    def run(self) -> Floats:
        """A view of the output. The next `run` raises RuntimeError while it, or a slice of it, is alive."""
        invoke(self._interpreter)
        view: Floats = self._result()
        return view


def _network(shape: Shape, layers: Sequence[Layer]) -> bytes:
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.inputs = [], [], [0]
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [], [schema.BufferT()]
    at = _tensor(model, shape)
    for layer in layers:
        inputs = [at if data is None else _tensor(model, data.shape, data) for data in layer.inputs]
        outputs = [_tensor(model, shape) for shape in layer.outputs]
        graph.operators.append(_operator(model, layer, inputs, outputs))
        at = outputs[layer.output]
    graph.outputs = [at]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(model: Any, shape: Shape, data: NDArray[Any] | None = None) -> int:
    """The new tensor's number; a constant if data is given."""
    tensor = schema.TensorT()
    tensor.shape, tensor.buffer = list(shape), 0
    tensor.type = schema.TensorType.FLOAT32 if data is None else _TYPES[data.dtype]
    tensors = model.subgraphs[0].tensors
    tensor.name = f"t{len(tensors)}"
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    tensors.append(tensor)
    return len(tensors) - 1


def _operator(model: Any, layer: Layer, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = getattr(schema.BuiltinOperator, layer.operator)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), _VERSIONS.get(layer.operator, 1)
    operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes), inputs, outputs
    model.operatorCodes.append(code)
    if layer.options is not None:
        kind = type(layer.options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = layer.options
    return operator
