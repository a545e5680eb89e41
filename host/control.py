"""What may be changed from the page: how the overlay looks, whether a car is recorded, and what is marked in that."""

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from aiohttp import web

import wire
from host.record import RecordError, Recordings
from host.record.notes import MAX_TEXT, Bookmark
from host.relay import Channel
from host.state import RecordingState, recording_state

SETTLE_S = 2.0
FIRST_FRAME_S = 3.0
"""How long a bookmark waits for the first picture of the recording it has started."""
LOOK_S = 0.02


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a POST to /api/cars/CAR/recording."""

    action: Literal["start", "stop"]


async def record(recordings: Recordings, channel: Channel, body: bytes) -> RecordingState | None:
    """Start or stop. Raises 400 for a body that says neither, 409 with the recorder's sentence."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except ValueError as why:
        raise web.HTTPBadRequest(text=f'Say {{"action": "start"}} or {{"action": "stop"}}: {why}.') from why
    try:
        if order.action == "start":
            await asyncio.to_thread(recordings.start, channel)
        else:
            await asyncio.to_thread(recordings.stop, channel.name)
    except RecordError as why:
        raise web.HTTPConflict(text=str(why)) from why
    return recording_state(recordings, channel.name)


class Moment(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a POST to /api/cars/CAR/bookmarks."""

    label: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] = ""


class Bookmarked(msgspec.Struct, kw_only=True):
    """The answer to it."""

    bookmark: Bookmark
    started: bool
    """Nothing was being recorded: the bookmark has started a recording, which goes on."""
    recording: RecordingState | None


async def bookmark(recordings: Recordings, channel: Channel, body: bytes) -> Bookmarked:
    """Mark what is on screen now; where nothing is being recorded, in a recording that starts with the pre-roll.

    Raises 400 for a body that is no Moment, 409 with the recorder's sentence.
    """
    try:
        moment = msgspec.json.decode(body or b"{}", type=Moment)
    except ValueError as why:
        raise web.HTTPBadRequest(text=f'Say {{"label": "…"}}, or nothing: {why}.') from why
    try:
        started = await _ensure_recording(recordings, channel)
        marked = await asyncio.to_thread(recordings.bookmark, channel.name, moment.label)
    except RecordError as why:
        raise web.HTTPConflict(text=str(why)) from why
    return Bookmarked(bookmark=marked, started=started, recording=recording_state(recordings, channel.name))


async def _ensure_recording(recordings: Recordings, channel: Channel) -> bool:
    """See that there is a recording with a picture in it; whether it had to be started. Raises RecordError."""
    started = await _start(recordings, channel) if channel.name not in recordings.active else False
    for _ in range(round(FIRST_FRAME_S / LOOK_S)):
        recording = recordings.active.get(channel.name)
        if recording is None or recording.frames:
            break
        await asyncio.sleep(LOOK_S)
    else:
        if started:
            await asyncio.to_thread(recordings.stop, channel.name)
        raise RecordError(f"no picture of {channel.name} comes: there is nothing to bookmark")
    return started


async def _start(recordings: Recordings, channel: Channel) -> bool:
    """False where somebody else was quicker. Raises RecordError."""
    try:
        await asyncio.to_thread(recordings.start, channel)
    except RecordError:
        if channel.name not in recordings.active:
            raise
        return False
    return True


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
    except (ValueError, RecursionError) as why:
        raise web.HTTPBadRequest(text=f"The look stays as it is: {why}.") from why
