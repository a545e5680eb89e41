"""`python -m host sessions`: what is on the shelf, and what can be done with it, without a browser."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from host.review.limits import Limits
from host.review.shelf import Shelf, ShelfError, Summary

GB = 1_000_000_000


def main(argv: Sequence[str]) -> int:
    """0: done; 1: some could not be done; 2: bad input. Errors are sentences."""
    options = _parser().parse_args(argv)
    directory = Path(options.sessions)
    limits = Limits(
        max_bytes=round(getattr(options, "max_gb", 0) * GB),
        max_days=getattr(options, "max_days", 0),
        floor_bytes=round(getattr(options, "keep_free_gb", 0) * GB),
    )
    do: Callable[[Shelf, argparse.Namespace], int] = options.do
    try:
        if not directory.is_dir():
            print(f"host sessions: there is no directory {directory}: name another with --sessions", file=sys.stderr)
            return 2
        with Shelf(directory, limits) as shelf:
            done = do(shelf, options)
            sys.stdout.flush()
            return done
    except BrokenPipeError:  # whoever reads this has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as why:
        print(f"host sessions: the disk of {directory} cannot be used: {why.strerror or why}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host sessions",
        description="List recorded sessions, and keep them in order.",
        allow_abbrev=False,
    )
    parser.add_argument("--sessions", default="sessions", metavar="DIR", help="where recordings are (default sessions)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("list", help="what there is, newest first")
    one.add_argument("--json", action="store_true", help="all that is known, as JSON")
    one.add_argument("--trash", action="store_true", help="what is in the trash instead")
    one.set_defaults(do=_list)
    for name, do, what in (
        ("mark", _mark, "keep sessions whatever the disk's limits say"),
        ("unmark", _unmark, "let the disk's limits decide again"),
        ("delete", _delete, "move sessions to the trash"),
        ("restore", _restore, "take sessions out of the trash"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("name", nargs="+", metavar="NAME", help="as `list` shows it")
        one.set_defaults(do=do)
    one = commands.add_parser("rename", help="give a session a title; its folder keeps its name")
    one.add_argument("name", metavar="NAME", help="as `list` shows it")
    one.add_argument("title", metavar="TITLE")
    one.set_defaults(do=_rename)
    commands.add_parser("empty", help="remove for good what is in the trash").set_defaults(do=_empty)
    commands.add_parser("repair", help="repair what a crash left").set_defaults(do=_repair)
    one = commands.add_parser("tidy", help="remove for good what these limits leave no room for, trash first")
    for option, unit, what in (
        ("--max-gb", "GB", "what sessions may take"),
        ("--max-days", "DAYS", "how old they may be"),
        ("--keep-free-gb", "GB", "what stays free on the disk"),
    ):
        one.add_argument(option, type=_limit, default=0.0, metavar=unit, help=f"{what} (0: no limit, the default)")
    one.set_defaults(do=_tidy)
    for one in commands.choices.values():  # before the command or after it
        one.add_argument("--sessions", default=argparse.SUPPRESS, metavar="DIR", help=argparse.SUPPRESS)
    return parser


def _limit(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) < float("inf"):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no limit: give a number from 0 on")


def _list(shelf: Shelf, options: argparse.Namespace) -> int:
    found = shelf.trash() if options.trash else shelf.list()
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    rows = [("NAME", "", "LENGTH", "SIZE", "CAR", "PILOT", "TITLE"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(one: Summary) -> tuple[str, ...]:
    minutes, seconds = divmod(round(one.duration_s), 60)
    state = "live" if one.recording else "" if one.status == "complete" else one.status
    said = " ".join(filter(None, ["*" if one.marked else "", state]))
    cells = one.name, said, f"{minutes}:{seconds:02}", f"{one.bytes / 1e6:.1f} MB", one.car, one.pilot, one.title
    return tuple(map(_shown, cells))


def _shown(text: str) -> str:
    """The text, spelt out where a terminal would obey it."""
    return text if text.isprintable() else ascii(text)


def _mark(shelf: Shelf, options: argparse.Namespace) -> int:
    return _each(options.name, lambda name: shelf.change(name, marked=True))


def _unmark(shelf: Shelf, options: argparse.Namespace) -> int:
    return _each(options.name, lambda name: shelf.change(name, marked=False))


def _delete(shelf: Shelf, options: argparse.Namespace) -> int:
    return _each(options.name, shelf.delete)


def _restore(shelf: Shelf, options: argparse.Namespace) -> int:
    return _each(options.name, shelf.restore)


def _rename(shelf: Shelf, options: argparse.Namespace) -> int:
    return _each([options.name], lambda name: shelf.change(name, title=options.title))


def _empty(shelf: Shelf, _: argparse.Namespace) -> int:
    return _removed(shelf.empty())


def _tidy(shelf: Shelf, _: argparse.Namespace) -> int:
    return _removed(shelf.tidy())


def _repair(shelf: Shelf, _: argparse.Namespace) -> int:
    for one in shelf.repair(wait=True):
        print(f"{_shown(one.name)}: {one.status}, {one.frames} frames. {one.reason}.")
    return 0


def _removed(names: Iterable[str]) -> int:
    for name in names:
        print(f"removed {_shown(name)}")
    return 0


def _each(names: Iterable[str], do: Callable[[str], object]) -> int:
    """Do it with every one; 1 when some could not be done."""
    failed = 0
    for name in names:
        try:
            do(name)
        except ShelfError as why:
            print(f"host sessions: {why}", file=sys.stderr)
            failed = 1
    return failed
