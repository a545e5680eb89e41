"""What every method keeps to: the catalogue tells the truth, the pilot stays as it was, and nothing breaks a map."""

from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

import wire
from edge.card import Card, ImageCard
from edge.methods import CATALOG, MethodError, Methods
from edge.methods.case import blurred
from edge.methods.edges import edges
from edge.pilot import Pilot
from tests.make_tflite import Network, mixed, tutorial

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

GRADIENT = [name for name, method in CATALOG.items() if method.needs_gradients]
SIGNED = [name for name, method in CATALOG.items() if method.signed]
ONE_SIDED = ["gradient-visualbackprop", "integrated-visualbackprop"]


def load(net: Network, card: Card | None = None) -> Pilot:
    """The network as a pilot."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pilot.tflite"
        path.write_bytes(net.bytes())
        return Pilot.load(path, card=card)


def frame(height: int = 120, width: int = 160, seed: int = 0) -> Bytes:
    """Noise that is coarse enough to be seen by blurs and strides."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)[:height, :width].copy()


def explain(pilot: Pilot, rgb: Bytes, method: str, target: str = "steering", layer: str = "") -> Floats:
    pilot.infer(rgb)
    mask = Methods(pilot)(method, target, layer)
    return np.ldexp(mask.values, mask.exponent)


def test_the_catalogue_has_what_the_wire_knows() -> None:
    assert tuple(CATALOG) == wire.METHODS
    assert all(name == method.name for name, method in CATALOG.items())


@pytest.mark.parametrize("name", CATALOG)
def test_a_method_says_what_it_is_worth_in_one_sentence(name: str) -> None:
    method = CATALOG[name]
    assert method.says.endswith(".")
    assert ". " not in method.says
    assert 60 < len(method.says) < 300
    assert method.title
    assert method.source
    assert "  " not in method.says


@pytest.mark.parametrize("name", CATALOG)
def test_what_the_catalogue_says_of_a_method_is_so(name: str) -> None:
    pilot, method = load(tutorial()), CATALOG[name]
    values = {target: explain(pilot, frame(), name, target) for target in ("steering", "throttle")}
    pilot.infer(frame())
    mask = Methods(pilot)(name)
    assert mask.signed is method.signed
    assert mask.values.shape == pilot.input_size
    assert mask.values.dtype == np.float32
    assert mask.values.any()
    assert method.signed or (mask.values >= 0).all()
    assert np.array_equal(values["steering"], values["throttle"]) is not method.needs_gradients
    layers = [explain(pilot, frame(), name, layer=layer) for layer in Methods(pilot).layers]
    assert np.array_equal(layers[0], layers[-1]) is not method.takes_layer


