"""Recording by itself: a car that appears is recorded until it has been silent for a while, each time anew.

A recording that somebody stops, or that stopped by itself, is not begun again before the car has been away: what went
wrong stays on the page. One that could not be started (no room on the disk, say) is tried again.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from host.record.recorder import Recordings
from host.record.session import RecordError
from host.relay import Channel

log = logging.getLogger(__name__)

LOOK_S = 0.2
RETRY_S = 30.0
SILENT_S = 10.0


@dataclass
class _Car:
    channel: Channel
    there: bool = False
    """It has appeared and not been silent since."""
    due: float | None = None
    """When to start recording; None while that is done, or given up."""


class Appearing:
    """Belongs to the channels' event loop; `run` never returns by itself."""

    def __init__(self, recordings: Recordings, channels: Collection[Channel], silent_s: float = SILENT_S) -> None:
        self._recordings = recordings
        self._cars = [_Car(channel) for channel in channels]
        self._silent_s = silent_s

    async def run(self) -> None:
        """Watch all cars, until cancelled."""
        for car in self._cars:
            self._recordings.attend(car.channel)
        while True:
            for car in self._cars:
                await self._look_at(car)
            await asyncio.sleep(LOOK_S)

    async def _look_at(self, car: _Car) -> None:
        now = time.monotonic()
        comes = self._comes(car.channel)
        if comes and not car.there:
            car.there, car.due = True, now
        elif car.there and not comes:
            car.there, car.due = False, None
            if car.channel.name in self._recordings.active:
                await asyncio.to_thread(self._recordings.stop, car.channel.name)
        if car.due is not None and now >= car.due:
            await self._start(car)

    def _comes(self, channel: Channel) -> bool:
        """Whether frames come, or did lately; a car that nobody watches sends headers, which will do."""
        newest = channel.newest
        return newest is not None and time.monotonic_ns() - newest.received_ns < self._silent_s * 1e9

    async def _start(self, car: _Car) -> None:
        car.due = None
        if car.channel.name in self._recordings.active:
            return
        try:
            await asyncio.to_thread(self._recordings.start, car.channel)
        except RecordError as why:
            car.due = time.monotonic() + RETRY_S
            log.error("%s", why)  # noqa: TRY400 - a sentence for a person
