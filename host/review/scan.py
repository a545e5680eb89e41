"""The records of a tape as they lie in its file, which may be growing, torn or spoilt.

    magic │ Header │ Metadata │ Chunk │ MessageIndex … │ Chunk │ …  │ DataEnd │ summary │ Footer │ magic
                                └─ messages, uncompressed             └─ only of a tape that was closed

Nothing here believes a length: what does not fit the file, or the bounds of what a Tape writes, is no record.
"""

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.records import Metadata

import wire
from host.record.ledger import IDENTITY_BYTES
from host.record.tape import CHUNK_BYTES, CHUNK_HEAD_BYTES, MESSAGE_HEAD_BYTES, METADATA

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
METADATA_RECORD, DATA_END = 0x0C, 0x0F
MAX_MESSAGE_BYTES = wire.MAX_PART_BYTES + 1024
MAX_CHUNK_BYTES = CHUNK_BYTES + 4 * MAX_MESSAGE_BYTES
MAX_SMALL_BYTES = 64 * 1024
"""Of a header or the metadata."""
WINDOW_BYTES = 4 * 1024 * 1024

_RECORD = struct.Struct("<BQ")
_CHUNK = struct.Struct("<QQQII")
_MESSAGE = struct.Struct("<HIQQ")
_CHANNEL = struct.Struct("<HHI")
_FOOTER = struct.Struct("<QQI")
FOOTER_BYTES = _RECORD.size + _FOOTER.size
_CHUNK_START = re.compile(rb"\x06[\s\S]{4}\0{4}[\s\S]{28}\0{4}[\s\S]{4}\0{4}")
"""Opcode, a length below 4 GiB, times, size, checksum, no compression, a length below 4 GiB."""


class FootageError(Exception):
    """There is nothing to be read in this file, or not in this place; the message is one sentence for a person."""


class Record(NamedTuple):
    opcode: int
    at: int
    """Byte of the file it starts at."""
    end: int


class Message(NamedTuple):
    channel: int
    sequence: int
    log_time: int
    at: int
    """Byte of the file the message's record starts at."""
    data: bytes


def read(file: int, at: int, size_bytes: int) -> bytes:
    """So many bytes of the file; fewer where it ends before. Raises FootageError where the disk fails."""
    try:
        return os.pread(file, size_bytes, at) if size_bytes > 0 <= at else b""
    except OSError as why:
        raise FootageError(f"the disk does not give it ({why.strerror})") from why


def records(file: int, at: int, size_bytes: int) -> Iterator[Record]:
    """The whole records of a file of that size, from the one that starts at `at` to the first that is none."""
    while True:
        head = read(file, at, _RECORD.size)
        if len(head) < _RECORD.size:
            return
        opcode, length = _RECORD.unpack(head)
        end = at + _RECORD.size + length
        if end > size_bytes or not (HEADER <= opcode <= DATA_END or opcode >= 0x80):
            return
        yield Record(opcode, at, end)
        at = end


def metadata(file: int, record: Record) -> dict[str, str]:
    """What a tape says of itself, where that record does; empty otherwise."""
    content = read(file, record.at + _RECORD.size, min(record.end - record.at - _RECORD.size, MAX_SMALL_BYTES))
    try:
        found = Metadata.read(ReadDataStream(BytesIO(content)))
    except (McapError, UnicodeDecodeError, struct.error):
        return {}
    return found.metadata if found.name == METADATA else {}


def identity(about: dict[str, str]) -> bytes:
    """What tells a tape from every other tape; empty where it is not known."""
    with contextlib.suppress(ValueError):
        found = bytes.fromhex(about.get("tape", ""))
        return found if len(found) == IDENTITY_BYTES else b""
    return b""


def chunk(file: int, record: Record) -> bytes | None:
    """The records in a chunk, None for one that is spoilt. Raises FootageError for a compressed one."""
    size_bytes = record.end - record.at
    if not CHUNK_HEAD_BYTES <= size_bytes <= MAX_CHUNK_BYTES:
        return None
    data = read(file, record.at, size_bytes)
    if len(data) < size_bytes:
        return None
    *_, crc, compression_bytes = _CHUNK.unpack_from(data, _RECORD.size)
    if compression_bytes in {3, 4} and data[41 : 41 + compression_bytes] in {b"lz4", b"zstd"}:
        raise FootageError("its chunks are compressed, which a tape's are not: decompress it with the mcap tool first")
    inside = data[CHUNK_HEAD_BYTES:]
    return inside if compression_bytes == 0 and zlib.crc32(inside) == crc else None


