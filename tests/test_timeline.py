"""Where frames stand in a video: the car's own intervals, on the host's clock."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire
from host.record.session import TICKS_HZ
from host.record.timeline import Timeline
from host.relay import Arrival
from tests.recordings import MS, arrival


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


def test_where_an_arrival_will_stand_is_known_before_it_is_placed() -> None:
    timeline = Timeline()
    assert timeline.tick_of(arrival(1000)) == 0
    timeline.place(arrival(1000, offset_ns=500 * MS))
    later = arrival(1450, offset_ns=550 * MS)
    restarted = arrival(3000, session="bb", offset_ns=2999 * MS)
    told = timeline.tick_of(later), timeline.tick_of(restarted), timeline.tick_of(arrival(900, session="bb"))
    assert told == (timeline.place(later), timeline.place(restarted), 0)
