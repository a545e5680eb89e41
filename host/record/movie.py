"""The film of a recording: JPEGs, each with the time it stands at, as H.264 in an MP4.

    JPEG ──read──▶ picture ──fit──▶ yuv420p, one size ──libx264──▶ fragments of half a second ──close──▶ ordinary MP4

This module needs PyAV, which costs some 20 MB of memory: import it where a film is made, not where one might be.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from host.record.session import TICKS_HZ
from host.record.storage import sync_data

KEY_FRAME_TICKS = TICKS_HZ
"""A key frame at least this often: how far a player seeks, and what a torn fragment can spoil."""
MUXER = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "flush_packets": "1"}
"""Fragments of half a second, each written as soon as it is full."""
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
MIN_SIDE_PIXELS, MAX_SIDE_PIXELS = 16, 4096
MAX_PIXELS = 1 << 22
TIME_BASE = Fraction(1, TICKS_HZ)


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """Spare who records knowing PyAV's errors, half of which are OSErrors anyway."""
    try:
        yield
    except av.FFmpegError as why:
        raise OSError(why.errno, why.strerror) from why


class _File(io.FileIO):
    """A file that is opened, written and closed by Python, which lets other threads go on meanwhile.

    PyAV opens its own with the interpreter held: a disk that takes its time would stop the whole process.
    """

    def write(self, data: Any) -> int:
        """All of it: the muxer takes part of it for all. Raises OSError.

        It goes back once, to call the fragments one film: only when all that this film is made of is on the disk.
        """
        if self.tell() < os.fstat(self.fileno()).st_size:
            sync_data(self.fileno())
        left = memoryview(data)
        while left:
            left = left[super().write(left) or 0 :]
        return len(data)


class Movie:
    """An MP4 being written, of JPEGs at their own times.

    The first picture sets the size, made even by black edges; pictures of other sizes are fitted into it. Writing and
    leaving raise OSError when the file cannot be written; what was written before stays playable.
    """

    def __init__(self, path: Path) -> None:
        self.size: tuple[int, int] | None = None
        """Width and height of the video, once there is a picture."""
        self._path = path
        self._decoder = av.CodecContext.create("mjpeg", "r")
        self._decoder.thread_count = 1
        self._decoder.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
        self._first: tuple[int, int] | None = None
        self._fits: tuple[int, int, str] | None = None
        self._fit: Graph
        self._file: _File
        self._container: OutputContainer
        self._stream: VideoStream
        self._key_due = 0

    def __enter__(self) -> Self:
        return self

    @as_os_error()
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn the fragments into an ordinary MP4; after an error leave them as they are, if need be."""
        if self.size is None:
            return
        failures = () if error is None else (av.FFmpegError, OSError)
        with contextlib.closing(self._file), contextlib.suppress(*failures), self._container as container:
            container.mux(self._stream.encode(None))

    def read(self, jpeg: bytes) -> VideoFrame | None:
        """Decode a picture; None for bytes that are no JPEG, or one too large to be recorded."""
        if not jpeg:  # would put the decoder at its end for good
            return None
        try:
            pictures = self._decoder.decode(av.Packet(jpeg))
        except av.FFmpegError:
            return None
        if not pictures or max(pictures[0].width, pictures[0].height) > MAX_SIDE_PIXELS:
            return None
        return pictures[0]

    @as_os_error()
    def write(self, picture: VideoFrame, tick: int, interval: int) -> None:
        """Add a picture, later than all before; `interval` is how long it stands should it be the last."""
        frame = self._fitted(picture)
        if self.size is None:
            self._open(frame.width, frame.height)
        frame.pts, frame.time_base = tick, TIME_BASE
        frame.pict_type = PictureType.NONE
        if tick + interval > self._key_due:
            frame.pict_type, self._key_due = PictureType.I, tick + KEY_FRAME_TICKS
        for packet in self._stream.encode(frame):
            packet.duration = interval
            self._container.mux(packet)

    def _fitted(self, picture: VideoFrame) -> VideoFrame:
        fits = (picture.width, picture.height, picture.format.name)
        self._first = self._first or fits[:2]
        if fits != self._fits:
            self._fit, self._fits = _fit(picture, *self._first), fits
        picture.pts, picture.time_base = 0, TIME_BASE
        self._fit.vpush(picture)
        return self._fit.vpull()

    def _open(self, width: int, height: int) -> None:
        self._file = _File(self._path, "w")
        container = av.open(self._file, "w", format="mp4", options=MUXER)
        stream = container.add_stream("libx264", rate=30, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 10_000
        # The colours of a JPEG (BT.601 matrix, BT.709 primaries) in video range.
        stream.codec_context.color_range, stream.codec_context.colorspace = 1, 6
        stream.codec_context.color_primaries, stream.codec_context.color_trc = 1, 1
        self._container, self._stream, self.size = container, stream, (width, height)


def _fit(picture: VideoFrame, width: int, height: int) -> Graph:
    """A filter from pictures like this one to yuv420p in video range, within width by height, sides made even."""
    graph = Graph()
    if hasattr(graph, "threads"):  # absent before PyAV 17
        graph.threads = 1
    wide, high = (max(MIN_SIDE_PIXELS, side + side % 2) for side in (width, height))
    matrix = "in_color_matrix=bt601:out_color_matrix=bt601:in_range=pc:out_range=tv"
    graph.link_nodes(
        graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=TIME_BASE),
        graph.add("scale", f"{width}:{height}:force_original_aspect_ratio=decrease:{matrix}"),
        graph.add("pad", f"{wide}:{high}:(ow-iw)/2:(oh-ih)/2"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph
