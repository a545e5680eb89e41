"""Which ways are followed, where the taps are and how their values count; and what is refused, with which words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edge import tflite
from edge.geometry import Reads
from edge.tflite import PilotError
from tests.make_tflite import Network, quantized, residual, tutorial
from tests.seen import find, lit_by_interpreter, ones, run, seen

ONES = np.ones(4, np.float32)


def fused(net: Network) -> int:
    return net.conv(4, activation="RELU")


def separate(kind: str) -> Callable[[Network], int]:
    def build(net: Network) -> int:
        net.conv(4)
        options = schema.LeakyReluOptionsT() if kind == "LEAKY_RELU" else None
        if options:
            options.alpha = 0.1
        return net.apply(kind, options=options)

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


def swish(net: Network) -> int:
    x = net.conv(4)
    return net.join("MUL", x, net.apply("LOGISTIC"))


def hard_swish_by_hand(net: Network) -> int:
    x = net.conv(4)
    net.apply("ADD", 3 * ONES, options=schema.AddOptionsT())
    net.apply("RELU6")
    net.apply("MUL", ONES / 6, options=schema.MulOptionsT())
    return net.join("MUL", x, net.at)


def leaky_by_hand(net: Network) -> int:
    x = net.conv(4)
    net.apply("MUL", ONES / 9, options=schema.MulOptionsT())
    return net.operator("MAXIMUM", [x, net.at], net.shape())


def prelu_by_hand(net: Network) -> int:
    x = net.conv(4)
    positive = net.apply("RELU")
    net.at = x
    net.apply("NEG")
    net.apply("RELU")
    net.apply("MUL", -ONES / 9, options=schema.MulOptionsT())
    return net.join("ADD", positive, net.at)


def selu(net: Network) -> int:
    x = net.conv(4)
    above = net.operator("GREATER", [x, net.constant(np.zeros((), np.float32))], net.shape(), dtype=np.bool_)
    net.at = x
    net.apply("EXP")
    net.apply("SUB", ONES, options=schema.SubOptionsT())
    return net.operator("SELECT_V2", [above, x, net.at], net.shape())


def softsign(net: Network) -> int:
    x = net.conv(4)
    net.apply("ABS")
    net.apply("ADD", ONES, options=schema.AddOptionsT())
    return net.join("DIV", x, net.at)


def concatenated_relu(net: Network) -> int:
    x = net.conv(4)
    positive = net.apply("RELU")
    net.at = x
    net.apply("NEG")
    return net.join("CONCATENATION", positive, net.apply("RELU"))


def layer_norm_behind_relu(net: Network) -> int:
    tap = net.conv(4, activation="RELU")
    mean = net.mean(3)
    shifted = net.operator("SUB", [tap, mean], net.shape(tap), schema.SubOptionsT())
    net.at = tap
    net.operator("DIV", [shifted, net.mean(3)], net.shape(tap), schema.DivOptionsT())
    return tap


def gated(net: Network) -> int:
    """Squeeze and excite: channels weighed by what the whole image holds; the convolutions in it have no place."""
    tap = net.conv(4, activation="RELU")
    net.mean(1, 2)
    net.conv(2, (1, 1), activation="RELU")
    net.conv(4, (1, 1))
    gate = net.apply("LOGISTIC")
    net.operator("MUL", [tap, gate], net.shape(tap), schema.MulOptionsT())
    return tap


def gated_by_pooling(net: Network) -> int:
    tap = net.conv(4, activation="RELU")
    _, height, width, _ = net.shape()
    net.pool("AVERAGE_POOL_2D", (height, width), (1, 1))
    net.conv(4, (1, 1))
    gate = net.apply("LOGISTIC")
    net.operator("MUL", [tap, gate], net.shape(tap), schema.MulOptionsT())
    return tap


def dilated_in_a_batch(net: Network) -> int:
    net.space_to_batch((2, 2), (0, 0), (0, 0))
    net.conv(4, (2, 2))
    net.apply("RELU")
    return net.batch_to_space((2, 2))


def dilated_before_relu(net: Network) -> int:
    net.space_to_batch((2, 2), (2, 2), (2, 2))
    net.conv(4, (3, 3))
    net.batch_to_space((2, 2))
    return net.apply("RELU")


def pooled_before_relu(net: Network) -> int:
    tap = net.conv(4)
    net.pool("MAX_POOL_2D", (2, 2), (1, 1))
    net.apply("RELU")
    return tap


def pooled_before_swish(net: Network) -> int:
    tap = net.conv(4)
    x = net.pool("MAX_POOL_2D", (2, 2), (1, 1))
    net.join("MUL", x, net.apply("LOGISTIC"))
    return tap


def pooled_before_tanh(net: Network) -> int:
    tap = net.conv(4)
    net.pool("AVERAGE_POOL_2D", (2, 2), (1, 1))
    net.apply("TANH")
    return tap


def quantized_between(net: Network) -> int:
    net.quantize()
    net.conv(4)
    net.dequantize()
    tap = net.apply("ELU")
    net.quantize()
    net.dequantize()
    return tap


def half_weights(net: Network) -> int:
    return net.conv(4, unpack="DEQUANTIZE", activation="RELU")


LAYERS: list[tuple[Callable[[Network], int], Reads]] = [
    (fused, "mean"), (separate("RELU"), "mean"), (separate("RELU6"), "mean"), (separate("RELU_N1_TO_1"), "magnitude"),
    (separate("ELU"), "positive"), (separate("LEAKY_RELU"), "positive"), (separate("TANH"), "magnitude"),
    (separate("LOGISTIC"), "mean"), (separate("HARD_SWISH"), "positive"), (prelu, "positive"), (swish, "positive"),
    (hard_swish_by_hand, "positive"), (leaky_by_hand, "positive"), (prelu_by_hand, "positive"), (selu, "positive"),
    (softsign, "magnitude"), (concatenated_relu, "magnitude"), (batch_norm_then_relu, "mean"),
    (batch_norm_alone, "magnitude"), (batch_norm_with_fused_relu, "mean"), (batch_norm_behind_relu, "mean"),
    (layer_norm_behind_relu, "mean"), (gated, "mean"), (gated_by_pooling, "mean"), (relu_behind_padding, "positive"),
    (pooled_before_relu, "positive"), (pooled_before_swish, "positive"), (pooled_before_tanh, "magnitude"),
    (dilated_in_a_batch, "mean"), (dilated_before_relu, "mean"), (quantized_between, "positive"),
    (identity_reshape, "mean"), (half_weights, "mean"),
]  # fmt: skip


@pytest.mark.parametrize("last", [False, True], ids=["inner", "last"])
@pytest.mark.parametrize(("layer", "reads"), LAYERS)
def test_the_tap_is_behind_the_activation_function(layer: Callable[[Network], int], reads: Reads, last: bool) -> None:
    net = Network(12, 12)
    tap = layer(net)
    taps = (tap,) if last else (tap, net.conv(2))
    net.dense(2)
    path = find(net)
    assert path.taps == taps
    tapped = [step for step in path.geometry if step.tapped]
    assert [step.reads for step in tapped] == [reads, "magnitude"][: len(taps)]
    assert [step.out_size for step in tapped] == [net.shape(tap)[1:3] for tap in taps]


@pytest.mark.parametrize(("layer", "reads"), LAYERS)
def test_activations_that_count_as_they_are_are_never_negative(layer: Callable[[Network], int], reads: Reads) -> None:
    net = Network(12, 12)
    tap = layer(net)
    net.outputs = [tap]
    interpreter = Interpreter(model_content=net.bytes())
    interpreter.allocate_tensors()
    image = np.random.default_rng(1).standard_normal((1, 12, 12, 3)).astype(np.float32)
    (activations,) = run(interpreter, net.inputs[0], image, [tap])
    assert (activations.min() >= 0) == (reads == "mean" or layer == concatenated_relu)


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


def side_by_side(net: Network) -> None:
    options = schema.ConcatenationOptionsT()
    options.axis = 2
    net.operator("CONCATENATION", [net.at, net.at], (1, 12, 24, 3), options)
    net.conv(4)


def reshaped(net: Network) -> None:
    net.conv(4)
    net.reshape(1, 5, 20, 4)
    net.conv(4)


def flattened(net: Network) -> None:
    """A convolution over what was an image, such as one over time."""
    net.conv(4)
    net.reshape(1, 1, 400)
    net.apply("RELU")
    net.reshape(1, 1, 1, 400)
    net.conv(4, (1, 1))


def transposed(net: Network) -> None:
    net.operator("TRANSPOSE", [net.at, net.constant(np.array([0, 2, 1, 3], np.int32))], (1, 12, 12, 3))
    net.conv(4)


def flipped(net: Network) -> None:
    net.crop(slice(None, None, -1), slice(None))
    net.conv(4)


def halved(net: Network) -> None:
    options = schema.SplitOptionsT()
    options.numSplits = 2
    axis = net.constant(np.array(1, np.int32))
    net.operator("SPLIT", [axis, net.at], (1, 6, 12, 3), options)
    net.operators[-1].outputs.append(net.tensor((1, 6, 12, 3)))
    net.conv(4)


def left_apart(net: Network) -> None:
    net.space_to_batch((2, 2))
    net.conv(4)


def strided_apart(net: Network) -> None:
    net.space_to_batch((2, 2))
    net.conv(4, (2, 2), (2, 2))
    net.batch_to_space((2, 2))


def joined_apart(net: Network) -> None:
    start = net.space_to_batch((2, 2))
    net.join("ADD", start, net.conv(3, same=True))
    net.batch_to_space((2, 2))
    net.conv(4)


def summed_along_rows(net: Network) -> None:
    net.mean(1)
    net.conv(4, (1, 1))


def enlarging(net: Network) -> None:
    net.conv(4)
    weights = net.constant(np.ones((2, 2, 2, 4), np.float32))
    size = net.constant(np.array([1, 20, 20, 2], np.int32))
    net.operator("TRANSPOSE_CONV", [size, weights, net.at], (1, 20, 20, 2), schema.TransposeConvOptionsT())


def dense_for_each_cell(net: Network) -> None:
    weights = net.constant(np.ones((4, 3), np.float32))
    net.operator("FULLY_CONNECTED", [net.at, weights, -1], (1, 12, 12, 4), schema.FullyConnectedOptionsT())
    net.conv(4)


def weights_from_the_image(net: Network) -> None:
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    options.padding = schema.Padding.VALID
    net.operator("CONV_2D", [net.constant(np.ones((1, 20, 20, 3), np.float32)), net.at], (1, 9, 9, 1), options)


def unknown(net: Network) -> None:
    net.operator("CUMSUM", [net.at, net.constant(np.array(1, np.int32))], net.shape())
    net.conv(4)


def no_convolution(net: Network) -> None:
    net.apply("RELU")


def wide_integers(net: Network) -> None:
    weights = net.constant(np.ones((2, 3, 3, 3), np.float32))
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    options.padding = schema.Padding.VALID
    net.operator("CONV_2D", [net.at, weights, -1], (1, 10, 10, 2), options, dtype=np.int32)
    net.operator("CAST", [net.at], net.shape())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (side_by_side, r"operator CONCATENATION \(.*joins images along another axis than their channels"),
        (reshaped, r"operator RESHAPE \(.*changes the shape"),
        (flattened, r"operator RESHAPE \(.*changes the shape"),
        (transposed, r"operator TRANSPOSE \(.*turns the axes around"),
        (flipped, r"operator STRIDED_SLICE \(.*cuts out other than"),
        (halved, r"operator SPLIT \(.*splits the image along its rows or columns"),
        (left_apart, r"layer 'conv1' leaves the image taken apart"),
        (strided_apart, r"operator CONV_2D \('conv1'\).*moves by more than 1 in an image that is taken apart"),
        (joined_apart, r"operator ADD \(.*joins images that are taken apart"),
        (summed_along_rows, r"operator MEAN \(.*sums up along some of its axes"),
        (enlarging, r"operator TRANSPOSE_CONV \(.*enlarges; resize and convolve instead"),
        (dense_for_each_cell, r"operator FULLY_CONNECTED \(.*make it a convolution of kernel 1x1"),
        (weights_from_the_image, r"operator CONV_2D \(.*uses the image as its parameter"),
        (unknown, r"operator CUMSUM \(.*of a kind that is not supported there"),
        (wide_integers, r"computes in INT32 \(tensor .*only FLOAT32 and quantized integers are supported"),
        (no_convolution, "no convolution between its camera image and its outputs"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(build: Callable[[Network], None], words: str) -> None:
    net = Network(12, 12)
    build(net)
    net.dense(2)
    with pytest.raises(PilotError, match=words):
        find(net)


def test_a_3_d_convolution_is_refused_with_what_to_do() -> None:
    net = Network(12, 12, frames=4)
    weights = net.constant(np.ones((3, 3, 3, 3, 2), np.float32))
    net.operator("CONV_3D", [net.at, weights], (1, 2, 10, 10, 2), schema.Conv3DOptionsT())
    net.dense(2)
    with pytest.raises(PilotError, match=r"CONV_3D .*looks at several frames at once.*use TimeDistributed Conv2D"):
        find(net)


def shown(net: Network) -> list[tuple[str, tuple[int, ...]]]:
    """The steps as conv, pool or join, and what they look at."""
    kinds = {True: "conv", False: "other"}
    return [(kinds[step.tapped] if len(step.inputs) == 1 else "join", step.inputs) for step in find(net).geometry]


def test_residual_blocks_and_branches_are_joined_where_the_network_joins_them() -> None:
    assert shown(residual()) == [
        ("conv", (-1,)),
        ("conv", (0,)), ("conv", (1,)), ("join", (0, 2)),
        ("conv", (3,)), ("conv", (4,)), ("join", (3, 5)),
        ("conv", (6,)), ("other", (6,)), ("join", (7, 8)),
        ("conv", (9,)),
    ]  # fmt: skip


def test_two_ends_are_both_shown_and_what_only_heads_use_is_not() -> None:
    net = Network(20, 20)
    start = net.conv(4, activation="RELU")
    net.conv(4, activation="RELU")
    net.pool("MAX_POOL_2D")
    net.dense(1)
    net.at = start
    net.conv(4, stride=(2, 2), activation="RELU")
    net.dense(1)
    assert shown(net) == [("conv", (-1,)), ("conv", (0,)), ("conv", (0,))]


def test_a_branch_that_is_padded_is_joined_with_one_that_is_not() -> None:
    net = Network(12, 12)
    start = net.conv(4, same=True)
    net.conv(4)
    net.join("ADD", start, net.pad((1, 1), (2, 0)))
    net.conv(4)
    net.dense(1)
    frame, join = find(net).geometry[2:4]
    assert (frame.pad, frame.in_size, frame.out_size, join.inputs) == ((1, 2), (10, 10), (12, 12), (0, 2))


def test_combining_values_of_the_same_cells_is_no_join() -> None:
    net = Network(12, 12)
    tap = net.conv(4, activation="RELU")
    net.join("ADD", tap, net.apply("TANH"))
    net.conv(4)
    net.dense(1)
    assert shown(net) == [("conv", (-1,)), ("conv", (0,))]


def test_what_other_inputs_bring_counts_as_a_constant() -> None:
    net = Network(12, 12)
    speed = net.input((1, 1, 1, 4), "speed")
    tap = net.conv(4, activation="RELU")
    net.join("CONCATENATION", net.join("MUL", tap, speed), net.input((1, 10, 10, 2), "depth"))
    last = net.conv(4)
    net.dense(1)
    assert find(net).taps == (tap, last)


def test_a_decoder_beside_the_head_is_left_out() -> None:
    """As in Donkeycar's latent pilot, one output of which is the picture it has understood."""
    net = Network(16, 16)
    tap = net.conv(4, stride=(2, 2), same=True, activation="RELU")
    net.dense(1)
    net.resize(16, 16)
    net.outputs.append(net.conv(3, same=True))
    assert find(net).taps == (tap,)
    net.outputs.reverse()
    net.outputs.pop()
    assert len(find(net).taps) == 2, "if it has no other output it is shown"


