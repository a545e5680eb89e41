"""Where exports are made: in a hidden folder beside their place, moved there when they are whole.

    DIR/.pilotlens-export-x3k/NAME ──rename──▶ DIR/NAME

The folder is locked by its process; one that nobody holds was left by a crash, and goes when the next one is made.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from host.record.session import MANIFEST
from host.review.export.source import ExportError, NoRoom

PREFIX = ".pilotlens-export-"
LEFT_S = 60.0
"""A folder younger than this may be about to be locked."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def workroom(directory: Path) -> Iterator[Path]:
    """An empty folder in `directory` that goes with the block, whatever is in it. Raises OSError."""
    _sweep(directory)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=directory, ignore_cleanup_errors=True) as name:
        room = Path(name)
        with _locked(room):
            yield room


def move(made: Path, place: Path, *, overwrite: bool) -> None:
    """Put what was made in its place; over a file that is there only if told so, over a folder never.

    Raises ExportError where something is there, OSError.
    """
    check_free(place, overwrite=overwrite)
    if overwrite or made.is_dir():
        made.replace(place)
        return
    try:
        place.hardlink_to(made)  # unlike a rename, this never replaces what somebody put there just now
    except FileExistsError:
        check_free(place, overwrite=False)
    except OSError:  # a file system without hard links
        made.replace(place)


def check_free(place: Path, *, overwrite: bool) -> None:
    """Raise ExportError where there is something that must stay: a folder, or a session's own file, always."""
    if place.is_dir():
        raise ExportError(f"{place} is a folder that is there already: name another place with -o")
    if os.path.lexists(place) and (place.parent / MANIFEST).is_file():
        raise ExportError(f"{place} is in a session's own folder: name another place with -o")
    if os.path.lexists(place) and not overwrite:
        raise ExportError(f"{place} is there already: name another file with -o, or say --overwrite")


@contextlib.contextmanager
def worded(what: str, directory: Path) -> Iterator[None]:
    """Turn what the disk says into an ExportError."""
    try:
        yield
    except OSError as why:
        if why.errno in FULL:
            raise NoRoom(
                f"the disk of {directory} has no room for {what}: make some, or choose a shorter part"
            ) from why
        raise ExportError(f"{what} could not be made in {directory}: {why.strerror or why}") from why


def _sweep(directory: Path) -> None:
    """Remove what killed processes left."""
    for room in directory.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - room.stat().st_mtime > LEFT_S:
                with _locked(room) as held:
                    if held:
                        shutil.rmtree(room)


@contextlib.contextmanager
def _locked(room: Path) -> Iterator[bool]:
    """Hold a folder if nobody else does; whether it is held. Some file systems have no locks."""
    descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
