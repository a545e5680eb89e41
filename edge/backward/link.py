"""One way back over an operator, and what its backward rule may ask for.

input 0 ──┐              ┌── output 0     A Link leads from one output to one input. Its rule makes a Back once;
input 1 ──┤   operator   ├                that is called with the gradient of the output, run after run, and gives
input 2 ──┘              └── output 1     the gradient of the input.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOptions
from numpy.typing import NDArray

from edge.operators import layer_name
from edge.tflite import Floats, Model, Operator, PilotError, Tensor


class BackwardError(PilotError):
    """No gradient can be had of this pilot; the message is one sentence for a person, without its subject."""


class Values:
    """What the tensors held after a run. `value(index)` gives one as TFLite keeps it; no view is kept here."""

    def __init__(self, model: Model, value: Callable[[int], NDArray[Any]]) -> None:
        self._model = model
        self._value = value

    def stored(self, index: int) -> NDArray[Any]:
        """As TFLite keeps it. Raises BackwardError if it is not of the shape the file says."""
        stored = self._value(index)
        tensor = self._model.tensors[index]
        if stored.shape != tensor.shape:
            raise BackwardError(
                f"gives its tensor {tensor.name!r} as {list(stored.shape)} where the file says {list(tensor.shape)}, "
                "so gradient methods cannot run; VisualBackProp can"
            )
        return stored

    def __call__(self, index: int) -> Floats:
        """The real numbers it stands for, float32; may be a view of TFLite's memory."""
        return self._model.tensors[index].real(self.stored(index))


Back = Callable[[Values, Floats], Floats]
"""From the gradient of an output to that of an input, float32 of their shapes.

It does not write into what it is given. What it returns may be its own memory (good until its next call) or a view of
what it was given, but never a view of a value.
"""


@dataclass(frozen=True)
class Link:
    """The way from output number `output` of an operator back to input number `position`."""

    model: Model
    operator: Operator
    position: int
    output: int = 0
    reads: set[int] = field(default_factory=set)
    """Tensors whose values the rule will ask for; it adds to this by `operand` and `read`."""

    @property
    def source(self) -> Tensor:
        """The input whose gradient is wanted."""
        return self.model.tensors[self.operator.inputs[self.position]]

    @property
    def result(self) -> Tensor:
        """The output whose gradient is given."""
        return self.model.tensors[self.operator.outputs[self.output]]

    def read(self, tensor: Tensor) -> int:
        """The tensor's index, to ask its value by; says that it will be asked for."""
        self.reads.add(tensor.index)
        return tensor.index

    def input(self, position: int) -> Tensor:
        """Raises BackwardError if the operator lacks this input."""
        index = self.operator.inputs[position] if position < len(self.operator.inputs) else -1
        if index < 0:
            raise self.refusal("lacks one of its inputs")
        return self.model.tensors[index]

    def constant(self, position: int) -> Floats:
        """The real values of an input, which must not depend on the run."""
        tensor = self.input(position)
        values = self.model.constant(tensor.index)
        if values is None:
            raise self.refusal("takes its parameters from the network itself")
        if values.shape != tensor.shape:
            raise self.damage()
        return values

    def operand(self, position: int) -> Callable[[Values], Floats]:
        """A function that gives an input's real values, be it a constant or not."""
        tensor = self.input(position)
        constant = self.model.constant(tensor.index)
        if constant is not None:
            return lambda _: constant
        index = self.read(tensor)
        return lambda values: values(index)

    def integers(self, position: int) -> tuple[int, ...]:
        """A constant input of whole numbers, such as axes, flat."""
        tensor = self.input(position)
        if tensor.data is None or tensor.type not in {"INT32", "INT64"}:
            raise self.refusal("takes its parameters from the network itself")
        return tuple(tensor.data.view("<i4" if tensor.type == "INT32" else "<i8").tolist())

    def setting(self, options: str, number: int, form: str = "<i", default: int = 0) -> int:
        """Field `number` of the operator's options, which TFLite ignores unless they are of type `options`."""
        fits = self.operator.options_type == getattr(BuiltinOptions, options)
        return self.operator.setting(number, form, default) if fits else default

    def only(self, *positions: int) -> None:
        """Raises BackwardError if the gradient of another input is wanted: weights made by the network, say."""
        if self.position not in positions:
            raise self.refusal("takes its parameters from the network itself")

    def damage(self) -> BackwardError:
        return self.refusal("is damaged: its settings do not fit its shapes")

    def refusal(self, reason: str) -> BackwardError:
        """`reason` goes on from "its operator X (layer 'y')"."""
        return refusal(self.model, self.operator, reason)


def refusal(model: Model, operator: Operator, reason: str) -> BackwardError:
    """The one sentence that says why no gradient leads back over an operator."""
    return BackwardError(
        f"has no gradients: its operator {operator.name} (layer {layer_name(model, operator)!r}) {reason}, "
        "so gradient methods cannot run; VisualBackProp can"
    )


def memory(shape: tuple[int, ...]) -> Floats:
    """Zeros to work in, run after run."""
    return np.zeros(shape, np.float32)
