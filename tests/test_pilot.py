"""Loading and running pilots, against the interpreter on the untouched file and without its delegate."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edge import convpath, tflite
from edge.pilot import Pilot, PilotError
from tests.make_tflite import Network, Pair, mixed, tutorial
from wire import Drive

SHARED = Path(__file__).parents[2] / "shared"
PILOTS = SHARED / "data" / "pilots"
needs_pilots = pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")
USABLE = [
    "warehouse/linear",
    "warehouse/categorical",
    "grey/linear",
    "grey/final_1",
    "grey/inferred",
    "grey/categorical",
]

Floats = NDArray[np.float32]


def load(path: Path, net: Network, *, signature: bool = False) -> Pilot:
    path.write_bytes(net.bytes(signature=signature))
    return Pilot.load(path)


def frame(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def run(data: bytes, image: Floats, *, delegate: bool = True) -> list[Floats]:
    """All outputs of a model as the plain interpreter gives them, with or without the delegate that fuses operators."""
    kernels = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(it["index"]) for it in interpreter.get_output_details()]


def prepared(rgb: NDArray[np.uint8], channels: int) -> Floats:
    image = rgb if channels == 3 else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
    return np.asarray(image / 255, np.float32)[None]


def test_outputs_are_bit_identical_to_the_unmodified_model(tmp_path: Path) -> None:
    for net in (tutorial(), mixed()):
        pilot = load(tmp_path / "pilot.tflite", net)
        for seed in range(3):
            rgb = frame(*pilot.input_size, seed)
            plain = run(net.bytes(), prepared(rgb, pilot.channels))
            for ours, theirs in zip(pilot.infer(rgb).values(), plain, strict=True):
                np.testing.assert_array_equal(ours, theirs.ravel())


@needs_pilots
@pytest.mark.parametrize("name", USABLE)
def test_outputs_of_real_pilots_are_bit_identical_to_the_unmodified_model(name: str) -> None:
    path = PILOTS / f"{name}.tflite"
    pilot = Pilot.load(path)
    for seed in range(3):
        rgb = frame(*pilot.input_size, seed)
        plain = run(path.read_bytes(), prepared(rgb, 3))
        for ours, theirs in zip(pilot.infer(rgb).values(), plain, strict=True):
            np.testing.assert_array_equal(ours, theirs.ravel())


@pytest.mark.parametrize("build", [tutorial, mixed])
def test_activations_are_those_of_a_network_that_ends_there(tmp_path: Path, build: Callable[[], Network]) -> None:
    net = build()
    pilot = load(tmp_path / "pilot.tflite", net)
    rgb = frame(*pilot.input_size)
    pilot.infer(rgb)
    taps = convpath.find(tflite.read(net.bytes()), net.inputs[0]).taps
    assert len(taps) == sum(step.tapped for step in pilot.geometry) >= 4
    for tap, activations in zip(taps, pilot.activations(), strict=True):
        net.outputs = [tap]
        (alone,) = run(net.bytes(), prepared(rgb, pilot.channels), delegate=False)
        np.testing.assert_allclose(activations, alone[0], rtol=1e-4, atol=1e-5)
        assert activations.std() > 0


def test_activations_are_the_convolution_done_by_hand(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).standard_normal((3, 3, 2, 3)).astype(np.float32)
    net = Network(9, 10)
    net.conv(3, (3, 2), (2, 1), dilation=(1, 3), activation="RELU", weights=weights)
    net.dense(2)
    pilot = load(tmp_path / "pilot.tflite", net)
    rgb = frame(9, 10)
    pilot.infer(rgb)
    model = tflite.read(net.bytes())
    bias = next(it.data for it in model.tensors if it.name.endswith("BiasAdd"))
    assert bias is not None
    image = rgb / 255
    for row, column in np.ndindex(4, 7):
        seen = image[2 * row : 2 * row + 3, column : column + 4 : 3]
        expected = np.maximum((weights * seen).sum((1, 2, 3)) + bias.view(np.float32), 0)
        np.testing.assert_allclose(pilot.activations()[0][row, column], expected, atol=1e-5)


def passing_through(height: int, width: int, channels: int) -> Network:
    """Its only layer gives the image as it came, negated and back, so that its activations are the input."""
    net = Network(height, width, channels)
    net.conv(1, (1, 1), depthwise=True, weights=np.ones((1, 1, 1, channels), np.float32))
    net.apply("SUB", np.zeros(1, np.float32), options=schema.SubOptionsT())
    net.dense(2)
    bias = next(it for it in net.tensors if it.name.endswith("BiasAdd"))
    net.buffers[bias.buffer].data = np.zeros(4 * channels, np.uint8)
    return net


def test_the_network_sees_each_of_the_256_levels_divided_by_255_exactly(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", passing_through(16, 16, 3))
    rgb = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    pilot.infer(rgb)
    np.testing.assert_array_equal(pilot.activations()[0], (rgb / 255).astype(np.float32))


def test_a_grey_pilot_sees_the_frame_in_grey(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", passing_through(12, 10, 1))
    assert (pilot.channels, pilot.input_size) == (1, (12, 10))
    red = np.zeros((12, 10, 3), np.uint8)
    red[..., 0] = 255
    pilot.infer(red)
    np.testing.assert_allclose(pilot.activations()[0], 0.299, atol=0.002)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(24, 40), (36, 20), (12, 20), (6, 10), (5, 60), (481, 641)])
def test_frames_of_any_size_are_resized(tmp_path: Path, size: tuple[int, int], channels: int) -> None:
    pilot = load(tmp_path / "pilot.tflite", passing_through(12, 20, channels))
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[:, size[1] // 2 :] = 200
    for _ in range(2):
        pilot.infer(rgb)
        seen = pilot.activations()[0].copy()
        assert seen.shape == (12, 20, channels)
        np.testing.assert_allclose(seen[:, :9], 0, atol=0.01)
        np.testing.assert_allclose(seen[:, 11:], 200 / 255, atol=0.01)


def test_shrinking_averages_over_the_pixels_it_merges(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", passing_through(4, 4, 3))
    rgb = frame(16, 12)
    pilot.infer(rgb)
    means = rgb.reshape(4, 4, 4, 3, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(pilot.activations()[0], means, atol=0.6 / 255)


def test_a_slice_of_a_bigger_array_is_a_frame(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", tutorial(64, 80))
    big = frame(100, 200)
    view = big[10:74, 20:180:2, ::-1]
    copy = np.ascontiguousarray(view)
    for ours, theirs in zip(pilot.infer(view).values(), pilot.infer(copy).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "wrong", [np.zeros((64, 80), np.uint8), np.zeros((64, 80, 4), np.uint8), np.zeros((64, 80, 3))]
)
def test_what_is_no_frame_is_no_frame(tmp_path: Path, wrong: NDArray[Any]) -> None:
    pilot = load(tmp_path / "pilot.tflite", tutorial(64, 80))
    with pytest.raises(ValueError, match=r"a frame is uint8 \(h, w, 3\)"):
        pilot.infer(wrong)


def test_held_activations_stop_the_next_run_until_they_are_let_go(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", tutorial(64, 80))
    outputs = pilot.infer(frame(64, 80))
    held = pilot.activations()[0][:1]
    assert not held.flags.writeable
    with pytest.raises(RuntimeError, match="reference to internal data"):
        pilot.infer(frame(64, 80))
    del held
    np.testing.assert_array_equal(pilot.infer(frame(64, 80))["n_outputs0"], outputs["n_outputs0"])


def test_outputs_are_flat_copies_that_outlive_the_next_run(tmp_path: Path) -> None:
    pilot = load(tmp_path / "pilot.tflite", mixed())
    first = pilot.infer(frame(31, 33, 1))
    kept = {name: values.copy() for name, values in first.items()}
    pilot.infer(frame(31, 33, 2))
    assert [values.shape for values in first.values()] == [(15,), (20,)]
    for name, values in first.items():
        np.testing.assert_array_equal(values, kept[name])


def with_data_behind_the_flatbuffer(net: Network) -> bytes:
    """The form of files above 2 GB: buffers say where in the file their data lies."""
    blocks = [bytes(buffer.data) if buffer.data is not None else b"" for buffer in net.buffers]
    start = (len(net.bytes()) // 4096 + 2) * 4096
    at = start
    for buffer, block in zip(net.buffers, blocks, strict=True):
        if block:
            buffer.data, buffer.offset, buffer.size = None, at, len(block)
            at += -(-len(block) // 64) * 64
    head = net.bytes()
    assert len(head) <= start
    return head.ljust(start, b"\0") + b"".join(
        block.ljust(-(-len(block) // 64) * 64, b"\0") for block in blocks if block
    )


def test_weights_behind_the_flatbuffer_stay_where_they_are(tmp_path: Path) -> None:
    rgb = frame(64, 80)
    expected = load(tmp_path / "inside.tflite", tutorial(64, 80)).infer(rgb)
    path = tmp_path / "outside.tflite"
    path.write_bytes(with_data_behind_the_flatbuffer(tutorial(64, 80)))
    pilot = Pilot.load(path)
    for name, values in pilot.infer(rgb).items():
        np.testing.assert_array_equal(values, expected[name])
    assert len(pilot.activations()) == 5
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PilotError, match="weights behind its end are missing"):
        Pilot.load(path)


def test_names_come_from_the_signature(tmp_path: Path) -> None:
    net = tutorial(64, 80)
    net.names = {net.outputs[0]: "throttle", net.outputs[1]: "angle"}
    pilot = load(tmp_path / "pilot.tflite", net, signature=True)
    outputs = pilot.infer(frame(64, 80))
    assert list(outputs) == ["throttle", "angle"]
    assert pilot.drive(outputs) == Drive(float(outputs["angle"][0]), float(outputs["throttle"][0]))


def test_names_come_from_the_layers_where_there_is_no_signature(tmp_path: Path) -> None:
    assert list(load(tmp_path / "pilot.tflite", mixed()).infer(frame(31, 33))) == ["angle_out", "throttle_out"]


def test_outputs_of_one_name_are_told_apart_and_long_ones_left_out(tmp_path: Path) -> None:
    net = Network(12, 12)
    net.conv(4)
    for count in (1, 100, 1):
        net.dense(count, "same")
    outputs = load(tmp_path / "pilot.tflite", net).infer(frame(12, 12))
    assert [values.size for values in outputs.values()] == [1, 1]
    assert all(0 < len(name) <= 64 for name in outputs)


def test_a_last_convolution_that_is_an_output_is_exposed_once(tmp_path: Path) -> None:
    net = Network(12, 12)
    net.conv(2, (12, 12))
    pilot = load(tmp_path / "pilot.tflite", net)
    (values,) = pilot.infer(frame(12, 12)).values()
    np.testing.assert_array_equal(values, pilot.activations()[0].ravel())


@needs_pilots
def test_a_real_categorical_pilot_drives_by_its_highest_scores() -> None:
    for name in ("warehouse/categorical", "grey/categorical"):
        pilot = Pilot.load(PILOTS / f"{name}.tflite")
        outputs = pilot.infer(frame(120, 160))
        assert {key: values.size for key, values in outputs.items()} == {"angle_out": 15, "throttle_out": 20}
        drive = pilot.drive(outputs)
        assert drive.steering == pytest.approx(np.linspace(-1, 1, 15)[outputs["angle_out"].argmax()])
        assert drive.throttle == pytest.approx(0.8 * np.arange(20)[outputs["throttle_out"].argmax()] / 20)


def second_image(net: Network) -> None:
    net.conv(4)
    net.input((1, 12, 12, 3), "right")


def custom(net: Network) -> None:
    net.conv(4)
    net.operator("TFLite_Detection_PostProcess", [net.at], net.shape())


def flex(net: Network) -> None:
    net.conv(4)
    net.operator("FlexMaxPool3D", [net.at], net.shape())
    net.operator("FlexFill", [net.at], net.shape())


def halves(net: Network) -> None:
    net.tensors[net.at].type = schema.TensorType.FLOAT16
    net.operator("DEQUANTIZE", [net.at], net.shape())
    net.conv(4)


def shaped(*shape: int, signature: tuple[int, ...] = ()) -> Callable[[Network], None]:
    def build(net: Network) -> None:
        net.conv(4)
        net.tensors[net.inputs[0]].shape = list(shape)
        net.tensors[net.inputs[0]].shapeSignature = list(signature)

    return build


def integer_output(net: Network) -> None:
    net.conv(4)
    net.outputs = [net.operator("CAST", [net.at], net.shape(), schema.CastOptionsT(), dtype=np.int32)]


def long_output(net: Network) -> None:
    net.conv(4)
    net.outputs = [net.at]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (second_image, r"needs more than one camera image: its input 'right' \(1x12x12x3, FLOAT32\)"),
        (custom, "operators that plain TFLite does not have: TFLite_Detection_PostProcess"),
        (flex, "needs TensorFlow itself for FlexFill, FlexMaxPool3D: convert it again without Flex"),
        (halves, "takes its image as FLOAT16"),
        (shaped(1, 12), "takes no camera image"),
        (shaped(2, 12, 12, 3), "takes more than one image at a time"),
        (shaped(1, -1, -1, 3), "of an open size"),
        (shaped(1, 1, 1, 3, signature=(-1, -1, -1, 3)), "leaves the size of its image open: say `size = "),
        (shaped(1, 3, 12, 120), "wants its channels before rows and columns"),
        (shaped(1, 12, 12, 120), "wants images of 120 channels"),
        (shaped(1, 13, 12, 3), "settings of its operator CONV_2D do not fit"),
        (integer_output, "as INT32; only FLOAT32"),
        (long_output, "no output of at most 64 values"),
    ],
)
def test_pilots_that_are_not_supported_are_refused_in_one_sentence(
    tmp_path: Path, build: Callable[[Network], None], words: str
) -> None:
    net = Network(12, 12)
    build(net)
    if not net.outputs:
        net.dense(2)
    path = tmp_path / "odd.tflite"
    path.write_bytes(net.bytes())
    with pytest.raises(PilotError, match=words) as refusal:
        Pilot.load(path)
    assert str(refusal.value).startswith(f"pilot {path} ")
    assert "\n" not in str(refusal.value)


@needs_pilots
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "rnn",
            "needs TensorFlow itself for FlexTensorListReserve, FlexTensorListStack: convert it again without Flex",
        ),
        ("3d", "needs TensorFlow itself for FlexMaxPool3D: convert it again without Flex"),
    ],
)
def test_real_pilots_that_need_tensorflow_are_refused(name: str, words: str) -> None:
    with pytest.raises(PilotError, match=words):
        Pilot.load(PILOTS / "grey" / f"{name}.tflite")


@needs_pilots
def test_every_other_real_pilot_runs() -> None:
    found = [path for path in sorted(PILOTS.rglob("*.tflite")) if path.stem not in {"rnn", "3d"}]
    assert [path.stem for path in found].count("memory") == 2
    for path in found:
        pilot = Pilot.load(path)
        drive = pilot.drive(pilot.infer(frame(120, 160)))
        assert np.isfinite([drive.steering, drive.throttle]).all()
        assert pilot.no_gradients == ""


def test_a_free_batch_size_is_no_obstacle(tmp_path: Path) -> None:
    net = tutorial(64, 80)
    net.tensors[net.inputs[0]].shapeSignature = [-1, 64, 80, 3]
    assert load(tmp_path / "pilot.tflite", net).input_size == (64, 80)


def test_weights_in_8_bits_are_no_obstacle(tmp_path: Path) -> None:
    net = Network(12, 12)
    net.conv(4, activation="RELU", weights=np.ones((4, 3, 3, 3), np.float32))
    net.dense(2)
    weights = next(it for it in net.tensors if it.name.endswith("Conv2D"))
    weights.type, weights.quantization = schema.TensorType.INT8, schema.QuantizationParametersT()
    weights.quantization.scale, weights.quantization.zeroPoint = [0.5] * 4, [0] * 4
    net.buffers[weights.buffer].data = np.full(4 * 27, 2, np.uint8)
    pilot = load(tmp_path / "pilot.tflite", net)
    pilot.infer(np.full((12, 12, 3), 255, np.uint8))
    np.testing.assert_allclose(pilot.activations()[0].mean(), 27, rtol=0.02)


def test_paths_that_hold_no_pilot_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "text.tflite").write_text("hello, this is no pilot\n" * 50)
    for name, words in {
        "missing.tflite": "No such file",
        ".": "is not a file",
        "empty.tflite": "does not start with the mark TFL3",
        "text.tflite": "does not start with the mark TFL3",
    }.items():
        with pytest.raises(PilotError, match=words):
            Pilot.load(tmp_path / name)
    with pytest.raises(PilotError, match="null"):
        Pilot.load(Path("a\0b"))
    with pytest.raises(PilotError, match="is not a file"):
        Pilot.load(Path("/dev/zero"))


def test_a_pilot_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "cut.tflite", mixed().bytes()
    for sixteenth in range(16):
        path.write_bytes(data[: len(data) * sixteenth // 16])
        with pytest.raises(PilotError, match="is not a usable TFLite file"):
            Pilot.load(path)


def test_noise_behind_the_mark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.tflite"
    for seed in range(200):
        noise = random.Random(seed)
        start = noise.choice([8, 16, 28, noise.randrange(2**32)])
        path.write_bytes(start.to_bytes(4, "little") + b"TFL3" + noise.randbytes(noise.choice([0, 8, 100, 5000])))
        with pytest.raises(PilotError, match="is not a usable TFLite file"):
            Pilot.load(path)


FLIPS = """
import json, random, sys
from pathlib import Path
import numpy as np
from edge.pilot import Pilot, PilotError
source, structure = Path(sys.argv[1]).read_bytes(), json.loads(sys.argv[2])
path = Path(sys.argv[1]).with_name("flipped.tflite")
noise, works, refused = random.Random(int(sys.argv[3])), 0, 0
for _ in range(400):
    data = bytearray(source)
    at = noise.randrange(*noise.choice(structure))
    data[at] = noise.choice([data[at] ^ 1 << noise.randrange(8), 0, 255])
    path.write_bytes(data)
    try:
        pilot = Pilot.load(path)
        pilot.drive(pilot.infer(np.zeros((40, 48, 3), np.uint8)))
        works += len(pilot.activations()) > 0
    except PilotError as why:
        refused += len(str(why)) < 500
