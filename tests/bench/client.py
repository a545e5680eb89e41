"""A client of one MJPEG stream that notes when each picture's first byte came, printed as JSON lines.

`python -m tests.bench.client HOST PORT PATH SECONDS [CLIENTS]`, inside the network namespace to measure from.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import NamedTuple


class Seen(NamedTuple):
    """One picture as a client saw it; times in nanoseconds of this machine's monotonic clock."""

    at_ns: int
    captured_ns: int
    received_ns: int
    clock_error_ns: int
    compute_ns: int
    seq: int
    size_bytes: int

    @property
    def age_ns(self) -> int:
        """From the light falling in to the first byte here."""
        return self.at_ns - self.captured_ns

    @property
    def relay_age_ns(self) -> int:
        return self.received_ns - self.captured_ns


async def watch(host: str, port: int, path: str, seconds: float) -> list[Seen]:
    """Everything one client sees in `seconds`, from the first picture on."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
    seen: list[Seen] = []
    try:
        async for picture in pictures(reader):
            seen.append(picture)
            if picture.at_ns - seen[0].at_ns > seconds * 1e9:
                break
    finally:
        writer.transport.abort()
    return seen


async def pictures(reader: asyncio.StreamReader) -> AsyncIterator[Seen]:
    """The parts of the stream, each at its first byte; a repeated picture or a card is passed over."""
    await reader.readuntil(b"\r\n\r\n")
    newest = -1
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        at_ns = time.monotonic_ns()
        lines = (line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        facts = {name.lower(): value for name, value in lines}
        size = int(facts["content-length"])
        await reader.readexactly(size + 2)
        if int(facts.get("x-seq", newest)) != newest:
            newest = int(facts["x-seq"])
            captured, received, error, compute = (
                int(facts[f"x-{name}-ns"]) for name in ("captured", "received", "clock-error", "compute")
            )
            yield Seen(at_ns, captured, received, error, compute, newest, size)


async def main(host: str, port: str, path: str, seconds: str, clients: str = "1") -> None:
    watches = [watch(host, int(port), path, float(seconds)) for _ in range(int(clients))]
    for client, seen in enumerate(await asyncio.gather(*watches)):
        for picture in seen:
            print(json.dumps([client, *picture]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
