"""A session's two files, frame by frame: overlay.mp4 and frames.mcap, the same frames at the same times in both.

    arrival ──read──▶ picture ──place──▶ tick ──┬─▶ movie.py  what was seen
              else: counted     else: counted   └─▶ tape.py   what was measured, and gaps, restarts, other looks

A frame that is not later than the one before, or whose capture time cannot be true, is dropped and counted.

This module needs PyAV and mcap: import it where something is recorded, not where something might be.
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

import wire
from host.record.movie import Movie
from host.record.session import PART, TAPE, TICKS_HZ, VIDEO, utc
from host.record.tape import Entry, Tape
from host.record.timeline import Timeline
from host.relay import Arrival

GAP_TICKS = TICKS_HZ
"""Nothing for longer than this is a gap."""


class Writer:
    """Enter it to make the files, leave it to close them. Raises OSError throughout; what was written stays readable.

    One thread writes; what it counts may be read by others.
    """

    def __init__(self, folder: Path, car: str) -> None:
        self.timeline = Timeline()
        self.frames = 0
        self.gaps = 0
        self.overlay_only_ticks = 0
        self.parts: set[str] = set()
        self.drops = {"time": 0, "unreadable": 0}
        self.tape = folder / TAPE
        self._folder = folder
        self._car = car
        self._unix_ns = 0
        self._last: Arrival | None = None
        self._stack = contextlib.ExitStack()
        self._movie: Movie
        self._tape: Tape

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._movie = stack.enter_context(Movie(self._folder / VIDEO))
            self._tape = stack.enter_context(Tape(self.tape, self._car))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, arrival: Arrival) -> None:
        """Add a frame to both files, or count it among the dropped."""
        picture = self._movie.read(arrival.parts[PART])
        if picture is None:
            self.drops["unreadable"] += 1
            return
        before = self.timeline.last
        tick = self.timeline.place(arrival)
        if tick is None:
            self.drops["time"] += 1
            return
        if before is None:
            self._unix_ns = max(0, time.time_ns() - (time.monotonic_ns() - arrival.captured_ns))
        self._movie.write(picture, tick, self.timeline.interval)
        self._tell(arrival, tick, before)
        self._tape.write(self._entry(arrival, tick), _others(arrival.parts))
        self.parts.update(arrival.parts)
        self._last = arrival
        self.frames += 1

    def say(self, kind: str, text: str, tick: int) -> None:
        """Put an event on the tape."""
        self._tape.event(self._unix(tick), tick, kind, text)

    def flush(self) -> None:
        """Let the operating system have what was written so far."""
        self._tape.flush()

    def facts(self) -> dict[str, object]:
        """What the manifest says of the first frame."""
        first = self._last
        if first is None or self._movie.size is None:
            return {}
        width, height = self._movie.size
        return {
            "started_at": utc(time.time_ns() - self._unix_ns),
            "start_unix_ns": self._unix_ns,
            "session": first.frame.session,
            "captured_ns": first.frame.captured_ns,
            "clock_offset_ns": first.captured_ns - first.frame.captured_ns,
            "clock_error_ns": first.clock_error_ns,
            "width": width,
            "height": height,
        }

    def counts(self) -> dict[str, object]:
        """What the manifest says of all frames."""
        return {
            "frames": self.frames,
            "restarts": self.timeline.restarts,
            "duration_s": round(self.timeline.duration_s, 6),
            "parts": [kind for kind in wire.PARTS if kind in self.parts],
            "overlay_only_s": round(self.overlay_only_ticks / TICKS_HZ, 3),
            "gaps": self.gaps,
        }

    def _entry(self, arrival: Arrival, tick: int) -> Entry:
        return Entry(
            tick=tick,
            unix_ns=self._unix(tick),
            captured_ns=arrival.captured_ns,
            received_ns=arrival.received_ns,
            clock_error_ns=arrival.clock_error_ns,
            frame=msgspec.structs.replace(arrival.frame, parts=[]),
        )

    def _unix(self, tick: int) -> int:
        """Wall clock of a place in the video, as it went when the first frame was captured: setting it moves none."""
        return self._unix_ns + tick * 1_000_000_000 // TICKS_HZ

    def _tell(self, arrival: Arrival, tick: int, before: int | None) -> None:
        """Put on the tape what happened between the last frame and this one."""
        last = self._last
        if last is None or before is None:
            return
        if tick - before > GAP_TICKS:
            self.gaps += 1
            self.say("gap", f"no picture for {(tick - before) / TICKS_HZ:.1f} s", before)
        if arrival.frame.session != last.frame.session:
            self.say("restart", "the car came back as a new process", tick)
        if arrival.frame.look != last.frame.look:
            self.say("look", _changes(last.frame.look, arrival.frame.look), tick)
        if "camera" not in arrival.parts:
            self.overlay_only_ticks += self.timeline.interval
        if ("camera" in arrival.parts) != ("camera" in last.parts):
            text = "camera pictures again" if "camera" in arrival.parts else "no camera pictures: the link has no room"
            self.say("trouble", f"{text} from here on", tick)


def _others(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    return {kind: data for kind, data in parts.items() if kind != PART}


def _changes(old: wire.Look, new: wire.Look) -> str:
    """Which settings changed, to what."""
    before, after = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    return ", ".join(f"{name}: {value}" for name, value in after.items() if value != before[name])
