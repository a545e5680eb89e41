"""What a method is given: one frame that the pilot has just run on, and which of its words to explain."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from edge.deletion import BLUR
from edge.pilot import Pilot
from edge.tflite import Floats

_SHRINK = 4
_AT_ONCE = 4
"""Channels that OpenCV can resize."""


@dataclass(frozen=True)
class Case:
    """`tap` is the convolution in question, by its place."""

    pilot: Pilot
    target: str
    tap: int

    @cached_property
    def image(self) -> Floats:
        """What the network was fed, float32 (H, W, C); to be asked for before it is fed anything else."""
        return self.pilot.fed()

    def seen(self) -> Floats:
        """The newest frame of `image` as a person would see it: float32 (H, W, 1 or 3), 0..1, red first."""
        card, channels = self.pilot.card.image, self.pilot.channels
        low, high = card.range or (0, 1)
        newest = self.image[..., :channels] if card.order == "newest-first" else self.image[..., -channels:]
        if card.colour == "bgr":
            newest = newest[..., ::-1]
        picture: Floats = (np.ascontiguousarray(newest) - np.float32(low)) / np.float32(high - low)
        return picture


def blurred(image: Floats) -> Floats:
    """The frame with nothing in it: deletion.blurred within .02 of the range, 20 × as quick. A new array."""
    parts = [_blurred(image[..., first : first + _AT_ONCE]) for first in range(0, image.shape[2], _AT_ONCE)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def _blurred(image: Floats) -> Floats:
    """At a quarter of its size, which a blur so wide does not notice.

    And less the colour of its corner, so that a plain frame stays what it is to the last bit.
    """
    height, width, channels = image.shape
    size = (-(-width // _SHRINK), -(-height // _SHRINK))
    corner = tuple(image[0, 0].tolist())
    small = cv2.resize(cv2.subtract(image, corner), size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), BLUR * size[0], borderType=cv2.BORDER_REPLICATE)
    soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    whole: Floats = cv2.add(soft, corner, soft).reshape(height, width, channels)
    return whole


def summed(change: Floats, gradient: Floats, out: Floats | None = None) -> Floats:
    """What each place adds to the target when `change` comes about: Σ over channels, (h, w, C) · (h, w, C) → (h, w).

    out: memory for the products. Returns a new array.
    """
    channels = change.shape[2]
    products = np.multiply(change, gradient, out=out).reshape(-1, channels)
    total: Floats = np.dot(products, np.ones(channels, np.float32))  # quicker than einsum
    places: Floats = total.reshape(change.shape[:2])
    return places
