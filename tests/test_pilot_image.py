"""What a pilot is fed for a camera frame: networks that hand their input on show it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.card import Card, ImageCard
from edge.image import _cut
from edge.pilot import Past, Pilot, PilotError
from tests.make_tflite import Network

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


def showing(height: int = 12, width: int = 10, channels: int = 3, **options: Any) -> Network:
    """A network whose first activations are the image as it was fed."""
    net = Network(height, width, channels, **options)
    net.conv(1, (1, 1), depthwise=True, weights=np.ones((1, 1, 1, channels), np.float32))
    bias = next(it for it in net.tensors if it.name.endswith("BiasAdd"))
    net.buffers[bias.buffer].data = np.zeros(4 * channels, np.uint8)
    if options.get("dtype", np.float32) == np.float32:
        net.apply("SUB", np.zeros(1, np.float32), options=schema.SubOptionsT())
    net.dense(2)
    return net


def load(folder: Path, net: Network, **image: Any) -> Pilot:
    (folder / "pilot.tflite").write_bytes(net.bytes())
    return Pilot.load(folder / "pilot.tflite", card=Card(image=ImageCard(**image)))


def frame(height: int = 12, width: int = 10, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def fed(pilot: Pilot, rgb: Picture) -> Floats:
    pilot.infer(rgb)
    return pilot.activations()[0].copy()


def grey(rgb: Picture) -> NDArray[np.float64]:
    lightness: NDArray[np.float64] = rgb @ np.array([0.299, 0.587, 0.114])
    return lightness[..., None]


# --- colours and range


@pytest.mark.parametrize("levels", [(0, 1), (0, 255), (-1, 1), (-0.5, 2.5), (-128, 127)])
def test_black_and_white_are_what_the_card_says(tmp_path: Path, levels: tuple[float, float]) -> None:
    pilot = load(tmp_path, showing(16, 16), range=levels)
    rgb = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    expected = levels[0] + (levels[1] - levels[0]) * (rgb / 255)
    np.testing.assert_allclose(fed(pilot, rgb), expected, atol=2e-5 * max(map(abs, levels)))


def test_colours_are_in_the_order_of_the_card(tmp_path: Path) -> None:
    rgb = frame()
    np.testing.assert_array_equal(fed(load(tmp_path, showing(), range=(0, 255), colour="rgb"), rgb), rgb)
    np.testing.assert_array_equal(fed(load(tmp_path, showing(), range=(0, 255), colour="bgr"), rgb), rgb[..., ::-1])
    for channels in (1, 3):
        seen = fed(load(tmp_path, showing(channels=channels), range=(0, 255), colour="grey"), rgb)
        np.testing.assert_allclose(seen, grey(rgb).repeat(channels, axis=2), atol=0.51)


@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
def test_a_mirrored_view_of_a_frame_is_a_frame(tmp_path: Path, colour: str) -> None:
    pilot = load(tmp_path, showing(), colour=colour)
    view = frame(12, 20)[:, ::-2]
    np.testing.assert_array_equal(fed(pilot, view), fed(pilot, np.ascontiguousarray(view)))


def test_a_grey_pilot_cannot_be_fed_colours(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="takes frames in grey, not the bgr of its card"):
        load(tmp_path, showing(channels=1), colour="bgr")


# --- crop and masks


def test_a_crop_cuts_the_frame_before_it_is_resized(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(), crop=(0.25, 0.125, 0, 0.5), range=(0, 255))
    rows, columns = slice(10, 40 - 5), slice(0, 20)
    big = frame(40, 40)
    expected = cv2.resize(big[rows, columns], (10, 12), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(fed(pilot, big), expected)


def test_a_map_goes_where_its_crop_was_taken(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(), crop=(0.25, 0.125, 0, 0.5))
    values = np.ones((12, 10), np.float32)
    placed = pilot.onto_frame(values, (40, 40))
    expected = np.zeros((40, 40), np.float32)
    expected[10:35, :20] = 1
    np.testing.assert_array_equal(placed, expected)
    assert pilot.onto_frame(values.astype(np.uint8), (40, 40)).dtype == np.uint8


def test_what_is_seen_at_a_place_of_the_frame_comes_back_to_it(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(24, 32), crop=(0.3, 0.1, 0.2, 0.05), range=(0, 255))
    for row, column in ((40, 40), (70, 100), (45, 140)):
        rgb = np.zeros((100, 160, 3), np.uint8)
        cv2.circle(rgb, (column, row), 6, (255, 255, 255), -1)
        placed = pilot.onto_frame(fed(pilot, rgb).sum(-1), (100, 160))
        found = np.argwhere(placed > 0.5 * placed.max()).mean(0)
        np.testing.assert_allclose(found, (row, column), atol=2.5)


def test_without_a_crop_a_map_stays_as_it_is(tmp_path: Path) -> None:
    values = np.ones((12, 10), np.float32)
    assert load(tmp_path, showing(), black=(0.5, 0, 0, 0)).onto_frame(values, (40, 40)) is values


def test_black_edges_are_black_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    """As Donkeycar's CROP: of the lines given, the lower and the right one still belong to the image."""
    pilot = load(tmp_path, showing(), black=(0.25, 0.5, 0.1, 0.2), range=(0, 255))
    rgb = frame()
    expected = np.zeros_like(rgb)
    expected[3:7, 1:9] = rgb[3:7, 1:9]
    np.testing.assert_array_equal(fed(pilot, rgb), expected)


