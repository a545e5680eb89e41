"""Pictures over plain HTTP: the newest frame, over and over (MJPEG), and one fresh frame.

    --frame | Content-Type, Content-Length, X-… | JPEG | --frame | …

The next frame is chosen only when the client's kernel has acknowledged half of the one before, so a slow client skips
frames instead of falling behind, and one that never reads holds one frame. When nothing new comes the newest frame is
repeated once a second; when it is too old to be taken for live a card that says so goes out in its place.

Chromium paints a part only when it has read the next part's headers, one frame late. Browsers are therefore sent those
headers right behind each JPEG, and since nothing is known of the next frame then, without its size and times.
"""

import contextlib
import time

from aiohttp import hdrs, web

from host.assets import FOLDER
from host.relay import Arrival, Channel
from host.watch import Watcher, Watchers, arrived, keep_short

REPEAT_S = 1.0
LIVE_NS = 3_000_000_000
"""A frame older than this is not sent as if it were live."""
SNAPSHOT_S = 2.0
BOUNDARY = b"--frame\r\n"
HEADERS = b"Content-Type: image/jpeg\r\n\r\n"
NO_PICTURE = (FOLDER / "no-picture.jpg").read_bytes()
"""What a player shows while there is no fresh picture."""


async def stream(request: web.Request, channel: Channel, watchers: Watchers, part: str) -> web.StreamResponse:
    """Answer with `part` of every frame this client can take, until it leaves."""
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "multipart/x-mixed-replace; boundary=frame",
            hdrs.CACHE_CONTROL: "no-store, no-transform",
            "X-Accel-Buffering": "no",
        }
    )
    response.force_close()
    async with watchers.admit(request, channel.name, "mjpeg", part) as watcher:
        if request.transport is not None:
            keep_short(request.transport)
        with contextlib.suppress(ConnectionError):
            await _write_frames(request, response, channel, watcher)
    if request.transport is not None:
        request.transport.abort()
    return response


async def _write_frames(request: web.Request, response: web.StreamResponse, channel: Channel, watcher: Watcher) -> None:
    watcher.expect_progress()
    writer = await response.prepare(request)
    assert writer is not None
    early = "Mozilla/" in request.headers.get(hdrs.USER_AGENT, "")
    await writer.write(BOUNDARY + (HEADERS if early else b""))
    with channel.subscribe(frozenset({watcher.part})) as watcher.subscription:
        shown = _live(channel.newest, watcher.part)
        while True:
            shown = _live(shown, watcher.part) or await watcher.next_picture(REPEAT_S)
            part = _part(shown, watcher.part, early=early)
            await writer.write(part)
            await writer.drain()
            await arrived(request, but_bytes=len(part) // 2)
            watcher.expect_progress()
            if shown is not None:
                watcher.took(shown)
            shown = await watcher.next_picture(REPEAT_S) or shown


def _live(arrival: Arrival | None, part: str) -> Arrival | None:
    """`arrival` if it brings `part` and may be shown as what is seen now."""
    if arrival is None or part not in arrival.parts or time.monotonic_ns() - arrival.captured_ns >= LIVE_NS:
        return None
    return arrival


async def snapshot(request: web.Request, channel: Channel, watchers: Watchers, part: str) -> web.StreamResponse:
    """Answer with a frame captured after the request came; 503 when there is none in time."""
    asked_ns = time.monotonic_ns()
    async with watchers.admit(request, channel.name, "snapshot", part) as watcher:
        with channel.subscribe(frozenset({part})) as watcher.subscription:
            while time.monotonic_ns() - asked_ns < SNAPSHOT_S * 1e9:
                left_s = SNAPSHOT_S - (time.monotonic_ns() - asked_ns) / 1e9
                arrival = await watcher.next_picture(left_s)
                if arrival is not None and arrival.captured_ns - arrival.clock_error_ns >= asked_ns:
                    headers = {**describe(arrival), hdrs.CACHE_CONTROL: "no-store"}
                    return web.Response(body=arrival.parts[part], content_type="image/jpeg", headers=headers)
    why = channel.link.trouble or f"the car sent no {part} picture that was taken after the request"
    raise web.HTTPServiceUnavailable(text=f"No fresh picture of {channel.name} within {SNAPSHOT_S:g} s: {why}.")


def describe(arrival: Arrival) -> dict[str, str]:
    """What a client may want to know of a picture. Times in ns are this host's monotonic clock."""
    wall_s = time.time() - (time.monotonic_ns() - arrival.captured_ns) / 1e9
    return {
        "X-Timestamp": f"{wall_s:.6f}",
        "X-Captured-Ns": str(arrival.captured_ns),
        "X-Received-Ns": str(arrival.received_ns),
        "X-Clock-Error-Ns": str(arrival.clock_error_ns),
        "X-Session": arrival.frame.session,
        "X-Seq": str(arrival.frame.seq),
        "X-Compute-Ns": str(sum(ns for stage, ns in arrival.frame.stages_ns.items() if stage != "wait")),
    }


def _part(arrival: Arrival | None, part: str, *, early: bool) -> bytes:
    """One part of the stream and the boundary that ends it. `early`: its headers are out, now the next part's."""
    jpeg = arrival.parts[part] if arrival is not None else NO_PICTURE
    if early:
        return b"".join((jpeg, b"\r\n", BOUNDARY, HEADERS))
    facts = describe(arrival) if arrival is not None else {"X-No-Picture": "1"}
    lines = [f"{name}: {value}\r\n" for name, value in facts.items()]
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n{''.join(lines)}\r\n"
    return b"".join((head.encode(), jpeg, b"\r\n", BOUNDARY))
