"""Open whatever somebody saved a network as, by what is inside, not by its name.

    .h5, .hdf5           Keras 1 to 3, or weights only (with a layer list)
    .keras, .weights.h5  Keras 3
    a folder             a SavedModel

No code from a file is ever run: of a Keras file the names, settings and weights of known layers are read, and a
SavedModel that could touch files is refused.
"""

import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.convert import describe, hdf5, keras_model, layerlist, savedmodel, weights
from models.convert.dialect import scaling
from models.convert.errors import ConvertError
from models.convert.network import Network, Weights
from models.convert.quiet import quiet
from models.convert.subject import Subject

Scales = Mapping[str, tuple[float, float]]
"""Scale and offset of Lambda layers, by name."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, NotImplementedError, ValueError, EOFError, OSError)


def subject(tf: Any, path: Path, layers: Path | None, scales: Scales) -> Subject:
    """Read `path`, with the layer list `layers` if it holds weights only. Raises ConvertError naming the file."""
    try:
        if path.is_dir():
            _unneeded(layers, scales)
            return savedmodel.subject(tf, path)
        network, found, note = _keras(path, layers, scales)
        with quiet():
            return keras_model.subject(tf, network, found, note)
    except ConvertError as why:
        raise ConvertError(f"{path} cannot be converted: {why}") from why


def _keras(path: Path, layers: Path | None, scales: Scales) -> tuple[Network, Weights, str]:
    _check_kind(path)
    if zipfile.is_zipfile(path):
        _unneeded(layers, {})
        return _from_keras(path, scales)
    return _from_h5(hdf5.read(path), layers, scales)


def _check_kind(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as why:
        raise ConvertError(f"it cannot be read: {why.strerror}") from why
    if start[4:8] == b"TFL3":
        raise ConvertError("it is a .tflite file already; use it as it is")
    if not start.startswith((b"PK", b"\x89HDF")):
        raise ConvertError("it is neither Keras' .h5 or .keras nor a SavedModel folder")


def _from_h5(stored: hdf5.Stored, layers: Path | None, scales: Scales) -> tuple[Network, Weights, str]:
    described = weights.description(stored)
    if layers:
        network = layerlist.read(layers, scaling(scales))
    elif described:
        network = describe.network(*described, scaling(scales))
    else:
        raise ConvertError("it holds weights only; describe its layers in a file and give that with --weights-of")
    found, named = weights.find(stored, network)
    return network, found, "" if named else "layers were matched with weights by their order, their names differ"


def _from_keras(path: Path, scales: Scales) -> tuple[Network, Weights, str]:
    """A .keras file is a zip of the description and the weights."""
    with tempfile.TemporaryDirectory() as folder:
        h5 = Path(folder, "model.weights.h5")
        try:
            with zipfile.ZipFile(path) as archive:
                config, about = (_member(archive, name) for name in ("config.json", "metadata.json"))
                h5.write_bytes(_member(archive, h5.name))
        except _DAMAGE as why:
            raise ConvertError(f"it is no usable .keras file: {why}") from why
        network = describe.network(config, weights.version(about), scaling(scales))
        found, _ = weights.find(hdf5.read(h5), network)
    return network, found, ""


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > hdf5.MAX_BYTES:
        raise ConvertError(f"its {name} is larger than {hdf5.MAX_BYTES >> 20} MB")
    with archive.open(name) as member:
        return member.read(hdf5.MAX_BYTES)


def _unneeded(layers: Path | None, scales: Scales) -> None:
    if layers:
        raise ConvertError("it describes its layers itself; leave out --weights-of")
    if scales:
        raise ConvertError("a SavedModel has no Lambda layers any more; leave out --lambda")
