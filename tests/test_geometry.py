"""The way from image to last convolution, against what the interpreter itself does with single pixels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge import convpath, tflite
from edge.geometry import Geometry, Step
from edge.pilot import Pilot, PilotError
from tests.make_tflite import Network, Pair, output_size, tutorial

SHARED = Path(__file__).parents[2] / "shared"
REAL = SHARED / "data" / "pilots" / "warehouse" / "linear.tflite"

ONES = np.ones(4, np.float32)
KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")


def find(net: Network) -> convpath.ConvPath:
    return convpath.find(tflite.read(net.bytes()), net.inputs[0])


def windows(step: Step, out: Pair) -> Iterator[Pair]:
    """The pixels that one cell sees, by the formula in Step's docstring."""
    for row in range(step.kernel[0]):
        for column in range(step.kernel[1]):
            yield (
                step.stride[0] * out[0] - step.pad[0] + step.dilation[0] * row,
                step.stride[1] * out[1] - step.pad[1] + step.dilation[1] * column,
            )


def seen(geometry: Geometry, pixel: Pair) -> set[Pair]:
    """Cells of the last step that see a pixel, through all steps."""
    lit = {pixel}
    for step in geometry:
        cells = np.ndindex(*step.out_size)
        lit = {(row, column) for row, column in cells if not lit.isdisjoint(windows(step, (row, column)))}
    return lit


def lit_by_interpreter(pilot: Pilot, pixel: Pair) -> set[Pair]:
    """Cells of the last layer that change when one pixel of a black image turns white."""
    black = np.zeros((*pilot.input_size, 3), np.uint8)
    white = black.copy()
    white[pixel] = 255
    pilot.infer(black)
    before = pilot.activations()[-1].copy()
    pilot.infer(white)
    changed = np.abs(pilot.activations()[-1] - before).max(-1) > 1e-9
    return {(int(row), int(column)) for row, column in np.argwhere(changed)}


def add_window(net: Network, kind: str, kernel: Pair, stride: Pair, dilation: Pair, *, same: bool) -> None:
    if kind == "CONV_2D":
        weights = np.ones((1, *kernel, net.shape()[3]), np.float32)
        net.conv(1, kernel, stride, dilation=dilation, same=same, weights=weights)
    elif kind == "DEPTHWISE_CONV_2D":
        weights = np.ones((1, *kernel, net.shape()[3]), np.float32)
        net.conv(1, kernel, stride, dilation=dilation, same=same, depthwise=True, weights=weights)
    else:
        net.pool(kind, kernel, stride, same=same)


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(KINDS), same=st.booleans())
def test_a_step_sees_the_pixels_that_the_interpreter_sees(
    tmp_path: Path, data: st.DataObject, kind: str, same: bool
) -> None:
    size = data.draw(st.tuples(st.integers(6, 15), st.integers(6, 15)), "size")
    kernel, stride = data.draw(pairs, "kernel"), data.draw(pairs, "stride")
    dilation = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), "dilation") if "CONV" in kind else (1, 1)
    frame = data.draw(st.tuples(st.tuples(*[st.integers(0, 2)] * 2), st.tuples(*[st.integers(0, 2)] * 2)), "frame")
    net = Network(*size)
    if frame != ((0, 0), (0, 0)):
        net.pad(*frame)
    _, height, width, _ = net.shape()
    assume(min(output_size((height, width), kernel, stride, dilation, same=same)) > 0)
    add_window(net, kind, kernel, stride, dilation, same=same)
    net.conv(1, (1, 1), weights=np.ones((1, 1, 1, net.shape()[3]), np.float32))
    net.dense(1)
    path = tmp_path / "step.tflite"
    path.write_bytes(net.bytes())
    pilot = Pilot.load(path)
    assert pilot.geometry[0].in_size == size
    pixel = data.draw(st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[1] - 1)), "pixel")
    assert lit_by_interpreter(pilot, pixel) == seen(pilot.geometry, pixel)


