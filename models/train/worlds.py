"""Frames of random worlds, in which nothing but the lane tells where to go.

    random worlds ─▶ perturbed poses ─▶ frames, labelled by the pure-pursuit driver

Every world has its own road, lines, colours and floor, the skyline is another one in each view and turned at random,
the camera's mount differs, and in nearly half of the worlds one line is missing. Neither "demo" nor "unseen" is among
them.

Half the frames are mirrored, so that neither side is the other's better; but not those without a centre line, where
only the rule of the road tells which half is the car's.
"""

import itertools
import math
from collections.abc import Iterator

import cv2
import numpy as np

from edge.capture.track.camera import Camera, Mount, View
from edge.capture.track.car import expert
from edge.capture.track.course import LANE_CENTRE_M, course
from edge.capture.track.ground import draw_ground
from edge.capture.track.light import Light, Sensor
from edge.capture.track.skyline import draw_skyline
from edge.capture.track.style import Style, random_style, without
from models.train.samples import SIZE, Bytes, Label

FRAMES_PER_WORLD = 300
_FRAMES_PER_VIEW = 50

Generator = np.random.Generator


def frames(first_world: int) -> Iterator[tuple[Bytes, Label]]:
    """Labelled frames of one random world after the other, counted from `first_world`; always the same ones."""
    for number in itertools.count(first_world):
        yield from itertools.islice(_world(number), FRAMES_PER_WORLD)


def _world(number: int) -> Iterator[tuple[Bytes, Label]]:
    """Frames and labels of one random world, for ever."""
    rng = np.random.default_rng([number, 0x7A1])
    road = course(f"random-{number}")
    style = _style(number)
    ground = draw_ground(road, style)
    while True:
        view = View(ground, draw_skyline(random_style(int(rng.integers(2**31)))), Camera(SIZE, _mount(rng)))
        light, sensor = (
            Light(int(rng.integers(2**31)), swing=rng.uniform(0.3, 2)),
            Sensor(SIZE, int(rng.integers(2**31))),
        )
        for _ in range(_FRAMES_PER_VIEW):
            pose = road.pose(rng.uniform(0, road.length_m), LANE_CENTRE_M + _offset_m(rng), _turn(rng))
            seconds = rng.uniform(0, 200)
            rgb = view.render(pose, light, seconds, sky_turn=rng.uniform(0, math.tau))
            sensor.expose(rgb, light.curve(seconds))
            label = expert(road, pose)
            frame = _smeared(rgb, rng), (label.steering, label.throttle)
            yield _mirrored(*frame) if style.centre.visible and rng.random() < 0.5 else frame


def _style(number: int) -> Style:
    """One line is missing in 45 % of the worlds, half the time the centre one; the right one in 28 % more.

    Those without a centre line, never mirrored, teach to hang on the right one, and these not to.
    """
    style = random_style(number)
    complete = style.left.visible and style.centre.visible and style.right.visible
    return without(style, "right") if complete and number % 2 == 0 else style


def _mount(rng: Generator) -> Mount:
    """A camera as different hands would screw it on."""
    return Mount(
        height_m=rng.uniform(0.14, 0.18),
        ahead_m=rng.uniform(0.04, 0.08),
        pitch_deg=rng.uniform(15.5, 20.5),
        roll_deg=rng.uniform(-1.5, 1.5),
        fov_deg=rng.uniform(106, 114),
    )


def _offset_m(rng: Generator) -> float:
    return float(rng.normal(0, 0.05) if rng.random() < 0.6 else rng.uniform(-0.22, 0.22))


def _turn(rng: Generator) -> float:
    return math.radians(rng.normal(0, 7) if rng.random() < 0.6 else rng.uniform(-28, 28))


def _smeared(rgb: Bytes, rng: Generator) -> Bytes:
    """Out of focus, or more noise, now and then."""
    kind = rng.random()
    if kind < 0.15:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.5, 1.4)), np.uint8)
    if kind < 0.35:
        noisy: Bytes = (rgb + rng.normal(0, rng.uniform(2, 10), rgb.shape)).clip(0, 255).astype(np.uint8)
        return noisy
    return rgb


def _mirrored(rgb: Bytes, label: Label) -> tuple[Bytes, Label]:
    return rgb[:, ::-1], (-label[0], label[1])