def test_a_convolution_that_nothing_comes_of_is_left_out() -> None:
    net = Network(16, 16)
    start = net.at
    net.conv(4)
    net.at = start
    tap = net.conv(2)
    net.dense(1)
    assert find(net).taps == (tap,)


def sequence_as_a_batch(net: Network) -> None:
    net.reshape(3, 14, 15, 1)
    ones(net, (3, 3), stride=(2, 2))
    ones(net, (2, 2))


def sequence_frame_by_frame(net: Network) -> None:
    """As Keras writes TimeDistributed layers of a fixed number of frames."""
    net.reshape(3, 1, 14, 15, 1)
    for kernel, stride in (((3, 3), (2, 2)), ((2, 2), (1, 1))):
        sequence, frames = net.at, []
        for number in range(3):
            net.at = sequence
            net.frame(number)
            frames.append(ones(net, kernel, stride=stride))
        net.pack(*frames)


@pytest.mark.parametrize("build", [sequence_as_a_batch, sequence_frame_by_frame])
def test_of_a_sequence_of_frames_the_newest_is_followed(build: Callable[[Network], None]) -> None:
    net = Network(14, 15, 1, frames=3)
    build(net)
    net.dense(1)
    geometry = find(net).geometry
    assert [step.out_size for step in geometry] == [(6, 7), (5, 6)]
    assert lit_by_interpreter(net, (5, 6)) == seen(geometry, (5, 6))
    assert all(seen(geometry, (5, 6)))
    for older in (0, 1):
        assert not any(lit_by_interpreter(net, (5, 6), older))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_a_network_of_integers_has_the_geometry_of_its_twin(dtype: Any) -> None:
    float_path, path = find(quantized(np.float32)), find(quantized(dtype))
    assert [replace(step, reads="mean") for step in path.geometry] == [
        replace(step, reads="mean") for step in float_path.geometry
    ]
    tensors = tflite.read(quantized(dtype).bytes()).tensors
    for tap in path.taps:
        assert (tensors[tap].type, tensors[tap].quantization is None) == (np.dtype(dtype).name.upper(), False)
    last = "magnitude" if dtype == np.int16 else "mean"
    assert [step.reads for step in path.geometry if step.tapped] == ["mean", last, "magnitude"]


