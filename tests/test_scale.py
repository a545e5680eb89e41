"""The scale over time: what a picture's values mean, that they neither flicker nor stick, and what must not break."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Step
from edge.mask import RawMask, VisualBackProp
from edge.scale import FALL_FRAMES, HEADROOM, PEAK, RISE_FRAMES, ZERO, Scaler
from wire import Look, MaskStats

COVERAGE = Look(method="coverage")
Floats = NDArray[np.float32]


def random_mask(height: int = 60, width: int = 80, seed: int = 0) -> Floats:
    """Mostly faint, as masks are."""
    mask: Floats = np.random.default_rng(seed).random((height, width), np.float32) ** 8
    return mask


def run(scaler: Scaler, magnitudes: list[float], look: Look = COVERAGE) -> list[MaskStats]:
    shape = random_mask()
    return [scaler(RawMask(shape * np.float32(size)), look)[1] for size in magnitudes]


@pytest.mark.parametrize("gamma", [0.5, 0.7, 1.0, 2.0])
def test_a_value_is_the_scaled_mask_to_the_power_of_gamma(gamma: float) -> None:
    raw = random_mask()
    grey, stats = Scaler()(RawMask(raw), Look(method="coverage", gamma=gamma))
    assert grey.dtype == np.uint8
    assert grey.shape == raw.shape
    expected = 255 * np.minimum(raw / stats.scale, 1) ** gamma
    np.testing.assert_allclose(grey, expected, atol=0.6 + gamma)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.2, 2), st.integers(0, 100))
def test_more_in_the_mask_is_never_darker(gamma: float, seed: int) -> None:
    raw = random_mask(seed=seed)
    grey, _ = Scaler()(RawMask(raw), Look(method="coverage", gamma=gamma))
    assert (np.diff(grey.ravel()[np.argsort(raw.ravel())].astype(int)) >= 0).all()
    assert grey.max() == 255


@settings(max_examples=60, deadline=None)
@given(height=st.integers(20, 120), width=st.integers(300, 600), start=st.integers(0, 19))
def test_the_magnitude_sees_columns_as_they_are(height: int, width: int, start: int) -> None:
    """A sample with a stride that divides the width would miss a column or see nothing else."""
    faint, many, one = (np.full((height, width), 1e-3, np.float32) for _ in range(3))
    many[:, start::20] = 1
    one[:, start] = 1
    magnitudes = [Scaler()(RawMask(mask), COVERAGE)[1].magnitude for mask in (faint, many, one)]
    assert magnitudes == pytest.approx([1e-3, 1, 1e-3])


def test_the_magnitude_is_a_quantile() -> None:
    raw = random_mask(240, 320)
    _, stats = Scaler()(RawMask(raw), COVERAGE)
    assert (raw < stats.magnitude).mean() == pytest.approx(PEAK, abs=0.006)


def test_shares_tell_which_ninth_holds_how_much() -> None:
    raw = np.zeros((120, 160), np.float32)
    raw[100:, :40] = 3
    raw[5, 80] = -800
    for signed in (False, True):
        look = Look(method="edges")
        shares = Scaler()(RawMask(raw if signed else np.abs(raw), signed=signed), look)[1].shares
        assert shares == pytest.approx([0, 0.25, 0, 0, 0, 0, 0.75, 0, 0], abs=1e-6)
    assert Scaler()(RawMask(np.zeros((30, 30), np.float32)), Look())[1].shares == []


@settings(max_examples=40, deadline=None)
@given(height=st.integers(9, 100), width=st.integers(9, 100), seed=st.integers(0, 99))
def test_shares_are_those_of_the_area(height: int, width: int, seed: int) -> None:
    raw = np.random.default_rng(seed).random((height, width), np.float32)
    shares = Scaler()(RawMask(raw), COVERAGE)[1].shares
    whole = np.kron(raw.astype(float), np.ones((3, 3)))
    ninths = whole.reshape(3, height, 3, width).sum((1, 3)) / whole.sum()
    assert shares == pytest.approx(ninths.ravel(), abs=1e-5)


def test_flicker_hardly_reaches_the_scale() -> None:
    flicker = 4.4 ** np.random.default_rng(1).uniform(-1, 1, 300)
    scales = [stats.scale for stats in run(Scaler(), flicker.tolist())]
    ratios = np.array(scales[1:]) / scales[:-1]
    steepest = flicker.max() / flicker.min()
    assert ratios.max() <= steepest ** (1 - math.exp(-1 / RISE_FRAMES)) * 1.001
    assert ratios.min() >= steepest ** -(1 - math.exp(-1 / FALL_FRAMES)) * 0.999
    assert 1 < ratios.max() < 1.8
    assert np.std(np.log(scales[50:])) < np.std(np.log(flicker)) / 2


def test_a_lasting_change_is_followed() -> None:
    scaler = Scaler()
    steady = run(scaler, [1.0] * 5)[-1].scale
    rising = run(scaler, [5.0] * math.ceil(3 * RISE_FRAMES))
    assert rising[0].scale < 3 * steady
    assert rising[-1].scale == pytest.approx(5 * steady, rel=0.1)
    falling = run(scaler, [1.0] * math.ceil(3 * FALL_FRAMES))
    assert falling[0].scale > 4 * steady
    assert falling[-1].scale == pytest.approx(steady, rel=0.1)


def test_a_mask_far_above_the_scale_takes_it_along() -> None:
    scaler = Scaler()
    run(scaler, [1e-30])
    raw = random_mask()
    grey, stats = scaler(RawMask(raw), COVERAGE)
    assert stats.scale == pytest.approx(stats.magnitude / HEADROOM)
    assert grey.flat[raw.argmax()] == 255


def test_a_mask_far_below_the_scale_is_black() -> None:
    scaler = Scaler()
    run(scaler, [1e30])
    grey, stats = scaler(RawMask(random_mask() * np.float32(1e-30)), COVERAGE)
    assert not grey.any()
    assert stats.scale > 1e26


@pytest.mark.parametrize("form", ["visualbackprop", "coverage"])
def test_zero_masks_stay_zero_and_leave_the_scale_alone(form: str) -> None:
    look = Look(method="coverage" if form == "coverage" else "visualbackprop")
    scaler, zero = Scaler(), RawMask(np.zeros((60, 80), np.float32))
    grey, stats = scaler(zero, look)
    assert not grey.any()
    assert stats == MaskStats(0.0, 0.0)
    [before] = run(scaler, [1.0], look)
    for _ in range(100):
        grey, stats = scaler(zero, look)
        assert not grey.any()
        assert stats == MaskStats(0.0, before.scale)
    assert run(scaler, [1.0], look) == [before]


def test_one_pixel_is_enough_for_a_scale() -> None:
    raw = np.zeros((120, 160), np.float32)
    raw[31, 47] = 1e-20
    grey, stats = Scaler()(RawMask(raw), COVERAGE)
    assert stats.scale == pytest.approx(1e-20)
    assert np.argwhere(grey).tolist() == [[31, 47]]
    assert grey[31, 47] == 255


def test_a_peak_far_above_the_rest_is_white() -> None:
    raw = random_mask() * np.float32(1e-18)
    raw[3, 4] = 1e18
    grey, _ = Scaler()(RawMask(raw), COVERAGE)
    assert grey[3, 4] == 255


@pytest.mark.parametrize("exponent", [-200, 7, 200, 5000, -5000])
def test_an_exponent_changes_the_numbers_but_not_the_picture(exponent: int) -> None:
    plain, scaled = Scaler(), Scaler()
    for seed in range(3):
        raw = random_mask(seed=seed)
        grey, stats = plain(RawMask(raw), COVERAGE)
        other_grey, other_stats = scaled(RawMask(raw, exponent), COVERAGE)
        np.testing.assert_allclose(grey.astype(int), other_grey, atol=1)
        assert math.isfinite(other_stats.magnitude)
        assert math.isfinite(other_stats.scale)
        if abs(exponent) <= 200:
            assert other_stats.magnitude == math.ldexp(stats.magnitude, exponent)
            assert other_stats.scale == pytest.approx(math.ldexp(stats.scale, exponent))


def test_another_form_or_size_starts_afresh() -> None:
    scaler = Scaler()
    run(scaler, [1e6])
    raw = random_mask()
    _, stats = scaler(RawMask(raw), Look())
    assert stats.scale == pytest.approx(stats.magnitude)
    run(scaler, [1e6], Look())
    _, stats = scaler(RawMask(raw[:50]), Look())
    assert stats.scale == pytest.approx(stats.magnitude)


def test_the_checkerboard_of_the_exact_form_is_smoothed_away() -> None:
    step = Step("conv", (5, 5), (2, 2), (1, 1), (0, 0), (61, 81), (29, 39), tapped=True)
    mask = VisualBackProp((step,))([np.ones(step.out_size, np.float32)])
    inside = np.s_[8:-8, 8:-8]
    assert np.ptp(mask.values[inside]) == 5
    grey, _ = Scaler()(mask, Look())
    assert np.ptp(grey[inside]) <= 2


def test_smoothing_weighs_the_frames_before() -> None:
    look = Look(method="coverage", smoothing=0.75)
    smooth, plain = Scaler(), Scaler()
    expected: NDArray[np.float64] | None = None
    for seed in range(6):
        raw = RawMask(random_mask(seed=seed))
        grey, _ = plain(raw, COVERAGE)
        expected = grey.astype(np.float64) if expected is None else 0.75 * expected + 0.25 * grey
        np.testing.assert_allclose(smooth(raw, look)[0], expected, atol=0.51)
    zero = RawMask(np.zeros((60, 80), np.float32))
    brightness = [int(smooth(zero, look)[0].max()) for _ in range(40)]
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[0] > brightness[3] > 0 == brightness[-1]


def test_smoothing_off_shows_nothing_of_the_past() -> None:
    scaler = Scaler()
    for seed in range(3):
        scaler(RawMask(random_mask(seed=seed)), Look(method="coverage", smoothing=0.9))
    zero = RawMask(np.zeros((60, 80), np.float32))
    assert not scaler(zero, COVERAGE)[0].any()
    assert not scaler(zero, Look(method="coverage", smoothing=0.9))[0].any()


@pytest.mark.parametrize("look", [Look(), COVERAGE, Look(smoothing=0.5), Look(gamma=1.0)])
def test_a_picture_is_not_touched_by_the_next(look: Look) -> None:
    scaler = Scaler()
    first, _ = scaler(RawMask(random_mask(seed=1)), look)
    kept = first.copy()
    scaler(RawMask(random_mask(seed=2)), look)
    np.testing.assert_array_equal(first, kept)


def test_the_raw_mask_is_left_as_it_is() -> None:
    raw = random_mask()
    kept = raw.copy()
    Scaler()(RawMask(raw), Look())
    np.testing.assert_array_equal(raw, kept)


PLAIN = Look(method="edges")
"""A map that is shown without being softened."""


def signed_mask(seed: int = 0) -> Floats:
    signs = np.random.default_rng(seed + 1).choice(np.array([-1, 1], np.float32), (60, 80))
    mask: Floats = random_mask(seed=seed) * signs
    return mask


@pytest.mark.parametrize("gamma", [0.5, 0.7, 1.0, 2.0])
def test_a_signed_value_is_the_same_power_on_either_side_of_zero(gamma: float) -> None:
    raw = signed_mask()
    grey, stats = Scaler()(RawMask(raw, signed=True), Look(method="edges", gamma=gamma))
    assert stats.signed
    expected = ZERO + 127 * np.sign(raw) * np.minimum(np.abs(raw) / stats.scale, 1) ** gamma
    np.testing.assert_allclose(grey, expected, atol=0.6 + gamma)


def test_turned_round_a_signed_mask_is_turned_round() -> None:
    for look in (PLAIN, Look(method="gradient"), Look(method="gradient", smoothing=0.5)):
        one, other = Scaler(), Scaler()
        for seed in range(3):
            up, up_stats = one(RawMask(signed_mask(seed), signed=True), look)
            down, down_stats = other(RawMask(-signed_mask(seed), signed=True), look)
            assert up_stats == down_stats
            np.testing.assert_allclose(up.astype(int) - ZERO, ZERO - down.astype(int), atol=1)


@pytest.mark.parametrize("method", ["edges", "gradient"])
def test_nothing_is_zero_in_a_signed_mask(method: str) -> None:
    look, scaler = Look(method=method), Scaler()  # type: ignore[arg-type]
    zero = RawMask(np.zeros((60, 80), np.float32), signed=True)
    grey, stats = scaler(zero, look)
    assert (grey == ZERO).all()
    assert stats == MaskStats(0.0, 0.0, signed=True)
    scaler(RawMask(signed_mask(), signed=True), look)
    assert (scaler(zero, look)[0] == ZERO).all()


def test_what_was_shown_signed_fades_to_zero() -> None:
    look, scaler = Look(method="edges", smoothing=0.75), Scaler()
    scaler(RawMask(signed_mask(), signed=True), look)
    zero = RawMask(np.zeros((60, 80), np.float32), signed=True)
    distances = [int(np.abs(scaler(zero, look)[0].astype(int) - ZERO).max()) for _ in range(40)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > distances[3] > 0 == distances[-1]


def test_a_gradient_that_jumps_from_pixel_to_pixel_is_nothing_beside_one_that_does_not() -> None:
    rows, columns = np.indices((60, 80))
    jumpy = np.where((rows + columns) % 2 == 0, 1, -1).astype(np.float32)
    values = np.where(columns < 40, jumpy, 0.5).astype(np.float32)
    grey, _ = Scaler()(RawMask(values, signed=True), Look(method="gradient"))
    assert np.abs(grey[4:-4, 4:36].astype(int) - ZERO).max() < 10
    assert (grey[4:-4, 44:-4] == 255).all()


@pytest.mark.parametrize(
    "other", [Look(method="gradient"), Look(method="edges", target="throttle"), Look(method="edges", layer="c1")]
)
def test_another_method_target_or_layer_starts_afresh(other: Look) -> None:
    scaler = Scaler()
    scaler(RawMask(signed_mask() * np.float32(1e6), signed=True), PLAIN)
    _, stats = scaler(RawMask(signed_mask(), signed=True), other)
    assert stats.scale == pytest.approx(stats.magnitude)


def test_a_method_may_lose_its_sign() -> None:
    scaler = Scaler()
    for signed in (True, False, True):
        grey, stats = scaler(RawMask(np.abs(signed_mask()), signed=signed), PLAIN)
        assert stats.signed is signed
        assert (grey[np.abs(signed_mask()) < 1e-6] == (ZERO if signed else 0)).all()