def test_a_trapeze_is_what_stays(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(40, 40), trapeze=(0.25, 0.75, 0, 1, 0.5, 1), range=(0, 255))
    seen = fed(pilot, np.full((40, 40, 3), 255, np.uint8))[..., 0]
    assert not seen[:20].any()
    for row in range(20, 40):
        inside = np.flatnonzero(seen[row])
        expected = 10 - (row - 20) / 2
        assert inside[0] == pytest.approx(expected, abs=1)
        assert inside[-1] == pytest.approx(min(40 - expected, 39), abs=1)
        assert inside.size == inside[-1] - inside[0] + 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.49), min_size=8, max_size=8), st.tuples(st.integers(1, 50), st.integers(1, 50)))
def test_any_crop_of_any_frame_leaves_a_pixel(edges: list[float], size: tuple[int, int]) -> None:
    rows, columns = _cut((edges[0], edges[1], edges[2], edges[3]), size)
    assert np.zeros(size)[rows, columns].size > 0


# --- what can be told of the file


@pytest.mark.parametrize(
    ("factor", "kind", "levels"),
    [(1 / 255, "MUL", (0, 255)), (1 / 127.5, "MUL", (0, 255)), (255, "DIV", (0, 255)), (2, "MUL", (0, 1))],
)
def test_a_network_that_scales_its_image_itself_wants_it_as_it_is(
    tmp_path: Path, factor: float, kind: str, levels: tuple[float, float]
) -> None:
    net = Network(12, 10)
    options = {"MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT}[kind]()
    net.apply(kind, np.array(factor, np.float32), options=options)
    net.apply("SUB", np.array(1, np.float32), options=schema.SubOptionsT())
    net.conv(4)
    net.dense(2)
    assert load(tmp_path, net).card.image.range == levels
    assert load(tmp_path, net, range=(0, 7)).card.image.range == (0, 7)


def test_a_scaling_that_a_converter_put_into_the_weights_is_told(tmp_path: Path) -> None:
    for scale, levels in ((1, (0, 1)), (1 / 255, (0, 255)), (1 / 127.5, (0, 255))):
        net = Network(24, 32)
        weights = np.random.default_rng(0).standard_normal((8, 5, 5, 3)) / np.sqrt(75) * scale
        net.conv(8, (5, 5), weights=weights.astype(np.float32))
        net.dense(2)
        assert load(tmp_path, net).card.image.range == levels


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "levels"),
    [
        (np.int8, 1 / 255, -128, (0, 1)),
        (np.uint8, 1 / 255, 0, (0, 1)),
        (np.int16, 1 / 32767, 0, (0, 1)),
        (np.int8, 1, -128, (0, 255)),
        (np.uint8, 1, 0, (0, 255)),
        (np.int16, 255 / 32767, 0, (0, 255)),
        (np.int8, 2 / 255, 0, (-1, 1)),
        (np.uint8, 2 / 255, 128, (-1, 1)),
    ],
)
def test_a_quantized_image_says_what_black_and_white_are(
    tmp_path: Path, dtype: Any, scale: float, zero: int, levels: tuple[float, float]
) -> None:
    net = Network(12, 10, dtype=dtype)
    net.tensors[net.inputs[0]].quantization.scale = [scale]
    net.tensors[net.inputs[0]].quantization.zeroPoint = [zero]
    net.dequantize()
    net.conv(1, (1, 1), depthwise=True, weights=np.ones((1, 1, 1, 3), np.float32))
    net.dense(2)
    pilot = load(tmp_path, net)
    assert pilot.card.image.range == levels
    rgb = frame()
    expected = levels[0] + (levels[1] - levels[0]) * (rgb / 255)
    np.testing.assert_allclose(pilot.prepare(rgb), expected, atol=0.51 * scale + 1e-6)


def test_a_quantized_network_sees_what_it_is_fed(tmp_path: Path) -> None:
    for dtype in (np.int8, np.uint8):
        net = Network(12, 10, dtype=dtype)
        net.dequantize()
        net.conv(1, (1, 1), depthwise=True, weights=np.ones((1, 1, 1, 3), np.float32))
        net.dense(2)
        bias = next(it for it in net.tensors if it.name.endswith("BiasAdd"))
        net.buffers[bias.buffer].data = np.zeros(12, np.uint8)
        pilot = load(tmp_path, net)
        np.testing.assert_allclose(fed(pilot, frame()), pilot.prepare(frame()), atol=1e-6)


