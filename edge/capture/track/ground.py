"""The ground seen from straight above, drawn once: what the camera samples, and which of it is lane paint."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.track.course import LANE_WIDTH_M, ROAD_WIDTH_M, SPACING_M, Course
from edge.capture.track.style import Line, Style

PIXEL_M = 0.005
"""Size of a texture pixel; each further level doubles it."""
LEVELS = 4

_MARGIN_M = ROAD_WIDTH_M / 2 + 0.35
_STRIP_ROWS = 16
_SUBPIXEL_BITS = 5
_GRAIN_TILE = 256

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ground:
    """One picture of the ground at LEVELS sizes, each half the one before: uint8 (h, w) or (h, w, 3), north up."""

    west_m: float
    north_m: float
    levels: tuple[Bytes, ...]
    beyond: tuple[int, int, int]
    """What lies outside the picture."""


def draw_ground(course: Course, style: Style) -> Ground:
    """What a world's ground looks like, (h, w, 3); drawn in about 0.2 s."""
    rng = np.random.default_rng([style.seed, 0x6D])
    canvas = _Canvas(course)
    road = canvas.ring(course.beside(-ROAD_WIDTH_M / 2), course.beside(ROAD_WIDTH_M / 2))
    lines = list(_lines(canvas, course, style))
    rgb = _blend(style, road, lines, rng)
    _strew_litter(rgb, style.litter, rng)
    return Ground(canvas.west_m, canvas.north_m, _pyramid(rgb), style.floor)


def draw_paint(course: Course, style: Style) -> Ground:
    """Which of that ground is lane paint, (h, w): 0 … 255, how much of the pixel."""
    canvas = _Canvas(course)
    paint = canvas.fill([])
    for _, line in _lines(canvas, course, style):
        np.maximum(paint, line, out=paint)
    return Ground(canvas.west_m, canvas.north_m, _pyramid(paint), (0, 0, 0))


class _Canvas:
    """From metres to texture pixels, and anti-aliased shapes on it: uint8 (h, w), 255 inside."""

    def __init__(self, course: Course) -> None:
        west, south = course.xy.min(axis=0) - _MARGIN_M
        east, north = course.xy.max(axis=0) + _MARGIN_M
        self.west_m, self.north_m = float(west), float(north)
        coarsest = 2 ** (LEVELS - 1)
        width, height = (int(np.ceil(span / PIXEL_M / coarsest)) * coarsest for span in (east - west, north - south))
        self.shape = height, width

    def fill(self, polygons: list[NDArray[np.float64]]) -> Bytes:
        """What an odd number of the polygons (N, 2), in metres, cover."""
        mask = np.zeros(self.shape, np.uint8)
        pixels = [(p - (self.west_m, self.north_m)) * (1, -1) / PIXEL_M - 0.5 for p in polygons]
        fixed = [np.round(p * 2**_SUBPIXEL_BITS).astype(np.int32) for p in pixels]
        cv2.fillPoly(mask, fixed, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return mask

    def ring(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> Bytes:
        """What lies between two closed lines."""
        return self.fill([left, right])


def _lines(canvas: _Canvas, course: Course, style: Style) -> Iterator[tuple[Line, Bytes]]:
    for line, offset_m in ((style.left, -LANE_WIDTH_M), (style.centre, 0.0), (style.right, LANE_WIDTH_M)):
        if not line.visible:
            continue
        left, right = course.beside(offset_m - line.width_m / 2), course.beside(offset_m + line.width_m / 2)
        yield line, canvas.fill(_dashes(left, right, line)) if line.dash_m else canvas.ring(left, right)


def _dashes(left: NDArray[np.float64], right: NDArray[np.float64], line: Line) -> list[NDArray[np.float64]]:
    """One polygon per dash; the period is stretched so that a whole number of them fits the lap."""
    count = max(1, round(len(left) * SPACING_M / (line.dash_m + line.gap_m)))
    starts = np.arange(count) * len(left) // count
    points = np.arange(max(2, round(line.dash_m / SPACING_M)))
    return [
        np.concatenate([left.take(s + points, 0, mode="wrap"), right.take(s + points[::-1], 0, mode="wrap")])
        for s in starts
    ]


def grain(rng: np.random.Generator, shape: tuple[int, int], octaves: tuple[tuple[int, float], ...]) -> Bytes:
    """Noise about 128, uint8 `shape`: each octave is (size in pixels, contrast)."""
    height, width = shape
    total = np.full(shape, 128, np.uint8)
    for size, contrast in octaves:
        tile = rng.normal(128, 128 * contrast, (_GRAIN_TILE, _GRAIN_TILE)).clip(0, 255).astype(np.uint8)
        rows, columns = np.arange(height // size + 2) % _GRAIN_TILE, np.arange(width // size + 2) % _GRAIN_TILE
        coarse = tile[rows][:, columns]
        layer = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR if size > 1 else cv2.INTER_NEAREST)
        cv2.addWeighted(total, 1, layer, 1, -128, dst=total)
    return total


def _blend(style: Style, road: Bytes, lines: list[tuple[Line, Bytes]], rng: np.random.Generator) -> Bytes:
    """Floor, road and paint one over the other, strip by strip: whole-size floats would take ten times the room."""
    contrast = style.floor_grain
    floor_grain = grain(rng, road.shape, ((1, contrast / 3), (3, contrast / 2), (12, contrast / 2), (90, contrast / 2)))
    road_grain = grain(rng, road.shape, ((1, 0.10), (2, 0.10), (40, 0.06), (160, 0.08)))
    wear_grain = grain(rng, road.shape, ((2, 0.35), (9, 0.35)))
    if style.tile_m:
        _joints(floor_grain, round(style.tile_m / PIXEL_M))
    rgb = np.empty((*road.shape, 3), np.uint8)
    for top in range(0, len(rgb), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        strip = _coloured(style.floor, floor_grain[rows])
        _over(strip, _coloured(style.asphalt, road_grain[rows]), road[rows].astype(np.float32))
        worn = (1 - style.wear * (wear_grain[rows].astype(np.float32) / 64 - 1)).clip(0.45, 1)
        for line, mask in lines:
            _over(strip, np.array(line.colour, np.float32), mask[rows] * worn)
        rgb[rows] = strip.clip(0, 255)
    return rgb


def _coloured(colour: tuple[int, int, int], shade: Bytes) -> Floats:
    coloured: Floats = np.multiply.outer(shade.astype(np.float32) / 128, np.array(colour, np.float32))
    return coloured


def _over(under: Floats, colour: Floats, alpha: Floats) -> None:
    under += (colour - under) * (alpha / 255)[..., None]


def _joints(shade: Bytes, pixels: int) -> None:
    for start in range(3):
        shade[start::pixels] = shade[start::pixels] * 0.7
        shade[:, start::pixels] = shade[:, start::pixels] * 0.7


def _strew_litter(rgb: Bytes, count: int, rng: np.random.Generator) -> None:
    height, width = rgb.shape[:2]
    for _ in range(count):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(2, 9)), int(rng.integers(1, 5))
        colour = rng.integers(20, 220, 3).tolist()
        cv2.ellipse(rgb, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def _pyramid(image: Bytes) -> tuple[Bytes, ...]:
    levels = [image]
    for _ in range(LEVELS - 1):
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return tuple(levels)
