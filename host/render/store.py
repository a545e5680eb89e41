"""Finished pieces of films that are not finished yet: what a run that was stopped does not have to do again.

OUT/.render/lock                    held while somebody renders into OUT
            NAME-0123456789abcdef/  of one film as it was planned; another pilot, look or source is another folder
                000007.piece        a packed Rendered, written beside and renamed
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from host.render.error import RenderError
from host.render.plan import Film
from host.render.segment import Rendered, unpacked

FOLDER = ".render"


class StoreError(RenderError):
    """Pieces cannot be kept; the message is one sentence for a person."""


@contextlib.contextmanager
def said(what: object) -> Iterator[None]:
    """A sentence for what the disk has against it."""
    try:
        yield
    except OSError as why:
        raise StoreError(f"{what} cannot be written: {why.strerror or why}") from why


class Store:
    """The pieces below one folder, locked for as long as it is entered."""

    def __init__(self, out: Path) -> None:
        """out: the folder that the films go to."""
        self._folder = out / FOLDER
        self._lock = -1

    def __enter__(self) -> Self:
        """Make the folder. Raises StoreError where that cannot be, or somebody else is at work in it."""
        with said(self._folder.parent):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StoreError(f"another render is at work in {self._folder.parent}: wait for it, or stop it") from None
        except OSError:
            pass  # a file system without locks goes without
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go, and leave no empty folder behind."""
        with contextlib.suppress(OSError):
            if not any(path.is_dir() for path in self._folder.iterdir()):
                (self._folder / "lock").unlink()
                self._folder.rmdir()
        os.close(self._lock)

    def put(self, film: Film, number: int, piece: bytes) -> None:
        """Keep a packed piece. Raises StoreError."""
        path = self._path(film, number)
        part = path.with_suffix(".part")
        with said(path):
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(piece)
            part.replace(path)

    def has(self, film: Film, number: int) -> bool:
        return self.get(film, number) is not None

    def get(self, film: Film, number: int) -> Rendered | None:
        """A piece that was kept whole."""
        try:
            return unpacked(self._path(film, number).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None

    def forget(self, film: Film) -> None:
        """The film is finished: remove its pieces, and those of other plans for a film of its name."""
        pattern = re.compile(re.escape(film.path.stem) + "-[0-9a-f]{16}")
        for folder in self._folder.iterdir():
            if pattern.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def _path(self, film: Film, number: int) -> Path:
        return self._folder / f"{film.path.stem}-{film.key[:16]}" / f"{number:06}.piece"
