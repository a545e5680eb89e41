"""Where the needles point, what is left out, and that any frame and any value can be drawn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.gauges import PILOT, RECORDED, draw_gauges
from wire import Drive

Bytes = NDArray[np.uint8]
SIZES = [(60, 80), (120, 160), (66, 200), (240, 320), (480, 640), (960, 1280), (96, 96)]
BACKGROUND = (70, 90, 80)


def gauges(drive: Drive | None, recorded: Drive | None = None, size: tuple[int, int] = (120, 160)) -> Bytes:
    rgb = np.full((*size, 3), BACKGROUND, np.uint8)
    draw_gauges(rgb, drive, recorded)
    return rgb


def near(rgb: Bytes, colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """Rows and columns of the pixels of about this colour: (n, 2)."""
    return np.argwhere((np.abs(rgb.astype(int) - colour) < 60).all(axis=2))


@pytest.mark.parametrize("size", SIZES)
def test_the_needle_turns_with_the_steering(size: tuple[int, int]) -> None:
    height, width = size
    columns = []
    for steering in (-1, -0.5, 0, 0.5, 1):
        changed = np.argwhere(
            (gauges(Drive(steering, math.nan), None, size) != gauges(Drive(math.nan, math.nan), None, size)).any(axis=2)
        )
        columns.append(changed[:, 1].mean() + 0.5)
    assert columns == sorted(columns)
    assert columns[2] == pytest.approx(width / 2, abs=1)
    assert columns[4] - columns[0] > 0.25 * min(width / 160, height / 120) * 120


@pytest.mark.parametrize("size", SIZES)
def test_the_bar_grows_with_the_throttle(size: tuple[int, int]) -> None:
    height = size[0]
    filled = [near(gauges(Drive(math.nan, throttle), None, size), PILOT) for throttle in (-1, -0.5, 0.5, 1)]
    counts = [len(pixels) for pixels in filled]
    rows = [pixels[:, 0].mean() for pixels in filled]
    assert rows == sorted(rows, reverse=True)
    assert counts[0] > counts[1] > 0
    assert counts[3] > counts[2] > 0
    assert max(pixels[:, 0].max() for pixels in filled) < height


@pytest.mark.parametrize("size", SIZES)
def test_the_drivers_values_show_in_their_own_colour(size: tuple[int, int]) -> None:
    assert len(near(gauges(Drive(0.5, 0.5), None, size), RECORDED)) == 0
    assert len(near(gauges(None, Drive(0.5, 0.5), size), PILOT)) == 0
    both = gauges(Drive(-0.5, 0.5), Drive(0.5, -0.5), size)
    assert len(near(both, RECORDED)) > 0
    assert len(near(both, PILOT)) > 0


def test_gauges_stay_in_the_lower_part_of_the_frame() -> None:
    for steering in (-1.0, 0.0, 1.0):
        drawn = gauges(Drive(steering, 1), Drive(-steering, -1))
        assert (drawn[:80] == BACKGROUND).all()


def test_values_beyond_the_scale_are_at_its_end() -> None:
    np.testing.assert_array_equal(gauges(Drive(7, -7), Drive(-1e300, 1e9)), gauges(Drive(1, -1), Drive(-1, 1)))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_left_out(bad: float) -> None:
    empty = gauges(Drive(bad, bad), Drive(bad, bad))
    assert len(near(empty, PILOT)) == len(near(empty, RECORDED)) == 0
    np.testing.assert_array_equal(empty, gauges(Drive(bad, bad)))
    assert len(near(gauges(Drive(bad, 0.5)), PILOT)) > 0
    assert len(near(gauges(Drive(0.5, bad)), PILOT)) > 0


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    assert (gauges(None) == BACKGROUND).all()


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    drive=st.builds(Drive, st.floats(), st.floats()),
    recorded=st.builds(Drive, st.floats(), st.floats()),
)
def test_any_frame_takes_any_values(size: tuple[int, int], drive: Drive, recorded: Drive) -> None:
    gauges(drive, recorded, size)


def test_a_needle_at_rest_is_symmetric() -> None:
    drawn = gauges(Drive(0, math.nan))[:, 45:115].astype(int)
    assert np.abs(drawn - drawn[:, ::-1]).mean() < 4
