"""Targets and their gradients, against what changes when the pilot runs again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edge.card import Card, ImageCard, OutputCard
from edge.controls import Control
from edge.pilot import Pilot, PilotError
from edge.targets import Target
from tests.make_tflite import Network, mixed, tutorial

SHARED = Path(__file__).parents[2] / "shared"
PILOTS = SHARED / "data" / "pilots"
needs_pilots = pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")

Floats = NDArray[np.float32]


def load(folder: Path, net: Network, card: Card | None = None) -> Pilot:
    (folder / "pilot.tflite").write_bytes(net.bytes())
    return Pilot.load(folder / "pilot.tflite", card=card or Card())


def frame(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def categorical(*, softmax: bool) -> Network:
    net = Network(24, 32)
    net.conv(4, (5, 5), (2, 2))
    net.apply("TANH")
    net.conv(4)
    net.apply("TANH")
    for name, bins in (("angle_out", 15), ("throttle_out", 20)):
        before = net.at
        net.dense(bins, name, output=False)
        if softmax:
            options = schema.SoftmaxOptionsT()
            options.beta = 1.0
            net.operator("SOFTMAX", [net.at], (1, bins), options)
        net.outputs.append(net.at)
        net.at = before
    return net


def check_numerically(pilot: Pilot, rgb: NDArray[np.uint8], tolerance: float, share: float = 2e-3) -> None:
    """Every target's gradient along random directions, and how much the image's gradient says of the change."""
    outputs = pilot.infer(rgb)
    prepared = pilot.prepare(rgb)
    random = np.random.default_rng(1)
    for target in pilot.targets:
        pilot.run(prepared)
        image = pilot.gradients(target).image.copy()
        assert image.shape == prepared.shape
        size = float(np.ptp(prepared)) * share
        for _ in range(3):
            step = random.standard_normal(prepared.shape).astype(np.float32)
            step = (step + 30 * image / max(abs(image).max(), 1e-30)).astype(np.float32)
            step *= size / abs(step).max()
            up, down = (pilot.value(target, pilot.run(prepared + sign * step)) for sign in (1, -1))
            expected = (up - down) / 2
            assert float((image * step).sum()) == pytest.approx(expected, rel=tolerance, abs=1e-7), target
        assert pilot.value(target, outputs) == pytest.approx(pilot.value(target, pilot.run(prepared)), rel=1e-5)


@pytest.mark.parametrize("softmax", [True, False])
def test_targets_of_a_categorical_pilot(tmp_path: Path, softmax: bool) -> None:
    pilot = load(tmp_path, categorical(softmax=softmax))
    assert set(pilot.targets) == {"steering", "throttle", "steering-bin", "throttle-bin"}
    rgb = frame(24, 32)
    outputs = pilot.infer(rgb)
    scores = outputs["angle_out"].astype(np.float64)
    shares = scores if softmax else np.exp(scores) / np.exp(scores).sum()
    assert pilot.value("steering", outputs) == pytest.approx(shares @ np.linspace(-1, 1, 15), abs=1e-5)
    assert pilot.value("steering-bin", outputs) == pytest.approx(np.log(shares.max()), abs=1e-5)
    check_numerically(pilot, rgb, 0.02)


def test_targets_of_a_linear_pilot(tmp_path: Path) -> None:
    pilot = load(tmp_path, tutorial(64, 80))
    assert set(pilot.targets) == {"steering", "throttle"}
    check_numerically(pilot, frame(64, 80), 0.1)


def test_a_pilot_that_only_steers_has_no_throttle_to_explain(tmp_path: Path) -> None:
    pilot = load(tmp_path, tutorial(64, 80), Card(outputs=OutputCard(throttle="none")))
    assert set(pilot.targets) == {"steering"}


@needs_pilots
@pytest.mark.parametrize("name", ["warehouse/linear", "warehouse/categorical", "grey/memory"])
def test_targets_of_real_pilots(name: str) -> None:
    check_numerically(Pilot.load(PILOTS / f"{name}.tflite"), frame(120, 160), 0.15, 5e-4)


@pytest.mark.parametrize("levels", [(0, 1), (0, 255), (-1, 1)])
def test_gradients_are_by_what_was_prepared_whatever_its_range(tmp_path: Path, levels: tuple[float, float]) -> None:
    card = Card(image=ImageCard(range=levels, colour="bgr", crop=(0.3, 0, 0, 0)))
    net = Network(24, 32)
    net.apply("MUL", np.array(1 / (levels[1] - levels[0]), np.float32), options=schema.MulOptionsT())
    net.conv(4, (5, 5), (2, 2))
    net.apply("TANH")
    net.dense(2)
    check_numerically(load(tmp_path, net, card), frame(40, 40), 0.02)


def test_gradients_by_activations_tell_what_the_head_does(tmp_path: Path) -> None:
    """The head behind the last convolution is linear: activations · their gradient + bias is the steering."""
    net = Network(24, 32)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.conv(3, activation="RELU")
    net.dense(1, "n_outputs0")
    pilot = load(tmp_path, net)
    said, products = [], []
    for seed in range(3):
        outputs = pilot.infer(frame(24, 32, seed))
        last = pilot.activations()[-1].copy()
        taps = pilot.gradients().taps
        assert [tap.shape for tap in taps] == [tuple(a.shape) for a in pilot.activations()]
        said.append(float(outputs["n_outputs0"][0]))
        products.append(float((taps[-1] * last).sum()))
    np.testing.assert_allclose(np.diff(said), np.diff(products), rtol=1e-3, atol=1e-5)


def test_the_bin_explained_is_the_one_chosen_on_the_frame(tmp_path: Path) -> None:
    """Not the one that a hidden part makes it choose: then hiding would never cost it anything."""
    pilot = load(tmp_path, categorical(softmax=True))
    rgb = frame(24, 32)
    chosen = int(pilot.infer(rgb)["angle_out"].argmax())
    for seed in range(40):
        outputs = pilot.run(np.random.default_rng(seed).standard_normal((24, 32, 3)).astype(np.float32) * 8)
        assert pilot.value("steering-bin", outputs) == pytest.approx(np.log(outputs["angle_out"][chosen]), rel=1e-4)
        if outputs["angle_out"].argmax() != chosen:
            return
    pytest.fail("no image made it choose another bin")


def test_gradients_of_stacked_frames_and_of_a_sequence(tmp_path: Path) -> None:
    stacked = Network(12, 10, 6)
    stacked.conv(4, (3, 3), (2, 2))
    stacked.apply("TANH")
    stacked.dense(2)
    sequence = Network(12, 10, frames=2)
    sequence.reshape(2, 12, 10, 3)
    sequence.conv(4, (3, 3), (2, 2))
    sequence.apply("TANH")
    sequence.dense(2)
    for net in (stacked, sequence):
        pilot = load(tmp_path, net)
        pilot.infer(frame(12, 10, 1))
        check_numerically(pilot, frame(12, 10, 2), 0.02)


def test_a_pilot_without_a_way_back_says_why_and_still_runs(tmp_path: Path) -> None:
    net = Network(12, 12)
    net.conv(4, activation="RELU")
    net.dense(8, output=False)
    options = schema.TopKV2OptionsT()
    at = net.operator("TOPK_V2", [net.at, net.constant(np.array(2, np.int32))], (1, 2), options)
    net.operators[-1].outputs.append(net.tensor((1, 2), name="places", dtype=np.int32))
    net.outputs = [at]
    pilot = load(tmp_path, net)
    assert "TOPK_V2" in pilot.no_gradients
    assert pilot.infer(frame(12, 12))
    with pytest.raises(PilotError, match="TOPK_V2"):
        pilot.gradients()


def test_outputs_with_a_way_back_are_bit_identical_to_those_without(tmp_path: Path) -> None:
    """What the way back needs is exposed; that changes nothing."""
    from edge import tflite
    from tests.test_pilot import prepared, run

    for net in (tutorial(64, 80), mixed()):
        pilot = load(tmp_path, net)
        assert pilot.no_gradients == ""
        rgb = frame(*pilot.input_size)
        plain = run(net.bytes(), prepared(rgb, pilot.channels))
        for ours, theirs in zip(pilot.infer(rgb).values(), plain, strict=True):
            np.testing.assert_array_equal(ours, theirs.ravel())
        assert len(tflite.read(net.bytes()).outputs) == 2


# --- the mathematics alone


LOW = Control("out", None, low=-1.0, step=2 / 4)


@settings(deadline=None)
@given(
    arrays.arrays(np.float32, 5, elements=st.floats(0.015625, 1, width=32)),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)
def test_the_seed_is_the_derivative_of_the_value(values: Floats, place: int, chosen: bool, logits: bool) -> None:
    target = Target(LOW, bin=chosen, logits=logits)
    seed = target.seed({"out": values}, place)
    step = 1e-5
    for axis in range(5):
        around = [
            target.value({"out": values.astype(np.float64) + sign * step * np.eye(5)[axis]}, place) for sign in (1, -1)
        ]
        assert seed[axis] == pytest.approx((around[0] - around[1]) / (2 * step), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("logits", [True, False])
@pytest.mark.parametrize(
    "values",
    [[np.nan] * 5, [np.inf] * 5, [0.0] * 5, [-np.inf] * 5, [1e38] * 5, [np.nan, 1, 0, 0, 0], [1e30, 0, 0, 0, -1e30]],
)
@pytest.mark.parametrize("chosen", [True, False])
def test_nonsense_from_the_network_gives_finite_numbers(values: list[Any], chosen: bool, logits: bool) -> None:
    target = Target(LOW, bin=chosen, logits=logits)
    outputs = {"out": np.array(values, np.float32)}
    assert np.isfinite(target.value(outputs, 2))
    assert np.isfinite(target.seed(outputs, 2)).all()
