"""Where films go: which are there already, and what stands in a film's places and must stay.

A film is three files: NAME.mp4, NAME.csv, NAME.json. The last one tells whose the others are.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from host.render import summary
from host.render.error import RenderError
from host.render.plan import Film
from host.render.store import Store


def is_there(film: Film, *, csv: bool) -> bool:
    """Whether the very film that would be made stands in its place, whole, and its table if that is wanted."""
    there = summary.read(film.path)
    whole = there is not None and there.complete and there.key == film.key
    return whole and film.path.is_file() and (not csv or film.path.with_suffix(".csv").is_file())


def check(films: Sequence[Film], *, csv: bool, overwrite: bool) -> None:
    """Raise RenderError where a film's place is taken: by a source always, by anything else unless told to overwrite.

    What a run that was stopped left there is the film's own.
    """
    sources = {film.reel.path for film in films}
    for film in films:
        for path in _taken(film, csv=csv):
            for source in sources:
                if _belongs(path, source, film):
                    raise RenderError(f"{path} belongs to the source {source}: give another --out")
            if not overwrite:
                raise RenderError(
                    f"{path} is in the way, and not the film that would be made: give --overwrite or another --out"
                )


def _taken(film: Film, *, csv: bool) -> Iterator[Path]:
    """The film's places where something else is."""
    there = summary.read(film.path)
    if (there is not None and there.key == film.key) or Store(film.path.parent).has(film, 0):
        return
    beside = (".csv", ".json") if csv else (".json",)
    for path in (film.path, *map(film.path.with_suffix, beside)):
        if path.exists():
            yield path


def _belongs(path: Path, source: Path, film: Film) -> bool:
    """Whether a file is a source, or something in it that is no earlier film."""
    place, whole = path.resolve(), source.resolve()
    return place == whole or (whole in place.parents and summary.read(film.path) is None)
