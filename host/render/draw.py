"""A scene on a canvas: where everything lies, what stands still, and the panels frame by frame.

title │ title      drawn once
──────┼──────
panel │ panel      every frame: pictures of the frames' own size, gauges or lines drawn in, then enlarged; instead of
──────┴──────      a map that cannot be had, why
legend             drawn once
chart              every frame a slice (chart.py)
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from msgspec import structs

from edge.overlay import Overlay
from host.render.canvas import Box, Bytes, Canvas, Planes, planes_of
from host.render.chart import Sample, Strip, legend
from host.render.mind import Mapped, Maps, recipe
from host.render.scene import MAX_PANELS, MAX_SIDE, Panel, Scene, SceneError
from host.render.text import DRIVER, LINE, PILOTS, Colour, note_box, text_box
from wire import Drive

MIN_SIDE = 16
_FULL_STEERING = math.radians(45)
_SHORTEST = 0.12
"""A control line of no throttle, which would not show which way it steers, as a part of the frame's height."""


class Painter:
    """Paints one panel's pictures, at the frames' own size."""

    def __init__(self, panel: Panel, scene: Scene) -> None:
        self._panel, self._scene = panel, scene
        self._key = recipe(panel.look)
        self._drawn = scene.drawn if panel.look.gauges else "none"
        self._look = structs.replace(panel.look, gauges=self._drawn == "gauges")
        self._overlay = Overlay()

    def mapped(self, maps: Sequence[Maps]) -> Mapped | None:
        """The panel's own among all pilots' maps; None if it shows none."""
        return None if self._panel.part == "camera" else maps[self._panel.pilot][self._key]

    def paint(self, rgb: Bytes, mapped: Mapped | None, drives: Sequence[Drive], recorded: Drive | None) -> Bytes:
        """uint8 (H, W, 3), or a grey mask (h, w); valid until the next call, `rgb` is left as it is."""
        drive = drives[self._panel.pilot] if drives else None
        recorded = recorded if self._scene.recorded else None
        if self._panel.part == "mask":
            return np.zeros(rgb.shape[:2], np.uint8) if not mapped or mapped.mask is None else mapped.mask
        mask, stats = (mapped.mask, mapped.stats) if mapped else (None, None)
        signed = stats is not None and stats.signed
        painted = self._overlay.draw(rgb, mask, self._look, drive, recorded, signed=signed)
        if self._drawn == "lines":
            draw_lines(painted, drive, recorded)
        return painted


class Layout(NamedTuple):
    """Where things lie, in pixels of the film."""

    size: tuple[int, int]
    panels: list[Box]
    titles: list[Box]
    """Above each panel; none where panels have no titles."""
    legend: Box | None
    chart: Box | None
    unit: int


def lay_out(scene: Scene) -> Layout:
    """Raises SceneError for a film that is too small or too large, and for panels that cannot be."""
    if not 1 <= len(scene.panels) <= MAX_PANELS:
        raise SceneError(f"a film shows 1 to {MAX_PANELS} panels, not {len(scene.panels)}")
    width, height = (even(side * scene.scale) for side in scene.size)
    unit = max(1, round(height / 240))
    columns = min(scene.columns or len(scene.panels), len(scene.panels))
    title = LINE * unit if scene.titles and len(scene.panels) > 1 else 0
    places = [divmod(at, columns) for at in range(len(scene.panels))]
    panels = [Box(column * width, row * (title + height) + title, width, height) for row, column in places]
    titles = [Box(box.x, box.y - title, width, title) for box in panels] if title else []
    whole, bottom = columns * width, panels[-1].y + height
    legend = Box(0, bottom, whole, LINE * unit) if scene.chart else None
    chart = Box(0, bottom + legend.height, whole, even(72 * unit)) if legend else None
    size = whole, chart.y + chart.height if chart else bottom
    _check(size)
    return Layout(size, panels, titles, legend, chart, unit)


def even(side: float) -> int:
    """The even number of pixels nearest to a side's length, at least 2."""
    return max(2, 2 * round(side / 2))


