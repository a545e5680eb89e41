"""The spatial geometry of a pilot's convolutions: what mask.py needs to know, and all it needs to know.

image ─▶ 0 conv ─▶ 1 conv ─▶ 2 conv ─▶ 3 join ─▶ 4 conv        inputs of 0: (-1,), of 1: (0,), of 3: (2, 0)
              └───────────────────────▶
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Reads = Literal["mean", "positive", "magnitude"]
"""What stands for a cell's activations: their mean; the mean of their positive part; the mean of their magnitudes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One layer that maps grids of `in_size` cells to one of `out_size` cells. All pairs are (height, width).

    Output cell i sees input rows `stride·i − pad + dilation·t` for t = 0 … kernel − 1, likewise columns. What joins
    several grids looks through a window of 1×1 at each; a crop is such a window too, with a negative pad.
    """

    name: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    """Rows above and columns left of the input that the layer reads as zeros; what lies below and right follows."""
    in_size: tuple[int, int]
    out_size: tuple[int, int]
    tapped: bool
    """True for a convolution, whose activations (after the activation function) are exposed; False for all else."""
    inputs: tuple[int, ...] = (-1,)
    """The earlier steps whose cells this one looks at, by their place in the geometry; -1 is the image."""
    reads: Reads = "mean"
    """How a tapped step's activations count. Where none can be negative the mean is the mean of their magnitudes."""
    resized: bool = False
    """True for a resize, whose window has no fixed size: output cell i stands for the input rows from ⌊i·in/out⌋ to
    ⌈(i + 1)·in/out⌉ − 1, likewise columns. Kernel, stride, dilation and pad say nothing then."""


Geometry = tuple[Step, ...]
"""Every way from the image input to a last convolution. Each step stands behind those it looks at, and their `out_size`
(the image's size) is its `in_size`. A step that no other looks at is tapped."""


def leading_to(steps: Sequence[Step], ends: Collection[int]) -> tuple[Geometry, list[int]]:
    """The steps at the places `ends` and those that lead to them, renumbered; and the places they had before."""
    wanted = set(ends)
    for place in reversed(range(len(steps))):
        if place in wanted:
            wanted.update(steps[place].inputs)
    kept = sorted(wanted - {-1})
    places = {-1: -1, **{place: new for new, place in enumerate(kept)}}
    geometry = (replace(steps[place], inputs=tuple(places[i] for i in steps[place].inputs)) for place in kept)
    return tuple(geometry), kept
