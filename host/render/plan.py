"""Sources × pilots → films → segments, all of it settled before the first frame is drawn.

    reels ─┬─ × pilots ──▶ films ──▶ spans of at most MAX_SHOTS frames ──▶ segments for workers
           └─ --together ▶ one film with a panel for each pilot

Where a film is cut hangs on the film alone, and so do the frames a segment is given to settle on: it comes out the
same, byte by byte, however many workers there are and however often the work was interrupted.
"""

import bisect
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from edge import card, start
from edge.capture.pictures import PictureError, decode
from edge.tflite import PilotError
from host.record.session import TICKS_HZ
from host.render.error import RenderError
from host.render.reels import Reel, ReelError, fingerprint, safe_name
from host.render.scene import CHART_S, PilotFile, Scene, Shot
from host.render.segment import WARM_MAPS, Bad, Segment
from host.render.times import steady
from host.render.wish import PlanError, Wish

SHOTS = 500
"""Frames of a segment: enough that settling on the frames before costs little, few enough to share out."""
FIRST_SHOTS = 120
FEWEST_SHOTS = 100
LONGEST_TICKS = 1 << 31
"""That a frame may stand, in an MP4."""
OTHER_FILMS = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mpg", ".ts", ".webm"})
USUAL_PIXELS = 320 * 240
"""Frames larger than this come in smaller segments, as a segment is kept in memory."""
FITTING = ("pilotlens", "av")
"""Packages of which all workers need the same version, or their pieces do not fit together."""
DECIDING = (*FITTING, "ai-edge-litert", "numpy", "opencv-python-headless", "simplejpeg")
"""Those that decide, to the byte, how a film comes out."""


class Span(NamedTuple):
    """The frames `start` to `stop` (excluded) of a reel."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


class Cut(NamedTuple):
    """A segment to render, and what is missing of it already."""

    segment: Segment
    missing: list[Bad]


@dataclass(frozen=True)
class Film:
    """One film to make."""

    reel: Reel
    pilots: tuple[PilotFile, ...]
    scene: Scene
    path: Path
    """Where it goes; the table and the summary stand beside it."""
    spans: tuple[Span, ...]
    fps: float | None = None
    """Instead of the reel's own times."""
    pauses: bool = False
    """The reel's times with all its pauses."""
    _read: "dict[int, Shot | Bad]" = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.spans[-1].stop - self.spans[0].start

    @cached_property
    def ticks(self) -> "array[int]":
        """When each frame of the reel stands, in 1/90000 s."""
        return _ticks(self.reel, self.fps, pauses=self.pauses)

    @property
    def note(self) -> str:
        """What a person should know of it, in a sentence."""
        kept = self.pauses and self.reel.taken is not self.reel.ticks
        return "" if kept or self.fps else self.reel.note

    @cached_property
    def key(self) -> str:
        """A hash of everything that the film hangs on."""
        pilots = [(pilot.sha256, pilot.card) for pilot in self.pilots]
        times = (self.fps, self.pauses)
        return fingerprint(self.reel.identity, pilots, self.scene, self.spans, times, versions(DECIDING))

    @property
    def job(self) -> str:
        """A hash of what its renderer hangs on."""
        return fingerprint([(pilot.sha256, pilot.card) for pilot in self.pilots], self.scene)[:16]

    @property
    def seconds(self) -> float:
        return (self.end_of(self.spans[-1].stop - 1) - self.ticks[self.spans[0].start]) / TICKS_HZ

    def end_of(self, index: int) -> int:
        """Where a frame gives way to the next."""
        if self.fps:
            return self.ticks[index] + round(TICKS_HZ / self.fps)
        return end_of(self.ticks, index)

    def cut(self, span: Span) -> Cut:
        """The segment of a span, read now. Raises ReelError."""
        warm, cool = self._warm_from(span.start), self._cool_to(span.stop)
        self._fetch(warm, cool)
        shots = [it for i in range(*span) if isinstance(it := self._read[i], Shot)]
        missing = [it for i in range(*span) if isinstance(it := self._read[i], Bad)]
        segment = Segment(
            shots=shots,
            warm=self._found(range(warm, span.start)),
            cool=self._found(range(span.stop, cool)),
            end_tick=self.end_of(span.stop - 1),
        )
        return Cut(segment, missing)

    def close(self) -> None:
        """Let go of what was read; cutting again reads it again."""
        self._read.clear()
        self.reel.close()

    def _warm_from(self, start: int) -> int:
        first = max(0, start - WARM_MAPS)
        return min(first, self._at(self.ticks[start] - round(CHART_S * TICKS_HZ))) if self.scene.chart else first

    def _cool_to(self, stop: int) -> int:
        return self._at(self.ticks[stop - 1] + round(CHART_S * TICKS_HZ)) if self.scene.chart else stop

    def _at(self, tick: int) -> int:
        return bisect.bisect_left(self.ticks, tick)

    def _found(self, indexes: Iterable[int]) -> list[Shot]:
        return [it for i in indexes if isinstance(it := self._read[i], Shot)]

    def _fetch(self, start: int, stop: int) -> None:
        """Have these frames in `_read` and no others; what was read for the segment before is not read again."""
        for index in [index for index in self._read if not start <= index < stop]:
            del self._read[index]
        known = next((i for i in range(start, stop) if i not in self._read), stop)
        shots, missing = self.reel.read(known, stop) if known < stop else ([], [])
        self._read.update({shot.index: shot._replace(tick=self.ticks[shot.index]) for shot in shots})
        self._read.update({it.index: it for it in missing})


