"""Films from a plan: segments to the crew and back, pieces to the disk, finished films to their places.

films ─▶ pieces kept before ─┐
     └─▶ segments ─▶ crew ─▶ pieces ─▶ all of a film's there? ─▶ joined ─▶ NAME.mp4, NAME.csv, NAME.json
"""

import contextlib
import gc
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from host.render import summary
from host.render.crew import Crew, Outcome, Ticket
from host.render.join import Joined, JoinError
from host.render.plan import Cut, Film, Span
from host.render.reels import ReelError
from host.render.segment import Bad, Rendered, packed, unpacked
from host.render.store import Store, said
from host.render.summary import Summary, Tally
from host.render.table import Table

MOST_TRIES = 3
"""For a segment; then its frames are reported as bad."""
PATIENCE_S = 0.2


class Given(NamedTuple):
    """A segment that is wanted from the crew."""

    ticket: Ticket
    span: Span
    cut: Cut
    tries: int = 0


class Production:
    """Makes films."""

    def __init__(
        self,
        films: Sequence[Film],
        store: Store,
        *,
        csv: bool = True,
        done: Callable[[int, int], None] = lambda frames, rendered: None,
        finished: Callable[[Film, Summary], None] = lambda film, summary: None,
    ) -> None:
        """done: told how many more frames are done, and how many of them were rendered just now.

        finished: told of each film as soon as it is there.
        """
        self.made: dict[int, Summary] = {}
        """Of the films that are there, by their place."""
        self.failed: dict[int, str] = {}
        """Why there is no such film."""
        self.lost = 0
        """Frames that nobody could render."""
        self._films = films
        self._store = store
        self._csv = csv
        self._done = done
        self._finished = finished
        self._fresh = self._cuts()
        self._again: deque[Given] = deque()
        self._given: dict[Ticket, Given] = {}
        self._left = [set(range(len(film.spans))) for film in films]
        self._holes: dict[tuple[int, int], Rendered] = {}
        """What stands for segments that nobody could render; not kept, as the next run may be luckier."""
        self._begun: dict[int, float] = {}

    def run(self, crew: Crew) -> None:
        """Until every film is there or given up. Raises CrewError, StoreError."""
        crew.prepare({film.job: (film.scene, film.pilots) for film in self._films})
        with _settled():
            while True:
                while crew.room and (given := self._next()):
                    self._given[given.ticket] = given
                    crew.give(given.ticket, given.cut.segment)
                if not self._given:
                    break
                for outcome in crew.wait(PATIENCE_S):
                    self._take(outcome)

    def _next(self) -> Given | None:
        return self._again.popleft() if self._again else next(self._fresh, None)

    def _cuts(self) -> Iterator[Given]:
        """The segments that are not there yet, in order."""
        for place, film in enumerate(self._films):
            self._begun[place] = time.monotonic()
            for number, span in enumerate(film.spans):
                if place not in self.failed and (given := self._cut(place, number, span)):
                    yield given
            film.close()

    def _cut(self, place: int, number: int, span: Span) -> Given | None:
        """One of them; None where there is nothing to render."""
        film = self._films[place]
        if self._store.has(film, number):
            self._done(film.spans[number].length, 0)
            self._put_off(place, number)
            return None
        try:
            cut = film.cut(span)
        except ReelError as why:
            self._give_up(place, str(why))
            return None
        given = Given(Ticket(film.job, place, number), span, cut)
        if cut.segment.shots:
            return given
        self._keep(given, packed(_nothing(film, span, cut.missing)), 0)
        return None

    def _take(self, outcome: Outcome) -> None:
        given = self._given.pop(outcome.ticket)
        place, number = given.ticket.film, given.ticket.number
        if place in self.failed:
            return
        if outcome.final:
            self._give_up(place, outcome.why)
        elif outcome.piece is not None:
            self._keep(given, _with_missing(outcome.piece, given.cut.missing), outcome.frames)
        elif given.tries + 1 < MOST_TRIES:
            self._again.append(given._replace(tries=given.tries + 1))
        else:
            lost = [Bad(shot.index, f"not rendered: {outcome.why}") for shot in given.cut.segment.shots]
            self.lost += len(lost)
            self._holes[place, number] = _nothing(self._films[place], given.span, [*lost, *given.cut.missing])
            self._done(given.span.length, 0)
            self._put_off(place, number)

    def _give_up(self, place: int, why: str) -> None:
        self.failed[place] = why
        self._done(sum(self._films[place].spans[number].length for number in self._left[place]), 0)

    def _keep(self, given: Given, piece: bytes, frames: int) -> None:
        self._store.put(self._films[given.ticket.film], given.ticket.number, piece)
        self._done(given.span.length, frames)
        self._put_off(given.ticket.film, given.ticket.number)

    def _put_off(self, place: int, number: int) -> None:
        """A segment less to wait for; after the last one the film is put together."""
        self._left[place].discard(number)
        if not self._left[place]:
            try:
                self._finish(place)
            except JoinError as why:
                self._give_up(place, str(why))

    def _finish(self, place: int) -> None:
        film, seconds = self._films[place], time.monotonic() - self._begun[place]
        tally, bad = Tally(film), list[Bad]()
        with said(film.path), Joined(film.path) as joined, _table(film, wanted=self._csv) as table:
            for piece in self._pieces(place):
                joined.add(piece)
                bad += piece.bad
                for row in piece.rows:
                    tally.count(row)
                    if table:
                        table.write(row, joined.first_tick)
            if not joined.frames:
                return self._give_up(
                    place, f"{film.reel.kind} {film.reel.path}: {bad[0].why}, nor can any other frame be shown"
                )
            joined.finish()
        ticks = joined.end_tick - joined.first_tick
        complete = not any(film_place == place for film_place, _ in self._holes)
        told = tally.summary(frames=joined.frames, ticks=ticks, seconds=seconds, bad=bad, complete=complete)
        with said(film.path.with_suffix(".json")):
            summary.write(film.path, told)
        self.made[place] = told
        self._finished(film, told)
        if complete:
            self._store.forget(film)
        return None

    def _pieces(self, place: int) -> Iterator[Rendered]:
        """All of a film's, in order, one in memory at a time. Raises JoinError."""
        film = self._films[place]
        for number in range(len(film.spans)):
            piece = self._holes.get((place, number)) or self._store.get(film, number)
            if piece is None:
                raise JoinError(f"a piece of {film.path} is gone from {film.path.parent}: run the same command again")
            yield piece


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    """What was planned stays as it is in the block: the garbage collector need not go through it again and again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _table(film: Film, *, wanted: bool) -> Iterator[Table | None]:
    """The film's table, in its place when the block was left without an error."""
    if not wanted:
        yield None
        return
    path = film.path.with_suffix(".csv")
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            yield (table := Table(film, file))
        if table.frames:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _with_missing(piece: bytes, missing: Sequence[Bad]) -> bytes:
    """A piece that tells of what could not even be read, too."""
    if not missing:
        return piece
    rendered = unpacked(piece)
    return packed(msgspec.structs.replace(rendered, bad=sorted([*rendered.bad, *missing], key=lambda it: it.index)))


def _nothing(film: Film, span: Span, missing: Sequence[Bad]) -> Rendered:
    """A piece without a frame."""
    bad = sorted(missing, key=lambda it: it.index)
    start_tick, end_tick = film.ticks[span.start], film.end_of(span.stop - 1)
    return Rendered(video=b"", start_tick=start_tick, end_tick=end_tick, size=(0, 0), rows=[], bad=bad)
