r"""The car's wide-angle camera: where each of its pixels looks, worked out once, and the picture that gives.

             o ___  optical axis, pitched down        pixel ─▶ ray ─┬─ below the horizon ─▶ a point of the ground
    height   |\                                                     └─ above it ─▶ azimuth and elevation
─────────────┴───────────── ground                  per frame only the car's pose turns these into texture pixels
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.track import skyline
from edge.capture.track.course import Pose
from edge.capture.track.ground import LEVELS, PIXEL_M, Ground
from edge.capture.track.light import TILE_M, Light

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_HORIZON = math.radians(-0.8)
"""Rays above this never meet the ground: it lies eleven metres off there."""


@dataclass(frozen=True, slots=True)
class Mount:
    """How the camera sits on the car, and its lens (equidistant: angle from the axis ∝ distance from the centre)."""

    height_m: float = 0.16
    ahead_m: float = 0.06
    """Of the middle of the wheelbase."""
    pitch_deg: float = 18.0
    roll_deg: float = 0.0
    fov_deg: float = 110.0
    """Across the picture's width."""


class _Band(NamedTuple):
    """Picture rows that sample one level of the ground."""

    rows: slice
    level: int


class Camera:
    """Rays of a camera of `size` (width, height) pixels."""

    def __init__(self, size: tuple[int, int], mount: Mount | None = None) -> None:
        mount = mount or Mount()
        self.size = size
        self._focal = size[0] / math.radians(mount.fov_deg)
        forward, right, down = _rays(size, self._focal, mount)
        elevation = -np.arcsin(down.clip(-1, 1))
        sky: NDArray[np.bool_] = np.greater(elevation, _HORIZON)
        reach = mount.height_m / np.where(sky, math.sin(-_HORIZON), down)
        self._ground = np.stack([mount.ahead_m + reach * forward, reach * right], axis=2).astype(np.float32)
        """float32 (H, W, 2): metres ahead of and to the right of the car that a pixel sees; sky pixels see far away."""
        first, last = _first_row(~sky), len(sky) - _first_row(sky[::-1])
        self.ground_rows = slice(first, len(sky))
        self.sky_rows = slice(0, last)
        self.sky_mask = np.ascontiguousarray(sky[self.sky_rows]).astype(np.uint8) * 255
        """uint8, the sky rows only: 255 where a pixel is above the horizon."""
        self._sky = np.stack([np.arctan2(right, forward), elevation], axis=2)[self.sky_rows].astype(np.float32)
        self._bands = _bands(self._ground, first)

    @property
    def pixels_per_degree(self) -> float:
        return self._focal * math.pi / 180

    def sky_map(self, heading: float, pixels_per_degree: float) -> Floats:
        """Which skyline pixel (column, row) each pixel of the sky rows shows."""
        scale = math.degrees(pixels_per_degree)
        top = math.radians(skyline.HIGHEST_DEG)
        turned = (-heading % math.tau) * scale
        columns_rows: Floats = cv2.transform(self._sky, np.array([[scale, 0, turned], [0, -scale, top * scale]]))
        return columns_rows

    def ground_map(self, rows: slice, pose: Pose, west_m: float, north_m: float, pixel_m: float) -> Floats:
        """Which pixel (column, row) of a picture of the ground those rows show, for a car at `pose`."""
        east, north = math.cos(pose.heading) / pixel_m, math.sin(pose.heading) / pixel_m
        column, row = (pose.x - west_m) / pixel_m - 0.5, (north_m - pose.y) / pixel_m - 0.5
        turn = np.array([[east, north, column], [-north, east, row]])
        columns_rows: Floats = cv2.transform(self._ground[rows], turn)
        return columns_rows

    def look_down(self, ground: Ground, pose: Pose, out: Bytes) -> None:
        """Fill the ground's rows of a picture, each from the level that suits its distance."""
        for rows, level in self._bands:
            where = self.ground_map(rows, pose, ground.west_m, ground.north_m, PIXEL_M * 2**level)
            picture = ground.levels[level]
            cv2.remap(picture, where, None, cv2.INTER_LINEAR, out[rows], cv2.BORDER_CONSTANT, ground.beyond)


