"""Everybody who watches: how many there may be, how each one fares, and how all of them end.

A watcher is one connection that is sent pictures. It has a place while its `admit` block runs; the block ends by itself
when the watcher makes no progress for too long, or at once when the host stops.
"""

import asyncio
import contextlib
import fcntl
import socket
import sys
import termios
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from host.relay import Arrival, Subscription

MAX_WATCHERS = 64
NO_PROGRESS_S = 30.0
"""A watcher that takes nothing for so long loses its place."""
UNSENT_BYTES = 8192
"""What the kernel may hold unsent for one watcher: more would be pictures growing old."""

ASK_FIRST_S, ASK_LAST_S = 0.002, 0.02
"""How often the kernel is asked what is still on its way to a client."""

_SO_NWRITE = 0x1024
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 0x201 if sys.platform == "darwin" else None)

Kind = Literal["live", "mjpeg", "snapshot"]


class Pace:
    """Events per second over the last two seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=120)

    def mark(self) -> None:
        self._times.append(time.monotonic())

    def hz(self) -> float:
        now = time.monotonic()
        recent = [at for at in self._times if now - at < 2]
        return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 else 0.0


@dataclass(eq=False)
class Watcher:
    """One connection that is sent pictures of one car."""

    car: str
    kind: Kind
    address: str
    name: str
    """What the client calls itself, to find itself in /state; may be empty."""
    part: str
    """What it is shown; may change at any time."""
    scope: asyncio.Timeout
    since: float = field(default_factory=time.monotonic)
    pace: Pace = field(default_factory=Pace)
    sent: int = 0
    shown: Arrival | None = None
    """What the client was given last."""
    subscription: Subscription | None = None

    async def next_picture(self, timeout_s: float) -> Arrival | None:
        """Wait for an arrival that brings `part`; the first ones may be headers alone. None when none came in time."""
        assert self.subscription is not None
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while (left_s := end - loop.time()) > 0:
            arrival = await self.subscription.next(left_s)
            if arrival is not None and self.part in arrival.parts:
                return arrival
        return None

    def took(self, arrival: Arrival) -> None:
        """The client has been given `arrival`, all of it."""
        self.shown = arrival
        self.sent += 1
        self.pace.mark()

    def expect_progress(self) -> None:
        """End this watcher unless this, or `rest`, is called within NO_PROGRESS_S."""
        self._until(asyncio.get_running_loop().time() + NO_PROGRESS_S)

    def rest(self) -> None:
        """Nothing is expected of the client now."""
        self._until(None)

    def stop(self) -> None:
        """End this watcher at once."""
        self._until(0)

    def _until(self, when: float | None) -> None:
        if not self.scope.expired() and self.scope.when() != 0:
            self.scope.reschedule(when)


class Watchers:
    """All watchers of all cars. Belongs to the event loop."""

    def __init__(self, limit: int = MAX_WATCHERS) -> None:
        self.limit = limit
        self._all: set[Watcher] = set()
        self._stopped = False

    def of(self, car: str) -> list[Watcher]:
        """Those who watch `car`, longest first."""
        return sorted((watcher for watcher in self._all if watcher.car == car), key=lambda one: one.since)

    @contextlib.asynccontextmanager
    async def admit(self, request: web.Request, car: str, kind: Kind, part: str) -> AsyncIterator[Watcher]:
        """A place for the length of the block, which just ends when the watcher is stopped. Raises 503 when full."""
        if len(self._all) >= self.limit or self._stopped:
            raise web.HTTPServiceUnavailable(
                text=f"All {self.limit} places for watchers are taken: close a page or a player and try again.",
                headers={"Retry-After": "5"},
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as scope:
                name = request.query.get("name", "")[:32]
                watcher = Watcher(car, kind, request.remote or "?", name, part, scope)
                self._all.add(watcher)
                try:
                    yield watcher
                finally:
                    self._all.discard(watcher)

    def stop(self) -> None:
        """End every watcher and admit no more."""
        self._stopped = True
        for watcher in self._all:
            watcher.stop()


async def arrived(request: web.Request, but_bytes: int) -> None:
    """Wait until the client's kernel has acknowledged all that was written to it, except for the last `but_bytes`.

    What was written and not yet acknowledged lies in a buffer somewhere on the way, and a slow link's router has a
    large one. Where the platform cannot tell, this returns at once: the way is then as short as `keep_short` makes it.
    """
    pause_s = ASK_FIRST_S
    while request.transport is not None and _on_the_way_bytes(request.transport) > but_bytes:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, ASK_LAST_S)


def _on_the_way_bytes(transport: asyncio.Transport) -> int:
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0 or sock.family == socket.AF_UNIX:
        return 0
    try:
        if sys.platform == "darwin":
            return int(sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


def keep_short(transport: asyncio.Transport) -> None:
    """Let nothing wait in buffers on the way to this client: whatever waits there grows old."""
    transport.set_write_buffer_limits(high=0)
    sock = transport.get_extra_info("socket")
    if sock is not None and _NOTSENT_LOWAT is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # a platform without it only loses freshness on slow links
            sock.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)
