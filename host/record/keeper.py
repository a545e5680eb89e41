"""Puts a session on the disk every second, in a thread of its own: a disk that takes its time delays no frame.

    recorder thread ──write──▶ the system's memory ◀──fdatasync── keeper thread

The same thread looks whether there is still room, and whether somebody deleted the session.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from host.record.session import RecordError, Session, ensure_space

SYNC_S = 1.0
RATE_OVER = 10
"""Syncs over which the rate of writing is taken."""


class Keeper:
    """Enter it to start; leave it to stop, once the sync under way is over. `check` tells whether all is well."""

    def __init__(self, session: Session, floor_bytes: int, make_room: Callable[[], object]) -> None:
        self.floor_bytes = floor_bytes
        """Free space to leave on the disk."""
        self._session = session
        self._make_room = make_room
        self._trouble: OSError | RecordError | None = None
        self._changes: deque[dict[str, object]] = deque()
        self._since: float | None = None
        self._written: deque[tuple[float, int]] = deque(maxlen=RATE_OVER)
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"keep {session.folder.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def note(self, **changes: object) -> None:
        """Have these fields of the manifest written soon."""
        self._changes.append(changes)
        self._wake.set()

    def check(self) -> None:
        """Raise what went wrong, OSError or RecordError."""
        if self._trouble is not None:
            raise self._trouble

    @property
    def waiting_s(self) -> float:
        """How long the disk has been busy with what it was given last; 0 while it is not."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def bytes_per_s(self) -> float:
        """How fast the session has been growing lately."""
        written = list(self._written)
        if len(written) < 2:
            return 0.0
        (began, first), (ended, last) = written[0], written[-1]
        return (last - first) / (ended - began)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.wait(SYNC_S)
                self._wake.clear()
                self._keep()
        except (OSError, RecordError) as why:
            self._trouble = why

    def _keep(self) -> None:
        self._since = time.monotonic()
        try:
            while self._changes:
                self._session.note(**self._changes.popleft())
            self._session.sync()
        finally:
            self._since = None
        self._written.append((time.monotonic(), self._session.written_bytes))
        ensure_space(self._session.folder, self.floor_bytes, self._make_room)
