"""The film of a session, read frame by frame: also while it is being recorded, and up to where a crash tore it.

    overlay.mp4 ──seek──▶ key frame at or before `start` ──▶ pieces (packets) ──decode──▶ frames, from `start` to `stop`

Every piece knows how long it stands: until the next one, but no longer than the span, and no longer than a second where
the link was gone.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from host.record.movie import TIME_BASE
from host.record.session import TICKS_HZ
from host.review.demux import open_video
from host.review.export.source import ExportError, Span

MAX_HOLD = TICKS_HZ
"""The longest a last frame stands, in ticks."""
FilmPacket: TypeAlias = "Packet[VideoStream]"
log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """One compressed frame. Those before the span's start are only there to decode the others."""

    packet: FilmPacket
    tick: int
    hold: int
    """How long it stands, in ticks."""


class Shown(NamedTuple):
    """One frame as a picture."""

    picture: VideoFrame
    tick: int
    hold: int


class Film:
    """An open overlay.mp4; one thread at a time. Raises ExportError where nothing can be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = contextlib.ExitStack()
        self._container: InputContainer
        self.stream: VideoStream
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures."""
        return self.stream.codec_context.width, self.stream.codec_context.height

    @property
    def end(self) -> int:
        """Where it ends, in ticks, as far as its header knows; 0 where that says nothing."""
        duration, base = self.stream.duration, self.stream.time_base
        return round(duration * base * TICKS_HZ) if duration and base else 0

    def last_tick(self) -> int | None:
        """The newest frame's place; None for a film without frames."""
        self._seek(max(0, self.end - 2 * TICKS_HZ))
        return max((tick for _, tick in self._packets()), default=None)

    def pieces(self, span: Span) -> Iterator[Piece]:
        """The packets of a span in their order, led by what is needed to decode the first of them."""
        self._seek(span.start)
        waiting: tuple[FilmPacket, int] | None = None
        for packet, tick in self._from_key(span):
            if waiting is not None:
                yield Piece(*waiting, min(tick - waiting[1], span.stop - waiting[1], MAX_HOLD))
            waiting = packet, tick
            if tick >= span.stop:
                return
        if waiting is not None:
            packet, tick = waiting
            yield Piece(packet, tick, min(packet_ticks(packet), span.stop - tick, MAX_HOLD))

    def frames(self, span: Span) -> Iterator[Shown]:
        """The pictures of a span; what does not decode is left out, up to the next key frame."""
        broken = True
        for piece in self.pieces(span):
            broken = broken and not piece.packet.is_keyframe
            if broken:
                continue
            try:
                pictures = piece.packet.decode()
            except av.FFmpegError as why:
                log.debug("%s: the frame at tick %d does not decode: %s", self._path, piece.tick, why)
                broken = True
                continue
            if piece.tick >= span.start:
                yield from (Shown(picture, piece.tick, piece.hold) for picture in pictures[:1])

    def _from_key(self, span: Span) -> Iterator[tuple[FilmPacket, int]]:
        """All packets from the key frame that the span's first one needs; none where nothing is in the span."""
        group: list[tuple[FilmPacket, int]] = []
        packets = self._packets()
        for packet, tick in packets:
            if packet.is_keyframe:
                group = []
            group.append((packet, tick))
            if tick >= span.start:
                break
        else:
            return
        if tick < span.stop:
            yield from group
            yield from packets

    def _packets(self) -> Iterator[tuple[FilmPacket, int]]:
        """Packets and their ticks from where the file stands up to its end, or to where it is torn."""
        with contextlib.suppress(av.FFmpegError):
            for packet in self._container.demux(self.stream):
                if packet.is_corrupt:
                    return
                if packet.size and packet.pts is not None:
                    yield packet, round(packet.pts * packet.time_base * TICKS_HZ)

    def _seek(self, tick: int) -> None:
        """Go to a key frame at or before `tick`; where the file cannot be searched, to its start."""
        assert self.stream.time_base is not None
        place = int(TIME_BASE * tick / self.stream.time_base)
        for target in (place, 0):
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(target, stream=self.stream)
                first = next(iter(self._packets()), None)
                if first is not None and first[1] <= tick:
                    self._container.seek(target, stream=self.stream)
                    return
        self._opened.close()
        self._open()

    def _open(self) -> None:
        try:
            self._container = self._opened.enter_context(open_video(self._path))
        except (av.FFmpegError, OSError) as why:
            raise ExportError(f"the film {self._path} cannot be read: {why.strerror}") from why
        self.stream = self._container.streams.video[0]
        self.stream.codec_context.thread_count = 1
        self.stream.codec_context.options = {"err_detect": "explode"}


def packet_ticks(packet: FilmPacket) -> int:
    """How long a packet says it stands, in ticks."""
    return max(1, round((packet.duration or 0) * packet.time_base * TICKS_HZ))