def end_of(ticks: Sequence[int], index: int) -> int:
    """The tick at which a frame gives way to the next; the last one stands as long as the one before."""
    if index + 1 < len(ticks):
        return ticks[index + 1]
    return ticks[index] + (ticks[index] - ticks[index - 1] if index else TICKS_HZ // 20)


def versions(names: Iterable[str]) -> list[str]:
    """Of some packages, with their names."""
    return [f"{name} {_version(name)}" for name in names]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def plan(
    reels: Sequence[Reel], pilots: Sequence[PilotFile], wish: Wish, out: Path, refused: list[str] | None = None
) -> list[Film]:
    """The films to make. Raises PlanError and ReelError.

    refused: gains a sentence for each reel that gives no film, where others do.
    """
    films: list[Film] = []
    whys: list[RenderError] = []
    casts = [tuple(pilots)] if wish.together else [(pilot,) for pilot in pilots]
    _check_twice(reels)
    names = _names(reels, casts)
    single = out.suffix.lower() == ".mp4" and not out.is_dir()
    if out.suffix.lower() in OTHER_FILMS and not out.is_dir():
        raise PlanError(f"{out} would be no MP4: name it {out.with_suffix('.mp4').name}, or give a folder")
    if single and len(names) > 1:
        raise PlanError(f"{out} is one film, but there are {len(names)} to make: give a folder")
    if out.exists() and not single and not out.is_dir():
        raise PlanError(f"{out} is neither a folder nor an .mp4: give another place for the films")
    for number, reel in enumerate(reels):
        try:
            start, stop = _range(reel, wish)
            size = _size(reel, start, stop)
        except (PlanError, ReelError) as why:
            whys.append(why)
            continue
        finally:
            reel.close()
        for cast, name in zip(casts, names[number * len(casts) :], strict=False):
            path = out if single else out / f"{name}.mp4"
            scene = wish.scene(cast, size)
            films.append(Film(reel, cast, scene, path, _spans(start, stop, size), wish.fps, wish.pauses))
    if whys and (refused is None or not films):
        raise whys[0]
    if refused is not None:
        refused += map(str, whys)
    return films


def pilot_files(paths: Sequence[Path]) -> list[PilotFile]:
    """The pilots with their cards, under names that tell them apart. Raises PlanError."""
    names: list[str] = []
    files = []
    for path in paths:
        names.append(_unused(safe_name(path.stem), names))
        try:
            files.append(PilotFile(names[-1], start.read(path), card.of(path)))
        except card.CardError as why:
            raise PlanError(str(why)) from why
        except PilotError as why:
            raise PlanError(f"pilot {path} {why}") from why
    return files


def _check_twice(reels: Sequence[Reel]) -> None:
    paths = [reel.path.resolve() for reel in reels]
    for reel, path in zip(reels, paths, strict=True):
        if paths.count(path) > 1:
            raise PlanError(f"source {reel.path} is given twice")


def _names(reels: Sequence[Reel], casts: Sequence[tuple[PilotFile, ...]]) -> list[str]:
    """A film's name of its own for each reel and cast, in this order."""
    names: list[str] = []
    for reel in reels:
        for cast in casts:
            name = f"{reel.name}.{cast[0].name}" if len(casts) > 1 else reel.name
            names.append(_unused(name, names))
    return names


def _unused(name: str, used: Iterable[str]) -> str:
    """`name`, or with a number where that is taken, whatever the case of its letters."""
    taken = {it.lower() for it in used}
    candidates = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(it for it in candidates if it.lower() not in taken)


def _ticks(reel: Reel, fps: float | None, *, pauses: bool) -> "array[int]":
    """When each frame of the reel stands in a film of all of it."""
    if fps:
        return steady(len(reel), fps)
    return reel.taken if pauses else reel.ticks


def _range(reel: Reel, wish: Wish) -> Span:
    """Seconds are those of the film that the whole reel would make."""
    ticks = _ticks(reel, wish.fps, pauses=wish.pauses)
    start = _place(ticks, wish.start, 0)
    stop = min(_place(ticks, wish.end, len(reel)), len(reel))
    if not 0 <= start < stop:
        said = f"--start {wish.start or 0} --end {wish.end or len(reel)}"
        length_s = end_of(ticks, len(reel) - 1) / TICKS_HZ
        raise PlanError(f"{said} leaves nothing of {reel.path}: it has {len(reel)} frames, {length_s:.1f} s")
    _check_pauses(reel, ticks[start : stop + 1])
    return Span(start, stop)


def _check_pauses(reel: Reel, ticks: Sequence[int]) -> None:
    """Raises PlanError for a pause that an MP4 has no number for."""
    longest = max((after - before for before, after in pairwise(ticks)), default=0)
    if longest >= LONGEST_TICKS:
        hours = longest / TICKS_HZ / 3600
        way = (
            "leave out --keep-pauses"
            if reel.taken is not reel.ticks
            else "choose a part by --start and --end, or --fps"
        )
        raise PlanError(f"{reel.path} has a pause of {hours:.0f} h, more than a film can hold: {way}")


def _place(ticks: Sequence[int], text: str, default: int) -> int:
    """A frame's number from 120 or 12.5s."""
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}|[0-9]{1,6}(\.[0-9]{1,6})?s", text):
        raise PlanError(
            f"{text!r} is no place in a source: give a frame's number such as 120, or seconds such as 12.5s"
        )
    if text.endswith("s"):
        return bisect.bisect_left(ticks, float(text[:-1]) * TICKS_HZ)
    return int(text)


def _size(reel: Reel, start: int, stop: int) -> tuple[int, int]:
    """Width and height of the first frame that can be shown. Raises PlanError."""
    for shot in _shots(reel, start, stop):
        try:
            height, width = decode(shot.data).shape[:2]
        except PictureError:
            continue
        return width, height
    raise PlanError(f"{reel.kind} {reel.path} holds no frame that can be shown among {stop - start}")


def _shots(reel: Reel, start: int, stop: int) -> Iterator[Shot]:
    """One after the other: mostly the first one will do."""
    for index in range(start, stop):
        yield from reel.read(index, index + 1).shots


def _spans(start: int, stop: int, size: tuple[int, int]) -> tuple[Span, ...]:
    """A short one, which has nothing to settle on and soon shows how fast it goes; then ones of about one length."""
    most = max(FEWEST_SHOTS, min(SHOTS, SHOTS * USUAL_PIXELS // (size[0] * size[1])))
    first = min(start + FIRST_SHOTS, stop)
    count = round((stop - first) / most) or int(first < stop)
    edges = [start, *(first + (stop - first) * i // count for i in range(count + 1))] if count else [start, stop]
    return tuple(Span(*edge) for edge in pairwise(edges))
