"""Where nothing came, told from when frames stand."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from host.record.session import TICKS_HZ

GAP_TICKS = TICKS_HZ
GAP_INTERVALS = 4
"""A gap is a second at least, and so many times what usually lies between two frames."""


def gaps_between(ticks: Sequence[int]) -> list[tuple[int, int]]:
    """Of the last frame before each gap, and of the first one after it: ticks."""
    steps = [after - before for before, after in pairwise(ticks)]
    least = max(GAP_TICKS, GAP_INTERVALS * statistics.median_low(steps)) if steps else 0
    return [(ticks[at], ticks[at + 1]) for at, step in enumerate(steps) if step >= least]
