"""Recordings: what is taken, dropped, said and marked."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

import wire
from host.record import RecordError, Recording, Recordings
from host.record.notes import read_notes
from host.record.preroll import Tap
from host.record.recording import MAX_WAITING, MAX_WAITING_BYTES
from host.record.session import TAPE, TICKS_HZ, VIDEO, make_folder, read_manifest
from host.record.writer import Writer
from host.relay import Arrival, Channel
from host.review.footage import Footage
from tests.recordings import MS, ROOT, arrival, jpeg, noise, record, running_loop, start, ticks, until, whole


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


def test_the_car_is_asked_for_every_picture_only_while_recording(recordings: Recordings, channel: Channel) -> None:
    assert channel.wanted == frozenset()
    start(recordings, channel)
    assert channel.wanted == {"overlay", "camera", "mask"}
    recordings.stop("kart")
    until(lambda: channel.wanted == frozenset())


def idle_recording(tmp_path: Path, channel: Channel) -> Recording:
    """A recording whose thread has not started: nothing leaves its queue."""
    return Recording(Tap(channel, 0), tmp_path, Writer(tmp_path, "kart"), floor_bytes=0)


def run_to_the_end(recording: Recording) -> None:
    recording.start()
    recording.finish()
    recording.join(30)


def test_a_full_queue_drops_the_newest_and_counts_it(tmp_path: Path, channel: Channel) -> None:
    recording = idle_recording(tmp_path, channel)
    for n in range(MAX_WAITING + 7):
        recording.take(arrival(33 * n))
    assert recording.drops == {"queue full": 7}
    run_to_the_end(recording)
    assert ticks(tmp_path) == [33 * n * 90 for n in range(MAX_WAITING)]


def test_the_queue_is_bounded_in_bytes_too(tmp_path: Path, channel: Channel) -> None:
    recording = idle_recording(tmp_path, channel)
    recording.take(arrival(0))
    for _ in range(4):
        recording.take(arrival(0, bytes(MAX_WAITING_BYTES // 2 - 10_000)))
    assert recording.drops == {"queue full": 2}
    run_to_the_end(recording)
    assert recording.drops == {"queue full": 2, "unreadable": 2}


def test_what_waits_covers_four_seconds_at_the_largest_frames_that_are_usual() -> None:
    usual_bytes = 2 * 100_000 + 20_000  # overlay and camera at 640×480, and a mask
    assert min(MAX_WAITING, MAX_WAITING_BYTES // usual_bytes) >= 4 * 60


def test_both_files_hold_the_same_frames(recordings: Recordings, channel: Channel) -> None:
    arrivals = [whole(33 * n, seq=n, session="ab") for n in range(40)]
    recording = record(recordings, channel, [*arrivals[:20], arrivals[3], arrival(33 * 20, b"rubbish"), *arrivals[20:]])
    with Footage(recording.directory / TAPE) as footage:
        assert list(footage.ticks) == ticks(recording.directory) == [33 * n * 90 for n in range(40)]
        for index, one in enumerate(arrivals):
            assert footage.picture(index, "camera") == one.parts["camera"]
            assert footage.picture(index, "mask") == one.parts["mask"]
            assert footage.entry(index).frame == msgspec.structs.replace(one.frame, parts=[])
    assert recording.drops == {"time": 1, "unreadable": 1}
    assert read_manifest(recording.directory).parts == ["overlay", "camera", "mask"]


def test_what_happened_meanwhile_is_on_the_tape(recordings: Recordings, channel: Channel) -> None:
    look = wire.Look(method="edges", gamma=0.7)
    other = arrival(4000, seq=3)
    changed = Arrival(
        "kart", msgspec.structs.replace(other.frame, look=look), other.parts, other.captured_ns, 4000 * MS, 0
    )
    recording = record(
        recordings,
        channel,
        [whole(0), whole(40, seq=1), arrival(1040, seq=2), changed, whole(4033, session="bb")],
    )
    with Footage(recording.directory / TAPE) as footage:
        said = [(event.tick // 90, event.kind, event.text) for event in footage.events()]
        start_ns = footage.entry(0).unix_ns
        assert [footage.entry(n).unix_ns - start_ns for n in range(5)] == [at * MS for at in (0, 40, 1040, 4000, 4033)]
    assert said == [
        (1040, "trouble", "no camera pictures: the link has no room from here on"),
        (1040, "gap", "no picture for 3.0 s"),
        (4000, "look", "method: edges, gamma: 0.7"),
        (4033, "restart", "the car came back as a new process"),
        (4033, "look", "method: visualbackprop, gamma: 0.5"),
        (4033, "trouble", "camera pictures again from here on"),
    ]
    manifest = read_manifest(recording.directory)
    assert (manifest.gaps, manifest.restarts, recording.gaps) == (1, 1, 1)
    assert manifest.overlay_only_s == 2.0
    assert abs((manifest.start_unix_ns or 0) - start_ns) < 2


def test_a_bookmark_is_where_the_newest_picture_is(recordings: Recordings, channel: Channel) -> None:
    recording = start(recordings, channel)
    with pytest.raises(RecordError, match="nothing of kart is being recorded that could be marked"):
        recordings.bookmark("kart")
    for n in range(10):
        channel.deliver(arrival(5000 + 33 * n, offset_ns=4000 * MS))
    until(lambda: recording.frames == 10)
    first = recordings.bookmark("kart", "  the\nhairpin ")
    channel.deliver(arrival(8000, offset_ns=4100 * MS))  # the clocks are known better now
    second = recordings.bookmark("kart")
    recordings.stop("kart")
    assert (first.label, first.time_s, second.time_s) == ("the hairpin", 0.297, 2.9)
    assert read_notes(recording.directory).bookmarks == [first, second]
    with Footage(recording.directory / TAPE) as footage:
        marks = [event for event in footage.events() if event.kind == "bookmark"]
        assert [(mark.tick, mark.text) for mark in marks] == [(round(0.297 * TICKS_HZ), "the hairpin"), (261_000, "")]
        assert footage.index_at(marks[0].tick) == 9
    with pytest.raises(RecordError, match="start a recording first"):
        recordings.bookmark("kart")
    with pytest.raises(RecordError, match="other is not being recorded"):
        recordings.bookmark("other")


def test_a_long_recording_goes_on_in_another_session_without_a_frame_between(tmp_path: Path, channel: Channel) -> None:
    with Recordings(tmp_path, floor_bytes=0, max_session_s=2) as recordings:
        seen = {start(recordings, channel)}

        def written(frames: int) -> bool:
            seen.update(recordings.active.values())
            return sum(one.frames for one in seen) >= frames

        for n in range(200):
            channel.deliver(arrival(1000 + 33 * n, noise(n % 5, 32, 24), seq=n))
            until(partial(written, n + 1))
        newest = recordings.stop("kart")
        until(lambda: not channel.wanted)
    folders = sorted(tmp_path.iterdir(), key=lambda folder: read_manifest(folder).start_unix_ns or 0)
    assert len(folders) >= 3
    assert newest.directory == folders[-1]
    seqs = []
    for folder in folders:
        with Footage(folder / TAPE) as footage:
            seqs += [footage.entry(index).frame.seq for index in range(len(footage))]
    assert seqs == list(range(200))
    manifests = [read_manifest(folder) for folder in folders]
    assert [one.follows for one in manifests] == ["", *(folder.name for folder in folders[:-1])]
    assert {one.status for one in manifests} == {"complete"}


def test_a_car_that_comes_back_with_another_pilot_gets_another_session(tmp_path: Path, channel: Channel) -> None:
    said = wire.Status(car="kart", session="aa", ping_ns=0, received_ns=0, sent_ns=0)
    pilots = ["1" * 64, "", "1" * 64, "2" * 64]
    with Recordings(tmp_path, floor_bytes=0) as recordings:
        seen = {start(recordings, channel)}

        def written(frames: int, sessions: int) -> bool:
            seen.update(recordings.active.values())
            return sum(one.frames for one in seen) == frames and len(seen) == sessions

        for n in range(40):
            channel.link.status = msgspec.structs.replace(said, pilot=f"pilot {n // 10}", pilot_sha256=pilots[n // 10])
            channel.deliver(arrival(1000 + 33 * n, session=f"a{n // 10}", seq=n))
            until(partial(written, n + 1, 1 if n < 30 else 2))
        recordings.stop("kart")
        until(lambda: not channel.wanted)
    first, second = sorted(map(read_manifest, tmp_path.iterdir()), key=lambda one: one.start_unix_ns or 0)
    assert (first.pilot, first.pilot_sha256, first.frames, first.restarts) == ("pilot 0", "1" * 64, 31, 3)
    assert (second.pilot, second.pilot_sha256, second.frames) == ("pilot 3", "2" * 64, 9)
    assert (first.status, second.status, bool(second.follows)) == ("complete", "complete", True)


def test_stopping_while_it_goes_on_in_another_session_stops_that_too(tmp_path: Path, channel: Channel) -> None:
    for at in range(5):
        with Recordings(tmp_path, floor_bytes=0, max_session_s=0.1) as recordings:
            start(recordings, channel)
            for n in range(3 + at):
                channel.deliver(arrival(10_000 * at + 33 * n))
            recordings.stop("kart")
            until(lambda: not recordings.active and not channel.wanted)
    until(lambda: {read_manifest(folder).status for folder in tmp_path.iterdir()} == {"complete"})


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
        "written_bytes": sum((recording.directory / name).stat().st_size for name in (VIDEO, TAPE)),
        "bytes_per_s": 0,
        "duration_s": 0.099,
        "pre_roll_s": 0,
        "bookmarks": 0,
        "gaps": 0,
        "thrift": "",
        "trouble": "",
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
    channel.deliver(arrival(0))
    recordings.stop("kart")
    assert recordings.state()[0]["error"] == ""
    second = start(recordings, channel)
    third_folder = make_folder(recordings.directory, "kart", floor_bytes=0)
    assert len({first.directory, second.directory, third_folder}) == 3


def test_stopping_what_was_never_recorded(recordings: Recordings) -> None:
    with pytest.raises(RecordError, match="kart is not being recorded"):
        recordings.stop("kart")


def test_the_host_starts_without_pyav_and_numpy() -> None:
    code = "import host.record, sys; print([m for m in ('av', 'numpy', 'cv2') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"


def test_without_pyav_a_start_says_what_to_install(
    recordings: Recordings, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for module in ("movie", "writer"):
        monkeypatch.delitem(sys.modules, f"host.record.{module}", raising=False)
    with pytest.raises(RecordError, match=r"needs PyAV and mcap, .*: pip install '\.\[host\]'") as refused:
        recordings.start(channel)
    (state,) = recordings.state()
    assert (state["error"], state["folder"], state["running"]) == (str(refused.value), "", False)
    assert not recordings.directory.exists()
