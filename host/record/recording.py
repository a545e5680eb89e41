"""One car being recorded into one folder.

    receiver thread ──take──▶ bounded queue ──▶ recorder thread ──▶ writer.py: overlay.mp4, frames.mcap
                  never waits   full: counted

While the recorder thread writes, keeper.py puts what is written on the disk, and tells when that fails.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from host.record.keeper import Keeper
from host.record.notes import Bookmark, change_notes, new_bookmark, with_bookmark
from host.record.preroll import Tap, size_bytes
from host.record.session import PART, TICKS_HZ, RecordError, Session
from host.relay import Arrival

if TYPE_CHECKING:
    from host.record.writer import Writer

MAX_WAITING = 400
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of pictures that wait for a disk that does not take them: many seconds' worth, and what memory is given to it."""
WAKE_S = 0.25
FLUSH_S = 0.5
SLOW_S = 3.0
"""A disk that is busy for longer with what it was given is worth a word."""
THRIFT = "The link has no room for camera and mask pictures beside the live one: they are left out for now."


class Said(NamedTuple):
    """An event for the tape."""

    kind: str
    text: str
    tick: int


class Recording:
    """One car being recorded, by a thread of its own. Made by Recordings.start."""

    def __init__(
        self,
        tap: Tap,
        folder: Path,
        writer: "Writer",
        floor_bytes: int,
        make_room: Callable[[], object] = lambda: None,
        follows: str = "",
    ) -> None:
        """Make the folder's files and take the lock on the video. Raises OSError."""
        self.channel = tap.channel
        self.car = tap.channel.name
        self.directory = folder
        self.bookmarks = 0
        self.pre_roll_s = 0.0
        self.limit_s = math.inf
        """How long it may become."""
        self.on_limit: Callable[[Recording], None] | None = None
        """Called with it once, in the recorder's thread: it is that long, or the car came back with another pilot."""
        self._tap = tap
        self._writer = writer
        self._overflow = 0
        self._error = ""
        self._late = False
        self._queue: deque[Arrival | Said] = deque()
        self._waiting_bytes = 0
        self._most_waiting = MAX_WAITING
        self._since: float | None = None
        self._newest: Arrival | None = None
        self._facts: dict[str, object] = {}
        self.stopping = False
        """It takes no more, or did not from the start."""
        self._changed = threading.Condition()
        self._session = Session(folder, self.car, follows)
        self._keeper = Keeper(self._session, floor_bytes, make_room)
        self._thread = threading.Thread(target=self._run, name=f"record {self.car}", daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def error(self) -> str:
        """Why it stopped by itself, or does not come to its end, in one sentence."""
        late = f"{self.directory} is still being written: the disk does not keep up" if self._late else ""
        return self._error or (late if self.running else "")

    @property
    def frames(self) -> int:
        """Frames in the video."""
        return self._writer.frames

    @property
    def drops(self) -> dict[str, int]:
        """Frames that arrived with a picture and are not in the video, by cause."""
        counts = {"queue full": self._overflow, **self._writer.drops}
        return {cause: count for cause, count in counts.items() if count}

    @property
    def dropped(self) -> int:
        """All of these together."""
        return sum(self.drops.values())

    @property
    def duration_s(self) -> float:
        return self._writer.timeline.duration_s

    @property
    def gaps(self) -> int:
        return self._writer.gaps

    @property
    def written_bytes(self) -> int:
        return self._session.written_bytes

    @property
    def bytes_per_s(self) -> float:
        """How fast the session grows; 0 when it no longer does."""
        return self._keeper.bytes_per_s if self.running else 0.0

    @property
    def started_at(self) -> str:
        return self._session.manifest.started_at

    @property
    def thrift(self) -> str:
        """What is left out for the sake of the live picture, in one sentence; empty while all is recorded."""
        return THRIFT if self.running and self._tap.lean else ""

    @property
    def trouble(self) -> str:
        """What goes badly though the recording goes on, in one sentence."""
        waiting_s = max(self._keeper.waiting_s, 0.0 if self._since is None else time.monotonic() - self._since)
        if self.running and waiting_s > SLOW_S:
            return f"The disk of {self.directory} has been busy for {waiting_s:.0f} s with what was recorded."
        return ""

    def start(self) -> None:
        """Record what the tap has kept and what comes from now on."""
        self._tap.begin(self.take, self._begin_with)
        self._thread.start()

    def take(self, arrival: Arrival) -> None:
        """Put an arrival in the queue, or count it when the queue is full; returns at once."""
        if PART not in arrival.parts:
            return
        bytes_ = size_bytes(arrival)
        with self._changed:
            if self.stopping:
                return
            full = self._waiting_bytes + bytes_ > MAX_WAITING_BYTES or len(self._queue) >= self._most_waiting
            if full and self._queue:
                self._overflow += 1
                return
            self._newest = arrival
            self._queue.append(arrival)
            self._waiting_bytes += bytes_
            self._changed.notify()

    def _begin_with(self, kept: list[Arrival]) -> None:
        """Put what came before the start in the queue, beside what may wait there anyway."""
        kept = [arrival for arrival in kept if PART in arrival.parts]
        if kept:
            self.pre_roll_s = round((time.monotonic_ns() - kept[0].captured_ns) / 1e9, 3)
            self._newest = kept[-1]
        with self._changed:
            self._queue.extend(kept)
            self._most_waiting += len(kept)
            self._waiting_bytes += sum(map(size_bytes, kept))

    def bookmark(self, label: str) -> Bookmark:
        """Mark the newest picture, in the notes and on the tape. Touches the disk. Raises RecordError."""
        newest = self._newest
        if not self.running or newest is None or not self.frames:
            raise RecordError(f"nothing of {self.car} is being recorded that could be marked: start a recording first")
        tick = self._writer.timeline.tick_of(newest)
        bookmark = new_bookmark(round(tick / TICKS_HZ, 6), label)
        try:
            change_notes(self.directory, lambda notes: with_bookmark(notes, bookmark))
        except (OSError, ValueError) as why:
            raise RecordError(f"the bookmark could not be written: {getattr(why, 'strerror', None) or why}") from why
        with self._changed:
            self._queue.append(Said("bookmark", bookmark.label, tick))
            self._changed.notify()
        self.bookmarks += 1
        return bookmark

    def finish(self) -> None:
        """Take no more and close the files once the queue is written; returns at once."""
        self._tap.end(self.take)
        with self._changed:
            self.stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the files are closed, or time is up."""
        self._thread.join(timeout_s)
        self._late = self.running

    def _run(self) -> None:
        reason = "the recorder was interrupted by a fault of its own"
        try:
            with self._writer as writer, self._keeper:
                self._session.follow(writer.tape)
                for one in self._given():
                    self._write(writer, one)
            self._keeper.check()
            reason = ""
        except (RecordError, OSError) as why:
            reason = self._error = _stopped(self.directory, why)
        finally:
            self.finish()
            self._close(reason)
            self._queue.clear()

    def _given(self) -> Iterator[Arrival | Said]:
        """What there is to write, as it comes, until the end is asked for; in between all is well, and flushed."""
        flushed = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self.stopping, WAKE_S)
                one = self._queue.popleft() if self._queue else None
                if isinstance(one, Arrival):
                    self._waiting_bytes -= size_bytes(one)
                last = self.stopping and one is None
            if one:
                yield one
            if last:
                return
            self._keeper.check()
            if time.monotonic() - flushed > FLUSH_S:
                self._writer.flush()
                flushed = time.monotonic()

    def _write(self, writer: "Writer", one: Arrival | Said) -> None:
        self._since = time.monotonic()
        if isinstance(one, Said):
            writer.say(one.kind, one.text, one.tick)
        else:
            writer.write(one)
        if writer.frames and not self._facts:
            self._begin(writer)
        if self.on_limit is not None and (self.duration_s >= self.limit_s or self._has_another_pilot()):
            on_limit, self.on_limit = self.on_limit, None
            on_limit(self)
        self._since = None

    def _begin(self, writer: "Writer") -> None:
        """Say in the manifest what only the first frame knows."""
        self._facts = {"pre_roll_s": self.pre_roll_s, **writer.facts(), **self._driven()}
        self._keeper.note(**self._facts)

    def _driven(self) -> dict[str, object]:
        """What the car says of itself."""
        status = self.channel.link.status
        if status is None:
            return {}
        return {"source": status.source, "pilot": status.pilot, "pilot_sha256": status.pilot_sha256}

    def _has_another_pilot(self) -> bool:
        """Whether the car says that it is driven by another one than the manifest tells."""
        known, driven = self._facts.get("pilot_sha256"), self._driven().get("pilot_sha256")
        return bool(known and driven) and known != driven

    def _close(self, reason: str) -> None:
        if not self.frames:
            self._error = self._error or f"no picture of {self.car} came that could be recorded: nothing was kept"
        try:
            if not self.frames:
                self._session.discard()
                return
            self._session.close(
                status="failed" if reason else "complete",
                reason=reason,
                dropped=self.dropped,
                drops=self.drops,
                **self._facts,
                **self._writer.counts(),
            )
        except (OSError, RecordError) as why:
            self._error = self._error or _stopped(self.directory, why)


def _stopped(folder: Path, why: Exception) -> str:
    """Why a recording stopped, in one sentence."""
    if isinstance(why, RecordError):
        return str(why)
    return f"the recording into {folder} stopped: {getattr(why, 'strerror', None) or why}"
