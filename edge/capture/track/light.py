"""Weather and sensor: brightness and colour that drift, shadows that wander over the ground, noise and vignetting."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

TILE_M = 6.4
"""The pattern of shadows repeats after this far."""
_TILE_PIXELS = 256

Bytes = NDArray[np.uint8]
Size = tuple[int, int]


class Light:
    """Light as a function of time, drawn from a seed. `swing` 1 is a changeable day; more is harsher."""

    def __init__(self, seed: int, swing: float = 1.0) -> None:
        rng = np.random.default_rng([seed, 0x116])
        self._swing = swing
        self._phases = rng.uniform(0, math.tau, 4)
        self._periods_s = rng.uniform((17, 29, 41, 7), (29, 47, 67, 13))
        self._wind_m_s = rng.uniform(-0.25, 0.25, 2)
        self.shadow = _shadows(rng, min(0.75, 0.5 * swing))
        """uint8 (n, n, 3): what shadows leave of the light, 255 = all; tiles TILE_M of ground."""

    def curve(self, seconds: float) -> Bytes:
        """A table uint8 (1, 256, 3) from scene to sensor values: brightness, colour temperature and contrast now."""
        waves = np.sin(math.tau * seconds / self._periods_s + self._phases) * self._swing
        brightness = 1 + 0.16 * waves[0] + 0.05 * waves[3]
        warmth = 0.07 * waves[1]
        gamma = 1 + 0.10 * waves[2]
        gains = brightness * np.array([1 + warmth, 1, 1 - warmth])
        scene = (np.arange(256) / 255)[:, None] ** gamma
        curve: Bytes = (scene * gains * 255).clip(0, 255).astype(np.uint8)[None]
        return curve

    def shadow_origin_m(self, seconds: float) -> tuple[float, float]:
        """Where the shadow tile's corner has drifted to."""
        east, north = self._wind_m_s * seconds
        return float(east), float(north)


def _shadows(rng: np.random.Generator, depth: float) -> Bytes:
    """Bars and blots with soft edges, bluish, on a tile that repeats."""
    light = np.full((_TILE_PIXELS, _TILE_PIXELS), 255, np.uint8)
    for _ in range(3):
        start, end = rng.integers(0, _TILE_PIXELS, (2, 2)).tolist()
        cv2.line(light, start, end, 255 * (1 - depth * rng.uniform(0.5, 1)), int(rng.integers(4, 22)), cv2.LINE_AA)
    for _ in range(4):
        centre, axes = rng.integers(0, _TILE_PIXELS, 2).tolist(), rng.integers(8, 40, 2).tolist()
        cv2.ellipse(light, centre, axes, rng.uniform(0, 180), 0, 360, 255 * (1 - depth * rng.uniform(0.3, 1)), -1)
    tiled = np.tile(light, (3, 3))
    soft = cv2.GaussianBlur(tiled, (0, 0), 1.5)[_TILE_PIXELS : 2 * _TILE_PIXELS, _TILE_PIXELS : 2 * _TILE_PIXELS]
    lost = (255 - soft)[..., None] * np.array([1.0, 0.95, 0.85])
    kept: Bytes = (255 - lost).astype(np.uint8)
    return kept


class Sensor:
    """What the lens and chip add to every picture, in place; noise differs from frame to frame."""

    def __init__(self, size: Size, seed: int, noise: float = 2.5) -> None:
        width, height = size
        rng = np.random.default_rng([seed, 0x5E6])
        self._rng = rng
        self._shape = height, width, 3
        self._bytes = height * width * 3
        self._slack = 8191
        self._noise = rng.normal(128, noise, self._bytes + self._slack).clip(0, 255).astype(np.uint8)
        x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
        falloff = 255 * (1 - 0.28 * ((x**2 + y**2) / 2) ** 1.5)
        self._vignette = np.repeat(falloff.astype(np.uint8)[..., None], 3, axis=2)

    def expose(self, rgb: Bytes, curve: Bytes) -> None:
        """Develop a picture uint8 (H, W, 3) in place."""
        cv2.multiply(rgb, self._vignette, dst=rgb, scale=1 / 255)
        cv2.LUT(rgb, curve, dst=rgb)
        start = int(self._rng.integers(self._slack))
        noise = self._noise[start : start + self._bytes].reshape(self._shape)
        cv2.addWeighted(rgb, 1, noise, 1, -128, dst=rgb)
