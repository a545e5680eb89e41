"""Donkeycar tubs as a source: pictures with what the driver did. Read only.

    v2   manifest.json        five JSON lines; the last lists the catalogs and the deleted indexes
         catalog_N.catalog    a record per line: {"_index": 7, "cam/image_array": "7_cam.jpg", "user/angle": 0.1, …}
         images/              the pictures
    v1   record_N.json        one record each, pictures beside it

Order is that of the catalogs, or of N. Deleted records are left out. A record that does not parse, or names no picture
of this tub, is skipped and counted; a catalog that is listed but cannot be read counts as one.

What pilots may want besides the picture is handed on: the IMU's six numbers and the behaviour's one-hot state. Where
one of them is no finite number the record counts without, and `ignored` tells how many did.

The recorded rate is one over the median time between records where that is 2 to 120 frames/s, else 20: some tubs carry
times 3 ms apart that have nothing to do with the drive.
"""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edge.capture.images import natural
from edge.capture.pictures import PictureError, read_bytes
from edge.capture.source import SourceError
from edge.capture.stills import DEFAULT_FPS, Listing, Still, Stills
from wire import Drive

SLOWEST_FPS, FASTEST_FPS = 2.0, 120.0
IMU_FIELDS = tuple(f"imu/{sensor}_{axis}" for sensor in ("acl", "gyr") for axis in "xyz")
BEHAVIOUR_FIELD = "behavior/one_hot_state_array"
MAX_STATES = 64
MAX_VALUE = 1e30

_Values = NDArray[np.float32]


class TubSource(Stills):
    """A tub of either version."""

    kind = "tub"

    def listing(self) -> Listing:
        found = _read_v2(self._folder) if (self._folder / "manifest.json").exists() else _read_v1(self._folder)
        if not found.stills:
            raise SourceError(f"tub {self._folder} holds no record that can be shown, {found.skipped} broken ones")
        return found


def is_tub(folder: Path) -> bool:
    """Whether a folder looks like a tub of either version. Raises OSError."""
    return (folder / "manifest.json").exists() or next(folder.glob("record_*.json"), None) is not None


def recorded_fps(times_ms: Iterable[float]) -> float:
    """The rate at which records made at these times play back."""
    steps = [after - before for before, after in pairwise(times_ms) if after > before]
    fps = 1000 / median(steps) if steps else 0
    return fps if SLOWEST_FPS <= fps <= FASTEST_FPS else DEFAULT_FPS


def _read_v2(folder: Path) -> Listing:
    catalogs, deleted = _read_manifest(folder)
    records = (record for name in catalogs for record in _read_catalog(folder, name))
    return _collect(records, folder / "images", deleted)


def _read_v1(folder: Path) -> Listing:
    paths = sorted(folder.glob("record_*.json"), key=natural)
    return _collect((_read_record(path) for path in paths), folder, frozenset())


def _read_manifest(folder: Path) -> tuple[list[object], frozenset[int]]:
    """The catalogs' names, not yet checked, and the deleted indexes."""
    try:
        lines = read_bytes(folder / "manifest.json").splitlines()
    except PictureError as why:
        raise SourceError(f"tub {folder}: {why}") from why
    for catalogs in map(_parse, reversed(lines)):
        if isinstance(catalogs, dict) and isinstance(names := catalogs.get("paths"), list):
            deleted = catalogs.get("deleted_indexes")
            return names, frozenset(i for i in deleted if type(i) is int) if isinstance(deleted, list) else frozenset()
    raise SourceError(f"tub {folder}: manifest.json lists no catalogs; is it cut off?")


def _read_catalog(folder: Path, name: object) -> Iterator[object]:
    """Its records; None for one that does not parse, or for the whole of it where it cannot be read."""
    path = _inside(folder, name)
    try:
        lines = read_bytes(path).splitlines() if path else [b"?"]
    except PictureError:
        lines = [b"?"]
    return (_parse(line) for line in lines if line.strip())


def _read_record(path: Path) -> object:
    try:
        return _parse(read_bytes(path))
    except PictureError:
        return None


def _collect(records: Iterable[object], images: Path, deleted: frozenset[int]) -> Listing:
    listing = Listing()
    for record in records:
        fields = record if isinstance(record, dict) else {}
        index = fields.get("_index")
        if type(index) is int and index in deleted:
            continue
        path = _inside(images, fields.get("cam/image_array"))
        if path is None:
            listing.skipped += 1
            continue
        extras, damaged = _extras(fields)
        listing.ignored += damaged
        time_ms = _number(fields.get("_timestamp_ms", fields.get("milliseconds")))
        listing.stills.append(Still(path, _drive(fields), extras, time_ms))
    listing.fps = recorded_fps(still.time_ms for still in listing.stills if still.time_ms is not None)
    return listing


def _drive(fields: dict[str, object]) -> Drive | None:
    """What the driver did, cut to -1 … 1; None where a value is missing or is no finite number."""
    angle, throttle = _number(fields.get("user/angle")), _number(fields.get("user/throttle"))
    if angle is None or throttle is None:
        return None
    return Drive(max(-1.0, min(1.0, angle)), max(-1.0, min(1.0, throttle)))


def _extras(fields: dict[str, object]) -> tuple[dict[str, _Values], int]:
    """What else was measured, and how many measurements are there but are not the numbers they should be."""
    said: dict[str, object] = {"behaviour": fields.get(BEHAVIOUR_FIELD)}
    if not fields.keys().isdisjoint(IMU_FIELDS):
        said["imu"] = [fields.get(name) for name in IMU_FIELDS]
    found = {name: _values(values) for name, values in said.items() if values is not None}
    usable = {name: values for name, values in found.items() if values is not None}
    return usable, len(found) - len(usable)


def _values(values: object) -> _Values | None:
    if not isinstance(values, list) or not 0 < len(values) <= MAX_STATES:
        return None
    numbers = [_number(value) for value in values]
    if any(number is None or abs(number) > MAX_VALUE for number in numbers):
        return None
    return np.array(numbers, np.float32)


def _inside(folder: Path, name: object) -> Path | None:
    """A file straight in `folder`; None for any name that leads elsewhere."""
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        return None
    return folder / name


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _parse(line: bytes) -> object:
    """The JSON value; None where it is none."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value
