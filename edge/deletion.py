"""How faithful a map is, measured: take away the pixels it ranks highest and see how much the pilot's word changes.

    map ─▶ |·| ─▶ smooth ─▶ ranking ─┐
    image ─▶ blurred ────────────────┴─▶ deleted: image, its top share blurred      inserted: blur, its top share sharp

"Nothing here" is the same frame strongly blurred: no edge that was not there, and the light stays. Deletion and
insertion are those of Petsiuk et al., "RISE" (arXiv 1806.07421). Random blobs are what any map has to beat.

The measure of a map for one frame is |value(deleted) − value(original)|, `value` being the pilot's steering; means over
frames and over SHARES are divided by those of another map, never frame by frame.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ranking = NDArray[np.intp]

SHARES = (0.05, 0.10, 0.20)
"""Of the pixels, that the summary of a map is measured at."""

BLUR = 0.1
"""Sigma of the blur, in widths."""
_BOX = 9 / 160
"""Side of the smoothing box, in widths."""


def blurred(image: Floats) -> Floats:
    """What stands for "nothing here": `image`, float32 (H, W, C), blurred with a sigma of 0.1 widths. A new array."""
    sigma = BLUR * image.shape[1]
    soft: Floats = cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE)
    return soft.reshape(image.shape)  # OpenCV drops a single channel


def smooth(values: Floats) -> Floats:
    """|values|, float32 (H, W), averaged over a box of 9 pixels at a width of 160; the box is odd and grows with it."""
    return averaged(np.abs(values), _BOX)


def averaged(values: Floats, box: float) -> Floats:
    """Each value the mean of a square about it, whose side of `box` widths is made odd. A new array (H, W)."""
    side = 2 * round((box * values.shape[1] - 1) / 2) + 1
    soft: Floats = cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
    return soft


def ranking(values: Floats) -> Ranking:
    """All pixels of a map (H, W), as indices into its flat form, by falling smoothed magnitude.

    Equal ones stand in an order that is random but always the same for one size: an all-zero map ranks at random.
    """
    shuffled = _shuffled(values.size)
    falling = np.argsort(-smooth(values).ravel()[shuffled], kind="stable")
    return shuffled[falling]


def deleted(image: Floats, background: Floats, ranking: Ranking, share: float) -> Floats:
    """`image` with the top `share` (0 … 1) of its pixels taken from `background`; all (H, W, C). A new array."""
    mixed = image.copy()
    top = ranking[: round(share * ranking.size)]
    pixels = mixed.reshape(ranking.size, -1)
    pixels[top] = background.reshape(pixels.shape)[top]
    return mixed


def inserted(image: Floats, background: Floats, ranking: Ranking, share: float) -> Floats:
    """`background` with the top `share` (0 … 1) of its pixels taken from `image`; all (H, W, C). A new array."""
    return deleted(background, image, ranking, share)


def random_map(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A map (H, W) of random blobs, as large as smoothing leaves them in any map: what "random" means."""
    return smooth(rng.random(shape, np.float32))


@lru_cache(maxsize=4)
def _shuffled(count: int) -> Ranking:
    order: Ranking = np.random.default_rng(0).permutation(count)
    order.flags.writeable = False
    return order
