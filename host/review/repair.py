"""What a crash left in the sessions directory, made whole.

    "recording", nobody writes ──mark──▶ "recovered" ──thread──▶ tape mended ▶ video remuxed ▶ frames counted
                                 at once                                       same frames, same times

Every step leaves files that can be read as they were or as they become, never something between: the new video is
written beside the old one, synced, and takes its place in one step. What is not done when the host ends is found and
done at its next start.
"""

import contextlib
import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from host.record.session import MANIFEST, TAPE, VIDEO, Manifest, RecordError, read_manifest, write_manifest
from host.record.storage import open_to_read
from host.review.boxes import box_at
from host.review.files import being_written, changed_s

LEFT = "the host ended without closing the video"
NO_FRAME = f"{VIDEO} has no readable frame"
QUIET_S = 60.0
"""A folder without manifest that was changed this lately may be a session about to begin."""
OUR_NAME = re.compile(r"(?P<car>.+)-(?P<date>\d{8})-(?P<time>\d{6})Z(-\d+)?")


class Repaired(NamedTuple):
    """A session that a crash left."""

    folder: Path
    status: str
    """"recovered" or "failed"; "recording" where even that could not be written."""
    reason: str
    """One sentence, also of what could not be repaired."""
    frames: int
    """Of its video; 0 while they have not been counted."""
    duration_s: float

    @property
    def name(self) -> str:
        return self.folder.name


class Repairing:
    """Marks at once, and repairs in a thread that ends with the process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self, folders: Iterable[Path], floor_bytes: int, *, wait: bool) -> list[Repaired]:
        """Mark what of these needs it and repair it; what was found, as it is on return."""
        found = [one for one in map(mark, sorted(folders)) if one is not None]
        done: list[Repaired] = []

        def work() -> None:
            for one in found:
                if self._stopping.is_set():
                    return
                marked = one.status != "recording"
                done.append(repair(one, floor_bytes, self._stopping.is_set) if marked else one)

        self._thread = threading.Thread(target=work, name="repair sessions", daemon=True)
        self._thread.start()
        if wait:
            self._thread.join()
        return [*done, *found[len(done) :]] if wait else found

    def stop(self, patience_s: float = 2.0) -> None:
        """Leave the rest for the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(patience_s)


def mark(folder: Path) -> Repaired | None:
    """Say in the manifest that a crash left this session; None where nothing is left to be done.

    A session whose manifest is lost or broken gets one made from the folder's name; the broken one is set aside.
    """
    try:
        manifest = read_manifest(folder)
    except RecordError:
        if not _lost_its_manifest(folder):
            return None
        manifest = _remade(folder)
    if manifest.status == "recovered":
        unfinished = not manifest.frames or in_fragments(folder / VIDEO)
        return _repaired(folder, manifest) if unfinished else None
    if manifest.status != "recording" or being_written(folder):
        return None
    marked = msgspec.structs.replace(manifest, status="recovered", reason=LEFT, dropped=None)
    try:
        if (folder / MANIFEST).exists() and not _is_manifest(folder):
            (folder / MANIFEST).rename(folder / f"{MANIFEST}.broken")
        write_manifest(folder, marked)
    except OSError as why:
        return _repaired(folder, manifest, f"{LEFT}, and its manifest cannot be written: {why.strerror}")
    return _repaired(folder, marked)


def repair(found: Repaired, floor_bytes: int, stopping: Callable[[], bool] = lambda: False) -> Repaired:
    """Mend the tape, make the video an ordinary MP4 and count it; `floor_bytes` stay free on the disk.

    Never raises for what is wrong with the files or the disk: the reason says it, and the next start tries again.
    """
    folder = found.folder
    try:
        with _repairing(folder / VIDEO) as ours:
            if not ours:
                return found
            return _repair(folder, floor_bytes, stopping)
    except _Stopped:
        return found
    except (OSError, RecordError, ImportError) as why:
        return found._replace(reason=f"{LEFT}, and it cannot be repaired: {getattr(why, 'strerror', None) or why}")


def in_fragments(video: Path) -> bool:
    """Whether a video is still in the pieces it was written in: it has a `moof` box."""
    with contextlib.suppress(OSError), open_to_read(video) as file:
        at = 0
        while found := box_at(file, at):
            if found.kind == b"moof":
                return True
            at = found.end
    return False


class _Stopped(Exception):
    """The host ends: the rest is for its next start."""


def _repair(folder: Path, floor_bytes: int, stopping: Callable[[], bool]) -> Repaired:
    def check() -> None:
        if stopping():
            raise _Stopped

    tape_wrong = _mend_tape(folder / TAPE, floor_bytes, check)
    (frames, duration_s), video_wrong = _mend_video(folder / VIDEO, floor_bytes, check)
    manifest = msgspec.structs.replace(
        read_manifest(folder),
        status="recovered" if frames else "failed",
        reason="; ".join([LEFT if frames else NO_FRAME, *filter(None, [tape_wrong, video_wrong])]),
        frames=frames,
        duration_s=round(duration_s, 6),
    )
    write_manifest(folder, manifest)
    return _repaired(folder, manifest)


def _mend_video(video: Path, floor_bytes: int, check: Callable[[], None]) -> tuple[tuple[int, float], str]:
    """Frames and seconds, and why it stays in fragments, if it does. Raises OSError, and what `check` raises."""
    from host.review.remux import RemuxError, count, remux

    if not video.exists():
        return (0, 0.0), ""
    if not in_fragments(video):
        return count(video, check), ""
    if shutil.disk_usage(video.parent).free - video.stat().st_size < floor_bytes:
        return count(video, check), f"{VIDEO} stays in fragments: the disk has no room for a copy"
    try:
        return remux(video, video.with_name(f"{VIDEO}.part"), check), ""
    except RemuxError as why:
        return count(video, check), f"{VIDEO} stays in fragments: {why}"


def _mend_tape(tape: Path, floor_bytes: int, check: Callable[[], None]) -> str:
    """Why it cannot be mended; empty where it was, or there is none. Raises what `check` raises."""
    if not tape.exists():
        return ""
    from host.review.footage import FootageError, mend

    try:
        mend(tape, floor_bytes, check)
    except FootageError as why:
        return str(why)
    except OSError as why:
        return f"{TAPE} cannot be mended: {why.strerror or why}"
    return ""


@contextlib.contextmanager
def _repairing(video: Path) -> Iterator[bool]:
    """Keep others from repairing the same video; False where somebody does."""
    try:
        file = open_to_read(video)
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield os.path.samestat(os.fstat(file.fileno()), video.stat())


def _is_manifest(folder: Path) -> bool:
    with contextlib.suppress(RecordError):
        read_manifest(folder)
        return True
    return False


def _lost_its_manifest(folder: Path) -> bool:
    """Whether this is a session of ours, not about to begin, without a manifest that can be read."""
    return (
        OUR_NAME.fullmatch(folder.name) is not None
        and (folder / VIDEO).is_file()
        and not being_written(folder)
        and time.time() - changed_s(folder) > QUIET_S
    )


def _remade(folder: Path) -> Manifest:
    match = OUR_NAME.fullmatch(folder.name)
    assert match is not None
    date, clock = match["date"], match["time"]
    started_at = f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"
    return Manifest(pilotlens="unknown", car=match["car"], started_at=started_at)


def _repaired(folder: Path, manifest: Manifest, reason: str = "") -> Repaired:
    return Repaired(folder, manifest.status, reason or manifest.reason, manifest.frames, manifest.duration_s)
