"""Pilots with part of their weights redrawn, from the head down: does a map notice? (Adebayo et al., arXiv 1810.03292)

    level 1   the layers next to the outputs          cascade 1   level 1 redrawn
    level 2   those that feed them                    cascade 2   levels 1 and 2 redrawn
    …                                                 …

Weights and biases of convolutions and dense layers are drawn anew from a normal distribution around 0 with the root
mean square they had: float32, float16 and quantized ones alike, patched where they lie in the file. Nothing else
changes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.plan import output_name
from edge.tflite import Model, Operator, Tensor
from edge.windows import layer_name

LEARNED = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
)
_FLOATS = {"FLOAT32": "<f4", "FLOAT16": "<f2"}
_INTEGERS = {"INT8": "i1", "UINT8": "u1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8"}


@dataclass(frozen=True, slots=True)
class Level:
    """Layers that are as far from the outputs, counted in layers with weights."""

    names: tuple[str, ...]
    tensors: tuple[int, ...]
    """Their weights and biases, as the file holds them."""

    def __str__(self) -> str:
        return ", ".join(self.names)


def levels(model: Model) -> list[Level]:
    """All layers with weights, the head first. A layer read along several ways counts by the longest."""
    distance = _distances(model)
    found: dict[int, list[Operator]] = {}
    for operator in model.operators:
        if operator.name in LEARNED and operator.index in distance and any(_weights(model, operator)):
            found.setdefault(distance[operator.index], []).append(operator)
    return [_level(model, operators) for _, operators in sorted(found.items())]


def redrawn(model: Model, changed: Sequence[Level], seed: int) -> bytes:
    """The file with the weights of these levels drawn anew; a level always comes out the same for one seed."""
    data = bytearray(model.data)
    start = np.frombuffer(model.data, np.uint8).ctypes.data
    tensors = sorted({index for level in changed for index in level.tensors})
    for index in tensors:
        tensor = model.tensors[index]
        assert tensor.data is not None
        at = tensor.data.ctypes.data - start
        drawn = _drawn(tensor, tensor.data, np.random.default_rng([seed, index]))
        data[at : at + tensor.data.size] = drawn.tobytes()
    return bytes(data)


def _level(model: Model, operators: list[Operator]) -> Level:
    tensors = sorted({index for operator in operators for index in _weights(model, operator)})
    return Level(tuple(_name(model, operator) for operator in operators), tuple(tensors))


def _name(model: Model, operator: Operator) -> str:
    """An output's name, or what the author called the layer; where a converter left but its own words: "conv 3"."""
    outputs = [output for output in operator.outputs if output in model.outputs]
    name = output_name(model, outputs[0]) if outputs else layer_name(model, operator)
    if outputs or re.fullmatch(r"[\w.-]{1,32}", name):
        return name
    kind = "dense" if operator.name == "FULLY_CONNECTED" else "conv" if "CONV" in operator.name else "recurrent"
    alike = [it.index for it in model.operators if it.name == operator.name]
    return f"{kind} {alike.index(operator.index) + 1}"


def _distances(model: Model) -> Mapping[int, int]:
    """Of each operator that has a say in an output: layers with weights from it to the end, itself included."""
    from_tensor = dict.fromkeys(model.outputs, 0)
    distance: dict[int, int] = {}
    for operator in reversed(model.operators):
        reached = [from_tensor[output] for output in operator.outputs if output in from_tensor]
        if not reached:
            continue
        distance[operator.index] = max(reached) + (operator.name in LEARNED)
        for index in operator.inputs:
            from_tensor[index] = max(from_tensor.get(index, 0), distance[operator.index])
    return distance


def _weights(model: Model, operator: Operator) -> Iterator[int]:
    """The constants it has learned, where the file keeps them: behind what unpacks them."""
    for index in operator.inputs:
        held = index
        while held >= 0 and (maker := model.makers.get(held)) is not None and held in model.constants:
            held = maker.inputs[0]
        if held >= 0 and _is_learned(model.tensors[held]):
            yield held


def _is_learned(tensor: Tensor) -> bool:
    known = tensor.type in _FLOATS or (tensor.type in _INTEGERS and tensor.quantization is not None)
    return known and tensor.data is not None


def _drawn(tensor: Tensor, stored: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[Any]:
    if tensor.type in _FLOATS:
        values = stored.view(_FLOATS[tensor.type])
        size = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
        return (rng.standard_normal(values.size) * size).astype(values.dtype)
    return _drawn_integers(tensor, stored.view(_INTEGERS[tensor.type]).reshape(tensor.shape), rng)


def _drawn_integers(tensor: Tensor, stored: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Slice by slice where each has its own scale, so that every one keeps its size."""
    how = tensor.quantization
    assert how is not None
    zeros = how.zeros.astype(np.float64)
    shape = [1] * stored.ndim
    if zeros.size > 1:
        shape[how.axis] = -1
    away = stored.astype(np.float64) - zeros.reshape(shape)
    within = tuple(axis for axis in range(stored.ndim) if zeros.size == 1 or axis != how.axis)
    size = np.sqrt(np.mean(np.square(away), axis=within, keepdims=True))
    limits = np.iinfo(stored.dtype)
    drawn = np.rint(rng.standard_normal(stored.shape) * size) + zeros.reshape(shape)
    clipped: NDArray[Any] = np.clip(drawn, limits.min, limits.max)
    return clipped.astype(stored.dtype)