print(works, refused)
"""


def structure(data: bytes) -> list[Pair]:
    """The bytes of a file that are not weights."""
    marks = np.zeros(len(data), bool)
    for tensor in tflite.read(data).tensors:
        if tensor.data is not None and tensor.data.size > 64:
            start = tensor.data.ctypes.data - np.frombuffer(data, np.uint8).ctypes.data
            marks[start : start + tensor.data.size] = True
    edges = np.flatnonzero(np.diff(marks, prepend=True, append=True)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize(("net", "seed"), [(tutorial(64, 80), 1), (mixed(), 2)])
def test_a_damaged_pilot_is_refused_or_works_and_never_hurts_the_process(
    tmp_path: Path, net: Network, seed: int
) -> None:
    path = tmp_path / "whole.tflite"
    path.write_bytes(net.bytes(signature=True))
    places = json.dumps(structure(path.read_bytes()))
    command = [sys.executable, "-c", FLIPS, str(path), places, str(seed)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    works, refused = map(int, done.stdout.split())
    assert works + refused == 400
    assert works > 40
    assert refused > 40


def test_an_operator_short_of_inputs_is_refused_before_the_delegate_crashes_on_it(tmp_path: Path) -> None:
    """In a process of its own: what is not refused here ends it with a segmentation fault."""
    net = Network(12, 12)
    net.conv(4, activation="RELU")
    net.operator("SLICE", [net.at], net.shape())
    net.dense(2)
    path = tmp_path / "short.tflite"
    path.write_bytes(net.bytes())
    command = [sys.executable, "-m", "models", "inspect", str(path)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, timeout=60)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "operator SLICE takes another number of inputs" in done.stderr
