"""What recording costs: the host's CPU time, and the live picture's age, with a real car and a real pit wall.

One viewer watches all the time; a recording of everything the car can send is started and stopped beside it, in turns,
so that whatever else the machine does meets both.
"""

import asyncio
import contextlib
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from host.record.session import TAPE, VIDEO, read_manifest
from host.review.footage import Footage
from tests.bench.client import Seen, watch
from tests.bench.figure import Figure
from tests.processes import eventually, free_port, process, ready, state

STREAM = ("--fps", "30", "--size", "640x480")
SETTLE_S = 1.0


class Turn(NamedTuple):
    """A stretch of watching."""

    seen: list[Seen]
    cpu: float
    """The host's CPU time per time."""


class Wall(NamedTuple):
    """A running car and pit wall."""

    port: int
    host: psutil.Process
    sessions: Path

    def record(self, action: str) -> None:
        body = json.dumps({"action": action}).encode()
        url = f"http://127.0.0.1:{self.port}/api/cars/car/recording"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def watch(self, seconds: float) -> Turn:
        """Once what changed just before has settled."""
        time.sleep(SETTLE_S)
        before, began = _cpu_s(self.host), time.monotonic()
        seen = asyncio.run(watch("127.0.0.1", self.port, "/stream/car.mjpg", seconds))
        return Turn(seen, (_cpu_s(self.host) - before) / (time.monotonic() - began))


def figures(turns: int = 4, seconds: float = 5) -> list[Figure]:
    return [*cost(turns, seconds), *freshness(turns, seconds)]


def cost(turns: int, seconds: float) -> list[Figure]:
    """Against a wall that keeps no pre-roll, so that camera and mask come on the recording's account alone."""
    pairs, brought = _in_turns("0", turns, seconds)
    cpu = statistics.median(one.cpu - other.cpu for other, one in pairs)
    return [
        Figure("recording 640×480 at 30 frames/s: CPU time of the host, of a core", 100 * cpu, "%", 25),
        Figure("recorded frames that brought all three pictures", 100 * brought, "%", 90, "more"),
    ]


def freshness(turns: int, seconds: float) -> list[Figure]:
    """Against a wall as it comes, which keeps the last seconds of what somebody watches."""
    pairs, _ = _in_turns("5", turns, seconds)
    older = statistics.median(_age(one) / _age(other) for other, one in pairs)
    slower = statistics.median(_in_host(one) / _in_host(other) for other, one in pairs)
    rate = statistics.median(len(one.seen) / len(other.seen) for other, one in pairs)
    return [
        Figure("live picture while recording over without: age, p50", older, "×", 1.1),
        Figure("live picture while recording over without: time in the host, p50", slower, "×", 1.1),
        Figure("live picture while recording over without: frames/s", rate, "×", 0.98, "more"),
    ]


def _in_turns(pre_roll_s: str, turns: int, seconds: float) -> tuple[list[tuple[Turn, Turn]], float]:
    """Watched without and with a recording, and the least share of a recording's frames that had every picture."""
    pairs = []
    with _wall("--pre-roll", pre_roll_s) as wall:
        wall.watch(4)
        for _ in range(turns):
            without = wall.watch(seconds)
            wall.record("start")
            pairs.append((without, wall.watch(seconds)))
            wall.record("stop")
        assert state(f"http://127.0.0.1:{wall.port}")["cars"][0]["recording"]["error"] == ""
        brought = [_check(folder) for folder in wall.sessions.iterdir() if (folder / VIDEO).exists()]
    assert len(brought) == turns
    return pairs, min(brought)


def _age(turn: Turn) -> float:
    """From the light falling in to the first byte at the viewer, median."""
    return statistics.median(picture.age_ns for picture in turn.seen)


def _in_host(turn: Turn) -> float:
    """From the receiver's thread to the first byte at the viewer, median."""
    return statistics.median(picture.at_ns - picture.received_ns for picture in turn.seen)


def _check(folder: Path) -> float:
    """The share of a session's frames that have all pictures."""
    assert read_manifest(folder).status == "complete"
    with Footage(folder / TAPE) as footage:
        kinds = ("camera", "mask")
        whole = sum(all(footage.picture(index, kind) for kind in kinds) for index in range(len(footage)))
        return whole / len(footage)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def _wall(*options: str) -> Iterator[Wall]:
    with tempfile.TemporaryDirectory() as folder:
        logs, car, port = Path(folder), f"tcp://127.0.0.1:{free_port()}", free_port()
        sessions = logs / "sessions"
        own = ("--http", f"127.0.0.1:{port}", "--sessions", str(sessions), *options)
        with (
            process(logs / "edge.log", "edge", "--bind", car, *STREAM),
            process(logs / "host.log", "host", "--car", f"car={car}", *own) as host,
        ):
            eventually(lambda: ready(f"http://127.0.0.1:{port}"))
            yield Wall(port, psutil.Process(host.popen.pid), sessions)


if __name__ == "__main__":
    print("\n".join(figure.row() for figure in figures()))
