"""Small things about files that several parts of review need."""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from host.record.session import VIDEO
from host.record.storage import open_to_read, sync_folder


def being_written(folder: Path) -> bool:
    """Whether a living process holds the lock on this session's video."""
    with contextlib.suppress(OSError), open_to_read(folder / VIDEO) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def size_bytes(folder: Path) -> int:
    """Bytes of all files in a folder and below; what vanishes meanwhile, or cannot be looked at, counts nothing."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                is_folder = entry.is_dir(follow_symlinks=False)
                total += size_bytes(Path(entry)) if is_folder else entry.stat(follow_symlinks=False).st_size
    return total


def changed_s(path: Path) -> float:
    """Unix time of the last change; 0 for what is not there."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def disk_usage(directory: Path) -> "shutil._ntuple_diskusage":
    """Of the disk that a directory is on, or will be on once it is made."""
    there = (path for path in (directory, *directory.absolute().parents) if path.exists())
    return shutil.disk_usage(next(there))


def entries(directory: Path) -> Iterator[Path]:
    """The folders right in a directory that may be sessions: no hidden ones, no links."""
    for folder in _folders(directory):
        if _is_name(folder.name):
            yield folder


def leftovers(directory: Path, prefix: str) -> Iterator[Path]:
    """The folders right in a directory whose names begin like this."""
    for folder in _folders(directory):
        if folder.name.startswith(prefix):
            yield folder


def inside(directory: Path, name: str) -> Path | None:
    """The folder of this name right in the directory; None for anything else."""
    if _is_name(name):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR((directory / name).lstat().st_mode):
                return directory / name
    return None


def move(folder: Path, directory: Path) -> None:
    """Into another directory, where nothing may be of that name; notes in its time when that was. Raises OSError."""
    directory.mkdir(exist_ok=True)
    target = directory / folder.name
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, f"{target} is there already")
    folder.rename(target)
    with contextlib.suppress(OSError):
        os.utime(target)
    sync_folder(directory)
    sync_folder(folder.parent)


def _folders(directory: Path) -> list[Path]:
    with contextlib.suppress(OSError), os.scandir(directory) as found:
        return [directory / entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    return []


def _is_name(name: str) -> bool:
    """Whether a session may be called that: a file name that is not hidden and that can be part of an address."""
    with contextlib.suppress(UnicodeEncodeError):
        name.encode()
        return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
    return False
