"""Recordings: what is taken, dropped and said, and what stops one."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from host.record import RecordError, Recording, Recordings
from host.record.recorder import MAX_WAITING, MAX_WAITING_BYTES
from host.record.session import VIDEO, make_folder, read_manifest
from host.relay import Arrival, Channel
from tests.recordings import (
    ROOT,
    arrival,
    child,
    jpeg,
    keeps_up,
    noise,
    record,
    running_loop,
    start,
    ticks,
    until,
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with running_loop() as loop:
        yield loop


@pytest.fixture
def channel(loop: asyncio.AbstractEventLoop) -> Channel:
    return Channel("kart", loop)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    with Recordings(tmp_path / "sessions", floor_bytes=0) as recordings:
        yield recordings


def test_equal_and_backward_times_are_dropped_and_counted(recordings: Recordings, channel: Channel) -> None:
    recording = record(recordings, channel, [arrival(at) for at in (100, 133, 133, 120, 166)])
    assert ticks(recording.directory) == [0, 33 * 90, 66 * 90]
    assert recording.drops == {"time": 2}
    assert recording.dropped == 2
    assert recording.frames == 3


def test_arrivals_without_an_overlay_are_none_of_its_business(recordings: Recordings, channel: Channel) -> None:
    headless = msgspec.structs.replace(arrival(0).frame)
    recording = record(
        recordings, channel, [Arrival("kart", headless, {"camera": jpeg()}, 0, 0, 0), arrival(33), arrival(66)]
    )
    assert (recording.frames, recording.dropped) == (2, 0)


def test_the_car_is_asked_for_overlays_only_while_recording(recordings: Recordings, channel: Channel) -> None:
    assert channel.wanted == frozenset()
    start(recordings, channel)
    assert channel.wanted == {"overlay"}
    recordings.stop("kart")
    until(lambda: channel.wanted == frozenset())


def idle_recording(tmp_path: Path, channel: Channel) -> Recording:
    """A recording whose thread has not started: nothing leaves its queue."""
    return Recording(channel, tmp_path, floor_bytes=0)


def test_a_full_queue_drops_the_newest_and_counts_it(tmp_path: Path, channel: Channel) -> None:
    recording = idle_recording(tmp_path, channel)
    for n in range(MAX_WAITING + 7):
        recording.take(arrival(33 * n))
    assert recording.drops == {"queue full": 7}
    recording.start()
    recording.finish()
    recording.join(30)
    assert ticks(tmp_path) == [33 * n * 90 for n in range(MAX_WAITING)]


def test_the_queue_is_bounded_in_bytes_too(tmp_path: Path, channel: Channel) -> None:
    recording = idle_recording(tmp_path, channel)
    for _ in range(4):
        recording.take(arrival(0, bytes(MAX_WAITING_BYTES // 2)))
    assert recording.drops == {"queue full": 2}
    recording.start()
    recording.finish()
    recording.join(30)
    assert recording.drops == {"queue full": 2, "unreadable": 2}


def test_state_is_plain_json(recordings: Recordings, channel: Channel) -> None:
    assert recordings.state() == []
    recording = record(recordings, channel, [arrival(at) for at in (0, 33, 66)])
    (state,) = msgspec.json.decode(msgspec.json.encode(recordings.state()))
    assert state.pop("started_at").endswith("Z")
    assert state == {
        "car": "kart",
        "folder": recording.directory.name,
        "running": False,
        "frames": 3,
        "dropped": 0,
        "drops": {},
        "written_bytes": (recording.directory / VIDEO).stat().st_size,
        "duration_s": 0.099,
        "error": "",
    }


def test_two_cars_at_once_and_leaving_closes_both(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    channels = [Channel(name, loop) for name in ("one", "two")]
    with Recordings(tmp_path, floor_bytes=0) as recordings:
        running = [start(recordings, channel) for channel in channels]
        assert set(recordings.active) == {"one", "two"}
        for at in range(0, 990, 33):
            for channel in channels:
                channel.deliver(arrival(at))
    assert [len(ticks(one.directory)) for one in running] == [30, 30]
    assert recordings.active == {}


def test_a_car_is_recorded_once_at_a_time_and_again_later(recordings: Recordings, channel: Channel) -> None:
    first = start(recordings, channel)
    with pytest.raises(RecordError, match=f"kart is being recorded already, into {first.directory}"):
        recordings.start(channel)
    recordings.stop("kart")
    second = start(recordings, channel)
    third_folder = make_folder(recordings.directory, "kart", floor_bytes=0)
    assert len({first.directory, second.directory, third_folder}) == 3


def test_stopping_what_was_never_recorded(recordings: Recordings) -> None:
    with pytest.raises(RecordError, match="kart is not being recorded"):
        recordings.stop("kart")


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


def test_a_deleted_folder_stops_the_recording_with_a_sentence(recordings: Recordings, channel: Channel) -> None:
    recording = start(recordings, channel)
    channel.deliver(arrival(0))
    until(lambda: recording.frames == 1)
    shutil.rmtree(recording.directory)
    until(lambda: not recording.running)
    channel.deliver(arrival(33))
    assert recording.error == f"the recording into {recording.directory} stopped: somebody deleted it"
    assert recordings.active == {}
    until(lambda: channel.wanted == frozenset())
    assert recordings.stop("kart") is recording
    assert recordings.state()[0]["error"] == recording.error


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


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small tmpfs takes root on Linux")
def test_a_full_disk_stops_the_recording_with_a_sentence(tmp_path: Path, channel: Channel) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount a tmpfs")
    try:
        (tmp_path / "ballast").write_bytes(bytes(200_000))
        with Recordings(tmp_path, floor_bytes=0) as recordings:
            recording = start(recordings, channel)
            for n in range(2000):
                until(partial(keeps_up, recording, n))
                channel.deliver(arrival(33 * n, noise(n % 9)))
            until(lambda: not recording.running)
            assert recording.error == f"the recording into {recording.directory} stopped: No space left on device"
            assert len(ticks(recording.directory)) >= 15
            # There may have been no room to say so in the manifest; then the next start does.
            (tmp_path / "ballast").unlink()
            recordings.recover()
            assert read_manifest(recording.directory).status in ("failed", "recovered")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_running_low_on_space_closes_the_video_properly(tmp_path: Path, channel: Channel) -> None:
    with Recordings(tmp_path, floor_bytes=0) as recordings:
        recording = start(recordings, channel)
        channel.deliver(arrival(0))
        channel.deliver(arrival(33))
        recording._session.floor_bytes = 2**62
        until(lambda: not recording.running)
    assert "make room" in recording.error
    assert ticks(recording.directory) == [0, 33 * 90]


def test_the_host_starts_without_pyav_and_numpy() -> None:
    code = "import host.record, sys; print([m for m in ('av', 'numpy', 'cv2') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"


def test_without_pyav_a_start_says_what_to_install(
    recordings: Recordings, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "host.record.movie", raising=False)
    with pytest.raises(RecordError, match=r"needs PyAV, .*: pip install 'pilotlens\[host\]'"):
        recordings.start(channel)
    assert not recordings.directory.exists()
