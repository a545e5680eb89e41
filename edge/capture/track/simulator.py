"""The simulated car as a source: drive, one step of time, one picture."""

import time
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge.capture.source import Frame, Source, SourceError
from edge.capture.track.camera import Camera, Mount, View, see_paint
from edge.capture.track.car import WIDTH_M, Car, clamp, expert
from edge.capture.track.course import LANE_CENTRE_M, LANE_WIDTH_M, ROAD_WIDTH_M, Pose, course, track_number
from edge.capture.track.ground import Ground, draw_ground, draw_paint
from edge.capture.track.light import Light, Sensor
from edge.capture.track.skyline import draw_skyline
from edge.capture.track.style import STYLES, Style, random_style
from wire import Drive

PATIENCE_S = 2.0
"""How long the car may be off the road before it is put back."""


class TrackSource(Source):
    """A camera on a car on a closed road; `drive` steers it, each `read` lets 1/fps of the car's time pass.

    track: "demo", "unseen" or "random-<n>"; size: width and height in pixels, 16 … 1920; fps: 1 … 240.
    realtime: wait for each frame's time; otherwise frames come as fast as they are asked for, and are the same ones.
    seed: of light, shadows and noise. style, sky: another look than the track's own; mount: another camera position.
    Same arguments and same commands give the same frames. Entering it starts a new run. Raises SourceError.
    """

    driven = True

    def __init__(
        self,
        track: str = "demo",
        *,
        size: tuple[int, int] = (160, 120),
        fps: float = 30,
        realtime: bool = True,
        seed: int = 0,
        style: Style | None = None,
        sky: Style | None = None,
        mount: Mount | None = None,
    ) -> None:
        self.name = f"track:{track}"
        self.course = course(track)
        _check(size, fps)
        self.size, self.fps = size, fps
        style = style or STYLES.get(track) or random_style(track_number(track))
        self._realtime, self._seed = realtime, seed
        self._style = style
        self._camera = Camera(size, mount)
        self._view = View(draw_ground(self.course, style), draw_skyline(sky or style), self._camera)
        self._start()

    def _start(self) -> None:
        self._light, self._sensor = Light(self._seed), Sensor(self.size, self._seed)
        self._drive = Drive(0.0, 0.0)
        self._car = Car(self.course.pose(0.0, LANE_CENTRE_M))
        self._frames = 0
        self._lost_s = 0.0
        self._due_ns = 0
        self.progress_m = 0.0
        """How far along the road the car has come, backing up subtracted."""
        self.resets = 0
        """How often the car had to be put back on the road."""
        self._place = self.course.locate(*self._car.pose[:2])

    def __enter__(self) -> Self:
        self._start()
        return self

    def drive(self, drive: Drive) -> None:
        """Steer like this from the next frame on; beyond ±1 is clamped, NaN ignored."""
        self._drive = clamp(drive) or self._drive

    def read(self) -> Frame:
        """The next frame, at its time if `realtime`."""
        if self._realtime:
            self._wait()
        self._advance(1 / self.fps)
        self._frames += 1
        seconds = self._frames / self.fps
        rgb = self._view.render(self.pose, self._light, seconds)
        self._sensor.expose(rgb, self._light.curve(seconds))
        # The light falls in when the picture exists: rendering is the world's time, not the camera's.
        return Frame(rgb, time.monotonic_ns())

    def _wait(self) -> None:
        """Sleep until the next point of a grid 1/fps apart; points already past are given up."""
        now_ns, period_ns = time.monotonic_ns(), round(1e9 / self.fps)
        self._due_ns = max(self._due_ns + period_ns, now_ns - (now_ns - self._due_ns) % period_ns)
        time.sleep(max(0, self._due_ns - now_ns) / 1e9)

    def _advance(self, seconds: float) -> None:
        self._car.advance(self._drive, seconds)
        before, self._place = self._place, self.course.locate(*self.pose[:2])
        half = self.course.length_m / 2
        self.progress_m += (self._place.s_m - before.s_m + half) % (2 * half) - half
        self._lost_s = self._lost_s + seconds if abs(self._place.offset_m) > ROAD_WIDTH_M / 2 else 0.0
        if self._lost_s > PATIENCE_S:
            self.resets += 1
            self.place(self._place.s_m)

    def place(self, s_m: float, lane_offset_m: float = 0.0, turn: float = 0.0) -> None:
        """Put the car down, at rest, `s_m` along the road; the offset is to the right, `turn` radians to the left."""
        self._car = Car(self.course.pose(s_m, LANE_CENTRE_M + lane_offset_m, turn))
        self._place = self.course.locate(*self.pose[:2])
        self._lost_s = 0.0

    @property
    def pose(self) -> Pose:
        return self._car.pose

    @property
    def speed_m_s(self) -> float:
        return self._car.speed_m_s

    @property
    def lane_offset_m(self) -> float:
        """How far the car's middle is to the right of its lane's centre."""
        return self._place.offset_m - LANE_CENTRE_M

    @property
    def in_lane(self) -> bool:
        """True while no part of the car's width is over a line of its lane."""
        return abs(self.lane_offset_m) <= (LANE_WIDTH_M - WIDTH_M) / 2

    @property
    def laps(self) -> int:
        """Whole laps driven."""
        return max(0, int(self.progress_m // self.course.length_m))

    def lane_mask(self) -> NDArray[np.uint8]:
        """Which pixels of the newest frame are lane paint: uint8 (H, W), 255 where they are."""
        return see_paint(self._paint, self._camera, self.pose)

    @cached_property
    def _paint(self) -> Ground:
        return draw_paint(self.course, self._style)

    def expert(self) -> Drive:
        """What a driver who knows the map would do now."""
        return expert(self.course, self.pose)


def _check(size: tuple[int, int], fps: float) -> None:
    if not all(16 <= side <= 1920 for side in size):
        raise SourceError(f"The simulated camera cannot take {size[0]}x{size[1]} pixels; use sides from 16 to 1920.")
    if not 1 <= fps <= 240:
        raise SourceError(f"The simulated camera cannot run at {fps:g} frames/s; use a rate from 1 to 240.")