def test_a_whole_network_of_unlike_steps_sees_what_the_interpreter_sees(tmp_path: Path) -> None:
    net = Network(37, 45, 1)
    add_window(net, "CONV_2D", (5, 3), (2, 1), (1, 1), same=True)
    net.pad((1, 2), (0, 3))
    add_window(net, "CONV_2D", (3, 3), (1, 2), (2, 1), same=False)
    add_window(net, "MAX_POOL_2D", (3, 2), (2, 2), (1, 1), same=True)
    add_window(net, "DEPTHWISE_CONV_2D", (3, 3), (1, 1), (1, 2), same=True)
    net.dense(1)
    path = tmp_path / "net.tflite"
    path.write_bytes(net.bytes())
    pilot = Pilot.load(path)
    assert [step.tapped for step in pilot.geometry] == [True, True, False, True]
    for before, after in zip(pilot.geometry[:-1], pilot.geometry[1:], strict=True):
        assert before.out_size == after.in_size
    for pixel in ((0, 0), (36, 44), (17, 22), (5, 40)):
        assert lit_by_interpreter(pilot, pixel) == seen(pilot.geometry, pixel) != set()


def test_remainder_rows_that_no_cell_sees_are_seen_by_none(tmp_path: Path) -> None:
    net = Network(10, 10)
    add_window(net, "CONV_2D", (3, 3), (3, 3), (1, 1), same=False)
    net.dense(1)
    path = tmp_path / "net.tflite"
    path.write_bytes(net.bytes())
    pilot = Pilot.load(path)
    assert pilot.geometry[0].out_size == (3, 3)
    assert lit_by_interpreter(pilot, (9, 4)) == seen(pilot.geometry, (9, 4)) == set()


def fused(net: Network) -> int:
    return net.conv(4, activation="RELU")


def separate(kind: str) -> Callable[[Network], int]:
    def build(net: Network) -> int:
        net.conv(4)
        return net.apply(kind)

    return build


def batch_norm_then_relu(net: Network) -> int:
    net.conv(4)
    net.apply("MUL", ONES, options=schema.MulOptionsT())
    net.apply("ADD", ONES, options=schema.AddOptionsT())
    return net.apply("RELU")


def batch_norm_with_fused_relu(net: Network) -> int:
    net.conv(4)
    net.apply("MUL", ONES, options=schema.MulOptionsT())
    options = schema.AddOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    return net.apply("ADD", ONES, options=options)


def batch_norm_behind_relu(net: Network) -> int:
    tap = net.conv(4, activation="RELU")
    net.apply("MUL", ONES, options=schema.MulOptionsT())
    return tap


def batch_norm_alone(net: Network) -> int:
    net.conv(4)
    return net.apply("SUB", ONES, options=schema.SubOptionsT())


def prelu(net: Network) -> int:
    net.conv(4)
    return net.apply("PRELU", np.full((1, 1, 4), 0.1, np.float32))


def relu_behind_padding(net: Network) -> int:
    tap = net.conv(4)
    net.pad((1, 1), (1, 1))
    net.apply("RELU")
    return tap


def identity_reshape(net: Network) -> int:
    net.conv(4)
    net.reshape(*net.shape())
    return net.apply("RELU")


def half_weights(net: Network) -> int:
    return net.conv(4, unpack="DEQUANTIZE", activation="RELU")


LAYERS = [
    fused, separate("RELU"), separate("RELU6"), separate("RELU_N1_TO_1"), separate("ELU"), separate("LEAKY_RELU"),
    separate("TANH"), separate("LOGISTIC"), separate("HARD_SWISH"), prelu, batch_norm_then_relu, batch_norm_alone,
    batch_norm_with_fused_relu, batch_norm_behind_relu, relu_behind_padding, identity_reshape, half_weights,
]  # fmt: skip


@pytest.mark.parametrize("last", [False, True], ids=["inner", "last"])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_tap_is_behind_the_activation_function(layer: Callable[[Network], int], last: bool) -> None:
    net = Network(12, 12)
    tap = layer(net)
    taps = (tap,) if last else (tap, net.conv(2))
    net.dense(2)
    assert find(net).taps == taps


def test_constant_scaling_before_the_first_convolution_is_passed_over() -> None:
    net = Network(12, 12)
    net.apply("MUL", np.array([2], np.float32), options=schema.MulOptionsT())
    net.apply("SUB", np.array([1], np.float32), options=schema.SubOptionsT())
    tap = net.conv(4, activation="RELU")
    net.dense(2)
    path = find(net)
    assert path.taps == (tap,)
    assert path.geometry[0].in_size == (12, 12)


def test_pooling_behind_the_last_convolution_is_left_out() -> None:
    net = Network(12, 12)
    net.conv(4, activation="RELU")
    net.pool("MAX_POOL_2D")
    net.dense(2)
    assert [step.tapped for step in find(net).geometry] == [True]


