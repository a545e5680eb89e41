"""A pit wall for tests: the real application on a real port, in a thread with its own event loop, and made-up cars."""

import asyncio
import contextlib
import json
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from aiohttp import web
from aiohttp.typedefs import Middleware
from numpy.typing import NDArray

import wire
from host.guard import Guard
from host.record import Recordings
from host.relay import Arrival, Channel
from host.review.shelf import Shelf
from host.view import make_app

WIDTH, HEIGHT = 160, 120
BITS = 16
LEVELS = {"overlay": 220, "camera": 160, "mask": 100}
"""How bright each kind of made picture is below its number."""


def draw(number: int, kind: str) -> bytes:
    """A JPEG with `number` in its upper half, as BITS black and white bars, and the kind's grey in its lower half."""
    rgb = np.full((HEIGHT, WIDTH, 3), LEVELS[kind], np.uint8)
    for bit in range(BITS):
        rgb[: HEIGHT // 2, bit * 10 : bit * 10 + 10] = 255 * (number >> bit & 1)
    jpeg: bytes = simplejpeg.encode_jpeg(rgb, quality=80)
    return jpeg


def read_number(jpeg: bytes) -> int:
    """The number `draw` put into a picture."""
    rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg)
    return sum(int(rgb[30, bit * 10 + 5, 0] > 127) << bit for bit in range(BITS))


def read_kind(jpeg: bytes) -> str:
    """Which kind of picture it is."""
    rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg)
    return min(LEVELS, key=lambda kind: abs(LEVELS[kind] - int(rgb[90, 80, 0])))


@dataclass
class MadeCar:
    """Feeds a channel from a thread, as a receiver does: only the parts that are wanted, and the look asked for."""

    channel: Channel
    hz: float = 30.0
    paused: bool = False
    age_ns: int = 4_000_000
    look: wire.Look = field(default_factory=wire.Look)
    padding_bytes: int = 0
    outputs: dict[str, list[float]] = field(default_factory=lambda: {"angle": [0.25], "throttle": [0.5]})
    stages: dict[str, int] = field(
        default_factory=lambda: {
            "capture": 300_000,
            "pilot": 900_000,
            "mask": 120_000,
            "overlay": 80_000,
            "jpeg": 110_000,
        }
    )
    drops: dict[str, int] = field(default_factory=lambda: {"slot": 2})
    recorded: wire.Drive | None = None
    mask: wire.MaskStats | None = field(default_factory=lambda: wire.MaskStats(1.5, 1.7))
    check: wire.Check | None = None
    refused: str = ""
    seq: int = 0

    def can(self, *methods: str, refusals: dict[str, str], targets: list[str], layers: list[str]) -> None:
        """Let the car's status tell what may be asked for."""
        self.channel.link.status = wire.Status(
            car="own-name",
            session="abc123",
            ping_ns=0,
            received_ns=0,
            sent_ns=0,
            methods=list(methods),
            refusals=refusals,
            targets=targets,
            layers=layers,
        )

    def arrive(self, parts: Mapping[str, bytes] | None = None) -> Arrival:
        """One frame, captured `age_ns` ago; with the pictures that are wanted unless `parts` are given."""
        if self.channel.look is not None:
            self.look, self.channel.look = self.channel.look, None
        self.seq += 1
        if parts is None:
            parts = {kind: draw(self.seq, kind) + b"\0" * self.padding_bytes for kind in sorted(self.channel.wanted)}
        now_ns = time.monotonic_ns()
        arrival = Arrival(self.channel.name, self._frame(parts), parts, now_ns - self.age_ns, now_ns, 200_000)
        self.channel.link.live, self.channel.link.trouble = True, ""
        self.channel.link.frames += 1
        self.channel.link.received_bytes += sum(map(len, parts.values()))
        self.channel.deliver(arrival)
        return arrival

    def arrive_until(self, condition: Callable[[], object]) -> None:
        """Frames, one every 10 ms, until `condition` holds."""

        def next_frame() -> object:
            self.arrive()
            return condition()

        until(next_frame)

    def _frame(self, parts: Mapping[str, bytes]) -> wire.Frame:
        car_ns = time.monotonic_ns() + 10**12
        return wire.Frame(
            car="own-name",
            session="abc123",
            seq=self.seq,
            captured_ns=car_ns - self.age_ns,
            sent_ns=car_ns - self.age_ns // 4,
            stages_ns=self.stages,
            width=WIDTH,
            height=HEIGHT,
            drive=wire.Drive(float(np.sin(self.seq / 40)), 0.35),
            recorded=self.recorded,
            outputs=self.outputs,
            mask=self.mask,
            check=self.check,
            refused=self.refused,
            drops=self.drops,
            health=wire.Health(temperature_c=51.5, memory_bytes=90_000_000),
            look=self.look,
            parts=[
                wire.Part(kind=kind, size_bytes=len(jpeg), width=WIDTH, height=HEIGHT) for kind, jpeg in parts.items()
            ],
        )

    @contextlib.contextmanager
    def driving(self) -> Iterator[None]:
        """Frames at `hz` for the length of the block, except while `paused`."""
        stop = threading.Event()

        def drive() -> None:
            while not stop.wait(1 / self.hz):
                if not self.paused:
                    self.arrive()

        thread = threading.Thread(target=drive)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass
