"""A link that carries 40 % of the stream: frames are skipped, none queues. How old they get, `make bench` tells."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import namespaces
from tests.bench.client import Seen
from tests.namespaces import Cable, cable
from tests.processes import ROOT, process

FPS = 30
LINK_BYTES_PER_S = 60_000
"""About 40 % of FPS frames of 5 kB, what the simulated track weighs at 160×120."""

pytestmark = pytest.mark.skipif(bool(namespaces.why_not()), reason=namespaces.why_not())


def watch(ends: Cable, tmp_path: Path, *, slow_car: bool) -> list[Seen]:
    """What an MJPEG client sees in some seconds, with the slow cable before the wall or behind it."""
    car, wall_in, http = (
        (f"tcp://{ends.near_address}:5555", ends.in_far, "127.0.0.1")
        if slow_car
        else ("tcp://127.0.0.1:5555", ends.in_near, ends.near_address)
    )
    host = ("host", "--car", f"car={car}", "--http", f"{http}:8080", "--sessions", str(tmp_path), "--insecure")
    edge = ("edge", "--bind", car, "--fps", str(FPS), "--insecure")
    client = [*ends.in_far, sys.executable, "-m", "tests.bench.client", http, "8080", "/stream/car.mjpg", "4"]
    with (
        process(tmp_path / "edge.log", *edge, inside=ends.in_near),
        process(tmp_path / "host.log", *host, inside=wall_in),
    ):
        for _ in range(50):
            told = subprocess.run(client, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            if told.returncode == 0:
                return [Seen(*json.loads(line)[1:]) for line in told.stdout.splitlines()]
    raise AssertionError(told.stderr)


@pytest.mark.parametrize("slow_car", [True, False], ids=["car to wall", "wall to browser"])
def test_frames_are_skipped_and_not_queued(tmp_path: Path, *, slow_car: bool) -> None:
    with cable(LINK_BYTES_PER_S) as ends:
        seen = watch(ends, tmp_path, slow_car=slow_car)
    assert len(seen) > 10
    shown, passed = len(seen) - 1, seen[-1].seq - seen[0].seq
    assert passed > 1.5 * shown, "a link this slow cannot carry every frame"
    # With k frames queued the client would be k times its own pace behind. The protocol allows two under way.
    pace_ns = (seen[-1].at_ns - seen[0].at_ns) / shown
    late = [picture for picture in seen if picture.age_ns - picture.clock_error_ns > 6 * pace_ns]
    assert len(late) < len(seen) / 10
