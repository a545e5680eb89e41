"""Charts as SVG and HTML inside the page: no scripts, colours from page.css, text that stays readable on a phone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from models.report.statistics import Interval

_WIDTH, _HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 40

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A line with a band about it. look: a class of page.css."""

    label: str
    x: Sequence[float]
    y: Sequence[Interval]
    look: str = "other"
    band: bool = True


def lines(series: Sequence[Series], *, across: str, up: str, percent: bool = False, label: str = "") -> str:
    """Lines over a common axis; the legend names those that are not of the look "other"."""
    axes = _Axes(
        (min(min(s.x) for s in series), max(max(s.x) for s in series)),
        (0, max(max(v.high if s.band else v.value for v in s.y) for s in series)),
    )
    drawn = "".join(_line(axes, one) for one in series)
    ticks = axes.ticks(percent=percent)
    named = [one for one in series if one.look != "other"]
    picture = _svg(f"{ticks}{drawn}{_titles(across, up)}", label or f"{up} over {across}")
    return f"{picture}{_legend(named)}" if len(named) > 1 else picture


def scatter(points: Sequence[Point], *, across: str, up: str, label: str) -> str:
    """Points over one square range, with the diagonal on which both agree."""
    reach = max((abs(value) for point in points for value in point), default=1) or 1
    axes = _Axes((-reach, reach), (-reach, reach))
    dots = "".join(f'<circle class="dot" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="2.4"/>' for x, y in points)
    diagonal = f'<path class="guide" d="{_path([axes.at(-reach, -reach), axes.at(reach, reach)])}"/>'
    return _svg(f"{axes.ticks()}{diagonal}{dots}{_titles(across, up)}", label)


def whisker(value: Interval, low: float, high: float, look: str = "") -> str:
    """One interval on a logarithmic scale from `low` to `high`, a mark at 1: a line of HTML."""

    def at(number: float) -> float:
        inside = min(max(number, low), high)
        return 100 * math.log(inside / low) / math.log(high / low)

    span = f"left:{at(value.low):.1f}%;width:{max(at(value.high) - at(value.low), 0.5):.1f}%"
    return (
        f'<span class="whisker {look}"><u style="left:{at(1):.1f}%"></u>'
        f'<i style="{span}"></i><b style="left:{at(value.value):.1f}%"></b></span>'
    )


def bar(share: float, most: float = 1.0) -> str:
    """A bar of HTML, `share` of `most` long."""
    return f'<span class="bar"><i style="width:{100 * min(max(share / most, 0), 1):.1f}%"></i></span>'


class _Axes:
    """From figures to places in the picture."""

    def __init__(self, across: Point, up: Point) -> None:
        self._across = across if across[1] > across[0] else (across[0] - 1, across[0] + 1)
        step = _step(up[1] - up[0]) if up[1] > up[0] else 1.0
        self._up = (math.floor(up[0] / step + 1e-9) * step, max(math.ceil(up[1] / step - 1e-9), 1) * step)
        self._step = step

    def x(self, value: float) -> float:
        low, high = self._across
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._up
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def at(self, x: float, y: float) -> Point:
        return self.x(x), self.y(y)

    def ticks(self, *, percent: bool = False) -> str:
        """Grid lines and figures."""
        low, high = self._up
        rows = [low + i * self._step for i in range(round((high - low) / self._step) + 1)]
        start, end = self._across
        step = _step(end - start)
        columns = [i * step for i in range(math.ceil(start / step), math.floor(end / step + 1e-9) + 1)]
        return "".join(map(self._row, rows)) + "".join(self._column(x, percent=percent) for x in columns)

    def _row(self, value: float) -> str:
        y = self.y(value)
        return (
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
        )

    def _column(self, value: float, *, percent: bool) -> str:
        text = f"{value:.0%}" if percent else _number(value)
        x, y = self.x(value), _HEIGHT - _BOTTOM + 15
        return f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>'


def _line(axes: _Axes, one: Series) -> str:
    top = [axes.at(x, value.high) for x, value in zip(one.x, one.y, strict=True)]
    bottom = [axes.at(x, value.low) for x, value in zip(one.x, one.y, strict=True)]
    middle = [axes.at(x, value.value) for x, value in zip(one.x, one.y, strict=True)]
    band = f'<path class="band" d="{_path([*top, *reversed(bottom)])}Z"/>' if one.band else ""
    return f'<g class="{one.look}"><title>{escape(one.label)}</title>{band}<path class="line" d="{_path(middle)}"/></g>'


def _legend(series: Sequence[Series]) -> str:
    items = "".join(f'<li class="{one.look}"><i></i>{escape(one.label)}</li>' for one in series)
    return f'<ul class="legend">{items}</ul>'


def _titles(across: str, up: str) -> str:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return (
        f'<text class="axis" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text class="axis" transform="translate(11 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(up)}</text>'
    )


def _svg(inside: str, label: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _step(span: float) -> float:
    """A round number that divides the span into three to seven."""
    power: float = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 7)


def _number(value: float) -> str:
    text = f"{value:.3g}"
    return "0" if float(text) == 0 else text.replace("-", "−")
