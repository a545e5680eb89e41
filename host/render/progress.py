"""How far it is: frames done, frames/s, time left. A line that changes on a terminal, else a line now and then."""

import sys
import time
from collections import deque
from typing import TextIO

EVERY_S = 0.1
"""On a terminal."""
SELDOM_S = 10.0
"""Elsewhere: in a log."""
WINDOW_S = 20.0
"""What the rate is taken over."""


class Progress:
    """Counts frames and says so."""

    def __init__(self, frames: int, out: TextIO | None = None) -> None:
        """frames: all there are to do."""
        self.rendered = 0
        """Frames rendered by this run."""
        self._frames = frames
        self._done = 0
        self._out = sys.stderr if out is None else out
        self._live = self._out.isatty()
        self._begun = self._told = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque([(self._begun, 0)])

    def done(self, frames: int, rendered: int) -> None:
        """So many more, of which so many were rendered just now; others were there, or cannot be had."""
        now = time.monotonic()
        self._done += frames
        self.rendered += rendered
        self._recent.append((now, self.rendered))
        while now - self._recent[0][0] > WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()
        if now - self._told >= (EVERY_S if self._live else SELDOM_S):
            self._told = now
            self._say(self.line())

    def line(self) -> str:
        """Such as: 1250 of 4000 frames, 612 frames/s, 4 s left."""
        (then, before), (now, after) = self._recent[0], self._recent[-1]
        rate = (after - before) / (now - then) if now > then else 0.0
        left = f", {duration((self._frames - self._done) / rate)} left" if rate > 0 else ""
        return f"{self._done} of {self._frames} frames, {rate:.0f} frames/s{left}"

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def _say(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if self._live else line, end="" if self._live else "\n", file=self._out, flush=True)

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._live:
            print("\r\x1b[K", end="", file=self._out, flush=True)


def duration(seconds: float) -> str:
    """Such as 42 s, 3:20 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"
