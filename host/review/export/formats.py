"""What a session can be exported as, one module each.

    mp4    clip.py   exactly the frames of the span, the first at 0
    gif    gif.py    small enough for a message, honest times
    csv    table.py  a row per frame, a column per figure
    tub    tub.py    for Donkeycar: camera pictures and what drove
    mcap   tape.py   the tape itself, cut

A format writes one file (a tub may also be a folder) to a path that is not there yet. It tells `progress` after every
frame, and raises ExportError for what a person can know, OSError for what the disk says.
"""

import importlib
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
    module: str
    """Has the `write`."""

    def write(self, source: Source, span: Span, path: Path, progress: Progress) -> Written:
        """Write one file. Its module is imported only now."""
        write: Write = importlib.import_module(f"host.review.export.{self.module}").write
        return write(source, span, path, progress)


FORMATS = {
    one.name: one
    for one in (
        Format("mp4", ".mp4", "video/mp4", "clip"),
        Format("gif", ".gif", "image/gif", "gif"),
        Format("csv", ".csv", "text/csv; charset=utf-8; header=present", "table"),
        Format("tub", ".zip", "application/zip", "tub"),
        Format("mcap", ".mcap", "application/octet-stream", "tape"),
    )
}


def find_format(name: str) -> Format:
    """The format of this name. Raises ExportError."""
    if name not in FORMATS:
        raise ExportError(f"there is no format {name[:40]!r}; there is: {', '.join(FORMATS)}")
    return FORMATS[name]
