"""Which parts of the picture attention is counted in: by ground truth, by the user's polygons, or by a plain cut.

    ground truth (track:NAME)   sky above the horizon, and each painted line with two pixels about it
    --zones FILE.toml           [zones]
                                sky = [[0, 0], [1, 0], [1, 0.3], [0, 0.3]]       polygons in shares of width and height
    otherwise                   the top 35 % of the picture, and the left, middle and right third of what is below

The rest of the picture is a zone of its own. Where zones overlap, the earlier one counts.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.capture.track import TrackSource
from edge.capture.track.camera import Camera, see_paint
from edge.capture.track.course import Pose, track_number
from edge.capture.track.ground import draw_paint
from edge.capture.track.style import STYLES, Style, random_style, without

Mask = NDArray[np.bool_]
Polygon = list[tuple[float, float]]

REST = "rest"
SKY = "sky"
LINES = ("left line", "centre line", "right line")
"""Of the road, as the simulator calls them; one drives between the centre and the right one."""
TRUTH = "ground truth of the simulator; lines with 2 pixels around them"
CUT = "no ground truth: the top 35 % are taken for the sky, what is below is cut into thirds"

_HALO = 2
"""Pixels around a line that count as the line: a map answers to its edges, from both sides."""
_SKY_SHARE = 0.35
_MAX_ZONES, _MAX_POINTS = 16, 1000


class ZonesError(Exception):
    """A zones file cannot be used; the message is one sentence for a person."""


class Polygons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A zones file."""

    zones: dict[str, Polygon]


class TrackZones:
    """Ground truth for one simulated track, as its source renders it with its own style and camera."""

    def __init__(self, source: TrackSource) -> None:
        track = source.name.removeprefix("track:")
        style = STYLES.get(track) or random_style(track_number(track))
        self._camera = Camera(source.size)
        self._paints = [draw_paint(source.course, _only(style, line.split()[0])) for line in LINES]
        self._sky = np.zeros(source.size[::-1], np.bool_)
        self._sky[self._camera.sky_rows] = self._camera.sky_mask > 0

    def __call__(self, pose: Pose) -> dict[str, Mask]:
        """Sky and lines, bool (H, W) each, seen from there."""
        masks = {SKY: self._sky}
        for line, paint in zip(LINES, self._paints, strict=True):
            masks[line] = widened(see_paint(paint, self._camera, pose) > 0) & ~self._sky
        return masks


def widened(mask: Mask) -> Mask:
    """With the pixels up to two away."""
    side = 2 * _HALO + 1
    wide: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return wide


def cut(shape: tuple[int, int]) -> dict[str, Mask]:
    """The plain cut of a picture of `shape` (H, W)."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    sky = rows < round(_SKY_SHARE * height)
    third = columns * 3 // width
    below = {name: ~sky & (third == i) for i, name in enumerate(("left", "centre", "right"))}
    return {SKY: sky, **below}


def read(file: Path) -> dict[str, Polygon]:
    """The polygons of a zones file. Raises ZonesError."""
    try:
        zones = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Polygons).zones
    except (OSError, ValueError) as why:  # decoding, TOML and msgspec's are ValueErrors all
        raise ZonesError(f"zones file {file} cannot be used: {getattr(why, 'strerror', None) or why}") from why
    if not 1 <= len(zones) <= _MAX_ZONES or REST in zones:
        raise ZonesError(f"zones file {file}: there must be 1 to {_MAX_ZONES} zones, none of them called {REST!r}")
    for name, polygon in zones.items():
        if not 3 <= len(polygon) <= _MAX_POINTS or not all(0 <= at <= 1 for point in polygon for at in point):
            raise ZonesError(
                f"zones file {file}: zone {name!r} must have 3 to {_MAX_POINTS} points, each [x, y] within 0 … 1"
            )
    return zones


def drawn(polygons: Mapping[str, Polygon], shape: tuple[int, int]) -> dict[str, Mask]:
    """Polygons as masks, bool (H, W)."""
    return {name: _fill(polygon, shape) for name, polygon in polygons.items()}


def partition(zones: Mapping[str, Mask], whole: Mask) -> dict[str, Mask]:
    """The same without overlap, the earlier zone counting, and the rest of `whole` as a zone of its own."""
    parts: dict[str, Mask] = {}
    left = whole
    for name, mask in zones.items():
        parts[name] = mask & left
        left = left & ~mask
    return {**parts, REST: left}


def _fill(polygon: Polygon, shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie inside: drawn at 8 times the size, then taken in their middle."""
    height, width = (8 * side for side in shape)
    points = np.array([(x * width - 0.5, y * height - 0.5) for x, y in polygon])
    large: NDArray[np.uint8] = cv2.fillPoly(np.zeros((height, width), np.uint8), [points.round().astype(np.int32)], 1)
    return np.greater(large[4::8, 4::8], 0)


def _only(style: Style, line: str) -> Style:
    for other in {"left", "centre", "right"} - {line}:
        style = without(style, other)
    return style
