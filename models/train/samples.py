"""What a pilot learns from: frames and what to do on each."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZE = (160, 120)
"""Width and height of all frames."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Label = tuple[float, float]
"""Steering and throttle."""


@dataclass(frozen=True, slots=True)
class Samples:
    """rgb: uint8 (N, 120, 160, 3); labels: float32 (N, 2), steering and throttle."""

    rgb: Bytes
    labels: Floats


def gathered(count: int, labelled: Iterable[tuple[Bytes, Label]]) -> Samples:
    """The first `count` frames, which there have to be."""
    samples = Samples(np.empty((count, SIZE[1], SIZE[0], 3), np.uint8), np.empty((count, 2), np.float32))
    for index, (rgb, label) in zip(range(count), labelled, strict=False):
        samples.rgb[index], samples.labels[index] = rgb, label
    return samples
