"""How a session's files are opened, read and put on the disk.

In a file's place may be anything: a folder, a pipe that nobody writes to, a link that leads elsewhere. None of these is
opened, and none makes whoever asks wait.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

T = TypeVar("T")
MAX_JSON_BYTES = 64 * 1024 * 1024


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """The descriptor of an ordinary file. Raises OSError, also for anything else in its place."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as why:
        if why.errno in {errno.ELOOP, errno.ENXIO, errno.EOPNOTSUPP}:
            raise _no_file(path) from why
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def open_to_read(path: Path) -> BinaryIO:
    """The same as a file of Python's."""
    return os.fdopen(open_file(path), "rb")


def read_file(path: Path, max_bytes: int) -> bytes:
    """All of an ordinary file. Raises OSError, also for one that has more bytes than that."""
    with open_to_read(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def read_json(path: Path, kind: type[T]) -> T:
    """The value in a file. Raises OSError, and ValueError where there is none of that kind."""
    try:
        return msgspec.json.decode(read_file(path, MAX_JSON_BYTES), type=kind)
    except RecursionError as why:
        raise ValueError("the JSON is nested too deep") from why


def write_json(path: Path, value: object) -> None:
    """Put a value in the place of whatever was in the file, in one step that survives a power loss. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(open_file(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, which takes the place of whatever is at `path` once the block ends well. Raises OSError.

    Where it is power that is lost there may be nothing in it: for what can be made again.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sync_data(descriptor: int) -> None:
    """Put on the disk what was written to a file, however long that takes. Raises OSError."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync leaves it in the drive's own memory there
        except OSError:  # a file system that knows no such thing
            os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


def sync_folder(folder: Path) -> None:
    """Put on the disk which names the folder holds. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "what is there is no ordinary file", str(path))
