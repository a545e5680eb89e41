"""Ranks against a slow definition; intervals against what they promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.report.statistics import Bootstrap, Interval, block_length, ranks, spearman

numbers = st.lists(st.integers(-3, 3), min_size=2, max_size=12)


def slow_ranks(values: list[int]) -> list[float]:
    """How many are smaller, plus half of the others that are equal."""
    return [sum(other < one for other in values) + (values.count(one) - 1) / 2 for one in values]


@given(numbers)
def test_ranks_share_ties(values: list[int]) -> None:
    np.testing.assert_allclose(ranks(np.array(values, np.float32)), slow_ranks(values))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12))
def test_spearman_is_the_correlation_of_ranks(pairs: list[tuple[int, int]]) -> None:
    one, other = (slow_ranks(list(side)) for side in zip(*pairs, strict=True))
    found = spearman(*(np.array(side, np.float32) for side in zip(*pairs, strict=True)))
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(np.corrcoef(one, other)[0, 1])


def test_spearman_sees_order_only() -> None:
    values = np.random.default_rng(0).random((30, 40), np.float32)
    assert spearman(values, values**3 + 1) == pytest.approx(1)
    assert spearman(values, -np.exp(values)) == pytest.approx(-1)
    assert abs(spearman(values, np.random.default_rng(1).random((30, 40)))) < 0.1


def correlated(rng: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Each frame like the one before: an autoregressive series of mean 0."""
    series = np.zeros(count)
    for i, noise in enumerate(rng.standard_normal(count)):
        series[i] = 0.7 * series[i - 1] + noise if i else noise / np.sqrt(1 - 0.49)
    return series


def test_blocks_cover_the_mean_of_correlated_frames_where_single_frames_do_not() -> None:
    rng = np.random.default_rng(5)
    hits = {None: 0, 1: 0}
    for trial, block in itertools.product(range(250), hits):
        series = correlated(rng, 200)
        found = Bootstrap(200, trial, block=block, draws=200).mean(series)
        hits[block] += found.low <= 0 <= found.high
    assert hits[None] / 250 > 0.82
    assert hits[1] / 250 < 0.70


def test_intervals_of_independent_frames_cover_as_promised() -> None:
    rng = np.random.default_rng(6)
    hits = 0
    for trial in range(300):
        found = Bootstrap(80, trial, block=1, draws=300).mean(rng.exponential(size=80))
        hits += found.low <= 1 <= found.high
    assert 0.88 < hits / 300 < 0.98


def test_every_frame_weighs_the_same() -> None:
    """Blocks run over the end, so the first and the last frames are drawn as often as the others."""
    resample = Bootstrap(50, draws=4000)
    shares = [resample.mean(np.eye(50)[frame]) for frame in (0, 25, 49)]
    assert all(share.value == pytest.approx(1 / 50) for share in shares)
    assert len({round(share.high, 3) for share in shares}) == 1


def test_a_ratio_compares_the_same_frames() -> None:
    """A figure twice another on every frame is twice it for certain, however much both vary."""
    values = np.random.default_rng(7).exponential(size=100)
    ratio = Bootstrap(100).ratio(2 * values, values)
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    apart = Bootstrap(100).ratio(values[::-1].copy(), values)
    assert apart is not None and apart.high - apart.low > 0.2


def test_ratio_to_nothing_is_none() -> None:
    assert Bootstrap(9).ratio(np.ones(9), np.zeros(9)) is None


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal(120)
    y = x + rng.standard_normal(120) + 40
    found = Bootstrap(120).correlation(x, y)
    assert found is not None
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert -1 <= found.low < found.value < found.high <= 1
    assert Bootstrap(120).correlation(x, np.full(120, 0.3)) is None


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(9).random(40)
    assert Bootstrap(40, 3).mean(values) == Bootstrap(40, 3).mean(values) != Bootstrap(40, 4).mean(values)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 200, 10_000])
def test_any_number_of_frames_will_do(count: int) -> None:
    assert 1 <= block_length(count) <= max(1, count // 3)
    found = Bootstrap(count, draws=20).mean(np.full(count, 0.5))
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_an_interval_reads_as_a_figure() -> None:
    assert str(Interval(1.234, 1.1, 1.356)) == "1.23 (1.10–1.36)"
