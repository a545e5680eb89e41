"""Sessions to export from, made of the real movie and the real tape, each frame with its number in its pictures."""

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import simplejpeg
from numpy.typing import NDArray

import wire
from host.record.entry import Entry, Event
from host.record.movie import Movie
from host.record.notes import Notes, change_notes
from host.record.session import TAPE, TICKS_HZ, VIDEO, Manifest, write_manifest
from host.record.tape import Tape
from host.review.export.formats import Written, find_format
from host.review.export.source import Source, Span
from tests.wall import BITS, draw

NAME = "kart-20261123-041500Z"
START_NS = 1_795_407_300_250_000_000
"""Wall clock of the first frame: 2026-11-23 04:15:00.25 UTC."""
STEADY = [3000 * n for n in range(60)]
"""Two seconds at 30 frames/s."""


@dataclass
class Making:
    """What a session is made of; frame n stands at ticks[n]."""

    ticks: Sequence[int] = field(default_factory=lambda: STEADY)
    name: str = NAME
    tape: bool = True
    film: bool = True
    without_camera: frozenset[int] = frozenset()
    recorded: range = range(0)
    """Frames that a driver drove."""
    undriven: frozenset[int] = frozenset()
    """Frames on which nobody's steering is known."""
    notes: Notes = field(default_factory=Notes)
    events: Sequence[Event] = ()
    start_ns: int = START_NS

    def session(self, directory: Path) -> Path:
        """Make it, closed as it should be."""
        folder = directory / self.name
        folder.mkdir(parents=True)
        if self.film:
            with Movie(folder / VIDEO) as movie:
                self._shoot(movie)
        if self.tape:
            with Tape(folder / TAPE, "kart") as tape:
                self._fill(tape)
        self._manifest(folder, "complete")
        change_notes(folder, lambda _: self.notes)
        return folder

    def torn(self, directory: Path) -> Path:
        """Make it, then leave of its files what a killed process would."""
        folder = directory / self.name
        folder.mkdir(parents=True)
        with Movie(directory / "whole.mp4") as movie:
            self._shoot(movie)
            shutil.copy(directory / "whole.mp4", folder / VIDEO)
        with Tape(directory / "whole.mcap", "kart") as tape:
            self._fill(tape)
            tape.flush()
            shutil.copy(directory / "whole.mcap", folder / TAPE)
        self._manifest(folder, "recording")
        return folder

    def camera(self, number: int) -> bytes:
        """The camera's picture of a frame."""
        return draw(number, "camera")

    def drive(self, number: int) -> wire.Drive | None:
        """What the pilot said: a frame's number can be read from it."""
        return None if number in self.undriven else wire.Drive(number / 1000 - 0.5, 0.25)

    def entry(self, number: int) -> Entry:
        tick = self.ticks[number]
        past_ns = tick * 1_000_000_000 // TICKS_HZ
        frame = wire.Frame(
            car="own-name",
            session="abc123",
            seq=number + 7,
            captured_ns=past_ns,
            sent_ns=past_ns + 4_000_000,
            stages_ns={"pilot": 900_000},
            width=160,
            height=120,
            drive=self.drive(number),
            recorded=wire.Drive(0.125, 0.5) if number in self.recorded else None,
            mask=wire.MaskStats(1.5, 1.75, shares=[1 / 9] * 9),
            drops={"slot": 2},
        )
        return Entry(
            tick=tick,
            unix_ns=self.start_ns + past_ns,
            captured_ns=past_ns,
            received_ns=past_ns + 9_000_000,
            clock_error_ns=1000,
            frame=frame,
        )

    def _shoot(self, movie: Movie) -> None:
        for number, tick in enumerate(self.ticks):
            picture = movie.read(draw(number, "overlay"))
            assert picture is not None
            movie.write(picture, tick, 3000)

    def _fill(self, tape: Tape) -> None:
        for event in self.events:
            tape.event(self.start_ns + event.tick * 100_000 // 9, event.tick, event.kind, event.text)
        for number in range(len(self.ticks)):
            pictures = {"mask": draw(number, "mask")}
            if number not in self.without_camera:
                pictures["camera"] = self.camera(number)
            tape.write(self.entry(number), pictures)

    def _manifest(self, folder: Path, status: str) -> None:
        fields = {"pilotlens": "0", "car": "kart", "started_at": "2026-11-23T04:15:00.250Z", "status": status}
        write_manifest(folder, Manifest(**fields, frames=len(self.ticks)))  # type: ignore[arg-type]


def export(kind: str, folder: Path, path: Path, start_s: float = 0.0, stop_s: float | None = None) -> Written:
    """Export to a path, and check that it said how far it was, in order and to the end."""
    said: list[float] = []
    with Source(folder) as source:
        written = find_format(kind).write(source, Span.of_seconds(start_s, stop_s), path, said.append)
    assert said == sorted(said)
    assert 0 <= said[0] <= said[-1] <= 1
    assert len(said) >= written.frames
    return written


def within(ticks: Iterable[int], start_s: float, stop_s: float = math.inf) -> list[int]:
    """The frames, by number, that belong into a part."""
    return [number for number, tick in enumerate(ticks) if start_s <= tick / TICKS_HZ < stop_s]


def film(path: Path) -> list[tuple[float, int]]:
    """Times and numbers of all frames of a video."""
    with av.open(str(path)) as container:
        return [(frame.time or 0.0, number_in(rgb_of(frame))) for frame in container.decode(video=0)]


def rgb_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def number_in(rgb: NDArray[np.uint8]) -> int:
    """The number that `draw` put into a picture, whatever its size is now."""
    height, width = rgb.shape[:2]
    row = rgb[height // 4, :, 1]
    return sum(int(row[int((bit + 0.5) * width / BITS)] > 127) << bit for bit in range(BITS))


def jpeg_of(width: int, height: int, seed: int) -> bytes:
    """A picture of noise."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(simplejpeg.encode_jpeg(rgb, quality=95))
