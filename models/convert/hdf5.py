"""The content of an HDF5 file as plain data, read by a process of its own.

    file ─▶ child: h5py ─▶ pipe ─▶ Stored: names, texts and arrays by path

The HDF5 library loops for ever or crashes on some damaged files, with all of Python waiting. A child can be ended.
Links out of the file are not followed, and of the training's state nothing is read.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.convert.errors import ConvertError

MAX_BYTES = 512 * 2**20
PATIENCE_S = 60.0
"""For a file of that size from a slow disk."""

_ATTRIBUTES = ("model_config", "keras_version", "layer_names", "weight_names")
_SKIPPED = frozenset({"optimizer_weights", "optimizer", "metrics"})
_DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError)


@dataclass(slots=True)
class Stored:
    """Paths have no slash at their ends; the file itself is ""."""

    groups: dict[str, list[str]] = field(default_factory=dict)
    """The names in each group."""
    texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Attributes, by path and name: what Keras keeps there are texts, or lists of texts cut into name0, name1, …."""
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    """Paths of what lies in another file, or is linked to."""


def read(path: Path) -> Stored:
    """Raises ConvertError where it is no HDF5 file, is damaged, or is too large."""
    spawn = multiprocessing.get_context("spawn")
    mine, yours = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_send, args=(path, yours), daemon=True)
    child.start()
    yours.close()
    try:
        said = mine.recv() if mine.poll(PATIENCE_S) else f"it cannot be read within {PATIENCE_S:g} s"
    except EOFError:
        said = "the HDF5 library crashes on it"
    finally:
        child.kill()
        child.join()
        mine.close()
    if isinstance(said, Stored):
        return said
    raise ConvertError(f"it is no usable HDF5 file: {said}")


def _send(path: Path, pipe: Connection) -> None:
    """In the child: what is in the file, or why that cannot be told."""
    import h5py

    stored = Stored()
    try:
        with h5py.File(path, "r") as h5:
            _note(h5, "", stored)
            for name, thing in _things(h5, "", stored):
                _note(thing, name, stored)
    except _DAMAGE as why:
        pipe.send(" ".join(str(why).split())[:300])
        return
    pipe.send(stored)


def _things(group: Any, path: str, stored: Stored) -> Iterator[tuple[str, Any]]:
    """Everything below a group that is in the file itself."""
    import h5py

    for name in stored.groups[path]:
        below = f"{path}/{name}".lstrip("/")
        if name in _SKIPPED:
            continue
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            stored.outside.add(below)
            continue
        yield below, (thing := group[name])
        if below in stored.groups:
            yield from _things(thing, below, stored)


def _note(thing: Any, path: str, stored: Stored) -> None:
    """One group with its texts, or one array."""
    import h5py

    if isinstance(thing, h5py.Group):
        if path.count("/") > 32:
            raise ValueError("its groups lie in each other without end")
        stored.groups[path] = list(thing)
        for name in (name for name in thing.attrs if name.rstrip("0123456789") in _ATTRIBUTES):
            stored.texts[path, name] = [_text(item) for item in np.atleast_1d(thing.attrs[name]).tolist()]
    elif isinstance(thing, h5py.Dataset) and thing.dtype.kind == "f":
        if thing.external or thing.is_virtual:
            stored.outside.add(path)
            return
        if thing.size * 4 + sum(array.nbytes for array in stored.arrays.values()) > MAX_BYTES:
            raise ValueError(f"it holds more than {MAX_BYTES >> 20} MB of weights")
        stored.arrays[path] = np.asarray(thing, np.float32)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
