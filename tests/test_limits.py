"""What goes when the disk fills, and when that will be."""

from hypothesis import given
from hypothesis import strategies as st

from host.review.limits import DAY_S, Disk, Limits, Stored, forecast, surplus

NOW_S = 100 * DAY_S


def day(name: str, at: float, size_bytes: int = 10, *, kept: bool = False) -> Stored:
    return Stored(name, size_bytes, at * DAY_S, kept)


def names(gone: tuple[list[Stored], list[Stored]]) -> list[str]:
    return [one.name for one in (*gone[0], *gone[1])]


def test_without_limits_nothing_goes() -> None:
    assert surplus(Limits(), Disk(0, 100, [day("a", 1)], [day("b", 2)]), NOW_S) == ([], [])


def test_the_trash_goes_first_and_then_the_oldest() -> None:
    sessions = [day("new", 9), day("old", 1), day("middle", 5)]
    trash = [day("second", 8), day("first", 7)]
    for excess, gone in (
        (0, []),
        (1, ["first"]),
        (10, ["first"]),
        (11, ["first", "second"]),
        (21, ["first", "second", "old"]),
        (31, ["first", "second", "old", "middle"]),
        (999, ["first", "second", "old", "middle", "new"]),
    ):
        floor = surplus(Limits(floor_bytes=1000), Disk(1000 - excess, 9999, sessions, trash), NOW_S)
        assert names(floor) == gone
        if excess < 50:
            cap = surplus(Limits(max_bytes=50 - excess or 1), Disk(1000, 9999, sessions, trash), NOW_S)
            assert names(cap) == gone


def test_marked_and_open_sessions_stay_whatever_happens() -> None:
    sessions = [day("marked", 1, kept=True), day("loose", 2), day("open", 3, kept=True)]
    limits = Limits(max_bytes=1, max_days=1, floor_bytes=10**9)
    assert surplus(limits, Disk(0, 100, sessions, []), NOW_S) == ([], [day("loose", 2)])


def test_what_is_too_old_goes_though_there_is_room() -> None:
    sessions = [day("old", 69.9), day("young", 70.1), day("kept", 1, kept=True)]
    assert names(surplus(Limits(max_days=30), Disk(10**9, 10**9, sessions, [day("bin", 1)]), NOW_S)) == ["old"]


def test_what_goes_for_its_age_makes_room_too() -> None:
    sessions = [day("old", 1, 30), day("young", 99, 30)]
    gone = surplus(Limits(max_days=30, max_bytes=60), Disk(10**9, 10**9, sessions, [day("bin", 98, 30)]), NOW_S)
    assert names(gone) == ["old"]


STORED = st.builds(
    Stored, st.uuids().map(str), st.integers(0, 50), st.floats(0, 2 * NOW_S, allow_nan=False), st.booleans()
)
TRASH = STORED.map(lambda one: one._replace(kept=False))
LIMITS = st.builds(
    Limits,
    max_bytes=st.integers(0, 500),
    max_days=st.sampled_from([0.0, 1.0, 50.0]),
    floor_bytes=st.integers(0, 500),
)


def holds(limits: Limits, disk: Disk, gone: list[Stored]) -> bool:
    freed = sum(one.size_bytes for one in gone)
    capped = not limits.max_bytes or disk.used_bytes - freed <= limits.max_bytes
    return capped and disk.free_bytes + freed >= limits.floor_bytes


@given(LIMITS, st.integers(0, 600), st.lists(STORED, max_size=12), st.lists(TRASH, max_size=5))
def test_the_limits_hold_and_nothing_goes_in_vain(
    limits: Limits, free: int, sessions: list[Stored], trash: list[Stored]
) -> None:
    disk = Disk(free, 10_000, sessions, trash)
    from_trash, from_sessions = surplus(limits, disk, NOW_S)
    assert not any(one.kept for one in from_sessions)
    assert set(from_trash) <= set(trash)
    assert set(from_sessions) <= set(sessions)
    loose = [one for one in sessions if not one.kept]
    gone = [*from_trash, *from_sessions]
    assert holds(limits, disk, gone) or len(gone) == len(loose) + len(trash)
    aged = [one for one in loose if limits.max_days and NOW_S - one.since_s > limits.max_days * DAY_S]
    assert set(aged) <= set(from_sessions)
    for_room = [one for one in gone if one not in aged]
    if for_room:
        assert not holds(limits, disk, [one for one in gone if one is not for_room[-1]]), "the last was needed"
    if any(one not in aged for one in from_sessions):
        assert set(from_trash) == set(trash)
    spared = [one.since_s for one in loose if one not in from_sessions]
    assert all(one.since_s <= min(spared, default=NOW_S * 3) for one in from_sessions)


def test_a_forecast_counts_to_the_nearest_limit() -> None:
    sessions = [day("a", 1, 300), day("b", 2, 100, kept=True)]
    disk = Disk(free_bytes=1000, total_bytes=5000, sessions=sessions, trash=[day("c", 3, 50)])
    told = forecast(Limits(floor_bytes=400), disk, 10.0)
    assert (told.room_bytes, told.seconds_left, told.seconds_to_stop) == (600, 60.0, 95.0)
    assert (told.used_bytes, told.kept_bytes, told.trash_bytes) == (450, 100, 50)
    assert told.then == "then the trash and the oldest unmarked sessions make room"
    told = forecast(Limits(floor_bytes=400, max_bytes=500), disk, 10.0)
    assert (told.room_bytes, told.seconds_left, told.seconds_to_stop) == (50, 5.0, 40.0)


def test_a_forecast_says_what_happens_then() -> None:
    kept = day("a", 1, kept=True)
    for sessions, trash, then in (
        ([kept], [], "then recordings stop: nothing is left that may be deleted"),
        ([kept], [day("b", 1)], "then the trash makes room"),
        ([kept, day("c", 1)], [], "then the oldest unmarked sessions make room"),
    ):
        assert forecast(Limits(), Disk(100, 100, sessions, trash), 1.0).then == then


def test_nothing_known_of_the_rate_is_no_forecast() -> None:
    told = forecast(Limits(), Disk(100, 100, [], []), 0.0)
    assert (told.room_bytes, told.seconds_left, told.seconds_to_stop) == (100, None, None)


def test_beyond_the_limit_there_is_no_time_left() -> None:
    told = forecast(Limits(floor_bytes=500), Disk(100, 1000, [day("a", 1, 900)], []), 10.0)
    assert (told.room_bytes, told.seconds_left, told.seconds_to_stop) == (0, 0.0, 50.0)
