"""Cars and pit walls as the real processes they are, for the end-to-end tests and the figures."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
PATIENCE_S = 20.0
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(ask: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """The first true answer; fails when none comes in time."""
    until = time.monotonic() + patience_s
    while not (answer := ask()):
        assert time.monotonic() < until, f"still {answer!r} after {patience_s} s"
        time.sleep(0.02)
    return answer


@dataclass
class Process:
    """A child of ours, its standard error kept in a file."""

    popen: subprocess.Popen[bytes]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(10)

    def said(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def process(log: Path, *command: str, inside: Sequence[str] = ()) -> Iterator[Process]:
    """`python -m COMMAND…`, ended with the block. `inside` goes before it, such as `ip netns exec NAME`."""
    with log.open("wb") as err:
        popen = subprocess.Popen([*inside, sys.executable, "-m", *command], cwd=ROOT, stdout=err, stderr=err)
        try:
            yield Process(popen, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                popen.terminate()
            try:
                popen.wait(10)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


def get(url: str, timeout_s: float = 5) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def state(http: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(get(f"{http}/state"))
    return answer


def ready(http: str) -> bool:
    """Whether /healthz says so."""
    try:
        get(f"{http}/healthz")
    except (urllib.error.URLError, OSError):
        return False
    return True
