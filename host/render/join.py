"""Pieces to a film by stream copy: not one picture is encoded again, and each stands at its own time to the tick."""

import contextlib
import io
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from host.record.movie import TIME_BASE, as_os_error
from host.record.session import TICKS_HZ
from host.render.error import RenderError
from host.render.segment import Rendered

MUXER = {"movflags": "+faststart", "video_track_timescale": str(TICKS_HZ)}


class JoinError(RenderError):
    """Pieces do not make a film; the message is one sentence for a person."""


class Joined:
    """A film being written beside its place, which it takes when `finish` is reached."""

    def __init__(self, path: Path) -> None:
        self.first_tick = 0
        """Where the film's first frame stands in its source."""
        self.end_tick = 0
        """Where its last one ends."""
        self.frames = 0
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._container: OutputContainer | None = None
        self._stream: VideoStream
        self._head: bytes | None = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind that is not finished."""
        if self._container is not None:
            with contextlib.suppress(av.FFmpegError):
                self._container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    @as_os_error()
    def add(self, piece: Rendered) -> None:
        """The next piece. Raises JoinError, OSError."""
        if not piece.rows:
            return
        with av.open(io.BytesIO(piece.video), "r") as source:
            stream = source.streams.video[0]
            if self._container is None:
                self._container = self._open(stream)
                self.first_tick = piece.start_tick
            if stream.codec_context.extradata != self._head or stream.time_base != TIME_BASE:
                raise JoinError(
                    f"the pieces of {self._path} were encoded differently: remove {self._path.parent}/.render"
                )
            for packet in source.demux(stream):
                if packet.dts is not None:
                    self._copy(self._container, packet, piece.start_tick - self.first_tick)
        self.end_tick = piece.end_tick

    @as_os_error()
    def finish(self) -> None:
        """Close the file, see it to the disk and put it in its place. Raises OSError."""
        container, self._container = self._container, None
        assert container is not None, "a film of no frames"
        container.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)

    def _open(self, like: VideoStream) -> OutputContainer:
        container = av.open(f"file:{self._part.absolute()}", "w", format="mp4", options=MUXER)
        self._stream = container.add_stream_from_template(like)
        self._stream.time_base = TIME_BASE
        self._head = like.codec_context.extradata
        return container

    def _copy(self, container: OutputContainer, packet: "av.Packet[VideoStream]", later: int) -> None:
        packet.pts, packet.dts = (packet.pts or 0) + later, (packet.dts or 0) + later
        packet.stream = self._stream
        container.mux(packet)
        self.frames += 1
