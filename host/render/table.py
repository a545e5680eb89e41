"""A film's figures as CSV, one row per frame: when, what was driven, where the maps lie. Same frames as the film's."""

import csv
from collections.abc import Iterator, Sequence
from typing import IO

from host.record.session import TICKS_HZ
from host.render.plan import Film
from host.render.segment import Row, Seen
from wire import Drive

NINTHS = tuple(f"{down}_{across}" for down in ("top", "middle", "bottom") for across in ("left", "centre", "right"))
"""As wire.MaskStats.shares has them."""


class Table:
    """Writes the rows of one film, in order."""

    def __init__(self, film: Film, file: IO[str]) -> None:
        """file: opened with newline=""."""
        self._film = film
        self._mapped = [number for number, panel in enumerate(film.scene.panels) if panel.part != "camera"]
        self._rows = csv.writer(file)
        self._rows.writerow(self._head())
        self.frames = 0
        """Written so far."""

    def write(self, row: Row, first_tick: int) -> None:
        """first_tick: where the film's first frame stands among the reel's."""
        film_s = (row.tick - first_tick) / TICKS_HZ
        source_s = self._film.reel.taken[row.index] / TICKS_HZ
        cells: list[object] = [
            self.frames,
            row.index,
            self._film.reel.label(row.index),
            f"{film_s:.6f}",
            f"{source_s:.6f}",
        ]
        for drive in (row.recorded, *row.drives):
            cells += _drive(drive)
        for number in self._mapped:
            cells += [*_seen(row.maps[number]), row.refused[number]]
        self._rows.writerow(cells)
        self.frames += 1

    def _head(self) -> Sequence[str]:
        return list(self._names())

    def _names(self) -> Iterator[str]:
        yield from (
            "frame",
            "source_frame",
            "name",
            "time_s",
            "source_time_s",
            "recorded_steering",
            "recorded_throttle",
        )
        for pilot in self._film.pilots:
            yield from (f"{pilot.name}_steering", f"{pilot.name}_throttle")
        for number in self._mapped:
            before = f"panel{number + 1}_" if len(self._mapped) > 1 else ""
            yield from (before + name for name in ("magnitude", "scale", *NINTHS, "refused"))


def _drive(drive: Drive | None) -> Sequence[str]:
    return ["", ""] if drive is None else [f"{drive.steering:.6g}", f"{drive.throttle:.6g}"]


def _seen(seen: Seen | None) -> Sequence[str]:
    if seen is None:
        return [""] * (2 + len(NINTHS))
    shares = [f"{share:.4f}" for share in seen.shares] or [""] * len(NINTHS)
    return [f"{seen.magnitude:.6g}", f"{seen.scale:.6g}", *shares]
