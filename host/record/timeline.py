"""Where frames stand in a video.

A frame stands where the car's own clock says, so intervals are exact and a gap of the link is a gap in the video. The
car's clock is placed on the host's once per car session: a restarted car, whose clock starts anew, goes on at the right
place of the same time line.
"""

from host.record.session import TICKS_HZ
from host.relay import Arrival

FUTURE_NS = 1_000_000_000
OLDEST_NS = 30_000_000_000
"""A capture time further ahead of or behind the arrival than this cannot be true."""
RESYNC_NS = 250_000_000
"""How far the car's clock may drift from the host's before it is placed anew."""


class Timeline:
    """Where frames stand in the video, in ticks since the first one."""

    def __init__(self) -> None:
        self.restarts = 0
        self.last: int | None = None
        """Where the newest frame stands."""
        self.interval = TICKS_HZ // 30
        """From the frame before it to the newest; at most 1 s."""
        self.first_ns: int | None = None
        """When the first frame was captured, by the host's clock."""
        self._session = ""
        self._offset_ns = 0

    def place(self, arrival: Arrival) -> int | None:
        """The frame's place, later than every place before; None where it can have none."""
        age_ns = arrival.received_ns - arrival.captured_ns
        if not -FUTURE_NS <= age_ns <= OLDEST_NS:
            return None
        captured_ns = arrival.frame.captured_ns + self._offset(arrival)
        if self.first_ns is None:
            self.first_ns = captured_ns
        return self._later((captured_ns - self.first_ns) * TICKS_HZ // 1_000_000_000)

    def tick_of(self, arrival: Arrival) -> int:
        """Where an arrival that was or will be placed stands, or would; 0 before the first. For any thread."""
        if self.first_ns is None:
            return 0
        known = arrival.frame.session == self._session
        captured_ns = arrival.frame.captured_ns + self._offset_ns if known else arrival.captured_ns
        return max(0, (captured_ns - self.first_ns) * TICKS_HZ // 1_000_000_000)

    def _offset(self, arrival: Arrival) -> int:
        """From the car's clock to the host's: held through a session, lest estimating it better moves frames."""
        offset_ns = arrival.captured_ns - arrival.frame.captured_ns
        session = arrival.frame.session
        if session != self._session or abs(offset_ns - self._offset_ns) > RESYNC_NS:
            self.restarts += self.first_ns is not None and session != self._session
            self._session, self._offset_ns = session, offset_ns
        return self._offset_ns

    def _later(self, tick: int) -> int | None:
        if self.last is not None:
            if tick <= self.last:
                return None
            self.interval = min(tick - self.last, TICKS_HZ)
        self.last = tick
        return tick

    @property
    def duration_s(self) -> float:
        return 0.0 if self.last is None else (self.last + self.interval) / TICKS_HZ