def _rays(size: tuple[int, int], focal: float, mount: Mount) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors (forward, right, down) in the car's axes, each float64 (H, W)."""
    width, height = size
    x, y = np.meshgrid((np.arange(width) + 0.5 - width / 2) / focal, (np.arange(height) + 0.5 - height / 2) / focal)
    angle = np.hypot(x, y)
    spread = np.sinc(angle / math.pi)
    roll, pitch = math.radians(mount.roll_deg), math.radians(mount.pitch_deg)
    right = spread * (x * math.cos(roll) - y * math.sin(roll))
    low = spread * (x * math.sin(roll) + y * math.cos(roll))
    out = np.cos(angle)
    return (
        out * math.cos(pitch) - low * math.sin(pitch),
        right,
        out * math.sin(pitch) + low * math.cos(pitch),
    )


def _first_row(mask: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(mask.any(axis=1))
    return int(rows[0]) if rows.size else len(mask)


def _bands(ground: Floats, first: int) -> list[_Band]:
    """Rows grouped by the level whose pixels are about as large on the ground as the camera's own."""
    middle = ground[:, ground.shape[1] // 2 - 1 : ground.shape[1] // 2 + 1]
    across = np.abs(middle[:, 1, 1] - middle[:, 0, 1])
    along = np.abs(np.gradient(middle[:, 0, 0]))
    footprint = np.sqrt(across * along).clip(PIXEL_M)
    levels = np.log2(footprint / PIXEL_M).round().astype(int).clip(0, LEVELS - 1)[first:]
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    return [_Band(slice(first + a, first + b), int(levels[a])) for a, b in itertools.pairwise(edges) if a < b]


class View:
    """One world through one camera."""

    def __init__(self, ground: Ground, panorama: Bytes, camera: Camera) -> None:
        self._ground, self._camera = ground, camera
        density = min(skyline.PIXELS_PER_DEGREE, 1.5 * camera.pixels_per_degree)
        columns = round(360 * density)
        self._sky_density = columns / 360
        rows = round(skyline.HEIGHT * columns / skyline.WIDTH)
        self._panorama = cv2.resize(panorama, (columns, rows), interpolation=cv2.INTER_AREA)

    def render(self, pose: Pose, light: Light, seconds: float, sky_turn: float = 0.0) -> Bytes:
        """The scene from `pose` in the light of that time, before the sensor: a new uint8 (H, W, 3).

        sky_turn: radians by which the skyline alone is turned about the car.
        """
        width, height = self._camera.size
        rgb = np.empty((height, width, 3), np.uint8)
        self._camera.look_down(self._ground, pose, rgb)
        self._shade(rgb[self._camera.ground_rows], pose, light, seconds)
        self._draw_sky(rgb[self._camera.sky_rows], pose.heading + sky_turn)
        return rgb

    def _shade(self, rgb: Bytes, pose: Pose, light: Light, seconds: float) -> None:
        if rgb.size:
            drift, pixel_m = light.shadow_origin_m(seconds), TILE_M / len(light.shadow)
            where = self._camera.ground_map(self._camera.ground_rows, pose, *drift, pixel_m)
            shade = cv2.remap(light.shadow, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            cv2.multiply(rgb, shade, dst=rgb, scale=1 / 255)

    def _draw_sky(self, rgb: Bytes, heading: float) -> None:
        if rgb.size:
            where = self._camera.sky_map(heading, self._sky_density)
            sky = cv2.remap(self._panorama, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            cv2.copyTo(sky, self._camera.sky_mask, rgb)


def see_paint(paint: Ground, camera: Camera, pose: Pose) -> Bytes:
    """Which pixels of a picture from `pose` are lane paint: uint8 (H, W), 0 or 255."""
    width, height = camera.size
    seen = np.zeros((height, width), np.uint8)
    camera.look_down(paint, pose, seen)
    seen[camera.sky_rows][camera.sky_mask > 0] = 0
    mask: Bytes = cv2.threshold(seen, 127, 255, cv2.THRESH_BINARY)[1]
    return mask
