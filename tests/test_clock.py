"""The clock filter against simulated links whose truth is known."""

import random

from hypothesis import given
from hypothesis import strategies as st

from host.clock import SAMPLES, ClockFilter

MS = 1_000_000


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.tuples(st.integers(0, 500 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=99),
)
def test_the_offset_is_never_further_off_than_it_says(offset_ns: int, ways: list[tuple[int, int]]) -> None:
    """Whatever the two ways take, the true offset lies within ± error."""
    clock, now_ns = ClockFilter(), 10**16
    for up_ns, down_ns in ways:
        received_ns = now_ns + up_ns - offset_ns
        sent_ns = received_ns + MS
        assert clock.add(now_ns, received_ns, sent_ns, sent_ns + offset_ns + down_ns)
        now_ns += 500 * MS
    best = clock.best
    assert best is not None
    assert abs(best.offset_ns - offset_ns) <= best.error_ns + 1
    assert best.round_trip_ns == min(up + down for up, down in ways[-SAMPLES:])


def test_one_quick_ping_among_slow_ones_is_believed() -> None:
    clock, rng = ClockFilter(), random.Random(1)
    for number in range(20):
        slow_ns = 1 * MS if number == 7 else rng.randrange(50, 200) * MS
        clock.add(0, 5 * MS, 5 * MS, slow_ns)
    assert clock.best is not None
    assert clock.best.round_trip_ns == 1 * MS


def test_what_cannot_be_is_not_taken_in() -> None:
    clock = ClockFilter()
    assert not clock.add(100, 50, 60, 90)
    assert not clock.add(0, 50, 40, 90)
    assert clock.best is None


def test_after_a_reset_nothing_is_known() -> None:
    clock = ClockFilter()
    assert clock.add(0, 1, 2, 9)
    clock.reset()
    assert clock.best is None
