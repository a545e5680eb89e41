"""What a pilot is fed besides the image: networks that add it to their outputs show it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge.card import Card
from edge.pilot import Past, Pilot, PilotError
from tests.make_tflite import Network
from wire import Drive

SHARED = Path(__file__).parents[2] / "shared"
PILOTS = SHARED / "data" / "pilots"
needs_pilots = pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")

Floats = NDArray[np.float32]


def showing(**extras: int) -> Network:
    """A network with these inputs, in front of the image; each is an output of its own, times one."""
    net = Network(12, 10)
    net.conv(2, activation="RELU")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    for name, size in extras.items():
        at = net.input((1, size), name)
        shown = net.operator("MUL", [at, net.constant(np.ones(1, np.float32))], (1, size), schema.MulOptionsT())
        net.outputs.append(shown)
        net.tensors[shown].name = f"shown_{name}"
    net.inputs.reverse()
    return net


def load(folder: Path, net: Network, **inputs: Any) -> Pilot:
    (folder / "pilot.tflite").write_bytes(net.bytes())
    return Pilot.load(folder / "pilot.tflite", card=Card(inputs=inputs))


def frame(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (12, 10, 3), np.uint8)


def values(*numbers: float) -> Floats:
    return np.array(numbers, np.float32)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- memory


def test_memory_is_what_the_pilot_said_on_the_last_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As Donkeycar's KerasMemory lays it out: steering and throttle of each frame, the oldest first."""
    pilot = load(tmp_path, showing(mem_in=6))
    assert pilot.card.inputs == {"mem_in": "memory"}
    said = [0.0] * 6
    for seed in range(5):
        outputs = pilot.infer(frame(seed))
        np.testing.assert_allclose(outputs["shown_mem_in"], said)
        drive = pilot.drive(outputs)
        said = [*said[2:], drive.steering, drive.throttle]
    assert not warned(caplog)


def test_running_again_remembers_nothing(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(mem_in=4))
    pilot.infer(frame(1))
    remembered = pilot.infer(frame(2))["shown_mem_in"]
    for seed in range(3):
        again = pilot.run(pilot.prepare(frame(seed)))
        np.testing.assert_array_equal(again["shown_mem_in"], remembered)
    pilot.past = Past()
    assert not pilot.infer(frame(1))["shown_mem_in"].any()


def test_another_pilot_goes_on_from_this_ones_past(tmp_path: Path) -> None:
    pilot, other = (load(tmp_path, showing(mem_in=4)) for _ in range(2))
    for seed in range(3):
        past = pilot.past
        outputs = pilot.infer(frame(seed))
    other.past = past
    for name, there in other.infer(frame(2)).items():
        np.testing.assert_array_equal(there, outputs[name])


def test_an_odd_memory_holds_steering_alone(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(mem_in=3))
    said = [pilot.drive(pilot.infer(frame(seed))).steering for seed in range(4)]
    np.testing.assert_allclose(pilot.infer(frame())["shown_mem_in"], said[-3:])


def test_memory_that_is_handed_in_counts(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(mem_in=2))
    for name in ("memory", "mem_in"):
        shown = pilot.infer(frame(), {name: values(0.25, 0.5)})["shown_mem_in"]
        np.testing.assert_array_equal(shown, [0.25, 0.5])


@needs_pilots
@pytest.mark.parametrize("name", ["warehouse/memory", "grey/memory"])
def test_a_real_memory_pilot_hangs_on_what_it_said(name: str) -> None:
    pilot = Pilot.load(PILOTS / f"{name}.tflite")
    rgb = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    first, left, right = (
        pilot.drive(pilot.infer(rgb, {"memory": values(*[said, 0.3] * 3)})).steering for said in (0.0, -0.9, 0.9)
    )
    assert left < first < right


# --- IMU, behaviour, others


def test_an_imu_is_fed_from_the_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pilot = load(tmp_path, showing(imu_in=6))
    shown = pilot.infer(frame(), {"imu": values(1, 2, 3, 4, 5, 6)})["shown_imu_in"]
    np.testing.assert_array_equal(shown, [1, 2, 3, 4, 5, 6])
    assert not warned(caplog)


def test_what_nobody_measured_is_neutral_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pilot = load(tmp_path, showing(imu_in=6, xbehavior_in=3, lidar=4))
    for seed in range(3):
        outputs = pilot.infer(frame(seed))
    assert not outputs["shown_imu_in"].any()
    assert not outputs["shown_lidar"].any()
    np.testing.assert_array_equal(outputs["shown_xbehavior_in"], [1, 0, 0])
    said = warned(caplog)
    assert len(said) == 3
    assert "wants 6 values of imu for its input 'imu_in', the source has none: it is fed zeros" in " ".join(said)
    assert "'xbehavior_in', the source has none: it is fed the first state" in " ".join(said)
    assert "wants 4 values of an unknown kind for its input 'lidar'" in " ".join(said)


