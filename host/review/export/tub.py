"""Donkeycar tub, version 2: the camera's pictures as they came and what drove, to train on and to look at.

    manifest.json             five JSON lines: inputs, types, what is said of the tub, its sessions, its catalogs
    catalog_0.catalog         a record per line, 1000 to a file: {"_index": 7, "cam/image_array": "7_cam_…jpg", …}
    catalog_0.catalog_manifest     how long each line is
    images/7_cam_image_array_.jpg

`user/angle` and `user/throttle` are what the driver did where that was recorded (`user/mode` "user"), else what the
pilot said ("local"); what the pilot said is in `pilot/angle` and `pilot/throttle` as well. Frames that have no camera
picture, or that nobody is known to have driven, are no records. A gap in the recording begins a new Donkeycar session,
so that pilots with a memory are not trained across it. To a path that ends in .zip it is written as one, else as a
folder.
"""

import contextlib
import json
import math
import os
import time
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from host.review.export.formats import Written
from host.review.export.source import ExportError, Progress, Source, Span

FIELDS = {
    "cam/image_array": "image_array",
    "user/angle": "float",
    "user/throttle": "float",
    "user/mode": "str",
    "pilot/angle": "float",
    "pilot/throttle": "float",
}
CATALOG_RECORDS = 1000
JPEG = b"\xff\xd8"
OLDEST_ZIP, NEWEST_ZIP = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
Record = dict[str, object]


class Box(Protocol):
    """Where the files of a tub go."""

    def put(self, name: str, data: bytes, unix_s: float) -> None:
        """Write one file, made at this time. Raises OSError."""


