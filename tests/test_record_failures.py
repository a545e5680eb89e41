"""Disks that fail under a recording: it stops with a sentence, alone; what it had is playable, the live view goes on.

The disks are real: a small tmpfs, an ext4 file system in a file that is frozen, made read-only or shut down, and a
system call that is made to fail.
"""

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.record import RecordError, Recording, Recordings
from host.record.session import TAPE, VIDEO, read_manifest
from host.relay import Channel
from host.review.footage import Footage
from tests.recordings import child, meanwhile, running_loop, start, ticks, until, whole

root_only = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounting a file system takes root on Linux"
)


class Viewer:
    """Somebody who watches a channel and keeps up; `send` sees to it that every frame gets there."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.seen: list[int] = []
        self.sent = 0

    async def watch(self) -> None:
        with self.channel.subscribe(frozenset({"overlay"})) as subscription:
            while True:
                if one := await subscription.next(60):
                    self.seen.append(one.frame.seq)

    def send(self, frames: int = 1) -> None:
        """Frames from a receiver's thread, each once the viewer has the one before."""
        for seq in range(self.sent, self.sent + frames):
            self.channel.deliver(whole(33 * seq, seq=seq))
            until(lambda: len(self.seen) > seq)  # noqa: B023 - called before the next round
        self.sent += frames
        assert self.seen == list(range(self.sent)), "the live view lost frames"


@pytest.fixture
def channel() -> Iterator[Channel]:
    with running_loop() as loop:
        yield Channel("kart", loop)


@pytest.fixture
def viewer(channel: Channel) -> Iterator[Viewer]:
    viewer = Viewer(channel)
    with meanwhile(channel.loop, viewer.watch()):
        until(lambda: channel.watchers)
        yield viewer
        viewer.send(30)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def mounted(where: Path, *options: str) -> Iterator[Path]:
    """A file system mounted for the length of the block; skips the test where that is not allowed."""
    where.mkdir()
    try:
        run("mount", *options, str(where))
    except (subprocess.CalledProcessError, OSError) as why:
        pytest.skip(f"this root may not mount that: {why}")
    try:
        yield where
    finally:
        run("umount", str(where))


