"""The player's addresses: the page, the two files of a session, what is plotted of it, and its frames one by one.

    /review/NAME                           the page
    /sessions/NAME/overlay.mp4?v=          what was seen, by ranges, also while it is recorded or torn (film.py)
    /sessions/NAME/frames.mcap             what was measured, by ranges
    /api/sessions/NAME/timeline?from=      what is plotted (timeline.py)
    /sessions/NAME/frames/INDEX.jpg?part=  one frame: `camera`, `mask` as they were recorded; `overlay`, or either with
        method target layer strength …     fields of wire.Look, or with another `pilot`: drawn again (redraw.py);
        client=                            of one client's wishes for that only the newest is fulfilled
    /api/review/pilots                     what frames may be explained with

Every error is one plain-text sentence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from aiohttp import hdrs, web

from host.assets import answer, read_assets
from host.record.session import TAPE, VIDEO
from host.record.storage import open_to_read
from host.review.film import Film, FilmError
from host.review.films import Films
from host.review.frames import WishError, draw, read_wish
from host.review.ranges import send
from host.review.redraw import Outdated, Redraw, RedrawError
from host.review.scan import FootageError
from host.review.sessions import NAME
from host.review.shelf import Shelf, ShelfError, Unknown
from host.review.timeline import tell

if TYPE_CHECKING:
    from host.review.footage import Footage

MAX_INDEX = 10**9
T = TypeVar("T")


class Player:
    """The handlers and what they share."""

    def __init__(self, shelf: Shelf, redraw: Redraw) -> None:
        self._shelf = shelf
        self._redraw = redraw
        self._films = Films()
        self._assets = read_assets()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/review/" + NAME, self.page),
            web.get(f"/sessions/{NAME}/overlay.mp4", self.video),
            web.get(f"/sessions/{NAME}/frames.mcap", self.tape),
            web.get(f"/sessions/{NAME}/frames/{{index}}.jpg", self.frame),
            web.get(f"/api/sessions/{NAME}/timeline", self.timeline),
            web.get("/api/review/pilots", self.pilots),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        await _ask(self._shelf.folder, _name(request))
        return answer(request, self._assets["review/player.html"])

    async def video(self, request: web.Request) -> web.StreamResponse:
        path = await _ask(self._shelf.folder, _name(request)) / VIDEO
        version = request.query.get("v", "")
        head, size, etag = await _ask(self._films.ask, path, lambda film: film.at(version))
        file = await _ask(open_to_read, path)
        return await send(request, file, "video/mp4", head=head, size=size, etag=etag)

    async def tape(self, request: web.Request) -> web.StreamResponse:
        path = await _ask(self._shelf.folder, _name(request)) / TAPE
        return await send(request, await _ask(open_to_read, path), "application/octet-stream")

    async def timeline(self, request: web.Request) -> web.StreamResponse:
        name, first = _name(request), _number(request.query.get("from", "0"))
        told = await _ask(self._tell, name, first)
        return web.Response(
            body=told, content_type="application/octet-stream", headers={hdrs.CACHE_CONTROL: "no-store"}
        )

    async def frame(self, request: web.Request) -> web.StreamResponse:
        name, index = _name(request), _number(request.match_info["index"])
        wish = await _ask(read_wish, request.query)
        footage = await _ask(self._footage, name, index)
        if wish.as_recorded:
            jpeg = await _ask(footage.picture, index, wish.part)
            if jpeg is None:
                raise web.HTTPNotFound(text=f"Of frame {index} no {wish.part} picture was recorded.")
            return _picture(jpeg, "private, max-age=3600")
        client = request.query.get("client", "")[:64] or f"request {id(request)}"
        summary = await _ask(self._shelf.summary, name)
        wanted = self._redraw.draw(client, lambda retuner: draw(retuner, summary, footage, index, wish))
        return _picture(await _drawing(wanted), "no-store")

    async def pilots(self, _: web.Request) -> web.StreamResponse:
        pilots = msgspec.json.encode(await _drawing(self._redraw.pilots()))
        return web.Response(body=pilots, content_type="application/json", headers={hdrs.CACHE_CONTROL: "no-store"})

    def _tell(self, name: str, first: int) -> bytes:
        """All that is known of a session's time. Raises ShelfError."""
        summary, folder, footage = self._shelf.summary(name), self._shelf.folder(name), self._shelf.footage(name)

        def with_film(film: Film | None, trouble: str = "") -> bytes:
            return tell(footage, film, first, recording=summary.recording, trouble=trouble)

        try:
            return self._films.ask(folder / VIDEO, with_film)
        except FilmError as why:
            return with_film(None, str(why))
        except OSError:
            return with_film(None, f"The session {name} has no video.")

    def _footage(self, name: str, index: int) -> "Footage":
        """The session's tape, which holds this frame. Raises ShelfError."""
        footage = self._shelf.footage(name)
        if footage is None:
            raise Unknown(f"The session {name} was recorded without single frames: only its video can be shown.")
        if index >= len(footage):
            raise Unknown(f"The session {name} has no frame {index}; it has {len(footage)}.")
        return footage


async def _ask(question: Callable[..., T], *arguments: object) -> T:
    """Let a thread answer; what is wrong becomes a refusal with its sentence."""
    try:
        return await asyncio.to_thread(question, *arguments)
    except WishError as why:
        raise web.HTTPBadRequest(text=str(why)) from why
    except (Unknown, FilmError, FootageError) as why:
        raise web.HTTPNotFound(text=str(why)) from why
    except ShelfError as why:
        raise web.HTTPConflict(text=str(why)) from why
    except OSError as why:
        why_not = why.strerror or why
        raise web.HTTPNotFound(text=f"This session has no such file, or it cannot be read: {why_not}.") from why


async def _drawing(picture: Awaitable[T]) -> T:
    try:
        return await picture
    except Outdated as why:
        raise web.HTTPConflict(text=str(why)) from why
    except WishError as why:
        raise web.HTTPBadRequest(text=str(why)) from why
    except (RedrawError, FootageError) as why:
        raise web.HTTPUnprocessableEntity(text=str(why)) from why


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _number(text: str) -> int:
    """A whole number from 0 on. Raises 400."""
    if not (text.isascii() and text.isdecimal() and int(text[:12]) < MAX_INDEX and len(text) < 10):
        raise web.HTTPBadRequest(text=f"Frames are numbered from 0 on; {text[:40]!r} is no such number.")
    return int(text)


def _picture(jpeg: bytes, caching: str) -> web.Response:
    return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: caching})
