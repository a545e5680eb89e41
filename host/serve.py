"""The pit wall's process: receivers, recordings and the viewer, put together in the order of the data path.

Receiver ─▶ Channel ─┬─▶ Recordings ─▶ the folder of sessions ◀─ Shelf: repaired at start, kept to its limits
   one per car       └─▶ viewer (view.py) ◀──────────────────────┘
"""

import asyncio
import contextlib
import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

import keys as curve
from config import ConfigError
from host.guard import Guard, GuardError
from host.options import (
    HostConfig,
    car_addresses,
    limits_of,
    name_for_people,
    pilot_files,
    sessions_folder,
    split_address,
    token_for,
)
from host.receive import ReceiveError, Receiver
from host.record import Appearing, RecordError, Recordings
from host.relay import Channel
from host.review.shelf import Shelf
from host.upkeep import keep_sessions, tidy
from host.view import make_app

log = logging.getLogger("host")

Chore = Callable[[], Coroutine[Any, Any, None]]
"""Something to be done beside the rest until it is cancelled."""


def run(config: HostConfig) -> int:
    """Until a signal comes. 0: stopped; 1: something broke. Raises ConfigError and KeysError for what cannot be."""
    try:
        return asyncio.run(serve(config))
    except (GuardError, RecordError, ReceiveError) as why:
        raise ConfigError(str(why)) from why


async def serve(config: HostConfig) -> int:
    """The design in a few lines: receivers → channels → recordings and viewer, built in the order of the data path."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    broken = _stop_on_broken_thread(loop, stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    http_host, port = split_address(config.http)
    token = token_for(config, http_host)
    host_keys = curve.load_host(Path(config.keys)) if config.keys else None
    addresses = car_addresses(config, host_keys)
    pilots = pilot_files(config)
    limits = limits_of(config)
    channels = {name: Channel(name, loop) for name in addresses}

    with contextlib.ExitStack() as stack:
        shelf = stack.enter_context(Shelf(sessions_folder(config), limits))
        recordings = stack.enter_context(
            Recordings(
                shelf.directory,
                floor_bytes=limits.floor_bytes,
                pre_roll_s=config.pre_roll,
                make_room=lambda: tidy(shelf),
            )
        )
        for name, address in addresses.items():
            recordings.attend(channels[name])
            stack.enter_context(Receiver(channels[name], address, keys=host_keys))
        app = make_app(channels, recordings, Guard(token, config.name), shelf, pilots=pilots)
        chores: list[Chore] = [functools.partial(keep_sessions, shelf)]
        if config.record:
            chores.append(Appearing(recordings, channels.values()).run)
        async with _listening(app, http_host, port) as bound_port, all_along(chores):
            url = f"http://{name_for_people(http_host)}:{bound_port}/" + (f"?token={token}" if token else "")
            log.info("viewer at %s", url)
            await stop.wait()
    return 1 if broken else 0


@contextlib.asynccontextmanager
async def all_along(chores: Sequence[Chore]) -> AsyncIterator[None]:
    """Run these for the length of the block; one that fails ends the block with its error."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(chore()) for chore in chores]
        yield
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` for the length of the block; yields the port. Raises ConfigError when the address cannot be had."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=2)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as why:
            raise ConfigError(f"cannot listen on {host}:{port}: {why.strerror or why}.") from why
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _stop_on_broken_thread(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> list[threading.ExceptHookArgs]:
    """A thread that dies takes the process down, loudly; the service manager starts it again."""
    broken: list[threading.ExceptHookArgs] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        broken.append(args)
        threading.__excepthook__(args)
        loop.call_soon_threadsafe(stop.set)

    threading.excepthook = hook
    return broken