# --- prepare and run


@pytest.mark.parametrize(
    "options", [{}, {"colour": "bgr", "range": (-1, 1)}, {"crop": (0.4, 0, 0, 0), "black": (0, 0.2, 0, 0)}]
)
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8, np.int16])
def test_running_what_was_prepared_is_inferring(tmp_path: Path, dtype: Any, options: dict[str, Any]) -> None:
    net = Network(24, 32, dtype=dtype)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.conv(4, activation="RELU")
    net.dense(1, "n_outputs0")
    net.dense(1, "n_outputs1")
    pilot = load(tmp_path, net, **options)
    for rgb in (frame(24, 32), frame(48, 40, 1)):
        outputs = pilot.infer(rgb)
        told = pilot.fed()
        prepared = pilot.prepare(rgb)
        np.testing.assert_array_equal(told, prepared)
        assert prepared.shape == (24, 32, 3)
        assert prepared.dtype == np.float32
        again = pilot.run(prepared)
        for name, values in outputs.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(again[name], values)
        hidden = pilot.run(np.full_like(prepared, prepared.mean()))
        np.testing.assert_array_equal(told, prepared)
        assert np.ptp(pilot.fed()) == 0
        assert any((hidden[name] != outputs[name]).any() for name in outputs)


def test_what_was_prepared_is_the_callers_own(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing())
    first = pilot.prepare(frame(seed=1))
    kept = first.copy()
    pilot.infer(frame(seed=2))
    pilot.prepare(frame(seed=2))
    np.testing.assert_array_equal(first, kept)


# --- several frames


def shades(pilot: Pilot, count: int) -> list[list[int]]:
    """The stack after each of `count` frames of brightness 1, 2, …: one value for each frame in it."""
    each = pilot.channels
    seen = []
    for shade in range(1, count + 1):
        stack = fed(pilot, np.full((12, 10, 3), shade, np.uint8))
        assert stack.std((0, 1)).max() == 0
        seen.append([round(float(value)) for value in stack[0, 0, ::each]])
    return seen


@pytest.mark.parametrize(
    ("channels", "options", "frames"),
    [
        (9, {}, [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]),
        (9, {"order": "newest-first"}, [[1, 1, 1], [2, 1, 1], [3, 2, 1], [4, 3, 2]]),
        (9, {"stride": 2}, [[1, 1, 1], [1, 1, 2], [1, 1, 3], [1, 2, 4], [1, 3, 5]]),
        (3, {"frames": 3}, [[1, 1, 1], [1, 1, 2], [1, 2, 3]]),
        (2, {}, [[1, 1], [1, 2], [2, 3]]),
        (9, {"colour": "grey"}, [[1] * 9, [1] * 8 + [2], [1] * 7 + [2, 3]]),
        (15, {}, [[1] * 5, [1, 1, 1, 1, 2]]),
    ],
)
def test_stacked_frames_are_the_last_ones(
    tmp_path: Path, channels: int, options: dict[str, Any], frames: list[list[int]]
) -> None:
    pilot = load(tmp_path, showing(channels=channels), range=(0, 255), **options)
    assert pilot.frames == len(frames[0])
    assert shades(pilot, len(frames)) == frames


def test_frames_in_a_stack_keep_their_colours(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(channels=6), range=(0, 255), colour="bgr")
    one, two = frame(seed=1), frame(seed=2)
    pilot.infer(one)
    np.testing.assert_array_equal(fed(pilot, two), np.dstack([one[..., ::-1], two[..., ::-1]]))
    np.testing.assert_array_equal(pilot.fed(), pilot.prepare(two))
    assert pilot.fed().shape == (12, 10, 6)


@pytest.mark.parametrize(("channels", "frames"), [(5, 2), (10, 5), (9, 4), (8, 2)])
def test_frames_that_do_not_make_the_channels_are_refused(tmp_path: Path, channels: int, frames: int) -> None:
    with pytest.raises(PilotError, match=rf"takes {channels} channels, which {frames} frames"):
        load(tmp_path, showing(channels=channels), frames=frames)


def sequence() -> Network:
    """Three frames, each through the convolution, all of them through the dense layer."""
    net = Network(12, 10, frames=3)
    net.reshape(3, 12, 10, 3)
    net.conv(2, (3, 3), (2, 2), activation="RELU")
    net.dense(2)
    return net


def oracle(net: Network, frames: list[Picture]) -> Floats:
    interpreter = Interpreter(model_content=net.bytes())
    interpreter.allocate_tensors()
    interpreter.set_tensor(net.inputs[0], np.stack(frames)[None].astype(np.float32))
    interpreter.invoke()
    values: Floats = interpreter.get_tensor(net.outputs[0]).ravel()
    return values


