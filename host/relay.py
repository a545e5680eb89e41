"""The newest frame of every car, to everybody who watches; a watcher that never reads costs one slot.

    receiver thread ──deliver──▶ Channel ──┬─▶ sinks, called at once in that thread (a recording's queue)
                                           └─▶ event loop ─▶ one slot per Subscription ─▶ viewer

Nothing queues here: a slot holds the newest arrival its watcher has not taken yet; a newer one replaces it and is
counted.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import wire


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame as it came. Times are this host's monotonic clock."""

    car: str
    """The name this host knows the car by."""
    frame: wire.Frame
    parts: Mapping[str, bytes]
    """Pictures by kind (see wire.PARTS), JPEG bytes."""
    captured_ns: int
    received_ns: int
    clock_error_ns: int
    """`captured_ns` may be off by this much either way."""


@dataclass(slots=True)
class Link:
    """What is known of the way to a car. Written by its receiver thread, read by anybody."""

    address: str = ""
    live: bool = False
    """The car answered lately."""
    trouble: str = "not connected yet"
    """Why there is no picture, in one sentence; empty while there is one."""
    status: wire.Status | None = None
    """The car's newest answer to a Ping."""
    round_trip_ns: int | None = None
    offset_ns: int = 0
    """Add to the car's clock to get ours."""
    clock_error_ns: int = 0
    frames: int = 0
    received_bytes: int = 0
    malformed: int = 0
    """Messages that did not parse."""
    restarts: int = 0
    """How often the car came back as a new process."""


@dataclass(frozen=True, slots=True)
class _Wants:
    """What a sink asks for: `always`, and `along` with anything that others ask for."""

    always: frozenset[str]
    along: frozenset[str]


class Subscription:
    """One watcher's slot. Belongs to the event loop."""

    def __init__(self, channel: "Channel", want: frozenset[str]) -> None:
        self._channel = channel
        self.want = want
        """Kinds of pictures this watcher needs; assign through Channel.subscribe or `change`."""
        self.taken = 0
        self.skipped = 0
        """Arrivals replaced by a newer one before this watcher took them."""
        self._newest: Arrival | None = None
        self._arrived = asyncio.Event()

    def change(self, want: frozenset[str]) -> None:
        """Watch other pictures from now on."""
        self.want = want
        self._channel.update_wanted()

    def put(self, arrival: Arrival) -> None:
        """Replace what waits."""
        self.skipped += self._newest is not None
        self._newest = arrival
        self._arrived.set()

    async def next(self, timeout_s: float) -> Arrival | None:
        """Wait for an arrival not taken yet and take it; None when nothing came in time."""
        if self._newest is None:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        newest, self._newest = self._newest, None
        self.taken += newest is not None
        return newest


@dataclass
class Channel:
    """One car, as the host sees it: its link, its newest frame, its watchers."""

    name: str
    loop: asyncio.AbstractEventLoop
    link: Link = field(default_factory=Link)
    newest: Arrival | None = None
    wanted: frozenset[str] = frozenset()
    """What all watchers and sinks together want; read by the receiver thread, replaced whole."""
    look: wire.Look | None = None
    """The look asked for and not yet said to the car; read and cleared by the receiver thread."""
    wake: Callable[[], None] = lambda: None
    """Tells the receiver that `wanted` or `look` changed; set by the receiver."""
    late: int = 0
    """Arrivals replaced before the event loop came round."""

    def __post_init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._sinks: dict[Callable[[Arrival], None], _Wants] = {}
        self._lock = threading.Lock()
        self._handed_over: Arrival | None = None
        self._times_ns: deque[int] = deque(maxlen=60)

    @contextlib.contextmanager
    def subscribe(self, want: frozenset[str]) -> Iterator[Subscription]:
        """A slot for one watcher, for the length of a with block."""
        subscription = Subscription(self, want)
        self._subscriptions.add(subscription)
        self.update_wanted()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            self.update_wanted()

    def add_sink(
        self, sink: Callable[[Arrival], None], want: frozenset[str], *, along: frozenset[str] = frozenset()
    ) -> None:
        """Call `sink` with every arrival, in the receiver's thread; it must return at once. For the event loop only.

        The car is asked for `want` from now on, and for `along` too while somebody wants any picture: a sink that has
        nothing but an `along` never makes a car send. Adding a sink again changes what it wants.
        """
        self._sinks = {**self._sinks, sink: _Wants(want, along)}
        self.update_wanted()

    def remove_sink(self, sink: Callable[[Arrival], None]) -> None:
        """For the event loop only."""
        self._sinks = {other: wants for other, wants in self._sinks.items() if other != sink}
        self.update_wanted()

    @property
    def watchers(self) -> int:
        return len(self._subscriptions)

    def update_wanted(self) -> None:
        """Sum up what is wanted and tell the receiver if that changed."""
        wanted = frozenset[str]().union(
            *(subscription.want for subscription in self._subscriptions),
            *(sink.always for sink in self._sinks.values()),
        )
        if wanted:
            wanted = wanted.union(*(sink.along for sink in self._sinks.values()))
        if wanted != self.wanted:
            self.wanted = wanted
            self.wake()

    def tune(self, look: wire.Look) -> None:
        """Ask the car to draw like this from now on."""
        self.look = look
        self.wake()

    def deliver(self, arrival: Arrival) -> None:
        """Hand an arrival to everybody; called by the receiver thread."""
        with self._lock:
            waiting, self._handed_over = self._handed_over, arrival
        if waiting is None:
            # The loop may close while the receiver is being stopped; nobody is left to watch then.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._publish)
        else:
            self.late += 1
        for sink in self._sinks:  # after the live view has been woken: a recorder can wait
            sink(arrival)

    def _publish(self) -> None:
        with self._lock:
            arrival, self._handed_over = self._handed_over, None
        if arrival is None:
            return
        self.newest = arrival
        self._times_ns.append(arrival.received_ns)
        for subscription in self._subscriptions:
            subscription.put(arrival)

    def fps(self) -> float:
        """Frames per second over the last two seconds."""
        now_ns = time.monotonic_ns()
        recent = [at for at in self._times_ns if now_ns - at < 2_000_000_000]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / ((now_ns - recent[0]) / 1e9)
