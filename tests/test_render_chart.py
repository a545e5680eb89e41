"""The strip by where its curves run, how it moves, and what it must not invent."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.record.session import TICKS_HZ
from host.render.canvas import Planes
from host.render.chart import AHEAD_TICKS, GAP_TICKS, Sample, Strip, legend, pilot_colour
from host.render.scene import CHART_S
from host.render.text import DRIVER
from tests.shots import Bytes
from wire import Drive

WIDTH, HEIGHT = 400, 80
PER_COLUMN = round(2 * CHART_S * TICKS_HZ / WIDTH)


def empty(width: int = WIDTH, height: int = HEIGHT) -> Planes:
    return Planes(*(np.zeros(size, np.uint8) for size in ((height, width), *[(height // 2, width // 2)] * 2)))


def shown(strip: Strip, tick: int, width: int = WIDTH, height: int = HEIGHT) -> Planes:
    planes = empty(width, height)
    strip.put(planes, tick)
    return planes


def samples(steering: Sequence[float], throttle: float = 0.0, step: int = 4500) -> list[Sample]:
    return [Sample(at * step, None, [Drive(value, throttle)]) for at, value in enumerate(steering)]


def curve(planes: Planes, lane: int = 0) -> dict[int, float]:
    """Where the pilot's blue runs: its mean row by column, in one of the two lanes, in pixels of U."""
    half = HEIGHT // 4
    part = planes.u[lane * half : (lane + 1) * half].astype(float) - 140
    weights = np.clip(part, 0, None)
    rows = np.arange(half)[:, None]
    return {
        int(column): float((rows * weights).sum(axis=0)[column] / weights[:, column].sum())
        for column in np.flatnonzero(weights.sum(axis=0) > 10)
    }


@pytest.mark.parametrize(("value", "row"), [(1, 1), (0, 10), (-1, 19), (0.5, 5.5), (9, 1), (-9, 19)])
def test_curves_run_at_the_height_of_their_value(value: float, row: float) -> None:
    strip = Strip(samples([value] * 400, throttle=-value), WIDTH, HEIGHT, 1)
    steering, throttle = (curve(shown(strip, 900_000), lane) for lane in (0, 1))
    assert len(steering) > 180
    assert np.mean(list(steering.values())) == pytest.approx(row, abs=1)
    assert np.mean(list(throttle.values())) == pytest.approx(20 - row, abs=1)


def test_what_happens_now_is_in_the_middle_and_the_future_to_the_right() -> None:
    strip = Strip(samples([-1.0] * 200 + [1.0] * 200), WIDTH, HEIGHT, 1)
    change = 200 * 4500
    for offset_s in (-3, -1, 0, 2, 4):
        rows = curve(shown(strip, change - offset_s * TICKS_HZ))
        jump = next(column for column, row in sorted(rows.items()) if row < 10)
        assert jump * 2 == pytest.approx(WIDTH / 2 + offset_s * WIDTH / (2 * CHART_S), abs=4)
    assert (shown(strip, change).y[:, WIDTH // 2] == 235).all()


@given(st.integers(0, 1500), st.integers(1, 399))
@settings(max_examples=30, deadline=None)
def test_the_strip_moves_as_a_whole(place: int, columns: int) -> None:
    strip = Strip(samples([math.sin(at / 7) for at in range(1500)]), WIDTH, HEIGHT, 1)
    before, after = (shown(strip, at * PER_COLUMN) for at in (place, place + columns))
    moved, same = before.y[:, columns:], after.y[:, :-columns]
    still = np.ones(WIDTH - columns, bool)  # but for the mark of now
    for now in (WIDTH // 2, WIDTH // 2 - columns):
        if 0 <= now < still.size:
            still[now] = False
    np.testing.assert_array_equal(moved[:, still], same[:, still])


def test_a_curve_does_not_cross_a_gap() -> None:
    before, after = samples([0.5] * 40), samples([0.5] * 40)
    gap = 3 * GAP_TICKS
    later = [sample._replace(tick=sample.tick + 40 * 4500 + gap) for sample in after]
    middle = 40 * 4500 + gap // 2
    rows = curve(shown(Strip([*before, *later], WIDTH, HEIGHT, 1), middle))
    half = round(gap / PER_COLUMN / 2 / 2) - 4
    assert not any(abs(column - WIDTH // 4) < half for column in rows)
    assert min(rows) < WIDTH // 4 - half < WIDTH // 4 + half < max(rows)


def test_what_is_not_known_is_not_drawn() -> None:
    unknown = [Drive(math.nan, math.inf), Drive(0.8, 0.8), Drive(math.inf, math.nan)]
    strip = Strip([Sample(at * 4500, None, [unknown[at // 20 % 3]]) for at in range(60)], WIDTH, HEIGHT, 1)
    columns = [2 * column for column in curve(shown(strip, 30 * 4500))]
    assert WIDTH // 2 - 24 <= min(columns) < max(columns) <= WIDTH // 2 + 24


def test_the_driver_s_curve_is_there_if_wanted_and_known() -> None:
    driven = [Sample(at * 4500, Drive(0.5, 0.5), [Drive(-0.5, -0.5)]) for at in range(200)]
    plain = [sample._replace(recorded=None) for sample in driven]
    wanted = ((driven, True), (driven, False), (plain, True))
    seen = [shown(Strip(some, WIDTH, HEIGHT, 1, driver=driver), 450_000) for some, driver in wanted]
    assert (seen[0].y != seen[1].y).any()
    np.testing.assert_array_equal(seen[1].y, seen[2].y)


@given(st.lists(st.integers(1, 60_000), min_size=60, max_size=90), st.sampled_from([WIDTH, 38, 402]))
@settings(max_examples=15, deadline=None)
def test_what_comes_later_than_it_promises_to_wait_for_changes_nothing(steps: list[int], width: int) -> None:
    ticks = np.cumsum([step + 14_000 for step in steps]).tolist()
    whole = [Sample(tick, Drive(math.cos(tick), 0), [Drive(math.sin(tick), 0.3)]) for tick in ticks]
    known: list[Sample] = []
    growing, complete = Strip(known, width, HEIGHT, 1), Strip(whole, width, HEIGHT, 1)
    waiting = list(whole)
    for sample in whole:
        known.append(sample)
        while waiting and waiting[0].tick + AHEAD_TICKS <= sample.tick:
            tick = waiting.pop(0).tick
            for plane, same in zip(shown(growing, tick, width), shown(complete, tick, width), strict=True):
                np.testing.assert_array_equal(plane, same)
    assert len(waiting) < len(whole)


def test_no_samples_and_any_time_are_fine() -> None:
    for tick in (0, 1, 10**12, -5):
        assert not curve(shown(Strip([], WIDTH, HEIGHT, 1), tick))
    alone, nothing = (shown(Strip(some, WIDTH, HEIGHT, 1), 4500) for some in (samples([0.5]), []))
    assert (alone.y != nothing.y).any()


def holds(rgb: Bytes, colour: tuple[int, int, int]) -> bool:
    """Strokes are thinner than a pixel, so none has quite the colour."""
    return bool((np.abs(rgb.astype(int) - colour).sum(axis=2) < 100).any())


def test_the_legend_names_the_curves_in_their_colours() -> None:
    wide = legend(["one", "two"], 400, 14, 1, driver=True)
    assert all(holds(wide, colour) for colour in (DRIVER, pilot_colour(0), pilot_colour(1)))
    assert not holds(legend(["one", "two"], 400, 14, 1, driver=False), DRIVER)
    assert legend(["a very long name of a pilot"] * 9, 60, 14, 1, driver=True).shape == (14, 60, 3)
