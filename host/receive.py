"""One thread per car: a DEALER that grants credit, keeps the clock offset and hands every frame to the car's channel.

Credit is granted once a frame is in hand, so at most `window` frames are under way and none grows old in a buffer. The
ping goes out just before the credit, when the link is empty: its round trip is the link's, not a frame's.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import zmq

import keys as curve
import wire
from bell import Bell
from host.clock import ClockFilter
from host.relay import Arrival, Channel

log = logging.getLogger(__name__)

PING_NS = 300_000_000
"""After so long the next credit is preceded by a ping: the link is empty then, no frame delays the answer."""
TICK_NS = 500_000_000
"""After so long without a frame ping all the same, and repeat the credit; headers come at this rate unwatched."""
BATCH = 8
"""Messages read before looking at anything else."""
SILENT_NS = 2_000_000_000
"""A car that answered nothing for so long is not there."""
RENEW_NS = 10_000_000_000
"""Connect anew after so much silence: a route may have changed under a connection that looks alive."""


class ReceiveError(Exception):
    """The car's address cannot be used at all; one sentence for a person."""


class Receiver:
    """Enter it to start the thread, leave it to stop. Reconnects for ever."""

    def __init__(self, channel: Channel, address: str, *, keys: curve.HostKeys | None = None) -> None:
        self._channel = channel
        self._keys = keys
        self._clock = ClockFilter()
        self._session = ""
        self._seq = -1
        self._interval_ns = 0
        self._captured_ns = 0
        self._heard_ns = 0
        self._said_silent = -1
        self._stopping = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._bell = Bell(self._context)
        self._thread = threading.Thread(target=self._run, name=f"receive {channel.name}", daemon=True)
        channel.link.address = address

    def __enter__(self) -> Self:
        """Connect and start. Raises ReceiveError for an address that can never work."""
        try:
            self._dealer = self._connect()
        except ReceiveError:
            self._context.destroy(linger=0)
            raise
        self._channel.wake = self._bell.ring
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.wake = lambda: None
        self._stopping.set()
        self._bell.ring()
        self._thread.join()
        self._context.destroy(linger=0)

    def _connect(self) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.immediate = True  # say nothing to a car that is not there, rather than old things later
        dealer.sndhwm = 8
        dealer.rcvhwm = 8
        dealer.maxmsgsize = wire.MAX_PART_BYTES
        dealer.reconnect_ivl = 100
        dealer.reconnect_ivl_max = 2000
        dealer.heartbeat_ivl = 1000
        dealer.heartbeat_timeout = 4000
        dealer.ipv6 = True
        if self._keys:
            curve.secure_client(dealer, self._keys)
        try:
            dealer.connect(self._channel.link.address)
        except zmq.ZMQError as why:
            dealer.close()
            raise ReceiveError(
                f"car {self._channel.name}: {self._channel.link.address} is not an address ZeroMQ can use "
                f"({zmq.strerror(why.errno or 0)}); write tcp://HOST:PORT."
            ) from why
        return dealer

    def _run(self) -> None:
        self._heard_ns = renewed_ns = pinged_ns = time.monotonic_ns()
        self._ping(pinged_ns)
        while not self._stopping.is_set():
            received = self._wait(pinged_ns + TICK_NS - time.monotonic_ns())
            now_ns = time.monotonic_ns()
            due = now_ns - pinged_ns >= (PING_NS if received else TICK_NS)
            if due:
                self._ping(now_ns)
                self._say_look()
                pinged_ns = now_ns
                self._notice_silence(now_ns)
            if due or (received and self._channel.wanted):
                self._grant()
            if now_ns - max(self._heard_ns, renewed_ns) > RENEW_NS:
                self._dealer.close()
                self._dealer = self._connect()
                renewed_ns = now_ns

    def _wait(self, timeout_ns: int) -> bool:
        """Read what comes, for `timeout_ns` at most; True once there is a frame, or other pictures are wanted."""
        poller = zmq.Poller()
        poller.register(self._dealer, zmq.POLLIN)
        poller.register(self._bell.socket, zmq.POLLIN)
        ready = dict(poller.poll(max(0, -(-timeout_ns // 1_000_000))))
        rung = self._bell.socket in ready
        if rung:
            self._bell.hush()
            self._say_look()
        received = False
        with contextlib.suppress(zmq.Again):
            for _ in range(BATCH if self._dealer in ready else 0):
                received = self._take(self._dealer.recv_multipart(zmq.NOBLOCK)) or received
        return received or rung

    def _say_look(self) -> None:
        """Pass on the look asked for; one that the car could not be told stays, unless a newer one has come."""
        look, self._channel.look = self._channel.look, None
        if look is not None and not self._say(wire.Settings(look=look)):
            self._channel.look = self._channel.look or look

    def _take(self, message: list[bytes]) -> bool:
        """Digest one message; True for a frame."""
        received_ns = time.monotonic_ns()
        link = self._channel.link
        link.received_bytes += sum(map(len, message))
        try:
            header, parts = wire.decode_down(message)
        except wire.WireError as why:
            link.malformed += 1
            link.trouble = f"car {self._channel.name} sent something that is not understood: {why}"
            return False
        self._heard_ns = received_ns
        self._meet(header.session)
        if isinstance(header, wire.Status):
            self._take_status(header, received_ns)
            return False
        return self._take_frame(header, parts, received_ns)

    def _meet(self, session: str) -> None:
        if session == self._session:
            return
        if self._session:
            self._channel.link.restarts += 1
        self._session, self._seq, self._interval_ns = session, -1, 0
        self._clock.reset()

    def _take_status(self, status: wire.Status, received_ns: int) -> None:
        link = self._channel.link
        if not link.live:
            log.info("car %s answers at %s", self._channel.name, link.address)
        link.status, link.live, link.trouble = status, True, status.trouble
        first = self._clock.best is None
        self._clock.add(status.ping_ns, status.received_ns, status.sent_ns, received_ns)
        best = self._clock.best
        if best is None:
            return
        link.round_trip_ns, link.offset_ns, link.clock_error_ns = best.round_trip_ns, best.offset_ns, best.error_ns
        if first:
            self._grant()

    def _take_frame(self, frame: wire.Frame, parts: Mapping[str, bytes], received_ns: int) -> bool:
        best = self._clock.best
        if frame.seq <= self._seq or best is None:
            return False
        if self._seq >= 0:
            self._interval_ns = (frame.captured_ns - self._captured_ns) // (frame.seq - self._seq)
        self._seq, self._captured_ns = frame.seq, frame.captured_ns
        self._channel.link.frames += 1
        captured_ns = frame.captured_ns + best.offset_ns
        self._channel.deliver(Arrival(self._channel.name, frame, parts, captured_ns, received_ns, best.error_ns))
        return True

    def _ping(self, now_ns: int) -> None:
        self._say(wire.Ping(sent_ns=now_ns))

    def _grant(self) -> None:
        """Ask for the newest frame; nothing before the clocks are known, a frame of unknown age is of no use."""
        if (best := self._clock.best) is None:
            return
        window = -(-best.round_trip_ns // self._interval_ns) if self._interval_ns > 0 else 1
        window = max(1, min(window, wire.MAX_WINDOW))
        want = sorted(self._channel.wanted)
        self._say(wire.Credit(session=self._session, seq=self._seq, window=window, want=want))

    def _say(self, message: wire.Up) -> bool:
        try:
            self._dealer.send(wire.encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _notice_silence(self, now_ns: int) -> None:
        link = self._channel.link
        if now_ns - self._heard_ns < SILENT_NS:
            return
        unlock = ", or the keys do not fit" if self._keys and not self._session else ""
        link.trouble = f"car {self._channel.name} does not answer at {link.address}{unlock}; trying again."
        if self._said_silent != self._heard_ns:
            self._said_silent = self._heard_ns
            log.warning("%s", link.trouble)
        link.live = False
