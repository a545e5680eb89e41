"""`frames.idx` beside `frames.mcap`: where each frame lies in the tape, and its numbers, so that an hour opens at once.

    head │ row │ row │ …          one row of 8-byte cells for a frame or an event, in the order of the tape
           kind tick unix_ns chunk_at at camera_at mask_at  COLUMNS …

Written along with the tape, after it. All of it can be made again from the tape; one that names another tape, or was
written by a machine of the other byte order, is none.
"""

import struct
from pathlib import Path
from typing import NamedTuple

from host.record.entry import COLUMNS

FRAME_ROW, EVENT_ROW = 0, 1
ROW = struct.Struct(f"=7q{len(COLUMNS)}d")
CELLS = ROW.size // 8
FIRST_NUMBER = CELLS - len(COLUMNS)
"""Cell of the first of COLUMNS."""
NO_NUMBERS = (0.0,) * len(COLUMNS)
IDENTITY_BYTES = 16

_HEAD = struct.Struct(f"=8sIIQ{IDENTITY_BYTES}s")
HEAD_BYTES = _HEAD.size
_MAGIC, _VERSION, _ORDER = b"PLLEDGER", 1, 0x0102030405060708


class Place(NamedTuple):
    """The whole numbers of a row. Places are bytes from the start of the tape; 0 is nowhere."""

    kind: int
    tick: int
    unix_ns: int
    chunk_at: int
    at: int
    """The message on /frame, or on /events."""
    camera_at: int = 0
    mask_at: int = 0


def ledger_path(tape: Path) -> Path:
    return tape.with_suffix(".idx")


def head(identity: bytes) -> bytes:
    """The first bytes of the ledger of this tape."""
    return _HEAD.pack(_MAGIC, _VERSION, CELLS, _ORDER, identity)


def row(place: Place, numbers: tuple[float, ...] = NO_NUMBERS) -> bytes:
    return ROW.pack(*place, *numbers)
