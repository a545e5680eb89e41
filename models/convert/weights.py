"""What Keras keeps in HDF5: the description of the layers, and their weights in the form of any version.

Keras 1, 2, and .h5 of 3     [model_weights/]conv2d_1  attribute weight_names: [conv2d_1/kernel:0, conv2d_1/bias:0]
.weights.h5 and .keras of 3  layers/conv2d/vars/0, 1   named by class and counted, in the order of the layers
"""

import json
import re
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.convert.errors import ConvertError
from models.convert.hdf5 import Stored
from models.convert.network import Arrays, Layer, Network, Weights, weighted

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Where Keras 3, and the last versions of 2, keep the layers by class."""
_CELLS = frozenset({"LSTM", "GRU", "SimpleRNN"})


def description(stored: Stored) -> tuple[str, int] | None:
    """The JSON of the layers and the version (1, 2 or 3) of Keras it is from; None if the file holds weights only."""
    text = stored.texts.get(("", "model_config"))
    if not text:
        return None
    return text[0], _major(stored.texts.get(("", "keras_version"), ["1"])[0])


def version(metadata: bytes) -> int:
    """Of Keras (2 or 3), from the metadata.json of a .keras file. Raises ConvertError."""
    try:
        return _major(str(json.loads(metadata)["keras_version"]))
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise ConvertError("its metadata.json does not tell the version of Keras") from why


def _major(said: str) -> int:
    major = said.partition(".")[0]
    if major not in {"1", "2", "3"}:
        raise ConvertError(f"it is from Keras {said[:20]!r}; versions 1 to 3 can be read")
    return int(major)


def find(stored: Stored, network: Network) -> tuple[Weights, bool]:
    """Everything `network` needs, and whether it was found by the names of the layers (else by their order).

    Raises ConvertError: a layer's weights are missing.
    """
    file = _File(stored)
    root = "model_weights" if "model_weights" in stored.groups[""] else ""
    if file.names(root, "layer_names"):
        return _by_name(file, root, network)
    for container in (f"{root}/{name}".lstrip("/") for name in _CONTAINERS):
        if container in stored.groups:
            return _by_class(file, container, network), True
    raise ConvertError("the file holds no weights of a Keras network")


class Held(NamedTuple):
    """One array and the path it has below its layer."""

    path: str
    array: NDArray[np.float32]


class _File:
    """Looks things up and says what is missing."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def array(self, path: str) -> NDArray[np.float32]:
        path = path.replace("//", "/").strip("/")
        if outside := [it for it in self._stored.outside if path == it or path.startswith(f"{it}/")]:
            raise ConvertError(f"its {outside[0]!r} is in another file or a link, which is not followed")
        if path not in self._stored.arrays:
            raise ConvertError(f"its weights {path!r} are missing or are no real numbers")
        return self._stored.arrays[path]

    def children(self, path: str) -> list[str]:
        return self._stored.groups.get(path, [])

    def names(self, path: str, attribute: str) -> list[str]:
        """A list of names; Keras splits long ones into attribute0, attribute1, …."""
        key = (path.strip("/"), attribute)
        if key in self._stored.texts:
            return self._stored.texts[key]
        pieces: list[str] = []
        while (piece := (key[0], f"{attribute}{len(pieces)}")) in self._stored.texts:
            pieces.append(piece[1])
        return [text for piece in pieces for text in self._stored.texts[key[0], piece]]


def _by_name(file: _File, root: str, network: Network) -> tuple[Weights, bool]:
    """By the layers' names; where they differ, by their order, as long as there are as many."""
    paths = {name: f"{root}/{name}" for name in file.names(root, "layer_names")}
    held = {
        name: [Held(key, file.array(f"{path}/{key}")) for key in file.names(path, "weight_names")]
        for name, path in paths.items()
    }
    stored = {name: arrays for name, arrays in held.items() if arrays}
    needy = {layer.name: layer for layer in network.layers if weighted(layer)}
    if needy.keys() <= stored.keys():
        return {name: _sorted_out(layer, stored[name]) for name, layer in needy.items()}, True
    if len(needy) != len(stored):
        raise ConvertError(
            f"the network has weights in {', '.join(needy) or 'no layer'}, the file in {', '.join(stored) or 'none'}; "
            "describe the layers as the file has them"
        )
    pairs = zip(needy.items(), stored.values(), strict=True)
    return {name: _sorted_out(layer, arrays) for (name, layer), arrays in pairs}, False


def _sorted_out(layer: Layer, held: list[Held]) -> Arrays | Weights:
    """A nested network's weights lie together; each tells in its path which layer it belongs to."""
    if not isinstance(layer.inner, Network):
        return [it.array for it in held]
    return {
        inner.name: _sorted_out(inner, [it for it in held if inner.name in it.path.split("/")])
        for inner in filter(weighted, layer.inner.layers)
    }


def _by_class(file: _File, container: str, network: Network) -> Weights:
    """Layers are called by their class; the second one of a class has _1 behind it."""
    found: Weights = {}
    seen: Counter[str] = Counter()
    for layer in network.layers:
        key = _snake(layer.kind)
        number, seen[key] = seen[key], seen[key] + 1
        if weighted(layer):
            found[layer.name] = _of_class(
                file, f"{container}/{key}_{number}" if number else f"{container}/{key}", layer
            )
    return found


def _of_class(file: _File, path: str, layer: Layer) -> Arrays | Weights:
    if isinstance(layer.inner, Network):
        return _by_class(file, f"{path}/layers", layer.inner)
    if layer.inner:
        return _of_class(file, f"{path}/layer", layer.inner)
    held = f"{path}/cell/vars" if layer.kind in _CELLS else f"{path}/vars"
    return [file.array(f"{held}/{name}") for name in sorted(file.children(held), key=lambda name: (len(name), name))]


def _snake(kind: str) -> str:
    """A class as Keras 3 calls it in files: Conv2D is conv2d, SimpleRNN simple_rnn."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
