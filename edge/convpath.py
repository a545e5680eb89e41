"""The ways from a pilot's camera image to its last convolutions, followed operator by operator.

    image ─▶ MUL ─▶ CONV_2D ─▶ ELU ─┬─▶ PAD ─▶ CONV_2D+RELU ─▶ ADD ─▶ MAX_POOL_2D ─▶ CONV_2D ─▶ RELU ─▶ RESHAPE ─▶ head
                    step 0     tap  └──────────  step 1, tap ─▶ 2      step 3         step 4     tap

Each convolution, pooling, join of branches, crop and resize is a Step. The tap of a convolution is what its activation
function gives; where that is made of operators of its own (a ReLU; x·σ(x) of LOGISTIC and MUL), the output of the last
one. A batch normalisation before it is included, one behind it is not. Where a pooling or the like comes between, the
tap stays at the convolution, and the activation function still tells how its values count.

What has lost its rows and columns (a dense layer, the mean of the whole image) is off the way, and so is what other
inputs bring: a value joined from there counts as a constant. Of a sequence of frames only the newest, the last, is
followed. What each operator does is in operators.py.
"""

import math
from dataclasses import dataclass, replace
from math import prod

from edge.geometry import Geometry, Reads, Step, leading_to
from edge.operators import CONVOLUTIONS
from edge.tflite import Model, PilotError, Tensor
from edge.walk import Walk
from edge.windows import grid

MAX_SIDE = 4096
MAX_CELLS = 2**26
"""Of all steps together: a damaged file would ask for the whole memory."""

_LOWEST = {"INT8": -(2**7), "UINT8": 0, "INT16": -(2**15)}
"""The types of quantized activations, and their lowest values."""


@dataclass(frozen=True, slots=True)
class ConvPath:
    """`taps[i]` is the tensor that holds the activations of the i-th tapped step, shape (frames, h, w, channels).

    The step's are those of the last frame, `[-1]`. Where `model.tensors[tap]` is not of type FLOAT32 it says what its
    integers stand for: `model.tensors[tap].real(stored)`.
    """

    geometry: Geometry
    taps: tuple[int, ...]


def find(model: Model, image: int) -> ConvPath:
    """Follow the operators from tensor `image`: (1, h, w, channels), or (1, frames, h, w, channels).

    Raises PilotError where a way cannot be told or is not supported.
    """
    if grid(model, image) is None:
        raise PilotError("takes no image of a fixed size")
    steering = _before(model, _steering_outputs(model))
    walk = Walk(model, image, ahead=_before(model, set(), steering))
    for operator in model.operators:
        if operator.index in steering:
            walk.take(operator)
    if not walk.taps:
        raise PilotError("has no convolution between its camera image and its outputs, so there is nothing to show")
    steps = [_counted(step, walk, model, place) for place, step in enumerate(walk.steps)]
    geometry, taps = _pruned(steps, walk.taps)
    _check(model, geometry, taps)
    return ConvPath(geometry, taps)


def _steering_outputs(model: Model) -> set[int]:
    """Outputs that are no pictures, such as a decoder's; all of them if there are no others."""
    pictures = {index for index in model.outputs if min(grid(model, index) or (0,)) > 1}
    return {*model.outputs} - pictures or {*model.outputs}


def _before(model: Model, wanted: set[int], among: frozenset[int] | None = None) -> frozenset[int]:
    """Operators that the tensors `wanted` depend on; with `among`, also its convolutions and what they depend on."""
    found: set[int] = set()
    for operator in reversed(model.operators):
        starts = among is not None and operator.index in among and operator.name in CONVOLUTIONS
        if starts or not wanted.isdisjoint(operator.outputs):
            found.add(operator.index)
            wanted.update(index for index in operator.inputs if index >= 0)
    return frozenset(found)


def _counted(step: Step, walk: Walk, model: Model, place: int) -> Step:
    """With the plain mean, which costs least, where integers have nothing below 0."""
    how = model.tensors[walk.taps[place]].quantization if step.tapped else None
    reads: Reads = step.reads
    if how and how.scales.size == 1 and how.zeros[0] <= _LOWEST.get(model.tensors[walk.taps[place]].type, -math.inf):
        reads = "mean"
    return replace(step, reads=reads)


def _pruned(steps: list[Step], taps: dict[int, int]) -> tuple[Geometry, tuple[int, ...]]:
    """Without the steps that no convolution lies behind."""
    geometry, places = leading_to(steps, [place for place, step in enumerate(steps) if step.tapped])
    return geometry, tuple(taps[place] for place in places if steps[place].tapped)


def _check(model: Model, geometry: Geometry, taps: tuple[int, ...]) -> None:
    cells = 0
    for step in geometry:
        if max(*step.in_size, *step.out_size, *map(abs, step.pad)) > MAX_SIDE:
            raise PilotError(f"is too large to be shown: layer {step.name!r} has more than {MAX_SIDE} rows or columns")
        sides = [size + 2 * abs(pad) for size, pad in zip(step.in_size, step.pad, strict=True)]
        cells += prod(sides) + prod(step.out_size) + step.resized * step.in_size[0] * step.out_size[0]
    if cells > MAX_CELLS:
        raise PilotError(f"is too large to be shown: its layers have {cells} cells, at most {MAX_CELLS} are supported")
    for step, tap in zip((step for step in geometry if step.tapped), taps, strict=True):
        _check_tap(step, model.tensors[tap], grid(model, tap))


def _check_tap(step: Step, tensor: Tensor, size: tuple[int, int] | None) -> None:
    if tensor.type != "FLOAT32" and not (tensor.type in _LOWEST and tensor.quantization):
        raise PilotError(
            f"computes in {tensor.type} (tensor {tensor.name!r}); only FLOAT32 and quantized integers are supported"
        )
    if size != step.out_size:
        raise PilotError(f"cannot be shown: its layer {step.name!r} leaves the image taken apart (SPACE_TO_BATCH_ND)")
