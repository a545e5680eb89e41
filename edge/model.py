"""A pilot's network as plain objects: tensors, and the operators between them, in the order they run."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.flatbuffer import FlatbufferError, Table

Floats = NDArray[np.float32]

_DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}


class PilotError(Exception):
    """A pilot cannot be used; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """Integers that stand for real numbers: real = scale · (stored - zero), for all of a tensor or slice by slice."""

    scales: Floats
    """float32 (1,), or one for each slice along `axis`."""
    zeros: NDArray[np.int64]
    """The integers that stand for 0, as many as scales."""
    axis: int

    def real(self, stored: NDArray[Any]) -> Floats:
        """The real numbers that `stored`, of the tensor's shape, stands for."""
        shape = [1] * stored.ndim
        if self.scales.size > 1:
            shape[self.axis] = -1
        shifted = stored.astype(np.float32) - self.zeros.astype(np.float32).reshape(shape)
        real: Floats = shifted * self.scales.reshape(shape)
        return real

    def stored(self, real: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The nearest integers, kept within `dtype`; only where one scale serves the whole tensor."""
        limits = np.iinfo(dtype)
        nearest: NDArray[Any] = np.clip(np.rint(real / self.scales[0]) + self.zeros[0], limits.min, limits.max)
        return nearest.astype(dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """What flows between operators, or a constant (then `data` holds its bytes, a view of the file)."""

    index: int
    name: str
    type: str
    """As the schema calls it: FLOAT32, INT8, …"""
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    """The shape with -1 where a run may choose the size; empty if the file does not say."""
    data: NDArray[np.uint8] | None
    variable: bool
    """Kept from one run to the next."""
    quantization: Quantization | None

    def real(self, stored: NDArray[Any]) -> Floats:
        """What values of this tensor, as TFLite keeps them, stand for; float32 ones are passed on as they are."""
        if self.quantization and np.issubdtype(stored.dtype, np.integer):
            return self.quantization.real(stored)
        return stored if stored.dtype == np.float32 else stored.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator; -1 among the inputs stands for an optional one that is left out."""

    index: int
    name: str
    """As the schema calls it: CONV_2D, …; for a custom operator the name its author gave."""
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    options_type: int
    """Number in the schema's union BuiltinOptions; the interpreter ignores options of a type that does not fit."""

    def setting(self, field: int, form: str = "<i", default: int = 0) -> int:
        """A number from the options; `form` as in module struct. Raises PilotError if the options are damaged."""
        try:
            return self.options.number(field, form, default) if self.options else default
        except FlatbufferError as why:
            raise PilotError(f"is not a usable TFLite file: {why}") from why


@dataclass(frozen=True)
class Model:
    """One .tflite file. `inputs` and `outputs` are indices into `tensors`."""

    data: bytes
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    """In the order they run: each one's inputs are there before it."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    names: dict[int, str]
    """Inputs and outputs as the file's signature calls them, by tensor; may be empty."""
    subgraphs: int
    """How many there are; only the first one is read."""

    @cached_property
    def constants(self) -> frozenset[int]:
        """Tensors that are the same in every run: given in the file, or merely unpacked from such ones."""
        known = {tensor.index for tensor in self.tensors if tensor.data is not None}
        for operator in self.operators:
            if operator.name in {"DEQUANTIZE", "DENSIFY"} and operator.inputs and known.issuperset(operator.inputs):
                known.update(operator.outputs)
        return frozenset(known)

    def constant(self, index: int) -> Floats | None:
        """The real values of a constant, unpacked where the file packs them: float32 in the tensor's shape, or None."""
        while index in self.constants and (maker := self.makers.get(index)) and maker.name == "DEQUANTIZE":
            index = maker.inputs[0]
        tensor = self.tensors[index]
        if tensor.data is None or tensor.type not in _DTYPES:
            return None
        return tensor.real(tensor.data.view(_DTYPES[tensor.type]).reshape(tensor.shape))

    @cached_property
    def makers(self) -> dict[int, Operator]:
        """The operator that makes a tensor."""
        return {output: operator for operator in self.operators for output in operator.outputs}

    def operands(self, operator: Operator) -> Iterator[Tensor]:
        """The operator's inputs, without those left out."""
        return (self.tensors[index] for index in operator.inputs if index >= 0)
