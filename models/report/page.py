"""The report as one HTML page that needs nothing else: pictures inside it, no scripts, for screen, phone and paper."""

from html import escape
from pathlib import Path

from models.report import evidence, sections
from models.report.result import Report
from models.report.shots import Shots

STYLE = Path(__file__).with_name("page.css")


def render(report: Report, shots: Shots) -> str:
    """The whole page. Every name that came from a file is escaped."""
    title = f"{report.pilot.name} on {report.source.name}"
    body = "\n".join(
        [
            _head(report, title),
            sections.checks(report),
            sections.ranking(report),
            sections.curves(report),
            sections.gallery(report, shots),
            evidence.dependence(report),
            evidence.attention(report),
            evidence.driving(report),
            evidence.randomised(report),
            evidence.shifted(report),
            sections.methods(report, shots),
            sections.how(report),
        ]
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – PilotLens report card</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n"
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(report: Report, title: str) -> str:
    outcome, look = ("PASS", "pass") if report.passed else ("FAIL", "fail")
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.verdict)
    source = report.source
    return (
        f'<p class="eyebrow">PilotLens report card</p>\n<h1>{escape(title)}</h1>\n'
        f'<p class="meta">{escape(report.pilot.target)} explained on {source.frames} of {source.read} frames, '
        f"{escape(report.made[:10])}</p>\n"
        f'<div class="outcome {look}"><strong>{outcome}</strong><ul>{said}</ul></div>'
    )
