"""What the list says of a session, read from its folder: manifest, notes and the sizes of its files."""

import contextlib
import os
import stat
from datetime import datetime
from pathlib import Path

import msgspec

from host.record.notes import NOTES, Bookmark, Notes, read_notes
from host.record.session import MANIFEST, TAPE, Manifest, RecordError, read_manifest
from host.review.files import being_written, size_bytes


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a list."""

    name: str
    """Its folder's name, and its name in addresses."""
    title: str
    marked: bool
    car: str
    pilot: str
    pilot_sha256: str
    status: str
    """Of its manifest: "recording", "complete", "recovered" or "failed". "recording" without `recording`: a crash."""
    reason: str
    recording: bool
    """It is being written at this moment."""
    started_at: str
    started_unix_s: float
    duration_s: float
    """Of a session being recorded: up to what is on the disk; `frames` too."""
    frames: int
    dropped: int | None
    bytes: int
    """Of all files in its folder."""
    has_frames: bool
    """There is a tape, frames.mcap, beside the video."""
    bookmarks: list[Bookmark]
    follows: str
    """The session that this one goes on from, without a frame between; empty where it is a beginning."""


class Summaries:
    """Reads summaries and keeps what has not changed. Not for several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, Manifest, Notes]] = {}

    def read(self, folder: Path) -> Summary | None:
        """The summary of a folder; None for what is no session."""
        files = _files(folder)
        if MANIFEST not in files:
            return None
        state = _identity(files, MANIFEST), _identity(files, NOTES)
        known = self._known.get(folder)
        if known is None or known[0] != state:
            try:
                known = state, read_manifest(folder), read_notes(folder)
            except RecordError:
                return None
            self._known[folder] = known
        return _summary(folder, known[1], known[2], files)

    def forget(self, folder: Path) -> None:
        """Read this one anew."""
        self._known.pop(folder, None)

    def keep_only(self, folders: set[Path]) -> None:
        """Forget all others."""
        for folder in self._known.keys() - folders:
            del self._known[folder]


def open_now(folder: Path) -> bool:
    """Whether a session is being recorded at this moment."""
    with contextlib.suppress(RecordError):
        return read_manifest(folder).status == "recording" and being_written(folder)
    return False


def _files(folder: Path) -> dict[str, os.stat_result]:
    found = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found[entry.name] = entry.stat(follow_symlinks=False)
    return found


def _identity(files: dict[str, os.stat_result], name: str) -> object:
    state = files.get(name)
    return state and (state.st_ino, state.st_mtime_ns, state.st_size)


def _summary(folder: Path, manifest: Manifest, notes: Notes, files: dict[str, os.stat_result]) -> Summary:
    return Summary(
        name=folder.name,
        title=notes.title,
        marked=notes.marked,
        car=manifest.car,
        pilot=manifest.pilot,
        pilot_sha256=manifest.pilot_sha256,
        status=manifest.status,
        reason=manifest.reason,
        recording=manifest.status == "recording" and being_written(folder),
        started_at=manifest.started_at,
        started_unix_s=_since_s(manifest, files[MANIFEST].st_mtime),
        duration_s=round(manifest.duration_s, 3),
        frames=manifest.frames,
        dropped=manifest.dropped,
        bytes=sum(_bytes(folder / name, state) for name, state in files.items()),
        has_frames=TAPE in files,
        bookmarks=notes.bookmarks,
        follows=manifest.follows,
    )


def _bytes(path: Path, state: os.stat_result) -> int:
    return size_bytes(path) if stat.S_ISDIR(state.st_mode) else state.st_size


def _since_s(manifest: Manifest, otherwise_s: float) -> float:
    """When it began, as Unix time; `otherwise_s` where the manifest does not say."""
    if manifest.start_unix_ns is not None:
        return manifest.start_unix_ns / 1e9
    try:
        return datetime.fromisoformat(manifest.started_at).timestamp()
    except (ValueError, OverflowError, OSError):
        return otherwise_s
