"""What came just before a recording began: the last seconds of a car's arrivals, kept as long as somebody watches.

    receiver thread ──take──▶ Tap ──┬─▶ Ring, while nothing is recorded
                                    └─▶ the recording's queue, once there is one: what the ring holds, then the rest

Not a frame is lost or doubled where a recording begins. A car is asked for nothing on the ring's account while nobody
watches it, and for camera and mask only where its link has room for them (thrift.py).
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

from host.record.thrift import FULL, LEAN, Thrift
from host.relay import Arrival, Channel

MAX_RING_BYTES = 32 * 1024 * 1024

Take = Callable[[Arrival], None]


class Ring:
    """Arrivals of the last seconds, bounded in bytes; the oldest go first. Not for several threads."""

    def __init__(self, seconds: float, max_bytes: int = MAX_RING_BYTES) -> None:
        self._lasts_ns = round(seconds * 1e9)
        self._max_bytes = max_bytes
        self._arrivals: deque[Arrival] = deque()
        self.held_bytes = 0

    def put(self, arrival: Arrival) -> None:
        """Keep an arrival for a while if it brings pictures; any arrival lets old ones go."""
        if arrival.parts:
            self._arrivals.append(arrival)
            self.held_bytes += size_bytes(arrival)
        self._forget(arrival.received_ns)

    def drain(self, now_ns: int) -> list[Arrival]:
        """What came within the last seconds, oldest first; the ring is empty then."""
        self._forget(now_ns)
        kept = list(self._arrivals)
        self._arrivals.clear()
        self.held_bytes = 0
        return kept

    def _forget(self, now_ns: int) -> None:
        oldest_ns = now_ns - self._lasts_ns
        while self._arrivals and (
            self._arrivals[0].received_ns < oldest_ns or self.held_bytes > self._max_bytes or not self._lasts_ns
        ):
            self.held_bytes -= size_bytes(self._arrivals.popleft())


class Tap:
    """One car's arrivals on their way to recordings: a sink that stays for the life of the channel. For any thread."""

    def __init__(self, channel: Channel, pre_roll_s: float) -> None:
        self.channel = channel
        self._ring = Ring(pre_roll_s)
        self._keeps = pre_roll_s > 0
        self._thrift = Thrift()
        self._taker: Take | None = None
        self._lock = threading.Lock()
        self._ask_soon()

    @property
    def lean(self) -> bool:
        """Whether the car is asked for overlays alone, lest the live picture suffer."""
        return self._thrift.lean

    def take(self, arrival: Arrival) -> None:
        """For the receiver's thread; returns at once."""
        with self._lock:
            (self._taker or self._ring.put)(arrival)
            changed = bool(arrival.parts) and self._thrift.see(arrival)
        if changed:
            self._ask_soon()

    def begin(self, taker: Take, begin_with: Callable[[list[Arrival]], None]) -> None:
        """Give a recording what the ring holds, and from now on everything that comes."""
        with self._lock:
            begin_with(self._ring.drain(time.monotonic_ns()))
            self._taker = taker
            self._thrift.try_full()
        self._ask_soon()

    def end(self, taker: Take) -> None:
        """Give this recording no more; another one that has begun since goes on."""
        with self._lock:
            if self._taker == taker:
                self._taker = None
        self._ask_soon()

    def close(self) -> None:
        """Ask the car for nothing any more."""
        self._soon(lambda: self.channel.remove_sink(self.take))

    def _ask_soon(self) -> None:
        self._soon(self._ask)

    def _ask(self) -> None:
        want = LEAN if self._thrift.lean else FULL
        if self._taker:
            self.channel.add_sink(self.take, want)
        else:
            self.channel.add_sink(self.take, frozenset(), along=want if self._keeps else frozenset())

    def _soon(self, call: Callable[[], None]) -> None:
        """A channel's sinks belong to its loop; a closed loop has none."""
        with contextlib.suppress(RuntimeError):
            self.channel.loop.call_soon_threadsafe(call)


def size_bytes(arrival: Arrival) -> int:
    return sum(map(len, arrival.parts.values()))
