"""Backward rules of convolutions and average pooling. They run as convolutions of TFLite's own, in a Machine.

What a cell q of the output saw, input places  i = stride·q - pad + dilation·t  for t = 0 … kernel - 1, its gradient
goes back to:

    gradient of input[i] = Σ_t gradient of output[q] · weights[t]     over all q, t that fit

Two ways to write this as a convolution, exact for any stride, dilation and padding:

    in phases   places i ≡ p (mod stride) are seen through the same taps: one small kernel for each phase p, whose
                results stand as channels side by side until DEPTH_TO_SPACE puts them in their places
    spread      cells are written `stride` apart among zeros, the kernel is turned around

In phases nothing is multiplied with zeros that lie between cells; it is 2 to 10 × as quick as TRANSPOSE_CONV.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge.backward.link import Back, Link, Values, memory
from edge.backward.machine import Layer, Machine, MachineError
from edge.geometry import Step
from edge.operators import window
from edge.tflite import Floats

_LANES = 16
"""Channels that TFLite's kernels compute at once, roughly (8 to 32, by processor)."""


def convolution(link: Link) -> Back:
    """CONV_2D, grouped ones too."""
    link.only(0)
    step = _step(link)
    weights = _ungrouped(link, step)
    even = step.dilation == (1, 1) and step.stride[0] == step.stride[1]
    axes = _quickest(step, weights.shape[3]) if even else (_spread(step, 0), _spread(step, 1))
    kernel = _turned(weights, *axes)
    return _run(link, axes, "CONV_2D", kernel, _plain(schema.Conv2DOptionsT(), axes))


def depthwise(link: Link) -> Back:
    """DEPTHWISE_CONV_2D with any multiplier: each channel of the output by itself, then those of one input together."""
    link.only(0)
    step = _step(link)
    weights = link.constant(1)
    channels, outputs = link.source.shape[3], link.result.shape[3]
    if weights.shape != (1, *step.kernel, outputs) or outputs % channels:
        raise link.damage()
    single = _filter(link, step, weights)
    if outputs == channels:
        return single
    total = memory(link.source.shape)

    def back(values: Values, gradient: Floats) -> Floats:
        apart = single(values, gradient)
        return np.sum(apart.reshape(*apart.shape[:3], channels, -1), axis=4, out=total)

    return back


def average_pooling(link: Link) -> Back:
    """AVERAGE_POOL_2D: a depthwise convolution with ones; each cell is divided by the places of the image it saw."""
    step = _step(link)
    channels = link.source.shape[3]
    if link.result.shape[3] != channels:
        raise link.damage()
    spread = _filter(link, step, np.ones((1, *step.kernel, channels), np.float32))
    rows, columns = (_seen(step, axis) for axis in (0, 1))
    shares = (1 / np.outer(rows, columns)).astype(np.float32)[..., np.newaxis]
    shared = memory(link.result.shape)
    return lambda values, gradient: spread(values, np.multiply(gradient, shares, out=shared))


def transposed(link: Link) -> Back:
    """TRANSPOSE_CONV: its backward pass is a plain convolution over what it gave, with the same stride and padding."""
    link.only(2)
    weights = link.constant(1)
    options = schema.Conv2DOptionsT()
    options.padding = link.setting("TransposeConvOptions", 0, "<b")
    options.strideW, options.strideH = (link.setting("TransposeConvOptions", number) for number in (1, 2))
    if weights.ndim != 4 or min(options.strideW, options.strideH) < 1:
        raise link.damage()
    kernel = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    layer = Layer("CONV_2D", [None, kernel, memory((len(kernel),))], [link.source.shape], options)
    machine = build(link, link.result.shape, [layer])

    def back(_: Values, gradient: Floats) -> Floats:
        machine.given()[...] = gradient
        return machine.run()

    return back


def build(link: Link, shape: tuple[int, ...], layers: Sequence[Layer], *, fast: bool = True) -> Machine:
    """A Machine; raises BackwardError where TFLite refuses what the file says."""
    try:
        return Machine(shape, layers, fast=fast)
    except MachineError as why:
        raise link.refusal(f"cannot be turned around ({why})") from why


@dataclass(frozen=True, slots=True)
class _Axis:
    """How the backward pass is written along one axis."""

    phases: int
    cells: slice
    """Where the output's gradient stands in the machine's input,"""
    length: int
    """which is so long."""
    taps: tuple[tuple[int, int, int], ...]
    """Which tap of the weights stands where in the machine's kernel: (phase, place, tap)."""
    reach: int
    """Places in the machine's kernel, `dilation` apart."""
    stride: int
    dilation: int
    results: int
    """What the machine gives for each phase."""


def _quickest(step: Step, channels: int) -> tuple[_Axis, _Axis]:
    """In phases; in more of them than the stride has where few channels would leave TFLite's kernels half empty."""
    ways = [(_in_phases(step, 0, fold), _in_phases(step, 1, fold)) for fold in (1, 2, 4)]
    return min(ways, key=lambda axes: _cost(axes, channels))


