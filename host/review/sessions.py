"""Sessions over HTTP: the page that lists them, and what can be done from it.

    GET    /review                              the page
    GET    /api/sessions                        {"sessions": [Summary], "trash": [Summary], "disk": Forecast}
    GET    /api/sessions/NAME                   Summary
    PATCH  /api/sessions/NAME                   {"title", "marked"}, either or both
    DELETE /api/sessions/NAME                   to the trash
    POST   /api/sessions/NAME/restore           and back
    POST   /api/sessions/NAME/bookmarks         {"time_s", "label"}
    PATCH  /api/sessions/NAME/bookmarks/ID      the same, either or both
    DELETE /api/sessions/NAME/bookmarks/ID
    GET    /sessions/NAME/thumbnail.jpg

The disk is touched in threads only. Every error is one sentence.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from host.assets import answer, read_assets
from host.record.notes import MAX_TEXT
from host.review.limits import Forecast
from host.review.shelf import Shelf, ShelfError, Summary, Unknown

PAGE = "review/list.html"
NAME = "{name:[^/]+}"
"""In an address. Braces, which plain {name} would not match, may be part of a folder's name."""
THUMBNAILS_AT_ONCE = 2

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Seconds = Annotated[float, Meta(ge=0)]
Given = ParamSpec("Given")
Value = TypeVar("Value")


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a PATCH of a session."""

    title: Text | None = None
    marked: bool | None = None


class NewBookmark(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a POST of a bookmark."""

    time_s: Seconds
    label: Text = ""


class BookmarkChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a PATCH of a bookmark."""

    time_s: Seconds | None = None
    label: Text | None = None


class Listing(msgspec.Struct):
    """Answer of /api/sessions."""

    sessions: list[Summary]
    trash: list[Summary]
    disk: Forecast


class Sessions:
    """The handlers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._page = read_assets()[PAGE]
        self._thumbnails = asyncio.Semaphore(THUMBNAILS_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        session = "/api/sessions/" + NAME
        bookmark = session + "/bookmarks/{id}"
        return [
            web.get("/review", self.page),
            web.get("/api/sessions", self.index),
            web.get(session, self.get),
            web.patch(session, self.change),
            web.delete(session, self.delete),
            web.post(session + "/restore", self.restore),
            web.post(session + "/bookmarks", self.add_bookmark),
            web.patch(bookmark, self.change_bookmark),
            web.delete(bookmark, self.remove_bookmark),
            web.get(f"/sessions/{NAME}/thumbnail.jpg", self.thumbnail),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        return answer(request, self._page)

    async def index(self, _: web.Request) -> web.StreamResponse:
        return _json(await _done(listing, self._shelf))

    async def get(self, request: web.Request) -> web.StreamResponse:
        return _json(await _done(self._shelf.summary, _name(request)))

    async def change(self, request: web.Request) -> web.StreamResponse:
        change = await _body(request, Change)
        return _json(await _done(self._shelf.change, _name(request), title=change.title, marked=change.marked))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        await _done(self._shelf.delete, _name(request))
        return _json({})

    async def restore(self, request: web.Request) -> web.StreamResponse:
        return _json(await _done(self._shelf.restore, _name(request)))

    async def add_bookmark(self, request: web.Request) -> web.StreamResponse:
        new = await _body(request, NewBookmark)
        return _json(await _done(self._shelf.add_bookmark, _name(request), new.time_s, new.label))

    async def change_bookmark(self, request: web.Request) -> web.StreamResponse:
        change = await _body(request, BookmarkChange)
        which = _name(request), request.match_info["id"]
        return _json(await _done(self._shelf.change_bookmark, *which, time_s=change.time_s, label=change.label))

    async def remove_bookmark(self, request: web.Request) -> web.StreamResponse:
        await _done(self._shelf.remove_bookmark, _name(request), request.match_info["id"])
        return _json({})

    async def thumbnail(self, request: web.Request) -> web.StreamResponse:
        async with self._thumbnails:
            jpeg = await _done(self._shelf.thumbnail, _name(request))
        headers = {hdrs.CACHE_CONTROL: "private, max-age=3600"}
        return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)


def listing(shelf: Shelf) -> Listing:
    """All that the page shows."""
    sessions = shelf.list()
    written = [one for one in sessions if one.recording and one.duration_s > 1]
    bytes_per_s = sum(one.bytes / one.duration_s for one in written)
    return Listing(sessions, shelf.trash(), shelf.forecast(bytes_per_s))


async def _done(do: Callable[Given, Value], *given: Given.args, **named: Given.kwargs) -> Value:
    """Do it in a thread. Raises 404 and 409 with the shelf's sentence."""
    try:
        return await asyncio.to_thread(do, *given, **named)
    except Unknown as why:
        raise web.HTTPNotFound(text=str(why)) from why
    except ShelfError as why:
        raise web.HTTPConflict(text=str(why)) from why


async def _body(request: web.Request, kind: type[Value]) -> Value:
    """What the request asks for. Raises 400, changing nothing."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except ValueError as why:
        raise web.HTTPBadRequest(text=f"The session stays as it is: {why}.") from why


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _json(value: object) -> web.Response:
    body = msgspec.json.encode(value)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=body, content_type="application/json", headers=headers)
