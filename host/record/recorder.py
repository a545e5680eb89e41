"""Recordings: what the live view of a car showed, as an H.264 video with the times the frames were captured at.

    receiver thread ──take──▶ bounded queue ──▶ recorder thread ──▶ movie.py: overlay.mp4 ──▶ session.py: its folder,
                  never waits   full: counted     JPEG → H.264                                manifest, time line

A frame that is not later than the one before, or whose capture time cannot be true, is dropped and counted.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from host.record.session import VIDEO, Manifest, RecordError, Session, Timeline, make_folder, recover, utc
from host.relay import Arrival, Channel

if TYPE_CHECKING:
    import host.record.movie

__all__ = ["RecordError", "Recording", "Recordings"]

PART = "overlay"
"""The picture that is recorded (see wire.PARTS)."""
MAX_WAITING = 120
MAX_WAITING_BYTES = 8 * 1024 * 1024
FLOOR_BYTES = 200_000_000
"""Free space that a recording leaves on the disk."""
SYNC_S = 1.0
STOP_S = 2.0


class Recording:
    """One car being recorded into one folder, by a thread of its own. Made by Recordings.start."""

    def __init__(self, channel: Channel, folder: Path, floor_bytes: int) -> None:
        """Make the folder's files and take the lock on the video. Raises OSError."""
        self.car = channel.name
        self.directory = folder
        self.frames = 0
        self.error = ""
        """Why it stopped by itself, in one sentence."""
        self._channel = channel
        self._drops = {"queue full": 0, "time": 0, "unreadable": 0}
        self._timeline = Timeline()
        self._queue: deque[Arrival] = deque()
        self._waiting_bytes = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._session = Session(folder, channel.name, floor_bytes)
        self._thread = threading.Thread(target=self._run, name=f"record {channel.name}", daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def dropped(self) -> int:
        """Frames that arrived with a picture and are not in the video."""
        return sum(self._drops.values())

    @property
    def drops(self) -> dict[str, int]:
        """The same by cause."""
        return {cause: count for cause, count in self._drops.items() if count}

    @property
    def duration_s(self) -> float:
        return self._timeline.duration_s

    @property
    def written_bytes(self) -> int:
        return self._session.written_bytes

    @property
    def started_at(self) -> str:
        return self._session.manifest.started_at

    def start(self) -> None:
        self._thread.start()
        self._channel.loop.call_soon_threadsafe(self._channel.add_sink, self.take, frozenset({PART}))

    def take(self, arrival: Arrival) -> None:
        """Put an arrival in the queue, or count it when the queue is full; returns at once."""
        if PART not in arrival.parts:
            return
        size_bytes = _size_bytes(arrival)
        with self._changed:
            if self._stopping:
                return
            full = self._waiting_bytes + size_bytes > MAX_WAITING_BYTES or len(self._queue) >= MAX_WAITING
            if full and self._queue:
                self._drops["queue full"] += 1
                return
            self._queue.append(arrival)
            self._waiting_bytes += size_bytes
            self._changed.notify()

    def finish(self) -> None:
        """Take no more and close the file once the queue is written; returns at once."""
        # The channel's watchers belong to its loop; a closed loop has none.
        with contextlib.suppress(RuntimeError):
            self._channel.loop.call_soon_threadsafe(self._channel.remove_sink, self.take)
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the file is closed, or time is up."""
        self._thread.join(timeout_s)
        if self.running:
            self.error = f"{self.directory} is still being written: the disk does not keep up"

    def _run(self) -> None:
        reason = "the recorder was interrupted by a fault of its own"
        try:
            with _movie_type()(self.directory / VIDEO) as movie:
                for arrival in self._arrivals():
                    self._write(movie, arrival)
            reason = "" if self.frames else "no frame arrived that could be recorded"
        except (RecordError, OSError) as why:
            reason = self.error = _stopped(self.directory, why)
        finally:
            self.finish()
            self._close(reason)

    def _arrivals(self) -> Iterator[Arrival]:
        """Arrivals as they come until the end is asked for; in between the file is synchronised."""
        due = time.monotonic() + SYNC_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping, max(0.0, due - time.monotonic()))
                arrival = self._queue.popleft() if self._queue else None
                self._waiting_bytes -= _size_bytes(arrival) if arrival else 0
                last = self._stopping and arrival is None
            if arrival:
                yield arrival
            if last:
                return
            if time.monotonic() >= due:
                self._session.sync()
                due = time.monotonic() + SYNC_S

    def _write(self, movie: "host.record.movie.Movie", arrival: Arrival) -> None:
        picture = movie.read(arrival.parts[PART])
        if picture is None:
            self._drops["unreadable"] += 1
            return
        tick = self._timeline.place(arrival)
        if tick is None:
            self._drops["time"] += 1
            return
        movie.write(picture, tick, self._timeline.interval)
        if self.frames == 0 and movie.size:
            self._begin(arrival, *movie.size)
        self.frames += 1

    def _begin(self, arrival: Arrival, width: int, height: int) -> None:
        """Say in the manifest what only the first frame knows."""
        self._session.note(
            started_at=utc(time.monotonic_ns() - arrival.captured_ns),
            session=arrival.frame.session,
            captured_ns=arrival.frame.captured_ns,
            clock_offset_ns=arrival.captured_ns - arrival.frame.captured_ns,
            clock_error_ns=arrival.clock_error_ns,
            width=width,
            height=height,
        )

    def _close(self, reason: str) -> None:
        try:
            self._session.close(
                status="failed" if reason else "complete",
                reason=reason,
                restarts=self._timeline.restarts,
                frames=self.frames,
                dropped=self.dropped,
                drops=self.drops,
                duration_s=round(self.duration_s, 6),
            )
        except OSError as why:
            self.error = self.error or _stopped(self.directory, why)


class Recordings:
    """All recordings of a host, each in a folder of its own under `directory`. Leave it to stop them."""

    def __init__(self, directory: Path, floor_bytes: int = FLOOR_BYTES) -> None:
        self.directory = directory
        self._floor_bytes = floor_bytes
        self._newest: dict[str, Recording] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = self.active.values()
        for recording in running:
            recording.finish()
        until = time.monotonic() + STOP_S
        for recording in running:
            recording.join(max(0.0, until - time.monotonic()))

    @property
    def active(self) -> Mapping[str, Recording]:
        """What is being recorded, by car."""
        return MappingProxyType({car: one for car, one in self._newest.copy().items() if one.running})

    def start(self, channel: Channel) -> Recording:
        """Record this car from now on. Touches the disk and may import PyAV. Raises RecordError."""
        with self._lock:
            if running := self.active.get(channel.name):
                raise RecordError(f"{channel.name} is being recorded already, into {running.directory}")
            _movie_type()
            try:
                folder = make_folder(self.directory, channel.name, self._floor_bytes)
                recording = Recording(channel, folder, self._floor_bytes)
            except OSError as why:
                raise RecordError(
                    f"recordings cannot be written to {self.directory} ({why.strerror}): choose another directory"
                ) from why
            recording.start()
            self._newest[channel.name] = recording
            return recording

    def stop(self, car: str) -> Recording:
        """Write what waits and close the file, within 2 s; one that stopped by itself is returned with its error.

        Raises RecordError when this car was not recorded at all.
        """
        recording = self._newest.get(car)
        if recording is None:
            raise RecordError(f"{car} is not being recorded")
        recording.finish()
        recording.join(STOP_S)
        return recording

    def state(self) -> list[dict[str, object]]:
        """The newest recording of every car that had one, as plain values for JSON."""
        return [
            {
                "car": one.car,
                "folder": one.directory.name,
                "running": one.running,
                "started_at": one.started_at,
                "frames": one.frames,
                "dropped": one.dropped,
                "drops": one.drops,
                "written_bytes": one.written_bytes,
                "duration_s": round(one.duration_s, 3),
                "error": one.error,
            }
            for one in self._newest.copy().values()
        ]

    def recover(self) -> list[tuple[Path, Manifest]]:
        """Mark what a crash left unfinished, whoever recorded it; the videos themselves stay as they are."""
        return recover(self.directory, lambda video: _movie_type().measure(video))


def _movie_type() -> "type[host.record.movie.Movie]":
    """Movie, imported when first needed: PyAV costs some 20 MB. Raises RecordError where it is missing."""
    try:
        from host.record.movie import Movie
    except ImportError as why:
        raise RecordError(
            f"recording needs PyAV, which is not installed ({why}): pip install 'pilotlens[host]'"
        ) from why
    return Movie


def _stopped(folder: Path, why: Exception) -> str:
    """Why a recording stopped, in one sentence."""
    if isinstance(why, RecordError):
        return str(why)
    return f"the recording into {folder} stopped: {getattr(why, 'strerror', None) or why}"


def _size_bytes(arrival: Arrival) -> int:
    return sum(map(len, arrival.parts.values()))
