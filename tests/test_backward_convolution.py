"""Backward rules of windows (convolutions and pooling) of any geometry, against slow loops in float64."""

from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.gradients import Run
from tests.make_tflite import Network, Pair, output_size

Doubles = NDArray[np.float64]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")


class Window(NamedTuple):
    kind: str
    batch: int
    size: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    same: bool
    inputs: int
    filters: int

    @property
    def cells(self) -> Pair:
        return output_size(self.size, self.kernel, self.stride, self.dilation, same=self.same)

    @property
    def outputs(self) -> int:
        return {"CONV_2D": self.filters, "DEPTHWISE_CONV_2D": self.filters * self.inputs}.get(self.kind, self.inputs)

    def places(self, cell: Pair) -> list[tuple[Pair, Pair]]:
        """(tap, place inside the image) of all that a cell sees."""
        axes = []
        for axis in (0, 1):
            reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            missing = max((self.cells[axis] - 1) * self.stride[axis] + reach - self.size[axis], 0) if self.same else 0
            first = cell[axis] * self.stride[axis] - missing // 2
            seen = [(tap, first + tap * self.dilation[axis]) for tap in range(self.kernel[axis])]
            axes.append([(tap, place) for tap, place in seen if 0 <= place < self.size[axis]])
        return [((y, x), (row, column)) for y, row in axes[0] for x, column in axes[1]]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    kind = draw(st.sampled_from(KINDS))
    small, few = st.integers(1, 3), st.integers(1, 2)
    pooling = kind.endswith("POOL_2D")
    pairs = st.tuples(small, small)
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = (1, 1) if pooling else draw(pairs)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    stride = draw(pairs)
    stride = (stride[0], stride[0]) if kind == "DEPTHWISE_CONV_2D" or draw(st.booleans()) else stride
    size = (reach[0] + draw(st.integers(0, 6)), reach[1] + draw(st.integers(0, 6)))
    return Window(kind, draw(few), size, kernel, stride, dilation, draw(st.booleans()), draw(small), draw(small))


def network(window: Window, weights: NDArray[np.float32]) -> Network:
    """The window over `batch` images, which come one below the other."""
    height, width = window.size
    net = Network(window.batch * height, width, window.inputs)
    net.reshape(window.batch, height, width, window.inputs)
    kinds = {"CONV_2D": "Conv2DOptionsT", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptionsT"}
    options = getattr(schema, kinds.get(window.kind, "Pool2DOptionsT"))()
    options.padding = schema.Padding.SAME if window.same else schema.Padding.VALID
    options.strideH, options.strideW = window.stride
    if window.kind in kinds:
        options.dilationHFactor, options.dilationWFactor = window.dilation
        inputs = [net.at, net.constant(weights), net.constant(np.zeros(window.outputs, np.float32))]
    else:
        options.filterHeight, options.filterWidth = window.kernel
        inputs = [net.at]
    if window.kind == "DEPTHWISE_CONV_2D":
        options.depthMultiplier = window.filters
    net.operator(window.kind, inputs, (window.batch, *window.cells, window.outputs), options)
    return net


def by_loops(window: Window, weights: NDArray[np.float32], image: Doubles, seed: Doubles) -> Doubles:
    """The gradient for one image (h, w, inputs), of cells (rows, columns, outputs)."""
    gradient = np.zeros_like(image)
    for cell in np.ndindex(window.cells):
        seen = window.places(cell)
        if window.kind == "MAX_POOL_2D":
            values = np.array([image[place] for _, place in seen])
            for channel, which in enumerate(values.argmax(0)):
                gradient[(*seen[which][1], channel)] += seed[(*cell, channel)]
            continue
        for tap, place in seen:
            if window.kind == "CONV_2D":
                gradient[place] += seed[cell] @ weights[:, tap[0], tap[1]].astype(np.float64)
            elif window.kind == "DEPTHWISE_CONV_2D":
                gradient[place] += (seed[cell] * weights[0, tap[0], tap[1]]).reshape(window.inputs, -1).sum(1)
            else:
                gradient[place] += seed[cell] / len(seen)
    return gradient


@settings(max_examples=120, deadline=None)
@given(windows(), st.integers(0, 99))
def test_gradients_are_those_of_slow_loops(window: Window, seed: int) -> None:
    random = np.random.default_rng(seed)
    conv = window.kind == "CONV_2D"
    shape = (window.filters, *window.kernel, window.inputs) if conv else (1, *window.kernel, window.outputs)
    weights = random.standard_normal(shape).astype(np.float32)
    run = Run(network(window, weights).bytes())
    for _ in range(2):
        image = random.standard_normal((1, window.batch * window.size[0], window.size[1], window.inputs))
        seeds = run.seeds(seed)
        (gradient,) = run.gradients(image.astype(np.float32), seeds)
        parts = image.astype(np.float32).reshape(window.batch, *window.size, window.inputs).astype(np.float64)
        (grown,) = (value.astype(np.float64) for value in seeds.values())
        expected = [by_loops(window, weights, part, own) for part, own in zip(parts, grown, strict=True)]
        np.testing.assert_allclose(gradient.reshape(parts.shape), expected, rtol=1e-4, atol=1e-5)


def test_equal_values_in_a_window_give_to_the_first_one() -> None:
    net = Network(4, 4, 1)
    net.pool("MAX_POOL_2D")
    run = Run(net.bytes())
    (gradient,) = run.gradients(np.ones((1, 4, 4, 1), np.float32), {run.sources[0]: np.arange(1, 5, dtype=np.float32)})
    np.testing.assert_array_equal(gradient[0, ..., 0], [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
