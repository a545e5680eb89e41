"""Every method against an oracle, its paper's axioms, and networks whose truth is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import deletion
from edge.geometry import Geometry, Step, leading_to
from edge.mask import VisualBackProp
from edge.methods import CATALOG, Methods
from edge.methods.cams import Spread
from edge.methods.case import blurred
from edge.methods.evidence import Evidence
from edge.pilot import Pilot
from tests.make_tflite import Network, tutorial
from tests.test_mask import geometries, visualbackprop
from tests.test_methods import explain, frame, load, pixel_net, smooth_net

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

GRADIENT = [name for name, method in CATALOG.items() if method.needs_gradients]
SIGNED = [name for name, method in CATALOG.items() if method.signed]
ONE_SIDED = ["gradient-visualbackprop", "integrated-visualbackprop"]


def light_net(weights: Floats, size: int = 5, stride: int = 2) -> Network:
    """Sees brightness only; what each cell of it adds to the steering is given, float32 (h, w)."""
    rows, columns = ((n - 1) * stride + size for n in weights.shape)
    net = Network(rows, columns)
    net.conv(1, (size, size), (stride, stride), activation="RELU", weights=np.full((1, size, size, 3), 0.1, np.float32))
    flat = net.reshape(1, weights.size)
    bias = net.constant(np.zeros(1, np.float32))
    held = net.constant(weights.reshape(1, -1))
    steering = net.operator("FULLY_CONNECTED", [flat, held, bias], (1, 1), schema.FullyConnectedOptionsT())
    net.outputs.append(steering)
    net.names[steering] = "n_outputs0"
    return net


def halves(height: int = 28, width: int = 38) -> Floats:
    """Cells of the left half push to the left, those of the right half to the right."""
    weights = np.full((height, width), 0.01, np.float32)
    weights[:, : width // 2] *= -1
    return weights


def lit(pilot: Pilot, *columns: int, half: int = 4, bright: int = 255) -> Bytes:
    """Dark, with bright squares around these columns."""
    height, width = pilot.input_size
    rgb = np.zeros((height, width, 3), np.uint8)
    for column in columns:
        rgb[height // 2 - half : height // 2 + half, column - half : column + half] = bright
    return rgb


def numeric(pilot: Pilot, image: Floats, target: str, step: float = 1e-2) -> NDArray[np.float64]:
    """The gradient of the target by every value of the image, by running the pilot twice for each."""
    found = np.empty(image.shape)
    for place in np.ndindex(image.shape):
        ends = []
        for sign in (1, -1):
            moved = image.copy()
            moved[place] += sign * step
            ends.append(pilot.value(target, pilot.run(moved)))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize(("name", "form"), [("visualbackprop", "exact"), ("coverage", "coverage")])
def test_visualbackprop_is_that_of_the_mask_module(name: str, form: Any) -> None:
    pilot = load(tutorial())
    values = explain(pilot, frame(), name)
    back = VisualBackProp(pilot.geometry)
    np.testing.assert_array_equal(values, back(back.means(pilot.activations()), form).values)


@pytest.mark.parametrize("target", ["steering", "throttle"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_is_the_largest_numeric_one_of_a_pixel(target: str, channels: int) -> None:
    pilot = load(smooth_net(14, 18, channels))
    rgb = frame(14, 18)
    values = explain(pilot, rgb, "gradient", target)
    expected = np.abs(numeric(pilot, pilot.prepare(rgb), target)).max(-1)
    np.testing.assert_allclose(values, expected, rtol=1e-2, atol=1e-3 * expected.max())


def test_gradient_times_input_is_the_first_order_change_towards_the_blur() -> None:
    pilot = load(smooth_net(14, 18))
    rgb = frame(14, 18)
    values = explain(pilot, rgb, "gradient-input")
    image = pilot.prepare(rgb)
    expected = (numeric(pilot, image, "steering") * (image - blurred(image))).sum(-1)
    np.testing.assert_allclose(values, expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())


def test_hirescam_of_the_last_convolution_before_a_linear_layer_sums_to_the_word() -> None:
    pilot = load(pixel_net())
    words, sums = [], []
    for seed in range(3):
        words.append(pilot.value("steering", pilot.infer(frame(24, 32, seed))))
        sums.append(explain(pilot, frame(24, 32, seed), "hirescam").sum(dtype=np.float64))
    np.testing.assert_allclose(np.diff(words), np.diff(sums), rtol=1e-3)  # the bias drops out


def test_hirescam_and_gradcam_are_what_their_papers_say() -> None:
    pilot = load(pixel_net())
    pilot.infer(frame(24, 32))
    gradient, activation = pilot.gradients().taps[0].copy(), pilot.activations()[0].copy()
    np.testing.assert_allclose(
        explain(pilot, frame(24, 32), "hirescam"), (gradient * activation).sum(-1), rtol=1e-4, atol=1e-6
    )
    expected = (gradient.mean((0, 1)) * activation).sum(-1)
    np.testing.assert_allclose(explain(pilot, frame(24, 32), "gradcam"), expected, rtol=1e-4, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(geometries(), st.data())
def test_cells_are_laid_back_by_the_exact_geometry(geometry: Geometry, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([place for place, step in enumerate(geometry) if step.tapped]))
    looks_at = leading_to(geometry, [place])[0]
    cells = np.random.default_rng(place).standard_normal(geometry[place].out_size).astype(np.float32)
    ones = [np.ones(step.out_size) for step in looks_at[:-1] if step.tapped]
    parts = [visualbackprop(looks_at, [*ones, np.maximum(sign * cells, 0)]) for sign in (1, -1)]
    expected = parts[0] - parts[1]
    np.testing.assert_allclose(Spread(looks_at)(cells), expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())


@settings(max_examples=60, deadline=None)
@given(geometries())
def test_all_that_a_step_looks_at_and_nothing_else_lies_before_it(geometry: Geometry) -> None:
    named = tuple(replace(step, name=str(place)) for place, step in enumerate(geometry))
    for place in range(len(named)):
        kept = leading_to(named, [place])[0]
        assert kept[-1].name == str(place)
        found = {int(step.name) for step in kept}
        for step in kept:
            looks_at = [-1 if i < 0 else int(kept[i].name) for i in step.inputs]
            assert tuple(looks_at) == named[int(step.name)].inputs
        assert found == {place} | {i for step in found for i in named[step].inputs} - {-1}


def test_a_layer_of_the_middle_is_shown_where_it_looks() -> None:
    pilot = load(tutorial())
    rgb = frame()
    pilot.infer(rgb)
    for place, layer in enumerate(Methods(pilot).layers):
        taps = pilot.gradients().taps
        cells = (taps[place] * pilot.activations()[place]).sum(-1)
        expected = Spread(pilot.geometry[: place + 1])(cells)
        np.testing.assert_allclose(
            explain(pilot, rgb, "hirescam", layer=layer), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


def test_integrated_gradients_add_up_to_the_change_from_the_blur() -> None:
    pilot = load(smooth_net())
    for seed in range(5):
        rgb = frame(24, 32, seed)
        values = explain(pilot, rgb, "integrated-gradients")
        image = pilot.prepare(rgb)
        ends = [pilot.value("steering", pilot.run(end)) for end in (image, blurred(image))]
        assert values.sum(dtype=np.float64) == pytest.approx(ends[0] - ends[1], rel=0.05, abs=0.02)


def test_integrated_gradients_of_a_linear_pilot_are_its_weights_times_the_change() -> None:
    net = Network(14, 18)
    net.conv(2, (1, 1), activation="NONE")
    net.dense(1, "n_outputs0")
    pilot = load(net)
    rgb = frame(14, 18)
    np.testing.assert_allclose(
        explain(pilot, rgb, "integrated-gradients"), explain(pilot, rgb, "gradient-input"), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("name", ONE_SIDED)
def test_the_chains_show_one_side_only(name: str) -> None:
    pilot = load(smooth_net())
    for seed in range(5):
        values = explain(pilot, frame(24, 32, seed), name)
        assert values.any()
        assert (values >= 0).all() or (values <= 0).all()


@pytest.mark.parametrize("target", ["steering", "throttle"])
def test_the_slow_chain_shows_the_side_to_which_the_word_went(target: str) -> None:
    pilot = load(tutorial())
    sides = set()
    for seed in range(8):
        rgb = frame(seed=seed)
        values = explain(pilot, rgb, "integrated-visualbackprop", target)
        image = pilot.prepare(rgb)
        blank, word = (pilot.value(target, pilot.run(end)) for end in (blurred(image), image))
        assert np.sign(values.sum()) == np.sign(word - blank)
        sides.add(np.sign(word - blank))
    assert len(sides) == 2 or target == "throttle"


def test_evidence_weighs_pixels_and_chain_alike_and_keeps_the_unit() -> None:
    pixels = np.zeros((4, 4), np.float32)
    pixels[0, 0], pixels[3, 3] = 3, -1
    step = Step("conv", (2, 2), (2, 2), (1, 1), (0, 0), (4, 4), (2, 2), tapped=True)
    cells = np.array([[1, 0], [0.5, -0.2]], np.float32)
    mask = Evidence((step,))(pixels, [cells])
    chain = np.maximum(cells, 0).repeat(2, 0).repeat(2, 1)
    assert mask.signed
    assert mask.values.sum() == pytest.approx(3)
    np.testing.assert_allclose(mask.values, 1.5 * chain / chain.sum() + 0.5 * pixels.clip(0), rtol=1e-5)
    other = Evidence((step,))(pixels, [cells], went=-0.1)
    assert other.values.sum() == pytest.approx(-1)
    assert (other.values <= 0).all()
    turned = Evidence((step,))(-pixels, [-cells])
    np.testing.assert_allclose(turned.values, -mask.values, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in SIGNED if name != "gradcam"])
@pytest.mark.parametrize("side", [-1, 1])
def test_light_on_the_side_that_pushes_there_has_the_sign_of_that_side(name: str, side: int) -> None:
    pilot = load(light_net(halves()))
    height, width = pilot.input_size
    column = width // 2 + side * width // 4
    rgb = lit(pilot, column)
    word = pilot.value("steering", pilot.infer(rgb))
    assert np.sign(word) == side
    values = explain(pilot, rgb, name)
    near = values[height // 2 - 4 : height // 2 + 4, column - 4 : column + 4]
    assert side * near.mean() > 5 * np.abs(values).mean()
    assert (side * near > 0).mean() > 0.9


@pytest.mark.parametrize("name", [name for name in SIGNED if name not in {*ONE_SIDED, "gradcam"}])
def test_two_lights_that_push_apart_have_both_signs(name: str) -> None:
    pilot = load(light_net(halves()))
    height, width = pilot.input_size
    values = explain(pilot, lit(pilot, width // 4, 3 * width // 4), name)
    left, right = (
        values[height // 2 - 4 : height // 2 + 4, column - 4 : column + 4] for column in (width // 4, 3 * width // 4)
    )
    assert left.mean() < 0 < right.mean()


def test_gradcam_mistakes_left_for_right_as_the_catalogue_says() -> None:
    weights = halves()
    weights[:, weights.shape[1] // 2 :] *= 2
    pilot = load(light_net(weights))
    rgb = lit(pilot, pilot.input_size[1] // 4)
    assert pilot.value("steering", pilot.infer(rgb)) < 0
    assert explain(pilot, rgb, "gradcam").sum() > 0
    assert explain(pilot, rgb, "hirescam").sum() < 0
    assert "pushes left in one place and right in another" in CATALOG["gradcam"].says


@pytest.mark.parametrize("name", ONE_SIDED)
def test_of_two_lights_that_push_apart_the_stronger_one_is_shown(name: str) -> None:
    pilot = load(light_net(halves()))
    height, width = pilot.input_size
    columns = (width // 4, 3 * width // 4)
    rgb = lit(pilot, columns[0])
    rgb |= lit(pilot, columns[1], bright=90)
    values = explain(pilot, rgb, name)
    left, right = (values[height // 2 - 4 : height // 2 + 4, column - 4 : column + 4] for column in columns)
    assert left.mean() < 0
    assert np.abs(right).mean() < 0.05 * np.abs(left).mean()


@pytest.mark.parametrize("name", GRADIENT)
def test_what_the_pilot_does_not_use_is_not_shown(name: str) -> None:
    """Only the cells of a small region count; VisualBackProp cannot know, the others must."""
    weights = np.zeros((28, 38), np.float32)
    weights[10:18, 24:32] = 0.01
    pilot = load(light_net(weights))
    rgb = frame(*pilot.input_size)
    values = np.abs(explain(pilot, rgb, name))
    used = np.zeros(pilot.input_size, bool)
    used[2 * 10 - 3 : 2 * 17 + 8, 2 * 24 - 3 : 2 * 31 + 8] = True  # the cells' inputs and the smoothing
    if name == "gradcam":
        assert values[used].mean() > 0
    else:
        assert not values[~used].any()
    visual = explain(pilot, rgb, "visualbackprop")
    assert visual[~used].mean() > 0.5 * visual[used].mean()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 1), (66, 200, 3), (24, 32, 4), (24, 32, 9), (25, 31, 15)])
def test_the_blur_is_nearly_that_of_the_deletion_measure(shape: tuple[int, int, int]) -> None:
    noise = frame(72, 208).repeat(5, 2)[: shape[0], : shape[1], : shape[2]]
    image = np.divide(noise, 255, dtype=np.float32)
    soft = blurred(image)
    assert soft.shape == shape
    assert soft.dtype == np.float32
    for first in range(0, shape[2], 3):
        part = slice(first, first + 3)
        assert (
            shape[1] < 24
            or np.abs(soft[..., part] - deletion.blurred(np.ascontiguousarray(image[..., part]))).mean() < 0.05
        )


def test_categorical_pilots_are_explained_by_angle_and_by_bin() -> None:
    net = Network(24, 32)
    net.conv(4, activation="RELU")
    for count, name in ((15, "angle_out"), (20, "throttle_out")):
        net.at, held = net.dense(count, name, output=False), net.at
        net.apply("SOFTMAX", options=_softmax())
        net.outputs.append(net.at)
        net.names[net.at] = name
        net.at = held
    pilot = load(net)
    maps = [explain(pilot, frame(24, 32), "integrated-gradients", target) for target in pilot.targets]
    assert set(pilot.targets) == {"steering", "throttle", "steering-bin", "throttle-bin"}
    for i, first in enumerate(maps):
        assert first.any()
        assert all(not np.array_equal(first, second) for second in maps[:i])


def _softmax() -> Any:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options
