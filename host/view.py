"""The pit wall's web side: addresses, and which function answers them.

    /   /static/NAME                the page and its files (assets.py)
    /ws/CAR?part=overlay            live pictures, paced by the browser (live.py)
    /stream/CAR.mjpg?part=overlay   live pictures for anything that plays MJPEG (stream.py)
    /snapshot/CAR.jpg?part=overlay  one frame captured after the request
    /state   /healthz               what is known, and whether any car brings fresh frames (state.py)
    /metrics                        the same as numbers, for Prometheus (metrics.py)
    /api/cars/CAR/look              PATCH: fields of wire.Look (control.py)
    /api/cars/CAR/recording         POST: {"action": "start"} or {"action": "stop"}
    /api/cars/CAR/bookmarks         POST: {"label": "…"}, this moment of the recording
    /review…  /sessions/…  /api/sessions…  /api/review/…    what was recorded (host/review/)

Every error is one plain-text sentence.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

import wire
from host.assets import answer, read_assets
from host.control import Looks, bookmark, record
from host.guard import HEADERS, Guard
from host.live import live
from host.metrics import METRICS_TYPE, exposition
from host.record import Recordings
from host.relay import Channel
from host.state import CarState, State, car_state, readiness
from host.stream import snapshot, stream
from host.watch import MAX_WATCHERS, Watchers

if TYPE_CHECKING:
    from host.review.shelf import Forecast, Shelf

MAX_BODY_BYTES = 4096


def make_app(
    channels: Mapping[str, Channel],
    recordings: Recordings,
    guard: Guard,
    shelf: "Shelf | None" = None,
    *,
    pilots: Sequence[Path] = (),
    max_watchers: int = MAX_WATCHERS,
) -> web.Application:
    """The application, ready to be run in the channels' event loop.

    shelf: where sessions are; without one there is no review.
    pilots: files that review may explain recorded frames with.
    """
    app = web.Application(middlewares=[_word_errors, guard.middleware], client_max_size=MAX_BODY_BYTES)
    wall = Wall(channels, recordings, Watchers(max_watchers), shelf)
    app.add_routes(wall.routes())
    if shelf is not None:
        _add_review(app, shelf, pilots)
    app.on_response_prepare.append(_set_headers)
    app.on_shutdown.append(wall.stop)
    return app


def _add_review(app: web.Application, shelf: "Shelf", pilots: Sequence[Path]) -> None:
    """Its modules are imported here: a host without sessions does without them."""
    from host.review.export import Exports
    from host.review.player import Player
    from host.review.redraw import Redraw
    from host.review.sessions import Sessions

    redraw, exports = Redraw(pilots), Exports(shelf)
    app.add_routes([*Sessions(shelf).routes(), *Player(shelf, redraw).routes(), *exports.routes()])
    app.on_shutdown.append(exports.stop)
    app.on_cleanup.append(redraw.close)


class Wall:
    """The handlers and what they share."""

    def __init__(
        self, channels: Mapping[str, Channel], recordings: Recordings, watchers: Watchers, shelf: "Shelf | None"
    ) -> None:
        self._channels = channels
        self._recordings = recordings
        self._watchers = watchers
        self._shelf = shelf
        self._looks = Looks()
        self._assets = read_assets()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.page),
            web.get("/static/{name:.+}", self.asset),
            web.get("/state", self.state),
            web.get("/healthz", self.healthz),
            web.get("/metrics", self.metrics),
            web.get("/ws/{car}", self.live, allow_head=False),
            web.get("/stream/{car}.mjpg", self.stream, allow_head=False),
            web.get("/snapshot/{car}.jpg", self.snapshot, allow_head=False),
            web.patch("/api/cars/{car}/look", self.look),
            web.post("/api/cars/{car}/recording", self.recording),
            web.post("/api/cars/{car}/bookmarks", self.bookmark),
        ]

    async def stop(self, _: web.Application) -> None:
        """End every stream, so that stopping the host does not wait for whoever watches."""
        self._watchers.stop()

    async def page(self, request: web.Request) -> web.StreamResponse:
        return answer(request, self._assets["index.html"])

    async def asset(self, request: web.Request) -> web.StreamResponse:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return answer(request, asset)

    async def state(self, _: web.Request) -> web.StreamResponse:
        cars = [self._car_state(channel) for channel in self._channels.values()]
        disk = await self._disk(cars)
        return _json(State(now_ns=time.monotonic_ns(), places=self._watchers.limit, cars=cars, disk=disk))

    async def healthz(self, _: web.Request) -> web.StreamResponse:
        ready, answer = readiness(self._channels)
        return _json(answer, status=200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        cars = [self._car_state(channel) for channel in self._channels.values()]
        told = exposition(cars, await self._disk(cars))
        return web.Response(body=told.encode(), headers={hdrs.CONTENT_TYPE: METRICS_TYPE})

    async def live(self, request: web.Request) -> web.StreamResponse:
        channel = self._channel(request)
        return await live(request, channel, self._watchers, _part(request), lambda: self._car_state(channel))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self._channel(request), self._watchers, _part(request))

    async def snapshot(self, request: web.Request) -> web.StreamResponse:
        return await snapshot(request, self._channel(request), self._watchers, _part(request))

    async def look(self, request: web.Request) -> web.StreamResponse:
        return _json(self._looks.change(self._channel(request), await request.read()))

    async def recording(self, request: web.Request) -> web.StreamResponse:
        return _json(await record(self._recordings, self._channel(request), await request.read()))

    async def bookmark(self, request: web.Request) -> web.StreamResponse:
        return _json(await bookmark(self._recordings, self._channel(request), await request.read()))

    async def _disk(self, cars: Sequence[CarState]) -> "Forecast | None":
        """What the disk holds and for how long, at the rate of what is being recorded."""
        if self._shelf is None:
            return None
        running = [car.recording.bytes_per_s for car in cars if car.recording and car.recording.running]
        return await asyncio.to_thread(self._shelf.forecast, sum(running))

    def _channel(self, request: web.Request) -> Channel:
        name = request.match_info["car"]
        if name not in self._channels:
            known = ", ".join(self._channels) or "none"
            raise web.HTTPNotFound(text=f"There is no car {name[:40]!r} here; there is: {known}.")
        return self._channels[name]

    def _car_state(self, channel: Channel) -> CarState:
        return car_state(channel, self._recordings, self._watchers)


def _part(request: web.Request) -> str:
    part = request.query.get("part", "overlay")
    if part not in wire.PARTS:
        raise web.HTTPBadRequest(text=f"There is no part {part[:40]!r}; there is: {', '.join(wire.PARTS)}.")
    return part


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")


@web.middleware
async def _word_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The router's own refusals as sentences too."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = " or ".join(sorted(error.allowed_methods))
        error.text = f"{request.method} is not possible here; {allowed} is."
        raise
    except web.HTTPRequestEntityTooLarge as error:
        error.text = f"The request's body is too large: at most {MAX_BODY_BYTES} bytes are read."
        raise
    except web.HTTPNotFound as error:
        if error.text == f"{error.status}: {error.reason}":
            error.text = f"There is nothing at {request.path[:80]!r}; the page is at /."
        raise
