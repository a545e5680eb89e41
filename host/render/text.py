"""Text in films, as OpenCV's strokes: plain signs, dark behind them. And the colours that things have.

Sizes are counted in units: a unit is a 240th of a panel's height, at least one pixel.
"""

import textwrap
import unicodedata
from functools import lru_cache

import cv2
import numpy as np

from host.render.canvas import Bytes

Colour = tuple[int, int, int]

DRIVER: Colour = (70, 220, 90)
PILOTS: tuple[Colour, ...] = ((90, 150, 255), (255, 170, 50), (240, 90, 200), (90, 220, 220), (235, 235, 90))
"""Of lines and curves: the driver's, and the pilots' in turn."""
TEXT: Colour = (222, 226, 230)
DARK: Colour = (24, 26, 30)

LINE = 14
"""Height of a line of text in units."""
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.36
_MAX_LINES = 5
_MAX_TEXT = 400


def plain(text: str) -> str:
    """Text as far as the font can show it."""
    bare = unicodedata.normalize("NFKD", text[:_MAX_TEXT]).encode("ascii", "replace").decode()
    return "".join(sign if " " <= sign <= "~" else "?" for sign in bare)


@lru_cache(maxsize=512)
def text_width(text: str, unit: int) -> int:
    """In pixels."""
    width: int = cv2.getTextSize(text, _FONT, _FONT_SCALE * unit, unit)[0][0]
    return width


def write(rgb: Bytes, text: str, x: int, baseline: int, colour: Colour, unit: int) -> None:
    """Text on one line; `plain` text only."""
    cv2.putText(rgb, text, (x, baseline), _FONT, _FONT_SCALE * unit, colour, unit, cv2.LINE_AA)


def text_box(text: str, width: int, height: int, unit: int) -> Bytes:
    """One line of text on dark, shortened to fit: uint8 (height, width, 3)."""
    rgb = np.full((height, width, 3), DARK, np.uint8)
    line = plain(text)
    while line and text_width(line, unit) > width - 6 * unit:
        line = line[:-3].rstrip() + ".." if len(line) > 4 else ""
    write(rgb, line, 3 * unit, height - 4 * unit, TEXT, unit)
    return rgb


def note_box(text: str, width: int, height: int, unit: int) -> Bytes:
    """A few lines of text on dark, as wide as a panel and at most half as high: uint8 (h, width, 3)."""
    line = plain(text)
    signs = max(4, int(0.92 * (width - 6 * unit) * len(line) / max(1, text_width(line, unit))))
    most = max(1, min(_MAX_LINES, height // 2 // (LINE * unit)))
    lines = textwrap.wrap(line, signs, max_lines=most, placeholder=" ..") or [""]
    step = LINE * unit
    boxes = [text_box(line, width, step, unit) for line in lines]
    return np.vstack(boxes)[:height]
