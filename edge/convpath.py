"""The way from a pilot's camera image to its last convolution, followed operator by operator.

    image ─▶ MUL ─▶ CONV_2D ─▶ ELU ─▶ PAD ─▶ CONV_2D+RELU ─▶ MAX_POOL_2D ─▶ ... ─▶ CONV_2D ─▶ RELU ─▶ RESHAPE ─▶ head
                    step 1     tap           step 2, tap     step 3                step n     tap

Each convolution and each pooling is a Step. A convolution's tap is what its activation function gives; where that is an
operator of its own, that operator's output. What the operators mean is in operators.py.
"""

from dataclasses import dataclass, field

from edge.geometry import Geometry, Step
from edge.operators import (
    CONVOLUTIONS,
    NO_FRAME,
    OPERATORS,
    REASONS,
    Activation,
    Arithmetic,
    Frame,
    Identity,
    Pad,
    Window,
    activation,
    damaged,
    layer_name,
    paddings,
    shape,
    unusual_padding,
    window,
)
from edge.tflite import Model, Operator, PilotError


@dataclass(frozen=True, slots=True)
class ConvPath:
    """`taps[i]` is the tensor that holds the activations of the i-th tapped step, shape (1, h, w, channels)."""

    geometry: Geometry
    taps: tuple[int, ...]


def find(model: Model, image: int) -> ConvPath:
    """Follow the operators from tensor `image`. Raises PilotError where the way cannot be told or is not supported."""
    ahead = _leading_to_convolutions(model)
    walk = _Walk(model, image)
    while operator := _next(model, walk.at, ahead):
        if not walk.take(operator, must=operator.index in ahead):
            break
    if not walk.taps:
        raise PilotError("has no convolution between its camera image and its outputs, so there is nothing to show")
    for tap in (model.tensors[index] for index in walk.taps):
        if tap.type != "FLOAT32":
            raise PilotError(f"computes in {tap.type} (tensor {tap.name!r}); only FLOAT32 pilots are supported")
    return ConvPath(tuple(walk.steps), tuple(walk.taps))


@dataclass
class _Walk:
    """Where the way has come to, and what lay on it."""

    model: Model
    at: int
    steps: list[Step] = field(default_factory=list)
    taps: list[int] = field(default_factory=list)
    frame: Frame = NO_FRAME
    fresh: bool = False
    """Since the last convolution nothing but its own activation function or a constant's arithmetic has come."""
    active: bool = False
    """The last convolution has had its activation function."""

    def take(self, operator: Operator, *, must: bool) -> bool:
        """Go over one operator; False if the way ends before it. Raises PilotError if it must not end there."""
        refusal = self._refusal(operator)
        if refusal and must:
            raise PilotError(
                f"cannot be shown: operator {operator.name} ({layer_name(self.model, operator)!r}), "
                f"which lies before its last convolution, {refusal}"
            )
        if refusal:
            return False
        match OPERATORS[operator.name]:
            case Window():
                self._step(operator)
            case Activation():
                self._reach(operator, activated=True)
            case Arithmetic():
                self._reach(operator, activated=bool(activation(operator)))
            case Pad():
                self._widen(operator)
            case Identity():
                pass
        self.at = operator.outputs[0]
        return True

    def _step(self, operator: Operator) -> None:
        step = window(self.model, operator, self.frame)
        if step is None:
            raise damaged(operator)
        self.steps.append(step)
        self.frame = NO_FRAME
        self.fresh, self.active = step.tapped, bool(activation(operator))
        if step.tapped:
            self.taps.append(operator.outputs[0])

    def _reach(self, operator: Operator, *, activated: bool) -> None:
        """Let the tap follow: up to the last activation function, or while there has been none."""
        if self.fresh and (activated or not self.active):
            self.taps[-1] = operator.outputs[0]
        self.active = self.active or activated

    def _widen(self, operator: Operator) -> None:
        (top, bottom), (left, right) = self.frame
        rows, columns = paddings(self.model, operator)[1:3]
        self.frame = ((top + rows[0], bottom + rows[1]), (left + columns[0], right + columns[1]))
        self.fresh = False

    def _refusal(self, operator: Operator) -> str:
        """Why the way cannot lead over this operator; empty if it can."""
        kind = OPERATORS.get(operator.name)
        if kind is None or len(operator.outputs) != 1:
            return REASONS.get(operator.name, "is of a kind that is not supported there")
        if self.at != operator.inputs[0] and not isinstance(kind, Arithmetic):
            return "uses the image as its parameter"
        if isinstance(kind, Arithmetic):
            others = {index for index in operator.inputs if index != self.at}
            if not others or not others <= self.model.constants:
                return "joins two branches, such as a residual connection"
        if isinstance(kind, Pad):
            return unusual_padding(self.model, operator)
        if not isinstance(kind, Window) and shape(self.model, (self.at,)) != shape(self.model, operator.outputs[:1]):
            return "changes the shape of the image"
        return ""


def _next(model: Model, at: int, ahead: frozenset[int]) -> Operator | None:
    """The operator by which the way goes on from tensor `at`; None where it ends."""
    users = [operator for operator in model.operators if at in operator.inputs]
    onward = [operator for operator in users if operator.index in ahead]
    if len(onward) > 1:
        names = " and ".join(f"{operator.name} ({layer_name(model, operator)!r})" for operator in onward[:2])
        raise PilotError(f"cannot be shown: it branches before its last convolution, into {names}")
    pointwise = [operator for operator in users if _keeps(model, at, operator)]
    chosen = onward or pointwise
    return chosen[0] if len(chosen) == 1 else None


def _keeps(model: Model, at: int, operator: Operator) -> bool:
    """It gives one value for each value of tensor `at`."""
    kind = OPERATORS.get(operator.name)
    same = shape(model, operator.outputs[:1]) == model.tensors[at].shape
    return isinstance(kind, Activation | Arithmetic | Identity) and same


def _leading_to_convolutions(model: Model) -> frozenset[int]:
    """Operators that are a convolution or have one behind them."""
    found: set[int] = set()
    wanted: set[int] = set()
    for operator in reversed(model.operators):
        if operator.name in CONVOLUTIONS or not wanted.isdisjoint(operator.outputs):
            found.add(operator.index)
            wanted.update(index for index in operator.inputs if index >= 0)
    return frozenset(found)
