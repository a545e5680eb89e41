"""Which output of a pilot steers, which one drives, and how their numbers are meant.

Converters order outputs as they like, so names decide first, then sizes, then the order. As Donkeycar's pilots have it:

    name           values   meaning
    n_outputs0          1   steering
    n_outputs1          1   throttle
    angle_out          15   one score per steering angle, evenly spaced from -1 to 1; the highest counts
    throttle_out       20   one score per throttle, in steps of 1/20 from 0 up; the highest counts
    (the only one)      2   steering, throttle
    (the only one)      1   steering

A categorical throttle is a share of the range that was set for training (mostly 0.5 or 0.8), unknown to the file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wire import Drive

STEERING_WORDS = ("angle", "steer", "outputs0", "output_0")
THROTTLE_WORDS = ("throttle", "outputs1", "output_1")
STEERING_BINS = 15
THROTTLE_BINS = 20


@dataclass(frozen=True, slots=True)
class Control:
    """A number read from an output: the value at `place`; if that is None, `low + step * (place of the highest)`."""

    output: str
    place: int | None
    low: float = 0.0
    step: float = 1.0

    def read(self, outputs: Mapping[str, NDArray[np.float32]]) -> float:
        """0.0 where the pilot says something that is not a finite number."""
        values = outputs[self.output]
        if self.place is not None:
            value = float(values[self.place])
            return value if math.isfinite(value) else 0.0
        return self.low + self.step * int(values.argmax()) if np.isfinite(values).all() else 0.0

    def __str__(self) -> str:
        what = "highest of its values" if self.place is None else f"value {self.place + 1}"
        return f"{self.output}, {what}"


@dataclass(frozen=True, slots=True)
class Controls:
    """How to read a pilot's word; `throttle` is None where it only steers (its throttle is then 0)."""

    steering: Control
    throttle: Control | None

    def read(self, outputs: Mapping[str, NDArray[np.float32]]) -> Drive:
        """As the pilot says it, not clamped."""
        return Drive(self.steering.read(outputs), self.throttle.read(outputs) if self.throttle else 0.0)


def assign(sizes: Mapping[str, int]) -> Controls:
    """Find the controls among outputs, given as {name: number of values} in the file's order; at least one."""
    if len(sizes) == 1:
        ((name, size),) = sizes.items()
        return Controls(_steering(name, size), Control(name, 1) if size == 2 else None)
    steering = _named(sizes, STEERING_WORDS)
    throttle = _named(sizes, THROTTLE_WORDS, but=steering) or _sized(sizes, THROTTLE_BINS, but=steering)
    steering = steering or _sized(sizes, STEERING_BINS, but=throttle) or _first(sizes, but=throttle)
    throttle = throttle or _first(sizes, but=steering)
    return Controls(_steering(steering, sizes[steering]), _throttle(throttle, sizes[throttle]))


def _steering(name: str, size: int) -> Control:
    return Control(name, 0) if size <= 2 else Control(name, None, low=-1.0, step=2 / (size - 1))


def _throttle(name: str, size: int) -> Control:
    return Control(name, 0) if size <= 2 else Control(name, None, step=1 / size)


def _named(sizes: Mapping[str, int], words: tuple[str, ...], but: str = "") -> str:
    return next((name for name in sizes if name != but and any(word in name.lower() for word in words)), "")


def _sized(sizes: Mapping[str, int], wanted: int, but: str) -> str:
    return next((name for name, size in sizes.items() if name != but and size == wanted), "")


def _first(sizes: Mapping[str, int], but: str) -> str:
    return next(name for name in sizes if name != but)
