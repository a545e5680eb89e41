"""One line on the terminal that tells how far a long measurement is; silent where nobody watches."""

import sys
import time
from types import TracebackType
from typing import Self

_WIDTH = 28
_EVERY_S = 0.1


class Progress:
    """Written to stderr, if that and stdout are terminals; the line is wiped when left."""

    def __init__(self, *, shown: bool | None = None) -> None:
        self._shown = sys.stderr.isatty() and sys.stdout.isatty() if shown is None else shown
        self._what, self._total, self._done = "", 1, 0
        self._started_s = self._drawn_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("\r\x1b[K")

    def start(self, what: str, total: int = 0) -> None:
        """The next stage, of `total` ticks; 0 where that is not known."""
        self._what, self._total, self._done = what, total, 0
        self._draw()

    def tick(self) -> None:
        self._done += 1
        if time.monotonic() - self._drawn_s > _EVERY_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        elapsed_s = self._drawn_s - self._started_s
        full = round(_WIDTH * self._done / self._total) if self._total else 0
        bar = f"{'━' * full}{'╌' * (_WIDTH - full)} {self._done}/{self._total}" if self._total else str(self._done)
        self._write(f"\r\x1b[K{elapsed_s:4.0f} s  {self._what:<24} {bar}")

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
