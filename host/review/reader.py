"""What a tape holds, gathered from its ledger and, where that knows nothing, from the tape itself.

    frames.idx ──rows that can be true──▶┐
                                         ├─▶ Rows, events, up to the newest message
    frames.mcap ──chunks after those────▶┘

Both are read from where the last look at them ended. Messages go forward in the file, so what is known already is told
by its place there, whichever of the two it came from.
"""

import contextlib
import os
from heapq import merge
from itertools import groupby, islice
from pathlib import Path

from host.record import topics
from host.record.entry import Entry, Event, decode, numbers
from host.record.ledger import EVENT_ROW, FRAME_ROW, ROW, Place, ledger_path, row
from host.record.storage import open_file
from host.record.tape import CHUNK_HEAD_BYTES
from host.review import scan
from host.review.rows import LedgerFile, Rows, cells, write_ledger
from host.review.scan import FootageError

MAX_START_RECORDS = 16
MAX_EVENTS = 100_000
"""More than any session has; what follows is left aside."""
_PLACES = len(Place._fields)


class Reader:
    """A tape being read, by one thread at a time. FootageError from any method where the disk does not give it."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises FootageError where that is no tape."""
        self.rows = Rows()
        self.events: list[tuple[Place, Event]] = []
        self.car = ""
        """Whose tape it is; empty where its start is spoilt."""
        self.ended = False
        """It was closed: it grows no more."""
        self._path = path
        self._channels = dict(topics.CHANNELS)
        self._seen_bytes = 0
        self._at = len(scan.MAGIC)
        """Where in the tape that begins which is not known yet: at a record."""
        self._last_at = 0
        """The newest message that is known."""
        self._before: Entry | None = None
        self._numbered = True
        """Frames bear the numbers that they have here: nothing is missing between them."""
        self._ledger = LedgerFile(path, b"")
        self._file = _opened(path)
        try:
            self._start()
        except FootageError:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        return self._file < 0

    def close(self) -> None:
        self._ledger.close()
        if not self.closed:
            file, self._file = self._file, -1
            os.close(file)

    def take(self) -> None:
        """Take what was written since."""
        if self.ended or self._size_bytes() == self._seen_bytes:
            return
        self._take_ledger()
        self._take_tape()

    def message(self, place: Place, at: int, topic: str) -> bytes | None:
        """The message of that row that starts there; None where something else does."""
        found = self._found(place, at, topic)
        return found.data if found else None

    def is_whole(self) -> bool:
        """Whether the tape was closed with the summary that other programs seek by."""
        return self.ended and scan.is_closed(self._file, self._size_bytes())

    def _start(self) -> None:
        if scan.read(self._file, 0, len(scan.MAGIC)) != scan.MAGIC:
            raise FootageError("it does not start like an MCAP file")
        about = self._read_start()
        self.car = about.get("car", "")
        identity = scan.identity(about)
        self._ledger = LedgerFile(ledger_path(self._path), identity)
        self._take_ledger()
        known = self._last_at
        self._take_tape()
        while not self.ended and (record := scan.next_chunk(self._file, self._at + 1, self._size_bytes())):
            self._at = record.at
            self._take_tape()
        complete = self.ended and self._numbered and identity
        if complete and (known < self._last_at or not self._ledger.usable):
            self._save_ledger(identity)

    def _read_start(self) -> dict[str, str]:
        """What the tape says of itself, and the topics of its channels, from the records up to the first chunk."""
        about: dict[str, str] = {}
        self._at = len(scan.MAGIC)
        for record in islice(scan.records(self._file, self._at, self._size_bytes()), MAX_START_RECORDS):
            if record.opcode == scan.METADATA_RECORD:
                about = about or scan.metadata(self._file, record)
            if record.opcode == scan.CHUNK:
                self._channels |= scan.channels(scan.chunk(self._file, record) or b"")
                break
        return about

    def _take_ledger(self) -> None:
        """Take the rows that the ledger gained; at the first that cannot be true it is done with."""
        for number, block in self._ledger.blocks():
            known = len(self.rows) + len(self.events) - number
            new = block[max(0, known) * ROW.size :]
            if new and not self._take_believable(new):
                self._ledger.close()

    def _take_believable(self, rows: bytes) -> bool:
        """Take the rows that can be true; whether these are all."""
        good = self._believable(rows)
        if good and self._are_there(rows, good):
            self._take_rows(rows[: good * ROW.size])
            return good == len(rows) // ROW.size
        return False

    def _believable(self, rows: bytes) -> int:
        """How many of these rows, up to the first that does not, go forward within the tape."""
        last_at, last_tick = self._last_at, self.rows.last_tick
        size_bytes = self._size_bytes()
        for i, (kind, tick, at) in enumerate(zip(cells(rows, 0), cells(rows, 1), cells(rows, 4), strict=True)):
            if not last_at < at < size_bytes or kind not in {FRAME_ROW, EVENT_ROW}:
                return i
            if kind == FRAME_ROW:
                if tick <= last_tick:
                    return i
                last_tick = tick
            last_at = at
        return len(rows) // ROW.size

    def _are_there(self, rows: bytes, count: int) -> bool:
        """Whether the first and the last of so many rows are what the tape says, which also numbers its frames."""
        frames = cells(rows, 0)[:count].count(FRAME_ROW)
        numbers = range(len(self.rows), len(self.rows) + frames)
        return self._is_there(rows, 0, numbers[:1]) and self._is_there(rows, count - 1, numbers[-1:])

    def _is_there(self, rows: bytes, index: int, numbers: range) -> bool:
        """Whether the tape has this row's message, in a chunk that starts where the row says; a frame's so numbered."""
        place = Place(*ROW.unpack_from(rows, index * ROW.size)[:_PLACES])
        topic = topics.FRAME if place.kind == FRAME_ROW else topics.EVENTS
        record = next(scan.records(self._file, max(0, place.chunk_at), self._size_bytes()), None)
        message = self._found(place, place.at, topic)
        if not record or record.opcode != scan.CHUNK or not record.at < place.at < record.end or not message:
            return False
        return place.kind == EVENT_ROW or message.sequence in {number & 0xFFFFFFFF for number in numbers}

    def _take_rows(self, rows: bytes) -> None:
        """Take rows that were found to be good."""
        kinds = cells(rows, 0)
        at = 0
        for kind, run in groupby(kinds):
            size_bytes = len(list(run)) * ROW.size
            part = rows[at : at + size_bytes]
            at += size_bytes
            if kind == FRAME_ROW:
                self.rows.add(part)
            else:
                self._take_events(part)
        self._last_at = cells(rows[-ROW.size :], 4)[0]
        self._at = cells(rows[-ROW.size :], 3)[0]
        self._before = None

    def _take_events(self, rows: bytes) -> None:
        for values in ROW.iter_unpack(rows):
            place = Place(*values[:_PLACES])
            if message := self._found(place, place.at, topics.EVENTS):
                self._take_event(place.chunk_at, message)

    def _take_event(self, chunk_at: int, message: scan.Message) -> None:
        self._last_at = message.at
        with contextlib.suppress(ValueError):
            event = topics.event(message.data)
            if len(self.events) < MAX_EVENTS:
                self.events.append((Place(EVENT_ROW, event.tick, message.log_time, chunk_at, message.at), event))

    def _take_tape(self) -> None:
        """Take what lies in the tape from where it is known, up to its end or to what is no record (yet)."""
        self._seen_bytes = self._size_bytes()
        for record in scan.records(self._file, self._at, self._seen_bytes):
            if record.opcode in {scan.DATA_END, scan.FOOTER}:
                self.ended = True
                break
            if record.opcode == scan.CHUNK:
                self._take_chunk(record)
            self._at = record.end

    def _take_chunk(self, record: scan.Record) -> None:
        inside = scan.chunk(self._file, record)
        if inside is None:
            return
        self._channels |= scan.channels(inside)
        pictures: dict[tuple[str, int], int] = {}
        for message in scan.messages(inside, record.at + CHUNK_HEAD_BYTES):
            topic = self._channels.get(message.channel, "")
            if message.at <= self._last_at:
                continue
            if topic in topics.PICTURES.values():
                pictures[topic, message.sequence] = message.at
            elif topic == topics.FRAME:
                places = [pictures.get((one, message.sequence), 0) for one in topics.PICTURES.values()]
                self._take_frame(record.at, message, *places)
            elif topic == topics.EVENTS:
                self._take_event(record.at, message)

    def _take_frame(self, chunk_at: int, message: scan.Message, camera_at: int, mask_at: int) -> None:
        self._last_at = message.at
        try:
            entry = decode(message.data)
        except ValueError:
            return
        if entry.tick <= self.rows.last_tick:
            return
        place = Place(FRAME_ROW, entry.tick, message.log_time, chunk_at, message.at, camera_at, mask_at)
        self._numbered &= message.sequence == len(self.rows) & 0xFFFFFFFF
        self.rows.add(row(place, numbers(entry, self._newest())))
        self._before = entry

    def _newest(self) -> Entry | None:
        """The newest frame that is known."""
        if self._before is None and self.rows:
            place = self.rows.place(len(self.rows) - 1)
            with contextlib.suppress(ValueError):
                self._before = decode(self.message(place, place.at, topics.FRAME) or b"")
        return self._before

    def _save_ledger(self, identity: bytes) -> None:
        """Put back what opened the tape slowly; where that is not allowed it stays slow."""
        events = (row(place) for place, _ in self.events)
        rows = merge(self.rows, events, key=lambda one: cells(one, 4)[0])
        with contextlib.suppress(OSError):
            write_ledger(ledger_path(self._path), identity, rows)

    def _found(self, place: Place, at: int, topic: str) -> scan.Message | None:
        message = scan.message(self._file, at)
        is_it = message and self._channels.get(message.channel) == topic and message.log_time == place.unix_ns
        return message if is_it else None

    def _size_bytes(self) -> int:
        return os.fstat(self._file).st_size


def _opened(path: Path) -> int:
    try:
        return open_file(path)
    except OSError as why:
        raise FootageError(str(why.strerror)) from why
