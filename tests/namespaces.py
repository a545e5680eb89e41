"""Two hosts on one machine: network namespaces joined by a cable whose speed is set."""

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

QUEUE_MS = 400
"""What the slow end of the cable buffers: a router's, so stale frames have room to pile up."""


@dataclass(frozen=True)
class Cable:
    """Two namespaces and their addresses; what `near` sends is throttled, what `far` sends is not."""

    near: str
    far: str
    near_address: str = "10.77.31.1"
    far_address: str = "10.77.31.2"

    @property
    def in_near(self) -> list[str]:
        """Put before a command to run it there."""
        return ["ip", "netns", "exec", self.near]

    @property
    def in_far(self) -> list[str]:
        return ["ip", "netns", "exec", self.far]


@functools.cache
def why_not() -> str:
    """Why namespaces cannot be had here; empty where they can. Tried once, for real."""
    if os.name != "posix" or not Path("/proc/self/ns/net").exists():
        return "needs Linux network namespaces"
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if not (shutil.which("ip") and shutil.which("tc")):
        return "needs ip and tc (Debian: iproute2)"
    try:
        with cable(10**6):
            return ""
    except (subprocess.SubprocessError, OSError) as why:
        return f"network namespaces are not allowed here: {why}"


@contextlib.contextmanager
def cable(bytes_per_s: int) -> Iterator[Cable]:
    """Lay a cable that carries `bytes_per_s` from near to far; it and the namespaces go with the block."""
    ends = Cable(f"pl-near-{os.getpid()}", f"pl-far-{os.getpid()}")
    with contextlib.ExitStack() as stack:
        for name in (ends.near, ends.far):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "pl0", "netns", ends.near, "type", "veth", "peer", "name", "pl0", "netns", ends.far)
        for name, address in ((ends.near, ends.near_address), (ends.far, ends.far_address)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "pl0")
            _ip("-n", name, "link", "set", "pl0", "up")
        throttle = f"qdisc add dev pl0 root tbf rate {bytes_per_s * 8}bit burst 4000 latency {QUEUE_MS}ms"
        _run("tc", "-n", ends.near, *throttle.split())
        yield ends


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=10)
