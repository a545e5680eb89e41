"""Reading a flatbuffer from a stranger: no offset is followed before it is known to stay inside the file.

    root ──▶ table ──▶ vtable                  which fields the table has, and where in it they lie
               ├─────▶ vector, string, table   by forward offsets that lie in the fields

Fields are numbered in the order of the schema, from 0; a union takes two numbers (https://flatbuffers.dev/internals).
"""

import struct

import numpy as np
from numpy.typing import NDArray


class FlatbufferError(Exception):
    """The bytes are not what a flatbuffer can be; the message says what is wrong, as the end of a sentence."""


class Table:
    """One table of a flatbuffer. Every method raises FlatbufferError where the bytes lead outside the file."""

    __slots__ = ("_at", "_data", "_size", "_vtable", "_vtable_bytes")

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._vtable = at - _read(data, "<i", at)
        self._vtable_bytes = _read(data, "<H", self._vtable)
        self._size = _read(data, "<H", self._vtable + 2)
        _check(data, self._vtable, self._vtable_bytes)
        _check(data, at, self._size)
        entries = np.frombuffer(data, "<u2", max(self._vtable_bytes // 2 - 2, 0), self._vtable + 4)
        if self._size < 4 or entries.max(initial=0) >= self._size:
            raise FlatbufferError("it is damaged: a field lies outside its table")

    @classmethod
    def root(cls, data: bytes, identifier: bytes) -> "Table":
        """The table a file starts with; `identifier` is the four bytes after the first offset."""
        if data[4:8] != identifier:
            raise FlatbufferError(f"it does not start with the mark {identifier.decode()}")
        return cls(data, _read(data, "<I", 0))

    def where(self, field: int, size: int = 4) -> int | None:
        """Where in the file the `size` bytes of a field lie; None if the table does not have it."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return None
        offset = _read(self._data, "<H", self._vtable + entry)
        if not offset:
            return None
        if offset + size > self._size:
            raise FlatbufferError("it is damaged: a field lies outside its table")
        return self._at + offset

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """An integer; `form` as in module struct."""
        at = self.where(field, struct.calcsize(form))
        return default if at is None else _read(self._data, form, at)

    def table(self, field: int) -> "Table | None":
        at = self.where(field)
        return None if at is None else Table(self._data, _follow(self._data, at))

    def tables(self, field: int, limit: int) -> list["Table"]:
        """A vector of tables, at most `limit` of them; empty if there is none."""
        start, count = self._vector(field, 4, limit)
        return [Table(self._data, _follow(self._data, start + 4 * i)) for i in range(count)]

    def array(self, field: int, form: str, limit: int) -> NDArray[np.generic]:
        """A vector of numbers as a view of the file, at most `limit` of them; empty if there is none."""
        dtype = np.dtype(form)
        start, count = self._vector(field, dtype.itemsize, limit)
        return np.frombuffer(self._data, dtype, count, start)

    def integers(self, field: int, limit: int) -> tuple[int, ...]:
        """A vector of 32-bit integers, at most `limit` of them; empty if there is none."""
        return tuple(self.array(field, "<i4", limit).tolist())

    def text(self, field: int) -> str:
        """A string; empty if there is none."""
        start, count = self._vector(field, 1, 65_536)
        if start and self._data[start + count : start + count + 1] != b"\0":
            raise FlatbufferError("it is damaged: a string does not end")
        return self._data[start : start + count].decode(errors="replace")

    def _vector(self, field: int, item_bytes: int, limit: int) -> tuple[int, int]:
        at = self.where(field)
        if at is None:
            return 0, 0
        start = _follow(self._data, at)
        count = _read(self._data, "<I", start)
        if count > limit:
            raise FlatbufferError(f"it is damaged: a list has {count} items, at most {limit} are allowed")
        _check(self._data, start + 4, count * item_bytes)
        return start + 4, count


def _read(data: bytes, form: str, at: int) -> int:
    _check(data, at, struct.calcsize(form))
    value: int = struct.unpack_from(form, data, at)[0]
    return value


def _follow(data: bytes, at: int) -> int:
    return at + _read(data, "<I", at)


def _check(data: bytes, at: int, size: int) -> None:
    if at < 0 or at + size > len(data):
        raise FlatbufferError("it is damaged or cut off: an offset leads outside the file")
