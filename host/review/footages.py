"""Tapes kept open between requests, the few that were asked for last."""

import contextlib
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.review.footage import Footage

MAX_OPEN = 4
MAX_BUSY = 16
BUSY_S = 60.0
"""One that was handed out this lately may be in use: it stays open unless there are MAX_BUSY."""


class Footages:
    """For several threads; a tape that was replaced (mended) is opened anew."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, int], tuple[Footage, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> "Footage | None":
        """The tape, read up to what was written by now; None where there is none, or nothing in it can be read."""
        from host.review.footage import Footage, FootageError

        try:
            key = path, path.stat().st_ino
            with self._lock:
                footage = self._open[key][0] if key in self._open else Footage(path)
                self._open[key] = footage, time.monotonic()
                self._open.move_to_end(key)
                self._close_idle()
            footage.refresh()
        except (FootageError, OSError):
            return None
        return footage

    def forget(self, folder: Path) -> None:
        """Close what is open of this session."""
        with self._lock:
            for key in [key for key in self._open if key[0].parent == folder]:
                self._close(key)

    def close(self) -> None:
        with self._lock:
            for key in list(self._open):
                self._close(key)

    def _close_idle(self) -> None:
        idle_since = time.monotonic() - BUSY_S
        for key, (_, asked) in list(self._open.items()):
            if len(self._open) <= MAX_OPEN or (asked > idle_since and len(self._open) <= MAX_BUSY):
                return
            self._close(key)

    def _close(self, key: tuple[Path, int]) -> None:
        footage, _ = self._open.pop(key)
        with contextlib.suppress(OSError):
            footage.__exit__(None, None, None)
