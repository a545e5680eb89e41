"""The mask against loops written from the definition, on random geometries; and what must not break it."""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Geometry, Reads, Step
from edge.mask import RawMask, VisualBackProp
from tests.make_tflite import Network

Pair = tuple[int, int]
Floats = NDArray[np.float32]


def visualbackprop(geometry: Geometry, means: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The definition, cell by cell: each hands its value to every input it saw, and there all is added."""
    left = [mean.astype(np.float64) for mean in means]
    image = next(step.in_size for step in geometry if -1 in step.inputs)
    arrived = {-1: np.zeros(image), **{place: np.zeros(step.out_size) for place, step in enumerate(geometry)}}
    looked_at = {place for step in geometry for place in step.inputs}
    for place, step in reversed([*enumerate(geometry)]):
        cells = arrived[place] if place in looked_at else np.ones(step.out_size)
        if step.tapped:
            cells = cells * left.pop()
        for row, column in np.ndindex(step.out_size):
            places = np.ix_(seen_by(step, 0, row), seen_by(step, 1, column))
            for source in step.inputs:
                arrived[source][places] += cells[row, column]
    return arrived[-1]


def seen_by(step: Step, axis: int, cell: int) -> list[int]:
    """The places inside the input that a cell sees along one axis, by the formulas in Step."""
    size, cells = step.in_size[axis], step.out_size[axis]
    start = step.stride[axis] * cell - step.pad[axis]
    window = [start + step.dilation[axis] * t for t in range(step.kernel[axis])]
    share = range(math.floor(cell * size / cells), math.ceil((cell + 1) * size / cells))
    return [place for place in (share if step.resized else window) if 0 <= place < size]


def convolution(in_size: Pair, kernel: Pair, stride: Pair = (1, 1), *, tapped: bool = True) -> Step:
    """A step without padding."""
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(in_size, kernel, stride, strict=True))
    return Step("conv", kernel, stride, (1, 1), (0, 0), in_size, (rows, columns), tapped)


def tutorial(height: int, width: int) -> Geometry:
    steps, size = [], (height, width)
    for kernel, stride in ((5, 2), (5, 2), (5, 2), (3, 1), (3, 1)):
        steps.append(convolution(size, (kernel, kernel), (stride, stride)))
        size = steps[-1].out_size
    return chain(steps)


def chain(steps: Sequence[Step]) -> Geometry:
    return tuple(replace(step, inputs=(place - 1,)) for place, step in enumerate(steps))


def random_means(geometry: Geometry, seed: int = 0) -> list[Floats]:
    random = np.random.default_rng(seed)
    return [random.random(step.out_size, np.float32) for step in geometry if step.tapped]


def true_values(mask: RawMask) -> NDArray[np.float64]:
    return np.ldexp(mask.values.astype(np.float64), mask.exponent)


@st.composite
def axes(draw: st.DrawFn, size: int) -> tuple[int, int, int, int, int]:
    """Kernel, stride, dilation, padding before and number of cells along an axis of `size` inputs."""
    kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 4, 3))
    reach = dilation * (kernel - 1) + 1
    padding = draw(st.sampled_from(["valid", "same", "explicit"]))
    if padding == "same":
        count = -(-size // stride)
        return kernel, stride, dilation, max(stride * (count - 1) + reach - size, 0) // 2, count
    before = draw(st.integers(0, reach + 2)) if padding == "explicit" else 0
    room = size + before + (draw(st.integers(0, reach + 2)) if padding == "explicit" else 0) - reach
    if room < 0:
        return 1, stride, 1, 0, (size - 1) // stride + 1
    return kernel, stride, dilation, before, room // stride + 1


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """One to five layers, pooling among them, ending with a convolution."""
    size: Pair = (draw(st.integers(1, 19)), draw(st.integers(1, 19)))
    steps: list[Step] = []
    taps = [*draw(st.lists(st.booleans(), max_size=4)), True]
    for tapped in taps:
        steps.append(draw(windows(size, tapped=tapped)))
        size = steps[-1].out_size
    return chain(steps)


@st.composite
def windows(draw: st.DrawFn, size: Pair, *, tapped: bool) -> Step:
    rows, columns = draw(axes(size[0])), draw(axes(size[1]))
    kernel, stride, dilation, pad, count = zip(rows, columns, strict=True)
    return Step("layer", kernel, stride, dilation, pad, size, count, tapped)


@st.composite
def graphs(draw: st.DrawFn) -> Geometry:
    """Up to eight steps of any kind, each on any earlier ones of one size; what no other looks at is tapped."""
    image: Pair = (draw(st.integers(1, 15)), draw(st.integers(1, 15)))
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 8))):
        sizes = {-1: image, **{place: step.out_size for place, step in enumerate(steps)}}
        first = draw(st.sampled_from([*sizes]))
        alike = [place for place, size in sizes.items() if size == sizes[first]]
        inputs = tuple(draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3)))
        steps.append(replace(draw(any_step(sizes[first])), inputs=inputs))
    looked_at = {place for step in steps for place in step.inputs}
    return tuple(replace(step, tapped=step.tapped or place not in looked_at) for place, step in enumerate(steps))


@st.composite
def any_step(draw: st.DrawFn, size: Pair) -> Step:
    join = Step("join", (1, 1), (1, 1), (1, 1), (0, 0), size, size, tapped=False)
    kind = draw(st.sampled_from(["window", "window", "join", "crop", "frame", "resize"]))
    if kind == "window":
        return draw(windows(size, tapped=draw(st.booleans())))
    if kind == "crop":
        spans = [range(n)[draw(st.integers(0, n - 1)) :: draw(st.integers(1, 3))] for n in size]
        rows, columns = spans
        stride, pad = (rows.step, columns.step), (-rows.start, -columns.start)
        return replace(join, stride=stride, pad=pad, out_size=(len(rows), len(columns)))
    if kind == "frame":
        (top, left), (bottom, right) = (draw(st.tuples(*[st.integers(0, 3)] * 2)) for _ in range(2))
        return replace(join, pad=(top, left), out_size=(size[0] + top + bottom, size[1] + left + right))
    if kind == "resize":
        return replace(join, out_size=draw(st.tuples(*[st.integers(1, 20)] * 2)), resized=True)
    return join


@settings(max_examples=150, deadline=None)
@given(geometries(), st.integers(0, 2**32 - 1))
def test_the_mask_is_what_the_definition_says(geometry: Geometry, seed: int) -> None:
    means = random_means(geometry, seed)
    expected = visualbackprop(geometry, means)
    back = VisualBackProp(geometry)
    mask = back(means)
    assert mask.values.dtype == np.float32
    assert mask.values.shape == geometry[0].in_size
    np.testing.assert_allclose(true_values(mask), expected, rtol=2e-5)
    again = back(means)
    np.testing.assert_allclose(true_values(again), expected, rtol=2e-5, err_msg="the second call")


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 2**32 - 1))
def test_where_ways_part_and_meet_the_mask_is_what_the_definition_says(geometry: Geometry, seed: int) -> None:
    means = random_means(geometry, seed)
    expected = visualbackprop(geometry, means)
    back = VisualBackProp(geometry)
    for _ in range(2):
        np.testing.assert_allclose(true_values(back(means)), expected, rtol=2e-5)
    counts = visualbackprop(geometry, [np.ones_like(mean) for mean in means])
    covered = np.divide(expected, counts, out=np.zeros_like(counts), where=counts > 0)
    np.testing.assert_allclose(true_values(back(means, "coverage")), covered, rtol=2e-5)


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(0, 2**32 - 1), st.integers(-60, 60))
def test_branches_of_unlike_magnitude_are_added_as_they_are(geometry: Geometry, seed: int, power: int) -> None:
    """Also where a product leaves float32 on one way and not on another, or is 0 there."""
    random = np.random.default_rng(seed)
    scales = random.choice([0, 1, 2.0**power], len(random_means(geometry)))
    means = [mean * np.float32(scale) for mean, scale in zip(random_means(geometry, seed), scales, strict=True)]
    expected = visualbackprop(geometry, means)
    mask = VisualBackProp(geometry)(means)
    assert np.isfinite(mask.values).all()
    tiny = expected.max() * 2.0**-100  # what is that far below the brightest place may be lost
    np.testing.assert_allclose(true_values(mask), expected, rtol=2e-5, atol=tiny)


def test_a_residual_block_by_hand() -> None:
    """Two ways: over the 3×3 convolution, and past it."""
    inner = replace(convolution((3, 3), (3, 3)), pad=(1, 1), out_size=(3, 3))
    join = Step("add", (1, 1), (1, 1), (1, 1), (0, 0), (3, 3), (3, 3), tapped=False, inputs=(-1, 0))
    last = replace(convolution((3, 3), (1, 1)), inputs=(1,))
    deepest = np.zeros((3, 3), np.float32)
    deepest[0, 0] = 5
    mask = VisualBackProp((inner, join, last))([np.full((3, 3), 2, np.float32), deepest])
    np.testing.assert_array_equal(mask.values, [[5 + 10, 10, 0], [10, 10, 0], [0, 0, 0]])


@settings(max_examples=60, deadline=None)
@given(graphs(), st.sampled_from([np.nan, np.inf]), st.data())
def test_one_bad_mean_on_any_way_gives_a_zero_mask(geometry: Geometry, bad: float, data: st.DataObject) -> None:
    means = [mean + np.float32(0.5) for mean in random_means(geometry)]
    layer = data.draw(st.integers(0, len(means) - 1))
    without, broken = ([mean.copy() for mean in means] for _ in range(2))
    without[layer][0, 0], broken[layer][0, 0] = 0, bad
    back = VisualBackProp(geometry)
    good = true_values(back(means))
    mask = back(broken)
    assert np.isfinite(mask.values).all()
    if (visualbackprop(geometry, without) != visualbackprop(geometry, means)).any():  # a pixel sees it
        assert not mask.values.any()
    np.testing.assert_array_equal(true_values(back(means)), good, err_msg="it leaves a trace")


@settings(max_examples=60, deadline=None)
@given(geometries(), st.integers(0, 2**32 - 1))
def test_coverage_is_the_mask_over_that_of_ones(geometry: Geometry, seed: int) -> None:
    means = random_means(geometry, seed)
    counts = visualbackprop(geometry, [np.ones_like(mean) for mean in means])
    expected = np.divide(visualbackprop(geometry, means), counts, out=np.zeros_like(counts), where=counts > 0)
    back = VisualBackProp(geometry)
    np.testing.assert_allclose(true_values(back(means, "coverage")), expected, rtol=2e-5)
    ones = back([np.ones_like(mean) for mean in means], "coverage")
    np.testing.assert_array_equal(true_values(ones), counts > 0)


def test_a_sum_of_small_whole_numbers_is_exact() -> None:
    geometry = tutorial(47, 59)[:3]
    random = np.random.default_rng(1)
    means = [random.integers(0, 3, step.out_size).astype(np.float32) for step in geometry]
    np.testing.assert_array_equal(VisualBackProp(geometry)(means).values, visualbackprop(geometry, means))


def test_constant_activations_count_how_often_a_pixel_is_seen() -> None:
    step = convolution((7, 9), (3, 3), (2, 2))
    seen_rows, seen_columns = [1, 1, 2, 1, 2, 1, 1], [1, 1, 2, 1, 2, 1, 2, 1, 1]
    mask = VisualBackProp((step,))([np.full(step.out_size, 0.5, np.float32)])
    np.testing.assert_array_equal(mask.values, 0.5 * np.outer(seen_rows, seen_columns))


@settings(max_examples=30, deadline=None)
@given(down=st.integers(-2, 2), right=st.integers(-2, 2), form=st.sampled_from(["exact", "coverage"]))
def test_a_feature_that_moves_by_the_stride_moves_the_mask(down: int, right: int, form: Any) -> None:
    geometry = tutorial(245, 261)
    means = random_means(geometry)
    deepest = np.zeros_like(means[-1])
    deepest[10:13, 12:15] = means[-1][10:13, 12:15]
    means[-1] = deepest
    moves = [(down * cells, right * cells) for cells in (4, 2, 1, 1, 1)]
    back = VisualBackProp(geometry)
    still = back(means, form).values.copy()
    moved = back([np.roll(mean, move, (0, 1)) for mean, move in zip(means, moves, strict=True)], form).values
    assert still.any()
    np.testing.assert_allclose(moved, np.roll(still, (8 * down, 8 * right), (0, 1)), rtol=1e-5)


def test_zero_activations_give_a_zero_mask() -> None:
    geometry = tutorial(66, 80)
    back = VisualBackProp(geometry)
    for form in ("exact", "coverage"):
        mask = back([np.zeros(step.out_size, np.float32) for step in geometry], form)
        assert not mask.values.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layer", range(5))
@pytest.mark.parametrize("form", ["exact", "coverage"])
def test_activations_that_are_not_finite_give_a_zero_mask_and_leave_no_trace(bad: float, layer: int, form: Any) -> None:
    geometry = tutorial(66, 80)
    back = VisualBackProp(geometry)
    means = random_means(geometry)
    good = back(means, form).values.copy()
    broken = [mean.copy() for mean in means]
    broken[layer][0, 1] = bad
    assert not back(broken, form).values.any()
    np.testing.assert_array_equal(back(means, form).values, good)


def test_activations_that_overflow_while_they_are_averaged_give_a_zero_mask() -> None:
    step = convolution((8, 8), (3, 3))
    back = VisualBackProp((step,))
    activations = np.full((*step.out_size, 4), 3e38, np.float32)
    activations[0, 0] = np.inf, -np.inf, 0, 0
    assert not back(back.means([activations])).values.any()


@pytest.mark.parametrize("size", [1e6, 1e-6, 1e30, 1e-25])
def test_the_magnitude_survives_activations_far_from_one(size: float) -> None:
    steps: list[Step] = []
    for _ in range(8):
        steps.append(convolution(steps[-1].out_size if steps else (25, 27), (3, 3)))
    geometry = chain(steps)
    means = [mean * np.float32(size) for mean in random_means(geometry)]
    back = VisualBackProp(geometry)
    mask = back(means)
    assert np.isfinite(mask.values).all()
    np.testing.assert_allclose(true_values(mask), visualbackprop(geometry, means), rtol=2e-5)
    covered = true_values(back(means, "coverage"))
    counts = visualbackprop(geometry, [np.ones_like(mean) for mean in means])
    np.testing.assert_allclose(covered * counts, visualbackprop(geometry, means), rtol=2e-5)


MEANS: dict[Reads, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "mean": lambda a: a.mean(-1),
    "positive": lambda a: a.clip(0).mean(-1),
    "magnitude": lambda a: np.abs(a).mean(-1),
}


@given(graphs(), st.integers(1, 9), st.data())
@settings(max_examples=60, deadline=None)
def test_channels_count_as_the_step_says(geometry: Geometry, channels: int, data: st.DataObject) -> None:
    ways: list[Reads] = data.draw(st.lists(st.sampled_from([*MEANS]), min_size=len(geometry), max_size=len(geometry)))
    geometry = tuple(replace(step, reads=reads) for step, reads in zip(geometry, ways, strict=True))
    tapped = [step for step in geometry if step.tapped]
    random = np.random.default_rng(3)
    back = VisualBackProp(geometry)
    for _ in range(2):
        activations = [random.random((*step.out_size, channels), np.float32) - 0.5 for step in tapped]
        before = [layer.copy() for layer in activations]
        for mean, layer, step in zip(back.means(activations), before, tapped, strict=True):
            np.testing.assert_allclose(mean, MEANS[step.reads](layer.astype(np.float64)), atol=1e-6)
        np.testing.assert_array_equal(activations[0], before[0], err_msg="they belong to the interpreter")


@given(graphs(), st.sampled_from(["positive", "magnitude"]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_mask_of_negative_activations_is_never_negative(geometry: Geometry, reads: Reads, seed: int) -> None:
    geometry = tuple(replace(step, reads=reads) for step in geometry)
    random = np.random.default_rng(seed)
    back = VisualBackProp(geometry)
    activations = [random.standard_normal((*step.out_size, 3), np.float32) for step in geometry if step.tapped]
    assert back(back.means(activations)).values.min() >= 0
    if reads == "positive":
        denied = [-np.abs(layer) for layer in activations]
        assert not back(back.means(denied)).values.any()


@pytest.mark.parametrize("reads", [*MEANS])
def test_a_nan_among_the_channels_is_no_zero(reads: Reads) -> None:
    step = replace(convolution((9, 9), (3, 3)), reads=reads)
    activations = np.ones((*step.out_size, 4), np.float32)
    activations[2, 2, 1] = np.nan
    back = VisualBackProp((step,))
    assert np.isnan(back.means([activations])[0][2, 2])
    assert not back(back.means([activations])).values.any()


def test_no_activations_are_kept() -> None:
    step = convolution((9, 9), (3, 3))
    back = VisualBackProp((step,))
    activations = np.ones((*step.out_size, 4), np.float32)
    alive = weakref.ref(activations)
    means = back.means([activations])
    del activations
    assert alive() is None
    assert back(means).values.max() == 9


def test_an_interpreter_runs_on_while_its_means_are_held() -> None:
    net = Network(31, 41)
    net.outputs = [net.conv(4, (5, 5), (2, 2), activation="RELU"), net.conv(6, activation="RELU")]
    interpreter = Interpreter(model_content=net.bytes(), num_threads=1)
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]["index"]
    geometry = chain((convolution((31, 41), (5, 5), (2, 2)), convolution((14, 19), (3, 3))))
    back = VisualBackProp(geometry)
    random = np.random.default_rng(4)
    for _ in range(3):
        interpreter.set_tensor(image, random.random((1, 31, 41, 3), np.float32))
        interpreter.invoke()  # raises if a view of the last activations is alive
        means = back.means([interpreter.tensor(output)()[0] for output in net.outputs])
        copies = [interpreter.get_tensor(output)[0].mean(-1) for output in net.outputs]
        np.testing.assert_allclose(back(means).values, visualbackprop(geometry, copies), rtol=2e-5)


def test_every_way_must_end_with_a_convolution() -> None:
    pooling = convolution((8, 8), (2, 2), (2, 2), tapped=False)
    last = convolution((8, 8), (3, 3))
    for geometry in ((), (pooling,), (last, pooling)):
        with pytest.raises(ValueError, match="tapped convolution"):
            VisualBackProp(geometry)


def test_steps_that_do_not_fit_are_refused() -> None:
    first, second = tutorial(66, 80)[:2]
    ahead, beside, twice = (replace(second, inputs=inputs) for inputs in ((2,), (-1,), (-1, 0)))
    for geometry in ((first, beside), (first, twice), (first, ahead, replace(second, inputs=(0,)))):
        with pytest.raises(ValueError, match="does not fit what it looks at"):
            VisualBackProp(geometry)
