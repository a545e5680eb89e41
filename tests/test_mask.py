"""The mask against loops written from the definition, on random geometries; and what must not break it."""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Geometry, Step
from edge.mask import RawMask, VisualBackProp
from tests.make_tflite import Network

Pair = tuple[int, int]
Floats = NDArray[np.float32]


def visualbackprop(geometry: Geometry, means: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The definition, cell by cell: each hands its value to every input it saw."""
    left = [mean.astype(np.float64) for mean in means]
    up = np.ones(geometry[-1].out_size)
    for step in reversed(geometry):
        cells = up * left.pop() if step.tapped else up
        up = np.zeros(step.in_size)
        for row, column in np.ndindex(step.out_size):
            for t, u in np.ndindex(step.kernel):
                y = step.stride[0] * row - step.pad[0] + step.dilation[0] * t
                x = step.stride[1] * column - step.pad[1] + step.dilation[1] * u
                if 0 <= y < step.in_size[0] and 0 <= x < step.in_size[1]:
                    up[y, x] += cells[row, column]
    return up.clip(0)


def convolution(in_size: Pair, kernel: Pair, stride: Pair = (1, 1), *, tapped: bool = True) -> Step:
    """A step without padding."""
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(in_size, kernel, stride, strict=True))
    return Step("conv", kernel, stride, (1, 1), (0, 0), in_size, (rows, columns), tapped)


def tutorial(height: int, width: int) -> Geometry:
    steps, size = [], (height, width)
    for kernel, stride in ((5, 2), (5, 2), (5, 2), (3, 1), (3, 1)):
        steps.append(convolution(size, (kernel, kernel), (stride, stride)))
        size = steps[-1].out_size
    return tuple(steps)


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
        rows, columns = draw(axes(size[0])), draw(axes(size[1]))
        kernel, stride, dilation, pad, count = zip(rows, columns, strict=True)
        steps.append(Step("layer", kernel, stride, dilation, pad, size, count, tapped))
        size = count
    return tuple(steps)


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
    geometry = tuple(steps)
    means = [mean * np.float32(size) for mean in random_means(geometry)]
    back = VisualBackProp(geometry)
    mask = back(means)
    assert np.isfinite(mask.values).all()
    np.testing.assert_allclose(true_values(mask), visualbackprop(geometry, means), rtol=2e-5)
    covered = true_values(back(means, "coverage"))
    counts = visualbackprop(geometry, [np.ones_like(mean) for mean in means])
    np.testing.assert_allclose(covered * counts, visualbackprop(geometry, means), rtol=2e-5)


def test_negative_means_keep_their_sign_in_the_product() -> None:
    geometry = tutorial(66, 80)[:2]
    first, second = random_means(geometry)
    back = VisualBackProp(geometry)
    product = back([first, second]).values.copy()
    np.testing.assert_array_equal(back([-first, -second]).values, product)
    assert not back([-first, second]).values.any()


@given(geometries(), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_means_are_over_channels(geometry: Geometry, channels: int) -> None:
    random = np.random.default_rng(3)
    activations = [random.random((*step.out_size, channels), np.float32) - 0.5 for step in geometry if step.tapped]
    means = VisualBackProp(geometry).means(activations)
    for mean, layer in zip(means, activations, strict=True):
        np.testing.assert_allclose(mean, layer.astype(np.float64).mean(-1), atol=1e-6)


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
    geometry = (convolution((31, 41), (5, 5), (2, 2)), convolution((14, 19), (3, 3)))
    back = VisualBackProp(geometry)
    random = np.random.default_rng(4)
    for _ in range(3):
        interpreter.set_tensor(image, random.random((1, 31, 41, 3), np.float32))
        interpreter.invoke()  # raises if a view of the last activations is alive
        means = back.means([interpreter.tensor(output)()[0] for output in net.outputs])
        copies = [interpreter.get_tensor(output)[0].mean(-1) for output in net.outputs]
        np.testing.assert_allclose(back(means).values, visualbackprop(geometry, copies), rtol=2e-5)


def test_a_path_must_end_with_a_convolution() -> None:
    pooling = convolution((8, 8), (2, 2), (2, 2), tapped=False)
    for geometry in ((), (pooling,)):
        with pytest.raises(ValueError, match="tapped convolution"):
            VisualBackProp(geometry)
