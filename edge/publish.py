"""The car's only socket: a ROUTER that answers credit with the newest frame, never with a queue.

    host ──Ping──▶ Status at once           the host learns both clocks and what the car is doing
    host ──Credit▶ the newest frame         if this host holds fewer than `window` frames under way
    host ──Settings▶ on_look                from the next frame on

A host that stalls keeps its credit; one that dies is forgotten; one that floods is read at a bounded rate. What any of
them does costs the worker nothing: it leaves its newest frame here and goes on.
"""

import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec
import zmq

import keys as curve
import wire
from bell import Bell

log = logging.getLogger(__name__)

HOST_SILENT_NS = 5_000_000_000
"""A host that said nothing for so long is forgotten; hosts ping twice a second."""
MAX_HOSTS = 16
BATCH = 32
"""Requests read between two looks at the newest frame; a flood is read at BATCH per FLOOD_PAUSE_S."""
FLOOD_PAUSE_S = 0.01


class PublishError(Exception):
    """The address cannot be used; one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One part's bytes and its size in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Explained:
    """What the worker leaves: all that is known of a frame, and the pictures somebody asked for."""

    header: wire.Frame
    pictures: Mapping[str, Picture]
    late: frozenset[str] = frozenset()
    """Kinds of pictures that come by `Publisher.offer_late`; who wants one of them waits for that message."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be asked for of the car's pilot; as wire.Status tells it."""

    methods: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Host:
    seen_ns: int
    want: frozenset[str] = frozenset()
    window: int = 0
    sent: deque[int] = field(default_factory=lambda: deque(maxlen=wire.MAX_WINDOW))
    """Sequence numbers under way: sent, and not yet known to be held."""
    newest: int = -1
    """Newest frame this host was sent, or that there was when it came: what is older is not for it."""

    def credit(self, credit: wire.Credit, session: str) -> None:
        held = credit.seq if credit.session == session else -1
        while self.sent and self.sent[0] <= held:
            self.sent.popleft()
        self.window = credit.window
        self.want = frozenset(credit.want)

    def takes(self, seq: int) -> bool:
        return seq > self.newest and len(self.sent) < self.window


