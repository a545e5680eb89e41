"""What OpenCV opens: cameras, and video files.

A camera is a number, a device file or an address that FFmpeg reads (http://…/stream.mjpg, rtsp://…, udp://…). No read
of one lasts longer than 5 s: V4L2 and FFmpeg are told so, AVFoundation gives up after 1 s by itself.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.label import label
from edge.capture.pace import PATIENCE_S, Pacer, captured_ns
from edge.capture.pictures import MAX_SIDE, fit
from edge.capture.source import Frame, Source, SourceError

SLOWEST_FPS, FASTEST_FPS, DEFAULT_FPS = 0.2, 240.0, 25.0
"""A container's rate outside these bounds, or none, is taken for DEFAULT_FPS."""

MAX_BROKEN = 100
"""Where a video should go on, this many reads in a row may fail before it is taken to have ended."""

COUNTED = {".mp4", ".m4v", ".mov", ".avi"}
"""Containers that say how many frames they hold; others have it guessed from their length."""


class CameraSource(Source):
    """Any camera OpenCV can open, at its own pace; frames are resized to `size` where it has no such size."""

    def __init__(self, address: int | str, *, size: tuple[int, int] | None = None, fps: float | None = None) -> None:
        self.name = label("camera", re.sub(r"//[^/@]*@", "//", str(address)))
        self._address = address
        self._size = size
        self._fps = fps
        self._capture: cv2.VideoCapture | None = None

    @property
    def _streamed(self) -> bool:
        return "://" in str(self._address)

    def __enter__(self) -> Self:
        with _quietly():
            self._capture = self._open()
        if not self._capture.isOpened():
            raise SourceError(f"{self.name} cannot be opened: check that it is there and no other program uses it")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _release(self._capture)
        self._capture = None

    def read(self) -> Frame:
        image = _read(self._capture)
        if image is None:
            raise SourceError(f"{self.name} is gone: it gave no frame")
        return Frame(fit(image, self._size), captured_ns(self._stamp_ns()))

    def _open(self) -> cv2.VideoCapture:
        if self._streamed:
            ms = int(PATIENCE_S * 1000)
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, ms]
            return cv2.VideoCapture(str(self._address), cv2.CAP_FFMPEG, limits)
        capture = cv2.VideoCapture(self._address, _backend())
        # The pixel format decides which sizes and rates there are, so it goes first. A camera may refuse any of these.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if self._size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        if self._fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self._fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def _stamp_ns(self) -> float | None:
        """V4L2 stamps its buffers on the monotonic clock; what others give as a position is no clock."""
        if self._capture is None or self._streamed or _backend() != cv2.CAP_V4L2:
            return None
        stamp_ms: float = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return stamp_ms * 1e6


class VideoSource(Source):
    """A video file; `captured_ns` is when a frame is handed out, rotation follows the file's own word.

    OpenCV passes over frames that do not decode without a word. They are counted in `skipped` at the end of the first
    pass, as what the file says it holds less what came out, where the container keeps that number.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        loop: bool = False,
        realtime: bool = True,
    ) -> None:
        """`size` (width, height) is what frames are resized to; `fps` counts instead of the recorded rate."""
        self.name = label("video", path.name)
        self._path = path.absolute()  # never taken for an address
        self._size = size
        self._fps = fps
        self._loop = loop
        self._realtime = realtime
        self._capture: cv2.VideoCapture | None = None
        self._pacer = Pacer(None)
        self._shown = 0
        self._counted = False

    def __enter__(self) -> Self:
        self.skipped, self._counted = 0, False
        self._open()
        self._pacer = Pacer((self._fps or self._recorded_fps()) if self._realtime else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _release(self._capture)
        self._capture = None

    def read(self) -> Frame | None:
        image = self._next()
        if image is None and self._loop and self._shown:
            self._open()
            image = self._next()
        if image is None and not self._shown:
            raise SourceError(f"{self.name} holds no frame that can be shown")
        return None if image is None else Frame(fit(image, self._size), self._pacer.wait())

    def _next(self) -> NDArray[np.uint8] | None:
        """The next frame that decodes; None at the end, and from then on."""
        expected = self._get(cv2.CAP_PROP_FRAME_COUNT)
        for _ in range(MAX_BROKEN):
            image = _read(self._capture)
            if image is not None:
                self._shown += 1
                return image
            if self._shown >= expected:
                break
        self._count_skipped()
        _release(self._capture)
        self._capture = None
        return None

    def _open(self) -> None:
        with _quietly():
            self._capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{self._path} is not a video that OpenCV can read")
        if max(self._get(cv2.CAP_PROP_FRAME_WIDTH), self._get(cv2.CAP_PROP_FRAME_HEIGHT)) > MAX_SIDE:
            raise SourceError(f"{self._path} is too large, at most {MAX_SIDE} pixels a side are shown")
        self._shown = 0

    def _get(self, what: int) -> float:
        value: float = self._capture.get(what) if self._capture is not None else 0.0
        return value

    def _recorded_fps(self) -> float:
        fps = self._get(cv2.CAP_PROP_FPS)
        return fps if SLOWEST_FPS <= fps <= FASTEST_FPS else DEFAULT_FPS

    def _count_skipped(self) -> None:
        if not self._counted and self._path.suffix.lower() in COUNTED:
            self.skipped = max(0, int(self._get(cv2.CAP_PROP_FRAME_COUNT)) - self._shown)
        self._counted = True


def _backend() -> int:
    """OpenCV's own for this system: asked for by name it does not try, and complain about, all the others."""
    backends: dict[str, int] = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION}
    return backends.get(sys.platform, cv2.CAP_ANY)


def _read(capture: cv2.VideoCapture | None) -> NDArray[np.uint8] | None:
    """uint8 (H, W, 3), red first; None where there is no frame."""
    if capture is None:
        return None
    with _quietly():
        read, image = capture.read()
    if not read or image is None:
        return None
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)
    return rgb


def _release(capture: cv2.VideoCapture | None) -> None:
    if capture is not None:
        with contextlib.suppress(cv2.error):
            capture.release()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """OpenCV and FFmpeg write what they think to stderr; what matters of it we say ourselves."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, at the first FFmpeg capture
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(int(PATIENCE_S)))  # read once, like it
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
