"""Maps over camera frames, as pictures inside the page."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.deletion import Floats

Bytes = NDArray[np.uint8]

WIDTH = 320
_PEAK = 99.5
"""Percentile of the map that is drawn at full strength: a single pixel must not set the scale."""
_STRENGTH = 0.9
_GAMMA = 0.7
_LEFT, _RIGHT, _LOW, _HIGH = np.array([[40, 130, 255], [255, 120, 0], [200, 30, 60], [255, 225, 60]], np.float32)
_QUALITY = 84


def overlay(rgb: Bytes, values: Floats, *, signed: bool) -> Bytes:
    """A map over a camera frame, uint8 (h, WIDTH, 3): the frame in grey, the map in colour.

    rgb: uint8 (H, W, 3). values: float32 of any size, stretched over the frame; signed ones are blue where they push to
    the left (negative) and orange to the right, others red to yellow.
    """
    frame = fitted(rgb)
    height, width = frame.shape[:2]
    soft = cv2.GaussianBlur(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), WIDTH / 160)
    peak = float(np.percentile(np.abs(soft), _PEAK)) or float(np.abs(soft).max()) or 1.0
    part = (soft / peak).clip(-1, 1)
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) * np.float32(0.8)
    opacity = _STRENGTH * np.abs(part)[..., None] ** _GAMMA
    mixed: Bytes = (grey * (1 - opacity) + _colour(part, signed=signed) * opacity).round().astype(np.uint8)
    return mixed


def fitted(rgb: Bytes) -> Bytes:
    """A camera frame as wide as the overlays are."""
    height, width = rgb.shape[:2]
    size = (WIDTH, max(1, round(WIDTH * height / width)))
    fit: Bytes = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if width > WIDTH else cv2.INTER_CUBIC)
    return fit


def data_uri(rgb: Bytes) -> str:
    """As a JPEG inside an address."""
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


def _colour(part: Floats, *, signed: bool) -> Floats:
    """float32 (H, W, 3) for values within ±1."""
    if signed:
        way, low, high = (part[..., None] >= 0).astype(np.float32), _LEFT, _RIGHT
    else:
        way, low, high = np.abs(part)[..., None], _LOW, _HIGH
    colours: Floats = (1 - way) * low + way * high
    return colours
