"""Pieces of HTML that several parts of the page share. What comes from files is escaped here or by the caller."""

from html import escape

from models.report import charts
from models.report.result import MethodReport, Report
from models.report.statistics import Interval

_TAGS = {"trust": "trust it", "unclear": "unclear", "distrust": "do not trust", "baseline": "baseline"}


def table(head: str, rows: str) -> str:
    """A table that scrolls by itself where it is too wide; head and rows are HTML."""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def measured(report: Report) -> list[MethodReport]:
    """The methods that have figures."""
    return [method for method in report.methods if method.change is not None]


def heat(part: float, text: str = "") -> str:
    return f'<span style="--part:{max(0, min(part, 1)) * 60:.0f}%">{text or f"{part:.0%}"}</span>'


def share(value: Interval | None) -> str:
    if value is None:
        return "<td>–</td>"
    return f"<td>{charts.bar(value.value)}<small>{percent(value)}</small></td>"


def figure(uri: str, caption: str) -> str:
    return f'<figure><img src="{uri}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'


def facts(facts: list[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(what)}</dd>' for name, what in facts)}</dl>"


def tag(it: MethodReport) -> str:
    return f'<span class="tag {it.trust}">{_TAGS.get(it.trust, it.trust)}</span>'


def percent(value: Interval) -> str:
    return f"{value.value:.0%} ({value.low:.0%}–{value.high:.0%})"


def exact(value: Interval) -> str:
    return f"{value.value:.3f} ({value.low:.3f}–{value.high:.3f})"


def signed(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
