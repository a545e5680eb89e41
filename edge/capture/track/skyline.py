"""What stands around the track, as one picture of the whole horizon: things a pilot should not steer by."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.track.ground import grain
from edge.capture.track.style import Style

PIXELS_PER_DEGREE = 4
WIDTH = 360 * PIXELS_PER_DEGREE
LOWEST_DEG, HIGHEST_DEG = -4, 52
HEIGHT = (HIGHEST_DEG - LOWEST_DEG) * PIXELS_PER_DEGREE
HORIZON_ROW = HIGHEST_DEG * PIXELS_PER_DEGREE

Bytes = NDArray[np.uint8]
Colour = tuple[int, ...]


def draw_skyline(style: Style) -> Bytes:
    """uint8 (HEIGHT, WIDTH, 3): column = azimuth clockwise, row = elevation from HIGHEST_DEG down; both edges meet."""
    rng = np.random.default_rng([style.seed, 0x5C1])
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    (_hall if style.surroundings == "hall" else _sky)(picture, rng)
    if style.surroundings == "hills":
        _hills(picture, rng, (112, 136, 150), 9)
        _hills(picture, rng, (72, 104, 74), 5)
        _trees(picture, rng, int(rng.integers(10, 26)))
    if style.surroundings == "town":
        _hills(picture, rng, (150, 156, 166), 5)
        _buildings(picture, rng, int(rng.integers(16, 34)))
        _trees(picture, rng, int(rng.integers(3, 12)))
    _poles(picture, rng, int(rng.integers(4, 12)))
    _objects(picture, rng, int(rng.integers(6, 16)))
    picture[HORIZON_ROW + 3 :] = np.array(style.floor) * 0.92
    return picture


def _sky(picture: Bytes, rng: np.random.Generator) -> None:
    zenith, haze = rng.uniform((70, 120, 190), (130, 170, 235)), rng.uniform((185, 195, 200), (235, 235, 240))
    height = np.linspace(0, 1, HORIZON_ROW)[:, None, None] ** 1.5
    clouds = _closed(grain(rng, (HORIZON_ROW, WIDTH), ((30, 0.3), (70, 0.5), (12, 0.1))))
    cover = np.clip((clouds[..., None] / 128 - rng.uniform(0.9, 1.4)) * 2, 0, 0.9)
    blue = zenith * (1 - height) + haze * height
    picture[:HORIZON_ROW] = blue * (1 - cover) + 244 * cover
    picture[HORIZON_ROW:] = haze


def _closed(noise: Bytes) -> Bytes:
    """Fade the right end into the left one."""
    fade = np.linspace(0, 1, 120)
    noise[:, -120:] = noise[:, -120:] * (1 - fade) + noise[:, 119::-1] * fade
    return noise


def _hall(picture: Bytes, rng: np.random.Generator) -> None:
    """A room: wall, ceiling with lamps, posters and doors."""
    wall, ceiling = rng.uniform(90, 215, 3), rng.uniform(150, 235, 3)
    picture[:] = wall
    edge = HORIZON_ROW - round(rng.uniform(18, 34) * PIXELS_PER_DEGREE)
    picture[:edge] = ceiling
    for left in range(0, WIDTH, int(rng.integers(90, 200))):
        cv2.rectangle(picture, (left, edge // 3), (left + 40, edge // 2), (255, 255, 250), -1)
    for _ in range(int(rng.integers(8, 22))):
        left, wide, high = rng.integers((0, 20, 20), (WIDTH - 100, 95, 75)).tolist()
        base = HORIZON_ROW + 2 - max(0, int(rng.integers(-40, 40)))
        cv2.rectangle(picture, (left, base - high), (left + wide, base), rng.integers(20, 235, 3).tolist(), -1)
    picture[HORIZON_ROW - 5 : HORIZON_ROW + 3] = wall * 0.6


def _hills(picture: Bytes, rng: np.random.Generator, colour: Colour, degrees: float) -> None:
    azimuth = np.arange(WIDTH) * math.tau / WIDTH
    waves = [math.sqrt(1 / k) * np.sin(k * azimuth + rng.uniform(0, math.tau)) for k in (2, 3, 5, 8, 13, 21)]
    tops = HORIZON_ROW - degrees * PIXELS_PER_DEGREE * (0.5 + 0.22 * np.sum(waves, axis=0)).clip(0.05)
    outline = np.stack([np.arange(WIDTH), tops], axis=1).round().astype(np.int32)
    floor = np.array([[WIDTH - 1, HORIZON_ROW + 3], [0, HORIZON_ROW + 3]], np.int32)
    shade = np.clip(np.array(colour) + rng.uniform(-18, 18, 3), 0, 255).tolist()
    cv2.fillPoly(picture, [np.concatenate([outline, floor])], shade, cv2.LINE_AA)


_WALLS = ((176, 110, 86), (190, 176, 150), (150, 152, 158), (205, 200, 190), (120, 132, 146), (196, 160, 108))


def _buildings(picture: Bytes, rng: np.random.Generator, count: int) -> None:
    for _ in range(count):
        left, wide, high = rng.integers((0, 20, 20), (WIDTH - 90, 85, 95)).tolist()
        wall = (np.array(_WALLS[rng.integers(len(_WALLS))]) * rng.uniform(0.75, 1.1)).astype(int).tolist()
        top = HORIZON_ROW + 2 - high
        cv2.rectangle(picture, (left, top), (left + wide, HORIZON_ROW + 2), wall, -1)
        window = [round(c * 0.55) for c in wall]
        for x in range(left + 4, left + wide - 6, 11):
            for y in range(top + 5, HORIZON_ROW - 8, 13):
                cv2.rectangle(picture, (x, y), (x + 5, y + 6), window, -1)


def _trees(picture: Bytes, rng: np.random.Generator, count: int) -> None:
    for _ in range(count):
        x, high, wide = rng.integers((20, 18, 7), (WIDTH - 20, 46, 17)).tolist()
        cv2.rectangle(picture, (x - 1, HORIZON_ROW - high // 2), (x + 1, HORIZON_ROW + 2), (74, 56, 42), -1)
        leaf = rng.integers((35, 75, 30), (95, 135, 65)).tolist()
        for dx, dy in ((0, 0), (-wide // 2, 4), (wide // 2, 5), (0, -6)):
            cv2.ellipse(picture, (x + dx, HORIZON_ROW - high + dy), (wide, wide), 0, 0, 360, leaf, -1, cv2.LINE_AA)


def _poles(picture: Bytes, rng: np.random.Generator, count: int) -> None:
    for _ in range(count):
        x, high, wide = rng.integers((10, 40, 1), (WIDTH - 10, 150, 4)).tolist()
        shade = (rng.uniform(40, 200) * rng.uniform(0.75, 1.2, 3)).astype(int).tolist()
        cv2.rectangle(picture, (x, HORIZON_ROW - high), (x + wide, HORIZON_ROW + 2), shade, -1)


def _objects(picture: Bytes, rng: np.random.Generator, count: int) -> None:
    """Cones, boxes and balls in loud colours."""
    for _ in range(count):
        x, size = rng.integers((20, 8), (WIDTH - 40, 26)).tolist()
        colour = rng.integers(0, 256, 3).tolist()
        base = HORIZON_ROW + 2
        shape = rng.integers(3)
        if shape == 0:
            cone = np.array([[x - size // 2, base], [x + size // 2, base], [x, base - size]], np.int32)
            cv2.fillPoly(picture, [cone], colour, cv2.LINE_AA)
        elif shape == 1:
            cv2.rectangle(picture, (x, base - size), (x + size, base), colour, -1)
        else:
            cv2.circle(picture, (x, base - size // 2), size // 2, colour, -1, cv2.LINE_AA)
