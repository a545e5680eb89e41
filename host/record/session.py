"""A session on the disk: one folder per recording, its manifest, and the time line of its video.

    SESSIONS/<car>-<time in UTC>/ overlay.mp4     locked by the process that writes it
                                  session.json    a Manifest: says "recording" until the video is closed

A folder that still says "recording" and is not locked by a living process was left by a crash: `recover` marks it.

Times in the video: a frame stands where the car's own clock says, so intervals are exact and a gap of the link is a gap
in the video. The car's clock is placed on the host's once per car session: a restarted car, whose clock starts anew,
goes on at the right place of the same time line.
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

from host.relay import Arrival

VIDEO = "overlay.mp4"
MANIFEST = "session.json"

TICKS_HZ = 90_000
"""Time base of the video."""
FUTURE_NS = 1_000_000_000
OLDEST_NS = 30_000_000_000
"""A capture time further ahead of or behind the arrival than this cannot be true."""
RESYNC_NS = 250_000_000
"""How far the car's clock may drift from the host's before it is placed anew."""


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
    session: str = ""
    """The car's session id at the first frame."""
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
    _sync_folder(folder)


def make_folder(directory: Path, car: str, floor_bytes: int) -> Path:
    """A new session folder; of two in one second the later one gets a number. Raises RecordError and OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    _check_space(directory, floor_bytes)
    stem = f"{car}-{datetime.now(UTC):%Y%m%d-%H%M%S}Z"
    for number in itertools.count(1):
        folder = directory / (stem if number == 1 else f"{stem}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    _sync_folder(directory)
    return folder


class Session:
    """A session being recorded: its manifest, and the video's file as far as the disk is concerned."""

    def __init__(self, folder: Path, car: str, floor_bytes: int) -> None:
        """Make the folder's files and take the lock on the video. Raises OSError."""
        self.folder = folder
        self.manifest = Manifest(pilotlens=_version(), car=car, started_at=utc())
        self.floor_bytes = floor_bytes
        """Free space to leave on the disk."""
        self.written_bytes = 0
        self._file = _locked_file(folder / VIDEO)
        try:
            self.note()
        except OSError:
            os.close(self._file)
            raise

    def note(self, **changes: object) -> None:
        """Write the manifest, with these fields replaced. Raises OSError."""
        self.manifest = msgspec.structs.replace(self.manifest, **changes)
        write_manifest(self.folder, self.manifest)

    def sync(self) -> None:
        """Put on the disk what the system still holds. Raises OSError, and RecordError where going on is pointless."""
        if self._sync_video().st_nlink == 0:
            raise RecordError(f"the recording into {self.folder} stopped: somebody deleted it")
        _check_space(self.folder, self.floor_bytes)

    def close(self, **changes: object) -> None:
        """Say in the manifest how it ended and let go of the lock. Raises OSError."""
        try:
            self._sync_video()
            self.note(**changes)
        finally:
            os.close(self._file)

    def _sync_video(self) -> os.stat_result:
        getattr(os, "fdatasync", os.fsync)(self._file)  # macOS has no fdatasync
        state = os.fstat(self._file)
        self.written_bytes = state.st_size
        return state


class Timeline:
    """Where frames stand in the video, in ticks since the first one."""

    def __init__(self) -> None:
        self.restarts = 0
        self.last: int | None = None
        """Where the newest frame stands."""
        self.interval = TICKS_HZ // 30
        """From the frame before it to the newest; at most 1 s."""
        self._session = ""
        self._offset_ns = 0
        self._first_ns: int | None = None

    def place(self, arrival: Arrival) -> int | None:
        """The frame's place, later than every place before; None where it can have none."""
        age_ns = arrival.received_ns - arrival.captured_ns
        if not -FUTURE_NS <= age_ns <= OLDEST_NS:
            return None
        captured_ns = arrival.frame.captured_ns + self._offset(arrival)
        if self._first_ns is None:
            self._first_ns = captured_ns
        return self._later((captured_ns - self._first_ns) * TICKS_HZ // 1_000_000_000)

    def _offset(self, arrival: Arrival) -> int:
        """From the car's clock to the host's: held through a session, lest estimating it better moves frames."""
        offset_ns = arrival.captured_ns - arrival.frame.captured_ns
        session = arrival.frame.session
        if session != self._session or abs(offset_ns - self._offset_ns) > RESYNC_NS:
            self.restarts += self._first_ns is not None and session != self._session
            self._session, self._offset_ns = session, offset_ns
        return self._offset_ns

    def _later(self, tick: int) -> int | None:
        if self.last is not None:
            if tick <= self.last:
                return None
            self.interval = min(tick - self.last, TICKS_HZ)
        self.last = tick
        return tick

    @property
    def duration_s(self) -> float:
        return 0.0 if self.last is None else (self.last + self.interval) / TICKS_HZ


Measure = Callable[[Path], tuple[int, float]]
"""Frames and seconds of a video that may be torn; 0, 0 when nothing of it can be shown."""


def recover(directory: Path, measure: Measure) -> list[tuple[Path, Manifest]]:
    """Mark what a crash left unfinished, whoever recorded it; the videos themselves stay as they are."""
    found = (_recover(manifest.parent, measure) for manifest in sorted(directory.glob(f"*/{MANIFEST}")))
    return [one for one in found if one is not None]


def _recover(folder: Path, measure: Measure) -> tuple[Path, Manifest] | None:
    """Mark one folder; None where there is nothing to do, or nothing that can be done."""
    with contextlib.suppress(RecordError, OSError):
        manifest = read_manifest(folder)
        if manifest.status == "recording" and not _locked(folder / VIDEO):
            manifest = _found(manifest, *measure(folder / VIDEO))
            write_manifest(folder, manifest)
            return folder, manifest
    return None


def _found(manifest: Manifest, frames: int, duration_s: float) -> Manifest:
    """The manifest of a session that nobody closed, with what its video holds."""
    status, reason = "recovered", "the host ended without closing the video"
    if not frames:
        status, reason = "failed", f"{VIDEO} has no readable frame"
    return msgspec.structs.replace(
        manifest, status=status, reason=reason, frames=frames, dropped=None, duration_s=round(duration_s, 6)
    )


def _locked_file(video: Path) -> int:
    """Make the file and tell other processes that it is being written; file systems without locks go without."""
    descriptor = os.open(video, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _locked(video: Path) -> bool:
    """Whether a living process still writes this file."""
    with contextlib.suppress(FileNotFoundError), video.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_space(directory: Path, floor_bytes: int) -> None:
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < floor_bytes:
        raise RecordError(
            f"the disk of {directory} has {free_bytes // 1_000_000} MB left and recordings keep "
            f"{floor_bytes // 1_000_000} MB free: make room, then start the recording again"
        )


def utc(age_ns: int = 0) -> str:
    """The wall clock that long ago, ISO 8601 in UTC."""
    moment = datetime.now(UTC) - timedelta(microseconds=age_ns // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _version() -> str:
    try:
        return importlib.metadata.version("pilotlens")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
