"""Freshness through a link that carries 40 % of the stream: between car and wall, and between wall and browser."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.client import Seen
from tests.bench.figure import Figure
from tests.bench.live import quantile
from tests.namespaces import Cable, cable
from tests.processes import ROOT, process

RATE_HZ = 30
FRAME_BYTES = 12_000
SHARE = 0.4
STREAM = ("--fps", str(RATE_HZ), "--size", "320x240", "--quality", "70")
"""Frames of about FRAME_BYTES; the link is set by what they turn out to be."""


def figures(seconds: float = 30) -> list[Figure]:
    size = frame_bytes()
    link = int(RATE_HZ * size * SHARE)
    with cable(link) as ends:
        relay = slow_car(ends, seconds)
        client = slow_browser(ends, seconds)
    return [
        *_freshness(f"car → host at {link / 1000:.0f} kB/s, {size / 1000:.1f} kB a frame", relay, _relay_age_ms),
        *_freshness("host → MJPEG client through the same link", client, _client_age_ms),
    ]


def _relay_age_ms(picture: Seen) -> float:
    """The age at the relay at worst: what it says, and the error it owns to."""
    return (picture.relay_age_ns + picture.clock_error_ns) / 1e6


def _client_age_ms(picture: Seen) -> float:
    return (picture.age_ns + picture.clock_error_ns) / 1e6


def _freshness(name: str, seen: list[Seen], age_ms: Callable[[Seen], float]) -> list[Figure]:
    ages = [age_ms(picture) for picture in seen[5:]]
    half = len(ages) // 2
    growth = statistics.median(ages[half:]) / statistics.median(ages[:half])
    return [
        Figure(f"{name}: age p99", quantile(ages, 0.99) / 1000, "s", 0.25),
        Figure(f"{name}: second half's age over the first's", growth, "×", 1.2),
    ]


def frame_bytes() -> int:
    """What a frame of STREAM weighs."""
    with cable(10**9) as ends:
        return round(statistics.median(picture.size_bytes for picture in slow_car(ends, 3)))


def slow_car(ends: Cable, seconds: float, stream: Sequence[str] = STREAM) -> list[Seen]:
    """The car at the near end; wall and client at the far end."""
    return _watch(ends, ends.in_far, f"tcp://{ends.near_address}:5555", "127.0.0.1", seconds, stream)


def slow_browser(ends: Cable, seconds: float, stream: Sequence[str] = STREAM) -> list[Seen]:
    """Car and wall at the near end; the client at the far end."""
    return _watch(ends, ends.in_near, "tcp://127.0.0.1:5555", ends.near_address, seconds, stream)


def _watch(ends: Cable, wall_in: list[str], car: str, http: str, seconds: float, stream: Sequence[str]) -> list[Seen]:
    """What an MJPEG client at the far end sees of a car at the near end, from the first picture on."""
    edge = ("edge", "--bind", car, "--insecure", *stream)
    client = [*ends.in_far, sys.executable, "-m", "tests.bench.client", http, "8080", "/stream/car.mjpg", str(seconds)]
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        host = ("host", "--car", f"car={car}", "--http", f"{http}:8080", "--sessions", folder, "--insecure")
        with (
            process(logs / "edge.log", *edge, inside=ends.in_near),
            process(logs / "host.log", *host, inside=wall_in),
        ):
            for _ in range(50):  # until the wall listens
                told = subprocess.run(
                    client, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds + 30
                )
                if told.returncode == 0:
                    return [Seen(*json.loads(line)[1:]) for line in told.stdout.splitlines()]
    raise AssertionError(told.stderr)
