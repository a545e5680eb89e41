"""The backward pass of whole networks: what is computed, what is refused, and real pilots against float64 by hand."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge import tflite
from edge.backward import Backward, BackwardError
from edge.tflite import Model, Operator, PilotError
from tests.gradients import Run
from tests.make_tflite import Network, mixed, tutorial

ROOT = Path(__file__).parents[1]
PILOTS = ROOT.parent / "shared" / "data" / "pilots"
NAMES = ["pilot", "warehouse/linear", "warehouse/memory", "grey/linear", "grey/final_1", "grey/inferred"]

Doubles = NDArray[np.float64]


def pilot(name: str) -> bytes:
    path = ROOT / "models" / "pilot.tflite" if name == "pilot" else PILOTS / f"{name}.tflite"
    if not path.exists():
        pytest.skip("needs ../shared/data/pilots")
    return path.read_bytes()


def picture(run: Run, seed: int = 3) -> NDArray[np.float32]:
    """Smooth shapes and some noise, 0..1."""
    shape = run.model.tensors[run.model.inputs[0]].shape
    random = np.random.default_rng(seed)
    waves = np.sin(np.add.outer(np.linspace(0, 9, shape[1]), np.linspace(0, 5 + seed, shape[2])))[..., np.newaxis]
    return np.clip(0.5 + 0.4 * waves + 0.1 * random.standard_normal(shape), 0, 1).astype(np.float32)


def activations(model: Model) -> list[int]:
    kinds = {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "ELU", "RELU"}
    return [operator.outputs[0] for operator in model.operators if operator.name in kinds]


class ByHand:
    """A stack of VALID convolutions and dense layers with ReLU in float64, forward and backward."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.values: dict[int, Doubles] = {}

    def forward(self, inputs: dict[int, Doubles]) -> None:
        self.values = dict(inputs)
        for operator in self.model.operators:
            self.values[operator.outputs[0]] = self._result(operator)

    def backward(self, seeds: dict[int, Doubles]) -> dict[int, Doubles]:
        found = dict(seeds)
        for operator in reversed(self.model.operators):
            if operator.outputs[0] in found:
                for index, part in self._parts(operator, found[operator.outputs[0]]).items():
                    found[index] = found[index] + part if index in found else part
        return found

    def _weights(self, operator: Operator) -> tuple[Doubles, Doubles]:
        constants = [self.model.constant(index) for index in operator.inputs[1:]]
        weights, bias = (np.asarray(constant, np.float64) for constant in constants)
        return weights, bias

    def _fused(self, operator: Operator) -> int:
        return operator.setting({"CONV_2D": 3, "FULLY_CONNECTED": 0}[operator.name], "<b")

    def _result(self, operator: Operator) -> Doubles:
        x = self.values[operator.inputs[0]]
        shape = self.model.tensors[operator.outputs[0]].shape
        if operator.name == "RESHAPE":
            return x.reshape(shape)
        if operator.name == "STRIDED_SLICE":
            return x[self._crop(operator)]
        if operator.name == "CONCATENATION":
            return np.concatenate([self.values[index] for index in operator.inputs], axis=-1)
        if operator.name in {"TANH", "LOGISTIC"}:
            return np.tanh(x) if operator.name == "TANH" else 1 / (1 + np.exp(-x))
        weights, bias = self._weights(operator)
        if operator.name == "FULLY_CONNECTED":
            y = x.reshape(1, -1) @ weights.T + bias
        else:
            y = np.zeros(shape) + bias
            for tap in np.ndindex(weights.shape[1:3]):
                y += self._seen(operator, x, tap) @ weights[:, tap[0], tap[1]].T
        return np.maximum(y, 0) if self._fused(operator) else y

    def _crop(self, operator: Operator) -> tuple[slice, ...]:
        """Of a slice that skips nothing: from where it begins on, as many as come out."""
        begin = self.model.constant(operator.inputs[1])
        assert begin is not None
        shape = self.model.tensors[operator.outputs[0]].shape
        return tuple(slice(int(first), int(first) + count) for first, count in zip(begin, shape, strict=True))

    def _seen(self, operator: Operator, x: Doubles, tap: tuple[int, ...]) -> Doubles:
        """What a tap sees: a view."""
        _, rows, columns, _ = self.model.tensors[operator.outputs[0]].shape
        across, down = operator.setting(1), operator.setting(2)
        return x[:, tap[0] :: down, tap[1] :: across][:, :rows, :columns]

    def _parts(self, operator: Operator, g: Doubles) -> dict[int, Doubles]:
        first = operator.inputs[0]
        x, y = self.values[first], self.values[operator.outputs[0]]
        if operator.name == "RESHAPE":
            return {first: g.reshape(x.shape)}
        if operator.name == "STRIDED_SLICE":
            part = np.zeros_like(x)
            part[self._crop(operator)] = g
            return {first: part}
        if operator.name == "CONCATENATION":
            size = x.shape[-1]
            return {first: g[..., :size], operator.inputs[1]: g[..., size:]}
        if operator.name in {"TANH", "LOGISTIC"}:
            return {first: g * (1 - y * y if operator.name == "TANH" else y * (1 - y))}
        weights, _ = self._weights(operator)
        g = g * (y > 0) if self._fused(operator) else g
        if operator.name == "FULLY_CONNECTED":
            return {first: (g @ weights).reshape(x.shape)}
        part = np.zeros_like(x)
        for tap in np.ndindex(weights.shape[1:3]):
            self._seen(operator, part, tap)[...] += g @ weights[:, tap[0], tap[1]]
        return {first: part}


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_a_pilot_are_those_of_float64(name: str) -> None:
    data = pilot(name)
    model = tflite.read(data)
    taps = activations(model)
    run = Run(data, [*model.inputs, *taps])
    image = picture(run)
    inputs = {model.inputs[0]: image.astype(np.float64)}
    for index in model.inputs[1:]:
        extra = np.linspace(-1, 1, 6, dtype=np.float32)[np.newaxis]
        run.interpreter.set_tensor(index, extra)
        inputs[index] = extra.astype(np.float64)
    by_hand = ByHand(model)
    by_hand.forward(inputs)
    for output in model.outputs:
        seed = np.ones(model.tensors[output].shape, np.float32)
        expected = by_hand.backward({output: seed.astype(np.float64)})
        for index, gradient in zip(run.targets, run.gradients(image, {output: seed}), strict=True):
            most = np.abs(expected[index]).max()
            assert most > 0
            np.testing.assert_allclose(gradient, expected[index], rtol=0, atol=1e-4 * most)


