"""All that is plotted of a session, as one answer that a browser turns into arrays without parsing numbers.

    "PLTL" │ size of the head, u32 │ head, JSON, padded to 8 bytes │ ticks, f64 × n │ column after column, f32 × n

Little-endian. The columns are those of the tape (see host/record/entry.py), NaN where a number is unknown, and for each
kind of picture whether the tape has one: 1 or 0. One hour at 30 frames/s takes 9 MB; of a session being recorded the
rows from a given one on suffice.
"""

import contextlib
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from host.record import entry
from host.record.session import TICKS_HZ
from host.review.gaps import gaps_between
from host.review.scan import FootageError

if TYPE_CHECKING:
    from host.review.film import Film
    from host.review.footage import Footage

MAGIC = b"PLTL"
NUMBERS = tuple(name for name in entry.COLUMNS if name not in {"time_s", "unix_s", "scale"})
PICTURES = ("camera", "mask")


class Told(msgspec.Struct, frozen=True):
    """An event of the tape."""

    tick: int
    kind: str
    text: str


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """The video as it is now; `version` asks for exactly this one, whatever is added later."""

    version: str
    frames: int
    end_tick: int


class Head(msgspec.Struct, kw_only=True):
    """What the arrays do not hold."""

    first: int
    """Number of the first row sent."""
    frames: int
    """Of the whole session so far; 0 while there is none."""
    ticks_hz: int = TICKS_HZ
    columns: Sequence[str]
    """Names of the columns that follow the ticks; none where there is no tape."""
    recording: bool
    video: Video | None
    trouble: str
    """Why there is no video."""
    gaps: list[tuple[int, int]]
    """Of the whole session, where nothing came: ticks of the frame before and of the one after."""
    events: list[Told]
    start_unix_s: float | None
    """Wall clock at the first frame."""
    pictures: list[str]
    """Kinds of pictures that the tape holds of some frames at least."""
    look: dict[str, object] | None
    """How the overlay was drawn at first; None where that cannot be read."""


def tell(footage: "Footage | None", film: "Film | None", first: int, *, recording: bool, trouble: str = "") -> bytes:
    """The answer, with the rows from `first` on."""
    if footage is not None and len(footage):
        rows, head = _of_tape(footage, first)
    else:
        rows, head = _of_film(film.ticks if film else array("q"), first)
    head.recording, head.trouble = recording, trouble
    if film is not None:
        head.video = Video(version=film.version, frames=len(film), end_tick=film.end_tick)
    return b"".join([*_start(head), *map(_little, rows)])


def _of_tape(footage: "Footage", first: int) -> "tuple[Iterable[array[float]], Head]":
    frames = len(footage)
    first = min(first, frames)
    head = Head(
        first=first,
        frames=frames,
        columns=(*NUMBERS, *PICTURES),
        recording=False,
        video=None,
        trouble="",
        gaps=footage.gaps(),
        events=[Told(event.tick, event.kind, event.text) for event in footage.events()],
        start_unix_s=footage.column("unix_s")[0],
        pictures=footage.kinds(),
        look=_first_look(footage),
    )
    ticks = array("d", footage.ticks[first:frames])
    columns = [footage.column(name, first) for name in NUMBERS] + [footage.has(kind, first) for kind in PICTURES]
    return [ticks, *(array("f", column[: frames - first]) for column in columns)], head


def _first_look(footage: "Footage") -> dict[str, object] | None:
    with contextlib.suppress(FootageError):
        return msgspec.structs.asdict(footage.entry(0).frame.look)
    return None


def _of_film(ticks: "array[int]", first: int) -> "tuple[Iterable[array[float]], Head]":
    first = min(first, len(ticks))
    head = Head(
        first=first,
        frames=len(ticks),
        columns=(),
        recording=False,
        video=None,
        trouble="",
        gaps=gaps_between(ticks),
        events=[],
        start_unix_s=None,
        pictures=[],
        look=None,
    )
    return [array("d", ticks[first:])], head


def _start(head: Head) -> tuple[bytes, bytes, bytes]:
    told = msgspec.json.encode(head)
    told += b" " * (-len(told) % 8)
    return MAGIC, len(told).to_bytes(4, "little"), told


def _little(column: "array[float]") -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
