"""What the figures of a report are worth: intervals by resampling blocks of frames, and rank correlation.

Neighbouring frames of a drive show nearly the same; to draw them one by one would make every interval too narrow. So
blocks of consecutive frames are drawn (circular block bootstrap: Politis and Romano, 1992), of about 1.5·∛n frames.
Each draw is a row of weights, how often it holds each frame; all figures of a report share the same draws, so a ratio
of two methods' means compares them on the same frames every time.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

DRAWS = 1000
LEVEL = 0.95
_TINY = 1e-12


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % confidence interval; both ends are the value itself where nothing was resampled."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


class Bootstrap:
    """Draws of `count` ≥ 1 frames, always the same ones for one seed."""

    def __init__(self, count: int, seed: int = 0, *, block: int | None = None, draws: int = DRAWS) -> None:
        """block: length of the blocks, in frames; 1 treats the frames as independent."""
        self.block = block_length(count) if block is None else block
        blocks = math.ceil(count / self.block)
        starts = np.random.default_rng(seed).integers(0, count, (draws, blocks, 1))
        drawn = (starts + np.arange(self.block)).reshape(draws, -1)[:, :count] % count
        flat = (drawn + count * np.arange(draws)[:, None]).ravel()
        weights = np.bincount(flat, minlength=draws * count).reshape(draws, count) / count
        self._weights = np.vstack([np.full((1, count), 1 / count), weights])
        """float64 (1 + draws, count): the frames as they are first, then each draw."""

    def mean(self, values: Array) -> Interval:
        """values: one per frame."""
        return interval(self._weights @ values)

    def means(self, values: Array) -> list[Interval]:
        """values (frames, K): the mean of each column."""
        return [interval(column) for column in (self._weights @ values).T]

    def ratio(self, above: Array, below: Array) -> Interval | None:
        """Of the means; None where the mean below is 0."""
        under = self._weights @ below
        if under[0] < _TINY:
            return None
        return interval(self._weights @ above / np.maximum(under, _TINY))

    def correlation(self, x: Array, y: Array) -> Interval | None:
        """Pearson's r; None where one of the two does not vary."""
        x, y = x - x.mean(), y - y.mean()
        mean_x, mean_y, xx, yy, xy = (self._weights @ it for it in (x, y, x * x, y * y, x * y))
        spread = (xx - mean_x**2) * (yy - mean_y**2)
        if spread[0] < _TINY**2:
            return None
        varied = spread > _TINY**2
        return interval((xy - mean_x * mean_y)[varied] / np.sqrt(spread[varied]))


def block_length(count: int) -> int:
    """1.5·∛n, at most a third of the frames, at least one."""
    return max(1, min(round(1.5 * math.cbrt(count)), count // 3))


def interval(values: Array) -> Interval:
    """The figure itself, then the same of each draw: its percentile interval."""
    low, high = np.quantile(values[1:] if values.size > 1 else values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))


def spearman(one: Array, other: Array) -> float:
    """Correlation of the ranks of two maps of one shape, ties given their mean rank; 0 where one of them is flat."""
    x, y = (ranks(values.ravel()) for values in (one, other))
    x, y = x - x.mean(), y - y.mean()
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread else 0.0


def ranks(values: Array) -> NDArray[np.float64]:
    """Of each value, from 0, in rising order; equal ones share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: NDArray[np.float64] = (last - (counts + 1) / 2)[places.ravel()]
    return shared
