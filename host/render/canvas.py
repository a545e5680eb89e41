"""The picture that is encoded: yuv420p in BT.601 video range, written straight into the encoder's frame.

    rgb (h, w, 3) ─▶ one matrix ─▶ split ─┬─ Y ─▶ resize ─▶ (H, W)
                                          ├─ U ─▶ resize ─▶ (H/2, W/2)     at twice the size U and V are there already
                                          └─ V ─▶ resize ─▶ (H/2, W/2)

Colours are turned before the picture is enlarged, where it is small: a third of the time that enlarging three colours
and turning them takes, and no colour is lost that the film can hold.
"""

from typing import NamedTuple

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_TO_YUV = np.array(
    [
        [0.299 * 219, 0.587 * 219, 0.114 * 219, 16 * 255],
        [-0.299 / 1.772 * 224, -0.587 / 1.772 * 224, 0.5 * 224, 128 * 255],
        [0.5 * 224, -0.587 / 1.402 * 224, -0.114 / 1.402 * 224, 128 * 255],
    ],
    np.float32,
) / np.float32(255)
"""Red, green, blue, 1 to Y, U, V: ITU-R BT.601, Y 16 … 235, U and V 16 … 240."""


class Box(NamedTuple):
    """A place on the canvas in pixels; all even."""

    x: int
    y: int
    width: int
    height: int


class Planes(NamedTuple):
    """Y uint8 (h, w), U and V uint8 (h/2, w/2)."""

    y: Bytes
    u: Bytes
    v: Bytes

    def at(self, box: Box) -> "Planes":
        """Views of a part."""
        x, y, width, height = box
        rows, columns = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
        return Planes(self.y[y : y + height, x : x + width], self.u[rows, columns], self.v[rows, columns])

    def copy_from(self, other: "Planes") -> None:
        """Take over planes of the same size."""
        for plane, source in zip(self, other, strict=True):
            plane[...] = source

    def put(self, rgb: Bytes) -> None:
        """Show uint8 (h, w, 3), stretched over all of it."""
        yuv = cv2.transform(rgb, _TO_YUV)
        whole = [plane if plane.shape == rgb.shape[:2] else np.empty(rgb.shape[:2], np.uint8) for plane in self]
        cv2.split(yuv, whole)
        for source, plane in zip(whole, self, strict=True):
            if source is not plane:
                _stretch(source, plane)


class Canvas:
    """A black picture that can be drawn on and encoded, again and again."""

    def __init__(self, width: int, height: int) -> None:
        """Both even."""
        self.frame = VideoFrame(width, height, "yuv420p")
        sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        self.planes = Planes(*(_view(self.frame, at, size) for at, size in enumerate(sizes)))
        for plane, value in zip(self.planes, (16, 128, 128), strict=True):
            plane.fill(value)


def planes_of(rgb: Bytes) -> Planes:
    """A picture of even sides as planes of its own."""
    height, width = rgb.shape[:2]
    y, u, v = (np.empty(size, np.uint8) for size in ((height, width), *[(height // 2, width // 2)] * 2))
    Planes(y, u, v).put(rgb)
    return Planes(y, u, v)


def _view(frame: VideoFrame, at: int, size: tuple[int, int]) -> Bytes:
    """The frame's own memory, without what pads its lines."""
    plane = frame.planes[at]
    memory: Bytes = np.frombuffer(memoryview(plane), np.uint8)
    return memory[: plane.line_size * size[0]].reshape(size[0], plane.line_size)[:, : size[1]]


def _stretch(source: Bytes, plane: Bytes) -> None:
    height, width = plane.shape
    shrinks = height < source.shape[0] or width < source.shape[1]
    cv2.resize(source, (width, height), dst=plane, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
