"""One car's live picture over a WebSocket, paced by the browser.

    host → browser   binary   length of the header (4 bytes, big endian) | header JSON (Picture) | JPEG
                     text     {"type": "state", …}   twice a second: the car, its link, its recording, its watchers
                     text     {"type": "clock", …}   at once after a "clock"
    browser → host   text     {"ack": id}            the picture is on screen
                              {"part": "mask"}       show this part from now on
                              {"clock": ms}          returned with our clock: gives the offset

At most WINDOW pictures are under way; the next one is chosen when there is room for it, so it is the newest. Whatever
else a browser sends closes its connection with a sentence.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from host.relay import Arrival, Channel
from host.state import CarState, FrameState, frame_state
from host.watch import Watcher, Watchers, keep_short

WINDOW = 2
"""One picture on its way while the one before is being decoded and drawn."""
STATE_EVERY_S = 0.5
MAX_HEARD_BYTES = 4096
HEARTBEAT_S = 15.0
CLOSE_S = 1.0
"""How long a browser may take to answer a close."""


class Heard(msgspec.Struct, forbid_unknown_fields=True):
    """A message from the browser; what is None is not said."""

    ack: int | None = None
    part: Literal["overlay", "camera", "mask"] | None = None
    clock: float | None = None


class Picture(msgspec.Struct, tag="frame", tag_field="type"):
    """The header in front of a JPEG."""

    id: int
    """Counts the pictures of this connection from 1; to be acknowledged."""
    part: str
    sent_ns: int
    frame: FrameState


class StateMessage(msgspec.Struct, tag="state", tag_field="type"):
    now_ns: int
    car: CarState


class ClockMessage(msgspec.Struct, tag="clock", tag_field="type"):
    clock: float
    now_ns: int


class Farewell(NamedTuple):
    """How to close: the code and the reason in the close frame."""

    code: WSCloseCode
    why: str


class _RubbishError(Exception):
    """The browser said something it must not."""


_heard = msgspec.json.Decoder(Heard)
_json = msgspec.json.Encoder()


async def live(
    request: web.Request, channel: Channel, watchers: Watchers, part: str, state: Callable[[], CarState]
) -> web.StreamResponse:
    """Speak to one browser until it leaves. `state` tells what is known of the car."""
    socket = web.WebSocketResponse(
        timeout=CLOSE_S, heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MAX_HEARD_BYTES, writer_limit=0
    )
    if not socket.can_prepare(request):
        raise web.HTTPBadRequest(text="This address speaks WebSocket; for plain HTTP there is /stream/CAR.mjpg.")
    farewell = Farewell(WSCloseCode.GOING_AWAY, "the host stops, or this page was silent for too long")
    async with watchers.admit(request, channel.name, "live", part) as watcher:
        await socket.prepare(request)
        if request.transport is not None:
            keep_short(request.transport)
        farewell = await _Conversation(socket, channel, watcher, state).run()
    await _close(request, socket, farewell)
    return socket


async def _close(request: web.Request, socket: web.WebSocketResponse, farewell: Farewell) -> None:
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(2 * CLOSE_S):
            await socket.close(code=farewell.code, message=farewell.why.encode("ascii", "replace")[:120])
    if request.transport is not None:
        request.transport.abort()


class _Conversation:
    """What is under way between one browser and one car's channel."""

    def __init__(
        self, socket: web.WebSocketResponse, channel: Channel, watcher: Watcher, state: Callable[[], CarState]
    ) -> None:
        self._socket = socket
        self._channel = channel
        self._watcher = watcher
        self._state = state
        self._under_way: dict[int, Arrival] = {}
        self._last_id = 0
        self._room = asyncio.Event()

    async def run(self) -> Farewell:
        """Talk until the browser leaves; returns how to close."""
        farewell = Farewell(WSCloseCode.OK, "")
        try:
            with self._channel.subscribe(frozenset({self._watcher.part})) as self._watcher.subscription:
                async with asyncio.TaskGroup() as tasks:
                    senders = [tasks.create_task(self._send_pictures()), tasks.create_task(self._send_states())]
                    farewell = await self._listen()
                    for sender in senders:
                        sender.cancel()
        except* ConnectionError:
            pass
        return farewell

    async def _send_pictures(self) -> None:
        while True:
            await self._wait_for_room()
            arrival = await self._watcher.next_picture(STATE_EVERY_S)
            if arrival is not None:
                await self._send_picture(arrival, self._watcher.part)

    async def _wait_for_room(self) -> None:
        if len(self._under_way) >= WINDOW:
            self._room.clear()
            self._watcher.expect_progress()
            await self._room.wait()
            self._watcher.rest()

    async def _send_picture(self, arrival: Arrival, part: str) -> None:
        self._last_id += 1
        self._under_way[self._last_id] = arrival
        header = _json.encode(Picture(self._last_id, part, time.monotonic_ns(), frame_state(arrival)))
        await self._socket.send_bytes(b"".join((len(header).to_bytes(4, "big"), header, arrival.parts[part])))

    async def _send_states(self) -> None:
        while True:
            message = StateMessage(time.monotonic_ns(), self._state())
            await self._socket.send_str(_json.encode(message).decode())
            await asyncio.sleep(STATE_EVERY_S)

    async def _listen(self) -> Farewell:
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    return Farewell(WSCloseCode.UNSUPPORTED_DATA, "only text is understood here")
                await self._answer(_heard.decode(message.data))
        except (_RubbishError, msgspec.DecodeError) as why:
            return Farewell(WSCloseCode.POLICY_VIOLATION, f"not understood: {why}")
        return Farewell(WSCloseCode.OK, "")

    async def _answer(self, heard: Heard) -> None:
        if heard.ack is not None:
            self._acknowledge(heard.ack)
        if heard.part is not None and self._watcher.subscription is not None:
            self._watcher.part = heard.part
            self._watcher.subscription.change(frozenset({heard.part}))
        if heard.clock is not None:
            answer = ClockMessage(heard.clock, time.monotonic_ns())
            await self._socket.send_str(_json.encode(answer).decode())

    def _acknowledge(self, picture: int) -> None:
        """Pictures up to this one are on screen."""
        if picture not in self._under_way:
            raise _RubbishError(f"picture {picture} is not under way")
        shown = self._under_way[picture]
        for older in [one for one in self._under_way if one <= picture]:
            del self._under_way[older]
        self._watcher.took(shown)
        self._room.set()