def test_two_heads_on_the_last_convolution_are_no_branch() -> None:
    assert len(find(tutorial()).geometry) == 5


def test_a_head_beside_the_last_activation_function_does_not_hide_it() -> None:
    net = Network(12, 12)
    net.conv(4)
    net.dense(2)
    tap = net.apply("RELU")
    net.dense(2)
    assert find(net).taps == (tap,)


def residual(net: Network) -> None:
    start = net.conv(4, same=True)
    other = net.conv(4, same=True)
    net.operator("ADD", [start, other], net.shape(), schema.AddOptionsT())
    net.conv(4)


def concatenation(net: Network) -> None:
    start = net.at
    one = net.conv(4, same=True)
    net.at = start
    two = net.conv(4, same=True)
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    net.operator("CONCATENATION", [one, two], (*net.shape()[:3], 8), options)


def added_to_itself(net: Network) -> None:
    net.conv(4)
    net.operator("ADD", [net.at, net.at], net.shape(), schema.AddOptionsT())
    net.conv(4)


def crop(net: Network) -> None:
    begin, end, step = (net.constant(np.array(it, np.int32)) for it in ((0, 2, 0, 0), (1, 12, 12, 3), (1, 1, 1, 1)))
    net.operator("STRIDED_SLICE", [net.at, begin, end, step], (1, 10, 12, 3), schema.StridedSliceOptionsT())
    net.conv(4)


def mirrored(net: Network) -> None:
    net.pad((1, 1), (1, 1), "MIRROR_PAD")
    net.conv(4)


def padded_with_ones(net: Network) -> None:
    net.pad((1, 1), (1, 1), "PADV2", value=np.array(1, np.float32))
    net.conv(4)


def reshaped(net: Network) -> None:
    net.conv(4)
    net.reshape(1, 5, 20, 4)
    net.conv(4)


def no_convolution(net: Network) -> None:
    net.apply("RELU")


def quantized(net: Network) -> None:
    net.operator("QUANTIZE", [net.at], net.shape(), dtype=np.int8)
    net.operator("DEQUANTIZE", [net.at], net.shape())
    net.conv(4)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (residual, "it branches before its last convolution"),
        (concatenation, "it branches before its last convolution"),
        (added_to_itself, r"operator ADD \(.*joins two branches"),
        (crop, r"operator STRIDED_SLICE \(.*crops the image"),
        (mirrored, r"operator MIRROR_PAD \(.*mirrored pixels"),
        (padded_with_ones, r"operator PADV2 \(.*something else than zeros"),
        (reshaped, r"operator RESHAPE \(.*changes the shape"),
        (quantized, r"operator QUANTIZE \(.*leaves floating point"),
        (no_convolution, "no convolution between its camera image and its outputs"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(build: Callable[[Network], None], words: str) -> None:
    net = Network(12, 12)
    build(net)
    net.dense(2)
    with pytest.raises(PilotError, match=words):
        find(net)


def test_zero_padding_by_padv2_is_padding() -> None:
    net = Network(12, 12)
    net.pad((1, 2), (3, 0), "PADV2", value=np.array(0, np.float32))
    net.conv(4)
    net.dense(2)
    step = find(net).geometry[0]
    assert (step.pad, step.in_size, step.out_size) == ((1, 3), (12, 12), (13, 13))


def test_a_residual_behind_the_last_convolution_ends_the_way() -> None:
    net = Network(12, 12)
    start = net.conv(4, same=True, activation="RELU")
    tap = net.conv(4, same=True, activation="RELU")
    net.operator("ADD", [start, tap], net.shape(), schema.AddOptionsT())
    net.dense(2)
    assert find(net).taps == (start, tap)


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data/pilots")
def test_a_donkeycar_pilot_has_the_geometry_it_was_built_with() -> None:
    steps = Pilot.load(REAL).geometry
    assert [(step.name, step.kernel, step.stride, step.out_size) for step in steps] == [
        ("conv2d_1", (5, 5), (2, 2), (58, 78)),
        ("conv2d_2", (5, 5), (2, 2), (27, 37)),
        ("conv2d_3", (5, 5), (2, 2), (12, 17)),
        ("conv2d_4", (3, 3), (1, 1), (10, 15)),
        ("conv2d_5", (3, 3), (1, 1), (8, 13)),
    ]
    assert all(step.tapped and step.pad == (0, 0) and step.dilation == (1, 1) for step in steps)
