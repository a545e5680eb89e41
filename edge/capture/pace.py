"""Time, for sources: a recording kept to its rate, and a camera's own clock believed where it can be true."""

import time

PATIENCE_S = 5.0
"""The longest that one `read` waits."""


class Pacer:
    """Hands out moments at least `1 / fps` apart; None: as fast as possible.

    Whoever comes late gets the next moment at once, and the beat goes on from there: nothing is made up for in a burst.
    """

    def __init__(self, fps: float | None) -> None:
        self._period_ns = int(min(1 / fps, PATIENCE_S) * 1e9) if fps else 0
        self._due_ns: int | None = None

    def wait(self) -> int:
        """Sleep until the next frame is due; the first is due at once. Returns the monotonic clock then."""
        now_ns = time.monotonic_ns()
        self._due_ns = now_ns if self._due_ns is None else next_due_ns(self._due_ns, now_ns, self._period_ns)
        while now_ns < self._due_ns:
            time.sleep((self._due_ns - now_ns) / 1e9)
            now_ns = time.monotonic_ns()
        return now_ns


def next_due_ns(due_ns: int, now_ns: int, period_ns: int) -> int:
    """When the frame after the one due at `due_ns` is due, asked for at `now_ns`."""
    return max(due_ns + period_ns, now_ns)


def captured_ns(stamp_ns: float | None) -> int:
    """A camera's timestamp as Frame.captured_ns: now, where there is none or it is not of the last PATIENCE_S."""
    now_ns = time.monotonic_ns()
    if stamp_ns is None or not 0 <= now_ns - stamp_ns <= PATIENCE_S * 1e9:
        return now_ns
    return int(stamp_ns)
