"""The Raspberry Pi camera, through picamera2 (0.3.22 or newer).

One request per frame, copied and released at once. Asked for is BGR888, which is red first in memory: picamera2 names
formats from the other end. A camera without it grants another format, and that is converted.
"""

import contextlib
import importlib
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.label import label
from edge.capture.pace import PATIENCE_S, captured_ns
from edge.capture.pictures import fit
from edge.capture.source import Frame, Source, SourceError

CONVERSIONS: dict[str, int | None] = {
    "BGR888": None,
    "RGB888": cv2.COLOR_BGR2RGB,
    "XBGR8888": cv2.COLOR_RGBA2RGB,
    "XRGB8888": cv2.COLOR_BGRA2RGB,
    "NV12": cv2.COLOR_YUV2RGB_NV12,
    "NV21": cv2.COLOR_YUV2RGB_NV21,
    "YUV420": cv2.COLOR_YUV2RGB_I420,
    "YVU420": cv2.COLOR_YUV2RGB_YV12,
    "YUYV": cv2.COLOR_YUV2RGB_YUYV,
    "YVYU": cv2.COLOR_YUV2RGB_YVYU,
    "UYVY": cv2.COLOR_YUV2RGB_UYVY,
    "MJPEG": None,
}
"""Formats by picamera2's names, and what turns the arrays it makes of them into RGB."""

DEFAULT_SIZE = (640, 480)
DEFAULT_FPS = 30.0
BUFFERS = 4

TROUBLE = (RuntimeError, OSError, ValueError, LookupError, TypeError)
"""What picamera2 and libcamera raise, TimeoutError included, when a camera is not there, busy or no longer answers."""


class PicameraSource(Source):
    """Camera N of this Raspberry Pi, `captured_ns` as the sensor says."""

    patience_s = PATIENCE_S

    def __init__(
        self,
        number: int = 0,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        factory: Callable[[int], Any] | None = None,
    ) -> None:
        """`factory` opens camera N; without one picamera2.Picamera2 does."""
        self.name = label("picamera2", str(number))
        self._number = number
        self._size = size
        self._fps = fps or DEFAULT_FPS
        self._factory = factory or _picamera2
        self._camera: Any = None
        self._format = ""
        self._granted = DEFAULT_SIZE

    def __enter__(self) -> Self:
        try:
            self._camera = self._factory(self._number)
            self._start()
        except TROUBLE as why:
            self._close()
            raise SourceError(f"{self.name} cannot be opened: {_reason(why)}") from why
        except SourceError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read(self) -> Frame:
        try:
            pixels, stamp_ns = self._take()
        except TROUBLE as why:
            raise SourceError(f"{self.name} is gone: {_reason(why)}") from why
        return Frame(fit(to_rgb(pixels, self._format, self._granted), self._size), captured_ns(stamp_ns))

    def _start(self) -> None:
        camera = self._camera
        width, height = self._size or DEFAULT_SIZE
        main = {"format": "BGR888", "size": (width + width % 2, height + height % 2)}  # picamera2 wants even sides
        period_us = round(1e6 / self._fps)
        controls = {"FrameDurationLimits": (period_us, period_us)}
        known = {name: value for name, value in controls.items() if name in camera.camera_controls}
        camera.configure(camera.create_video_configuration(main=main, buffer_count=BUFFERS, controls=known))
        granted = camera.camera_configuration()["main"]
        self._format, self._granted = granted["format"], granted["size"]
        if self._format not in CONVERSIONS:
            raise SourceError(
                f"{self.name} gives pictures as {self._format}, which is none of {', '.join(CONVERSIONS)}"
            )
        camera.start()

    def _take(self) -> tuple[NDArray[np.uint8], int | None]:
        """A copy of the newest frame and the sensor's time."""
        if self._camera is None:
            raise SourceError(f"{self.name} is not open")
        request = self._camera.capture_request(wait=self.patience_s)
        try:
            return request.make_array("main"), request.get_metadata().get("SensorTimestamp")
        finally:
            request.release()

    def _close(self) -> None:
        """Let go of the camera, whatever state it is in."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        with contextlib.suppress(*TROUBLE):
            camera.close()


def to_rgb(pixels: NDArray[np.uint8], layout: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An array as picamera2 makes it of `layout`, one of CONVERSIONS, as uint8 (H, W, 3); padding is cut off."""
    width, height = size
    conversion = CONVERSIONS[layout]
    rgb = pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    return np.ascontiguousarray(rgb[:height, :width, :3])


def _reason(why: BaseException) -> str:
    if isinstance(why, TimeoutError):
        return "it gave no frame in time"
    return str(why).rstrip(".") or type(why).__name__


def _picamera2(number: int) -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # libcamera greets on stderr
    try:
        module = importlib.import_module("picamera2")
    except ImportError as why:
        raise SourceError(
            f"picamera2 cannot be imported ({why}): sudo apt install python3-picamera2, "
            "and make the venv with --system-site-packages"
        ) from why
    return module.Picamera2(number)
