"""Where frames come from: one small interface, one module per kind of source. What `open_source` takes:

    track, track:NAME           a simulated car on a drawn track; the pilot's steering closes the loop
    picamera2, picamera2:N      the Raspberry Pi camera
    camera:N, camera:ADDRESS    any camera OpenCV can open: a number, /dev/videoN, or a stream's address
    PATH                        a Donkeycar tub (v1 or v2), a folder of images, or a video file

Modules that need OpenCV, picamera2 or the simulator are imported when such a source is asked for.
"""

import math
import re
from pathlib import Path

from edge.capture.source import Frame, Source, SourceError

__all__ = ["Frame", "Source", "SourceError", "open_source"]

SLOWEST_FPS, FASTEST_FPS = 0.2, 1000.0
MAX_SIDE = 16384


def open_source(
    spec: str, *, size: tuple[int, int] | None, fps: float | None, loop: bool = False, realtime: bool = True
) -> Source:
    """The source that `spec` names; entering it opens it.

    size: (width, height) of its frames; None: what the source gives by itself.
    fps: frames per second; None: what was recorded, or the source's default.
    loop, realtime: for recordings, begin again at the end; keep to the rate, or go as fast as frames are asked for.
    Raises SourceError.
    """
    _check(size, fps)
    kind, _, which = spec.partition(":")
    if kind == "track":
        return _track(which, size, fps, realtime=realtime)
    if kind == "picamera2":
        return _picamera(which, size, fps)
    if kind == "camera":
        return _camera(which, size, fps)
    return _recording(spec, size, fps, loop=loop, realtime=realtime)


def _check(size: tuple[int, int] | None, fps: float | None) -> None:
    if size is not None and not all(1 <= side <= MAX_SIDE for side in size):
        raise SourceError(f"size {size[0]} x {size[1]}: each side must be 1 to {MAX_SIDE} pixels")
    if fps is not None and not (math.isfinite(fps) and SLOWEST_FPS <= fps <= FASTEST_FPS):
        raise SourceError(f"fps {fps}: must be {SLOWEST_FPS} to {FASTEST_FPS:g}")


def _track(name: str, size: tuple[int, int] | None, fps: float | None, *, realtime: bool) -> Source:
    from edge.capture.track import TrackSource

    return TrackSource(name or "demo", size=size or (160, 120), fps=fps or 30.0, realtime=realtime)


def _picamera(which: str, size: tuple[int, int] | None, fps: float | None) -> Source:
    from edge.capture.picamera import PicameraSource

    if not re.fullmatch("[0-9]{0,3}", which):
        raise SourceError(f"source 'picamera2:{which}': a camera's number must follow the colon")
    return PicameraSource(int(which or 0), size=size, fps=fps)


def _camera(which: str, size: tuple[int, int] | None, fps: float | None) -> Source:
    from edge.capture.opencv import CameraSource

    if re.fullmatch("[0-9]{0,3}", which):
        return CameraSource(int(which or 0), size=size, fps=fps)
    if not which.startswith("/dev/") and "://" not in which:
        raise SourceError(f"source 'camera:{which}': a number, /dev/videoN or a stream's address must follow the colon")
    return CameraSource(which, size=size, fps=fps)


def _recording(spec: str, size: tuple[int, int] | None, fps: float | None, *, loop: bool, realtime: bool) -> Source:
    from edge.capture.images import ImagesSource
    from edge.capture.opencv import VideoSource
    from edge.capture.tub import TubSource, is_tub

    kind: type[TubSource | ImagesSource | VideoSource]
    try:
        path = Path(spec).expanduser()
        if path.is_char_device():
            return _camera(str(path.absolute()), size, fps)
        if path.is_file():
            kind = VideoSource
        elif path.is_dir() and spec:
            kind = TubSource if is_tub(path) else ImagesSource
        else:
            raise SourceError(f"source {spec[:99]!r} is no file or folder, and none of track, picamera2, camera:N")
    except (OSError, ValueError, RuntimeError) as why:  # not allowed; no possible path; ~nobody
        reason = getattr(why, "strerror", None) or why
        raise SourceError(f"source {spec[:99]!r} cannot be read: {reason}") from why
    return kind(path, size=size, fps=fps, loop=loop, realtime=realtime)
