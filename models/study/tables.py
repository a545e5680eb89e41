"""The study in words and numbers: Markdown tables, one column per pilot."""

from collections.abc import Iterable, Iterator, Sequence

from edge.methods import CATALOG
from models.study.attention import METHODS
from models.study.driving import Run
from models.study.figures import TRACKS, Figures, Study
from models.study.reliance import described

Row = tuple[str, Sequence[str]]


def page(study: Study) -> str:
    """All tables as one Markdown text."""
    blocks = ["# What the pilots steer by", _pilots(study)]
    for track in TRACKS:
        blocks += [f"## {track}", reliance(study, track), runs(study, track), *attention(study, track)]
    return "\n\n".join(blocks) + "\n"


def reliance(study: Study, track: str) -> str:
    """Rows: what was changed about the picture."""
    whats = study.pilots[0].reliance[track]
    rows = ((described(what), [f"{it.reliance[track][what]:.2f}" for it in study.pilots]) for what in whats)
    return _table("Mean change of steering, in standard deviations of the expert's", study.pilots, rows)


def runs(study: Study, track: str) -> str:
    """Rows: guises of the track; bold where the car left its lane."""
    drives = [{run.guise: run for run in it.runs[track]} for it in study.pilots]
    rows = ((guise, [_run(by_guise[guise], study.extent.laps) for by_guise in drives]) for guise in drives[0])
    return _table("Laps in its lane (farthest from the middle of it)", study.pilots, rows)


def attention(study: Study, track: str) -> Iterator[str]:
    """One table per method; rows: zones, with their share of the picture."""
    areas = study.areas[track].items()
    for method in METHODS:
        able = [it for it in study.pilots if method in it.attention[track]]
        maps = [it.attention[track][method] for it in able]
        rows = ((f"{zone} ({area:.0%} of the picture)", [f"{each[zone]:.0%}" for each in maps]) for zone, area in areas)
        if able:
            yield _table(f"Share of the map: {CATALOG[method].title}", able, rows)


def _pilots(study: Study) -> str:
    trained = ", ".join(f"{name} {value}" for name, value in study.trained.items()) or "as it may be"
    extent = study.extent
    lines = [f"- **{it.name}**: {it.says}; {it.size_bytes} bytes, SHA-256 `{it.sha256[:12]}…`" for it in study.pilots]
    measured = f"{extent.places} places compared, drives of {extent.laps} laps, maps at {extent.looks} places."
    return "\n".join([*lines, "", f"Trained: {trained}. Measured: {measured}"])


def _run(run: Run, most: int) -> str:
    told = f"{run.laps:g} ({100 * run.farthest_m:.0f} cm)"
    return told if run.laps == most else f"**{told}**"


def _table(title: str, pilots: Iterable[Figures], rows: Iterable[Row]) -> str:
    names = [it.name for it in pilots]
    body = (f"| {row} | {' | '.join(cells)} |" for row, cells in rows)
    return "\n".join([f"| {title} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}", *body])
