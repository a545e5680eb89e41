"""A host that takes every frame of one car and does nothing with it: `python -m tests.bench.taker ADDRESS`."""

import asyncio
import sys

from host.receive import Receiver
from host.relay import Channel


async def main(address: str) -> None:
    """Until it is ended."""
    channel = Channel("bench", asyncio.get_running_loop())
    channel.add_sink(lambda arrival: None, frozenset({"overlay"}))
    with Receiver(channel, address):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
