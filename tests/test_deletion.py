"""Taking pixels away and putting them back, against slow definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.deletion import SHARES, blurred, deleted, inserted, random_map, ranking, smooth

RANDOM = np.random.default_rng(0)
SIZES = [(120, 160), (96, 96), (30, 40), (66, 200), (7, 5)]


@pytest.mark.parametrize("channels", [1, 3, 9])
@pytest.mark.parametrize("size", SIZES)
def test_blur_keeps_shape_and_light(size: tuple[int, int], channels: int) -> None:
    image = RANDOM.random((*size, channels), np.float32)
    before = image.copy()
    soft = blurred(image)
    assert soft.shape == image.shape and soft.dtype == np.float32
    assert soft.std() < image.std()
    assert np.abs(soft.mean() - image.mean()) < 0.1
    np.testing.assert_array_equal(image, before)


def test_blur_is_a_gaussian_of_a_tenth_of_the_width() -> None:
    image = np.zeros((161, 161, 1), np.float32)
    image[80, 80] = 1
    column = blurred(image)[80, :, 0].astype(np.float64)
    away = np.arange(161) - 80
    spread = np.sqrt((column * away**2).sum() / column.sum())
    assert spread == pytest.approx(16.1, rel=0.02)


def test_blur_leaves_a_plain_image_alone() -> None:
    image = np.full((60, 80, 3), 0.25, np.float32)
    np.testing.assert_allclose(blurred(image), image, rtol=1e-5)


@pytest.mark.parametrize(("width", "side"), [(160, 9), (320, 17), (80, 5), (40, 3), (16, 1), (5, 1)])
def test_smoothing_box_is_odd_and_scales_with_the_width(width: int, side: int) -> None:
    values = np.zeros((41, width), np.float32)
    values[20, width // 2] = -1
    soft = smooth(values)
    assert np.count_nonzero(soft > 1e-6) == side**2
    assert soft.max() == pytest.approx(1 / side**2, rel=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_ranking_names_each_pixel_once_by_falling_magnitude(size: tuple[int, int]) -> None:
    values = RANDOM.standard_normal(size).astype(np.float32)
    order = ranking(values)
    assert sorted(order) == list(range(values.size))
    assert (np.diff(smooth(values).ravel()[order]) <= 0).all()
    np.testing.assert_array_equal(order, ranking(-values))
    np.testing.assert_array_equal(order, ranking(values))


def test_ties_are_broken_at_random() -> None:
    """A flat map must not mean "the top rows"."""
    top = ranking(np.zeros((120, 160), np.float32))[:1920]
    rows, columns = np.divmod(top, 160)
    assert rows.mean() == pytest.approx(59.5, abs=3) and columns.mean() == pytest.approx(79.5, abs=4)


@given(st.floats(0, 1))
def test_deleted_and_inserted_share_out_the_pixels(share: float) -> None:
    image, background = np.ones((12, 16, 3), np.float32), np.zeros((12, 16, 3), np.float32)
    order = ranking(random_map((12, 16), np.random.default_rng(1)))
    gone, put = deleted(image, background, order, share), inserted(image, background, order, share)
    np.testing.assert_array_equal(gone + put, image)
    assert put[..., 0].sum() == round(share * 192)
    assert put.reshape(-1, 3)[order[: round(share * 192)]].all()


def test_nothing_and_everything() -> None:
    image, background = RANDOM.random((2, 9, 8, 1), np.float32)
    order = ranking(image[..., 0])
    np.testing.assert_array_equal(deleted(image, background, order, 0), image)
    np.testing.assert_array_equal(deleted(image, background, order, 1), background)
    assert deleted(image, background, order, 0) is not image


def test_random_maps_differ_and_favour_no_place() -> None:
    rng = np.random.default_rng(3)
    maps = [random_map((60, 80), rng) for _ in range(60)]
    assert not np.array_equal(maps[0], maps[1])
    tops = np.concatenate([ranking(values)[:240] for values in maps])
    counts = np.histogram2d(*np.divmod(tops, 80), bins=(2, 2))[0]
    assert counts.min() > 0.8 * counts.mean()
    again = random_map((60, 80), np.random.default_rng(3))
    np.testing.assert_array_equal(again, maps[0])


def test_shares_are_those_of_the_protocol() -> None:
    assert SHARES == (0.05, 0.10, 0.20)
