"""What a car and a pit wall do as two real processes on this machine: latency, fairness, memory."""

import asyncio
import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.client import Seen, watch
from tests.bench.figure import Figure
from tests.processes import eventually, free_port, process, ready, state

MB = 1024 * 1024


@dataclass
class Pair:
    """A running car and wall."""

    http_port: int
    edge: psutil.Process
    host: psutil.Process

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


@contextlib.contextmanager
def pair(*edge_options: str) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        logs, car, http_port = Path(folder), f"tcp://127.0.0.1:{free_port()}", free_port()
        own = ("--http", f"127.0.0.1:{http_port}", "--sessions", folder)
        with (
            process(logs / "edge.log", "edge", "--bind", car, *edge_options) as edge,
            process(logs / "host.log", "host", "--car", f"car={car}", *own) as host,
        ):
            both = Pair(http_port, psutil.Process(edge.popen.pid), psutil.Process(host.popen.pid))
            eventually(lambda: ready(both.http))
            yield both


def quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def latency(seconds: float = 20) -> list[Figure]:
    with pair("--fps", "60") as both:
        seen = asyncio.run(watch("127.0.0.1", both.http_port, "/stream/car.mjpg", seconds))[30:]
    beyond_ms = [(picture.age_ns - picture.compute_ns) / 1e6 for picture in seen]
    rate = (len(seen) - 1) / (seen[-1].at_ns - seen[0].at_ns) * 1e9
    return [
        Figure("capture → first byte, 60 frames/s, beyond the car's compute, p50", quantile(beyond_ms, 0.5), "ms", 5),
        Figure("capture → first byte, 60 frames/s, beyond the car's compute, p99", quantile(beyond_ms, 0.99), "ms", 15),
        Figure("frames a second that arrive, of 60", rate, "Hz", 57, "more"),
    ]


def fairness(seconds: float = 25) -> list[Figure]:
    """Nine clients that read beside one that never does, for less time than the host bears with that."""
    with pair() as both, socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", both.http_port))
        silent.sendall(b"GET /stream/car.mjpg?name=silent HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(2)
        before, stuck_at = both.host.memory_info().rss, _sent_to_silent(both)
        nine = asyncio.run(_nine(both.http_port, seconds))
        grown = both.host.memory_info().rss - before
        assert _sent_to_silent(both) == stuck_at, "the silent client was served after all"
    return [
        Figure("frames lost by nine clients beside one that never reads", _lost(nine), "", 0),
        Figure("host memory gained meanwhile", grown / MB, "MB", 3),
    ]


def _sent_to_silent(both: Pair) -> int:
    watchers = state(both.http)["cars"][0]["watchers"]
    return next(int(watcher["sent"]) for watcher in watchers if watcher["name"] == "silent")


async def _nine(port: int, seconds: float) -> list[list[Seen]]:
    return await asyncio.gather(*(watch("127.0.0.1", port, "/stream/car.mjpg", seconds) for _ in range(9)))


def _lost(clients: list[list[Seen]]) -> int:
    """Frames that the relay had and a client did not get, summed over clients.

    What the relay had is what any of them saw: a frame that the car itself dropped is nobody's loss here.
    """
    first = max(seen[0].seq for seen in clients)
    last = min(seen[-1].seq for seen in clients)
    had = {picture.seq for seen in clients for picture in seen if first <= picture.seq <= last}
    return sum(len(had - {picture.seq for picture in seen}) for seen in clients)


def memory(minutes: float) -> list[Figure]:
    """Resident memory of both with one viewer, every second; flat is the last fifth against the second one."""
    with pair() as both:
        samples = asyncio.run(_sample(both, minutes * 60))
    fifth = max(1, len(samples) // 5)
    figures = []
    for column, (name, target) in enumerate((("car", 150), ("host", 120))):
        rss = [sample[column] / MB for sample in samples]
        growth = statistics.median(rss[-fifth:]) - statistics.median(rss[fifth : 2 * fifth])
        figures += [
            Figure(f"memory of the {name}'s process, most in {minutes:g} min", max(rss), "MB", target),
            Figure(f"growth of the {name}'s process from the first minutes to the last", growth, "MB", 2),
        ]
    return figures


async def _sample(both: Pair, seconds: float) -> list[tuple[int, int]]:
    viewer = asyncio.create_task(watch("127.0.0.1", both.http_port, "/stream/car.mjpg", seconds + 5))
    samples = []
    for _ in range(int(seconds)):
        await asyncio.sleep(1)
        samples.append((both.edge.memory_info().rss, both.host.memory_info().rss))
    viewer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await viewer
    return samples