def _cost(axes: tuple[_Axis, _Axis], channels: int) -> int:
    """Multiplications per channel of the gradient, if results are computed in groups of _LANES."""
    rows, columns = axes
    groups = -(-rows.phases * columns.phases * channels // _LANES)
    return rows.results * columns.results * rows.reach * columns.reach * groups


def _in_phases(step: Step, axis: int, fold: int) -> _Axis:
    """`fold` · stride phases.

    Input place fold·stride·Q + p gets, of cell fold·Q - u, the tap t for which p + pad = t - stride·u.
    """
    stride, pad, kernel = step.stride[axis], step.pad[axis], step.kernel[axis]
    phases = fold * stride
    results = -(-step.in_size[axis] // phases)
    apart = [(p, *divmod(t - p - pad, stride), t) for p in range(phases) for t in range(kernel)]
    shifts = [(p, u, t) for p, u, rest, t in apart if rest == 0]
    nearest, farthest = min(u for _, u, _ in shifts), max(u for _, u, _ in shifts)
    reach = farthest - nearest + 1
    return _Axis(
        phases=phases,
        cells=slice(farthest, farthest + step.out_size[axis]),
        length=fold * (results - 1) + reach,
        taps=tuple((p, farthest - u, t) for p, u, t in shifts),
        reach=reach,
        stride=fold,
        dilation=1,
        results=results,
    )


def _spread(step: Step, axis: int) -> _Axis:
    """One phase: the cells stand `stride` apart, the kernel is turned around."""
    stride, dilation, kernel = step.stride[axis], step.dilation[axis], step.kernel[axis]
    first = dilation * (kernel - 1) - step.pad[axis]
    return _Axis(
        phases=1,
        cells=slice(first, first + stride * (step.out_size[axis] - 1) + 1, stride),
        length=step.in_size[axis] + dilation * (kernel - 1),
        taps=tuple((0, kernel - 1 - t, t) for t in range(kernel)),
        reach=kernel,
        stride=1,
        dilation=dilation,
        results=step.in_size[axis],
    )


def _turned(weights: Floats, rows: _Axis, columns: _Axis) -> Floats:
    """The machine's kernel (phases · phases · inputs, reach, reach, outputs) from (outputs, height, width, inputs)."""
    outputs, _, _, inputs = weights.shape
    kernel = memory((rows.phases, columns.phases, inputs, rows.reach, columns.reach, outputs))
    for (p, row, y), (q, column, x) in product(rows.taps, columns.taps):
        kernel[p, q, :, row, column] = weights[:, y, x].T
    return kernel.reshape(-1, rows.reach, columns.reach, outputs)


def _filter(link: Link, step: Step, weights: Floats) -> Back:
    """Channel by channel: `weights` (1, height, width, channels of the output)."""
    axes = _spread(step, 0), _spread(step, 1)
    options = _plain(schema.DepthwiseConv2DOptionsT(), axes)
    options.depthMultiplier = 1
    return _run(link, axes, "DEPTHWISE_CONV_2D", np.ascontiguousarray(weights[:, ::-1, ::-1]), options)


def _run(link: Link, axes: tuple[_Axis, _Axis], operator: str, kernel: Floats, options: Any) -> Back:
    rows, columns = axes
    batch, height, width, _ = link.source.shape
    channels = kernel.shape[0 if operator == "CONV_2D" else 3]
    sums = (batch, rows.results, columns.results, channels)
    layers = [Layer(operator, [None, kernel, memory((channels,))], [sums], options)]
    if (phases := rows.phases) > 1:
        layers.append(_interleaved(sums, phases))
    machine = build(link, (batch, rows.length, columns.length, link.result.shape[3]), layers)

    def back(_: Values, gradient: Floats) -> Floats:
        machine.given()[:, rows.cells, columns.cells] = gradient
        return machine.run()[:, :height, :width]

    return back


def _interleaved(sums: tuple[int, int, int, int], phases: int) -> Layer:
    batch, height, width, channels = sums
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = phases
    shape = (batch, height * phases, width * phases, channels // phases**2)
    return Layer("DEPTH_TO_SPACE", [None], [shape], options)


def _plain(options: Any, axes: tuple[_Axis, _Axis]) -> Any:
    """No padding."""
    options.padding = schema.Padding.VALID
    options.strideH, options.strideW = (axis.stride for axis in axes)
    options.dilationHFactor, options.dilationWFactor = (axis.dilation for axis in axes)
    return options


def _step(link: Link) -> Step:
    """The operator's geometry, with its images being as many as they were."""
    step = window(link.model, link.operator)
    if step is None or link.source.shape[0] != link.result.shape[0]:
        raise link.damage()
    return step


def _ungrouped(link: Link, step: Step) -> Floats:
    """Weights (outputs, height, width, inputs); where each group of outputs sees its own inputs only, with zeros."""
    weights = link.constant(1)
    outputs, inputs = link.result.shape[3], link.source.shape[3]
    if weights.ndim != 4:
        raise link.damage()
    groups = inputs // weights.shape[3]
    if weights.shape[:3] != (outputs, *step.kernel) or groups * weights.shape[3] != inputs or outputs % groups:
        raise link.damage()
    if groups == 1:
        return weights
    full = memory((groups, outputs // groups, *step.kernel, groups, inputs // groups))
    for group, own in enumerate(np.split(weights, groups)):
        full[group, ..., group, :] = own
    return full.reshape(outputs, *step.kernel, inputs)


def _seen(step: Step, axis: int) -> NDArray[np.intp]:
    """How many places inside the image each cell sees along an axis."""
    first = step.stride[axis] * np.arange(step.out_size[axis]) - step.pad[axis]
    inside: NDArray[np.intp] = np.minimum(first + step.kernel[axis], step.in_size[axis]) - np.maximum(first, 0)
    return inside
