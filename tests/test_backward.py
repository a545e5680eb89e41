"""The backward rules, one by one, against differences of the network as TFLite runs it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge import tflite
from edge.backward import Backward
from edge.backward.rules import RULES
from edge.tflite import PilotError
from tests.gradients import Run
from tests.make_tflite import Network

Build = Callable[[Network], object]
Floats = NDArray[np.float32]


def ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def floats(*values: float) -> Floats:
    return np.array(values, np.float32)


def options(kind: str, **fields: Any) -> Any:
    made = getattr(schema, kind + "OptionsT")()
    for name, value in fields.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


def move(net: Network, name: str, shape: tuple[int, ...], *parameters: NDArray[Any], how: Any = None) -> int:
    """An operator on the way with constants behind it."""
    return net.operator(name, [net.at, *map(net.constant, parameters)], shape, how)


def two(name: str, kind: str = "", *, small: bool = False, swap: bool = False, **fields: Any) -> Build:
    """Arithmetic between two branches, both of which depend on the image; perhaps one is broadcast."""

    def build(net: Network) -> None:
        image = net.at
        shape = net.shape()
        other = net.apply("EXP")
        if small:
            other = move(net, "MEAN", (1, 1, shape[2], 1), ints(1, 3), how=options("Reducer", keepDims=True))
        inputs = [other, image] if swap else [image, other]
        net.operator(name, inputs, shape, options(kind, **fields) if kind else None)

    return build


def constant(name: str, data: Floats, kind: str = "", *, swap: bool = False) -> Build:
    def build(net: Network) -> None:
        held = net.constant(data)
        net.operator(name, [held, net.at] if swap else [net.at, held], net.shape(), options(kind) if kind else None)

    return build


def same(name: str, kind: str = "", **fields: Any) -> Build:
    return lambda net: net.apply(name, options=options(kind, **fields) if kind else None)


def many(name: str) -> Build:
    """Of more values than are done precisely, each of which depends on one pixel."""

    def build(net: Network) -> None:
        move(net, "TILE", (4, 10, 12, 3), ints(4, 2, 2, 1))
        net.apply(name)

    return build


def dense(**fields: Any) -> Build:
    """On the last axis, whose neighbours are kept or flattened."""

    def build(net: Network) -> None:
        weights = net.random.standard_normal((4, net.shape()[3])).astype(np.float32)
        how = options("FullyConnected", **fields)
        shape = (*net.shape()[:3], 4) if how.keepNumDims else (30, 4)
        move(net, "FULLY_CONNECTED", shape, weights, floats(1, 2, 3, 4), how=how)

    return build


def product(*, turned: bool, both: bool = False) -> Build:
    """BATCH_MATMUL by a constant, or by the image itself (turned around) with batches broadcast."""

    def build(net: Network) -> None:
        n, h, w, c = net.shape()
        if both:
            image, one = net.at, move(net, "SLICE", (1, 1, w, c), ints(0, 1, 0, 0), ints(1, 1, w, c))
            inputs, shape = [one, image], (n, h, *((w, w) if turned else (c, c)))
        else:
            held = net.random.standard_normal((5, c) if turned else (c, 5)).astype(np.float32)
            inputs, shape = [net.at, net.constant(held)], (n, h, w, 5)
        net.operator("BATCH_MATMUL", inputs, shape, options("BatchMatMul", adjX=both and not turned, adjY=turned))

    return build


def transposed(*, same_size: bool, activation: int = 0) -> Build:
    def build(net: Network) -> None:
        _, h, w, c = net.shape()
        shape = (1, 2 * h - 1, 3 * w, 2) if same_size else (1, 2 * h + 1, 3 * w, 2)
        weights = net.random.standard_normal((2, 3, 3, c)).astype(np.float32)
        how = options(
            "TransposeConv", padding=0 if same_size else 1, strideH=2, strideW=3, fusedActivationFunction=activation
        )
        net.operator("TRANSPOSE_CONV", [net.constant(ints(*shape)), net.constant(weights), net.at], shape, how)

    return build


def grouped(net: Network) -> None:
    weights = net.random.standard_normal((6, 3, 2, 1)).astype(np.float32)
    how = options("Conv2D", padding=1, strideW=1, strideH=2, dilationWFactor=1, dilationHFactor=1)
    move(net, "CONV_2D", (1, 2, 5, 6), weights, net.random.standard_normal(6).astype(np.float32), how=how)


def pooled(name: str) -> Build:
    """With a fused ReLU."""

    def build(net: Network) -> None:
        net.pool(name)
        net.operators[-1].builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU

    return build


def reduced(name: str, *axes: int, keep: bool) -> Build:
    def build(net: Network) -> None:
        kept = [1 if i - 4 in axes or i in axes else n for i, n in enumerate(net.shape())]
        shape = kept if keep else [n for i, n in enumerate(net.shape()) if not (i - 4 in axes or i in axes)]
        move(net, name, tuple(shape), ints(*axes), how=options("Reducer", keepDims=keep))

    return build


def joined(net: Network) -> None:
    image, other = net.at, net.apply("EXP")
    n, h, w, c = net.shape()
    how = options("Concatenation", axis=-2, fusedActivationFunction=1)
    net.operator("CONCATENATION", [image, other, image], (n, h, 3 * w, c), how)


def packed(net: Network) -> None:
    image, other = net.at, net.apply("EXP")
    net.operator("PACK", [other, image], (*net.shape(), 2), options("Pack", valuesCount=2, axis=-1))


def split(name: str) -> Build:
    """Into columns; the parts come together again unequally, one of them stays unused."""

    def build(net: Network) -> None:
        n, h, w, c = net.shape()
        sizes, first = ([2] * (w // 2), 2) if name == "SPLIT" else ([1, 2, w - 3], 1)
        image, axis = net.at, net.constant(np.array(2, np.int32))
        if name == "UNPACK":
            sizes, inputs, how = [1] * w, [image], options("Unpack", num=w, axis=2)
        elif name == "SPLIT":
            inputs, how = [axis, image], options("Split", numSplits=len(sizes))
        else:
            inputs, how = [image, net.constant(ints(*sizes)), axis], options("SplitV", numSplits=len(sizes))
        shapes = [(n, h, c) if name == "UNPACK" else (n, h, size, c) for size in sizes]
        net.operator(name, inputs, shapes[0], how)
        parts = [net.at, *(net.tensor(shape) for shape in shapes[1:])]
        net.operators[-1].outputs = parts
        assert len(parts) >= 3 and first
        middle = net.operator("EXP", [parts[1]], shapes[1])
        if name == "SPLIT_V":
            net.operator("ADD", [middle, parts[0]], shapes[1], options("Add"))
        else:
            net.operator("MUL", [middle, parts[0]], shapes[1], options("Mul"))

    return build


def selected(name: str) -> Build:
    def build(net: Network) -> None:
        image, other, shape = net.at, net.apply("EXP"), net.shape()
        net.operator("GREATER", [image, net.constant(floats(0.1))], shape, options("Greater"))
        net.tensors[net.at].type = schema.TensorType.BOOL
        net.operator(name, [net.at, other, image], shape)

    return build


def cast(net: Network) -> None:
    """To float16 and back, and to whole numbers, through which nothing flows."""
    image, shape = net.at, net.shape()
    whole = net.operator("CAST", [image], shape, dtype=np.int32)
    back = net.operator("CAST", [whole], shape)
    floor = net.operator("FLOOR", [image], shape)
    still = net.operator("ADD", [back, floor], shape, options("Add"))
    copy = net.operator("CAST", [image], shape)
    net.operator("ADD", [still, copy], shape, options("Add"))


def resized(name: str, *, align: bool, half: bool, size: tuple[int, int]) -> Build:
    def build(net: Network) -> None:
        n, _, _, c = net.shape()
        how = options(name.title().replace("_", ""), alignCorners=align, halfPixelCenters=half)
        move(net, name, (n, *size, c), ints(*size), how=how)

    return build


def sliced(net: Network) -> None:
    how = options("StridedSlice", beginMask=1, endMask=1, shrinkAxisMask=8, newAxisMask=0)
    move(net, "STRIDED_SLICE", (1, 2, 3), ints(0, -2, 5, 1), ints(0, -5, 0, 2), ints(1, -2, -2, 1), how=how)


def cropped(net: Network) -> None:
    ends = ints(0, 1, 0, 0), ints(0, 4, -1, 0), ints(1, 1, 1, 1)
    move(net, "STRIDED_SLICE", (1, 3, 5, 3), *ends, how=options("StridedSlice", beginMask=9, endMask=9))


def broadcast(net: Network) -> None:
    shape = (2, *net.shape()[1:])
    move(net, "BROADCAST_TO", shape, ints(*shape))
    net.codes[-1].version = 2


def widened(net: Network) -> None:
    """With an ellipsis and a new axis."""
    ends = ints(0, 0, 1), ints(0, 0, 3), ints(1, 1, 1)
    how = options("StridedSlice", ellipsisMask=1, newAxisMask=2)
    move(net, "STRIDED_SLICE", (1, 5, 6, 1, 2), *ends, how=how)


def attention(net: Network) -> None:
    """Four cells look at each other: products of three branches with softmax between."""
    _, h, w, c = net.shape()
    net.reshape(1, h * w, c)
    cells = net.at
    net.operator("BATCH_MATMUL", [cells, cells], (1, h * w, h * w), options("BatchMatMul", adjY=True, adjX=False))
    net.apply("SOFTMAX", options=options("Softmax", beta=1.0))
    net.operator("BATCH_MATMUL", [net.at, cells], (1, h * w, c), options("BatchMatMul", adjX=False, adjY=False))


ANY: dict[str, list[Build]] = {
    "CONV_2D": [
        lambda net: net.conv(4, (3, 2), (2, 2), same=True),
        lambda net: net.conv(4, (3, 2), (1, 2), activation="RELU6", unpack="DEQUANTIZE"),
        lambda net: net.conv(2, (2, 2), dilation=(2, 3), activation="TANH"),
        grouped,
    ],
    "DEPTHWISE_CONV_2D": [
        lambda net: net.conv(1, (3, 3), (2, 2), same=True, depthwise=True, activation="RELU_N1_TO_1"),
        lambda net: net.conv(3, (2, 3), (1, 1), dilation=(2, 1), depthwise=True),
    ],
    "TRANSPOSE_CONV": [transposed(same_size=True), transposed(same_size=False)],
    "MAX_POOL_2D": [
        lambda net: net.pool("MAX_POOL_2D"),
        lambda net: net.pool("MAX_POOL_2D", (3, 2), (2, 1), same=True),
        lambda net: net.pool("MAX_POOL_2D", (2, 2), (3, 3), same=True),
        pooled("MAX_POOL_2D"),
    ],
    "AVERAGE_POOL_2D": [
        lambda net: net.pool("AVERAGE_POOL_2D"),
        lambda net: net.pool("AVERAGE_POOL_2D", (3, 4), (2, 3), same=True),
        pooled("AVERAGE_POOL_2D"),
    ],
    "FULLY_CONNECTED": [
        lambda net: net.dense(3, output=False),
        dense(keepNumDims=True),
        dense(fusedActivationFunction=1),
    ],
    "BATCH_MATMUL": [
        product(turned=True),
        product(turned=False),
        product(turned=True, both=True),
        product(turned=False, both=True),
        attention,
    ],
    "RELU": [same("RELU")],
    "RELU6": [lambda net: (net.apply("MUL", floats(9), options=options("Mul")), net.apply("RELU6"))],
    "RELU_N1_TO_1": [lambda net: (net.apply("MUL", floats(2), options=options("Mul")), net.apply("RELU_N1_TO_1"))],
    "RELU_0_TO_1": [lambda net: (net.apply("MUL", floats(2), options=options("Mul")), net.apply("RELU_0_TO_1"))],
    "TANH": [same("TANH"), many("TANH")],
    "RESHAPE": [lambda net: net.reshape(1, 3, 10, 3)],
    "SQUEEZE": [lambda net: net.operator("SQUEEZE", [net.at], net.shape()[1:], options("Squeeze", squeezeDims=[0]))],
    "EXPAND_DIMS": [lambda net: move(net, "EXPAND_DIMS", (*net.shape(), 1), np.array(-1, np.int32))],
    "CAST": [cast],
    "ELU": [same("ELU")],
    "LOGISTIC": [same("LOGISTIC"), many("LOGISTIC")],
    "EXP": [same("EXP")],
    "SQRT": [lambda net: (net.apply("EXP"), net.apply("SQRT"))],
    "RSQRT": [lambda net: (net.apply("EXP"), net.apply("RSQRT"))],
    "HARD_SWISH": [lambda net: (net.apply("MUL", floats(5), options=options("Mul")), net.apply("HARD_SWISH"))],
    "SQUARE": [same("SQUARE")],
    "ABS": [same("ABS")],
    "NEG": [same("NEG")],
    "LOG": [lambda net: (net.apply("EXP"), net.apply("LOG"))],
    "SIN": [same("SIN")],
    "COS": [same("COS")],
    "LEAKY_RELU": [same("LEAKY_RELU", "LeakyRelu", alpha=0.3)],
    "PRELU": [lambda net: net.apply("PRELU", floats(0.1, 0.5, -0.4).reshape(1, 1, 3))],
    "GELU": [same("GELU", "Gelu", approximate=False), same("GELU", "Gelu", approximate=True)],
    "SOFTMAX": [same("SOFTMAX", "Softmax", beta=1.0), same("SOFTMAX", "Softmax", beta=2.5)],
    "LOG_SOFTMAX": [same("LOG_SOFTMAX")],
    "ADD": [two("ADD", "Add"), two("ADD", "Add", small=True, fusedActivationFunction=1)],
    "ADD_N": [lambda net: net.operator("ADD_N", [net.at, net.at, net.apply("EXP")], net.shape())],
    "SUB": [
        two("SUB", "Sub", small=True, swap=True, fusedActivationFunction=2),
        constant("SUB", floats(1, 2, 3), "Sub", swap=True),
    ],
    "MUL": [
        two("MUL", "Mul", small=True),
        two("MUL", "Mul", fusedActivationFunction=1),
        lambda net: net.operator("MUL", [net.at, net.at], net.shape(), options("Mul")),
        constant("MUL", floats(1, -2, 0), "Mul"),
    ],
    "DIV": [
        two("DIV", "Div", fusedActivationFunction=1),
        two("DIV", "Div", small=True),
        constant("DIV", floats(2, -4, 3), "Div"),
    ],
    "SQUARED_DIFFERENCE": [two("SQUARED_DIFFERENCE", small=True)],
    "POW": [lambda net: (net.apply("EXP"), net.apply("POW", floats(2.5)))],
    "MAXIMUM": [constant("MAXIMUM", floats(0.2)), two("MAXIMUM", small=True)],
    "MINIMUM": [constant("MINIMUM", floats(0.2, -0.1, 0), swap=True), two("MINIMUM", swap=True, small=True)],
    "SELECT": [selected("SELECT")],
    "SELECT_V2": [selected("SELECT_V2")],
    "SUM": [reduced("SUM", 1, -1, keep=False)],
    "MEAN": [reduced("MEAN", 1, 2, keep=False), reduced("MEAN", -1, keep=True)],
    "REDUCE_MAX": [reduced("REDUCE_MAX", 1, 2, keep=True), reduced("REDUCE_MAX", -1, keep=False)],
    "REDUCE_MIN": [reduced("REDUCE_MIN", 3, keep=False)],
    "TRANSPOSE": [lambda net: move(net, "TRANSPOSE", tuple(net.shape()[i] for i in (0, 3, 1, 2)), ints(0, 3, 1, 2))],
    "PAD": [lambda net: net.pad((1, 0), (2, 3))],
    "PADV2": [lambda net: net.pad((0, 2), (1, 1), "PADV2", value=floats(7).reshape(()))],
    "MIRROR_PAD": [lambda net: net.pad((2, 3), (1, 0), "MIRROR_PAD")],
    "SLICE": [lambda net: move(net, "SLICE", (1, 2, 3, 3), ints(0, 1, 2, 0), ints(1, 2, 3, -1))],
    "STRIDED_SLICE": [sliced, cropped, widened],
    "CONCATENATION": [joined],
    "SPLIT": [split("SPLIT")],
    "SPLIT_V": [split("SPLIT_V")],
    "PACK": [packed],
    "UNPACK": [split("UNPACK")],
    "GATHER": [lambda net: move(net, "GATHER", (1, 5, 4, 3), ints(3, 0, 3, 3), how=options("Gather", axis=2))],
    "TILE": [lambda net: move(net, "TILE", (1, 10, 6, 6), ints(1, 2, 1, 2))],
    "BROADCAST_TO": [broadcast],
    "REVERSE_V2": [lambda net: net.apply("REVERSE_V2", ints(2))],
    "SPACE_TO_BATCH_ND": [
        lambda net: move(net, "SPACE_TO_BATCH_ND", (4, 3, 4, 3), ints(2, 2), np.array([(0, 1), (1, 1)], np.int32))
    ],
    "BATCH_TO_SPACE_ND": [
        lambda net: (
            net.reshape(2, 5, 3, 3),
            move(net, "BATCH_TO_SPACE_ND", (1, 5, 5, 3), ints(1, 2), np.array([(0, 0), (1, 0)], np.int32)),
        )
    ],
    "SPACE_TO_DEPTH": [
        lambda net: (
            net.pad((0, 1), (0, 0)),
            net.operator("SPACE_TO_DEPTH", [net.at], (1, 3, 3, 12), options("SpaceToDepth", blockSize=2)),
        )
    ],
    "DEPTH_TO_SPACE": [
        lambda net: (
            net.conv(4, (1, 1)),
            net.operator("DEPTH_TO_SPACE", [net.at], (1, 10, 12, 1), options("DepthToSpace", blockSize=2)),
        )
    ],
    "RESIZE_BILINEAR": [
        resized("RESIZE_BILINEAR", align=False, half=True, size=(7, 4)),
        resized("RESIZE_BILINEAR", align=True, half=False, size=(3, 9)),
    ],
    "RESIZE_NEAREST_NEIGHBOR": [resized("RESIZE_NEAREST_NEIGHBOR", align=False, half=False, size=(8, 4))],
}
"""Small networks for each rule, all on an image of 5 × 6 pixels and 3 channels."""

QUANTIZING = {"QUANTIZE", "DEQUANTIZE"}
"""Rules tested with integers below: a staircase has no differences."""


def test_every_rule_is_tested() -> None:
    assert {*ANY, *QUANTIZING} == {*RULES}


@pytest.mark.parametrize(("name", "build"), [(name, build) for name in ANY for build in ANY[name]])
def test_a_rule_gives_the_gradient_that_differences_give(name: str, build: Build) -> None:
    net = Network(5, 6)
    build(net)
    run = Run(net.bytes())
    assert name in {operator.name for operator in run.model.operators}
    image = np.random.default_rng(2).uniform(-1, 1, (1, 5, 6, 3)).astype(np.float32)
    seeds = run.seeds()
    for _ in range(2):
        (gradient,) = run.gradients(image, seeds)
        expected, smooth = run.differences(image, seeds, 0.01)
        assert smooth.mean() > 0.8
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(gradient[smooth], expected[smooth], atol=1e-3 * float(np.abs(expected).max()))
        image = image[:, ::-1, ::-1].copy()


def test_wrong_settings_are_refused_in_one_sentence_or_gone_over() -> None:
    """Options, shapes, parameters and inputs of the networks above, overwritten at random: none crashes."""
    random = np.random.default_rng(0)
    told = []
    for build in [build for builds in ANY.values() for build in builds] * 4:
        net = Network(5, 6)
        build(net)
        for _ in range(2):
            spoil(net, random)
        told.append(refusal(net))
    assert not any("\n" in why for why in told)
    assert 0.1 < np.mean([not why for why in told]) < 0.9


def refusal(net: Network) -> str:
    """Empty if there is none."""
    try:
        model = tflite.read(net.bytes())
        Backward(model, model.outputs, model.inputs)
    except PilotError as why:
        return str(why)
    return ""


def spoil(net: Network, random: np.random.Generator) -> None:
    """One number of the network becomes another one."""
    number = int(random.choice(np.array([-(2**31), -3, -1, 0, 1, 2, 3, 4, 7, 100, 2**31 - 1])))
    operator = net.operators[random.integers(len(net.operators))]
    tensor = net.tensors[random.integers(len(net.tensors))]
    options = operator.builtinOptions
    names = [name for name, value in vars(options).items() if isinstance(value, int | float)] if options else []
    match random.integers(4):
        case 0 if names:
            name = names[random.integers(len(names))]
            one_byte = name in {"padding", "fusedActivationFunction", "mode", "weightsFormat", "quantizedBiasType"}
            setattr(options, name, type(getattr(options, name))(number % 5 if one_byte else number))
        case 1 if len(tensor.shape):
            tensor.shape[random.integers(len(tensor.shape))] = abs(number) % 8
        case 2 if tensor.buffer and net.buffers[tensor.buffer].data.size % 4 == 0:
            data = net.buffers[tensor.buffer].data.copy().view(np.int32)
            data[random.integers(data.size)] = number
            net.buffers[tensor.buffer].data = data.view(np.uint8)
        case _:
            operator.inputs[random.integers(len(operator.inputs))] = int(random.integers(-1, len(net.tensors)))