@pytest.mark.parametrize("name", ["warehouse/categorical", "grey/categorical", "grey/memory", "pilot"])
def test_gradients_of_a_pilot_are_those_of_differences(name: str) -> None:
    data = pilot(name)
    model = tflite.read(data)
    sources = [operator.inputs[0] for operator in model.operators if operator.name == "SOFTMAX"] or model.outputs
    run = Run(data, model.inputs[:1], sources)
    image, seeds = picture(run), run.seeds()
    (gradient,) = run.gradients(image, seeds)
    ways = np.random.default_rng(0).standard_normal((8, *image.shape)).astype(np.float32)
    for way in [gradient, *ways]:
        step = 0.0003 / np.abs(way).max() * way
        ends = [run.forward(image + sign * step) for sign in (1, -1)]
        change = sum(float(np.vdot(seeds[i].astype(np.float64), ends[0][i] - ends[1][i])) / 2 for i in seeds)
        expected = float(np.vdot(gradient.astype(np.float64), step))
        scale = float(np.linalg.norm(gradient) * np.linalg.norm(step))
        assert abs(change - expected) < 0.02 * scale
        assert way is not gradient or abs(change) > 0.5 * scale


@pytest.mark.parametrize("build", [tutorial, mixed])
def test_gradients_of_taps_are_those_of_a_network_that_begins_there(build: object) -> None:
    net = tutorial(72, 96) if build is tutorial else mixed()
    model = tflite.read(net.bytes())
    taps = activations(model)
    whole = Run(net.bytes(), taps)
    image, seeds = picture(whole), whole.seeds()
    gradients = whole.gradients(image, seeds)
    for tap, gradient in zip(taps, gradients, strict=True):
        middle = Run(net.bytes(), [], [tap]).forward(image)[tap]
        rest = tutorial(72, 96) if build is tutorial else mixed()
        first = model.makers[tap].index + 1
        unpacks = [operator.index for operator in model.operators[:first] if operator.name == "DEQUANTIZE"]
        rest.operators = [net.operators[index] for index in unpacks] + rest.operators[first:]
        rest.inputs = [tap]
        (alone,) = Run(rest.bytes()).gradients(middle, seeds)
        np.testing.assert_allclose(gradient, alone, rtol=1e-4, atol=1e-6)


