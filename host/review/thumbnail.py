"""A small picture of a session: the first key frame of its video that shows something. Needs PyAV."""

import contextlib
import itertools
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from host.record.session import VIDEO
from host.record.storage import read_file, replacing
from host.review.demux import open_video

THUMBNAIL = "thumbnail.jpg"
MAX_BYTES = 1024 * 1024
START, END = b"\xff\xd8", b"\xff\xd9"
"""Of a JPEG."""
WIDTH = 320
TIME_BASE = Fraction(1, 25)
KEY_FRAMES = 10
"""How many are looked at for one that shows something."""
MIN_SPREAD = 40
"""From the darkest to the brightest of a picture that shows something, of 255."""


def thumbnail(folder: Path) -> bytes | None:
    """The session's thumbnail as a JPEG, made when there is none; None while its video has no frame."""
    path = folder / THUMBNAIL
    with contextlib.suppress(OSError):
        known = read_file(path, MAX_BYTES)
        if known.startswith(START) and known.endswith(END):
            return known
    frame = first_good_frame(folder / VIDEO)
    if frame is None:
        return None
    jpeg = _jpeg(frame)
    with contextlib.suppress(OSError), replacing(path) as file:
        file.write(jpeg)
    return jpeg


def first_good_frame(video: Path) -> VideoFrame | None:
    """The first key frame that is not all of one brightness, else the least uniform; None where nothing decodes."""
    best, best_spread = None, -1
    with contextlib.suppress(av.FFmpegError, OSError), open_video(video) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        stream.codec_context.thread_count = 1
        for frame in itertools.islice(container.decode(stream), KEY_FRAMES):
            spread = _spread(frame)
            if spread > best_spread:
                best, best_spread = frame, spread
            if spread >= MIN_SPREAD:
                break
    return best


def _spread(frame: VideoFrame) -> int:
    small = frame.reformat(width=32, height=24, format="gray")
    plane = small.planes[0]
    luma = bytes(plane)
    rows = [luma[row * plane.line_size :][: small.width] for row in range(small.height)]
    return max(map(max, rows)) - min(map(min, rows))


def _jpeg(frame: VideoFrame) -> bytes:
    width = min(WIDTH, frame.width)
    height = max(2, round(frame.height * width / frame.width / 2) * 2)
    picture = frame.reformat(width=width, height=height, format="yuvj420p", dst_color_range="JPEG")
    picture.pts = 0
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = TIME_BASE
    encoder.qmin = encoder.qmax = 4
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
