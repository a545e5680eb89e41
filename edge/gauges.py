r"""Gauges in the overlay: what the pilot wants in white, what a driver did in a second colour.

        . - ─ ─ - .      ┌─┐  1
      /      |      \    │▄│
             |          ─│█│  0
             o           │ │
                         └─┘ -1

Steering is the needle at the bottom centre, throttle the bar beside it; a driver's are ticks across arc and bar.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wire import Drive

Bytes = NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]

PILOT: Colour = (255, 255, 255)
RECORDED: Colour = (0, 230, 255)
_DARK: Colour = (0, 0, 0)
_FAINT: Colour = (150, 150, 150)

_REACH = math.radians(75)
"""Full steering turns the needle this far from upright."""
_RADIUS = 26.0
_NEEDLE = (8.0, 25.0)
_TICK = (22.0, 31.0)
"""Distances from the dial's centre: of its arc, and where a needle and a driver's tick begin and end."""
_BAR_LEFT, _BAR_RIGHT = 35.5, 40.5
_BAR_MIDDLE, _BAR_HALF = 13.0, 12.0


def draw_gauges(rgb: Bytes, drive: Drive | None, recorded: Drive | None) -> None:
    """Draw into rgb: uint8 (H, W, 3), contiguous. Nothing is drawn if both are None.

    Values beyond -1 … 1 are drawn at the end of the scale, those that are not finite not at all.
    """
    if drive is None and recorded is None:
        return
    _dials(rgb.shape[0], rgb.shape[1]).stamp(rgb)
    pen = _Pen(rgb)
    for values, colour in ((recorded, RECORDED), (drive, PILOT)):
        if values is not None and math.isfinite(values.steering):
            pen.line(*_spoke(values.steering, *(_NEEDLE if values is drive else _TICK)), colour, 2)
    if drive is not None and math.isfinite(drive.throttle):
        pen.box((_BAR_LEFT, _on_bar(drive.throttle)), (_BAR_RIGHT, _on_bar(0)), PILOT)
    if recorded is not None and math.isfinite(recorded.throttle):
        y = _on_bar(recorded.throttle)
        pen.box((_BAR_LEFT - 3, y + 2), (_BAR_RIGHT + 3, y - 2), _DARK)
        pen.box((_BAR_LEFT - 2, y + 1), (_BAR_RIGHT + 2, y - 1), RECORDED)


def _on_bar(throttle: float) -> float:
    return _BAR_MIDDLE + min(max(throttle, -1), 1) * _BAR_HALF


def _spoke(steering: float, start: float, end: float) -> tuple[Point, Point]:
    angle = min(max(steering, -1), 1) * _REACH
    x, y = math.sin(angle), math.cos(angle)
    return (start * x, start * y), (end * x, end * y)


class _Pen:
    """Draws in units of 1/120 of the frame's height (of 1/160 of its width, if the frame is narrow).

    Points count from a little above the bottom centre, x to the right and y upwards.
    """

    def __init__(self, rgb: Bytes) -> None:
        height, width = rgb.shape[:2]
        self._rgb = rgb
        self._unit: float = min(height / 120, width / 160)
        self._x, self._y = width / 2, height - 5 * self._unit

    def line(self, start: Point, end: Point, colour: Colour, thick: float) -> None:
        """A line with a dark rim of one unit."""
        ends = self._fixed(start), self._fixed(end)
        cv2.line(self._rgb, *ends, _DARK, self._pixels(thick + 2), cv2.LINE_AA, 4)
        cv2.line(self._rgb, *ends, colour, self._pixels(thick), cv2.LINE_AA, 4)

    def curve(self, points: Sequence[Point], colour: Colour, thick: float) -> None:
        """An open line through the points, without a rim."""
        fixed = np.array([self._fixed(point) for point in points], np.int32)
        pixels = self._pixels(thick)
        cv2.polylines(self._rgb, [fixed], isClosed=False, color=colour, thickness=pixels, lineType=cv2.LINE_AA, shift=4)

    def box(self, corner: Point, opposite: Point, colour: Colour) -> None:
        """A filled rectangle."""
        cv2.rectangle(self._rgb, self._fixed(corner), self._fixed(opposite), colour, cv2.FILLED, cv2.LINE_8, 4)

    def _fixed(self, point: Point) -> tuple[int, int]:
        """Sixteenths of a pixel (OpenCV's shift of 4 bits)."""
        return round(16 * (self._x + point[0] * self._unit)), round(16 * (self._y - point[1] * self._unit))

    def _pixels(self, thick: float) -> int:
        return max(1, round(thick * self._unit))


class _Dials(NamedTuple):
    """What does not move, drawn once."""

    rows: slice
    columns: slice
    colour: Bytes
    """uint8 (h, w, 3), times its opacity."""
    through: Bytes
    """uint8 (h, w, 3), how much of the frame shows."""

    def stamp(self, rgb: Bytes) -> None:
        place = rgb[self.rows, self.columns]
        cv2.multiply(place, self.through, place, 1 / 255)
        cv2.add(place, self.colour, place)


@lru_cache(maxsize=4)
def _dials(height: int, width: int) -> _Dials:
    """On black the picture is colour times opacity; with every colour white it is the opacity."""
    colour, opacity = (np.zeros((height, width, 3), np.uint8) for _ in range(2))
    _draw_dials(_Pen(colour), _DARK, _FAINT)
    _draw_dials(_Pen(opacity), (255, 255, 255), (255, 255, 255))
    rows, columns = (np.flatnonzero(opacity.any(axis=(1 - axis, 2))) for axis in (0, 1))
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return _Dials(*place, colour[place].copy(), 255 - opacity[place])


def _draw_dials(pen: _Pen, dark: Colour, faint: Colour) -> None:
    arc = [_spoke(step / 8, 0, _RADIUS)[1] for step in range(-8, 9)]
    pen.curve(arc, dark, 3)
    pen.curve(arc, faint, 1)
    pen.box((_BAR_LEFT - 3, _BAR_MIDDLE + 1), (_BAR_LEFT, _BAR_MIDDLE - 1), dark)
    pen.box((_BAR_LEFT - 1, _on_bar(1) + 1), (_BAR_RIGHT + 1, _on_bar(-1) - 1), dark)
