"""Frames drawn again, for many browsers at once: what each one wanted last, and nothing it no longer wants.

    client a ── newest wish ─┐
    client b ── newest wish ─┴─▶ one thread ─▶ host.render.retune (needs the [edge] extra; loaded when first needed)

A person who drags a slider asks faster than a pilot can answer: a wish replaces the one before it of the same client.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from host.render.retune import PilotAbilities, Retuner

T = TypeVar("T")


class RedrawError(Exception):
    """A frame cannot be drawn again; the message is one sentence for a person."""


class Outdated(RedrawError):
    """The same client wants something else by now."""

    def __init__(self) -> None:
        super().__init__("This picture is no longer wanted: a newer wish of the same page came.")


class Redraw:
    """The Retuner and its thread. Belongs to the event loop."""

    def __init__(self, pilots: Sequence[Path]) -> None:
        self._pilots = pilots
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="redraw")
        self._wishes: dict[str, asyncio.Future[Any]] = {}
        self._retuner: Retuner | None = None

    async def pilots(self) -> "list[PilotAbilities]":
        """What recorded frames may be explained with. Raises RedrawError where nothing can be."""
        return await self._run(lambda: self._load().pilots())

    async def draw(self, client: str, job: "Callable[[Retuner], T]") -> T:
        """Let the retuner work for a client. Raises RedrawError; Outdated when the client wished anew meanwhile."""
        if (before := self._wishes.get(client)) is not None:
            before.cancel()
        own = asyncio.ensure_future(self._run(lambda: self._work(job)))
        self._wishes[client] = own
        try:
            return await own
        except asyncio.CancelledError:
            if self._wishes.get(client) is own:
                raise
            raise Outdated from None
        finally:
            if self._wishes.get(client) is own:
                del self._wishes[client]

    async def close(self, _: web.Application) -> None:
        """Finish what is being drawn, drop what waits."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def _work(self, job: "Callable[[Retuner], T]") -> T:
        """In the thread. Raises RedrawError."""
        retuner = self._load()
        from host.render.retune import RetuneError

        try:
            return job(retuner)
        except RetuneError as why:
            raise RedrawError(f"{why}") from why

    def _load(self) -> "Retuner":
        """In the thread. Raises RedrawError."""
        if self._retuner is None:
            try:
                from host.render.retune import Retuner
            except ImportError as why:
                raise RedrawError(
                    f"Drawing frames again needs what the car needs ({why}): pip install '.[edge]' here."
                ) from why
            self._retuner = Retuner(self._pilots)
        return self._retuner
