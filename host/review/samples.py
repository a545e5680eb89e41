"""The frames of an MP4 as its tables tell of them: in the index of the whole, in the fragments, and written anew."""

import struct
from array import array
from itertools import groupby

from host.review.boxes import boxes, find, full_box

MAX_FRAMES = 1 << 20
"""Nine hours at 30 frames/s; a broken file may claim any number."""
NOT_SYNC = 0x10000
"""Flag of a sample that cannot be decoded on its own."""


class Broken(Exception):
    """An index that contradicts itself."""


class Samples:
    """All frames of a video, in order: where their bytes lie and how long they stand."""

    def __init__(self) -> None:
        self.sizes = array("I")
        self.durations = array("I")
        self.syncs = array("I")
        """Numbers of the key frames, from 1."""
        self.chunks: list[tuple[int, int]] = []
        """Runs of frames whose bytes follow each other: offset in the file, count."""

    def __len__(self) -> int:
        return len(self.sizes)

    def check(self) -> None:
        """Raises Broken where the tables do not tell of the same frames."""
        if len(self.durations) != len(self.sizes) or sum(count for _, count in self.chunks) != len(self.sizes):
            raise Broken

    def add_run(self, offset: int, run: list[tuple[int, int, bool]]) -> None:
        """Frames that follow each other: duration, size and whether it is a key frame."""
        for duration, size, sync in run:
            self.durations.append(duration)
            self.sizes.append(size)
            if sync:
                self.syncs.append(len(self.sizes))
        self.chunks.append((offset, len(run)))


def _integers(data: bytes, kind: str, start: int, count: int) -> "array[int]":
    """Big-endian numbers; fewer where the data ends early."""
    values = array(kind)
    width = values.itemsize
    available = max(0, (len(data) - start) // width)
    values.frombytes(data[start : start + min(count, available) * width])
    if struct.pack("=H", 1) != struct.pack(">H", 1):
        values.byteswap()
    return values


def _table(stbl: bytes, kind: bytes, columns: int, number: str = "I") -> "array[int]":
    """The numbers of a table box that begins with a count of its rows."""
    data = find(stbl, kind)
    if data is None or len(data) < 8:
        return array(number)
    (rows,) = struct.unpack_from(">I", data, 4)
    return _integers(data, number, 8, rows * columns)


def _check_possible(count: int) -> None:
    if count > MAX_FRAMES:
        raise Broken


def read_table(stbl: bytes, samples: Samples) -> None:
    """Sample tables of a moov: all frames of a closed video, the first fragment's of one being written."""
    sizes = find(stbl, b"stsz") or bytes(12)
    fixed, count = struct.unpack_from(">II", sizes, 4)
    _check_possible(count)
    samples.sizes.extend(array("I", [fixed]) * count if fixed else _integers(sizes, "I", 12, count))
    times = _table(stbl, b"stts", 2)
    for run, duration in zip(times[::2], times[1::2], strict=False):
        _check_possible(len(samples.durations) + run)
        samples.durations.extend(array("I", [duration]) * run)
    samples.syncs.extend(_table(stbl, b"stss", 1))
    offsets = _table(stbl, b"stco", 1) or _table(stbl, b"co64", 1, "Q")
    _check_possible(len(offsets))
    runs = _table(stbl, b"stsc", 3)
    firsts = [*runs[::3], len(offsets) + 1]
    for index, per_chunk in enumerate(runs[1::3]):
        for chunk in range(firsts[index], min(firsts[index + 1], len(offsets) + 1)):
            samples.chunks.append((offsets[chunk - 1], per_chunk))
    samples.check()


def read_fragment(traf: bytes, moof_at: int, samples: Samples) -> None:
    """The frames of one track fragment (ISO/IEC 14496-12, 8.8.7 and 8.8.8)."""
    header = find(traf, b"tfhd") or bytes(8)
    flags, fields = _flags(header), _Fields(header, 8)
    base = fields.take(flags & 1, ">Q", moof_at)
    fields.take(flags & 2, ">I", 0)
    duration = fields.take(flags & 8, ">I", 0)
    size = fields.take(flags & 0x10, ">I", 0)
    default = fields.take(flags & 0x20, ">I", 0)
    for one in boxes(traf):
        if one.kind == b"trun":
            _read_run(traf[one.body : one.end], base, (duration, size, default), samples)


def _read_run(trun: bytes, base: int, defaults: tuple[int, int, int], samples: Samples) -> None:
    flags, (count,), fields = _flags(trun), struct.unpack_from(">I", trun, 4), _Fields(trun, 8)
    offset = base + fields.take(flags & 1, ">i", 0)
    first = fields.take(flags & 4, ">I", defaults[2])
    _check_possible(len(samples) + count)
    run = []
    for index in range(count):
        duration = fields.take(flags & 0x100, ">I", defaults[0])
        size = fields.take(flags & 0x200, ">I", defaults[1])
        own = fields.take(flags & 0x400, ">I", defaults[2] if index else first)
        fields.take(flags & 0x800, ">I", 0)
        run.append((duration, size, not own & NOT_SYNC))
    samples.add_run(offset, run)


def _flags(full: bytes) -> int:
    return int.from_bytes(full[1:4], "big")


class _Fields:
    """Reads optional fields one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, present: int, kind: str, otherwise: int) -> int:
        """The next field if it is there, else what counts without it."""
        if not present:
            return otherwise
        (value,) = struct.unpack_from(kind, self._data, self._at)
        self._at += struct.calcsize(kind)
        return int(value)


def tables(samples: Samples, shift: int) -> list[bytes]:
    times = b"".join(struct.pack(">II", len(list(run)), value) for value, run in groupby(samples.durations))
    counts = [count for _, count in samples.chunks]
    runs = b"".join(
        struct.pack(">III", at + 1, count, 1) for at, count in enumerate(counts) if at == 0 or counts[at - 1] != count
    )
    offsets = struct.pack(f">{len(counts)}Q", *(offset + shift for offset, _ in samples.chunks))
    sizes = struct.pack(f">{len(samples)}I", *samples.sizes)
    syncs = struct.pack(f">{len(samples.syncs)}I", *samples.syncs)
    return [
        full_box(b"stts", struct.pack(">I", len(times) // 8), times),
        full_box(b"stss", struct.pack(">I", len(samples.syncs)), syncs),
        full_box(b"stsc", struct.pack(">I", len(runs) // 12), runs),
        full_box(b"stsz", struct.pack(">II", 0, len(samples)), sizes),
        full_box(b"co64", struct.pack(">I", len(counts)), offsets),
    ]
