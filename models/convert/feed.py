"""What a network is fed for a frame: prepared by its card exactly as on the car, in numbers that are not quantized.

An input that is no picture gets random numbers from -1 to 1: what a memory or an IMU may say.
"""

from collections.abc import Mapping

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from edge.card import ImageCard
from edge.image import Eye
from edge.plan import stack
from edge.tflite import Tensor

Floats = NDArray[np.float32]
Shape = tuple[int, ...]


class Feeder:
    """Turns frames in their order into feeds by name, float32, each with its batch of 1."""

    def __init__(self, inputs: Mapping[str, Shape], card: ImageCard) -> None:
        self._inputs = inputs
        self._eyes = {name: _eye(name, inputs[name], card) for name in pictures(inputs)}
        self._random = np.random.default_rng(0)

    def __call__(self, rgb: NDArray[np.uint8]) -> dict[str, Floats]:
        return {name: self._one(name, shape, rgb) for name, shape in self._inputs.items()}

    def _one(self, name: str, shape: Shape, rgb: NDArray[np.uint8]) -> Floats:
        if name not in self._eyes:
            return self._random.uniform(-1, 1, shape).astype(np.float32)
        fed: Floats = np.empty(shape, np.float32)
        self._eyes[name].see(rgb, fed)
        return fed


def pictures(inputs: Mapping[str, Shape]) -> tuple[str, ...]:
    """The inputs that take frames: (1, H, W, C), or (1, T, H, W, C) for a sequence."""
    return tuple(name for name, shape in inputs.items() if len(shape) in {4, 5})


def _eye(name: str, shape: Shape, card: ImageCard) -> Eye:
    """What the card leaves open is as most pilots have it: from 0 to 1, in colour where a frame has 3 channels."""
    frames = card.frames or (shape[1] if len(shape) == 5 else stack(shape[-1], card))
    colours = shape[-1] // (1 if len(shape) == 5 else frames) == 3
    said = structs.replace(
        card, frames=frames, range=card.range or (0.0, 1.0), colour=card.colour or ("rgb" if colours else "grey")
    )
    return Eye(Tensor(0, name, "FLOAT32", shape, (), None, variable=False, quantization=None), said)
