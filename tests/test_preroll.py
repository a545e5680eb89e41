"""What came before the start: the ring, the handing over, and what a car is asked for because of it."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.record import Recordings
from host.record.preroll import Ring, Tap, size_bytes
from host.record.session import TAPE, read_manifest
from host.record.thrift import FULL, LEAN
from host.relay import Arrival, Channel
from host.review.footage import Footage
from tests.recordings import MS, arrival, now_ms, running_loop, ticks, until, whole

JPEG = b"picture"


@pytest.fixture
def channel() -> Iterator[Channel]:
    with running_loop() as loop:
        yield Channel("kart", loop)


def headers(at_ms: float) -> Arrival:
    one = arrival(at_ms, JPEG)
    return Arrival(one.car, one.frame, {}, one.captured_ns, one.received_ns, 0)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 400), st.booleans()), max_size=60), st.integers(0, 8))
def test_a_ring_holds_the_last_seconds_as_far_as_they_fit(arrivals: list[tuple[int, int, bool]], seconds: int) -> None:
    ring = Ring(seconds, max_bytes=2000)
    came = []
    at_ms = 0
    for pause_ms, bytes_, pictured in arrivals:
        at_ms += pause_ms
        came.append(arrival(at_ms, bytes(bytes_)) if pictured else headers(at_ms))
        ring.put(came[-1])
        assert ring.held_bytes <= 2000
    kept = ring.drain(at_ms * MS)
    recent = [one for one in came if one.parts and one.received_ns >= (at_ms - 1000 * seconds) * MS and seconds]
    assert kept == recent[len(recent) - len(kept) :]
    missing = recent[: len(recent) - len(kept)]
    assert not missing or sum(map(size_bytes, [missing[-1], *kept])) > 2000
    assert (ring.drain(at_ms * MS), ring.held_bytes) == ([], 0)


def test_headers_let_go_of_what_is_old() -> None:
    ring = Ring(5)
    ring.put(arrival(1000, JPEG))
    ring.put(headers(5999))
    assert ring.held_bytes == len(JPEG)
    ring.put(headers(6001))
    assert ring.held_bytes == 0


def test_not_a_frame_is_lost_or_doubled_where_a_recording_begins(channel: Channel) -> None:
    tap = Tap(channel, 3600)
    got: list[int] = []
    begun = now_ms()

    def receive() -> None:
        for seq in range(20_000):
            tap.take(arrival(begun, JPEG, seq=seq))

    receiver = threading.Thread(target=receive)
    receiver.start()
    until(lambda: tap._ring.held_bytes > 2000 * len(JPEG))
    tap.begin(lambda one: got.append(one.frame.seq), lambda kept: got.extend(one.frame.seq for one in kept))
    receiver.join()
    assert got == list(range(20_000))


def test_a_recording_begins_before_its_start(tmp_path: Path, channel: Channel) -> None:
    with Recordings(tmp_path, floor_bytes=0, pre_roll_s=2) as recordings:
        recordings.attend(channel)
        now = now_ms()
        came = [whole(now - 5000 + 100 * n, seq=n) for n in range(50)]
        for one in came:
            channel.deliver(one)
        until(lambda: channel._sinks)
        for one in came:  # once more: the sink may not have been there
            channel.deliver(one)
        recording = recordings.start(channel)
        until(lambda: recording.frames)
        for n in range(50, 60):
            channel.deliver(whole(now + 100 * (n - 50), seq=n))
        recordings.stop("kart")
    with Footage(recording.directory / TAPE) as footage:
        seqs = [footage.entry(index).frame.seq for index in range(len(footage))]
    assert seqs == list(range(seqs[0], 60))
    assert 28 <= seqs[0] <= 49, "two seconds at ten frames a second, less what passed meanwhile"
    assert len(ticks(recording.directory)) == len(seqs)
    manifest = read_manifest(recording.directory)
    assert manifest.pre_roll_s == recording.pre_roll_s == pytest.approx((50 - seqs[0]) / 10, abs=1.0)
    assert 0 < manifest.pre_roll_s < manifest.duration_s + 1


def test_a_second_recording_has_nothing_of_the_first(tmp_path: Path, channel: Channel) -> None:
    with Recordings(tmp_path, floor_bytes=0, pre_roll_s=60) as recordings:
        seqs = []
        numbers = itertools.count()
        for _ in range(3):
            recording = recordings.start(channel)
            until(lambda: channel._sinks)
            for _ in range(5):
                channel.deliver(whole(now_ms(), seq=next(numbers)))
            recordings.stop("kart")
            for _ in range(5):
                channel.deliver(whole(now_ms(), seq=next(numbers)))
            with Footage(recording.directory / TAPE) as footage:
                seqs += [footage.entry(index).frame.seq for index in range(len(footage))]
    assert seqs == list(range(25))


def test_a_ring_makes_no_car_send_and_wants_nothing_once_nobody_watches() -> None:
    async def watch() -> None:
        channel = Channel("kart", asyncio.get_running_loop())
        tap = Tap(channel, 5)
        await asyncio.sleep(0)
        assert channel.wanted == frozenset()
        with channel.subscribe(frozenset({"mask"})):
            assert channel.wanted == {"mask"} | LEAN
            for n in range(200):  # a link that has room
                tap.take(whole(33 * n, seq=n))
            await asyncio.sleep(0)
            assert channel.wanted == FULL
        assert channel.wanted == frozenset()
        with channel.subscribe(frozenset()):  # headers are enough for this one
            assert channel.wanted == frozenset()
        tap.close()
        await asyncio.sleep(0)
        with channel.subscribe(LEAN):
            assert channel.wanted == LEAN

    asyncio.run(watch(), debug=True)


def test_without_a_pre_roll_nothing_is_kept_and_watching_costs_what_it_costs(tmp_path: Path) -> None:
    async def watch() -> None:
        channel = Channel("kart", asyncio.get_running_loop())
        tap = Recordings(tmp_path, pre_roll_s=0).attend(channel)
        await asyncio.sleep(0)
        with channel.subscribe(LEAN):
            for n in range(200):
                channel.deliver(whole(33 * n, seq=n))
            await asyncio.sleep(0)
            assert channel.wanted == LEAN
        assert tap._ring.held_bytes == 0

    asyncio.run(watch(), debug=True)


def test_attending_twice_is_attending_once(tmp_path: Path) -> None:
    async def watch() -> None:
        channel = Channel("kart", asyncio.get_running_loop())
        recordings = Recordings(tmp_path)
        assert recordings.attend(channel) is recordings.attend(channel)
        await asyncio.sleep(0)
        assert len(channel._sinks) == 1

    asyncio.run(watch(), debug=True)
