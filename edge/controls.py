"""Which output of a pilot steers, which one drives, and how their numbers are meant.

Converters order outputs as they like, so the card decides first, then names, then sizes, then the order. As Donkeycar's
pilots have it:

    name                    values   meaning
    n_outputs0, out_0            1   steering
    n_outputs1, out_1            1   throttle
    angle, throttle              1   likewise (localizer)
    zloc                         8   where on the track (localizer): neither
    angle_out                   15   one score per steering angle, evenly spaced from -1 to 1; the highest counts
    throttle_out                20   one score per throttle, in steps of 1/20 of the full range; the highest counts
    (the only one)               2   steering, throttle
    (the only one)               1   steering (inferred)

The full range of a categorical throttle is that which was set for training, unknown to the file: the card says it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.card import OutputCard
from edge.tflite import PilotError
from wire import Drive

STEERING_WORDS = ("angle", "steer", "outputs0", "output_0", "out_0")
THROTTLE_WORDS = ("throttle", "speed", "outputs1", "output_1", "out_1")
STEERING_BINS = 15
THROTTLE_BINS = 20

_NEITHER = re.compile(r"loc|behav|lane|latent")


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

    @property
    def place_name(self) -> str:
        """As a card names it."""
        return self.output if self.place is None else f"{self.output}[{self.place}]"

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


Place = tuple[str, int | None]
"""An output and one of its values; None where its size tells what is meant."""


def assign(sizes: Mapping[str, int], card: OutputCard | None = None) -> Controls:
    """Find the controls among outputs, given as {name: number of values} in the file's order; at least one.

    Raises PilotError where the card names what there is not.
    """
    card = card or OutputCard()
    throttle = _said(card.throttle, sizes) if card.throttle not in {None, "none"} else None
    steering = _said(card.steering, sizes) or (_find_steering(sizes, throttle[0] if throttle else ""), None)
    if card.throttle is None:
        throttle = _find_throttle(sizes, *steering)
    return Controls(_steering(*steering, sizes, card), _throttle(*throttle, sizes, card) if throttle else None)


def _said(text: str | None, sizes: Mapping[str, int]) -> Place | None:
    """What a card means by NAME or NAME[2]."""
    if text is None or text in sizes:
        return (text, None) if text else None
    parts = re.fullmatch(r"(.*)\[([0-9]{1,4})\]", text)
    if parts and int(parts[2]) < sizes.get(parts[1], 0):
        return parts[1], int(parts[2])
    known = ", ".join(f"{name} ({size} values)" for name, size in sizes.items())
    raise PilotError(f"has no output {text!r}, which its card speaks of; it has {known}")


def _find_steering(sizes: Mapping[str, int], taken: str) -> str:
    throttle = taken or _named(sizes, THROTTLE_WORDS) or _sized(sizes, THROTTLE_BINS)
    return (
        _named(sizes, STEERING_WORDS, but=taken)
        or _sized(sizes, STEERING_BINS, but=throttle)
        or _first(sizes, but=throttle)
        or next(iter(sizes))
    )


def _find_throttle(sizes: Mapping[str, int], steering: str, place: int | None) -> Place | None:
    if named := _named(sizes, THROTTLE_WORDS, but=steering):
        return named, None
    if sizes[steering] == 2:
        return steering, 0 if place == 1 else 1
    other = _sized(sizes, THROTTLE_BINS, but=steering) or _first(sizes, but=steering)
    return (other, None) if other else None


def _steering(name: str, place: int | None, sizes: Mapping[str, int], card: OutputCard) -> Control:
    if place is not None or sizes[name] <= 2:
        return Control(name, place or 0)
    first, last = card.angles
    return Control(name, None, low=first, step=(last - first) / (sizes[name] - 1))


def _throttle(name: str, place: int | None, sizes: Mapping[str, int], card: OutputCard) -> Control:
    if place is not None or sizes[name] <= 2:
        return Control(name, place or 0)
    return Control(name, None, step=card.full_throttle / sizes[name])


def _named(sizes: Mapping[str, int], words: tuple[str, ...], but: str = "") -> str:
    return next((name for name in sizes if name != but and any(word in name.lower() for word in words)), "")


def _sized(sizes: Mapping[str, int], wanted: int, but: str = "") -> str:
    return next((name for name, size in sizes.items() if name != but and size == wanted), "")


def _first(sizes: Mapping[str, int], but: str) -> str:
    """The first that can be meant, single numbers before scores."""
    left = [name for name in sizes if name != but and not _NEITHER.search(name.lower())]
    return next((name for name in left if sizes[name] <= 2), next(iter(left), ""))
