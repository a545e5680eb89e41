"""The car's monotonic clock in terms of ours, from pings: the offset seen with the shortest round trip.

    ours   ping ───────┐                 ┌─────── pong          round trip = (pong − ping) − (sent − received)
    car's              └─ received  sent ┘                      offset     = ((ping − received) + (pong − sent)) / 2

A shorter round trip bounds the error tighter: it is at most half of it either way (NTP's clock filter, RFC 5905 §10).
"""

from collections import deque
from dataclasses import dataclass

SAMPLES = 64
"""At two pings a second this is half a minute: long enough to see an idle link, short enough to follow drift."""


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One ping, best first when sorted. All in nanoseconds."""

    round_trip_ns: int
    offset_ns: int
    """Add to the car's clock to get ours."""

    @property
    def error_ns(self) -> int:
        return self.round_trip_ns // 2


class ClockFilter:
    """Newest SAMPLES pings; `best` is the one to believe."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)

    def add(self, ping_ns: int, received_ns: int, sent_ns: int, pong_ns: int) -> bool:
        """Take in one exchange; False for one that cannot be (it would end before it began)."""
        round_trip_ns = (pong_ns - ping_ns) - (sent_ns - received_ns)
        if round_trip_ns < 0 or sent_ns < received_ns:
            return False
        self._samples.append(Sample(round_trip_ns, ((ping_ns - received_ns) + (pong_ns - sent_ns)) // 2))
        return True

    @property
    def best(self) -> Sample | None:
        return min(self._samples, default=None)

    def reset(self) -> None:
        """Another process answers now: its clock may be another."""
        self._samples.clear()