def test_measurements_of_another_size_are_not_fed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pilot = load(tmp_path, showing(xbehavior_in=3))
    shown = pilot.infer(frame(), {"behaviour": values(0, 1)})["shown_xbehavior_in"]
    np.testing.assert_array_equal(shown, [1, 0, 0])
    assert "the source has 2:" in warned(caplog)[0]


def test_a_card_says_what_an_input_is(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(a=6, b=2, c=3), a="imu", b="memory", c=[0.5, 0, 1])
    outputs = pilot.infer(frame(), {"imu": values(*range(6)), "memory": values(7, 8)})
    np.testing.assert_array_equal(outputs["shown_a"], range(6))
    np.testing.assert_array_equal(outputs["shown_b"], [7, 8])
    np.testing.assert_array_equal(outputs["shown_c"], [0.5, 0, 1])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"nowhere": "imu"}, "has no input 'nowhere', which its card speaks of; it has imu_in"),
        ({"image": "imu"}, "has no input 'image', which its card speaks of"),
        ({"imu_in": [1, 2]}, "has an input 'imu_in' of 6 numbers, for which its card gives 2"),
    ],
)
def test_a_card_that_speaks_of_other_inputs_is_refused(tmp_path: Path, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(PilotError, match=words):
        load(tmp_path, showing(imu_in=6), **inputs)


def test_a_quantized_extra_input_is_fed_its_integers(tmp_path: Path) -> None:
    net = showing()
    net.inputs.append(net.tensor((1, 4), name="imu_in", dtype=np.int8, scaled=(0.5, -3)))
    shown = net.operator("DEQUANTIZE", [net.inputs[-1]], (1, 4))
    net.tensors[shown].name = "shown"
    net.outputs.append(shown)
    pilot = load(tmp_path, net)
    np.testing.assert_array_equal(pilot.infer(frame(), {"imu": values(1, -2, 0.6, 900)})["shown"], [1, -2, 0.5, 65])


def test_a_pilot_that_keeps_something_by_itself_starts_every_frame_afresh(tmp_path: Path) -> None:
    """TFLite keeps a recurrent layer's state from one run to the next; Keras, where it was trained, does not."""
    net = Network(12, 10)
    net.conv(2, (3, 3), (2, 2), activation="RELU")
    flat = net.reshape(1, 1, 40)
    random = np.random.default_rng(0)
    held = [net.constant((random.standard_normal(shape) / 5).astype(np.float32)) for shape in ((2, 40), (2, 2), (2,))]
    state = net.tensor((1, 2), name="state")
    net.tensors[state].isVariable = True
    options = schema.SequenceRNNOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    net.outputs = [net.operator("UNIDIRECTIONAL_SEQUENCE_RNN", [flat, *held, state], (1, 1, 2), options)]
    pilot = load(tmp_path, net)
    (first,) = pilot.infer(frame()).values()
    (other,) = pilot.infer(frame(1)).values()
    (again,) = pilot.infer(frame()).values()
    assert abs(first - other).max() > 1e-3
    np.testing.assert_array_equal(first, again)


def test_a_drive_is_read_from_quantized_outputs(tmp_path: Path) -> None:
    net = Network(24, 32, dtype=np.int8)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    pilot = load(tmp_path, net)
    outputs = pilot.infer(frame())
    assert all(given.dtype == np.float32 for given in outputs.values())
    assert pilot.drive(outputs) == Drive(float(outputs["n_outputs0"][0]), float(outputs["n_outputs1"][0]))
    scale, _ = net.scaled[net.outputs[0]]
    assert isinstance(scale, float)
    steps = {float(given[0]) / scale for given in outputs.values()}
    assert all(step == pytest.approx(round(step), abs=1e-3) for step in steps)


def test_running_again_is_fed_what_the_frame_came_with(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(imu_in=3))
    pilot.infer(frame(), {"imu": values(1, 2, 3)})
    prepared = pilot.prepare(frame())
    np.testing.assert_array_equal(pilot.run(prepared)["shown_imu_in"], [1, 2, 3])
    np.testing.assert_array_equal(pilot.run(prepared, {"imu": values(4, 5, 6)})["shown_imu_in"], [4, 5, 6])
    assert not pilot.run(prepared, {})["shown_imu_in"].any()
