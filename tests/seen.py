"""Which cells of a network's convolutions see a pixel: by their geometry, and by what the interpreter does with it."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge import convpath, tflite
from edge.geometry import Geometry, Step
from tests.make_tflite import Array, Network, Pair


def find(net: Network) -> convpath.ConvPath:
    return convpath.find(tflite.read(net.bytes()), net.inputs[0])


def windows(step: Step, out: Pair) -> Iterator[Pair]:
    """The pixels that one cell sees, by the formulas in Step."""
    if step.resized:
        spans = [
            range(i * size // cells, -(-(i + 1) * size // cells))
            for i, size, cells in zip(out, step.in_size, step.out_size, strict=True)
        ]
        yield from product(spans[0], spans[1])
        return
    for row in range(step.kernel[0]):
        for column in range(step.kernel[1]):
            yield (
                step.stride[0] * out[0] - step.pad[0] + step.dilation[0] * row,
                step.stride[1] * out[1] - step.pad[1] + step.dilation[1] * column,
            )


def seen(geometry: Geometry, pixel: Pair) -> list[set[Pair]]:
    """The cells that see a pixel, by whatever way, of each tapped step."""
    lit: dict[int, set[Pair]] = {-1: {pixel}}
    for place, step in enumerate(geometry):
        source = set().union(*(lit[index] for index in step.inputs))
        cells = np.ndindex(*step.out_size)
        lit[place] = {(row, column) for row, column in cells if not source.isdisjoint(windows(step, (row, column)))}
    return [lit[place] for place, step in enumerate(geometry) if step.tapped]


def lit_by_interpreter(net: Network, pixel: Pair, frame: int = -1) -> list[set[Pair]]:
    """The cells of each tap, its last frame, that change when one pixel of a black image turns white."""
    taps = find(net).taps
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK does not take every odd network
    exposed = tflite.expose(tflite.read(net.bytes()), taps)
    interpreter = Interpreter(model_content=exposed, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    black = np.zeros(net.shape(net.inputs[0]), np.float32)
    white = black.copy()
    white.reshape(-1, *black.shape[-3:])[frame][pixel] = 1
    before, after = (run(interpreter, net.inputs[0], image, taps) for image in (black, white))
    changed = [np.abs(b - a)[-1].max(-1) > 1e-9 for a, b in zip(before, after, strict=True)]
    return [{(int(row), int(column)) for row, column in np.argwhere(cells)} for cells in changed]


def run(interpreter: Any, index: int, image: Array, taps: Sequence[int]) -> list[Array]:
    interpreter.set_tensor(index, image)
    interpreter.invoke()
    return [interpreter.get_tensor(tap) for tap in taps]


def ones(net: Network, kernel: Pair = (1, 1), **more: Any) -> int:
    """A convolution that adds up all that it sees."""
    channels = net.shape()[3]
    weights, bias = np.ones((1, *kernel, channels), np.float32), np.zeros(channels, np.float32)
    return net.conv(1, kernel, weights=weights, bias=bias if more.get("depthwise") else bias[:1], **more)