def _check(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise SceneError(
            f"a film of {width} x {height} pixels is too small, at least {MIN_SIDE} a side: choose another scale"
        )
    if max(size) > MAX_SIDE:
        raise SceneError(
            f"a film of {width} x {height} pixels is too large, at most {MAX_SIDE} a side: choose another scale or "
            "fewer panels in a row"
        )


class Stage:
    """The canvas of one scene."""

    def __init__(self, scene: Scene, pilots: Sequence[str]) -> None:
        """pilots: their names. Raises SceneError."""
        self._scene = scene
        self.layout = layout = lay_out(scene)
        self.canvas = Canvas(*layout.size)
        self._panels = [self.canvas.planes.at(box) for box in layout.panels]
        self._notes: dict[str, Planes] = {}
        self._strip: Strip | None = None
        for box, title in zip(layout.titles, titles(scene.panels, pilots), strict=False):
            self._still(box, text_box(title, box.width, box.height, layout.unit))
        if layout.legend:
            _, _, width, height = layout.legend
            self._still(layout.legend, legend(pilots, width, height, layout.unit, driver=scene.recorded))

    def begin(self, samples: Sequence[Sample]) -> None:
        """Start a chart of `samples`, which may grow by later ones until AHEAD_TICKS before they are shown."""
        if chart := self.layout.chart:
            self._strip = Strip(samples, chart.width, chart.height, self.layout.unit, driver=self._scene.recorded)

    def show_chart(self, tick: int) -> None:
        """As it is at `tick`; nothing where there is none."""
        if self._strip and self.layout.chart:
            self._strip.put(self.canvas.planes.at(self.layout.chart), tick)

    def show(self, at: int, picture: Bytes, note: str = "") -> None:
        """Put a picture, uint8 (h, w, 3) or grey (h, w), into panel `at`; `note` stands in its upper part."""
        panel = self._panels[at]
        panel.put(picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB))
        if note:
            planes = self._note(note)
            height, width = planes.y.shape
            panel.at(Box(0, 0, width, height)).copy_from(planes)

    def _still(self, box: Box, rgb: Bytes) -> None:
        self.canvas.planes.at(box).put(rgb)

    def _note(self, text: str) -> Planes:
        if text not in self._notes:
            if len(self._notes) >= 32:
                self._notes.clear()
            box = self.layout.panels[0]
            self._notes[text] = planes_of(note_box(text, box.width, box.height, self.layout.unit))
        return self._notes[text]


def titles(panels: Sequence[Panel], pilots: Sequence[str]) -> list[str]:
    """What tells the panels from each other, or what they say they are."""
    words = [_words(panel, pilots) for panel in panels]
    differ = [len({row[at] for row in words if row[at] is not None}) > 1 for at in range(len(words[0]))]
    told = [" - ".join(word for word, counts in zip(row, differ, strict=True) if counts and word) for row in words]
    return [panel.title or title or panel.part for panel, title in zip(panels, told, strict=True)]


def _words(panel: Panel, pilots: Sequence[str]) -> list[str | None]:
    """All that panels may differ in; None for what does not count in this one."""
    look = panel.look
    drawn = [look.colormap, f"strength {look.strength:g}"]
    mapped = [look.method, look.target, look.layer, f"gamma {look.gamma:g}", f"smoothing {look.smoothing:g}"]
    name = pilots[panel.pilot] if pilots else ""
    number = f"{panel.pilot + 1}: " if len(set(pilots)) < len(pilots) else ""
    return [
        number + name,
        panel.part,
        *(mapped if panel.part != "camera" else [None] * len(mapped)),
        *(drawn if panel.part == "overlay" else [None] * len(drawn)),
    ]


def draw_lines(rgb: Bytes, drive: Drive | None, recorded: Drive | None) -> None:
    """Draw what is driven into uint8 (h, w, 3) as control lines: the driver's to the left of the pilot's."""
    for values, colour, side in ((recorded, DRIVER, -1), (drive, PILOTS[0], 1)):
        if values is not None and math.isfinite(values.steering) and math.isfinite(values.throttle):
            _control_line(rgb, values, colour, side)


def _control_line(rgb: Bytes, drive: Drive, colour: Colour, side: int) -> None:
    """From the bottom centre, leaning as it steers, up to the frame's height long by how much throttle there is."""
    height, width = rgb.shape[:2]
    angle = min(max(drive.steering, -1), 1) * _FULL_STEERING
    length = height * min(max(abs(drive.throttle), _SHORTEST), 1)
    thick = max(1, round(height / 60))
    x, y = width / 2 + side * thick, height - 1.0
    ends = (_fixed(x, y), _fixed(x + length * math.sin(angle), y - length * math.cos(angle)))
    cv2.line(rgb, *ends, colour, thick, cv2.LINE_AA, 4)


def _fixed(x: float, y: float) -> tuple[int, int]:
    """Sixteenths of a pixel."""
    return round(16 * x), round(16 * y)
