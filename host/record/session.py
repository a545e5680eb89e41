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
from typing import Literal

import msgspec

VIDEO = "overlay.mp4"
MANIFEST = "session.json"

TICKS_HZ = 90_000
"""Time base of sessions' videos and tapes, and of films."""


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
    start_unix_ns: int | None = None
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
    restarts: int = 0
    """How often the car came back as a new process while recording."""
    width: int | None = None
    height: int | None = None
    """Size of the video; both even."""
    frames: int = 0
    dropped: int | None = 0
    """Frames that arrived and are not in the video; None when nobody lived to say."""
    drops: dict[str, int] = {}
    """The same by cause."""
    duration_s: float = 0.0
    pre_roll_s: float = 0.0
    """How much of it had come before the recording was started."""
    parts: list[str] = []
    """Kinds of pictures recorded (wire.PARTS); only some frames may have brought all of them."""
    overlay_only_s: float = 0.0
    """For how much of it overlays came alone, because the link had no room for more."""
    gaps: int = 0
    """How often nothing came for longer than a second."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a session folder. Raises RecordError."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as why:
        raise RecordError(f"{folder / MANIFEST} is no session manifest: {why}") from why


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step that survives a power loss. Raises OSError."""
    part = folder / f"{MANIFEST}.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / MANIFEST)
    sync_folder(folder)


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
        self._files.append(os.open(path, os.O_RDONLY))

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
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has no fdatasync
    return os.fstat(file)


def _locked_file(video: Path) -> int:
    """Make the file and tell other processes that it is being written; file systems without locks go without."""
    descriptor = os.open(video, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Put on the disk which names the folder holds. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
