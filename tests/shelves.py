"""Sessions on the disk for the tests of the shelf, made by really recording one and copying its folder."""

import shutil
from pathlib import Path

import msgspec

from host.record.session import read_manifest, write_manifest
from tests.recordings import BLUE, GREEN, RED, arrival, film, jpeg

COLORS = (RED, GREEN, BLUE)


def recorded(directory: Path, frames: int = 6) -> Path:
    """The folder of a session that was recorded just now: frames 100 ms apart, red, green and blue in turn."""
    return film(directory, [arrival(5000 + 100 * n, jpeg(COLORS[n % 3])) for n in range(frames)]).directory


def copied(folder: Path, name: str, day: int = 1, **changes: object) -> Path:
    """A copy of a session under another name, recorded on that day of March 2026, its manifest changed like this."""
    copy = folder.with_name(name)
    shutil.copytree(folder, copy)
    started = {"started_at": f"2026-03-{day:02}T12:00:00.000Z", "start_unix_ns": None}
    write_manifest(copy, msgspec.structs.replace(read_manifest(copy), **{**started, **changes}))
    return copy
