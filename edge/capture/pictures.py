"""Files to pixels: JPEG, PNG and BMP, from whoever wrote them, as uint8 (H, W, 3) RGB.

Nothing is decoded before its header said how large it is.
"""

import os
import stat
import struct
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edge.capture.source import SourceError

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_SIDE = 16384
MAX_PIXELS = 64 * 1024 * 1024

JPEG, PNG, BMP = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM"
_NOT_A_FRAME = {0xC4, 0xC8, 0xCC}
"""JPEG markers among 0xC0..0xCF that do not start a frame header."""


class PictureError(SourceError):
    """A file holds no picture that can be shown."""


def read_bytes(path: Path) -> bytes:
    """A regular file's content, at most MAX_FILE_BYTES.

    Raises PictureError for anything else: a pipe or a device would keep its reader waiting.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as why:  # ValueError: a name that no file can have
        raise PictureError(f"{path.name!a} cannot be read: {getattr(why, 'strerror', None) or why}") from why
    try:
        return _read_regular(file)
    except OSError as why:
        raise PictureError(f"{path.name!a} cannot be read: {why.strerror}") from why
    finally:
        os.close(file)


def _read_regular(file: int) -> bytes:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a file")
    if found.st_size > MAX_FILE_BYTES:
        raise OSError(0, f"it has {found.st_size} bytes, at most {MAX_FILE_BYTES} are read")
    data = os.read(file, found.st_size)
    while len(data) < found.st_size and (more := os.read(file, found.st_size - len(data))):
        data += more
    return data


def decode(data: bytes) -> NDArray[np.uint8]:
    """uint8 (H, W, 3), red first, pixels as stored: grey repeated, alpha dropped, 16 bits cut to 8, EXIF not applied.

    Raises PictureError for anything but a whole JPEG, PNG or BMP of at most MAX_SIDE and MAX_PIXELS.
    """
    size = _size(data)
    if size is None:
        raise PictureError("it is no JPEG, PNG or BMP")
    width, height = size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise PictureError(f"it is {width} x {height} pixels, at most {MAX_SIDE} a side are shown")
    return _decode_jpeg(data) if data.startswith(JPEG) else _decode_other(data)


def fit(rgb: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """`rgb` at `size` (width, height), by area; unchanged where that is None or its size already."""
    if size is None or (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    resized: NDArray[np.uint8] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return resized


def _size(data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header has it."""
    if data.startswith(JPEG):
        return _jpeg_size(data)
    if data.startswith(PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(BMP) and len(data) >= 26:
        width, height = struct.unpack_from("<ii", data, 18)
        return width, abs(height)  # negative: stored from the top
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = len(JPEG)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + length
    return None


def _decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Strictly; then, unless the file ends early, as a decoder does that forgives what it can."""
    try:
        return _turbojpeg(data, strict=True)
    except ValueError as why:
        if "remature end" in str(why):
            raise PictureError("the JPEG ends early") from why
    try:
        return _turbojpeg(data, strict=False)
    except ValueError:
        return _decode_other(data)


def _turbojpeg(data: bytes, *, strict: bool) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=strict)
    return rgb


def _decode_other(data: bytes) -> NDArray[np.uint8]:
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as why:
        raise PictureError(f"it does not decode: {why}") from why
    if bgr is None:
        raise PictureError("it does not decode")
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb
