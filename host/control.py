"""What may be changed from the page: how the overlay looks, and whether a car is being recorded."""

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

import msgspec
from aiohttp import web

import wire
from host.record import RecordError, Recordings
from host.relay import Channel
from host.state import RecordingState, recording_state

SETTLE_S = 2.0


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a POST to /api/cars/CAR/recording."""

    action: Literal["start", "stop"]


async def record(recordings: Recordings, channel: Channel, body: bytes) -> RecordingState | None:
    """Start or stop. Raises 400 for a body that says neither, 409 with the recorder's sentence."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except msgspec.DecodeError as why:
        raise web.HTTPBadRequest(text=f'Say {{"action": "start"}} or {{"action": "stop"}}: {why}.') from why
    try:
        if order.action == "start":
            await asyncio.to_thread(recordings.start, channel)
        else:
            await asyncio.to_thread(recordings.stop, channel.name)
    except RecordError as why:
        raise web.HTTPConflict(text=str(why)) from why
    return recording_state(recordings, channel.name)


class Looks:
    """Looks asked for of cars: each counts as the present one until frames drawn with it have had time to come."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[wire.Look, float]] = {}

    def present(self, channel: Channel) -> wire.Look:
        """The look asked for just now, else the one the newest frame was drawn with."""
        look, until = self._asked.get(channel.name, (wire.Look(), 0.0))
        if time.monotonic() < until or channel.newest is None:
            return look
        return channel.newest.frame.look

    def change(self, channel: Channel, body: bytes) -> wire.Look:
        """Merge a partial Look (JSON) into the present one and ask the car for it. Raises 400, changing nothing."""
        look = merge(self.present(channel), body)
        self._asked[channel.name] = look, time.monotonic() + SETTLE_S
        channel.tune(look)
        return look


def merge(look: wire.Look, body: bytes) -> wire.Look:
    """`look` with the fields in `body` replaced. Raises 400 with what is wrong and what is allowed."""
    try:
        changes = msgspec.json.decode(body, type=Mapping[str, object])
        unknown = sorted(set(changes) - set(wire.Look.__struct_fields__))
        if unknown:
            known = ", ".join(wire.Look.__struct_fields__)
            raise web.HTTPBadRequest(text=f"The look has no {unknown[0][:40]!r}; it has {known}.")
        return msgspec.convert({**msgspec.structs.asdict(look), **changes}, wire.Look)
    except msgspec.DecodeError as why:
        raise web.HTTPBadRequest(text=f"The look stays as it is: {why}.") from why
