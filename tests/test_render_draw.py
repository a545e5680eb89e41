"""Layouts by their properties, planes against the formula, lines and texts by where they leave marks."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.render.canvas import Box, Canvas, Planes, planes_of
from host.render.draw import Painter, Stage, draw_lines, lay_out, titles
from host.render.mind import Mapped, recipe
from host.render.scene import Panel, Scene, SceneError
from host.render.text import DARK, DRIVER, PILOTS, note_box, plain, text_box, text_width
from tests.shots import Bytes
from wire import Drive, Look, MaskStats


def noise(height: int, width: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def by_formula(rgb: Bytes) -> list[Bytes]:
    """ITU-R BT.601, video range."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64) / 255, 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.772, 128 + 224 * (red - luma) / 1.402
    return [np.round(plane).astype(np.uint8) for plane in planes]


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_planes_are_those_of_the_formula(seed: int) -> None:
    rgb = noise(20, 30, seed)
    doubled = planes_of(np.repeat(np.repeat(rgb, 2, 0), 2, 1))
    y, u, v = by_formula(rgb)
    for plane, wanted in ((doubled.y[::2, ::2], y), (doubled.u, u), (doubled.v, v)):
        np.testing.assert_allclose(plane.astype(int), wanted, atol=1)


def test_a_picture_of_half_the_size_keeps_all_its_colours() -> None:
    rgb, canvas = noise(60, 80), Canvas(160, 120)
    canvas.planes.put(rgb)
    y, u, v = by_formula(rgb)
    np.testing.assert_allclose(canvas.planes.u.astype(int), u, atol=1)
    np.testing.assert_allclose(canvas.planes.v.astype(int), v, atol=1)
    enlarged = cv2.resize(y, (160, 120), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(canvas.planes.y.astype(int), enlarged, atol=2)


@pytest.mark.parametrize("size", [(160, 120), (162, 122), (34, 18)])
def test_the_encoder_sees_what_is_put(size: tuple[int, int]) -> None:
    width, height = size
    canvas, flat = Canvas(width, height), np.full((height, width, 3), (200, 30, 90), np.uint8)
    canvas.planes.at(Box(0, 0, width // 4 * 2, height)).put(flat)
    seen = canvas.frame.to_ndarray(format="rgb24")
    assert np.abs(seen[:, : width // 4 * 2 - 4].astype(int) - (200, 30, 90)).max() < 6
    assert seen[:, width // 4 * 2 + 4 :].max() < 6


def test_a_part_of_the_planes_is_where_it_should_be() -> None:
    canvas = Canvas(40, 20)
    canvas.planes.at(Box(10, 4, 8, 6)).put(np.full((3, 4, 3), 255, np.uint8))
    inside = np.zeros((20, 40), bool)
    inside[4:10, 10:18] = True
    np.testing.assert_array_equal(canvas.planes.y > 16, inside)
    assert (canvas.planes.u == 128).all()


scenes = st.builds(
    lambda count, **said: Scene(panels=(Panel(),) * count, **said),
    st.integers(1, 9),
    size=st.tuples(st.integers(16, 400), st.integers(16, 400)),
    scale=st.floats(0.5, 3),
    columns=st.integers(0, 5),
    chart=st.booleans(),
    titles=st.booleans(),
)


@given(scenes)
@settings(max_examples=60, deadline=None)
def test_nothing_lies_on_anything_else_and_all_of_it_is_in_the_film(scene: Scene) -> None:
    try:
        layout = lay_out(scene)
    except SceneError:
        return
    width, height = layout.size
    covered = np.zeros((height, width), np.uint8)
    boxes = [*layout.panels, *layout.titles, *(box for box in (layout.legend, layout.chart) if box)]
    for box in boxes:
        assert all(side % 2 == 0 for side in box)
        assert box.x + box.width <= width
        assert box.y + box.height <= height
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert len(layout.panels) == len(scene.panels)
    assert len({box[2:] for box in layout.panels}) == 1
    assert (layout.chart is not None) == scene.chart
    assert bool(layout.titles) == (scene.titles and len(scene.panels) > 1)


def test_titles_say_what_panels_differ_in() -> None:
    cam = Look(method="gradcam")
    assert titles([Panel(), Panel(pilot=1)], ["linear", "memory"]) == ["linear", "memory"]
    assert titles([Panel(), Panel(pilot=1)], ["pilot", "pilot"]) == ["1: pilot", "2: pilot"]
    assert titles([Panel(), Panel(look=cam)], ["linear"]) == ["visualbackprop", "gradcam"]
    assert titles([Panel("camera"), Panel(), Panel("mask")], ["linear"]) == ["camera", "overlay", "mask"]
    assert titles([Panel(look=Look(gamma=1)), Panel()], ["linear"]) == ["gamma 1", "gamma 0.5"]
    assert titles([Panel(), Panel()], ["linear"]) == ["overlay", "overlay"]
    assert titles([Panel(title="mine"), Panel(pilot=1)], ["a", "b"]) == ["mine", "b"]
    assert titles([Panel("camera"), Panel("camera")], []) == ["camera", "camera"]


def test_titles_stand_above_their_panels() -> None:
    named = Stage(Scene(panels=(Panel(title="XXXX"), Panel(title="")), size=(160, 120)), ["pilot"])
    for box, title in zip(named.layout.titles, ["XXXX", "overlay"], strict=True):
        expected = planes_of(text_box(title, box.width, box.height, named.layout.unit))
        np.testing.assert_array_equal(named.canvas.planes.at(box).y, expected.y)


def marks(before: Bytes, after: Bytes) -> tuple[float, float, int]:
    """Mean column, topmost row and number of the pixels that are no longer as they were."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return float(columns.mean()), float(rows.min()), rows.size


@pytest.mark.parametrize("size", [(120, 160), (240, 320), (61, 33)])
def test_lines_lean_as_is_steered_and_reach_as_far_as_is_driven(size: tuple[int, int]) -> None:
    height, width = size

    def drawn(steering: float, throttle: float) -> tuple[float, float, int]:
        grey = np.full((height, width, 3), 90, np.uint8)
        draw_lines(grey, Drive(steering, throttle), None)
        return marks(np.full_like(grey, 90), grey)

    left, straight, right = (drawn(steering, 0.5)[0] for steering in (-1, 0, 1))
    assert left < straight - width / 20 < straight + width / 20 < right
    assert left - width / 2 == pytest.approx(width / 2 - right, abs=height / 20)
    tops = [drawn(0, throttle)[1] for throttle in (0.25, 0.5, 0.75)]
    assert tops == pytest.approx([0.75 * height, 0.5 * height, 0.25 * height], abs=3 + height / 40)
    assert drawn(0, 0)[2] > 0
    assert drawn(0.4, -0.5)[:2] == drawn(0.4, 0.5)[:2]
    assert drawn(7, 9) == drawn(1, 1)


def test_the_driver_is_green_and_the_pilot_blue() -> None:
    rgb = np.zeros((120, 160, 3), np.uint8)
    draw_lines(rgb, Drive(1, 1), Drive(-1, 1))
    assert (rgb[:, :70].reshape(-1, 3).max(axis=0) == DRIVER).all()
    assert (rgb[:, 90:].reshape(-1, 3).max(axis=0) == PILOTS[0]).all()
    nothing = np.zeros((120, 160, 3), np.uint8)
    draw_lines(nothing, None, None)
    draw_lines(nothing, Drive(float("nan"), 1), Drive(0, float("inf")))
    assert not nothing.any()


def painter(panel: Panel, **said: object) -> Painter:
    return Painter(panel, Scene(panels=(panel,), size=(160, 120), **said))  # type: ignore[arg-type]


MAPPED = Mapped(np.full((120, 160), 255, np.uint8), MaskStats(1, 1), "")


@pytest.mark.parametrize("part", ["camera", "overlay"])
def test_what_is_driven_is_drawn_as_the_scene_and_the_look_say(part: str) -> None:
    rgb, mapped = noise(120, 160), MAPPED if part == "overlay" else None

    def painted(look: Look = Look(strength=0), **said: object) -> Bytes:  # noqa: B008
        panel = Panel(part, look=look)  # type: ignore[arg-type]
        return painter(panel, **said).paint(rgb, mapped, [Drive(0, 1)], Drive(1, 1)).copy()

    np.testing.assert_array_equal(painted(drawn="none"), rgb)
    np.testing.assert_array_equal(painted(Look(strength=0, gauges=False)), rgb)
    np.testing.assert_array_equal(painted(Look(strength=0, gauges=False), drawn="lines"), rgb)
    pictures = [painted(drawn=drawn, recorded=known) for drawn in ("gauges", "lines") for known in (True, False)]
    assert all((one != other).any() for at, one in enumerate(pictures) for other in [rgb, *pictures[:at]])
    np.testing.assert_array_equal(rgb, noise(120, 160))


def test_a_mask_panel_shows_the_mask_and_nothing_where_there_is_none() -> None:
    grey = painter(Panel("mask"))
    assert grey.paint(noise(120, 160), MAPPED, [Drive(0, 0)], None) is MAPPED.mask
    assert not grey.paint(noise(120, 160), Mapped(None, None, "why"), [Drive(0, 0)], None).any()
    maps = [{recipe(Look()): MAPPED}]
    assert grey.mapped(maps) is MAPPED
    assert painter(Panel("camera")).mapped(maps) is None


def test_a_note_lies_over_the_upper_half_of_its_panel_at_most() -> None:
    stage = Stage(Scene(panels=(Panel(), Panel()), size=(160, 120), titles=False), ["pilot"])
    black = np.zeros((120, 160, 3), np.uint8)
    stage.show(0, black, "word " * 200)
    stage.show(1, black)
    written, free = (Planes(*stage.canvas.planes).at(box).y for box in stage.layout.panels)
    assert (written[:30] > 100).any()
    assert (written[60:] == 16).all()
    assert (free == 16).all()
    stage.show(0, black)
    assert (written == 16).all()


@pytest.mark.parametrize("text", ["", "x", "a" * 5000, "one two " * 90, "größe – ∞ 自動車", "\x00\n\r\t", "\ud800"])
@pytest.mark.parametrize("size", [(160, 120), (20, 16), (2000, 900)])
def test_any_text_fits(text: str, size: tuple[int, int]) -> None:
    width, height = size
    unit = max(1, height // 240)
    note = note_box(text, width, height, unit)
    assert note.shape[1] == width
    assert note.shape[0] <= max(height // 2, 14 * unit)
    assert note.shape[0] % 2 == 0
    assert text_box(text, width, 14, 1).shape == (14, width, 3)
    assert plain(text).isascii()


def test_text_that_is_too_long_is_cut_and_leaves_the_edge_free() -> None:
    box = text_box("a pilot with quite a name", 60, 14, 1)
    assert (box[:, -2:] == DARK).all()
    assert (box != DARK).any()
    assert text_width("a pilot with quite a name", 1) > 60
