"""Reading flatbuffers, against the library that writes them and against bytes that are none."""

import contextlib
import struct

import flatbuffers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.flatbuffer import FlatbufferError, Table

FORMS = ("<b", "<B", "<h", "<i", "<I", "<q", "<Q")


def example() -> bytes:
    """One table: a number, a string, a list of numbers, and a list of two tables that hold a number each."""
    builder = flatbuffers.Builder(0)
    inner = []
    for number in (7, 8):
        builder.StartObject(1)
        builder.PrependInt32Slot(0, number, 0)
        inner.append(builder.EndObject())
    builder.StartVector(4, 2, 4)
    for table in reversed(inner):
        builder.PrependUOffsetTRelative(table)
    tables = builder.EndVector()
    numbers = builder.CreateNumpyVector(np.array([1, -2, 3], "<i4"))
    text = builder.CreateString("pilöt")
    builder.StartObject(6)
    builder.PrependInt64Slot(0, -5, 0)
    builder.PrependUOffsetTRelativeSlot(1, text, 0)
    builder.PrependUOffsetTRelativeSlot(2, numbers, 0)
    builder.PrependUOffsetTRelativeSlot(3, tables, 0)
    builder.Finish(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


def read_everything(data: bytes) -> list[object]:
    """All that can be asked of a table, of its fields whatever they are, and of the tables in it."""
    root = Table.root(data, b"TEST")
    found: list[object] = [root.number(field, form) for field in range(8) for form in FORMS if field in {0, 5}]
    found += [root.text(1), root.integers(2, 10), [table.number(0) for table in root.tables(3, 10)]]
    inner = root.table(4)
    return [*found, inner.number(0) if inner else None]


def test_what_the_library_wrote_is_read() -> None:
    root = Table.root(example(), b"TEST")
    assert root.number(0, "<q") == -5
    assert root.number(5, default=3) == root.number(99, default=3) == 3
    assert (root.text(1), root.text(4)) == ("pilöt", "")
    assert (root.integers(2, 3), root.integers(4, 3)) == ((1, -2, 3), ())
    assert [table.number(0) for table in root.tables(3, 2)] == [7, 8]
    assert (root.table(4), root.where(4)) == (None, None)


def test_a_list_longer_than_allowed_is_refused() -> None:
    root = Table.root(example(), b"TEST")
    with pytest.raises(FlatbufferError, match="a list has 3 items, at most 2"):
        root.integers(2, 2)
    with pytest.raises(FlatbufferError, match="a list has 2 items, at most 1"):
        root.tables(3, 1)


def test_another_mark_is_refused() -> None:
    with pytest.raises(FlatbufferError, match="the mark TFL3"):
        Table.root(example(), b"TFL3")


def table_of_one(offset: int, size: int = 8) -> bytes:
    """A table of one field, said to lie at `offset` in it, in a table said to be of `size` bytes."""
    return struct.pack("<I4sHHHHiI", 16, b"TEST", 6, size, offset, 0, 8, 99) + bytes(8)


def test_a_field_lies_inside_its_table() -> None:
    assert Table.root(table_of_one(4), b"TEST").number(0) == 99
    for offset, size in ((8, 8), (40, 8), (4, 3), (4, 4)):
        with pytest.raises(FlatbufferError, match="a field lies outside its table"):
            Table.root(table_of_one(offset, size), b"TEST")
    with pytest.raises(FlatbufferError, match="a field lies outside its table"):
        Table.root(table_of_one(6), b"TEST").number(0)


def test_a_string_that_does_not_end_is_refused() -> None:
    data = bytearray(example())
    end = data.index("pilöt".encode()) + len("pilöt".encode())
    data[end] = 1
    with pytest.raises(FlatbufferError, match="a string does not end"):
        Table.root(bytes(data), b"TEST").text(1)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 60)))
def test_any_bytes_give_values_or_the_one_error(noise: bytes, start: int) -> None:
    for data in (noise, struct.pack("<I4s", start, b"TEST") + noise):
        with contextlib.suppress(FlatbufferError):
            assert read_everything(data)


@settings(max_examples=300)
@given(st.data())
def test_any_damage_gives_values_or_the_one_error(draw: st.DataObject) -> None:
    data = bytearray(example())
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(8, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(data)))
    with contextlib.suppress(FlatbufferError):
        assert read_everything(bytes(data[:cut]))