def next_chunk(file: int, at: int, size_bytes: int) -> Record | None:
    """The first good chunk that starts at `at` or later, wherever; None where there is none any more."""
    budget_bytes = 2 * size_bytes + MAX_CHUNK_BYTES
    while at < size_bytes:
        window = read(file, at, WINDOW_BYTES + CHUNK_HEAD_BYTES)
        for found in _CHUNK_START.finditer(window):
            record = next(records(file, at + found.start(), size_bytes), None)
            if record is None or record.end - record.at > MAX_CHUNK_BYTES:
                continue
            budget_bytes -= record.end - record.at
            if budget_bytes < 0:
                return None
            if chunk(file, record) is not None:
                return record
        at += WINDOW_BYTES
    return None


def messages(inside: bytes, base: int) -> Iterator[Message]:
    """The messages among the records of a chunk, which start at byte `base` of the file."""
    for opcode, start, end in _inner(inside):
        if opcode == MESSAGE and end - start >= _MESSAGE.size:
            channel, sequence, log_time, _ = _MESSAGE.unpack_from(inside, start)
            yield Message(channel, sequence, log_time, base + start - _RECORD.size, inside[start + _MESSAGE.size : end])


def channels(inside: bytes) -> dict[int, str]:
    """Topics by channel, of the channels that are described among the records of a chunk."""
    found = {}
    for opcode, start, end in _inner(inside):
        if opcode == CHANNEL and end - start >= _CHANNEL.size:
            number, _, topic_bytes = _CHANNEL.unpack_from(inside, start)
            topic = inside[start + _CHANNEL.size : end][:topic_bytes]
            found[number] = topic.decode(errors="replace")
    return found


def _inner(inside: bytes) -> Iterator[tuple[int, int, int]]:
    """Opcode, start and end of the content of each record in a chunk."""
    at = 0
    while at + _RECORD.size <= len(inside):
        opcode, length = _RECORD.unpack_from(inside, at)
        start, at = at + _RECORD.size, at + _RECORD.size + length
        if at > len(inside):
            return
        yield opcode, start, at


def message(file: int, at: int) -> Message | None:
    """The message whose record starts at this byte; None where there is none."""
    head = read(file, at, MESSAGE_HEAD_BYTES)
    if len(head) < MESSAGE_HEAD_BYTES:
        return None
    opcode, length = _RECORD.unpack_from(head)
    size_bytes = length - _MESSAGE.size
    if opcode != MESSAGE or not 0 <= size_bytes <= MAX_MESSAGE_BYTES:
        return None
    data = read(file, at + MESSAGE_HEAD_BYTES, size_bytes)
    channel, sequence, log_time, _ = _MESSAGE.unpack_from(head, _RECORD.size)
    return Message(channel, sequence, log_time, at, data) if len(data) == size_bytes else None


def is_closed(file: int, size_bytes: int) -> bool:
    """Whether the file ends as a closed one does: with a summary that is whole."""
    end = read(file, size_bytes - FOOTER_BYTES - len(MAGIC), FOOTER_BYTES + len(MAGIC))
    if len(end) < FOOTER_BYTES + len(MAGIC) or not end.endswith(MAGIC) or end[0] != FOOTER:
        return False
    summary_at: int
    crc: int
    summary_at, _, crc = _FOOTER.unpack_from(end, _RECORD.size)
    footer_at = size_bytes - len(end)
    return 0 < summary_at < footer_at and _crc(file, summary_at, footer_at + FOOTER_BYTES - 4) == crc


def _crc(file: int, at: int, end: int) -> int:
    crc = 0
    for start in range(at, end, WINDOW_BYTES):
        crc = zlib.crc32(read(file, start, min(WINDOW_BYTES, end - start)), crc)
    return crc