def ext4(tmp_path: Path) -> Path:
    """A file that holds a small ext4 file system with a journal."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    try:
        run("mkfs.ext4", "-q", str(image))
    except (subprocess.CalledProcessError, OSError) as why:
        pytest.skip(f"no ext4 can be made here: {why}")
    return image


def recorded(recordings: Recordings, viewer: Viewer, frames: int = 60) -> Recording:
    """A running recording of so many frames, all of them on the disk."""
    recording = start(recordings, viewer.channel)
    viewer.send(frames)
    until(lambda: recording.frames == frames)
    size_bytes = sum((recording.directory / name).stat().st_size for name in (VIDEO, TAPE))
    until(lambda: recording.written_bytes >= size_bytes)
    return recording


def drive_until_it_stops(recording: Recording, viewer: Viewer) -> None:
    while recording.running:
        viewer.send()


def kept(folder: Path) -> tuple[int, int]:
    """Frames that can be read, in the video and in the tape; the same ones, as far as both go."""
    with Footage(folder / TAPE) as footage:
        shown, measured = ticks(folder), list(footage.ticks)
        common = min(len(shown), len(measured))
        assert shown[:common] == measured[:common]
        assert all(footage.picture(index, "camera") for index in range(len(measured)))
        return len(shown), len(measured)


def test_a_directory_that_cannot_be_written(tmp_path: Path, channel: Channel) -> None:
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with Recordings(directory) as recordings, pytest.raises(RecordError, match="choose another directory"):
            recordings.start(channel)
    assert channel.wanted == frozenset()


def test_a_disk_with_too_little_room_left(tmp_path: Path, channel: Channel) -> None:
    with Recordings(tmp_path, floor_bytes=2**62) as recordings, pytest.raises(RecordError, match="make room"):
        recordings.start(channel)
    assert list(tmp_path.iterdir()) == []


def test_running_low_on_space_closes_the_files_properly_after_asking_for_room(tmp_path: Path, viewer: Viewer) -> None:
    asked = threading.Event()
    with Recordings(tmp_path, floor_bytes=0, make_room=asked.set) as recordings:
        recording = recorded(recordings, viewer)
        assert not asked.is_set()
        recording._keeper.floor_bytes = 2**62
        drive_until_it_stops(recording, viewer)
    assert asked.is_set()
    assert "make room, then start the recording again" in recording.error
    manifest = read_manifest(recording.directory)
    assert (manifest.status, manifest.reason) == ("failed", recording.error)
    assert kept(recording.directory) == (manifest.frames, manifest.frames)
    assert manifest.frames >= 60


@root_only
def test_room_that_is_made_lets_it_go_on(tmp_path: Path, viewer: Viewer) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=16m", "tmpfs") as disk:
        ballast = disk / "ballast"
        with Recordings(disk, floor_bytes=8 << 20, make_room=lambda: ballast.unlink(missing_ok=True)) as recordings:
            recording = recorded(recordings, viewer)
            ballast.write_bytes(bytes(10 << 20))
            until(lambda: not ballast.exists())
            viewer.send(30)
            assert recordings.stop("kart").error == ""
        assert kept(recording.directory) == (90, 90)


def test_a_deleted_folder_stops_the_recording_with_a_sentence(tmp_path: Path, viewer: Viewer) -> None:
    with Recordings(tmp_path / "sessions", floor_bytes=0) as recordings:
        recording = recorded(recordings, viewer)
        shutil.rmtree(recording.directory)
        drive_until_it_stops(recording, viewer)
        assert recording.error == f"the recording into {recording.directory} stopped: somebody deleted it"
        assert recordings.active == {}
        assert recordings.stop("kart") is recording
        assert recordings.state()[0]["error"] == recording.error
        assert list((tmp_path / "sessions").iterdir()) == []
        assert recorded(recordings, viewer, 20).error == "", "the next one is none the worse"


def test_a_file_that_may_not_grow_stops_the_recording_alone(tmp_path: Path) -> None:
    code = """
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
        recording = recordings.start(channel)
        until(lambda: channel.wanted)
        sent = 0
        while recording.running:
            channel.deliver(arrival(33 * sent, noise(sent % 9)))
            sent += 1
        until(lambda: not channel.wanted)
        channel.deliver(arrival(33 * sent))
        until(lambda: channel.newest and channel.newest.captured_ns == 33 * sent * 1_000_000)
        print(recording.error)
    """
    with child(tmp_path, code) as process:
        said, _ = process.communicate()
    (folder,) = tmp_path.iterdir()
    assert said == f"the recording into {folder} stopped: File too large\n"
    assert process.returncode == 0
    manifest = read_manifest(folder)
    assert (manifest.status, manifest.reason) == ("failed", said.strip())
    assert len(ticks(folder)) >= 15


@root_only
def test_a_full_disk(tmp_path: Path, viewer: Viewer) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        (disk / "ballast").write_bytes(bytes(100_000))
        with Recordings(disk, floor_bytes=0) as recordings:
            recording = start(recordings, viewer.channel)
            drive_until_it_stops(recording, viewer)
            assert recording.error == f"the recording into {recording.directory} stopped: No space left on device"
            assert recordings.active == {}
        shown, measured = kept(recording.directory)
        assert min(shown, measured) >= recording.frames - 45, "what was written before is readable"
        assert min(shown, measured) >= 60


@root_only
def test_a_disk_that_gives_errors(tmp_path: Path, viewer: Viewer) -> None:
    image = ext4(tmp_path)
    with mounted(tmp_path / "disk", "-o", "loop", "-t", "ext4", str(image)) as disk:
        with Recordings(disk / "sessions", floor_bytes=0) as recordings:
            recording = recorded(recordings, viewer)
            shut_down(disk)
            drive_until_it_stops(recording, viewer)
            assert recording.error == f"the recording into {recording.directory} stopped: Input/output error"
            with pytest.raises(RecordError, match="choose another directory"):
                recordings.start(viewer.channel)
            assert "Input/output error" in str(recordings.state()[0]["error"])
    with mounted(tmp_path / "again", "-o", "loop", "-t", "ext4", str(image)) as disk:
        assert min(kept(disk / "sessions" / recording.directory.name)) >= 60 - 30


def shut_down(disk: Path) -> None:
    """From now on everything on this file system fails with EIO, as if the disk were gone (EXT4_IOC_SHUTDOWN)."""
    folder = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, 0x8004587D, (1).to_bytes(4, sys.byteorder))
    except OSError as why:
        pytest.skip(f"this kernel cannot shut a file system down: {why}")
    finally:
        os.close(folder)


@root_only
def test_a_disk_that_becomes_read_only(tmp_path: Path, viewer: Viewer) -> None:
    image = ext4(tmp_path)
    with mounted(tmp_path / "disk", "-o", "loop", "-t", "ext4", str(image)) as disk:
        with Recordings(disk / "sessions", floor_bytes=0) as recordings:
            recording = recorded(recordings, viewer)
            # What the kernel does with a file system in which it found an error.
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], capture_output=True, check=False)
            drive_until_it_stops(recording, viewer)
            assert recording.error == f"the recording into {recording.directory} stopped: Read-only file system"
        assert min(kept(recording.directory)) >= 60 - 30


@root_only
def test_a_disk_that_takes_nothing_for_seconds_costs_no_frame(
    tmp_path: Path, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.record.recording.SLOW_S", 0.2)
    with mounted(tmp_path / "disk", "-o", "loop", "-t", "ext4", str(ext4(tmp_path))) as disk:
        with Recordings(disk / "sessions", floor_bytes=0) as recordings:
            recording = recorded(recordings, viewer)
            with frozen(disk):
                viewer.send(4 * 60)  # four seconds of 60 frames each
                until(lambda: recording.trouble)
                assert recording.frames < 4 * 60, "a frozen disk takes nothing"
                assert recordings.state()[0]["trouble"] == recording.trouble
                assert recordings.stop("kart").error.endswith("is still being written: the disk does not keep up")
                viewer.send(10)
            recording.join(30)
            assert (recording.error, recording.drops, recording.trouble) == ("", {}, "")
        manifest = read_manifest(recording.directory)
        assert (manifest.status, manifest.frames, manifest.dropped) == ("complete", 5 * 60, 0)
        assert kept(recording.directory) == (5 * 60, 5 * 60)


@root_only
def test_a_disk_that_stalls_before_the_first_picture_does_not_stop_the_process(tmp_path: Path, viewer: Viewer) -> None:
    with mounted(tmp_path / "disk", "-o", "loop", "-t", "ext4", str(ext4(tmp_path))) as disk:
        with Recordings(disk / "sessions", floor_bytes=0) as recordings:
            recording = start(recordings, viewer.channel)
            with frozen(disk):
                viewer.send(60)
                assert recording.frames == 0
            until(lambda: recording.frames == 60)
        assert kept(recording.directory) == (60, 60)


@root_only
def test_a_disk_that_never_comes_back_costs_frames_and_bounded_memory(
    tmp_path: Path, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.record.recording.MAX_WAITING", 50)
    with mounted(tmp_path / "disk", "-o", "loop", "-t", "ext4", str(ext4(tmp_path))) as disk:
        with Recordings(disk / "sessions", floor_bytes=0) as recordings:
            recording = recorded(recordings, viewer)
            with frozen(disk):
                viewer.send(300)
                assert 0 < recording.drops["queue full"] <= 250
                assert len(recording._queue) <= 50
            lost = recording.drops["queue full"]
            until(lambda: not recording._queue)
            viewer.send(20)
            recordings.stop("kart")
        assert kept(recording.directory) == (380 - lost, 380 - lost)
        assert read_manifest(recording.directory).drops == {"queue full": lost}


@contextlib.contextmanager
def frozen(disk: Path) -> Iterator[None]:
    """Whoever writes or syncs there waits until the block is over, or for 20 s should it not end."""
    try:
        run("fsfreeze", "--freeze", str(disk))
    except (subprocess.CalledProcessError, OSError) as why:
        pytest.skip(f"this file system cannot be frozen: {why}")
    wait = 'sleep 20; fsfreeze --unfreeze "$0"'
    with subprocess.Popen(["sh", "-c", wait, str(disk)], start_new_session=True) as rescue:
        try:
            yield
        finally:
            os.killpg(rescue.pid, signal.SIGKILL)
            run("fsfreeze", "--unfreeze", str(disk))


FAILING_SYNC = """
    import ctypes, errno
    number, seccomp = {"x86_64": (75, 317), "aarch64": (83, 277)}[os.uname().machine]

    def fail_every_sync() -> bool:
        "From now on fdatasync gives EIO in every thread of this process: a filter of the kernel's answers it."
        class Step(ctypes.Structure):
            _fields_ = [("code", ctypes.c_ushort), ("jump", ctypes.c_ushort), ("k", ctypes.c_uint)]
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.POINTER(Step))]
        load, equal, answer, or_jump_one = 0x20, 0x15, 0x06, 0x0100
        fail, allow = 0x50000 | errno.EIO, 0x7FFF0000
        steps = (Step * 4)((load, 0, 0), (equal, or_jump_one, number), (answer, 0, fail), (answer, 0, allow))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)  # no new privileges
        return libc.syscall(seccomp, 1, 1, ctypes.byref(Program(4, steps))) == 0

    recording = recordings.start(channel)
    until(lambda: channel.wanted)
    for n in range(60):
        channel.deliver(whole(33 * n, seq=n))
    until(lambda: recording.frames == 60)
    allowed = fail_every_sync()
    print("allowed" if allowed else "refused", flush=True)
    n = 60
    while allowed and recording.running:
        channel.deliver(whole(33 * n, seq=n))
        until(lambda: channel.newest and channel.newest.frame.seq == n)
        n += 1
    print(recording.error)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}, reason="needs seccomp filters of Linux"
)
def test_a_sync_that_fails_stops_the_recording(tmp_path: Path) -> None:
    with child(tmp_path, FAILING_SYNC) as process:
        allowed, *said = process.communicate()[0].splitlines()
    if allowed != "allowed":
        pytest.skip("this system refuses seccomp filters")
    (folder,) = tmp_path.iterdir()
    assert said == [f"the recording into {folder} stopped: {os.strerror(errno.EIO)}"]
    assert min(kept(folder)) >= 60
