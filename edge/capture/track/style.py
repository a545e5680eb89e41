"""What a world looks like: colours, lines, floor, surroundings; one per track, or drawn at random for training."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Rgb = tuple[int, int, int]
WHITE: Rgb = (235, 235, 228)
YELLOW: Rgb = (238, 190, 40)


@dataclass(frozen=True, slots=True)
class Line:
    """One painted line along the road. A dash of 0 m is a solid line; `visible` False leaves it out."""

    colour: Rgb = WHITE
    width_m: float = 0.03
    dash_m: float = 0.0
    gap_m: float = 0.0
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Style:
    """Everything about a world but its shape and its weather."""

    left: Line = Line()
    centre: Line = Line(YELLOW, dash_m=0.20, gap_m=0.16)
    right: Line = Line()
    asphalt: Rgb = (84, 86, 90)
    floor: Rgb = (92, 122, 66)
    floor_grain: float = 0.22
    """Contrast of the floor's texture."""
    tile_m: float = 0.0
    """Joints across the floor this far apart; 0 for none."""
    wear: float = 0.25
    """How much of the paint has worn off, 0 … 1."""
    litter: int = 60
    """Leaves and scraps strewn over floor and road."""
    surroundings: Literal["town", "hills", "hall"] = "hills"
    seed: int = 0
    """Of everything drawn by chance: grain, litter, skyline."""


STYLES = {
    "demo": Style(surroundings="hills", seed=1),
    "unseen": Style(
        asphalt=(66, 66, 70), floor=(132, 112, 96), floor_grain=0.14, tile_m=0.6, surroundings="town", seed=2
    ),
}


def random_style(seed: int) -> Style:
    """A world to learn from: any colours, line styles swapped about, now and then one line missing."""
    rng = np.random.default_rng([seed, 0x57E])
    grey = rng.uniform(35, 125)
    style = Style(
        left=_random_line(rng),
        centre=_random_line(rng),
        right=_random_line(rng),
        asphalt=_near(rng, (grey, grey, grey), 10),
        floor=_near(rng, tuple(rng.uniform(30, 200, 3)), 0),
        floor_grain=float(rng.uniform(0.05, 0.35)),
        tile_m=float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.0)])),
        wear=float(rng.uniform(0, 0.5)),
        litter=int(rng.integers(0, 160)),
        surroundings=("town", "hills", "hall")[rng.integers(3)],
        seed=seed,
    )
    # Without the centre line only the distance to an edge tells the lane: the hardest case, so the most frequent.
    missing = ("left", "centre", "centre", "right")[rng.integers(4)]
    return without(style, missing) if rng.random() < 0.45 else style


def without(style: Style, line: str) -> Style:
    """The same world with one line ("left", "centre" or "right" of the road) not painted."""
    return replace(style, **{line: replace(getattr(style, line), visible=False)})


_PAINTS: tuple[Rgb, ...] = (WHITE, WHITE, YELLOW, YELLOW, (240, 120, 40), (70, 130, 235), (90, 200, 90), (225, 70, 60))


def _random_line(rng: np.random.Generator) -> Line:
    dashed = rng.random() < 0.45
    return Line(
        colour=_near(rng, _PAINTS[rng.integers(len(_PAINTS))], 18),
        width_m=float(rng.uniform(0.02, 0.045)),
        dash_m=float(rng.uniform(0.12, 0.35)) if dashed else 0.0,
        gap_m=float(rng.uniform(0.10, 0.25)) if dashed else 0.0,
    )


def _near(rng: np.random.Generator, colour: tuple[float, ...], spread: float) -> Rgb:
    r, g, b = np.clip(np.array(colour) + rng.uniform(-spread, spread, 3), 0, 255).astype(int).tolist()
    return r, g, b
