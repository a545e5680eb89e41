"""CSV (RFC 4180): a row per frame, a column per figure, for spreadsheets, pandas and awk alike.

    time_s,unix_s,seq,steering,…,bookmark
    0.03333333333333333,1732345678.12,17,-0.25,…,"sharp left"

Units are in the columns' names (see host/record/entry.py; what has none is a share, a count, or −1 … 1). Numbers are
written in full, with a point whatever the locale, so that they read back as what was recorded; a cell is empty where
nothing is known. Text is quoted, on one line, and never a formula.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from host.record.notes import plain
from host.record.session import TICKS_HZ
from host.review.export.formats import Written
from host.review.export.source import Progress, Source, Span
from host.review.footage import COLUMNS

BOOKMARK = "bookmark"
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How text begins that a spreadsheet would compute; the last four are the wide ones of East Asian keyboards."""
WHOLE = 2.0**53


def write(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    """See formats.py."""
    rows = source.rows(span)
    columns = [source.footage.column(name) for name in COLUMNS]
    labels = _labels(source, rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join((*COLUMNS, BOOKMARK)) + "\r\n")
        for done, row in enumerate(rows, 1):
            file.write(_line(columns, row, labels))
            progress(done / len(rows))
    return Written(len(rows))


def number(value: float) -> str:
    """A number as a cell: reads back as the same one; empty for what is none."""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < WHOLE else repr(value)


def text(value: str) -> str:
    """Text as a cell: quoted, on one line, and no formula to any spreadsheet."""
    shown = plain(value)
    if not shown:
        return ""
    harmless = "'" + shown if shown.startswith(FORMULA) else shown
    return '"' + harmless.replace('"', '""') + '"'


def _line(columns: list["array[float]"], row: int, labels: Mapping[int, str]) -> str:
    cells = [number(column[row]) for column in columns]
    return ",".join((*cells, labels.get(row, ""))) + "\r\n"


def _labels(source: Source, rows: range) -> dict[int, str]:
    """What people call the moments at these frames, as cells."""
    said: dict[int, list[str]] = defaultdict(list)
    for bookmark in source.notes.bookmarks:
        row = source.footage.index_at(round(bookmark.time_s * TICKS_HZ))
        if row in rows:
            said[row].append(bookmark.label or BOOKMARK)
    return {row: text(" / ".join(labels)) for row, labels in said.items()}
