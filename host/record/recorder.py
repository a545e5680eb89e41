"""Recordings: what the live view of a car showed and what was measured with it, each time in a folder of its own.

    Channel ──▶ Tap (preroll.py) ──▶ Recording (recording.py) ──▶ a folder (session.py)
                one per car,          one per session
                always there

What watches the disk meanwhile is keeper.py, what asks a slow link for less thrift.py, what starts by itself appear.py.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from host.record.notes import Bookmark
from host.record.preroll import Tap
from host.record.recording import Recording
from host.record.session import RecordError, make_folder
from host.relay import Channel

if TYPE_CHECKING:
    import host.record.writer

FLOOR_BYTES = 200_000_000
"""Free space that recordings leave on the disk."""
PRE_ROLL_S = 5.0
STOP_S = 2.0
MAX_SESSION_S = 3600.0
"""A recording goes on in a new session after so long: the memory that its files' indexes take (14 MB an hour) stays
bounded, and room can be made on the disk by letting go of what is older."""


class Recordings:
    """All recordings of a host, each in a folder of its own under `directory`. Leave it to stop them. For any thread.

    `make_room` is called, in some thread, when there is less than `floor_bytes` of free space; only when that has
    helped too little does a recording stop, or not start.
    """

    def __init__(
        self,
        directory: Path,
        *,
        floor_bytes: int = FLOOR_BYTES,
        pre_roll_s: float = PRE_ROLL_S,
        max_session_s: float = MAX_SESSION_S,
        make_room: Callable[[], object] = lambda: None,
    ) -> None:
        self.directory = directory
        self.pre_roll_s = pre_roll_s
        """How much of what came before its start a recording has, where somebody watched."""
        self._floor_bytes = floor_bytes
        self._max_session_s = max_session_s
        self._make_room = make_room
        self._taps: dict[str, Tap] = {}
        self._newest: dict[str, Recording] = {}
        self._continued: list[Recording] = []
        """Those that went on in a new session, while they close their files."""
        self._refused: dict[str, str] = {}
        self._closing = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closing = True
            running = self.active.values()
        for recording in running:
            recording.finish()
        until = time.monotonic() + STOP_S
        for recording in (*running, *self._continued):
            recording.join(max(0.0, until - time.monotonic()))
        for tap in self._taps.values():
            tap.close()

    @property
    def active(self) -> Mapping[str, Recording]:
        """What is being recorded, by car."""
        return MappingProxyType({car: one for car, one in self._newest.copy().items() if one.running})

    def attend(self, channel: Channel) -> Tap:
        """Keep this car's last seconds from now on, whenever somebody watches it; doing so again changes nothing."""
        tap = self._taps.get(channel.name)
        if tap is None or tap.channel is not channel:
            tap = self._taps[channel.name] = Tap(channel, self.pre_roll_s)
        return tap

    def start(self, channel: Channel) -> Recording:
        """Record this car from now on, and what came just before. Touches the disk. Raises RecordError."""
        with self._lock:
            if running := self.active.get(channel.name):
                raise RecordError(f"{channel.name} is being recorded already, into {running.directory}")
            try:
                recording = self._make(channel)
            except RecordError as why:
                self._refused[channel.name] = str(why)
                raise
            recording.start()
            self._refused.pop(channel.name, None)
            self._newest[channel.name] = recording
            return recording

    def stop(self, car: str) -> Recording:
        """Write what waits and close the files, within 2 s; one that stopped by itself is returned with its error.

        Raises RecordError when this car was not recorded at all.
        """
        with self._lock:
            recording = self._newest.get(car)
            if recording is None:
                raise RecordError(f"{car} is not being recorded")
            recording.finish()
        recording.join(STOP_S)
        return recording

    def bookmark(self, car: str, label: str = "") -> Bookmark:
        """Mark what is on screen now in the running recording. Touches the disk. Raises RecordError."""
        recording = self._newest.get(car)
        if recording is None:
            raise RecordError(f"{car} is not being recorded: start a recording first")
        return recording.bookmark(label)

    def state(self) -> list[dict[str, object]]:
        """The newest recording of every car that had one, as plain values for JSON.

        `folder` is "" where nothing was kept: nothing came, or it could not even be started.
        """
        cars = {**self._newest, **self._refused}
        return [_state(car, self._newest.get(car), self._refused.get(car, "")) for car in cars]

    def _go_on(self, old: Recording) -> None:
        """Let a recording that has become long go on in a new session, without a frame between. Raises RecordError."""
        with self._lock:
            if old.stopping or self._closing:
                return
            new = self._make(old.channel, follows=old.directory.name)
            new.start()
            self._newest[old.car] = new
            self._continued = [old, *(one for one in self._continued if one.running)]
            old.finish()

    def _make(self, channel: Channel, follows: str = "") -> Recording:
        """A recording with its folder. Raises RecordError."""
        writer_type = _writer_type()
        tap = self.attend(channel)
        try:
            folder = make_folder(self.directory, channel.name, self._floor_bytes, self._make_room)
            return self._fill(tap, folder, writer_type(folder, channel.name), follows)
        except OSError as why:
            raise RecordError(
                f"recordings cannot be written to {self.directory} ({why.strerror}): choose another directory"
            ) from why

    def _fill(self, tap: Tap, folder: Path, writer: "host.record.writer.Writer", follows: str) -> Recording:
        """A recording in this new folder, which goes again where that cannot be. Raises OSError."""
        try:
            recording = Recording(tap, folder, writer, self._floor_bytes, self._make_room, follows)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        recording.limit_s, recording.on_limit = self._max_session_s, self._go_on
        return recording


def _state(car: str, one: Recording | None, refused: str) -> dict[str, object]:
    return {
        "car": car,
        "folder": one.directory.name if one and (one.running or one.frames) else "",
        "running": one.running if one else False,
        "started_at": one.started_at if one else "",
        "frames": one.frames if one else 0,
        "dropped": one.dropped if one else 0,
        "drops": one.drops if one else {},
        "written_bytes": one.written_bytes if one else 0,
        "bytes_per_s": round(one.bytes_per_s) if one else 0,
        "duration_s": round(one.duration_s, 3) if one else 0.0,
        "pre_roll_s": one.pre_roll_s if one else 0.0,
        "bookmarks": one.bookmarks if one else 0,
        "gaps": one.gaps if one else 0,
        "thrift": one.thrift if one else "",
        "trouble": one.trouble if one else "",
        "error": refused or (one.error if one else ""),
    }


def _writer_type() -> "type[host.record.writer.Writer]":
    """Writer, imported when first needed: PyAV costs some 20 MB. Raises RecordError where something is missing."""
    try:
        from host.record.writer import Writer
    except ImportError as why:
        raise RecordError(
            f"recording needs PyAV and mcap, one of which is not installed ({why}): pip install '.[host]'"
        ) from why
    return Writer
