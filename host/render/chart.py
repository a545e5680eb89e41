"""A strip of curves that scrolls: what the driver and each pilot steered and how much throttle they gave.

    ........--..|........--...     steering, 1 (right) at the top
    ---.....  ..|--......  ...
    ____________|_____________     throttle
          5 s  now  5 s

Time has a fixed place in pixels, so curves are drawn once, tile by tile, and a frame's picture is
copied from a few tiles.
"""

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from host.record.session import TICKS_HZ
from host.render.canvas import Box, Bytes, Planes, planes_of
from host.render.scene import CHART_S
from host.render.text import DARK, DRIVER, PILOTS, TEXT, Colour, plain, text_width, write
from wire import Drive

GAP_TICKS = TICKS_HZ
"""Curves do not cross what is longer than this without a frame."""

TILES_WIDE = 4
"""How many tiles a frame's picture is wide."""
AHEAD_TICKS = round(CHART_S * TICKS_HZ * (1 + 2 / TILES_WIDE)) + TICKS_HZ // 4
"""How far ahead a tile may look when it is drawn."""

_GRID: Colour = (60, 64, 70)
_NOW = 235


class Sample(NamedTuple):
    """What is drawn of one frame."""

    tick: int
    recorded: Drive | None
    drives: Sequence[Drive]


class Strip:
    """The chart of one segment."""

    def __init__(self, samples: Sequence[Sample], width: int, height: int, unit: int, *, driver: bool = True) -> None:
        """samples: in the order of their ticks; more may be added up to AHEAD_TICKS before they are asked for.

        width, height: of what a frame shows, even. driver: draw what was recorded.
        """
        self._samples = samples
        self._width, self._height, self._unit, self._driver = width, height, unit, driver
        self._step = max(2, width // TILES_WIDE // 2 * 2)
        self._tiles: OrderedDict[int, Planes] = OrderedDict()

    def put(self, planes: Planes, tick: int) -> None:
        """Draw the chart as it is at `tick` over planes of its size."""
        left = self._place(tick) - self._width // 2
        at = -(left % self._step)
        for number in range(left // self._step, (left + self._width - 1) // self._step + 1):
            _copy(self._tile(number), planes, at)
            at += self._step
        middle = self._width // 2
        planes.y[:, middle - self._unit // 2 : middle + (self._unit + 1) // 2] = _NOW

    def _tile(self, number: int) -> Planes:
        if number not in self._tiles:
            if len(self._tiles) > TILES_WIDE + 2:
                self._tiles.popitem(last=False)
            self._tiles[number] = planes_of(self._drawn(number))
        return self._tiles[number]

    def _place(self, tick: int) -> int:
        """A tick's column, counted from tick 0."""
        return round(tick * self._width / (2 * CHART_S * TICKS_HZ))

    def _drawn(self, number: int) -> Bytes:
        rgb = np.full((self._height, self._step, 3), DARK, np.uint8)
        samples = self._within(number * self._step, (number + 1) * self._step)
        middle = self._height // 2
        for lane, control in ((Box(0, 0, 0, middle), 0), (Box(0, middle, 0, self._height - middle), 1)):
            cv2.line(rgb, (0, self._y(lane, 0)), (self._step, self._y(lane, 0)), _GRID, 1)
            for colour, values in self._curves(samples, control):
                self._curve(rgb, number, lane, samples, values, colour)
        cv2.line(rgb, (0, middle), (self._step, middle), (0, 0, 0), 1)
        return rgb

    def _within(self, left: int, right: int) -> Sequence[Sample]:
        """Samples whose columns lie between, and the nearest on either side."""
        per_column = 2 * CHART_S * TICKS_HZ / self._width
        first = bisect_left(self._samples, (left - 4 * self._unit) * per_column, key=_tick)
        last = bisect_left(self._samples, (right + 4 * self._unit) * per_column, key=_tick)
        return self._samples[max(first - 1, 0) : last + 1]

    def _curves(self, samples: Sequence[Sample], control: int) -> list[tuple[Colour, list[float]]]:
        """The pilots' first, the driver's on top: NaN where nothing is known."""
        drives = [sample.drives for sample in samples]
        count = max(map(len, drives), default=0)
        curves = [(pilot_colour(at), [_value(drive[at], control) for drive in drives]) for at in range(count)]
        if self._driver:
            curves.append((DRIVER, [_value(sample.recorded, control) for sample in samples]))
        return curves

    def _curve(
        self, rgb: Bytes, number: int, lane: Box, samples: Sequence[Sample], values: list[float], colour: Colour
    ) -> None:
        run: list[tuple[int, int]] = []
        before = 0
        for sample, value in zip(samples, values, strict=True):
            if run and (math.isnan(value) or sample.tick - before > GAP_TICKS):
                self._line(rgb, run, colour)
                run = []
            before = sample.tick
            if not math.isnan(value):
                run.append((self._place(sample.tick) - number * self._step, self._y(lane, value)))
        self._line(rgb, run, colour)

    def _line(self, rgb: Bytes, run: list[tuple[int, int]], colour: Colour) -> None:
        if run:
            points = np.array([run[0], *run], np.int32)
            cv2.polylines(rgb, [points], isClosed=False, color=colour, thickness=self._unit, lineType=cv2.LINE_AA)

    def _y(self, lane: Box, value: float) -> int:
        """Of a value -1 … 1 in a lane, 1 at its top."""
        margin = 2 * self._unit
        return round(lane.y + lane.height / 2 - min(max(value, -1), 1) * (lane.height / 2 - margin))


def _copy(tile: Planes, planes: Planes, at: int) -> None:
    """A tile so that its first column is column `at`, as far as it lies within. Colours keep to even columns."""
    for plane, source, begin in zip(planes, tile, (at, at // 2, at // 2), strict=True):
        first, last = max(begin, 0), min(begin + source.shape[1], plane.shape[1])
        if first < last:
            plane[:, first:last] = source[:, first - begin : last - begin]


def _tick(sample: Sample) -> int:
    return sample.tick


def _value(drive: Drive | None, control: int) -> float:
    if drive is None:
        return math.nan
    value = drive.throttle if control else drive.steering
    return value if math.isfinite(value) else math.nan


def pilot_colour(at: int) -> Colour:
    """Of a pilot's curves, by its place."""
    return PILOTS[at % len(PILOTS)]


def legend(names: Sequence[str], width: int, height: int, unit: int, *, driver: bool) -> Bytes:
    """What the curves are, as far as there is room: uint8 (height, width, 3)."""
    rgb = np.full((height, width, 3), DARK, np.uint8)
    entries = [("steering above, throttle below", TEXT)] + ([("driver", DRIVER)] if driver else [])
    entries += [(name, pilot_colour(at)) for at, name in enumerate(names)]
    x = width - 3 * unit
    for text, colour in reversed(entries):
        x -= text_width(plain(text), unit)
        if x < 3 * unit:
            break
        write(rgb, plain(text), x, height - 4 * unit, colour, unit)
        x -= 10 * unit
    return rgb
