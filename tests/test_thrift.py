"""Thrift on a link: against a simulated link of known capacity, where the right answer is known."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

import wire
from host.record.thrift import HOLD_NS, Measure, Thrift, Window
from host.relay import Arrival
from tests.recordings import MS

SIZES = {"overlay": 12_000, "camera": 12_000, "mask": 3_000}
S = 1_000_000_000


@dataclass
class Road:
    """A car that sends its newest frame whenever the link is free, as credit makes it."""

    bytes_per_s: Callable[[float], float]
    thrift: Thrift = field(default_factory=Thrift)
    fps: float = 30.0
    made_ns: int = 5 * MS
    """From capture to leaving the car; `slow_ns` is how long making a picture takes."""
    slow_ns: int = 0
    delay_ns: int = MS
    now_ns: int = 0

    def drive(self, seconds: float) -> Iterator[tuple[Arrival, bool]]:
        """Frames as they arrive, each with whether overlays alone were asked for."""
        end_ns = self.now_ns + int(seconds * S)
        period_ns = int(S / self.fps)
        while self.now_ns < end_ns:
            seq = self.now_ns // period_ns + 1
            captured_ns = seq * period_ns
            sent_ns = captured_ns + self.made_ns + self.slow_ns
            lean = self.thrift.lean
            bytes_ = sum(size for kind, size in SIZES.items() if kind == "overlay" or not lean)
            arrived_ns = sent_ns + self.delay_ns + int(bytes_ / self.bytes_per_s(self.now_ns / S) * S)
            frame = wire.Frame(
                car="kart", session="aa", seq=seq, captured_ns=captured_ns, sent_ns=sent_ns, width=160, height=120
            )
            arrival = Arrival("kart", frame, {"overlay": b""}, captured_ns, arrived_ns, 0)
            self.thrift.see(arrival)
            yield arrival, lean
            self.now_ns = arrived_ns if arrived_ns > captured_ns + period_ns else captured_ns


def lean_share(road: Road, seconds: float) -> float:
    """For which part of the time overlays alone were asked for."""
    frames = list(road.drive(seconds))
    spent = [
        (after.received_ns - before.received_ns, lean) for (before, lean), (after, _) in itertools.pairwise(frames)
    ]
    return sum(time for time, lean in spent if lean) / sum(time for time, _ in spent)


def test_a_link_with_room_carries_everything_after_a_first_look() -> None:
    assert lean_share(Road(lambda _: 10e6), 60) < 0.06
    assert lean_share(road := Road(lambda _: 2e6), 60) < 0.06  # nearly half busy with everything
    assert not road.thrift.lean


@pytest.mark.parametrize("kilobytes_per_s", [100, 200, 400, 500])
def test_a_link_without_room_is_spared(kilobytes_per_s: int) -> None:
    road = Road(lambda _: kilobytes_per_s * 1e3)
    assert lean_share(road, 120) > 0.95


@pytest.mark.parametrize("kilobytes_per_s", [150, 300, 450])
def test_a_recording_finds_out_by_itself(kilobytes_per_s: int) -> None:
    road = Road(lambda _: kilobytes_per_s * 1e3)
    road.thrift.try_full()
    assert not road.thrift.lean
    assert lean_share(road, 10) > 0.3
    assert lean_share(road, 300) > 0.9


def test_what_is_known_already_is_not_tried_again_by_a_recording() -> None:
    road = Road(lambda _: 150e3)
    lean_share(road, 5)
    road.thrift.try_full()
    assert road.thrift.lean


def test_the_live_picture_hardly_suffers_whatever_the_link_carries() -> None:
    for kilobytes_per_s in range(60, 2000, 70):
        road = Road(lambda _, rate=kilobytes_per_s * 1e3: rate)  # type: ignore[misc]
        alone = Road(lambda _, rate=kilobytes_per_s * 1e3: rate, Thrift())  # type: ignore[misc]
        list(road.drive(30))
        frames = [arrival for arrival, _ in road.drive(120)]
        alone.thrift.see = lambda arrival: False  # type: ignore[method-assign]
        best = [arrival for arrival, _ in alone.drive(120)]
        assert len(frames) > 0.85 * len(best), kilobytes_per_s
        assert age_ms(frames) < 1.6 * age_ms(best) + 10, kilobytes_per_s


def age_ms(arrivals: list[Arrival]) -> float:
    ages = sorted(one.received_ns - one.captured_ns for one in arrivals)
    return ages[len(ages) // 2] / MS


def test_a_link_that_gets_better_is_used_and_one_that_gets_worse_is_spared() -> None:
    road = Road(lambda at_s: 200e3 if at_s < 60 else 10e6 if at_s < 200 else 200e3)
    assert lean_share(road, 60) > 0.9
    lean_share(road, HOLD_NS / S + 10)
    assert not road.thrift.lean
    assert lean_share(road, 90) < 0.1
    lean_share(road, 30)
    assert road.thrift.lean


def test_a_slow_car_is_not_helped_by_asking_for_less() -> None:
    """Maps that take half a second each: frames are rare and old, but not because of the link."""
    road = Road(lambda _: 10e6, slow_ns=500 * MS)
    assert lean_share(road, 120) < 0.1


def test_a_far_link_is_not_helped_by_asking_for_less() -> None:
    """100 ms of delay whatever is sent: it looks busy, and is asked for less now and then, for a moment."""
    road = Road(lambda _: 100e6, delay_ns=100 * MS)
    road.thrift.try_full()
    assert lean_share(road, 300) < 0.15


def test_a_window_begins_anew_with_a_restart_or_a_pause() -> None:
    def arrival(seq: int, at_ns: int, session: str = "aa") -> Arrival:
        frame = wire.Frame(
            car="kart", session=session, seq=seq, captured_ns=at_ns, sent_ns=at_ns + 5 * MS, width=4, height=4
        )
        return Arrival("kart", frame, {}, at_ns, at_ns + 15 * MS, 0)

    window = Window()
    assert [window.add(arrival(n, n * S // 10)) for n in range(20)] == [None] * 20
    assert window.add(arrival(0, 2 * S, "bb")) is None
    assert window.add(arrival(50, 5 * S, "bb")) is None
    assert [window.add(arrival(50 + 2 * n, 5 * S + n * S // 10, "bb")) for n in range(1, 20)] == [None] * 19
    measure = window.add(arrival(90, 7 * S, "bb"))
    assert measure is not None
    assert measure == pytest.approx(Measure(age_ns=15 * MS, share=0.5, busy=0.1))
