"""NVIDIA's shift test: does the output follow what the map calls salient? (Bojarski et al., arXiv 1704.07911)

    salient      the map's top pixels are moved sideways, the rest stays
    background   the rest is moved, the top pixels stay
    whole        the picture is moved

If a map shows what the pilot steers by, moving that alone changes the output about as much as moving the whole picture,
and moving the background hardly does. What a move uncovers is filled from the blurred picture, or at the picture's edge
with its last column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.deletion import Floats, deleted, ranking
from models.report.subject import Prepared, Subject

SHARE = 0.10
"""Of the pixels, that counts as salient."""
_STEPS = (-0.075, -0.05, -0.025, 0.025, 0.05, 0.075)
"""Shifts in widths: ±4, ±8, ±12 pixels at a width of 160."""

Values = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Moved:
    """|change| of the output, float64 (frames, shifts) each."""

    salient: Values
    background: Values


def shifts(width: int) -> list[int]:
    """In pixels, to the right, none of them 0."""
    return [round(step * width) or (1 if step > 0 else -1) for step in _STEPS]


def moved(image: NDArray[T], pixels: int) -> NDArray[T]:
    """An array (H, W, …) moved to the right by `pixels`, which may be negative; its edge column is repeated."""
    columns = np.arange(image.shape[1]) - pixels
    return image[:, columns.clip(0, image.shape[1] - 1)]


def parts(image: Floats, background: Floats, salient: NDArray[np.bool_], pixels: int) -> tuple[Floats, Floats]:
    """The picture with its salient pixels (H, W) moved, and with all but them moved."""
    there = moved(salient, pixels) & _inside(salient.shape[1], pixels)
    emptied = np.where(salient[..., None], background, image)
    salient_moved = np.where(there[..., None], moved(image, pixels), emptied)
    background_moved = np.where(salient[..., None], image, moved(emptied, pixels))
    return salient_moved, background_moved


def whole(subject: Subject, frames: Sequence[Prepared]) -> Values:
    """|change| when the whole picture is moved: float64 (frames, shifts)."""
    return np.array([[_change(subject, it, moved(it.image, n)) for n in _shifts(it)] for it in frames])


def measure(subject: Subject, frames: Sequence[Prepared], method: str, tick: Callable[[], None]) -> Moved:
    """Of one method. Raises MethodError."""
    rows = []
    for prepared in frames:
        values, _ = subject.explain(prepared.sample, method)
        rows.append(_row(subject, prepared, _top(values)))
        tick()
    both = np.array(rows)  # (frames, shifts, 2)
    return Moved(both[..., 0], both[..., 1])


def _row(subject: Subject, it: Prepared, salient: NDArray[np.bool_]) -> list[list[float]]:
    pairs = (parts(it.image, it.background, salient, pixels) for pixels in _shifts(it))
    return [[_change(subject, it, image) for image in pair] for pair in pairs]


def _top(values: Floats) -> NDArray[np.bool_]:
    nothing = np.zeros((*values.shape, 1), np.float32)
    top: NDArray[np.bool_] = deleted(nothing, nothing + 1, ranking(values), SHARE)[..., 0] > 0
    return top


def _inside(width: int, pixels: int) -> NDArray[np.bool_]:
    """Columns that a move fills from within the picture: bool (W,)."""
    columns = np.arange(width) - pixels
    return (columns >= 0) & (columns < width)


def _shifts(prepared: Prepared) -> list[int]:
    return shifts(prepared.image.shape[1])


def _change(subject: Subject, prepared: Prepared, image: Floats) -> float:
    return abs(subject.value(prepared.sample, np.ascontiguousarray(image)) - prepared.value)
