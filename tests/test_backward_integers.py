"""Gradients of networks that compute in integers: those of the real numbers they stand for, with the same limits."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tests.gradients import Run
from tests.make_tflite import Network

Floats = NDArray[np.float32]


def quantize(net: Network, tensor: int, scale: float | Floats, zero: int = 0, axis: int = 0) -> int:
    how = schema.QuantizationParametersT()
    how.scale = np.atleast_1d(scale).astype(np.float32).tolist()
    how.zeroPoint, how.quantizedDimension = [zero] * len(how.scale), axis
    net.tensors[tensor].quantization = how
    return tensor


def weights(net: Network, shape: tuple[int, ...], scale: Floats) -> tuple[int, Floats]:
    """int8, one scale for each output: the tensor, and what it stands for."""
    stored = net.random.integers(-127, 128, shape).astype(np.int8)
    real = stored * scale.reshape(-1, *[1] * (len(shape) - 1))
    return quantize(net, net.constant(stored), scale), real.astype(np.float32)


def bias(net: Network, count: int, scale: Floats) -> int:
    return quantize(net, net.constant(net.random.integers(-500, 500, count).astype(np.int32)), scale)


def convolved(net: Network, filters: int, entry: float, scale: float, zero: int, dtype: Any, activation: str) -> Floats:
    """An integer CONV_2D with kernel 3 and stride 2 on the way; `entry` is the scale of its input."""
    _, height, width, channels = net.shape()
    before = net.at
    scales = np.linspace(0.01, 0.04, filters, dtype=np.float32)
    held, real = weights(net, (filters, 3, 3, channels), scales)
    added = bias(net, filters, entry * scales)
    net.at = before
    options = schema.Conv2DOptionsT()
    size = net._window(options, (height, width), (3, 3), (2, 2), (1, 1), same=False, activation=activation)
    options.dilationHFactor = options.dilationWFactor = 1
    net.operator("CONV_2D", [before, held, added], (1, *size, filters), options, dtype=dtype)
    quantize(net, net.at, scale, zero)
    net.operators[-1].opcodeIndex = net._code("CONV_2D")
    net.codes[-1].version = 3
    return real


def by_taps(real: Floats, gradient: Floats, size: tuple[int, int]) -> NDArray[np.float64]:
    image = np.zeros((1, *size, real.shape[3]))
    rows, columns = gradient.shape[1:3]
    for y, x in np.ndindex(3, 3):
        image[:, y : y + 2 * rows : 2, x : x + 2 * columns : 2] += gradient @ real[:, y, x].astype(np.float64)
    return image


@pytest.mark.parametrize(
    ("activation", "scale", "zero", "low", "high"),
    [
        ("RELU", 0.04, -120, -120, 999),
        ("RELU6", 0.04, -120, -120, 30),
        ("RELU_N1_TO_1", 0.02, 7, -43, 57),
        ("NONE", 0.03, -120, -999, 999),
        ("NONE", 0.03, -128, -128, 999),
        ("NONE", 6 / 255, -128, -128, 127),
        ("RELU6", 6 / 255, -128, -128, 127),
    ],
)
def test_full_int8(activation: str, scale: float, zero: int, low: int, high: int) -> None:
    """QUANTIZE, CONV_2D, FULLY_CONNECTED, DEQUANTIZE. What stands at `low` or `high` passes nothing: the limits of the
    activation, or an end of the range that stands for one.
    """
    net = Network(11, 13)
    net.operator("QUANTIZE", [net.at], net.shape(), dtype=np.int8)
    image = quantize(net, net.at, 1 / 255, -128)
    real = convolved(net, 4, 1 / 255, scale, zero, np.int8, activation)
    tap = net.at
    size = int(np.prod(net.shape()))
    flat = quantize(net, net.reshape(1, size), scale, zero)
    head, matrix = weights(net, (2, size), np.array([0.003], np.float32))
    options = schema.FullyConnectedOptionsT()
    net.operator(
        "FULLY_CONNECTED", [flat, head, bias(net, 2, np.array([0.003 * scale]))], (1, 2), options, dtype=np.int8
    )
    net.codes[-1].version = 4
    quantize(net, net.at, 2.0, 3)
    net.operator("DEQUANTIZE", [net.at], (1, 2))
    net.codes[-1].version = 2
    run = Run(net.bytes(), [net.inputs[0], image, tap], [net.at, tap])
    seed = np.array([[1, -0.5]], np.float32)
    pixels = np.random.default_rng(0).random((1, 11, 13, 3), np.float32)
    pixels[0, :2] = 0, 1, 1
    stored = run.forward(pixels)[tap]
    first, through, at_tap = run.gradients(pixels, {net.at: seed})
    expected = (seed @ matrix).reshape(stored.shape)
    np.testing.assert_allclose(at_tap, expected, rtol=1e-4, atol=1e-7)
    inside = (stored > low) & (stored < high)
    assert 0.1 < inside.mean() < (0.95 if low > -999 else 1.1)
    assert high > 127 or (stored == high).any()
    np.testing.assert_allclose(through, by_taps(real, expected * inside, (11, 13)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(first, through)


def test_an_output_at_the_end_of_its_range_is_explained_all_the_same() -> None:
    net = Network(3, 3, 1)
    net.operator("QUANTIZE", [net.at], net.shape(), dtype=np.uint8)
    quantize(net, net.at, 1 / 255, 0)
    convolved(net, 2, 1 / 255, 1e-4, 128, np.uint8, "NONE")
    net.operators[-1].inputs[1:] = _uint8_parameters(net)
    run = Run(net.bytes())
    (gradient,) = run.gradients(np.ones((1, 3, 3, 1), np.float32), {net.at: np.ones(2, np.float32)})
    assert run.value(net.at).ravel().tolist() == [255, 0]
    np.testing.assert_allclose(gradient, 0.01 * (200 - 128) + 0.01 * (100 - 128), rtol=1e-5)


def _uint8_parameters(net: Network) -> list[int]:
    """Weights of the old kind, with one scale and a zero point, and their bias."""
    at = net.at
    stored = np.array([[200] * 9, [100] * 9], np.uint8).reshape(2, 3, 3, 1)
    held = quantize(net, net.constant(stored), 0.01, 128)
    added = quantize(net, net.constant(np.zeros(2, np.int32)), 0.01 / 255)
    net.at = at
    return [held, added]


def test_weights_alone_in_integers() -> None:
    """The hybrid kind: int8 weights, everything else float32."""
    net = Network(9, 9)
    scales = np.linspace(0.01, 0.02, 4, dtype=np.float32)
    held, real = weights(net, (4, 3, 3, 3), scales)
    options = schema.Conv2DOptionsT()
    size = net._window(options, (9, 9), (3, 3), (2, 2), (1, 1), same=False, activation="RELU")
    options.dilationHFactor = options.dilationWFactor = 1
    net.at = net.inputs[0]
    net.operator("CONV_2D", [net.at, held, net.constant(np.zeros(4, np.float32))], (1, *size, 4), options)
    net.codes[-1].version = 5
    run = Run(net.bytes())
    image = np.random.default_rng(0).standard_normal((1, 9, 9, 3)).astype(np.float32)
    seeds = run.seeds()
    (gradient,) = run.gradients(image, seeds)
    passed = seeds[net.at] * (run.forward(image)[net.at] > 0)
    np.testing.assert_allclose(gradient, by_taps(real, passed, (9, 9)), rtol=1e-4, atol=1e-5)
