"""The boxes an MP4 is made of (ISO/IEC 14496-12), as far as a recording's own video needs them.

size u32 │ type 4 bytes │ [size u64 where the first is 1] │ body
a full box's body begins with: version u8 │ flags u24
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_BOX_BYTES = 64 << 20
"""No table is larger: ten hours at 30 frames/s take some 10 MB."""
MAX_FILE_BYTES = 1 << 63


class Box(NamedTuple):
    """Where a box lies: from `start` to `end`, its contents from `body` on."""

    kind: bytes
    start: int
    body: int
    end: int


def head_of(data: bytes, start: int) -> Box | None:
    """The box whose first 16 bytes are `data`, at `start`; None where there is none."""
    if len(data) < 8:
        return None
    size, kind = struct.unpack_from(">I4s", data)
    body = start + 8
    if size == 1 and len(data) >= 16:
        (size,), body = struct.unpack_from(">Q", data, 8), start + 16
    return Box(kind, start, body, start + size) if size >= body - start else None


def box_at(file: BinaryIO, start: int) -> Box | None:
    """The box that starts there in a file; None where there is none. Raises OSError."""
    return head_of(os.pread(file.fileno(), 16, start), start) if start < MAX_FILE_BYTES else None


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes in a piece of memory, one after the other; what does not fit ends them."""
    end = len(data) if end is None else end
    while (box := head_of(data[start : start + 16], start)) and box.end <= end:
        yield box
        start = box.end


def find(data: bytes, *path: bytes) -> bytes | None:
    """The body of the first box at this path of types; None where there is none."""
    for kind in path:
        box = next((one for one in boxes(data) if one.kind == kind), None)
        if box is None:
            return None
        data = data[box.body : box.end]
    return data


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *bodies: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *bodies)
