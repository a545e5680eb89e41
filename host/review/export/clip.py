"""MP4: exactly the frames of the span, the first one at 0, as H.264 that plays everywhere (yuv420p, index in front).

    span starts at a key frame     the packets as they are: nothing is lost, and an hour takes seconds
    span starts between two        drawn anew: one frame in, one frame out, each at its own time

A frame that does not decode is left out; the times of the others stay.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from host.record.movie import TIME_BASE, as_os_error
from host.review.export.film import Film, FilmPacket
from host.review.export.formats import Written
from host.review.export.source import ExportError, Progress, Source, Span

MUXER = {"movflags": "faststart"}
ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "18"}
"""Hardly to be told from what was recorded; every picture leaves the encoder before the next one goes in."""
KEY_FRAME_EVERY = 60

Placed = Iterator[tuple[FilmPacket, int, int]]
"""Packets, where they stand by the film's clock and for how long, in ticks."""


def write(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    """See formats.py."""
    with Film(source.video) as film:
        pieces = film.pieces(span)
        first = next(pieces, None)
        if first is None:
            raise source.nothing(span, film.last_tick())
        with _writing(path, source.notes.title or source.name) as container:
            if first.tick >= span.start:
                stream = container.add_stream_from_template(film.stream)
                placed: Placed = itertools.chain([first], pieces)
                placed = placed if source.whole else _sound(placed)
            else:
                stream = _encoder(container, film)
                placed = _drawn(film, stream, span)
            frames = _mux(container, stream, placed, lambda tick: progress(span.done(tick, film.end)))
        if not frames:
            raise ExportError(f"no frame of {source.name} decodes in this part: choose another one")
        return Written(frames)


@contextlib.contextmanager
def _writing(path: Path, title: str) -> Iterator[OutputContainer]:
    """An MP4 to be filled; raises OSError for what the disk says."""
    with as_os_error(), av.open(str(path), "w", format="mp4", options=MUXER) as container:
        container.metadata["title"] = title
        yield container


def _mux(container: OutputContainer, stream: VideoStream, placed: Placed, reach: Callable[[int], None]) -> int:
    """Write packets, the first one at 0; how many there were."""
    frames, zero = 0, None
    for packet, tick, hold in placed:
        zero = tick if zero is None else zero
        packet.stream, packet.time_base = stream, TIME_BASE
        packet.pts = packet.dts = tick - zero
        packet.duration = hold
        container.mux(packet)
        frames += 1
        reach(tick)
    return frames


def _sound(placed: Placed) -> Placed:
    """Up to the first packet that does not decode: nobody closed this file."""
    with contextlib.suppress(av.FFmpegError):
        for one in placed:
            one[0].decode()
            yield one


def _drawn(film: Film, stream: VideoStream, span: Span) -> Placed:
    for shown in film.frames(span):
        picture = shown.picture.reformat(format="yuv420p")
        picture.pts, picture.time_base, picture.pict_type = shown.tick, TIME_BASE, PictureType.NONE
        for packet in stream.encode(picture):
            yield packet, shown.tick, shown.hold


def _encoder(container: OutputContainer, film: Film) -> VideoStream:
    """A stream of pictures as large and of the same colours as the film's."""
    stream = container.add_stream("libx264", rate=30, options=ENCODER)
    stream.width, stream.height = film.size
    stream.pix_fmt = "yuv420p"
    made, found = stream.codec_context, film.stream.codec_context
    stream.time_base = made.time_base = TIME_BASE
    made.thread_count, made.gop_size = 1, KEY_FRAME_EVERY
    made.color_range, made.colorspace = found.color_range, found.colorspace
    made.color_primaries, made.color_trc = found.color_primaries, found.color_trc
    return stream
