"""Reels of video files. Decoded in passing, never loaded whole: an index of the times is all that is kept.

Frames go on as JPEGs of a quality that shows no difference, as decoded ones would be 30 times as large on their way to
a worker. Times are the file's own, frame by frame, for any rate, constant or not.
"""

import bisect
import contextlib
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import simplejpeg
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from edge.capture.pictures import MAX_PIXELS, MAX_SIDE
from host.record.session import TICKS_HZ
from host.render.reels import Reel, ReelError, Stretch, fingerprint, state_of
from host.render.scene import Shot
from host.render.segment import Bad
from host.render.times import increasing, steady

QUALITY = 95
DEFAULT_FPS = 25.0
"""Where neither the frames nor the file say."""
AHEAD = 500
"""Frames that are decoded and passed over rather than sought."""


class Stored(NamedTuple):
    """A compressed frame."""

    pts: int | None
    """When it is shown, in the track's units."""
    dts: int | None
    """When it is decoded."""


class ClipReel(Reel):
    """A video file's first picture track."""

    kind = "video"

    def __init__(self, path: Path) -> None:
        """Reads through the file once, decoding nothing. Raises ReelError."""
        self.path = path
        self._container: InputContainer | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = 0
        try:
            self._index()
        except (av.FFmpegError, OSError) as why:
            raise ReelError(f"{path} is no video that can be read: {why.strerror}") from why

    @cached_property
    def identity(self) -> str:
        return fingerprint(self.kind, QUALITY, state_of(self.path))

    def read(self, start: int, stop: int) -> Stretch:
        stretch = Stretch([], [])
        try:
            shown = {index: self._jpeg(frame) for index, frame in self._between(start, stop)}
        except OSError as why:
            raise ReelError(f"{self.path} cannot be read any more: {why.strerror}") from why
        for index in range(start, stop):
            if index in shown:
                stretch.shots.append(Shot(shown[index], index, self.ticks[index]))
            else:
                stretch.missing.append(Bad(index, "it does not decode"))
        return stretch

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self._frames = None, iter(())

    def _index(self) -> None:
        """Find the times of all frames, and check that there is something to show."""
        with _opened(self.path) as container:
            stream = container.streams.video[0]
            side, pixels = max(stream.width, stream.height), stream.width * stream.height
            if side > MAX_SIDE or pixels > MAX_PIXELS:
                raise ReelError(f"{self.path} is too large, at most {MAX_SIDE} pixels a side are shown")
            base = Fraction(stream.time_base or Fraction(1, TICKS_HZ))
            rate = float(stream.average_rate or DEFAULT_FPS)
            promised, reorders = stream.frames, stream.codec_context.has_b_frames
            stored = _stored(container)
        if not stored:
            raise ReelError(f"{self.path} holds no frame that can be shown")
        stamps = _stamps(stored)
        self._stamps = stamps if stamps and _tell_apart(stored, stamps, reorders=reorders) else None
        self.ticks = _ticks(stamps, base) if stamps else steady(len(stored), rate)
        self.skipped = max(0, promised - len(stored))
        self.note = "; ".join(_notes(len(stored), promised, None if stamps else rate))

    def _between(self, start: int, stop: int) -> Iterator[tuple[int, VideoFrame]]:
        """The frames that decode, with their numbers."""
        if not self._next <= start <= self._next + AHEAD or self._container is None:
            self._seek(start)
        while self._next < stop:
            frame = self._decoded()
            if frame is None:
                self._next = len(self.ticks)
                return
            index = self._number(frame)
            self._next = index + 1
            if index >= stop:  # what should be before it is broken; it is wanted later
                self._frames = _again(frame, self._frames)
                self._next = stop
            elif index >= start:
                yield index, frame

    def _number(self, frame: VideoFrame) -> int:
        """Which of the frames this is: by its time, or by counting where times do not tell them apart."""
        if self._stamps is None or frame.pts is None:
            return self._next
        return max(self._next, min(bisect.bisect_left(self._stamps, frame.pts), len(self._stamps) - 1))

    def _decoded(self) -> VideoFrame | None:
        return next(self._frames, None)

    def _seek(self, index: int) -> None:
        """Go to a place from which this frame can be decoded."""
        container = self._rewind()
        if not index or self._stamps is None:
            return
        container.seek(self._stamps[index], backward=True, stream=container.streams.video[0])
        first = self._decoded()
        if first is None or (first.pts or 0) > self._stamps[index]:  # too far: from the beginning then
            self._rewind()
            return
        self._next = self._number(first)
        self._frames = _again(first, self._frames)

    def _rewind(self) -> InputContainer:
        self.close()
        self._container = container = _opened(self.path)
        self._frames, self._next = _decode(container), 0
        return container

    @staticmethod
    def _jpeg(frame: VideoFrame) -> bytes:
        rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        turned: NDArray[np.uint8] = (
            np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90)) if frame.rotation % 360 else rgb
        )
        data: bytes = simplejpeg.encode_jpeg(turned, QUALITY, "RGB", "444")
        return data


def _opened(path: Path) -> InputContainer:
    """Raises av.FFmpegError, and ReelError where there is no picture in it."""
    container = av.open(f"file:{path.absolute()}", metadata_errors="replace")  # never taken for an address
    if not container.streams.video:
        container.close()
        raise ReelError(f"{path} is no video: it has no picture track")
    return container


def _stored(container: InputContainer) -> list[Stored]:
    """The frames in the order they are stored; up to where the file is broken."""
    found: list[Stored] = []
    with contextlib.suppress(av.FFmpegError):
        for packet in container.demux(container.streams.video[0]):
            if packet.size and not packet.is_discard:
                found.append(Stored(packet.pts, packet.dts))  # noqa: PERF401 - those before an error count
    return found


def _stamps(stored: Sequence[Stored]) -> "array[int] | None":
    """When each frame is shown, in that order; None where that is not known of all, or time runs back in the file."""
    shown = sorted(it.pts for it in stored if it.pts is not None)
    decoded = [it.dts for it in stored if it.dts is not None]
    known = len(shown) == len(stored) and all(before <= after for before, after in pairwise(decoded))
    return array("q", shown) if known else None


def _tell_apart(stored: Sequence[Stored], stamps: Sequence[int], *, reorders: bool) -> bool:
    """Whether a frame that was decoded can be known by its time.

    Not where two share one; nor in an AVI with B-frames, where frames have the times of their places in the file.
    """
    guessed = reorders and all(it.pts == stamp for it, stamp in zip(stored, stamps, strict=True))
    return not guessed and all(before < after for before, after in pairwise(stamps))


def _ticks(stamps: Sequence[int], base: Fraction) -> "array[int]":
    return increasing(round((stamp - stamps[0]) * base * TICKS_HZ) for stamp in stamps)


def _notes(frames: int, promised: int, rate: float | None) -> Iterator[str]:
    """rate: instead of times that cannot be believed."""
    if promised > frames:
        yield f"it is cut off: {frames} of {promised} frames are there"
    if rate is not None:
        yield f"its frames have no times, or none in order: they stand at {rate:g} frames/s"


def _decode(container: InputContainer) -> Iterator[VideoFrame]:
    """Every frame that decodes, whatever is broken between."""
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from (frame for frame in packet.decode() if isinstance(frame, VideoFrame))
        except av.FFmpegError:
            continue


def _again(frame: VideoFrame, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    yield frame
    yield from frames
