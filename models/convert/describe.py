"""A Network from what Keras wrote: the JSON of its architecture, as versions 1 to 3 have it. No TensorFlow.

Keras 1, 2   "inbound_nodes": [[["conv2d_1", 0, 0, {}]]]
Keras 3      "inbound_nodes": [{"args": [{… "keras_history": ["conv2d_1", 0, 0]}]}]
Sequential   each layer reads the one before; up to Keras 2.2 "config" is the list of layers itself
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from models.convert.dialect import NETWORKS, present
from models.convert.errors import ConvertError
from models.convert.network import Layer, Network, Ref

Explain = Callable[[str, str], dict[str, Any] | None]

MAX_SIDE = 2**16

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def network(text: str | bytes, version: int, explain: Explain = lambda kind, name: None) -> Network:
    """Read {"class_name": …, "config": …} of Keras `version` (1, 2 or 3). Raises ConvertError.

    explain: settings of the Rescaling that a Lambda layer of this class and name is, or None.
    """
    try:
        tree = json.loads(text)
        described = _Reader(version, explain).network(tree["class_name"], tree["config"])
        return _with_shapes(described, tree)
    except _DAMAGE as why:
        raise ConvertError(f"its description of the layers is damaged ({type(why).__name__}: {why})") from why


class _Reader:
    def __init__(self, version: int, explain: Explain) -> None:
        self._version = version
        self._explain = explain

    def network(self, kind: str, config: Any) -> Network:
        if kind not in NETWORKS:
            raise ConvertError(f"it is a {kind}; only Functional and Sequential networks say what they are made of")
        trees = config if isinstance(config, list) else config["layers"]
        if kind == "Sequential":
            return self._sequence(trees)
        layers = tuple(self._layer(tree, _calls(tree.get("inbound_nodes", ()))) for tree in trees)
        return Network(layers, _refs(config["input_layers"]), _refs(config["output_layers"]))

    def _sequence(self, trees: Sequence[Any]) -> Network:
        """A chain behind an input that has its own layer or is made up."""
        if trees[0]["class_name"] != "InputLayer":
            trees = [{"class_name": "InputLayer", "config": {"name": "img_in"}}, *trees]
        names = [_name(tree) for tree in trees]
        calls = [(), *(((Ref(before),),) for before, _ in pairwise(names))]
        layers = tuple(self._layer(tree, call) for tree, call in zip(trees, calls, strict=True))
        return Network(layers, (Ref(names[0]),), (Ref(names[-1]),))

    def _layer(self, tree: Mapping[str, Any], calls: tuple[tuple[Ref, ...], ...]) -> Layer:
        kind, config, name = tree["class_name"], tree["config"], _name(tree)
        if kind in NETWORKS:
            return Layer(kind, name, {}, calls, self.network(kind, config))
        if (explained := self._explain(kind, name)) is not None:
            return Layer("Rescaling", name, explained, calls)
        kind, settings = present(kind, {**config, "name": name}, self._version)
        inner = self._layer(config["layer"], ()) if kind == "TimeDistributed" else None
        return Layer(kind, name, settings, calls, inner)


def _name(tree: Mapping[str, Any]) -> str:
    """Keras 1 and 2 leave out the outer one in a Sequential."""
    config = tree["config"]
    inner = config.get("name") if isinstance(config, Mapping) else None
    return str(tree.get("name") or inner or tree["class_name"])


def _calls(nodes: Sequence[Any]) -> tuple[tuple[Ref, ...], ...]:
    return tuple(tuple(_history(node)) for node in nodes)


def _history(node: Any) -> Iterator[Ref]:
    """Who is read, wherever it stands in what describes one call."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            yield _ref(node["keras_history"])
            return
        for value in node.values():
            yield from _history(value)
    elif isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str) and type(node[1]) is int:
            yield _ref(node)
            node = node[3:]
        for value in node:
            yield from _history(value)


def _refs(tree: Any) -> tuple[Ref, ...]:
    """Inputs or outputs: one, a list of them, or by name."""
    return tuple(_history(list(tree.values()) if isinstance(tree, Mapping) else tree))


def _ref(entry: Sequence[Any]) -> Ref:
    name, call, tensor = entry[:3]
    if tensor != 0:
        raise ConvertError(f"layer {name!r} gives several tensors, which convert does not follow")
    return Ref(str(name), int(call))


def _with_shapes(described: Network, tree: Mapping[str, Any]) -> Network:
    """The same with the shapes of its inputs."""
    config = tree["config"]
    trees = config if isinstance(config, list) else config["layers"]
    by_name = {_name(layer): layer["config"] for layer in trees}
    first = config.get("build_input_shape") if isinstance(config, Mapping) else None
    shapes = {
        ref.layer: _shape(ref.layer, _declared(by_name.get(ref.layer)) or _declared(_leading(trees[0])) or first)
        for ref in described.inputs
    }
    return Network(described.layers, described.inputs, described.outputs, shapes)


def _leading(tree: Mapping[str, Any]) -> Any:
    """The layer that a chain of nested networks begins with."""
    while tree["class_name"] in NETWORKS:
        config = tree["config"]
        tree = (config if isinstance(config, list) else config["layers"])[0]
    return tree["config"]


def _declared(config: Any) -> Any:
    """The shape with the batch, from any version's input."""
    if not isinstance(config, Mapping):
        return None
    return config.get("batch_input_shape") or config.get("batch_shape")


def _shape(name: str, declared: Any) -> tuple[int, ...]:
    """What was declared, without the batch. Raises ConvertError where a size is left open."""
    if not isinstance(declared, list) or len(declared) < 2:
        raise ConvertError(f"it does not say how large its input {name!r} is")
    return fixed(name, declared[1:])


def fixed(name: str, sizes: Sequence[Any]) -> tuple[int, ...]:
    """The shape of one input. Raises ConvertError if a size is left open or is none."""
    if not sizes or not all(type(size) is int and 0 < size <= MAX_SIDE for size in sizes):
        raise ConvertError(
            f"its input {name!r} has the shape {'x'.join(map(str, sizes))}; only fixed sizes can be converted"
        )
    return tuple(sizes)
