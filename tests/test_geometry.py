"""The cells of each step, against what the interpreter itself does with single pixels."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge import convpath, tflite
from edge.mask import VisualBackProp
from tests.make_tflite import Network, Pair, output_size
from tests.seen import find, lit_by_interpreter, ones, seen

SHARED = Path(__file__).parents[2] / "shared"
REAL = SHARED / "data" / "pilots" / "warehouse" / "linear.tflite"

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")


def add_window(net: Network, kind: str, kernel: Pair, stride: Pair, dilation: Pair, *, same: bool) -> None:
    if "CONV" in kind:
        ones(net, kernel, stride=stride, dilation=dilation, same=same, depthwise=kind == "DEPTHWISE_CONV_2D")
    else:
        net.pool(kind, kernel, stride, same=same)


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(KINDS), same=st.booleans())
def test_a_step_sees_the_pixels_that_the_interpreter_sees(data: st.DataObject, kind: str, same: bool) -> None:
    size = data.draw(st.tuples(st.integers(6, 15), st.integers(6, 15)), "size")
    kernel, stride = data.draw(pairs, "kernel"), data.draw(pairs, "stride")
    dilation = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), "dilation") if "CONV" in kind else (1, 1)
    frame = data.draw(st.tuples(st.tuples(*[st.integers(0, 2)] * 2), st.tuples(*[st.integers(0, 2)] * 2)), "frame")
    net = Network(*size)
    if frame != ((0, 0), (0, 0)):
        net.pad(*frame)
    _, height, width, _ = net.shape()
    out = output_size((height, width), kernel, stride, dilation, same=same)
    assume(min(out) > 0 and out != (1, 1))
    add_window(net, kind, kernel, stride, dilation, same=same)
    net.conv(1, (1, 1), weights=np.ones((1, 1, 1, net.shape()[3]), np.float32))
    net.dense(1)
    geometry = find(net).geometry
    assert geometry[0].in_size == size
    pixel = data.draw(st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[1] - 1)), "pixel")
    assert lit_by_interpreter(net, pixel) == seen(geometry, pixel)


def dilated_by_hand(net: Network, draw: st.DataObject) -> None:
    """As converters write it where they do not know the size: the image taken apart, so that none of it is lost."""
    block = draw.draw(st.tuples(st.integers(1, 3), st.integers(2, 3)), "block")
    _, height, width, _ = net.shape()
    before = draw.draw(st.tuples(*[st.integers(0, 3)] * 2), "before")
    after = [-(size + pad) % b for size, pad, b in zip((height, width), before, block, strict=True)]
    net.space_to_batch(block, (before[0], after[0]), (before[1], after[1]))
    assume(min(net.shape()[1:3]) > 1)
    ones(net, (2, 2), same=draw.draw(st.booleans(), "same"))
    cut = [
        min(draw.draw(st.integers(0, 2), "cut"), size * b - 1) for size, b in zip(net.shape()[1:3], block, strict=True)
    ]
    net.batch_to_space(block, (cut[0], 0), (0, cut[1]))


def add_any(net: Network, data: st.DataObject, made: list[int]) -> None:
    """One more layer, on the last one or on several earlier ones."""
    _, height, width, _ = net.shape()
    alike = [tensor for tensor in made if net.shape(tensor)[1:3] == (height, width)]
    kind = data.draw(
        st.sampled_from([*KINDS, "add", "concatenate", "crop", "pad", "enlarge", "fold", "dilate"]), "kind"
    )
    match kind:
        case "add":
            net.join("ADD", *data.draw(st.tuples(*[st.sampled_from(alike)] * 2), "added"))
        case "concatenate":
            net.join("CONCATENATION", *data.draw(st.lists(st.sampled_from(alike), min_size=2, max_size=3), "chained"))
        case "crop":
            rows, columns = (data.draw(st.tuples(st.integers(0, n // 2), st.integers(1, 2))) for n in (height, width))
            net.crop(slice(rows[0], None, rows[1]), slice(columns[0], None, columns[1]))
        case "pad":
            net.pad(*data.draw(st.tuples(*[st.tuples(*[st.integers(0, 2)] * 2)] * 2), "frame"))
        case "enlarge" if height * width < 200:
            net.resize(2 * height, 2 * width, "RESIZE_NEAREST_NEIGHBOR")
        case "fold" if height % 2 == width % 2 == 0:
            options = schema.SpaceToDepthOptionsT()
            options.blockSize = 2
            net.operator("SPACE_TO_DEPTH", [net.at], (1, height // 2, width // 2, 4 * net.shape()[3]), options)
        case "dilate":
            dilated_by_hand(net, data)
        case _:
            kernel, stride = data.draw(pairs, "kernel"), data.draw(pairs, "stride")
            same = data.draw(st.booleans(), "same")
            assume(kind in KINDS and min(output_size((height, width), kernel, stride, (1, 1), same=same)) > 1)
            add_window(net, kind, kernel, stride, (1, 1), same=same)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), size=st.tuples(st.integers(4, 13), st.integers(4, 13)))
def test_any_network_sees_the_pixels_that_the_interpreter_sees(data: st.DataObject, size: Pair) -> None:
    net = Network(*size, 1)
    ones(net)
    made = [net.at]
    for _ in range(data.draw(st.integers(1, 6), "layers")):
        net.at = data.draw(st.sampled_from(made[-2:]), "on")
        add_any(net, data, made)
        assume(max(net.shape()) < 40)
        made.append(net.at)
    for tensor in made[-2:]:
        net.at = tensor
        ones(net)
        net.dense(1)
    geometry = find(net).geometry
    VisualBackProp(geometry)  # refuses what does not fit
    for _ in range(3):
        pixel = data.draw(st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[1] - 1)), "pixel")
        assert lit_by_interpreter(net, pixel) == seen(geometry, pixel)


def test_a_whole_network_of_unlike_steps_sees_what_the_interpreter_sees() -> None:
    net = Network(37, 45, 1)
    add_window(net, "CONV_2D", (5, 3), (2, 1), (1, 1), same=True)
    net.pad((1, 2), (0, 3))
    add_window(net, "CONV_2D", (3, 3), (1, 2), (2, 1), same=False)
    add_window(net, "MAX_POOL_2D", (3, 2), (2, 2), (1, 1), same=True)
    add_window(net, "DEPTHWISE_CONV_2D", (3, 3), (1, 1), (1, 2), same=True)
    net.dense(1)
    geometry = find(net).geometry
    assert [step.tapped for step in geometry] == [True, True, False, True]
    assert [step.inputs for step in geometry] == [(-1,), (0,), (1,), (2,)]
    for before, after in pairwise(geometry):
        assert before.out_size == after.in_size
    for pixel in ((0, 0), (36, 44), (17, 22), (5, 40)):
        lit = lit_by_interpreter(net, pixel)
        assert lit == seen(geometry, pixel)
        assert all(lit)


def test_remainder_rows_that_no_cell_sees_are_seen_by_none() -> None:
    net = Network(10, 10)
    add_window(net, "CONV_2D", (3, 3), (3, 3), (1, 1), same=False)
    net.dense(1)
    geometry = find(net).geometry
    assert geometry[0].out_size == (3, 3)
    assert lit_by_interpreter(net, (9, 4)) == seen(geometry, (9, 4)) == [set()]


def test_a_resize_hands_each_cell_the_inputs_it_stands_for() -> None:
    net = Network(12, 20)
    net.resize(4, 40)
    ones(net)
    net.dense(1)
    resize, last = find(net).geometry
    assert (resize.resized, resize.in_size, resize.out_size, last.inputs) == (True, (12, 20), (4, 40), (0,))
    cell = np.zeros((4, 40), np.float32)
    cell[1, 7] = 1
    rows, columns = np.nonzero(VisualBackProp((resize, last))([cell]).values)
    assert ({*rows}, {*columns}) == ({3, 4, 5}, {3})


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data/pilots")
def test_a_donkeycar_pilot_has_the_geometry_it_was_built_with() -> None:
    model = tflite.read(REAL.read_bytes())
    steps = convpath.find(model, model.inputs[0]).geometry
    assert [(step.name, step.kernel, step.stride, step.out_size) for step in steps] == [
        ("conv2d_1", (5, 5), (2, 2), (58, 78)),
        ("conv2d_2", (5, 5), (2, 2), (27, 37)),
        ("conv2d_3", (5, 5), (2, 2), (12, 17)),
        ("conv2d_4", (3, 3), (1, 1), (10, 15)),
        ("conv2d_5", (3, 3), (1, 1), (8, 13)),
    ]
    assert all(step.tapped and step.pad == (0, 0) and step.dilation == (1, 1) for step in steps)
