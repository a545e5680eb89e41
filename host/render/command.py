"""`python -m host render`: films of what pilots look at, from tubs, videos, folders of images and sessions.

    options ─▶ crew (starts meanwhile) ─▶ plan ─▶ what is not made yet ─▶ produce ─▶ summary

What is heavy is imported where it is needed: the workers start first, and take as long to be there as planning takes.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from config import ConfigError
from host.render.error import RenderError
from host.render.options import parser, whole, wish

if TYPE_CHECKING:
    from host.render.crew import Crew
    from host.render.plan import Film
    from host.render.produce import Production
    from host.render.progress import Progress
    from host.render.summary import Summary

__all__ = ["main", "parser"]

RESUME = "what is finished is kept, and the same command goes on from there"


def main(argv: Sequence[str] | None = None) -> int:
    """0: all films are there; 1: some, or some of their frames, are not; 2: bad input; 130: stopped by hand."""
    options = parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        with _stopped_like_ctrl_c():
            return run(options)
    except (RenderError, ConfigError) as why:
        print(f"render: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"render: stopped; {RESUME}", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Raises RenderError and ConfigError."""
    made_by = _crew(options)
    if options.dry_run:
        films, refused = _plan(options)
        for film in _missing(films, options):
            print(_told(film))
        return _complain(refused)
    with made_by as crew:
        films, refused = _plan(options)
        missing = _missing(films, options)
        return max(_make(missing, crew, options) if missing else 0, _complain(refused))


def _crew(options: argparse.Namespace) -> "Crew":
    from host.render.work import LocalCrew, processors

    count = whole("workers", options.workers, processors())
    if not options.dask:
        return LocalCrew(count)
    try:
        from host.render.spread import DaskCrew
    except ModuleNotFoundError as why:
        raise RenderError(f"option 'dask' needs {why.name}, which is not installed: pip install '.[batch]'") from why
    kind, _, number = options.dask.partition(":")
    return DaskCrew(f"local:{whole('dask', number, count)}" if kind == "local" else options.dask)


def _plan(options: argparse.Namespace) -> "tuple[list[Film], list[str]]":
    """The films to make, and why there are not more."""
    wanted = wish(options)
    from edge.start import BUNDLED_PILOT
    from host.render import plan
    from host.render.reels import open_reels

    refused: list[str] = []
    pilots = plan.pilot_files([Path(pilot) for pilot in options.pilot or [BUNDLED_PILOT]])
    reels = open_reels(options.source, refused)
    return plan.plan(reels, pilots, wanted, Path(options.out).expanduser(), refused), refused


def _missing(films: "list[Film]", options: argparse.Namespace) -> "list[Film]":
    """The films that are not there yet; says of the others that they are. Raises RenderError."""
    from host.render import place

    there = [film for film in films if not options.overwrite and place.is_there(film, csv=options.csv)]
    for film in there:
        print(f"{film.path} is there already")
    missing = [film for film in films if film not in there]
    place.check(missing, csv=options.csv, overwrite=options.overwrite)
    return missing


def _make(missing: "list[Film]", crew: "Crew", options: argparse.Namespace) -> int:
    """Say of each film what became of it, and at the end what became of all. Raises RenderError."""
    from host.render import summary
    from host.render.produce import Production
    from host.render.progress import Progress
    from host.render.store import Store

    progress = Progress(sum(map(len, missing)))

    def tell(film: "Film", made: "Summary") -> None:
        progress.clear()
        print(summary.in_words(made, film.path), flush=True)

    with Store(missing[0].path.parent) as store:
        production = Production(missing, store, csv=options.csv, done=progress.done, finished=tell)
        try:
            production.run(crew)
        except RenderError as why:
            raise RenderError(f"{why}; {RESUME}") from why
        finally:
            progress.clear()
    return _sum_up(missing, production, progress, crew)


def _sum_up(films: "list[Film]", production: "Production", progress: "Progress", crew: "Crew") -> int:
    from host.render.progress import duration

    print(
        f"{len(production.made)} of {len(films)} films made, {progress.rendered} frames rendered in "
        f"{duration(progress.seconds)} by {crew.what}: {progress.rendered / progress.seconds:.0f} frames/s"
    )
    lost = f"{production.lost} frames could not be rendered; the same command tries them again"
    whys = [f"no {films[place].path}: {why}" for place, why in sorted(production.failed.items())]
    return _complain([*whys, lost] if production.lost else whys)


def _complain(whys: list[str]) -> int:
    """Say what is missing; what the process shall return."""
    for why in whys:
        print(f"render: {why}", file=sys.stderr)
    return 1 if whys else 0


def _told(film: "Film") -> str:
    """A line of --dry-run."""
    pilots = ", ".join(pilot.name for pilot in film.pilots)
    note = "".join(f"; {text}" for text in (film.note, _skipped(film)) if text)
    return (
        f"{film.path}: {film.reel.kind} {film.reel.path} by {pilots}, {len(film)} frames, {film.seconds:.1f} s, "
        f"{len(film.spans)} segments{note}"
    )


def _skipped(film: "Film") -> str:
    return f"{film.reel.skipped} records are broken" if film.reel.skipped else ""


@contextlib.contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """A service manager's way to stop us is as good as a person's."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