def test_integers_that_cannot_be_below_0_count_as_they_are() -> None:
    """Quantizing drops a ReLU whose bound is the type's own."""
    net = Network(12, 12, dtype=np.int8)
    net.conv(4, activation="RELU")
    for operator in net.operators:
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    net.dense(1)
    assert [step.reads for step in find(net).geometry] == ["mean"]


def test_weights_of_fewer_bits_make_no_difference() -> None:
    plain, hybrid, half = Network(12, 12), Network(12, 12), Network(12, 12)
    plain.conv(4, activation="RELU", name="c")
    hybrid.conv(4, activation="RELU", name="c", hybrid=True)
    half.conv(4, activation="RELU", name="c", unpack="DEQUANTIZE")
    paths = []
    for net in (plain, hybrid, half):
        net.dense(1)
        paths.append(find(net).geometry)
    assert paths[0] == paths[1] == paths[2]


def test_a_frame_of_anything_is_no_part_of_the_image() -> None:
    for kind, value in (("PADV2", np.array(1, np.float32)), ("MIRROR_PAD", None)):
        net = Network(12, 12)
        net.pad((1, 1), (2, 0), kind, value=value)
        net.conv(4)
        net.dense(1)
        (step,) = find(net).geometry
        assert (step.pad, step.in_size, step.out_size) == ((1, 2), (12, 12), (12, 12))


def test_a_file_that_asks_for_more_than_there_is_is_refused() -> None:
    net = Network(4, 4000, 1)
    net.pad((0, 0), (0, 1000))
    net.conv(1)
    net.dense(1)
    with pytest.raises(PilotError, match="too large to be shown: layer 'conv1' has more than 4096 rows or columns"):
        find(net)
    net = Network(4000, 4000, 1)
    for _ in range(3):
        net.conv(1, (1, 1))
    with pytest.raises(PilotError, match="too large to be shown: its layers have 96000000 cells"):
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