def write(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    """See formats.py."""
    rows = source.rows(span)
    drives = _Drives(source)
    with _box(path) as box:
        tub = _Tub(box, drives.unix_s[rows[0]])
        for done, row in enumerate(rows, 1):
            record = drives.record(row)
            jpeg = source.footage.picture(row, "camera") if record is not None else None
            if record is not None and jpeg is not None and jpeg.startswith(JPEG):
                tub.add(record, jpeg, drives.unix_s[row], drives.part(row))
            progress(done / len(rows))
        if not tub.count:
            raise ExportError(
                f"the session {source.name} has no frame in this part with both a camera picture and what drove: "
                "choose another part"
            )
        tub.close(source)
    left_out = len(rows) - tub.count
    return Written(
        tub.count,
        f"{left_out} of {len(rows)} frames have no camera picture, or nobody drove them, and were left out"
        if left_out
        else "",
    )


class _Drives:
    """What drove, frame by frame."""

    def __init__(self, source: Source) -> None:
        column = source.footage.column
        self.unix_s = column("unix_s")
        self._recorded = column("recorded_steering"), column("recorded_throttle")
        self._pilot = column("steering"), column("throttle")
        restarts = [event.tick for event in source.footage.events() if event.kind == "restart"]
        self._breaks = sorted({*(stop for _, stop in source.footage.gaps()), *restarts})
        self._ticks = source.footage.ticks

    def record(self, row: int) -> Record | None:
        """The fields of a record but for its picture; None where nobody is known to have driven."""
        recorded = _both(*(column[row] for column in self._recorded))
        pilot = _both(*(column[row] for column in self._pilot))
        drove = recorded or pilot
        if drove is None:
            return None
        record: Record = {
            "user/angle": drove[0],
            "user/throttle": drove[1],
            "user/mode": "user" if recorded else "local",
        }
        if pilot is not None:
            record |= {"pilot/angle": pilot[0], "pilot/throttle": pilot[1]}
        return record

    def part(self, row: int) -> int:
        """How many gaps and restarts of the car came before this frame."""
        return bisect_right(self._breaks, self._ticks[row])


def _both(steering: float, throttle: float) -> tuple[float, float] | None:
    return (steering, throttle) if math.isfinite(steering) and math.isfinite(throttle) else None


class _Tub:
    """The files of a tub, filled record by record."""

    def __init__(self, box: Box, created_s: float) -> None:
        self._box = box
        self._created_s = created_s
        self._day = time.strftime("%y-%m-%d", time.gmtime(created_s))
        self._catalogs: list[str] = []
        self._lines: list[str] = []
        self._parts: list[int] = []
        self.count = 0

    def add(self, record: Record, jpeg: bytes, unix_s: float, part: int) -> None:
        """One more record with its picture; `part` is a number that changes where a new session begins."""
        if part not in self._parts[-1:]:
            self._parts.append(part)
        picture = f"{self.count}_cam_image_array_.jpg"
        self._box.put(f"images/{picture}", jpeg, unix_s)
        marks = {
            "_index": self.count,
            "_session_id": self._session(len(self._parts) - 1),
            "_timestamp_ms": round(unix_s * 1000),
        }
        self._lines.append(_line({**record, **marks, "cam/image_array": picture}))
        self.count += 1
        if len(self._lines) == CATALOG_RECORDS:
            self._close_catalog()

    def close(self, source: Source) -> None:
        """Write what is left, and what holds it all together."""
        if self._lines:
            self._close_catalog()
        ids = [self._session(number) for number in range(len(self._parts))]
        sessions = {"all_full_ids": ids, "last_id": len(ids) - 1, "last_full_id": ids[-1]}
        about: Record = {"car": source.car, "session": source.name, "title": source.notes.title}
        catalogs = {
            "paths": self._catalogs,
            "current_index": self.count,
            "max_len": CATALOG_RECORDS,
            "deleted_indexes": [],
        }
        lines: list[Record | Sequence[object]] = [list(FIELDS), list(FIELDS.values()), about]
        lines += [{"created_at": self._created_s, "sessions": sessions}, catalogs]
        self._put("manifest.json", "".join(map(_line, lines)))

    def _session(self, number: int) -> str:
        return f"{self._day}_{number}"

    def _close_catalog(self) -> None:
        name = f"catalog_{len(self._catalogs)}.catalog"
        about = {
            "created_at": self._created_s,
            "line_lengths": [len(line) for line in self._lines],
            "path": f"{name}_manifest",
            "start_index": self.count - len(self._lines),
        }
        self._put(name, "".join(self._lines))
        self._put(f"{name}_manifest", _line(about))
        self._catalogs.append(name)
        self._lines = []

    def _put(self, name: str, text: str) -> None:
        self._box.put(name, text.encode("ascii"), self._created_s)


def _line(value: Record | Sequence[object]) -> str:
    """One line of JSON, in ASCII: a character is a byte, which lengths of lines depend on."""
    return json.dumps(value, allow_nan=False, sort_keys=True) + "\n"


@contextlib.contextmanager
def _box(path: Path) -> Iterator[Box]:
    if path.suffix != ".zip":
        yield _Folder(path)
        return
    with zipfile.ZipFile(path, "x") as file:
        yield _Zip(file, path.stem)


class _Folder:
    def __init__(self, path: Path) -> None:
        (path / "images").mkdir(parents=True)
        self._path = path

    def put(self, name: str, data: bytes, unix_s: float) -> None:
        (self._path / name).write_bytes(data)
        os.utime(self._path / name, (unix_s, unix_s))


class _Zip:
    """A ZIP that unpacks to one folder. Pictures do not get smaller by packing them."""

    def __init__(self, file: zipfile.ZipFile, folder: str) -> None:
        self._file = file
        self._folder = folder

    def put(self, name: str, data: bytes, unix_s: float) -> None:
        moment = min(max(time.gmtime(unix_s)[:6], OLDEST_ZIP), NEWEST_ZIP)
        entry = zipfile.ZipInfo(f"{self._folder}/{name}", moment)
        entry.external_attr = 0o644 << 16
        entry.compress_type = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
        self._file.writestr(entry, data)
