"""Tapes kept open between requests, the few that were asked for last."""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.review.footage import Footage

MAX_OPEN = 4
MAX_BUSY = 16
BUSY_S = 60.0
"""One that was handed out this lately may be in use: it stays open unless there are MAX_BUSY."""


class _Tape:
    """One tape; whoever asks for it while it is being opened waits, whoever asks for others does not."""

    def __init__(self, path: Path) -> None:
        self.asked = time.monotonic()
        self._path = path
        self._footage: Footage | None = None
        self._closed = False
        self._lock = threading.Lock()

    def read(self) -> "Footage | None":
        """Up to what was written by now; None for one that was closed meanwhile. Raises FootageError."""
        from host.review.footage import Footage

        with self._lock:
            if self._footage is None and not self._closed:
                self._footage = Footage(self._path)
            footage = self._footage
        if footage is not None:
            footage.refresh()
        return footage

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._footage is not None:
                with contextlib.suppress(OSError):
                    self._footage.close()


class Footages:
    """For several threads; a tape that was replaced (mended) is opened anew."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, int], _Tape] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> "Footage | None":
        """The tape, read up to what was written by now; None where there is none, or nothing in it can be read."""
        from host.review.scan import FootageError

        try:
            return self._tape(path, path.stat().st_ino).read()
        except (FootageError, OSError):
            return None

    def forget(self, folder: Path) -> None:
        """Close what is open of this session."""
        with self._lock:
            gone = [self._open.pop(key) for key in list(self._open) if key[0].parent == folder]
        for tape in gone:
            tape.close()

    def close(self) -> None:
        with self._lock:
            gone = [*self._open.values()]
            self._open.clear()
        for tape in gone:
            tape.close()

    def _tape(self, path: Path, inode: int) -> _Tape:
        with self._lock:
            tape = self._open.setdefault((path, inode), _Tape(path))
            tape.asked = time.monotonic()
            self._open.move_to_end((path, inode))
            gone = list(self._idle())
        for one in gone:
            one.close()
        return tape

    def _idle(self) -> Iterator[_Tape]:
        """Those that are kept no longer, oldest first."""
        idle_since = time.monotonic() - BUSY_S
        for key, tape in list(self._open.items()):
            if len(self._open) <= MAX_OPEN or (tape.asked > idle_since and len(self._open) <= MAX_BUSY):
                return
            yield self._open.pop(key)
