"""The rows of a ledger in memory, and the ledger they are read from (see host/record/ledger.py)."""

import contextlib
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from host.record.ledger import CELLS, FIRST_NUMBER, HEAD_BYTES, ROW, Place, head
from host.record.storage import open_file, replacing

BLOCK_BYTES = 4096 * ROW.size
_PLACES = len(Place._fields)


class Rows:
    """Rows of frames, in the order of the tape."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ticks = array("q")
        self._shown = array("q")

    def __len__(self) -> int:
        return len(self._ticks)

    @property
    def ticks(self) -> "array[int]":
        """One a row; whoever took it may keep it, it never changes."""
        if len(self._shown) < len(self._ticks):
            self._shown = self._ticks[:]
        return self._shown

    @property
    def last_tick(self) -> int:
        return self._ticks[-1] if self._ticks else -1

    def add(self, rows: bytes) -> None:
        self._data += rows
        self._ticks.extend(cells(rows, 1))

    def place(self, index: int) -> Place:
        """IndexError where there is no such row."""
        if not 0 <= index < len(self):
            raise IndexError(f"there is no frame {index} among {len(self)}")
        return Place(*ROW.unpack_from(self._data, index * ROW.size)[:_PLACES])

    def column(self, number: int, first: int = 0) -> "array[float]":
        """The so-manieth of COLUMNS, from row `first` on."""
        column = array("d")
        with memoryview(self._data) as data, data.cast("d") as numbers:
            column.frombytes(numbers[first * CELLS + FIRST_NUMBER + number :: CELLS].tobytes())
        return column

    def whole(self, number: int, first: int = 0) -> list[int]:
        """One of the whole numbers of every row from `first` on."""
        with memoryview(self._data) as data:
            return cells(data, first * CELLS + number)

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), ROW.size):
            yield bytes(self._data[at : at + ROW.size])


class LedgerFile:
    """A ledger being read while it may be written; one that is missing or another tape's has no rows."""

    def __init__(self, path: Path, identity: bytes) -> None:
        self._path = path
        self._identity = identity
        self._file = -1
        self._at = 0

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """The whole rows that were added since, some thousand at a time, each time with the number of the first."""
        self._open()
        while self._file >= 0:
            block = self._read(BLOCK_BYTES, self._at)
            block = block[: len(block) // ROW.size * ROW.size]
            if not block:
                return
            self._at += len(block)
            yield (self._at - len(block) - HEAD_BYTES) // ROW.size, block

    def _open(self) -> None:
        if self._file >= 0 or self._at or not self._identity:
            return
        with contextlib.suppress(OSError):
            self._file = open_file(self._path)
            if self._read(HEAD_BYTES, 0) == head(self._identity):
                self._at = HEAD_BYTES
            else:
                os.close(self._file)
                self._file = -1

    def _read(self, size_bytes: int, at: int) -> bytes:
        """What a disk does not give is not there: the tape has it all."""
        with contextlib.suppress(OSError):
            return os.pread(self._file, size_bytes, at)
        return b""

    @property
    def usable(self) -> bool:
        return self._file >= 0

    def close(self) -> None:
        """Give no more rows."""
        self._at = -1
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def cells(rows: bytes | memoryview, number: int) -> list[int]:
    """One whole number of each row."""
    return memoryview(rows).cast("q")[number::CELLS].tolist()


def write_ledger(path: Path, identity: bytes, rows: Iterable[bytes]) -> None:
    """Put a ledger in the place of whatever is there, in one step. Raises OSError."""
    with replacing(path) as out:
        out.write(head(identity))
        out.writelines(rows)
