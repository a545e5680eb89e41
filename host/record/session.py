"""A session on the disk: one folder per recording, and its manifest.

    SESSIONS/<car>-<time in UTC>/ overlay.mp4     what was seen; locked by the process that writes it
                                  frames.mcap     what was measured (tape.py)
                                  session.json    a Manifest: says "recording" until both are closed
                                  notes.json      what people said (notes.py)

A folder that still says "recording" and is not locked by a living process was left by a crash.
"""

import contextlib
import fcntl
import importlib.metadata
import itertools
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

import wire
from host.record.storage import open_file, read_json, sync_data, sync_folder, write_json

VIDEO = "overlay.mp4"
TAPE = "frames.mcap"
MANIFEST = "session.json"
PART = "overlay"
"""The picture the video is made of (see wire.PARTS); the others go to the tape as they came."""

TICKS_HZ = 90_000
"""Time base of sessions' videos and tapes, and of films."""

Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class RecordError(Exception):
    """A recording cannot be started or read, or has stopped; the message is one sentence for a person."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`session.json`."""

    version: int = 1
    pilotlens: str
    car: str
    """The name this host knows the car by."""
    status: Literal["recording", "complete", "recovered", "failed"] = "recording"
    reason: str = ""
    """Why the status is not "complete", in one sentence."""
    started_at: str
    """Wall clock of the video's first frame (of the start while there is none), ISO 8601 in UTC."""
    start_unix_ns: wire.Nanoseconds | None = None
    """The same in nanoseconds since 1970; None before the first frame."""
    follows: str = ""
    """The session that this one goes on from, without a frame between; empty where it is a beginning."""
    session: str = ""
    """The car's session id at the first frame."""
    source: str = ""
    """Where the car's pictures come from, as it says; `pilot` and `pilot_sha256` likewise. Empty: it did not say."""
    pilot: str = ""
    pilot_sha256: str = ""
    captured_ns: int | None = None
    """The first frame's capture time by the car's monotonic clock."""
    clock_offset_ns: int | None = None
    """Add to the car's clock to get the host's; None before the first frame."""
    clock_error_ns: int | None = None
    restarts: wire.Count = 0
    """How often the car came back as a new process while recording."""
    width: wire.Count | None = None
    height: wire.Count | None = None
    """Size of the video; both even."""
    frames: wire.Count = 0
    dropped: wire.Count | None = 0
    """Frames that arrived and are not in the video; None when nobody lived to say."""
    drops: dict[str, wire.Count] = {}
    """The same by cause."""
    duration_s: Seconds = 0.0
    pre_roll_s: Seconds = 0.0
    """How much of it had come before the recording was started."""
    parts: list[str] = []
    """Kinds of pictures recorded (wire.PARTS); only some frames may have brought all of them."""
    overlay_only_s: Seconds = 0.0
    """For how much of it overlays came alone, because the link had no room for more."""
    gaps: wire.Count = 0
    """How often nothing came for longer than a second."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a session folder. Raises RecordError."""
    try:
        return read_json(folder / MANIFEST, Manifest)
    except (OSError, ValueError) as why:
        reason = getattr(why, "strerror", None) or why
        raise RecordError(f"{folder / MANIFEST} is no session manifest: {reason}") from why


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step that survives a power loss. Raises OSError."""
    write_json(folder / MANIFEST, manifest)


def make_folder(directory: Path, car: str, floor_bytes: int, make_room: Callable[[], object] = lambda: None) -> Path:
    """A new session folder; of two in one second the later one gets a number. Raises RecordError and OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    ensure_space(directory, floor_bytes, make_room)
    stem = f"{car}-{datetime.now(UTC):%Y%m%d-%H%M%S}Z"
    for number in itertools.count(1):
        folder = directory / (stem if number == 1 else f"{stem}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    sync_folder(directory)
    return folder


class Session:
    """A session being recorded: its manifest, and its files as far as the disk is concerned."""

    def __init__(self, folder: Path, car: str, follows: str = "") -> None:
        """Make the folder's files and take the lock on the video. Raises OSError."""
        self.folder = folder
        self.manifest = Manifest(pilotlens=_version(), car=car, started_at=utc(), follows=follows)
        self.written_bytes = 0
        self._files = [_locked_file(folder / VIDEO)]
        try:
            self.note()
        except OSError:
            self._let_go()
            raise

    def note(self, **changes: object) -> None:
        """Write the manifest, with these fields replaced. Raises OSError."""
        self.manifest = msgspec.structs.replace(self.manifest, **changes)
        write_manifest(self.folder, self.manifest)

    def follow(self, path: Path) -> None:
        """Another file of the session, to be put on the disk with the video. Raises OSError."""
        self._files.append(open_file(path))

    def sync(self) -> None:
        """Put on the disk what the system still holds, however long that takes.

        Raises OSError, and RecordError where somebody deleted the session.
        """
        states = [_synced(file) for file in self._files]
        if not all(state.st_nlink for state in states):
            raise RecordError(f"the recording into {self.folder} stopped: somebody deleted it")
        self.written_bytes = sum(state.st_size for state in states)

    def close(self, **changes: object) -> None:
        """Say in the manifest how it ended and let go of the lock. Raises OSError and RecordError."""
        try:
            self.sync()
            self.note(**changes)
        finally:
            self._let_go()

    def discard(self) -> None:
        """Leave no trace of a session in which there is nothing. Raises OSError."""
        try:
            shutil.rmtree(self.folder)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()


def _synced(file: int) -> os.stat_result:
    sync_data(file)
    return os.fstat(file)


def _locked_file(video: Path) -> int:
    """Make the file and tell other processes that it is being written; file systems without locks go without."""
    descriptor = open_file(video, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def ensure_space(directory: Path, floor_bytes: int, make_room: Callable[[], object]) -> None:
    """See to it that so much is free, by making room if need be. Raises RecordError where there is none, OSError."""
    if _free_bytes(directory) >= floor_bytes:
        return
    make_room()
    free_bytes = _free_bytes(directory)
    if free_bytes < floor_bytes:
        raise RecordError(
            f"the disk of {directory} has {free_bytes // 1_000_000} MB left and recordings keep "
            f"{floor_bytes // 1_000_000} MB free: make room, then start the recording again"
        )


def _free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def utc(age_ns: int = 0) -> str:
    """The wall clock that long ago, ISO 8601 in UTC."""
    moment = datetime.now(UTC) - timedelta(microseconds=age_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _version() -> str:
    try:
        return importlib.metadata.version("pilotlens")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
