"""How the car moves, and who drives it well: a kinematic bicycle, and a pure-pursuit driver that knows the map."""

import math

import numpy as np

from edge.capture.track.course import LANE_CENTRE_M, SPACING_M, Course, Pose
from wire import Drive

WHEELBASE_M = 0.17
WIDTH_M = 0.16
MAX_STEER = math.radians(25)
"""Angle of the front wheels at steering ±1, radians."""
MAX_SPEED_M_S = 3.0
"""At throttle 1; the speed at rest follows the throttle in proportion, negative throttle backs up."""

_STEERING_LAG_S = 0.06
_SPEED_LAG_S = 0.35
_STEP_S = 0.02

_LOOKAHEAD_M = 0.50
_PREVIEW_M = 1.0
_FAST, _SLOW, _THROTTLE_PER_CURVATURE = 0.48, 0.32, 0.14


class Car:
    """A kinematic bicycle seen from the middle of its wheelbase, its servo and motor lagging in first order."""

    def __init__(self, pose: Pose) -> None:
        self.pose = pose
        self.wheel_angle = 0.0
        """Of the front wheels, radians, positive to the left."""
        self.speed_m_s = 0.0

    def advance(self, drive: Drive, seconds: float) -> None:
        """Let time pass under one command, in steps short against the lags."""
        steps = math.ceil(seconds / _STEP_S)
        for _ in range(steps):
            self._step(drive, seconds / steps)

    def _step(self, drive: Drive, dt: float) -> None:
        self.wheel_angle += (-drive.steering * MAX_STEER - self.wheel_angle) * -math.expm1(-dt / _STEERING_LAG_S)
        self.speed_m_s += (drive.throttle * MAX_SPEED_M_S - self.speed_m_s) * -math.expm1(-dt / _SPEED_LAG_S)
        slip = math.atan(math.tan(self.wheel_angle) / 2)
        turned = self.speed_m_s * dt * math.cos(slip) * math.tan(self.wheel_angle) / WHEELBASE_M
        course = self.pose.heading + slip + turned / 2
        forward = self.speed_m_s * dt
        x, y, heading = self.pose
        self.pose = Pose(x + forward * math.cos(course), y + forward * math.sin(course), heading + turned)


def clamp(drive: Drive) -> Drive | None:
    """What the servo and motor make of a command: both within ±1; None for one that is not a number."""
    if math.isnan(drive.steering) or math.isnan(drive.throttle):
        return None
    return Drive(min(1.0, max(-1.0, drive.steering)), min(1.0, max(-1.0, drive.throttle)))


def expert(course: Course, pose: Pose) -> Drive:
    """Steer the rear axle on the arc through a point of the lane's centre ahead; slow down before bends.

    Pure pursuit as in Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01 (1992).
    """
    rear_x = pose.x - WHEELBASE_M / 2 * math.cos(pose.heading)
    rear_y = pose.y - WHEELBASE_M / 2 * math.sin(pose.heading)
    s_m = course.locate(rear_x, rear_y).s_m
    target = course.pose(s_m + _LOOKAHEAD_M, LANE_CENTRE_M)
    away = math.hypot(target.x - rear_x, target.y - rear_y)
    bearing = math.atan2(target.y - rear_y, target.x - rear_x) - pose.heading
    wheel_angle = math.atan2(2 * WHEELBASE_M * math.sin(bearing), away)
    ahead = course.index(s_m) + np.arange(0, round(_PREVIEW_M / SPACING_M), 4)
    bend = float(np.abs(course.curvature[ahead % len(course.curvature)]).max())
    throttle = max(_SLOW, _FAST - _THROTTLE_PER_CURVATURE * bend)
    return Drive(min(1.0, max(-1.0, -wheel_angle / MAX_STEER)), throttle)
