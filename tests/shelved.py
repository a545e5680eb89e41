"""Sessions for the tests of review, written by the recorder's own movie and tape: every frame carries its number."""

import fcntl
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

import wire
from host.record.movie import Movie
from host.record.session import TAPE, TICKS_HZ, VIDEO, Manifest, write_manifest
from host.record.tape import Entry, Tape
from tests.wall import HEIGHT, WIDTH, draw

START_NS = 1_790_000_000_000_000_000
PILOT = Path(__file__).parents[1] / "models" / "pilot.tflite"
"""Said to have driven."""
STEP = TICKS_HZ // 30
"""Ticks from frame to frame."""
Draw = Callable[[int, str], bytes]


class Session:
    """A session being written, frame by frame; leaving it closes it."""

    def __init__(self, directory: Path, name: str = "kart-1", *, tape: bool = True, picture: Draw = draw) -> None:
        self.folder = directory / name
        self.folder.mkdir(parents=True)
        self.ticks: list[int] = []
        self._picture = picture
        self._lock = os.open(self.folder / VIDEO, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._movie = Movie(self.folder / VIDEO)
        self._tape = Tape(self.folder / TAPE, "kart") if tape else None
        self.note()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Once is enough, twice does no harm."""
        if self._lock < 0:
            return
        self._movie.__exit__(None, None, None)
        if self._tape is not None:
            self._tape.close()
        duration_s = (self.ticks[-1] + STEP) / TICKS_HZ if self.ticks else 0.0
        self.note(status="complete", frames=len(self.ticks), duration_s=duration_s)
        os.close(self._lock)
        self._lock = -1

    def note(self, **changes: object) -> None:
        moment = datetime.fromtimestamp(START_NS / 1e9, UTC).isoformat().replace("+00:00", "Z")
        manifest = Manifest(
            pilotlens="test",
            car="kart",
            pilot="pilot",
            pilot_sha256=hashlib.sha256(PILOT.read_bytes()).hexdigest(),
            started_at=moment,
            width=WIDTH,
            height=HEIGHT,
        )
        write_manifest(self.folder, msgspec.structs.replace(manifest, **changes))

    def add(self, count: int, *, after_s: float = 0.0, kinds: Sequence[str] = ("camera", "mask")) -> None:
        """So many frames, the first one `after_s` later than it would come by itself, with these pictures on tape."""
        for extra in [round(after_s * TICKS_HZ)] + [0] * (count - 1):
            tick = (self.ticks[-1] + STEP if self.ticks else 0) + extra
            self._add(len(self.ticks), tick, kinds)

    def _add(self, number: int, tick: int, kinds: Sequence[str]) -> None:
        shown = self._movie.read(self._picture(number, "overlay"))
        assert shown is not None
        self._movie.write(shown, tick, STEP)
        self.ticks.append(tick)
        if self._tape is not None:
            pictures = {kind: self._picture(number, kind) for kind in kinds}
            self._tape.write(entry(number, tick), pictures)

    def event(self, kind: str, text: str) -> None:
        assert self._tape is not None
        tick = self.ticks[-1]
        self._tape.event(START_NS + tick * 1_000_000_000 // TICKS_HZ, tick, kind, text)

    def flush(self) -> None:
        """The operating system has what the tape holds so far."""
        if self._tape is not None:
            self._tape.flush()


def entry(number: int, tick: int) -> Entry:
    """What is known of a made frame: it steers a slow sine, and sharply at frame 40 of every hundred."""
    at_ns = tick * 1_000_000_000 // TICKS_HZ
    steering = math.sin(number / 15) * 0.4 + (0.55 if 40 <= number % 100 < 46 else 0.0)
    shares = [0.05, 0.05, 0.05, 0.1, 0.2 + 0.1 * math.sin(number / 9), 0.1, 0.1, 0.25 - 0.1 * math.sin(number / 9), 0.1]
    frame = wire.Frame(
        car="kart",
        session="ab",
        seq=number,
        captured_ns=at_ns,
        sent_ns=at_ns + 4_000_000,
        stages_ns={"capture": 300_000, "pilot": 900_000, "mask": 120_000},
        width=WIDTH,
        height=HEIGHT,
        drive=wire.Drive(steering, 0.35),
        recorded=wire.Drive(math.sin(number / 15) * 0.4, 0.3),
        outputs={"angle": [steering]},
        mask=wire.MaskStats(1.5, 1.7, False, shares),
        drops={"slot": number // 50},
    )
    received_ns = at_ns + 9_000_000 + (number % 7) * 1_000_000
    return Entry(
        tick=tick,
        unix_ns=START_NS + at_ns,
        captured_ns=at_ns,
        received_ns=received_ns,
        clock_error_ns=200_000,
        frame=frame,
    )


def make(directory: Path, name: str = "kart-1", frames: int = 90, **options: bool) -> Path:
    """A session of so many frames, complete. Returns its folder."""
    with Session(directory, name, **options) as session:  # type: ignore[arg-type]
        session.add(frames)
    return session.folder


def make_torn(directory: Path, name: str = "torn-1", frames: int = 90) -> Path:
    """What a killed host leaves: no index, the last fragment cut in two, nobody holds the lock."""
    with Session(directory, "whole") as session:
        session.add(frames)
        session.flush()
        torn = directory / name
        shutil.copytree(session.folder, torn)
    shutil.rmtree(session.folder)
    for path in (torn / VIDEO, torn / TAPE):
        os.truncate(path, path.stat().st_size - 700)
    return torn
