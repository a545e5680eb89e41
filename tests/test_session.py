"""Sessions on the disk: times, manifests, and what a crash leaves."""

import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire
from host.record import RecordError, Recordings
from host.record.session import MANIFEST, TICKS_HZ, VIDEO, Timeline, read_manifest, write_manifest
from host.relay import Arrival, Channel
from tests.recordings import MS, RED, arrival, film, jpeg, killed, running_loop, start, ticks, until


def test_estimating_the_clock_better_does_not_move_frames() -> None:
    timeline = Timeline()
    offsets_ms = [500, 498, 521, 430, 505]
    places = [timeline.place(arrival(100 * n + offset, offset_ns=offset * MS)) for n, offset in enumerate(offsets_ms)]
    assert places == [n * 100 * 90 for n in range(5)]


def test_a_clock_that_drifted_away_is_placed_anew() -> None:
    timeline = Timeline()
    timeline.place(arrival(1000, offset_ns=0))
    assert timeline.place(arrival(3000, offset_ns=900 * MS)) == 2000 * 90


@pytest.mark.parametrize("age_ns", [-2_000_000_000, 31_000_000_000, -(2**62)])
def test_capture_times_that_cannot_be_true_have_no_place(age_ns: int) -> None:
    timeline = Timeline()
    assert timeline.place(arrival(10_000, age_ns=age_ns)) is None
    assert timeline.place(arrival(10_000)) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**63 - 1) | st.integers(0, 10**10),
            st.integers(-(2**63), 2**63) | st.integers(0, 10**10),
            st.integers(0, 10**11),
            st.sampled_from(["aa", "bb"]),
        )
    )
)
def test_whatever_arrives_places_only_grow(clocks: list[tuple[int, int, int, str]]) -> None:
    timeline = Timeline()
    placed, received_ns = [], 0
    for car_ns, offset_ns, pause_ns, session in clocks:
        received_ns += pause_ns
        frame = wire.Frame(car="kart", session=session, seq=0, captured_ns=car_ns, sent_ns=car_ns, width=1, height=1)
        place = timeline.place(Arrival("kart", frame, {}, car_ns + offset_ns, received_ns, 0))
        if place is not None:
            placed.append(place)
    assert placed[:1] in ([], [0])
    assert all(earlier < later for earlier, later in itertools.pairwise(placed))
    assert not placed or placed[-1] <= (received_ns + 32 * 10**9) * TICKS_HZ // 10**9


def test_a_restarted_car_goes_on_along_the_same_time_line(tmp_path: Path) -> None:
    before = [arrival(at, session="aa", offset_ns=0) for at in (5000, 5033)]
    after = [arrival(at, session="bb", offset_ns=5900 * MS) for at in (6000, 6033)]
    recording = film(tmp_path, [*before, *after])
    assert ticks(recording.directory) == [0, 33 * 90, 1000 * 90, 1033 * 90]
    manifest = read_manifest(recording.directory)
    assert manifest.restarts == 1
    assert manifest.session == "aa"


def test_the_manifest_says_what_happened(tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings:
        channel = Channel("kart", loop)
        recording = start(recordings, channel)
        assert read_manifest(recording.directory).status == "recording"
        for at in (5000, 5033, 5033, 5066):
            channel.deliver(arrival(at, jpeg(RED, 161, 121), session="c0ffee", offset_ns=3000 * MS))
        until(lambda: recording.frames == 3)
        running = read_manifest(recording.directory)
        assert (running.status, running.session, running.frames) == ("recording", "c0ffee", 0)
        recordings.stop("kart")
    manifest = read_manifest(recording.directory)
    assert manifest == msgspec.structs.replace(
        running, status="complete", frames=3, dropped=1, drops={"time": 1}, duration_s=0.099
    )
    assert (manifest.car, manifest.width, manifest.height) == ("kart", 162, 122)
    assert (manifest.captured_ns, manifest.clock_offset_ns, manifest.clock_error_ns) == (2000 * MS, 3000 * MS, 1000)
    assert manifest.started_at.endswith("Z")
    assert {file.name for file in recording.directory.iterdir()} == {MANIFEST, VIDEO}


def test_no_frame_at_all_is_a_failed_session(tmp_path: Path) -> None:
    recording = film(tmp_path, [])
    manifest = read_manifest(recording.directory)
    assert (manifest.status, manifest.reason) == ("failed", "no frame arrived that could be recorded")


def test_kill_loses_at_most_a_second_and_is_recovered(tmp_path: Path) -> None:
    folder = killed(tmp_path)
    before = (folder / VIDEO).read_bytes()
    times = ticks(folder)
    assert times == [33 * n * 90 for n in range(len(times))]
    assert 155 - len(times) <= 1000 / 33
    with Recordings(tmp_path) as recordings:
        ((found, manifest),) = recordings.recover()
        assert recordings.recover() == []
    assert found == folder
    assert manifest == read_manifest(folder)
    assert (manifest.status, manifest.frames, manifest.dropped) == ("recovered", len(times), None)
    assert manifest.duration_s == pytest.approx(len(times) * 0.033, abs=0.005)
    assert (folder / VIDEO).read_bytes() == before


@pytest.mark.parametrize("video", [None, b"", b"rubbish" * 1000])
def test_a_session_without_a_readable_frame_is_kept_and_marked(tmp_path: Path, video: bytes | None) -> None:
    folder = film(tmp_path, [arrival(0)]).directory
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), status="recording"))
    (folder / VIDEO).unlink()
    if video is not None:
        (folder / VIDEO).write_bytes(video)
    with Recordings(tmp_path) as recordings:
        ((_, manifest),) = recordings.recover()
    assert (manifest.status, manifest.reason) == ("failed", "overlay.mp4 has no readable frame")
    assert (folder / VIDEO).exists() == (video is not None)


def test_recovering_passes_over_what_is_no_session(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST).write_text("{")
    (tmp_path / "file").touch()
    with Recordings(tmp_path) as recordings:
        assert recordings.recover() == []
    with pytest.raises(RecordError, match="no session manifest"):
        read_manifest(tmp_path / "broken")
    assert Recordings(tmp_path / "nowhere").recover() == []