def test_a_sequence_is_the_last_frames_oldest_first(tmp_path: Path) -> None:
    net = sequence()
    pilot = load(tmp_path, net, range=(0, 255))
    a, b, c, d = pictures = [frame(seed=seed) for seed in range(4)]
    for picture, seen in zip(pictures, ([a, a, a], [a, a, b], [a, b, c], [b, c, d]), strict=True):
        (values,) = pilot.infer(picture).values()
        np.testing.assert_allclose(values, oracle(net, seen), rtol=1e-5)


def test_of_a_sequence_the_newest_frame_is_shown_and_prepared(tmp_path: Path) -> None:
    net = sequence()
    pilot, single = load(tmp_path, net, range=(0, 255)), load(tmp_path, sequence(), range=(0, 255))
    a, b, c = (frame(seed=seed) for seed in range(3))
    for picture in (a, b):
        pilot.infer(picture)
    shown = pilot.activations()[0].copy()
    single.infer(b)
    np.testing.assert_allclose(shown, single.activations()[0], rtol=1e-6)
    np.testing.assert_array_equal(pilot.fed(), b)
    np.testing.assert_array_equal(pilot.prepare(c), c)
    (values,) = pilot.run(pilot.prepare(c)).values()
    np.testing.assert_allclose(values, oracle(net, [a, a, c]), rtol=1e-5)


def test_a_sequence_runs_on_an_image_before_any_frame(tmp_path: Path) -> None:
    net = sequence()
    (values,) = load(tmp_path, net, range=(0, 255)).run(frame().astype(np.float32)).values()
    np.testing.assert_allclose(values, oracle(net, [frame()] * 3), rtol=1e-5)


@pytest.mark.parametrize("image", [{"frames": 2}, {"order": "newest-first"}])
def test_a_card_cannot_turn_a_sequence_around(tmp_path: Path, image: dict[str, Any]) -> None:
    with pytest.raises(PilotError, match="is fed a sequence of 3 frames, oldest-first; its card says"):
        load(tmp_path, sequence(), **image)


def test_running_adds_nothing_to_the_frames(tmp_path: Path) -> None:
    pilot = load(tmp_path, showing(channels=9), range=(0, 255))
    plain = load(tmp_path, showing(channels=9), range=(0, 255))
    pictures = [frame(seed=seed) for seed in range(4)]
    for picture in pictures:
        pilot.run(pilot.prepare(frame(seed=9)))
        np.testing.assert_array_equal(fed(pilot, picture), fed(plain, picture))


def test_a_pilot_goes_back_or_follows_another_by_its_past(tmp_path: Path) -> None:
    pilot, other = (load(tmp_path, showing(channels=9), range=(0, 255)) for _ in range(2))
    first = fed(pilot, frame(seed=0))
    past = pilot.past
    then = fed(pilot, frame(seed=1))
    other.past = past
    np.testing.assert_array_equal(fed(other, frame(seed=1)), then)
    fed(pilot, frame(seed=2))
    pilot.past = past
    np.testing.assert_array_equal(fed(pilot, frame(seed=1)), then)
    pilot.past = Past()
    np.testing.assert_array_equal(fed(pilot, frame(seed=0)), first)


# --- sizes left open


def open_size() -> Network:
    """As a converter writes a network that takes images of any size."""
    net = Network(1, 1)
    net.tensors[net.inputs[0]].shapeSignature = [-1, -1, -1, 3]
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 2
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    held = [net.constant(weights), net.constant(np.zeros(4, np.float32))]
    net.operator("CONV_2D", [net.at, *held], (1, 1, 1, 4), options)
    net.mean(1, 2)
    net.dense(2)
    return net


def test_a_size_left_open_is_the_cards(tmp_path: Path) -> None:
    pilot = load(tmp_path, open_size(), size=(24, 32))
    assert pilot.input_size == (24, 32)
    assert pilot.geometry[0].out_size == (12, 16)
    pilot.infer(frame(100, 100))
    assert pilot.activations()[0].shape == (12, 16, 4)
    assert pilot.activations()[0].std() > 0


def test_a_size_left_open_that_nobody_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match=r"leaves the size of its image open: say `size = \[HEIGHT, WIDTH\]` in its"):
        load(tmp_path, open_size())


def test_a_size_that_the_network_cannot_take_is_refused(tmp_path: Path) -> None:
    net = open_size()
    net.operator("RESHAPE", [net.at, net.constant(np.array([1, 999], np.int32))], (1, 999))
    net.outputs = [net.at]
    with pytest.raises(PilotError, match="does not run on images of 24x32, its card's size"):
        load(tmp_path, net, size=(24, 32))
