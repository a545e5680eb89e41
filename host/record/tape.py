"""The tape of a recording: what was measured, frame by frame, as `frames.mcap`.

    Entry + pictures ─▶ messages of one chunk ──every half second──▶ frames.mcap ─▶ frames.idx
                        in memory             or megabyte            chunk, index   where, numbers

A chunk reaches the operating system whole, at least every half second of the time of its frames: that is what a killed
process loses. Closing adds the summary that other programs seek with; without it the tape is still read (host/review).
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcap.data_stream import RecordBuilder
from mcap.records import McapRecord
from mcap.writer import CompressionType, Writer

import wire
from host.record import topics
from host.record.entry import Entry, Event, check_times, encode, numbers
from host.record.ledger import (
    EVENT_ROW,
    FRAME_ROW,
    IDENTITY_BYTES,
    NO_NUMBERS,
    Place,
    head,
    ledger_path,
    row,
)
from host.record.session import TICKS_HZ
from host.record.storage import sync_data

__all__ = ["Entry", "Event", "Tape"]

METADATA = "pilotlens"
CHUNK_TICKS = TICKS_HZ // 2
CHUNK_BYTES = 1024 * 1024
CHUNK_HEAD_BYTES = 49
"""From the start of an uncompressed chunk to the first record in it."""
MESSAGE_HEAD_BYTES = 31
"""From the start of a message to its data."""
NEVER = 1 << 62


class Tape:
    """A tape being written, not for several threads; leaving it closes it.

    OSError from any method when the disk does not take it: the tape then takes no more, what it holds stays readable.
    """

    def __init__(self, path: Path, car: str) -> None:
        """Start a new file; OSError, also where there is one already."""
        self._last_tick = -1
        self._due_tick = 0
        self._before: Entry | None = None
        self._count = 0
        self._events = 0
        self._waiting: list[tuple[Place, tuple[float, ...]]] = []
        """Rows of the chunk in memory, their places counted from its first record."""
        self._failed = False
        self._disk = Disk(path, os.O_EXCL)
        try:
            self._ledger = Disk(ledger_path(path), os.O_TRUNC)
        except OSError:
            self._disk.close()
            raise
        try:
            self._start(car)
        except OSError:
            self._close()
            raise

    def _start(self, car: str) -> None:
        identity = secrets.token_bytes(IDENTITY_BYTES)
        self._ledger.write(head(identity))
        # Any: the library's methods without arguments are not typed
        self._writer: Any = Writer(self._disk, chunk_size=NEVER, compression=CompressionType.NONE)  # type: ignore[arg-type]
        self._writer.start(library="pilotlens")
        self._writer.add_metadata(METADATA, {"car": car, "tape": identity.hex()})
        schemas, channels = topics.schemas(), topics.channels()
        for schema in schemas:
            self._writer.register_schema(schema.name, schema.encoding, schema.data)
        for channel in channels:
            self._writer.register_channel(channel.topic, channel.message_encoding, channel.schema_id, channel.metadata)
        self._filled_bytes = sum(map(_size_bytes, [*schemas, *channels]))
        """Bytes of records in the chunk in memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, entry: Entry, pictures: Mapping[str, bytes]) -> None:
        """Add a frame; of the pictures, JPEGs by kind, "camera" and "mask" are kept.

        Raises ValueError for a frame that is not later than the one before, or a picture that no car can send.
        """
        self._check(entry, pictures)
        places = {
            kind: self._add(topics.PICTURES[kind], entry.unix_ns, self._count, topics.image(jpeg, kind, entry.unix_ns))
            for kind, jpeg in pictures.items()
            if kind in topics.PICTURES
        }
        at = self._add(topics.FRAME, entry.unix_ns, self._count, encode(entry))
        place = Place(FRAME_ROW, entry.tick, entry.unix_ns, 0, at, places.get("camera", -1), places.get("mask", -1))
        self._waiting.append((place, numbers(entry, self._before)))
        self._before, self._last_tick = entry, entry.tick
        self._count += 1
        self._flush_if_due(entry.tick)

    def event(self, unix_ns: int, tick: int, kind: str, text: str) -> None:
        """Note what happened at this tick. ValueError for times that cannot be ones."""
        check_times(tick, unix_ns)
        event = Event(unix_ns=unix_ns, tick=tick, kind=kind, text=text)
        at = self._add(topics.EVENTS, unix_ns, self._events, topics.log(event))
        self._waiting.append((Place(EVENT_ROW, tick, unix_ns, 0, at, -1, -1), NO_NUMBERS))
        self._events += 1
        self._flush_if_due(tick)

    def flush(self) -> None:
        """Hand everything given so far to the operating system; nothing to do is done at once."""
        self._refuse_after_failure()
        if not self._waiting:
            return
        chunk_at = self._disk.size_bytes
        self._failed = True
        self._writer.flush()
        self._ledger.write(b"".join(row(_placed(place, chunk_at), values) for place, values in self._waiting))
        self._failed = False
        self._waiting.clear()
        self._filled_bytes = 0

    def close(self) -> None:
        """Add the summary and let go of the files; again is nothing."""
        if self._disk.closed:
            return
        try:
            if not self._failed:
                self.flush()
                self._writer.finish()
                self._disk.sync()
        finally:
            self._close()

    def _close(self) -> None:
        self._disk.close()
        self._ledger.close()

    def _check(self, entry: Entry, pictures: Mapping[str, bytes]) -> None:
        self._refuse_after_failure()
        if entry.tick <= self._last_tick:
            raise ValueError(f"frames of a tape go forward in time: {entry.tick} came after {self._last_tick}")
        if any(len(jpeg) > wire.MAX_PART_BYTES for jpeg in pictures.values()):
            raise ValueError(f"a picture has at most {wire.MAX_PART_BYTES} bytes")

    def _refuse_after_failure(self) -> None:
        if self._failed or self._disk.closed:
            raise OSError(f"{self._disk.path} takes no more: it was closed, or could not be written")

    def _add(self, topic: str, unix_ns: int, sequence: int, data: bytes) -> int:
        """Put a message into the chunk in memory; where it starts there."""
        at = self._filled_bytes
        self._writer.add_message(topics.NUMBERS[topic], unix_ns, data, unix_ns, sequence & 0xFFFFFFFF)
        self._filled_bytes += MESSAGE_HEAD_BYTES + len(data)
        return at

    def _flush_if_due(self, tick: int) -> None:
        in_time = self._due_tick - CHUNK_TICKS <= tick < self._due_tick
        if not in_time or self._filled_bytes >= CHUNK_BYTES:
            self.flush()
            self._due_tick = tick + CHUNK_TICKS


class Disk:
    """A file that is written from its start to its end, every byte handed to the operating system at once."""

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        self.size_bytes = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o644)

    @property
    def closed(self) -> bool:
        return self._file < 0

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            done = os.write(self._file, left)
            self.size_bytes += done
            left = left[done:]

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """There is nothing to hand over."""

    def sync(self) -> None:
        sync_data(self._file)

    def close(self) -> None:
        if not self.closed:
            file, self._file = self._file, -1
            os.close(file)


def _size_bytes(record: McapRecord) -> int:
    builder = RecordBuilder()
    record.write(builder)
    return builder.count


def _placed(place: Place, chunk_at: int) -> Place:
    """The place in the file of what lies there in its chunk; −1 is nowhere."""
    base = chunk_at + CHUNK_HEAD_BYTES
    at, camera_at, mask_at = (base + one if one >= 0 else 0 for one in place[4:])
    return Place(*place[:3], chunk_at, at, camera_at, mask_at)
