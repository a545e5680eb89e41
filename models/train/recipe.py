"""The recipes a pilot can be trained by, and training by one."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from models.train import laps, worlds
from models.train.fit import Progress, fit, tensorflow
from models.train.network import build, to_tflite
from models.train.samples import Bytes, Label, Samples, gathered

_HELD_OUT_WORLDS = 4
_WORLDS_PER_SEED = 10_000
_TOLD_EVERY = 3000

SKY_ROWS = 44
"""The lowest rows with sky in them, seen by the camera as it should be mounted, end here."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to learn from, and how many rows the network cuts off at the top."""

    says: str
    varied: bool
    """Random worlds instead of one driver's laps of one course."""
    sky_rows: int = 0

    def frames(self, count: int, seed: int, tell: Progress) -> tuple[Samples, Samples]:
        """So many to learn from, and some of the same kind held out: of other worlds, or of the laps that follow."""
        tell = _timed(tell)
        if not self.varied:
            drive = _told(laps.frames(seed), tell)
            return gathered(count, drive), gathered(max(1, count // 10), drive)
        first, held_out = seed * _WORLDS_PER_SEED, _HELD_OUT_WORLDS * worlds.FRAMES_PER_WORLD
        unseen = worlds.frames(first + _WORLDS_PER_SEED - _HELD_OUT_WORLDS)
        return gathered(count, _told(worlds.frames(first), tell)), gathered(min(held_out, count), unseen)


RECIPES = {
    "naive": Recipe("one driver's laps of one course, as they come", varied=False),
    "cropped": Recipe("the same laps, with the sky cut off inside the network", varied=False, sky_rows=SKY_ROWS),
    "varied": Recipe("random worlds, skylines, mounts and light, mirrored and smeared", varied=True),
    "robust": Recipe("the same worlds, with the sky cut off inside the network", varied=True, sky_rows=SKY_ROWS),
}


def trained(recipe: Recipe, frames: int, epochs: int, seed: int, tell: Progress) -> bytes:
    """A pilot by that recipe, as a .tflite file; on one machine always the same bytes. Raises TrainError."""
    tf = tensorflow(seed)
    samples, held_out = recipe.frames(frames, seed, tell)
    model = build(tf, recipe.sky_rows)
    fit(model, tf, samples, held_out, epochs, seed, _timed(tell))
    return to_tflite(tf, model, recipe.sky_rows)


def _timed(tell: Progress) -> Progress:
    started = time.monotonic()
    return lambda line: tell(f"{line}; {time.monotonic() - started:.0f} s")


def _told(frames: Iterator[tuple[Bytes, Label]], tell: Progress) -> Iterator[tuple[Bytes, Label]]:
    done = 0
    while True:
        yield from islice(frames, _TOLD_EVERY)
        done += _TOLD_EVERY
        tell(f"rendered {done} frames")