class Publisher:
    """Enter it to bind and serve; leave it to close. `offer`, `wanted`, `watched`, `trouble` are for other threads."""

    def __init__(
        self,
        bind: str,
        car: str,
        session: str,
        *,
        keys: curve.CarKeys | None = None,
        source: str = "?",
        pilot: str = "?",
        pilot_sha256: str = "",
        abilities: Abilities | None = None,
        on_look: Callable[[wire.Look], None] = lambda look: None,
    ) -> None:
        self._bind = bind
        self._car = car
        self._session = session
        self._keys = keys
        self._source = source[:64] or "?"
        self._pilot = pilot[:64] or "?"
        self._pilot_sha256 = pilot_sha256
        self._abilities = abilities or Abilities()
        self._on_look = on_look
        self._hosts: dict[bytes, _Host] = {}
        self._newest: Explained | None = None
        self._newest_late: Explained | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="publish", daemon=True)
        self.address = bind
        """Where hosts reach it, once entered; differs from `bind` where that left the port open."""
        self.trouble = ""
        """Why no frames come, in one sentence; told to every host that asks."""
        self.wanted: frozenset[str] = frozenset()
        """Kinds of pictures that some host wants now."""
        self.watched = False
        """Whether any host is there."""
        self.drops: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Bind and start serving. Raises PublishError."""
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.Context())
            self._router = stack.enter_context(context.socket(zmq.ROUTER))
            _limit(self._router)
            self._router.ipv6 = "[" in self._bind
            if self._keys:
                stack.enter_context(curve.authenticator(context, self._keys))
                curve.secure_server(self._router, self._keys)
            try:
                self._router.bind(self._bind)
            except zmq.ZMQError as why:
                raise PublishError(f"cannot listen on {self._bind}: {zmq.strerror(why.errno or 0)}.") from why
            self.address = self._router.get_string(zmq.LAST_ENDPOINT)
            self._bell = stack.enter_context(contextlib.closing(Bell(context)))
            self._thread.start()
            stack.callback(self._thread.join)
            stack.callback(self._bell.ring)
            stack.callback(self._stopping.set)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def offer(self, explained: Explained) -> None:
        """Leave the newest frame; whoever has credit gets it."""
        self._newest = explained
        self._bell.ring()

    def offer_late(self, explained: Explained) -> None:
        """Leave the newest frame that has the pictures which `offer` announced as late."""
        self._newest_late = explained
        self._bell.ring()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._bell.socket, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll(500))
            if self._bell.socket in ready:
                self._bell.hush()
            if self._router in ready and self._read_requests() == BATCH:
                self._stopping.wait(FLOOD_PAUSE_S)
            self._forget_silent()
            self._send_newest()

    def _read_requests(self) -> int:
        for count in range(BATCH):
            try:
                identity, *message = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            received_ns = time.monotonic_ns()
            try:
                request = wire.decode_up(message)
            except wire.WireError as why:
                self.drops["malformed requests"] += 1
                log.debug("a request was dropped: %s", why)
                continue
            self._answer(identity, request, received_ns)
        return BATCH

    def _answer(self, identity: bytes, request: wire.Up, received_ns: int) -> None:
        host = self._hosts.get(identity)
        if host is None:
            if len(self._hosts) >= MAX_HOSTS:
                self.drops["hosts beyond the limit"] += 1
                return
            host = self._hosts[identity] = _Host(received_ns, newest=self._newest.header.seq if self._newest else -1)
        host.seen_ns = received_ns
        match request:
            case wire.Credit():
                host.credit(request, self._session)
            case wire.Settings():
                self._on_look(request.look)
        self._sum_up()
        if isinstance(request, wire.Ping):
            self._send(identity, [wire.encode(self._status(request, received_ns))])

    def _status(self, ping: wire.Ping, received_ns: int) -> wire.Status:
        return wire.Status(
            car=self._car,
            session=self._session,
            ping_ns=ping.sent_ns,
            received_ns=received_ns,
            sent_ns=time.monotonic_ns(),
            seq=self._newest.header.seq if self._newest else None,
            trouble=self.trouble[:400],
            source=self._source,
            pilot=self._pilot,
            pilot_sha256=self._pilot_sha256,
            methods=self._abilities.methods,
            refusals=self._abilities.refusals,
            targets=self._abilities.targets,
            layers=self._abilities.layers,
        )

    def _forget_silent(self) -> None:
        now_ns = time.monotonic_ns()
        for identity in [key for key, host in self._hosts.items() if now_ns - host.seen_ns > HOST_SILENT_NS]:
            del self._hosts[identity]
            self._sum_up()

    def _sum_up(self) -> None:
        self.wanted = frozenset[str]().union(*(host.want for host in self._hosts.values()))
        self.watched = bool(self._hosts)

    def _send_newest(self) -> None:
        encoded: dict[frozenset[str], list[bytes]] = {}
        newest, newest_late = self._newest, self._newest_late
        if newest is None:
            return
        for identity, host in list(self._hosts.items()):
            chosen = newest_late if newest.late & host.want else newest
            if chosen is None or not host.takes(chosen.header.seq):
                continue
            message = encoded.get(host.want)
            if message is None:
                message = encoded[host.want] = compose(chosen, host.want, time.monotonic_ns())
            if self._send(identity, message):
                host.newest = chosen.header.seq
                host.sent.append(chosen.header.seq)

    def _send(self, identity: bytes, message: list[bytes]) -> bool:
        try:
            self._router.send_multipart([identity, *message], zmq.NOBLOCK)
        except zmq.Again:
            self.drops["host not reading"] += 1
        except zmq.ZMQError as why:
            if why.errno != zmq.EHOSTUNREACH:
                raise
            self._hosts.pop(identity, None)
            self._sum_up()
        else:
            return True
        return False


def compose(explained: Explained, want: frozenset[str], now_ns: int) -> list[bytes]:
    """The message for a host that wants these kinds: header, then those pictures that there are."""
    pictures = {kind: picture for kind, picture in explained.pictures.items() if kind in want}
    parts = [
        wire.Part(kind=kind, size_bytes=len(picture.data), width=picture.width, height=picture.height)
        for kind, picture in pictures.items()
    ]
    header = msgspec.structs.replace(explained.header, sent_ns=now_ns, parts=parts)
    return [wire.encode(header), *(picture.data for picture in pictures.values())]


def _limit(router: zmq.Socket[bytes]) -> None:
    """Bound everything a host could make grow; tell of hosts that are gone."""
    router.linger = 0
    router.router_mandatory = True
    router.sndhwm = wire.MAX_WINDOW + 1
    router.rcvhwm = BATCH
    router.maxmsgsize = wire.MAX_HEADER_BYTES
    router.heartbeat_ivl = 1000
    router.heartbeat_timeout = 5000