def test_only_what_lies_between_seeds_and_targets_is_read() -> None:
    net = Network(12, 16)
    net.conv(4, (3, 3), (2, 2), activation="RELU")
    trunk = net.at
    heads = []
    for _ in range(2):
        net.at = trunk
        net.conv(3, activation="RELU")
        heads.append(net.at)
        net.outputs.append(net.dense(1, output=False))
    run = Run(net.bytes())
    image = picture(run)
    run.forward(image)
    asked: list[int] = []

    def value(index: int) -> NDArray[np.float32]:
        asked.append(index)
        return run.value(index)

    one = np.ones(1, np.float32)
    left = run.backward(value, {run.sources[0]: one})[0].copy()
    assert {heads[0], trunk} <= set(asked) <= set(run.backward.needs)
    assert heads[1] not in asked
    right = run.backward(value, {run.sources[1]: one})[0].copy()
    both = run.backward(value, {run.sources[1]: -2 * one, run.sources[0]: one})[0]
    np.testing.assert_allclose(both, left - 2 * right, atol=1e-5)
    assert not run.backward(value, {})[0].any()


def test_what_lies_before_the_targets_needs_no_rule() -> None:
    net = Network(6, 8)
    net.operator("LOCAL_RESPONSE_NORMALIZATION", [net.at], net.shape(), schema.LocalResponseNormalizationOptionsT())
    tap = net.conv(3, activation="RELU")
    net.dense(2)
    run = Run(net.bytes(), [tap])
    assert run.gradients(picture(run), run.seeds())[0].any()
    with pytest.raises(BackwardError) as why:
        Run(net.bytes())
    assert str(why.value) == (
        "has no gradients: its operator LOCAL_RESPONSE_NORMALIZATION (layer 'tensor1') has no backward pass, "
        "so gradient methods cannot run; VisualBackProp can"
    )
    assert isinstance(why.value, PilotError)


def test_weights_that_the_network_makes_itself_are_refused() -> None:
    net = Network(4, 6)
    net.reshape(6, 4, 1, 3)
    weights = net.at
    net.at = net.inputs[0]
    bias = net.constant(np.zeros(6, np.float32))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    options.dilationHFactor, options.dilationWFactor = 1, 1
    net.operator("CONV_2D", [net.at, weights, bias], (1, 1, 6, 6), options)
    with pytest.raises(BackwardError, match="takes its parameters from the network itself, so gradient"):
        Backward(tflite.read(net.bytes()), [net.at], net.inputs)


def test_a_target_that_is_a_source_has_its_seed_and_what_comes_from_behind() -> None:
    net = Network(4, 5, 1)
    middle = net.apply("SQUARE")
    end = net.apply("NEG")
    run = Run(net.bytes(), [end, middle, net.inputs[0], middle], [middle, end])
    image = picture(run)
    seeds = run.seeds()
    last, tap, first, again = run.gradients(image, seeds)
    np.testing.assert_array_equal(last, seeds[end])
    np.testing.assert_allclose(tap, seeds[middle] - seeds[end], rtol=1e-6)
    np.testing.assert_array_equal(tap, again)
    np.testing.assert_allclose(first, 2 * image * tap, rtol=1e-6)


def test_runs_do_not_leave_traces_in_each_other() -> None:
    net = mixed()
    run = Run(net.bytes(), net.inputs)
    frames = [picture(run, seed) for seed in range(3)]
    fresh = [Run(net.bytes(), net.inputs).gradients(frame, run.seeds())[0] for frame in frames]
    for which in (0, 1, 0, 2, 2, 1):
        np.testing.assert_array_equal(run.gradients(frames[which], run.seeds())[0], fresh[which])


def test_results_stay_while_the_network_runs_on() -> None:
    """They are no views of TFLite's memory, which refuses to run while one is held."""
    net = Network(12, 16)
    net.conv(4, (3, 3), (2, 2))
    run = Run(net.bytes())
    image = picture(run)
    run.forward(image)
    held = run.backward(run.value, run.seeds())
    before = held[0].copy()
    run.forward(1 - image)
    np.testing.assert_array_equal(held[0], before)
    again = run.backward(run.value, run.seeds())
    assert again[0] is held[0]


def test_a_tensor_of_another_shape_than_the_file_says_is_refused() -> None:
    net = tutorial(72, 96)
    run = Run(net.bytes())
    run.forward(picture(run))
    with pytest.raises(BackwardError, match=r"gives its tensor .* as \[1, 2\] where the file says"):
        run.backward(lambda _: np.ones((1, 2), np.float32), run.seeds())
