"""Edges against a loop; Itti-Koch-Niebur against what its paper says it finds, and N(·) against its definition."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.methods.edges import brightness, edges
from edge.methods.itti import itti, normalize

Floats = NDArray[np.float32]

GREEN, RED, WHITE = (0.15, 0.6, 0.15), (0.6, 0.15, 0.15), (0.9, 0.9, 0.9)
"""Green and red are as bright as the grey around them."""
PLACES = [(row, column) for row in range(20, 120, 20) for column in range(20, 160, 20)]


def noise(height: int, width: int, channels: int = 3) -> Floats:
    return np.random.default_rng(0).random((height, width, channels), np.float32)


def bars(odd: tuple[int, int], *, colour: Any = GREEN, odd_colour: Any = GREEN, turned: bool = False) -> Floats:
    """Upright bars on a grid on grey; the odd one has another colour or lies down."""
    image = np.full((120, 160, 3), 0.3, np.float32)
    for row, column in PLACES:
        is_odd = (row, column) == odd
        across, down = (4, 1) if is_odd and turned else (1, 4)
        image[row - down : row + down + 1, column - across : column + across + 1] = odd_colour if is_odd else colour
    return image


def found(saliency: Floats) -> tuple[int, int]:
    """The place of the grid that is nearest to the highest value."""
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return min(PLACES, key=lambda place: (place[0] - row) ** 2 + (place[1] - column) ** 2)


def test_edges_are_the_sobel_magnitude_of_the_brightness() -> None:
    rgb = noise(7, 9)
    light = np.pad(rgb @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = np.empty((7, 9))
    for y, x in np.ndindex(7, 9):
        window = light[y : y + 3, x : x + 3]
        expected[y, x] = np.hypot((window * kernel).sum(), (window * kernel.T).sum())
    np.testing.assert_allclose(edges(rgb), expected, rtol=1e-4, atol=1e-6)
    assert edges(rgb).dtype == np.float32


@pytest.mark.parametrize("channels", [1, 2, 9])
def test_brightness_of_other_than_three_channels_is_their_mean(channels: int) -> None:
    image = noise(5, 6, channels)
    np.testing.assert_allclose(brightness(image), image.mean(-1), rtol=1e-6)
    assert edges(image).shape == (5, 6)


@pytest.mark.parametrize("make", [edges, itti])
@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.7, 0.1, 0.1), (0.1, 0.2, 0.9)])
def test_nothing_stands_out_on_a_plain_frame(make: Any, colour: Any) -> None:
    assert not make(np.full((120, 160, 3), colour, np.float32)).any()


@pytest.mark.parametrize("odd", [(60, 80), (40, 120), (80, 40)])
def test_one_red_bar_among_green_ones_pops_out(odd: tuple[int, int]) -> None:
    assert found(itti(bars(odd, odd_colour=RED))) == odd


@pytest.mark.parametrize("odd", [(60, 80), (40, 120), (80, 40)])
def test_one_lying_bar_among_upright_ones_pops_out(odd: tuple[int, int]) -> None:
    assert found(itti(bars(odd, colour=WHITE, odd_colour=WHITE, turned=True))) == odd


@pytest.mark.parametrize("odd", [(60, 80), (80, 40)])
def test_one_bright_bar_among_dim_ones_pops_out_without_colour(odd: tuple[int, int]) -> None:
    image = bars(odd, colour=(0.4, 0.4, 0.4), odd_colour=(1, 1, 1)).mean(-1, keepdims=True)
    assert found(itti(image)) == odd


def test_a_red_patch_of_equal_brightness_is_invisible_to_the_eye_without_colour() -> None:
    image = np.full((120, 160, 3), 0.4, np.float32)
    image[50:62, 100:112] = (0.8, 0.2, 0.2)
    assert not itti(image.mean(-1, keepdims=True)).any()
    row, column = np.unravel_index(int(itti(image).argmax()), (120, 160))
    assert 46 <= row < 66
    assert 96 <= column < 116


@pytest.mark.parametrize("shape", [(480, 640), (240, 320), (120, 160), (66, 200), (30, 40), (5, 7), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3, 9])
def test_saliency_has_the_size_of_its_frame(shape: tuple[int, int], channels: int) -> None:
    saliency = itti(noise(*shape, channels))
    assert saliency.shape == shape
    assert saliency.dtype == np.float32
    assert np.isfinite(saliency).all()
    assert (saliency >= 0).all()


def test_the_same_scene_at_twice_the_size_has_the_same_saliency() -> None:
    small = bars((60, 80), odd_colour=RED)
    large = cv2.resize(small, (320, 240), interpolation=cv2.INTER_LINEAR)
    halved = cv2.resize(itti(large), (160, 120), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(halved.ravel(), itti(small).ravel())[0, 1] > 0.9


def test_one_peak_is_kept_and_many_are_suppressed() -> None:
    one = np.zeros((9, 9), np.float32)
    one[4, 4] = 5
    np.testing.assert_array_equal(normalize(one), one / 5)
    two = one.copy()
    two[1, 1] = 2.5
    np.testing.assert_allclose(normalize(two), two / 5 * (1 - 0.5) ** 2)
    three = two.copy()
    three[7, 1] = 5
    np.testing.assert_allclose(normalize(three), three / 5 * (1 - 0.75) ** 2)


def test_equal_peaks_cancel_each_other_and_rounding_is_not_blown_up() -> None:
    many = np.zeros((9, 9), np.float32)
    many[1::3, 1::3] = 1
    assert not normalize(many).any()
    assert not normalize(np.full((4, 4), 1e-6, np.float32)).any()
