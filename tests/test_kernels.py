"""What TFLite's kernels take for granted: files that would end the process when they are run are refused."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge import kernels, tflite
from edge.backward.rules import RULES
from edge.operators import OPERATORS
from edge.tflite import PilotError
from tests.make_tflite import Network, mixed, quantized, residual, tutorial

RUN = """
import sys
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1])
interpreter.allocate_tensors()
interpreter.invoke()
"""


def integers() -> Network:
    net = Network(16, 16, dtype=np.int8)
    net.conv(4, activation="RELU")
    return net


def added(first: Any, second: Any) -> Network:
    """Two branches of int8 with these scales."""
    net = integers()
    one = net.at
    net.join("ADD", one, net.apply("TANH"))
    for tensor, scaled in ((one, first), (net.at, second)):
        net.tensors[tensor].quantization.scale = np.array(scaled, np.float32)
    net.dense(1)
    return net


def no_scale() -> Network:
    net = added([0.1], [0.1])
    net.tensors[net.operators[0].outputs[0]].quantization = None
    return net


def far_too_small() -> Network:
    return added([100], [1e-5])


def scale_of_zero() -> Network:
    return added([0], [0.1])


def vast_scale() -> Network:
    return added([1e30], [1e-15])


def impossible_zero() -> Network:
    net = added([0.1], [0.1])
    net.tensors[net.at].quantization.zeroPoint = np.array([1000])
    return net


def depthwise_without_bias() -> Network:
    net = Network(16, 16)
    net.conv(2, depthwise=True)
    net.operators[-1].inputs.pop()
    net.dense(1)
    return net


def missing_begin() -> Network:
    net = Network(16, 16)
    net.crop(slice(2, None), slice(2, None))
    net.operators[-1].inputs[1] = -1
    net.conv(2)
    net.dense(1)
    return net


def slice_of_one_input() -> Network:
    net = Network(16, 16)
    net.operator("SLICE", [net.at], (1, 8, 16, 3))
    net.conv(2)
    net.dense(1)
    return net


def exotic() -> Network:
    net = integers()
    net.operator("FAKE_QUANT", [net.at], net.shape(), schema.FakeQuantOptionsT(), dtype=np.int8, scaled=(0.1, 0))
    net.dense(1)
    return net


HOSTILE = [
    (no_scale, r"its tensor '.*' has no scale for operator CONV_2D to compute with"),
    (far_too_small, "operator ADD makes numbers of a scale that is far too small"),
    (scale_of_zero, r"its tensor '.*' is quantized with impossible numbers"),
    (vast_scale, r"its tensor '.*' is quantized with impossible numbers"),
    (impossible_zero, r"its tensor '.*' is quantized with impossible numbers"),
    (depthwise_without_bias, "operator DEPTHWISE_CONV_2D takes another number of inputs than 2"),
    (missing_begin, "operator STRIDED_SLICE lacks its input 1"),
    (slice_of_one_input, "operator SLICE takes another number of inputs than 1"),
    (exotic, "operator FAKE_QUANT is not one that pilots are known to be made of"),
]


@pytest.mark.parametrize(("build", "words"), HOSTILE)
def test_what_a_kernel_would_choke_on_is_refused(build: Callable[[], Network], words: str) -> None:
    data = build().bytes()
    with pytest.raises(PilotError, match=f"^is not a usable TFLite file: .*{words}"):
        tflite.read(data)
    assert tflite.parse(data).operators, "it can still be looked at"


def test_such_files_do_end_a_process(tmp_path: Path) -> None:
    """Else the checks would be for nothing; not every kernel crashes on every machine."""
    codes = []
    for build, _ in HOSTILE:
        (tmp_path / "hostile.tflite").write_bytes(build().bytes())
        done = subprocess.run(
            [sys.executable, "-c", RUN, tmp_path / "hostile.tflite"], capture_output=True, check=False
        )
        codes.append(done.returncode)
    assert sum(code < 0 for code in codes) >= 3, codes


def test_networks_of_all_sorts_pass() -> None:
    for net in (tutorial(), mixed(), residual(), quantized(), quantized(np.uint8), quantized(np.int16)):
        assert tflite.read(net.bytes()).operators


def test_every_operator_that_is_followed_or_has_a_backward_pass_may_run() -> None:
    for names in (OPERATORS, RULES):
        assert {*names} <= {*kernels.INPUTS}
    assert all(hasattr(schema.BuiltinOperator, name) for name in kernels.INPUTS)


def test_files_of_custom_operators_or_several_networks_are_left_to_who_can_say_more() -> None:
    net = Network(12, 12)
    net.conv(4)
    net.operator("FlexTensorListStack", [net.at, -1], net.shape())
    net.dense(2)
    assert tflite.read(net.bytes()).operators[1].custom
