"""`python -m models report PILOT SOURCE`: a report card for a pilot and for every method that explains it.

    report.html   one page with pictures, complete in itself
    report.json   the same figures for programs (result.py)

What the pilot depends on can be had alone, without a page: `models.report.horizon.zone_effects(pilot, source)` tells
for each zone (the sky and each painted line on track:NAME) how much the output changes when it is exchanged with
another frame's or erased. That is the test for a pilot that steers by the horizon, or by one line only.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.options import within
from wire import TARGETS

if TYPE_CHECKING:
    from models.report.run import Request

MOST_FRAMES = 10_000
INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """0: the report is written, whatever it says; 2: bad input, in a sentence; 130: interrupted, nothing written."""
    options = _parser().parse_args(argv)
    try:
        return _answer(options)
    except KeyboardInterrupt:
        print("models report: interrupted, nothing is written", file=sys.stderr)
        return INTERRUPTED


def _answer(options: argparse.Namespace) -> int:
    from edge.capture import SourceError
    from edge.pilot import PilotError
    from models.report.run import ReportError
    from models.report.zones import ZonesError

    try:
        return _run(options)
    except (PilotError, SourceError, ReportError, ZonesError) as why:
        print(f"models report: {why}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from models.report.page import render
    from models.report.progress import Progress
    from models.report.result import encode
    from models.report.run import make

    request, folder = _request(options), _writable(options.output)
    with Progress() as progress:
        report, shots = make(request, progress)
    page = render(report, shots)
    _write(folder / "report.json", encode(report))
    _write(folder / "report.html", page.encode())
    print("PASS" if report.passed else "FAIL", *report.verdict, sep="\n")
    print(f"{folder / 'report.html'} and report.json, made in {report.seconds:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models report",
        description="Measure how faithful every method's maps are on a pilot, and what the pilot depends on.",
    )
    parser.add_argument("pilot", type=Path, metavar="PILOT", help="a .tflite file")
    parser.add_argument("source", metavar="SOURCE", help="a tub, a folder of images, a video, or track:NAME")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report"), metavar="FOLDER", help="where to write it (%(default)s)"
    )
    parser.add_argument(
        "--frames", type=within(8, MOST_FRAMES), default=200, metavar="N", help="evenly spread (%(default)s)"
    )
    parser.add_argument("--methods", default="", metavar="A,B", help="only these (default: all that the pilot allows)")
    parser.add_argument("--target", choices=TARGETS, default="steering", help="the output to explain (%(default)s)")
    parser.add_argument("--zones", type=Path, metavar="FILE", help="TOML: zones of the picture as polygons")
    parser.add_argument(
        "--seed", type=within(0, 2**31), default=0, metavar="N", help="of all that is random (%(default)s)"
    )
    return parser


def _request(options: argparse.Namespace) -> "Request":
    """Raises ReportError, ZonesError."""
    from edge.methods import CATALOG
    from models.report import zones
    from models.report.run import ReportError, Request

    methods = tuple(filter(None, (name.strip() for name in options.methods.split(",")))) or tuple(CATALOG)
    if unknown := [name for name in methods if name not in CATALOG]:
        raise ReportError(f"there is no method {unknown[0]!r}; known are {', '.join(CATALOG)}")
    return Request(
        pilot=options.pilot,
        source=options.source,
        frames=options.frames,
        methods=methods,
        target=options.target,
        seed=options.seed,
        zones=zones.read(options.zones) if options.zones else None,
        zones_from=f"polygons of {options.zones.name}" if options.zones else "",
    )


def _writable(folder: Path) -> Path:
    """The folder, made if need be: before the minutes of work, not after. Raises ReportError."""
    from models.report.run import ReportError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise ReportError(f"folder {folder} cannot be made: {why.strerror}") from why
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ReportError(f"folder {folder} is not writable; name another with -o")
    return folder


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all. Raises ReportError."""
    from models.report.run import ReportError

    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_bytes(data)
        draft.replace(file)
    except OSError as why:
        raise ReportError(f"{file} cannot be written: {why.strerror}") from why
