"""A SavedModel folder: TensorFlow's own form, a graph of operators with a signature."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.convert.describe import fixed
from models.convert.errors import ConvertError
from models.convert.quiet import quiet
from models.convert.subject import Subject

MAX_BYTES = 512 * 2**20
_SIGNATURES = ("serving_default", "serve")
_TOUCHES = ("File", "PyFunc", "Dataset", "Reader", "Summary", "Library", "Rpc", "Debug", "Print", "TensorArrayV0")
"""Parts of the names of operators that reach beyond the graph."""
_LOADERS = frozenset({"RestoreV2", "SaveV2", "MergeV2Checkpoints", "ShardedFilename"})
"""Those of them that every SavedModel has, for its weights."""


def subject(tf: Any, folder: Path) -> Subject:
    """Raises ConvertError: no SavedModel, damaged, with operators that touch files, or without a fit signature."""
    _check(folder)
    try:
        with quiet():
            loaded = tf.saved_model.load(str(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, tf.errors.OpError) as why:
        raise ConvertError(f"it is no usable SavedModel: {' '.join(str(why).split())[:300]}") from why
    signature = _signature(loaded)
    inputs = {
        name: (1, *fixed(name, list(spec.shape)[1:])) for name, spec in signature.structured_input_signature[1].items()
    }
    outputs = tuple(sorted(signature.structured_outputs))

    def run(tensors: Sequence[Any]) -> list[Any]:
        assert loaded is not None  # keeps the variables alive
        given = signature(**dict(zip(inputs, tensors, strict=True)))
        return [given[name] for name in outputs]

    return Subject(inputs, outputs, original=run, portable=run)


def _signature(loaded: Any) -> Any:
    """The one that takes images. Raises ConvertError."""
    offered = loaded.signatures
    names = [name for name in (*_SIGNATURES, *offered) if name in offered]
    if not names:
        raise ConvertError("it offers no signature; save it with model.export(folder)")
    return offered[names[0]]


def _check(folder: Path) -> None:
    """Before anything of it runs: a graph may write files as it is loaded."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]
    from tensorflow.core.protobuf import saved_model_pb2

    file = folder / "saved_model.pb"
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConvertError(f"its saved_model.pb is larger than {MAX_BYTES >> 20} MB")
        graphs = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    except FileNotFoundError as why:
        raise ConvertError("it is a folder without saved_model.pb, so no SavedModel") from why
    except (OSError, DecodeError) as why:
        raise ConvertError(f"its saved_model.pb cannot be read: {why}") from why
    for operator in (name for graph in graphs for name in _operators(graph.graph_def)):
        if operator not in _LOADERS and any(part in operator for part in _TOUCHES):
            raise ConvertError(
                f"its graph has the operator {operator}, which reaches beyond the network; it is not run"
            )


def _operators(graph: Any) -> Iterator[str]:
    yield from (node.op for node in graph.node)
    for function in graph.library.function:
        yield from (node.op for node in function.node_def)
