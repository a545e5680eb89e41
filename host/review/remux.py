"""A video in fragments, as a crash leaves it, copied into an ordinary MP4: the same frames at the same times.

    overlay.mp4  ftyp moov │ moof mdat │ moof mdat │ moof md✂  ──▶  overlay.mp4.part  ftyp mdat moov  ──▶  overlay.mp4

Nothing is decoded but one frame, to know that there is something to see. Needs PyAV.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from host.record.storage import sync_folder
from host.review.demux import open_video

MAX_LOST_BYTES = 16_000_000
"""What a crash may have torn. A video with more that cannot be read has another trouble, and stays as it is."""

Check = Callable[[], None]
"""Called before each frame; may raise to end the work."""


class RemuxError(Exception):
    """A video is better left as it is; the message is one sentence."""


class Length(NamedTuple):
    """What a video holds."""

    frames: int
    duration_s: float


def count(video: Path, check: Check = lambda: None) -> Length:
    """Of a video that may be torn; 0, 0 when not even its first frame can be decoded. Raises OSError."""
    length = Length(0, 0.0)
    try:
        with open_video(video) as source:
            for packet in _packets(source):
                check()
                length = _longer(length, packet)
    except av.FFmpegError as why:
        _let_torn_pass(why)
    return length


def remux(video: Path, part: Path, check: Check = lambda: None) -> Length:
    """Put an ordinary MP4 of the same frames in the video's place, by way of `part`; returns what it holds.

    0, 0 where there is no frame to be had: the video stays. Raises OSError and RemuxError, and what `check` raises: the
    video stays too, and `part` goes.
    """
    try:
        length = _copy(video, part, check)
        if length.frames:
            _swap(part, video, length)
        return length
    finally:
        part.unlink(missing_ok=True)


def _copy(video: Path, part: Path, check: Check) -> Length:
    length, lost_bytes = Length(0, 0.0), video.stat().st_size
    part.unlink(missing_ok=True)
    try:
        with open_video(video) as source, av.open(str(part), "w", format="mp4") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            stream.time_base = source.streams.video[0].time_base
            for packet in _packets(source):
                check()
                length = _longer(length, packet)
                lost_bytes = video.stat().st_size - ((packet.pos or 0) + packet.size)
                packet.stream = stream
                target.mux(packet)
    except av.FFmpegError as why:
        _let_torn_pass(why)
    if length.frames and lost_bytes > MAX_LOST_BYTES:
        raise RemuxError(f"{lost_bytes / 1e6:.0f} MB at its end cannot be read")
    return length


def _swap(part: Path, video: Path, length: Length) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if count(part) != length:
        raise RemuxError("its copy does not hold the same frames")
    part.replace(video)
    sync_folder(video.parent)


def _packets(source: InputContainer) -> Iterator["Packet[VideoStream]"]:
    """The frames from the first one, if that can be decoded, up to where the video is torn."""
    decodes = False
    for packet in source.demux(source.streams.video[0]):
        decodes = decodes or bool(packet.size and packet.decode())
        if not decodes or not _is_whole(packet):
            return
        yield packet


def _longer(length: Length, packet: "Packet[VideoStream]") -> Length:
    assert packet.pts is not None
    return Length(length.frames + 1, float((packet.pts + (packet.duration or 0)) * packet.time_base))


def _let_torn_pass(why: av.FFmpegError) -> None:
    """Data that ends or makes no sense is what a crash leaves; anything else is the disk's. Raises OSError."""
    if not isinstance(why, av.InvalidDataError | av.EOFError):
        raise OSError(why.errno, why.strerror) from why


def _is_whole(packet: "Packet[VideoStream]") -> bool:
    """Whether the frame is all there: its parts, each behind its length in four bytes, end where it ends."""
    if not packet.size or packet.is_corrupt or packet.pts is None:
        return False
    data, at = memoryview(packet), 0
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not size:
            return False
        at += 4 + size
    return at == len(data)
