"""Recording by itself: as a car comes, goes, and comes back."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.record import Appearing, Recordings
from host.record.session import read_manifest
from host.relay import Arrival, Channel
from tests.recordings import meanwhile, now_ms, running_loop, ticks, until, whole

SILENT_S = 60.0


def appearing(recordings: Recordings, *channels: Channel) -> contextlib.AbstractContextManager[None]:
    """Recording by itself for the length of a block."""
    return meanwhile(channels[0].loop, Appearing(recordings, channels, SILENT_S).run())


class Car:
    """Sends what is wanted, like a car: headers alone while that is nothing. It is there until it leaves."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.seq = 0

    def send(self, frames: int = 1) -> None:
        """Frames of the next hour: however slow the machine is, the car was heard of just now."""
        for _ in range(frames):
            self.seq += 1
            self._deliver(whole(now_ms() + 3_600_000, seq=self.seq), self.channel.wanted)
            threading.Event().wait(0.01)

    def leave(self) -> None:
        """The last that was heard of it is long ago."""
        self._deliver(whole(0), frozenset())

    def send_until(self, happened: Callable[[], object]) -> None:
        def sent() -> object:
            self.send()
            return happened()

        until(sent)

    def _deliver(self, one: Arrival, wanted: frozenset[str]) -> None:
        parts = {kind: data for kind, data in one.parts.items() if kind in wanted}
        self.channel.deliver(Arrival(one.car, one.frame, parts, one.captured_ns, one.received_ns, 0))


@pytest.fixture
def channel() -> Iterator[Channel]:
    with running_loop() as loop:
        yield Channel("kart", loop)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    with Recordings(tmp_path / "sessions", floor_bytes=0) as recordings:
        yield recordings


def test_a_car_is_recorded_while_it_is_there_each_time_anew(recordings: Recordings, channel: Channel) -> None:
    car = Car(channel)
    folders = []
    with appearing(recordings, channel):
        for _ in range(2):
            assert recordings.active == {}
            car.send_until(lambda: recordings.active and recordings.active["kart"].frames > 3)
            folders.append(recordings.active["kart"].directory)
            car.leave()
            until(lambda: not recordings.active)
            until(lambda: not channel.wanted)
    assert len({*folders}) == 2
    assert sorted(recordings.directory.iterdir()) == sorted(folders)
    for folder in folders:
        assert read_manifest(folder).status == "complete"
        assert len(ticks(folder)) > 3


def test_no_car_no_session(recordings: Recordings, channel: Channel) -> None:
    with appearing(recordings, channel):
        threading.Event().wait(0.5)
    assert not recordings.directory.exists()


def test_a_car_that_sends_headers_and_no_picture_leaves_no_session(recordings: Recordings, channel: Channel) -> None:
    with appearing(recordings, channel):
        car = Car(channel)
        car.send()  # nobody wanted a picture yet
        until(lambda: recordings.active)
        car.leave()
        until(lambda: not recordings.active)
    assert list(recordings.directory.iterdir()) == []


def test_what_somebody_stopped_stays_stopped_until_the_car_has_been_away(
    recordings: Recordings, channel: Channel
) -> None:
    car = Car(channel)
    with appearing(recordings, channel):
        car.send_until(lambda: recordings.active and recordings.active["kart"].frames)
        recordings.stop("kart")
        car.send(60)
        assert recordings.active == {}
        car.leave()
        threading.Event().wait(0.5)
        car.send_until(lambda: recordings.active)


def test_each_car_for_itself(recordings: Recordings, channel: Channel) -> None:
    other = Channel("other", channel.loop)
    one, two = Car(channel), Car(other)
    with appearing(recordings, channel, other):
        one.send_until(lambda: set(recordings.active) == {"kart"} and recordings.active["kart"].frames)

        def both() -> bool:
            two.send()
            return set(recordings.active) == {"kart", "other"} and recordings.active["other"].frames > 0

        one.send_until(both)
        one.leave()
        two.send_until(lambda: set(recordings.active) == {"other"})


def test_what_cannot_be_started_is_said_and_tried_again(
    tmp_path: Path, channel: Channel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.record.appear.RETRY_S", 0.2)
    (tmp_path / "taken").touch()
    car = Car(channel)
    with Recordings(tmp_path / "taken", floor_bytes=0) as recordings, appearing(recordings, channel):
        with caplog.at_level(logging.ERROR):
            car.send_until(lambda: "choose another directory" in caplog.text)
        assert "choose another directory" in str(recordings.state()[0]["error"])
        (tmp_path / "taken").unlink()
        car.send_until(lambda: recordings.active and recordings.active["kart"].frames)
        assert recordings.state()[0]["error"] == ""
