"""`python -m host export`: a session, or a part of it, as a file."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from host.review.export.formats import FORMATS, Format, Written, find_format
from host.review.export.names import file_name
from host.review.export.place import check_free, move, worded, workroom
from host.review.export.source import ExportError, Progress, Source, Span, seconds

SHOW_EVERY_S = 0.2


def main(argv: Sequence[str]) -> int:
    """0: exported; 2: cannot be, said in a sentence; 130: interrupted."""
    options = _parser().parse_args(argv)
    try:
        place, written = export(options)
    except KeyboardInterrupt:
        print("host export: interrupted; nothing was written.", file=sys.stderr)
        return 130
    except ExportError as why:
        print(f"host export: {why}.", file=sys.stderr)
        return 2
    print(f"{place}: {written.frames} frame{'s' * (written.frames != 1)}")
    if written.remark:
        print(f"host export: {written.remark}.", file=sys.stderr)
    return 0


def export(options: argparse.Namespace) -> tuple[Path, Written]:
    """Do what was asked for: where it was written, and what it came to. Raises ExportError."""
    wanted = _format(options.format, options.output)
    span = Span.of_seconds(seconds(options.start), seconds(options.stop) if options.stop else None)
    with Source(_folder(options.session, options.sessions)) as source:
        place = _place(options.output, source, span, wanted)
        check_free(place, overwrite=options.overwrite)
        with worded(place.name, place.parent), workroom(place.parent) as room:
            with _shown(place.name) as progress:
                written = wanted.write(source, span, room / place.name, progress)
            move(room / place.name, place, overwrite=options.overwrite)
        return place, written


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host export",
        description="Export a session, or a part of it. One that is still being recorded gives what there is.",
        epilog="Times are seconds, like 83.5, or H:MM:SS, like 0:01:23.5, from the start of the session.",
        allow_abbrev=False,
    )
    parser.add_argument("session", metavar="SESSION", help="a session's folder, or its name in --sessions")
    parser.add_argument(
        "--format",
        metavar="|".join(FORMATS),
        help="mp4 and gif are of the film, csv, tub (Donkeycar, version 2) and mcap of what was measured; "
        "need not be said where the end of -o does",
    )
    parser.add_argument("--from", dest="start", default="0", metavar="TIME", help="the first frame (default 0)")
    parser.add_argument("--to", dest="stop", default="", metavar="TIME", help="the end, not part of it (default: all)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="the file to write, or the folder to put it in (default: here); a tub is a folder, or a file where PATH "
        "ends in .zip",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    parser.add_argument("--sessions", default="sessions", metavar="DIR", help="where sessions are (default sessions)")
    return parser


def _folder(session: str, sessions: str) -> Path:
    """Where the session is. Raises ExportError."""
    for folder in (Path(session), Path(sessions, session)):
        if folder.is_dir():
            return folder
    raise ExportError(
        f"there is no session {session!r}, neither here nor in {sessions}: give its folder, or --sessions"
    )


def _format(name: str | None, output: str | None) -> Format:
    """The format that was asked for, or that a file's name tells. Raises ExportError."""
    if name is not None:
        return find_format(name)
    suffix = Path(output or "").suffix.lower()
    for one in FORMATS.values():
        if one.suffix == suffix:
            return one
    raise ExportError(f"what shall it be? Say --format, one of: {', '.join(FORMATS)}")


def _place(output: str | None, source: Source, span: Span, wanted: Format) -> Path:
    """Where to write to: `output`, or a name of its own in it where that is a folder. Raises ExportError."""
    place = Path(output or ".")
    if place.is_dir():
        return place / file_name(source, span, "-tub" if wanted.name == "tub" else wanted.suffix)
    if output and output.endswith("/") and wanted.name != "tub":
        raise ExportError(f"there is no folder {output}: make it first, or name a file with -o")
    return place


@contextlib.contextmanager
def _shown(name: str) -> Iterator[Progress]:
    """A line on the terminal that says how far it is; nothing where there is none."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    started_s, due_s = time.monotonic(), 0.0

    def show(done: float) -> None:
        nonlocal due_s
        now_s = time.monotonic()
        if done and now_s >= due_s:
            due_s = now_s + SHOW_EVERY_S
            left_s = (now_s - started_s) * (1 - done) / done
            print(f"\r\x1b[K{name}: {done:4.0%}, {left_s:.0f} s left", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
