"""Reading a .tflite file, against the reader that is generated from the schema; and what exposing changes in it."""

import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge import convpath, tflite
from edge.flatbuffer import Table
from edge.mask import VisualBackProp
from tests.make_tflite import Network, mixed, quantized, residual, tutorial

BUNDLED = Path(__file__).parents[1] / "models" / "pilot.tflite"
PILOTS = Path(__file__).parents[2] / "shared" / "data" / "pilots"
needs_pilots = pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")


@pytest.mark.parametrize("net", [tutorial(), mixed()])
def test_a_model_is_read_as_the_generated_schema_reads_it(net: Network) -> None:
    assert_read_alike(net.bytes(signature=True))


@needs_pilots
@pytest.mark.parametrize("path", sorted(PILOTS.rglob("*.tflite")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_real_model_is_read_as_the_generated_schema_reads_it(path: Path) -> None:
    assert_read_alike(path.read_bytes())


def assert_read_alike(data: bytes) -> None:
    theirs = schema.ModelT.InitFromPackedBuf(data)
    ours, graph = tflite.read(data), theirs.subgraphs[0]
    assert ours.subgraphs == len(theirs.subgraphs)
    assert (list(ours.inputs), list(ours.outputs)) == (list(graph.inputs), list(graph.outputs))
    for tensor, other in zip(ours.tensors, graph.tensors, strict=True):
        assert tensor.name == other.name.decode(errors="replace")
        assert list(tensor.shape) == list(() if other.shape is None else other.shape)
        assert getattr(schema.TensorType, tensor.type) == other.type
        content = theirs.buffers[other.buffer].data
        assert (tensor.data is None) == (content is None)
        assert tensor.data is None or bytes(tensor.data) == bytes(content)
    for operator, it in zip(ours.operators, graph.operators, strict=True):
        code = theirs.operatorCodes[it.opcodeIndex]
        assert operator.custom == (code.customCode is not None)
        assert (
            operator.custom
            or getattr(schema.BuiltinOperator, operator.name) == code.builtinCode
            or code.builtinCode == 0
        )
        assert (list(operator.inputs), list(operator.outputs)) == (list(it.inputs), list(it.outputs))
        assert operator.options_type == it.builtinOptionsType


def test_exposing_adds_bytes_and_changes_only_the_offset_to_the_outputs() -> None:
    data = mixed().bytes()
    model = tflite.read(data)
    taps = convpath.find(model, model.inputs[0]).taps
    exposed = tflite.expose(model, (*taps, *taps))
    changed = [at for at in range(len(data)) if data[at] != exposed[at]]
    assert 0 < changed[-1] - changed[0] < 4
    assert len(exposed) <= len(data) + 15 + 4 + 4 * (2 + len(taps))
    unpacked = schema.ModelT.InitFromPackedBuf(exposed)
    assert unpacked.subgraphs[0].outputs.tolist() == [*model.outputs, *taps]


def test_what_lies_in_another_order_than_it_runs_is_refused() -> None:
    net = tutorial(64, 80)
    net.operators.reverse()
    with pytest.raises(tflite.PilotError, match="uses what no earlier one has made"):
        tflite.read(net.bytes())


def test_a_constant_of_another_length_than_its_shape_is_refused() -> None:
    net = tutorial(64, 80)
    weights = next(it for it in net.tensors if it.name.endswith("Conv2D"))
    weights.shape = [6, 5, 5, 4]
    with pytest.raises(tflite.PilotError, match="'net/conv0/Conv2D' is not as long as its shape says"):
        tflite.read(net.bytes())


def test_numbers_of_tensors_that_do_not_exist_are_refused() -> None:
    for place in ("inputs", "outputs"):
        net = tutorial(64, 80)
        setattr(net.operators[2], place, [9999])
        with pytest.raises(tflite.PilotError, match="is damaged"):
            tflite.read(net.bytes())


def test_a_size_that_would_ask_for_the_whole_memory_is_refused() -> None:
    net = tutorial(64, 80)
    net.tensors[net.inputs[0]].shape = [1, 2**15, 2**15, 3]
    with pytest.raises(tflite.PilotError, match="impossible shape"):
        tflite.read(net.bytes())


def test_a_tensor_that_is_made_twice_is_refused() -> None:
    net = tutorial(64, 80)
    net.operators[1].outputs = net.operators[0].outputs
    with pytest.raises(tflite.PilotError, match="writes over what is there already"):
        tflite.read(net.bytes())


def test_a_file_whose_parts_overlap_is_refused_before_it_runs() -> None:
    """One field serves as list of inputs and of outputs: that can be read, but exposing would change both."""
    net = tutorial(64, 80)
    data = bytearray(net.bytes())
    entries = Table.root(bytes(data), b"TFL3").tables(2, 1)[0]._vtable + 4
    data[entries + 4 : entries + 6] = data[entries + 2 : entries + 4]
    model = tflite.read(bytes(data))
    assert model.inputs == model.outputs
    with pytest.raises(tflite.PilotError, match="is not a usable TFLite file"):
        tflite.expose(model, net.operators[0].outputs)


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """A file with a few bytes or words of its structure changed; large constants are left alone."""
    places = structure(data)
    changed = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at = int(random.choice(places))
        if random.random() < 0.5:
            changed[at] = random.choice([0, 1, 2, 3, 4, 127, 128, 255])
        else:
            word = random.choice([0, 1, -1, 2, 3, 8, 5000, 2**16, 2**31 - 1, -(2**31)])
            changed[at & ~3 : (at & ~3) + 4] = struct.pack("<i", word)
    return bytes(changed)


def structure(data: bytes) -> NDArray[np.intp]:
    """Offsets that lie in no large constant."""
    model = tflite.read(data)
    start = np.frombuffer(model.data, np.uint8).ctypes.data
    free = np.ones(len(data) & ~3, np.bool_)
    for tensor in model.tensors:
        if tensor.data is not None and tensor.data.size > 64:
            at = tensor.data.ctypes.data - start
            free[at : at + tensor.data.size] = False
    return np.flatnonzero(free)


def look_at(data: bytes) -> None:
    """All that happens to a file before it is run."""
    model = tflite.read(data)
    for index in range(len(model.tensors)):
        constant = model.constant(index)
        assert constant is None or constant.dtype == np.float32
    for image in model.inputs:
        path = convpath.find(model, image)
        back = VisualBackProp(path.geometry)
        mask = back([np.ones(step.out_size, np.float32) for step in path.geometry if step.tapped])
        assert np.isfinite(mask.values).all()
        assert mask.values.min() >= 0
        tflite.expose(model, path.taps)


SOUND = [partial(net.bytes, signature=True) for net in (tutorial(64, 80), mixed(), residual(), quantized())]
REAL = [path.read_bytes for path in (BUNDLED, *sorted(PILOTS.rglob("*.tflite"))) if path.exists()]


@pytest.mark.parametrize("source", [*SOUND, *REAL])
def test_any_damage_gives_a_path_or_the_one_error(source: Callable[[], bytes]) -> None:
    data, random = source(), np.random.default_rng(5)
    outcomes = set()
    for _ in range(120 if len(data) < 10**6 else 25):
        try:
            look_at(damaged(data, random))
            outcomes.add("path")
        except tflite.PilotError as why:
            outcomes.add(str(why))
    assert len(outcomes) > 1, "some damage is noticed"


LOAD = """
import sys
from pathlib import Path
from edge.pilot import Pilot, PilotError
for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
    print(path.name, flush=True)
    try:
        Pilot.load(path)
    except PilotError:
        pass
print("all")
"""


def test_no_damage_ends_the_process_that_loads_it(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    for number in range(100):
        data = damaged(SOUND[number % len(SOUND)](), random)
        (tmp_path / f"{number:03}.tflite").write_bytes(data)
    done = subprocess.run([sys.executable, "-c", LOAD, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "all", done.stderr


def test_constants_that_are_unpacked_again_and_again_are_found() -> None:
    net = Network(8, 8)
    start, packed = net.at, net.constant(np.array([1.5], np.float16))
    net.at = packed
    for _ in range(3000):
        net.operator("DEQUANTIZE", [net.at], (1,))
    last, net.at = net.at, start
    for operator in net.operators:
        operator.opcodeIndex = 0
    del net.codes[1:]
    net.operator("MUL", [start, last], net.shape(start), schema.MulOptionsT())
    net.conv(1)
    net.dense(1)
    np.testing.assert_array_equal(tflite.read(net.bytes()).constant(last), [1.5])


def test_sparse_weights_are_refused_with_what_to_do() -> None:
    net = tutorial(64, 80)
    weights = next(it for it in net.tensors if it.name.endswith("Conv2D"))
    weights.sparsity = schema.SparsityParametersT()
    with pytest.raises(tflite.PilotError, match="sparse weights; convert it again without"):
        tflite.read(net.bytes())
