"""The live check: its measure where the truth is known, its interval against repeated draws, its manners."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.capture import Frame
from edge.capture.track import TrackSource
from edge.check import FEWEST, MOST, WINDOW, Change, Checker, Sample, measure, summary
from edge.mask import VisualBackProp
from edge.pilot import Past, Pilot
from tests.processes import eventually
from wire import Check, Look

PILOT = Path(__file__).parent.parent / "models" / "pilot.tflite"
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def pilot() -> Pilot:
    return Pilot.load(PILOT)


@pytest.fixture(scope="module")
def frames() -> list[Bytes]:
    """From all around the track."""
    with TrackSource(realtime=False) as track:
        taken = [frame.rgb for _ in range(120) if (frame := track.read())]
    return taken[::10]


def place(*spots: tuple[int, int]) -> Floats:
    """A map of the bundled pilot's size that points at these places (row, column), each larger than what is hidden."""
    values = np.zeros((120, 160), np.float32)
    for row, column in spots:
        values[row : row + 44, column : column + 60] = 1
    return values


# The measure


def test_hiding_what_is_not_there_changes_nothing(pilot: Pilot) -> None:
    plain = np.full((120, 160, 3), 90, np.uint8)
    change = measure(pilot, Sample(Frame(plain, 0), Past(), place((60, 60))), "steering")
    assert change.shown == pytest.approx(0, abs=1e-5)
    assert change.random == pytest.approx(0, abs=1e-5)


def test_only_the_place_that_is_hidden_counts(pilot: Pilot) -> None:
    """One mark on an even ground: a map that points at it explains all there is, one that points elsewhere nothing."""
    rgb = np.full((120, 160, 3), 90, np.uint8)
    rgb[80:96, 20:40] = 255  # its blur reaches some 50 pixels
    there = measure(pilot, Sample(Frame(rgb, 0), Past(), place((66, 0))), "steering")
    elsewhere = measure(pilot, Sample(Frame(rgb, 0), Past(), place((0, 100))), "steering")
    assert there.shown > 10 * elsewhere.shown
    assert there.shown > there.random
    assert there.random == elsewhere.random, "the same frame meets the same random maps"


def test_the_bundled_pilot_s_maps_explain_more_than_random(pilot: Pilot, frames: list[Bytes]) -> None:
    chain = VisualBackProp(pilot.geometry)
    changes = []
    for rgb in frames:
        pilot.infer(rgb)
        raw = chain(chain.means(pilot.activations()))
        changes.append(measure(pilot, Sample(Frame(rgb, 0), Past(), raw.values.copy()), "steering"))
    check = summary(changes, "visualbackprop")
    assert check is not None
    assert check.low > 1
    upside_down = [
        measure(
            pilot, Sample(Frame(rgb, 0), Past(), np.random.default_rng(0).random((120, 160), np.float32)), "steering"
        )
        for rgb in frames
    ]
    other = summary(upside_down, "visualbackprop")
    assert other is not None
    assert other.ratio < check.low


# The summary


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=WINDOW))
def test_a_summary_is_within_its_bounds_or_none(pairs: list[tuple[float, float]]) -> None:
    check = summary([Change(*pair) for pair in pairs], "edges")
    if check is None:
        assert len(pairs) < FEWEST or not any(random for _, random in pairs)
        return
    assert 0 <= check.low <= check.high <= MOST
    assert 0 <= check.ratio <= MOST
    assert check.frames == len(pairs)


def test_the_ratio_is_that_of_the_means_not_the_mean_of_ratios() -> None:
    check = summary([Change(0.0, 1e-9), Change(1e-3, 1e-9)] + [Change(0.4, 0.2)] * 8, "edges")
    assert check is not None
    assert check.ratio == pytest.approx(2.0, rel=0.01)


def test_equal_frames_leave_no_doubt() -> None:
    check = summary([Change(0.3, 0.1)] * FEWEST, "edges")
    assert check is not None
    assert check.low == pytest.approx(3)
    assert check.high == pytest.approx(3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_pilot_that_says_nothing_finite_is_not_measured(bad: float) -> None:
    assert summary([Change(0.3, 0.1)] * WINDOW + [Change(bad, 0.1)], "edges") is None
    assert summary([Change(0.3, 0.1)] * WINDOW + [Change(0.1, bad)], "edges") is None


def test_where_random_changes_nothing_the_ratio_is_bounded() -> None:
    assert summary([Change(0.3, 0.0)] * WINDOW, "edges") is None
    check = summary([Change(0.3, 0.0)] * (WINDOW - 1) + [Change(0.3, 1e-12)], "edges")
    assert check is not None
    assert check.ratio == MOST


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Changes are skewed as measured ones are; the truth is a ratio of 3."""
    rng = np.random.default_rng(0)
    holds = 0
    for _ in range(300):
        shown, random = rng.gamma(1.0, 0.3, WINDOW), rng.gamma(1.0, 0.1, WINDOW)
        check = summary([Change(float(a), float(b)) for a, b in zip(shown, random, strict=True)], "edges")
        assert check is not None
        holds += check.low <= 3 <= check.high
    assert 0.90 <= holds / 300 <= 0.99


# The thread


@pytest.fixture
def checker() -> Iterator[Checker]:
    with Checker(lambda: Pilot.load(PILOT), every_s=0, rest=0) as one:
        yield one


def known_after(checker: Checker, frames: list[Bytes], look: Look) -> Check:
    """Feed frames until something is known."""

    def feed() -> Check | None:
        if checker.due():
            checker.put(Frame(frames[0], 0), Past(), place((60, 60)), look)
        return checker.check(look)

    check = eventually(feed)
    assert check is not None
    return check


def test_after_enough_frames_something_is_known(checker: Checker, frames: list[Bytes]) -> None:
    assert checker.check(Look()) is None
    assert known_after(checker, frames, Look()).frames >= FEWEST
    assert checker.check(Look(strength=0.1, colormap="jet")) is not None


@pytest.mark.parametrize("other", [Look(method="edges"), Look(target="throttle"), Look(layer="c2")])
def test_another_method_target_or_layer_starts_afresh(checker: Checker, frames: list[Bytes], other: Look) -> None:
    known_after(checker, frames, Look())
    assert checker.check(other) is None
    assert known_after(checker, frames, other).frames < 2 * FEWEST
    assert checker.check(Look()) is None
    assert known_after(checker, frames, Look()).frames < 2 * FEWEST


def test_a_target_the_pilot_has_not_is_not_measured(checker: Checker, frames: list[Bytes]) -> None:
    look = Look(target="throttle-bin")
    for _ in range(2 * FEWEST):
        checker.put(Frame(frames[0], 0), Past(), place((60, 60)), look)
    known_after(checker, frames, Look())
    assert checker.check(look) is None


def test_it_is_not_due_again_right_after_a_frame(frames: list[Bytes]) -> None:
    with Checker(lambda: Pilot.load(PILOT), every_s=3600) as checker:
        assert checker.due()
        checker.put(Frame(frames[0], 0), Past(), place((60, 60)), Look())
        assert not checker.due()


def test_the_map_may_be_overwritten_once_it_is_left(frames: list[Bytes]) -> None:
    checker = Checker(lambda: Pilot.load(PILOT), every_s=0, rest=0)
    values = place((60, 60))
    checker.put(Frame(frames[0], 0), Past(), values, Look())
    values[:] = np.nan
    with checker:
        known_after(checker, frames, Look())
