"""The same places of one road in several guises, that differ in one thing only and by the pixel in nothing else.

    places ──▶ as it is │ before another skyline │ the skyline turned │ a line not painted ──▶ frames

Light, shadows and the sensor's noise are the same in every guise, and so is the ground unless a line of it is missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.capture.track.camera import Camera, View
from edge.capture.track.course import LANE_CENTRE_M, Course, Pose, course
from edge.capture.track.ground import Ground, draw_ground
from edge.capture.track.light import Light, Sensor
from edge.capture.track.skyline import draw_skyline
from edge.capture.track.style import STYLES, Style, random_style, without

Frames = NDArray[np.uint8]

SIZE = (160, 120)
LINES = ("left", "centre", "right")
TURNS = (math.pi / 2, math.pi, -math.pi / 2)

_ASIDE_M, _ASKEW = 0.06, 0.10
"""How far the car is put down beside its lane's centre and askew (radians), at most: as a tidy driver strays."""


def skies(track: str) -> list[Style]:
    """Other skylines than the track's own: that of the other track, and three that no pilot is trained with."""
    others = [style for name, style in STYLES.items() if name != track]
    return [*others, *(random_style(1_000_000 + number) for number in range(3))]


def places(road: Course, count: int, seed: int = 0) -> list[Pose]:
    """So many along one lap, evenly, each a little aside and askew."""
    rng = np.random.default_rng([seed, 0x9A])
    stray = rng.uniform((-_ASIDE_M, -_ASKEW), (_ASIDE_M, _ASKEW), (count, 2)).tolist()
    return [
        road.pose(number / count * road.length_m, LANE_CENTRE_M + aside, askew)
        for number, (aside, askew) in enumerate(stray)
    ]


@dataclass(slots=True)
class Scenery:
    """One road with the look of one style, seen by the camera as it should be mounted."""

    track: str
    style: Style
    road: Course = field(init=False)
    _ground: Ground = field(init=False)
    _camera: Camera = field(init=False)

    def __post_init__(self) -> None:
        self.road = course(self.track)
        self._ground = draw_ground(self.road, self.style)
        self._camera = Camera(SIZE)

    def frames(self, places: Sequence[Pose], *, sky: Style | None = None, turn: float = 0.0) -> Frames:
        """uint8 (N, H, W, 3): what is seen from there, before `sky`, which is turned by `turn` radians."""
        return self._seen(View(self._ground, draw_skyline(sky or self.style), self._camera), places, turn)

    def frames_without(self, line: str, places: Sequence[Pose]) -> Frames:
        """The same with one line not painted."""
        ground = draw_ground(self.road, without(self.style, line))
        return self._seen(View(ground, draw_skyline(self.style), self._camera), places, 0.0)

    def _seen(self, view: View, places: Sequence[Pose], turn: float) -> Frames:
        light, sensor = Light(0), Sensor(SIZE, 0)
        frames = np.empty((len(places), SIZE[1], SIZE[0], 3), np.uint8)
        for number, pose in enumerate(places):
            seconds = number / 30
            frames[number] = view.render(pose, light, seconds, sky_turn=turn)
            sensor.expose(frames[number], light.curve(seconds))
        return frames