@pytest.mark.parametrize("name", CATALOG)
def test_only_slow_methods_run_the_pilot_often(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient costs no more than two invokes, so one run with a gradient fits into 4 and four fit into 16."""
    pilot = load(tutorial())
    runs: list[int] = []
    invoke, gradients = pilot._interpreter.invoke, pilot.gradients

    def counted(target: str) -> Any:
        runs.append(2)
        return gradients(target)

    monkeypatch.setattr(pilot, "gradients", counted)

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(interpreter, name)

        def invoke(self) -> None:
            runs.append(1)
            invoke()

    interpreter = pilot._interpreter
    monkeypatch.setattr(pilot, "_interpreter", Counted())
    explain(pilot, frame(), name)
    assert sum(runs) <= (16 if CATALOG[name].slow else 4)
    assert CATALOG[name].slow == (sum(runs) > 4) or name == "itti"  # whose filters take that long


@pytest.mark.parametrize("name", CATALOG)
def test_a_method_leaves_the_pilot_ready_for_the_next_frame(name: str) -> None:
    pilot, methods = load(tutorial()), Methods
    rgb, other = frame(), frame(seed=1)
    expected = pilot.infer(other)
    ways = methods(pilot)
    pilot.infer(rgb)
    first = ways(name).values.copy()
    np.testing.assert_equal(pilot.infer(other), expected)
    ways(name)
    pilot.infer(rgb)
    np.testing.assert_array_equal(ways(name).values, first)


@pytest.mark.parametrize(
    "name", [name for name in CATALOG if name not in {"visualbackprop", "coverage", "gradient", "gradcam", "hirescam"}]
)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (17, 130, 201)])
def test_a_plain_frame_has_an_empty_map(name: str, colour: Any) -> None:
    pilot = load(tutorial())
    assert not explain(pilot, np.full((120, 160, 3), colour, np.uint8), name).any()


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("scale", [1e12, 1e30])
def test_a_pilot_that_blows_up_has_a_finite_map(name: str, scale: float) -> None:
    net = Network(40, 48)
    for _ in range(3):
        net.conv(4, (3, 3), weights=np.full((4, 3, 3, net.shape()[3]), scale, np.float32), activation="RELU")
    net.dense(1, "n_outputs0")
    mask_values = explain(load(net), frame(40, 48), name)
    assert np.isfinite(mask_values).all() or name in {"visualbackprop", "coverage"}  # these tell an exponent along


@pytest.mark.parametrize("name", CATALOG)
def test_a_dead_pilot_has_an_empty_map(name: str) -> None:
    net = Network(40, 48)
    net.conv(4, (3, 3), weights=np.full((4, 3, 3, 3), -1, np.float32), activation="RELU")
    net.conv(4, (3, 3), weights=np.zeros((4, 3, 3, 4), np.float32), activation="RELU")
    net.dense(1, "n_outputs0")
    values = explain(load(net), frame(40, 48), name)
    assert np.isfinite(values).all()
    assert not CATALOG[name].needs_gradients or CATALOG[name].takes_layer or not values.any()


def test_refusals_are_sentences() -> None:
    pilot = load(pixel_net())
    methods = Methods(pilot)
    assert methods.refusal("gradient") == ""
    assert methods.refusal("visualbackprop", "throttle") == ""
    assert methods.refusal("gradcam", layer=methods.layers[0]) == ""
    assert methods.refusal("edges", layer="nowhere") == ""
    for refused, word in (
        (("magic",), "magic"),
        (("gradient", "throttle"), "throttle"),
        (("gradient", "steering-bin"), "steering-bin"),
        (("hirescam", "steering", "conv99"), "conv99"),
    ):
        assert word in methods.refusal(*refused)
        pilot.infer(frame(24, 32))
        with pytest.raises(MethodError, match=word):
            methods(*refused)


def test_without_gradients_the_others_still_work() -> None:
    net = Network(24, 32)
    net.conv(4, activation="RELU")
    net.operator("L2_NORMALIZATION", [net.at], net.shape(), schema.L2NormOptionsT())
    net.dense(1, "n_outputs0")
    pilot = load(net)
    assert "L2_NORMALIZATION" in pilot.no_gradients
    methods = Methods(pilot)
    for name, method in CATALOG.items():
        pilot.infer(frame(24, 32))
        if method.needs_gradients:
            assert methods.refusal(name) == pilot.no_gradients
            with pytest.raises(MethodError, match="L2_NORMALIZATION"):
                methods(name)
        else:
            assert methods(name).values.any()


def test_layers_that_cannot_be_named_are_numbered() -> None:
    net = Network(24, 32)
    for name in ("same", "x" * 200, "same", "good"):
        net.conv(3, activation="RELU", name=name)
    net.dense(1, "n_outputs0")
    methods = Methods(load(net))
    assert methods.layers == ("convolution 1", "convolution 2", "convolution 3", "good")
    assert len(set(methods.layers)) == 4


def smooth_net(height: int = 24, width: int = 32, channels: int = 3) -> Network:
    """Differentiable everywhere, so that numeric gradients are exact."""
    net = Network(height, width, channels)
    net.conv(4, (5, 5), (2, 2), activation="NONE")
    net.apply("TANH")
    net.conv(6, (3, 3), activation="NONE")
    net.apply("TANH")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    return net


def pixel_net(height: int = 24, width: int = 32) -> Network:
    """Cells are pixels, and one linear layer follows."""
    net = Network(height, width)
    net.conv(5, (1, 1), activation="RELU")
    net.dense(1, "n_outputs0")
    return net


def residual() -> Network:
    net = Network(40, 48)
    start = net.conv(6, (5, 5), (2, 2), activation="RELU")
    net.join("ADD", start, net.conv(6, same=True, activation="RELU"))
    net.conv(4, activation="RELU")
    net.dense(1, "n_outputs0")
    return net


def concatenated() -> Network:
    net = Network(40, 48)
    start = net.conv(6, (5, 5), (2, 2), activation="RELU")
    net.join("CONCATENATION", start, net.conv(6, same=True, activation="RELU"))
    net.dense(1, "n_outputs0")
    return net


def integers(dtype: Any) -> Network:
    net = Network(40, 48, dtype=dtype)
    net.conv(6, (5, 5), (2, 2), activation="RELU")
    net.conv(6, activation="RELU")
    net.dense(1, "n_outputs0")
    return net


@pytest.mark.parametrize("net", [mixed(), residual(), concatenated(), integers(np.int8), integers(np.uint8)])
@pytest.mark.parametrize("name", CATALOG)
def test_every_kind_of_pilot_has_every_map(name: str, net: Network) -> None:
    pilot = load(net)
    values = explain(pilot, frame(40, 48), name)
    assert values.shape == pilot.input_size
    assert np.isfinite(values).all()
    assert values.any()


@pytest.mark.parametrize("card", [ImageCard(frames=3), ImageCard(frames=3, order="newest-first")])
def test_stacked_frames_are_explained_together_and_baselines_see_the_newest(card: ImageCard) -> None:
    net = Network(40, 48, 9)
    net.conv(6, (5, 5), (2, 2), activation="RELU")
    net.dense(1, "n_outputs0")
    pilot = load(net, Card(image=card))
    for name in CATALOG:
        for seed in range(3):
            pilot.infer(frame(40, 48, seed))
        values = Methods(pilot)(name).values
        assert values.any()
        if name == "edges":
            np.testing.assert_allclose(
                values, edges(np.divide(frame(40, 48, 2), 255, dtype=np.float32)), rtol=1e-4, atol=1e-5
            )


def test_baselines_see_colours_as_they_are_whatever_the_pilot_is_fed() -> None:
    rgb = frame(24, 32)
    expected = [explain(load(smooth_net()), rgb, name) for name in ("itti", "edges")]
    card = Card(image=ImageCard(colour="bgr", range=(-1, 1)))
    for name, values in zip(("itti", "edges"), expected, strict=True):
        np.testing.assert_allclose(explain(load(smooth_net(), card), rgb, name), values, rtol=1e-3, atol=1e-4)


def test_further_inputs_are_fed_on_the_way_too() -> None:
    net = Network(24, 32)
    net.conv(4, (5, 5), (2, 2), activation="NONE")
    net.apply("TANH")
    size = prod(net.shape())
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    imu = net.input((1, 6), "imu_in")
    net.operator("CONCATENATION", [net.reshape(1, size), imu], (1, size + 6), options)
    net.dense(8, output=False)
    net.apply("TANH")
    net.dense(1, "n_outputs0")
    pilot = load(net)
    rgb, extras = frame(24, 32), {"imu_in": np.full(6, 8, np.float32)}
    word = pilot.value("steering", pilot.infer(rgb, extras))
    values = Methods(pilot)("integrated-gradients").values
    blank = pilot.value("steering", pilot.run(blurred(pilot.prepare(rgb)), extras))
    assert values.sum(dtype=np.float64) == pytest.approx(word - blank, rel=0.05, abs=1e-3)
