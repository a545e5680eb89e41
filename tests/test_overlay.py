"""The blend against its formula, colour tables against OpenCV's, and what switching, sizes and rubbish do."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.overlay import DOWN, UP, Overlay, colours
from edge.scale import ZERO
from wire import COLORMAPS, Drive, Look

Bytes = NDArray[np.uint8]


def frame(height: int = 60, width: int = 80, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height: int = 60, width: int = 80) -> Bytes:
    """A mask with every value in it."""
    return (np.arange(height * width) % 256).astype(np.uint8).reshape(height, width)


def look(colormap: Any = "turbo", strength: float = 0.7) -> Look:
    return Look(colormap=colormap, strength=strength, gauges=False)


def draw(rgb: Bytes, mask: Bytes, how: Look, *, signed: bool = False) -> Bytes:
    return Overlay().draw(rgb, mask, how, Drive(0.5, 0.5), None, signed=signed)


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_each_colour_table_is_the_one_it_is_named_after(colormap: str) -> None:
    table = colours(colormap)
    assert table.shape == (256, 3)
    if colormap == "green":
        np.testing.assert_array_equal(table, [(0, value, 0) for value in range(256)])
    else:
        picture = cv2.applyColorMap(ramp(16, 16), getattr(cv2, f"COLORMAP_{colormap.upper()}"))
        np.testing.assert_array_equal(table, picture.reshape(256, 3)[:, ::-1])


def test_colours_are_red_first() -> None:
    assert colours("hot")[90].tolist()[1:] == [0, 0]
    assert colours("jet")[0, 2] > 100
    assert colours("jet")[255, 0] > 100


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(COLORMAPS), st.floats(0, 1), st.integers(0, 99))
def test_the_blend_is_its_formula(colormap: str, strength: float, seed: int) -> None:
    rgb, mask = frame(seed=seed), ramp()
    opacity = strength * mask[:, :, None] / 255
    expected = (1 - opacity) * rgb + opacity * colours(colormap)[mask]
    np.testing.assert_allclose(draw(rgb, mask, look(colormap, strength)), expected, atol=1.6)


@pytest.mark.parametrize("size", [(60, 80), (30, 40), (120, 160), (13, 7)])
@pytest.mark.parametrize("colormap", COLORMAPS)
def test_a_zero_mask_leaves_the_camera_frame(colormap: str, size: tuple[int, int]) -> None:
    rgb = frame()
    np.testing.assert_array_equal(draw(rgb, np.zeros(size, np.uint8), look(colormap, 1)), rgb)


def test_no_strength_leaves_the_camera_frame() -> None:
    np.testing.assert_array_equal(draw(frame(), ramp(), look(strength=0)), frame())


@pytest.mark.parametrize("size", [(60, 80), (30, 40), (120, 160), (1, 1)])
@pytest.mark.parametrize("colormap", COLORMAPS)
def test_a_full_mask_at_full_strength_is_the_top_colour(colormap: str, size: tuple[int, int]) -> None:
    drawn = draw(frame(), np.full(size, 255, np.uint8), look(colormap, 1))
    assert (drawn == colours(colormap)[255]).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_more_strength_is_nearer_to_the_colour(one: float, other: float) -> None:
    weak, strong = sorted((one, other))
    target = colours("turbo")[ramp()].astype(int)
    distances = [abs(draw(frame(), ramp(), look(strength=strength)) - target) for strength in (weak, strong)]
    assert (distances[1] <= distances[0] + 2).all()


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mask_size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    value=st.integers(0, 255),
)
def test_any_mask_covers_any_frame(size: tuple[int, int], mask_size: tuple[int, int], value: int) -> None:
    rgb = frame(*size)
    stretched = draw(rgb, np.full(mask_size, value, np.uint8), look())
    np.testing.assert_array_equal(stretched, draw(rgb, np.full(size, value, np.uint8), look()))


@pytest.mark.parametrize("colormap", COLORMAPS)
@pytest.mark.parametrize("size", [(60, 80), (30, 40)])
def test_a_signed_mask_is_blue_below_and_orange_above(colormap: str, size: tuple[int, int]) -> None:
    how = look(colormap, 1)
    for value, colour in ((0, DOWN), (1, DOWN), (255, UP)):
        assert (draw(frame(), np.full(size, value, np.uint8), how, signed=True) == colour).all()
    np.testing.assert_array_equal(draw(frame(), np.full(size, ZERO, np.uint8), how, signed=True), frame())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 127), st.floats(0, 1))
def test_both_signs_are_covered_alike(push: int, strength: float) -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    for value, colour in ((ZERO - push, DOWN), (ZERO + push, UP)):
        drawn = draw(black, np.full((4, 4), value, np.uint8), look(strength=strength), signed=True)
        np.testing.assert_allclose(drawn[0, 0], strength * push / 127 * np.array(colour), atol=0.51)


def seen_by(blind: str, colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """A colour as somebody sees it who lacks one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1)."""
    matrix = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }[blind]
    linear: NDArray[np.float64] = (np.array(colour) / 255) ** 2.2
    return np.asarray(255 * np.clip(matrix @ linear, 0, 1) ** (1 / 2.2))


@pytest.mark.parametrize("blind", ["protan", "deutan", "tritan"])
def test_the_two_colours_are_told_apart_by_everybody(blind: str) -> None:
    down, up = seen_by(blind, DOWN), seen_by(blind, UP)
    assert np.abs(down - up).max() > 100


def test_without_a_mask_the_frame_is_shown_with_its_gauges() -> None:
    plain = Overlay().draw(frame(), None, look(), Drive(0.5, 0.5), None)
    np.testing.assert_array_equal(plain, frame())
    assert (Overlay().draw(frame(), None, Look(), Drive(0.5, 0.5), None) != frame()).any()


def test_a_small_mask_lies_where_it_belongs() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[10, 25] = 255
    drawn = draw(np.zeros((240, 320, 3), np.uint8), mask, look("green", 1))
    weight = drawn[:, :, 1].astype(float)
    rows, columns = np.indices(weight.shape) + 0.5
    centre = [(place * weight).sum() / weight.sum() for place in (rows, columns)]
    assert centre == pytest.approx([10.5 * 8, 25.5 * 8], abs=0.1)


def test_a_small_mask_is_stretched_without_steps() -> None:
    mask = np.linspace(0, 255, 40).astype(np.uint8)[None].repeat(30, axis=0)
    drawn = draw(np.zeros((240, 320, 3), np.uint8), mask, look("green", 1))[120, :, 1].astype(int)
    assert (np.diff(drawn) >= 0).all()
    assert np.diff(drawn).max() <= 4  # one step in the mask is 6, squared at the top (colour times opacity) 13


def test_looks_switch_from_one_frame_to_the_next() -> None:
    overlay = Overlay()
    looks = [Look(colormap=colormap, strength=strength) for colormap in COLORMAPS for strength in (0.3, 1.0)]  # type: ignore[arg-type]
    for how in looks + looks[::-1]:
        drawn = overlay.draw(frame(), ramp(), how, Drive(0.2, 0.1), None)
        np.testing.assert_array_equal(drawn, Overlay().draw(frame(), ramp(), how, Drive(0.2, 0.1), None))


def test_frames_of_another_size_may_follow() -> None:
    overlay = Overlay()
    for height, width in ((60, 80), (120, 160), (60, 80)):
        drawn = overlay.draw(frame(height, width), ramp(), look(), None, None)
        np.testing.assert_array_equal(drawn, draw(frame(height, width), ramp(), look()))


def test_neither_frame_nor_mask_is_written_to() -> None:
    rgb, mask = frame(), ramp()
    rgb.flags.writeable = mask.flags.writeable = False
    drawn = Overlay().draw(rgb, mask, Look(), Drive(-0.4, 0.3), Drive(0.1, 0.2))
    assert not np.shares_memory(drawn, rgb)
    np.testing.assert_array_equal(rgb, frame())


def test_gauges_are_drawn_only_if_wanted() -> None:
    zero = np.zeros((60, 80), np.uint8)
    assert (Overlay().draw(frame(), zero, Look(), Drive(0, 0), None) != frame()).any()
    np.testing.assert_array_equal(Overlay().draw(frame(), zero, Look(gauges=False), Drive(0, 0), None), frame())