class Wall:
    """A running pit wall."""

    port: int
    cars: dict[str, MadeCar]
    recordings: Recordings
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> "Answer":
        return self.request("GET", path, **headers)

    def request(self, method: str, path: str, body: object = None, **headers: str) -> "Answer":
        """One request over a connection of its own; `_` in a header's name stands for `-`."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, names)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def wait_for(self, car: str, *parts: str) -> MadeCar:
        """The car, once exactly these parts are wanted of it."""
        until(lambda: self.cars[car].channel.wanted == set(parts))
        return self.cars[car]

    def watchers(self, car: str) -> list[dict[str, Any]]:
        """What /state says of those who watch."""
        cars = self.get("/state").json()["cars"]
        return next(one["watchers"] for one in cars if one["name"] == car)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def until(condition: Callable[[], object], patience_s: float = 30.0) -> None:
    """Wait until `condition` holds; fails when it does not come to."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)


class _Errors(logging.Handler):
    """Collects what asyncio and aiohttp complain about; a test that leaves something here fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@contextlib.contextmanager
def pit_wall(
    *names: str,
    guard: Guard | None = None,
    max_watchers: int = 64,
    middleware: Middleware | None = None,
    sessions: Path | None = None,
    pilots: Sequence[Path] = (),
    port: int = 0,
) -> Iterator[Wall]:
    """A pit wall that watches cars of these names, stopped at the end; fails if it logged an error meanwhile."""
    ready: queue.Queue[tuple[Wall, asyncio.Event] | BaseException] = queue.Queue()

    async def serve(directory: Path) -> None:
        loop = asyncio.get_running_loop()
        channels = {name: Channel(name, loop) for name in names}
        with Recordings(directory) as recordings, Shelf(directory) as shelf:
            app = make_app(channels, recordings, guard or Guard(), shelf, pilots=pilots, max_watchers=max_watchers)
            if middleware is not None:
                app.middlewares.insert(0, middleware)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=2)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            cars = {name: MadeCar(channel) for name, channel in channels.items()}
            stop = asyncio.Event()
            ready.put((Wall(runner.addresses[0][1], cars, recordings, loop), stop))
            await stop.wait()
            await runner.cleanup()

    def run(directory: Path) -> None:
        try:
            asyncio.run(serve(directory), debug=True)
        except BaseException as error:
            ready.put(error)
            raise

    errors = _Errors()
    with tempfile.TemporaryDirectory() as directory, _listening(errors):
        thread = threading.Thread(target=run, args=[sessions or Path(directory)])
        thread.start()
        started = ready.get(timeout=10)
        if isinstance(started, BaseException):
            raise started
        wall, stop = started
        try:
            yield wall
        finally:
            wall.loop.call_soon_threadsafe(stop.set)
            thread.join(15)
    assert not thread.is_alive(), "the pit wall did not stop"
    assert not errors.said, errors.said


@contextlib.contextmanager
def _listening(handler: logging.Handler) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("asyncio", "aiohttp")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
