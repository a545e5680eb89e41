"""A session's video as a browser can play it, also while it is being written and when it was torn.

    being written:  ftyp moov mdat │ moof mdat │ moof mdat │ …      an index per half second, none of the whole
    as served:      ftyp MOOV │ mdat( the same bytes )              one index in front; nothing is copied

A browser finds its way through fragments by reading all of them; with one index it knows the length and seeks at once.
A closed video is served as it is. Only what host/record/movie.py writes is understood; what is not is served as it is.
"""

import os
import struct
from array import array
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NamedTuple

from host.record.session import TICKS_HZ
from host.record.storage import open_to_read
from host.review.boxes import MAX_BOX_BYTES, Box, box, box_at, boxes, find
from host.review.samples import Broken, Samples, read_fragment, read_table, tables

MAX_TICKS = (1 << 63) - 1
"""What any number of ticks fits in."""


class FilmError(Exception):
    """It is no video that was recorded here, or holds nothing that can be shown yet; one sentence for a person."""


class Version(NamedTuple):
    """A video as of one moment: `head`, then the first `size_bytes` bytes of the file."""

    head: bytes
    """Empty: the file is an ordinary video."""
    size_bytes: int
    etag: str


class Film:
    """One video file, read as far as it is written. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        """Nothing is read before `refresh`."""
        self._path = path
        self._samples = Samples()
        self._moov = b""
        self._start = b""
        """The file up to its moov; closing it puts something else there."""
        self._scanned = 0
        """All boxes before this offset are known."""
        self._fragments = 0
        self._timescale = TICKS_HZ
        self._versions: dict[str, Version] = {}
        self._known: tuple[int, int] | None = None

    def __len__(self) -> int:
        """How many frames."""
        return len(self._samples)

    @property
    def torn(self) -> bool:
        """It is being written, or was left without an index of the whole."""
        return self._fragments > 0

    @property
    def ticks(self) -> "array[int]":
        """When each frame stands, in 1/90000 s."""
        starts = accumulate(self._samples.durations, initial=0)
        return array(
            "q", (start * TICKS_HZ // self._timescale for start, _ in zip(starts, self._samples.sizes, strict=False))
        )

    @property
    def end_tick(self) -> int:
        """When the last frame ends."""
        return sum(self._samples.durations) * TICKS_HZ // self._timescale

    @property
    def version(self) -> str:
        """Names the video as it is now; `at` still has it when there is more."""
        return next(reversed(self._versions))

    def at(self, version: str) -> Version:
        """The video as it was at that version, if it is still known; else as it is now."""
        return self._versions.get(version) or self._versions[self.version]

    def refresh(self) -> None:
        """Read what was added since. Raises FilmError."""
        session = self._path.parent.name
        try:
            self._read_on()
        except OSError as why:
            raise FilmError(f"The video of {session} cannot be read: {why.strerror}.") from why
        except (struct.error, Broken) as why:
            self._forget()
            raise FilmError(f"The video of {session} is broken: its index makes no sense.") from why
        if not self._samples:
            raise FilmError(f"The video of {session} holds no picture that can be shown.")

    def _read_on(self) -> None:
        with open_to_read(self._path) as file:
            state = os.fstat(file.fileno())
            now = state.st_size, state.st_mtime_ns
            if now == self._known:
                return
            if self.torn and os.pread(file.fileno(), len(self._start), 0) != self._start:
                self._forget()  # it was closed meanwhile: the index is at its end now
            self._scan(file, state.st_size)
        if self._samples:
            self._known = now
            self._note_version(state)

    def _forget(self) -> None:
        self._samples, self._moov, self._scanned, self._fragments, self._known = Samples(), b"", 0, 0, None

    def _scan(self, file: BinaryIO, size: int) -> None:
        while (at := box_at(file, self._scanned)) and at.end <= size:
            if at.kind == b"moov":
                self._start = os.pread(file.fileno(), at.body, 0)
                self._read_moov(_read(file, at))
            elif at.kind == b"moof":
                following = box_at(file, at.end)
                if following is None or following.kind != b"mdat" or following.end > size:
                    return  # its pictures are not there yet
                self._read_moof(_read(file, at), at)
            self._scanned = at.end

    def _read_moov(self, data: bytes) -> None:
        self._moov = data
        table = find(data, b"moov", b"trak", b"mdia", b"minf", b"stbl")
        header = find(data, b"moov", b"trak", b"mdia", b"mdhd")
        if table is None or header is None:
            raise Broken
        (self._timescale,) = struct.unpack_from(">I", header, 20 if header[0] else 12)
        if not self._timescale:
            raise Broken
        read_table(table, self._samples)

    def _read_moof(self, data: bytes, at: Box) -> None:
        self._fragments += 1
        track = find(data, b"moof", b"traf")
        if track is not None:
            read_fragment(track, at.start, self._samples)

    def _note_version(self, state: os.stat_result) -> None:
        if self.end_tick > MAX_TICKS:
            raise Broken
        size = self._scanned if self.torn else state.st_size
        head = _head(self._moov, self._samples, self._timescale, size) if self.torn else b""
        name = f"{state.st_ino:x}-{size:x}-" + ("open" if self.torn else f"{state.st_mtime_ns:x}")
        self._versions.pop(name, None)
        self._versions[name] = Version(head, size, f'"{name}"')
        while len(self._versions) > 3:
            del self._versions[next(iter(self._versions))]


def _read(file: BinaryIO, at: Box) -> bytes:
    return os.pread(file.fileno(), min(at.end - at.start, MAX_BOX_BYTES), at.start)


def _head(moov: bytes, samples: Samples, timescale: int, size: int) -> bytes:
    """ftyp, an index of all frames, and the start of an mdat that holds the file's first `size` bytes."""
    ftyp = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    start = len(ftyp) + len(_indexed(moov, samples, timescale, 0)) + 16
    return ftyp + _indexed(moov, samples, timescale, start) + struct.pack(">I4sQ", 1, b"mdat", 16 + size)


def _indexed(moov: bytes, samples: Samples, timescale: int, shift: int) -> bytes:
    """The moov anew, with tables of all frames and every offset `shift` further."""
    ticks = sum(samples.durations)
    (movie_scale,) = struct.unpack_from(">I", find(moov, b"moov", b"mvhd") or bytes(24), 12)
    movie_ticks = ticks * movie_scale // timescale

    def rebuild(data: bytes) -> bytes:
        made = []
        for one in boxes(data):
            body = data[one.body : one.end]
            if one.kind in (b"trak", b"mdia", b"minf"):
                made.append(box(one.kind, rebuild(body)))
            elif one.kind == b"stbl":
                made.append(box(b"stbl", box(b"stsd", find(body, b"stsd") or b""), *tables(samples, shift)))
            elif one.kind in _LENGTHS:
                made.append(box(one.kind, _with_length(one.kind, body, ticks if one.kind == b"mdhd" else movie_ticks)))
            elif one.kind not in (b"mvex", b"udta", b"edts"):
                made.append(data[one.start : one.end])
        return b"".join(made)

    return box(b"moov", rebuild(find(moov, b"moov") or b""))


_LENGTHS = {b"mvhd": 16, b"tkhd": 20, b"mdhd": 16}
"""Where a header of version 0 says how long it all lasts."""


def _with_length(kind: bytes, body: bytes, ticks: int) -> bytes:
    at = _LENGTHS[kind]
    return body[:at] + struct.pack(">I", min(ticks, 0xFFFFFFFF)) + body[at + 4 :]
