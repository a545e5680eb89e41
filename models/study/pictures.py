"""The study to look at: one place before two skylines with pilots' maps, and a chart of what each steers by."""

from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.track.car import expert
from edge.methods import CATALOG, Methods
from edge.pilot import Pilot
from models.report.pictures import fitted, overlay
from models.study.figures import Figures, steers
from models.study.reliance import ERROR, described, steering
from models.study.scenes import Scenery, places, skies

Bytes = NDArray[np.uint8]

_CAPTION = 30
_INK, _PAPER = (30, 30, 34), 250


def skylines(scenery: Scenery, pilots: dict[str, Pilot], method: str, count: int = 200) -> Bytes:
    """Two rows, as it is and before another skyline; columns: the camera, and each pilot's map with its steering.

    The place is the one of `count` where the first pilot's steering changes most. uint8 (h, w, 3).
    """
    where = places(scenery.road, count)
    frames, others = scenery.frames(where), scenery.frames(where, sky=skies(scenery.track)[0])
    first = next(iter(pilots.values()))
    at = int(np.abs(steering(steers(first), frames) - steering(steers(first), others)).argmax())
    should = f"expert {expert(scenery.road, where[at]).steering:+.2f}"
    rows = [(frames[at], f"as it is: {should}"), (others[at], f"another skyline: {should}")]
    return np.concatenate([_row(rgb, told, pilots, method) for rgb, told in rows])


def _row(rgb: Bytes, told: str, pilots: dict[str, Pilot], method: str) -> Bytes:
    seen = [_captioned(fitted(rgb), told)]
    for name, pilot in pilots.items():
        word = pilot.drive(pilot.infer(rgb)).steering
        values = Methods(pilot)(method).values
        placed = pilot.onto_frame(values, (rgb.shape[0], rgb.shape[1]))
        drawn = overlay(rgb, placed, signed=CATALOG[method].signed)
        seen.append(_captioned(drawn, f"{name}: {word:+.2f}"))
    return np.concatenate(seen, axis=1)


def _captioned(rgb: Bytes, text: str) -> Bytes:
    above = np.full((_CAPTION, rgb.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(above, text, (8, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return np.concatenate([above, rgb])


_COLOURS = ("#c0392b", "#e59866", "#5dade2", "#1a5276", "#7d8a92")
_LEFT, _TOP, _HIGH, _GAP, _WIDE = 180, 34, 13, 14, 760


def chart(pilots: Sequence[Figures], track: str) -> str:
    """Bars as SVG: for everything that was changed, how much each pilot's steering did."""
    whats = [what for what in pilots[0].reliance[track] if what != ERROR]
    most = max(it.reliance[track][what] for it in pilots for what in whats) or 1
    scale = (_WIDE - _LEFT - 60) / most
    block = _HIGH * len(pilots) + _GAP
    bars = [
        _bar(_TOP + row * block + place * _HIGH, it.reliance[track][what] * scale, it.reliance[track][what], place)
        for row, what in enumerate(whats)
        for place, it in enumerate(pilots)
    ]
    names = [
        _text(_LEFT - 8, _TOP + row * block + block / 2 - 3, described(what), "end") for row, what in enumerate(whats)
    ]
    legend = [_named(place, it.name) for place, it in enumerate(pilots)]
    high = _TOP + block * len(whats)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDE}" height="{high}" fill="#fff"/>{"".join([*legend, *names, *bars])}</svg>\n'
    )


def _bar(y: float, length: float, value: float, place: int) -> str:
    colour = _COLOURS[place % len(_COLOURS)]
    rect = f'<rect x="{_LEFT}" y="{y:.0f}" width="{length:.1f}" height="{_HIGH - 2}" fill="{colour}"/>'
    return rect + _text(_LEFT + length + 5, y + _HIGH - 3, f"{value:.2f}", size=10)


def _named(place: int, name: str) -> str:
    x = _LEFT + 115 * place
    colour = _COLOURS[place % len(_COLOURS)]
    return f'<rect x="{x}" y="10" width="11" height="11" fill="{colour}"/>' + _text(x + 16, 20, name)


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
