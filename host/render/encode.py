"""H.264 in pieces that can be joined without encoding again.

    frame, tick ─▶ libx264, one thread ─▶ MP4 in memory: one key frame at its start and one every KEY_FRAME_TICKS

Every piece of a size and quality has the same parameters (SPS, PPS) whatever is in it, starts with a key frame at 0 and
shows its frames in the order they are stored: packets of the next piece follow by adding to their times.
"""

import io

import av
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from host.record.movie import TIME_BASE
from host.record.session import TICKS_HZ
from host.render.scene import SceneError

KEY_FRAME_TICKS = 2 * TICKS_HZ
"""A key frame at least this often, for players to seek to."""

_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency"}
"""Frames leave as they come in, none waits for the next: no look-ahead, no B frames, no adaptive quantization. And all
with one quantizer instead of a rate factor: of one quality, also where pieces meet, and at the same size and error an
eighth of the encoder's time is saved."""
_RATE = 25
"""What x264 is told; times are in the container."""


class Piece:
    """A piece of film being written into memory."""

    def __init__(self, width: int, height: int, qp: int) -> None:
        """Raises SceneError where x264 refuses."""
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp4")
        self._stream = stream = self._container.add_stream("libx264", _RATE, {**_OPTIONS, "qp": f"{qp}"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        stream.time_base = context.time_base = TIME_BASE
        context.thread_count = 1
        context.gop_size = 1_000_000
        # As host/record/movie.py has it: BT.601 matrix, BT.709 primaries, video range.
        context.color_range, context.colorspace = 1, 6
        context.color_primaries, context.color_trc = 1, 1
        self._first = self.last = 0
        """Ticks of the first and the newest frame."""
        self.frames = 0
        self._key_due = 0
        self._held: Packet[VideoStream] | None = None
        try:
            context.open()
        except av.FFmpegError as why:
            raise SceneError(f"a film of {width} x {height} pixels cannot be encoded: {why.strerror}") from why

    def add(self, frame: VideoFrame, tick: int) -> None:
        """The next frame: yuv420p, of the piece's size, later than all before; may be drawn over afterwards."""
        if not self.frames:
            self._first = self._key_due = tick
        frame.pts, frame.time_base = tick - self._first, TIME_BASE
        frame.pict_type = PictureType.NONE
        if tick >= self._key_due:
            frame.pict_type, self._key_due = PictureType.I, tick + KEY_FRAME_TICKS
        self._mux(tick)
        (self._held,) = self._stream.encode(frame)
        self.last = tick
        self.frames += 1

    def close(self, end_tick: int) -> bytes:
        """The MP4, its last frame shown until `end_tick`; empty if there is none."""
        if self.frames:
            self._mux(end_tick)
            self._stream.encode(None)
            self._container.close()
        return self._file.getvalue()

    def _mux(self, next_tick: int) -> None:
        """Write the frame before, now that it is known how long it stands."""
        if self._held is not None:
            self._held.duration = next_tick - self.last
            self._container.mux(self._held)
