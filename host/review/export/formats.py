"""What a session can be exported as, one module each.

    mp4    clip.py   exactly the frames of the span, the first at 0
    gif    gif.py    small enough for a message, honest times
    csv    table.py  a row per frame, a column per figure
    tub    tub.py    for Donkeycar: camera pictures and what drove
    mcap   tape.py   the tape itself, cut

A format writes one file (a tub may also be a folder) to a path that is not there yet. It tells `progress` after every
frame, and raises ExportError for what a person can know, OSError for what the disk says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from host.review.export.source import ExportError, Progress, Source, Span


class Written(NamedTuple):
    """What an export came to."""

    frames: int
    remark: str = ""
    """What is not in it that one might expect, in one sentence; empty where there is nothing to say."""


Write = Callable[[Source, Span, Path, Progress], Written]


class Format(NamedTuple):
    """One kind of export."""

    name: str
    suffix: str
    """Of a file that is downloaded."""
    media_type: str
    write: Write


def _mp4(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    from host.review.export.clip import write

    return write(source, span, path, progress)


def _gif(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    from host.review.export.gif import write

    return write(source, span, path, progress)


def _csv(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    from host.review.export.table import write

    return write(source, span, path, progress)


def _tub(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    from host.review.export.tub import write

    return write(source, span, path, progress)


def _mcap(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    from host.review.export.tape import write

    return write(source, span, path, progress)


FORMATS = {
    one.name: one
    for one in (
        Format("mp4", ".mp4", "video/mp4", _mp4),
        Format("gif", ".gif", "image/gif", _gif),
        Format("csv", ".csv", "text/csv; charset=utf-8; header=present", _csv),
        Format("tub", ".zip", "application/zip", _tub),
        Format("mcap", ".mcap", "application/octet-stream", _mcap),
    )
}


def find_format(name: str) -> Format:
    """The format of this name. Raises ExportError."""
    if name not in FORMATS:
        raise ExportError(f"there is no format {name[:40]!r}; there is: {', '.join(FORMATS)}")
    return FORMATS[name]
