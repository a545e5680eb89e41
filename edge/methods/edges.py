"""Where brightness changes: the baseline a map has to beat."""

import cv2
import numpy as np

from edge.tflite import Floats

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def edges(rgb: Floats) -> Floats:
    """The magnitude of the 3×3 Sobel gradient of an image's brightness: float32 (H, W, C) → (H, W)."""
    light = brightness(rgb)
    across, down = (cv2.Sobel(light, cv2.CV_32F, *order, borderType=cv2.BORDER_REPLICATE) for order in ((1, 0), (0, 1)))
    magnitude: Floats = np.hypot(across, down)
    return magnitude


def brightness(rgb: Floats) -> Floats:
    """float32 (H, W): luma of three channels, red first; the mean of any other number of them."""
    light: Floats = rgb @ _LUMA if rgb.shape[2] == 3 else rgb.mean(-1)
    return light
