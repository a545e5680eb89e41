"""A Network from a layer list: a small file a person writes for weights that come without a description.

    input = [120, 160, 3]                    # rows, columns, channels; or by name: {img_in = [120, 160, 3]}
    outputs = ["angle_out", "throttle_out"]  # names of layers; left out: the last one

    [[layers]]
    type = "Conv2D"                          # as Keras calls it, its settings by Keras' names
    name = "conv2d_1"                        # as the weights are called; left out: told by their order
    filters = 24
    kernel_size = 5
    strides = 2
    activation = "relu"

    [[layers]]
    type = "Flatten"

    [[layers]]
    type = "Dense"
    name = "angle_out"
    units = 15
    activation = "softmax"
    from = "dense_2"                         # what it reads, or a list; left out: the layer above

The same as JSON, or what Keras' `model.to_json()` writes, does as well.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.convert import describe
from models.convert.dialect import KINDS, present
from models.convert.errors import ConvertError
from models.convert.network import Layer, Network, Ref

MAX_BYTES = 2**22
_OWN = {"type", "name", "from", "layer"}


def read(path: Path, explain: describe.Explain = lambda kind, name: None) -> Network:
    """Raises ConvertError: not readable, neither TOML nor JSON, or a layer that is not known."""
    text = _text(path)
    try:
        tree = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as why:
        raise ConvertError(f"layer list {path} is neither TOML nor JSON: {why}") from why
    try:
        if "class_name" in tree:
            return describe.network(text, _version(tree), explain)
        return _network(tree)
    except (ConvertError, KeyError, TypeError, ValueError, AttributeError) as why:
        said = why if isinstance(why, ConvertError) else f"it has no {why}" if isinstance(why, KeyError) else why
        raise ConvertError(f"layer list {path}: {said}") from why


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConvertError(f"layer list {path} is larger than {MAX_BYTES >> 20} MB; is it the weights?")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as why:
        reason = why.strerror if isinstance(why, OSError) else "it is not text"
        raise ConvertError(f"layer list {path} cannot be read: {reason}") from why


def _version(tree: Mapping[str, Any]) -> int:
    return int(str(tree.get("keras_version", "3")).split(".", maxsplit=1)[0])


def _network(tree: Mapping[str, Any]) -> Network:
    given = tree["input"]
    shapes = {
        str(name): describe.fixed(str(name), sizes)
        for name, sizes in (given if isinstance(given, Mapping) else {"img_in": given}).items()
    }
    inputs = tuple(map(Ref, shapes))
    layers = [Layer("InputLayer", name, {}) for name in shapes]
    for entry in tree["layers"]:
        layers.append(_layer(entry, len(layers), above=layers[-1].name))
    names = [layer.name for layer in layers]
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), ""):
        raise ConvertError(f"two layers are called {twice!r}")
    outputs = tree.get("outputs", names[-1:])
    if unknown := [name for name in outputs if name not in names]:
        raise ConvertError(f"output {unknown[0]!r} is no layer of the list")
    return Network(tuple(layers), inputs, tuple(map(Ref, outputs)), shapes)


def _layer(entry: Mapping[str, Any], number: int, above: str) -> Layer:
    kind = str(entry["type"])
    name = str(entry.get("name", f"{kind.lower()}_{number}"))
    settings = {key: value for key, value in entry.items() if key not in _OWN}
    now, known = present(kind, {**settings, "name": name}, 3)
    if now in KINDS and (odd := settings.keys() - KINDS[now]):
        raise ConvertError(
            f"layer {name!r} ({kind}) has no setting {min(odd)!r}; it has {', '.join(KINDS[now]) or 'none'}"
        )
    reads = entry.get("from", above)
    refs = tuple(map(Ref, [reads] if isinstance(reads, str) else reads))
    inner = _layer(entry["layer"], number, "") if now == "TimeDistributed" else None
    return Layer(now, name, known, (refs,), inner)
