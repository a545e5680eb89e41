"""Reading a .tflite file, against the reader that is generated from the schema; and what exposing changes in it."""

from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from edge import convpath, tflite
from edge.flatbuffer import Table
from tests.make_tflite import Network, mixed, tutorial

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
