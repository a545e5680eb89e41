"""Redrawn weights: only those of the levels named, of their own size, in files that still run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import tflite
from models.report.randomise import levels, redrawn
from tests.make_tflite import Network, mixed, tutorial

SHARED = Path(__file__).parents[2] / "shared" / "data" / "pilots"


def constants(data: bytes) -> dict[int, NDArray[Any]]:
    """The bytes of every constant in a file."""
    return {it.index: it.data.copy() for it in tflite.read(data).tensors if it.data is not None}


def changed(before: bytes, after: bytes) -> set[int]:
    one, other = constants(before), constants(after)
    return {index for index, data in one.items() if not np.array_equal(data, other[index])}


def test_levels_of_the_tutorials_network() -> None:
    found = levels(tflite.read(tutorial().bytes()))
    assert [len(level.tensors) for level in found] == [4, 2, 2, 2, 2, 2]
    assert found[0].names == ("n_outputs0", "n_outputs1")
    assert str(found[0]) == "n_outputs0, n_outputs1"


@pytest.mark.parametrize("network", [tutorial, mixed])
def test_only_the_named_levels_change(network: Any) -> None:
    data = network().bytes()
    model = tflite.read(data)
    for level in levels(model):
        after = redrawn(model, [level], seed=1)
        assert len(after) == len(data)
        assert changed(data, after) == set(level.tensors)


def test_a_cascade_keeps_what_it_has_drawn() -> None:
    """A deeper cascade changes more layers, and those before in the same way."""
    model = tflite.read(tutorial().bytes())
    found = levels(model)
    one, two = (constants(redrawn(model, found[:depth], seed=4)) for depth in (1, 2))
    for index in found[0].tensors:
        np.testing.assert_array_equal(one[index], two[index])
    other = constants(redrawn(model, found[:1], seed=5))
    assert not np.array_equal(one[found[0].tensors[0]], other[found[0].tensors[0]])


def test_weights_keep_their_size_and_lose_their_values() -> None:
    model = tflite.read(tutorial().bytes())
    level = levels(model)[2]
    index = max(level.tensors, key=lambda it: np.prod(model.tensors[it].shape))
    before, after = (_constant(it, index) for it in (model, tflite.read(redrawn(model, [level], seed=0))))
    assert _size(after) == pytest.approx(_size(before), rel=0.1)
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.1


def test_half_floats_are_found_behind_what_unpacks_them() -> None:
    model = tflite.read(mixed().bytes())
    halves = {tensor.index for tensor in model.tensors if tensor.type == "FLOAT16"}
    assert halves
    assert halves <= {index for level in levels(model) for index in level.tensors}


def test_a_layer_read_twice_counts_by_the_longer_way() -> None:
    net = Network(12, 12)
    net.conv(2, name="first")
    net.dense(1, "short")
    net.conv(2, name="second")
    net.dense(1, "long")
    names = [level.names for level in levels(tflite.read(net.bytes()))]
    assert names == [("short", "long"), ("second",), ("first",)]


def test_a_converters_names_give_way_to_numbers() -> None:
    """Names that are no plain word say nothing to a person."""
    net = Network(12, 12)
    net.conv(2, name="fine")
    net.conv(2, name="a b")
    net.dense(3, "x y", output=False)
    net.dense(1, "<out>;1")
    names = [str(level) for level in levels(tflite.read(net.bytes(signature=True)))]
    assert names == ["<out>;1", "dense 1", "conv 2", "fine"]


def test_what_no_output_hangs_on_is_left_alone() -> None:
    net = Network(12, 12)
    net.conv(2, name="used")
    net.dense(1, "out")
    net.conv(2, name="loose")
    assert [level.names for level in levels(tflite.read(net.bytes()))] == [("out",), ("used",)]


def test_quantized_slices_keep_their_own_size() -> None:
    """Two channels of one int8 convolution, one a hundred times the other: each is redrawn in its own size."""
    net = Network(24, 32, dtype=np.int8)
    weights = (
        net.random.standard_normal((2, 7, 7, 3)).astype(np.float32)
        * np.array([1, 0.01], np.float32)[:, None, None, None]
    )
    net.conv(2, (7, 7), activation="RELU", weights=weights, name="conv")
    net.dense(1, "out")
    data = net.bytes()
    model = tflite.read(data)
    after = tflite.read(redrawn(model, levels(model), 0))
    index = next(it.index for it in model.tensors if it.shape == (2, 7, 7, 3))
    assert model.tensors[index].type == "INT8"
    for one, other in zip(_constant(model, index), _constant(after, index), strict=True):
        assert _size(other) == pytest.approx(_size(one), rel=0.25)
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3
    biases = {it.type for level in levels(model) for it in (model.tensors[i] for i in level.tensors)}
    assert biases == {"INT8", "INT32"}


def test_redrawn_files_run_and_answer_otherwise() -> None:
    data = tutorial().bytes()
    model = tflite.read(data)
    image = np.random.default_rng(2).random((1, 120, 160, 3), np.float32)
    answers = [_run(data, image), _run(redrawn(model, levels(model)[:1], 0), image)]
    answers += [_run(redrawn(model, levels(model), 0), image)]
    assert all(np.isfinite(answer).all() for answer in answers)
    assert not np.allclose(answers[0], answers[1]) and not np.allclose(answers[1], answers[2])


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/pilots")
@pytest.mark.parametrize("name", ["warehouse/linear", "warehouse/categorical", "grey/final_1", "grey/memory"])
def test_real_pilots(name: str) -> None:
    data = (SHARED / f"{name}.tflite").read_bytes()
    model = tflite.read(data)
    found = levels(model)
    assert len(found) >= 6
    learned = {index for level in found for index in level.tensors}
    assert changed(data, redrawn(model, found, 0)) <= learned
    Interpreter(model_content=redrawn(model, found, 0)).allocate_tensors()


def _run(data: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return np.concatenate([interpreter.get_tensor(it["index"]).ravel() for it in interpreter.get_output_details()])


def _constant(model: tflite.Model, index: int) -> NDArray[np.float32]:
    values = model.constant(index)
    assert values is not None
    return values


def _size(values: NDArray[np.float32]) -> float:
    return float(np.sqrt((values**2).mean()))
