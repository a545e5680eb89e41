"""Exports over HTTP.

    GET /sessions/NAME/export?format=mp4|gif|csv|tub|mcap&from=S&to=S     a download with a name; a tub comes as ZIP

    request ─▶ place? ─▶ thread: made in a file of no name ─▶ sent piece by piece ─▶ gone
               429       AT_ONCE of them, the others wait

Nothing is sent before all of it is made, so a download that starts is a whole one, and what is wrong is said in a
sentence: 400 asks for what there is not, 404 no such session, 409 it cannot be exported so, 507 the disk is too full. A
client that goes away, or reads nothing for PATIENCE_S, ends its export within a frame.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from aiohttp import hdrs, web

from host.review.export.formats import Format, find_format
from host.review.export.names import disposition, file_name
from host.review.export.place import worded, workroom
from host.review.export.source import Cancelled, ExportError, NoRoom, Source, Span, seconds
from host.review.shelf import Shelf, ShelfError, Unknown

AT_ONCE = 2
"""Exports being made at a time."""
PLACES = 6
"""Exports being made, waiting for that, or being sent."""
PATIENCE_S = 30.0
PIECE_BYTES = 256 * 1024
LOOK_EVERY_S = 0.25
"""How often the room on the disk is looked at."""


class Exports:
    """The handlers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export")
        self._tasks: set[asyncio.Task[object]] = set()

    async def stop(self, _: web.Application) -> None:
        """End what is under way, so that stopping the host does not wait for it: for the application's on_shutdown."""
        for task in self._tasks:
            task.cancel()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/sessions/{name}/export", self.export, allow_head=False)]

    async def export(self, request: web.Request) -> web.StreamResponse:
        with _answered(), self._place():
            wanted, span = _wanted(request)
            folder = await asyncio.to_thread(self._shelf.folder, request.match_info["name"])
            job = Job(folder, wanted, span, self._shelf.limits.floor_bytes)
            with await self._made(job) as file:
                return await _send(request, file, job)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if len(self._tasks) >= PLACES:
            headers = {hdrs.RETRY_AFTER: "10"}
            raise web.HTTPTooManyRequests(
                text=f"{PLACES} exports are under way already: try again when one is done.", headers=headers
            )
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def _made(self, job: "Job") -> BinaryIO:
        """Make it in a thread; whoever stops waiting cancels it."""
        future = self._threads.submit(job.run)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            job.cancel()
            future.add_done_callback(_discard)
            raise


class Job:
    """One export in the making."""

    def __init__(self, folder: Path, wanted: Format, span: Span, floor_bytes: int) -> None:
        self.name = ""
        """What to call the download, once it is made."""
        self.format = wanted
        self._folder = folder
        self._span = span
        self._floor_bytes = floor_bytes
        self._cancelled = threading.Event()
        self._looked_s = 0.0

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self) -> BinaryIO:
        """Make it; the open file has no name any more and goes when it is closed. Raises ExportError."""
        if self._cancelled.is_set():
            raise Cancelled(f"nobody waits for {self._folder.name} any more")
        directory = _writable(self._folder.parent)
        with worded("the export", directory), Source(self._folder) as source, workroom(directory) as room:
            self._room = room
            self.name = file_name(source, self._span, self.format.suffix)
            path = room / self.name
            self.format.write(source, self._span, path, self._go_on)
            return path.open("rb")

    def _go_on(self, _: float) -> None:
        """Between two frames: let the live view have its turn; stop where it is wanted no more, or the disk fills."""
        if self._cancelled.is_set():
            raise Cancelled(f"nobody waits for {self._folder.name} any more")
        now_s = time.monotonic()
        if now_s - self._looked_s > LOOK_EVERY_S:
            self._looked_s = now_s
            self._check_room()
        time.sleep(0)

    def _check_room(self) -> None:
        """A recording needs the rest of the disk more than an export does."""
        free_bytes = shutil.disk_usage(self._room).free
        if free_bytes < self._floor_bytes:
            raise NoRoom(
                f"the disk of {self._room.parent} has {free_bytes // 1_000_000} MB left and exports leave "
                f"{self._floor_bytes // 1_000_000} MB to recordings: make room, or choose a shorter part"
            )


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Say what went wrong as a status and a sentence."""
    try:
        yield
    except Unknown as why:
        raise web.HTTPNotFound(text=str(why)) from why
    except ShelfError as why:
        raise web.HTTPConflict(text=str(why)) from why
    except NoRoom as why:
        raise web.HTTPInsufficientStorage(text=_sentence(why)) from why
    except ExportError as why:
        raise web.HTTPConflict(text=_sentence(why)) from why


def _wanted(request: web.Request) -> tuple[Format, Span]:
    """What a request asks for. Raises 400."""
    query = request.query
    try:
        start_s = seconds(query.get("from") or "0")
        stop_s = seconds(query["to"]) if query.get("to") else None
        return find_format(query.get("format", "")), Span.of_seconds(start_s, stop_s)
    except ExportError as why:
        raise web.HTTPBadRequest(text=_sentence(why)) from why


async def _send(request: web.Request, file: BinaryIO, job: Job) -> web.StreamResponse:
    headers = {
        hdrs.CONTENT_TYPE: job.format.media_type,
        hdrs.CONTENT_DISPOSITION: disposition(job.name),
        hdrs.CACHE_CONTROL: "no-store",
    }
    response = web.StreamResponse(headers=headers)
    response.content_length = os.fstat(file.fileno()).st_size
    try:
        await response.prepare(request)
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            async with asyncio.timeout(PATIENCE_S):
                await response.write(piece)
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
    return response


def _discard(made: "Future[BinaryIO]") -> None:
    """Close what nobody came for."""
    if not made.cancelled() and made.exception() is None:
        made.result().close()


def _writable(directory: Path) -> Path:
    """Where an export can be made: with the sessions, or elsewhere if these are an archive that is only read."""
    return directory if os.access(directory, os.W_OK) else Path(tempfile.gettempdir())


def _sentence(why: ExportError) -> str:
    text = str(why)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
