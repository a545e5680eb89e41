"""How much of the disk sessions may take, what goes when they take more, and when that will be.

    free ────────────────────────────────────┐ floor_bytes stay free
    │ others │ sessions and trash │   room   │█████│
                 at most max_bytes

What goes: sessions older than max_days; then, until there is room, the trash (what was deleted first goes first) and
the oldest sessions. A session that is marked or still being recorded never goes.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

DAY_S = 86_400


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What sessions may take; 0 sets no limit."""

    max_bytes: int = 0
    max_days: float = 0.0
    floor_bytes: int = 0
    """Space that stays free on the disk."""


class Stored(NamedTuple):
    """A session as far as the disk is concerned."""

    name: str
    size_bytes: int
    since_s: float
    """Unix time at which it was recorded; of one in the trash, at which it was deleted."""
    kept: bool = False
    """It is marked, or still being recorded."""


class Disk(NamedTuple):
    """What is there: all in bytes, sessions and trash one by one."""

    free_bytes: int
    total_bytes: int
    sessions: Sequence[Stored]
    trash: Sequence[Stored]

    @property
    def used_bytes(self) -> int:
        return _sum(self.sessions) + _sum(self.trash)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Where the disk stands and what comes next."""

    free_bytes: int
    total_bytes: int
    used_bytes: int
    """By sessions, those in the trash included."""
    trash_bytes: int
    kept_bytes: int
    """By sessions that are marked or being recorded: these never make room."""
    room_bytes: int
    """What can be recorded until a limit is reached."""
    bytes_per_s: float
    """What is written now, or what the last sessions wrote when nothing is."""
    seconds_left: float | None
    """Until a limit is reached; None where nothing is known of the rate."""
    seconds_to_stop: float | None
    """Until recordings stop, there being nothing left that may be deleted."""
    then: str
    """What happens when the limit is reached, in one sentence."""


def surplus(limits: Limits, disk: Disk, now_s: float) -> tuple[list[Stored], list[Stored]]:
    """What has to go for the limits to hold: of the trash, and of the sessions."""
    loose = [one for one in disk.sessions if not one.kept]
    aged = {one.name for one in loose if limits.max_days and one.since_s < now_s - limits.max_days * DAY_S}
    sessions = [one for one in loose if one.name in aged]
    excess = _excess_bytes(limits, disk) - _sum(sessions)
    trash, excess = _oldest(disk.trash, excess)
    more, _ = _oldest([one for one in loose if one.name not in aged], excess)
    return trash, sessions + more


def forecast(limits: Limits, disk: Disk, bytes_per_s: float) -> Forecast:
    """Where this goes at that rate; 0 for a rate that is not known."""
    loose_bytes = _sum(disk.trash) + _sum(one for one in disk.sessions if not one.kept)
    room_bytes = -_excess_bytes(limits, disk)
    return Forecast(
        free_bytes=disk.free_bytes,
        total_bytes=disk.total_bytes,
        used_bytes=disk.used_bytes,
        trash_bytes=_sum(disk.trash),
        kept_bytes=disk.used_bytes - loose_bytes,
        room_bytes=max(0, room_bytes),
        bytes_per_s=bytes_per_s,
        seconds_left=_seconds(room_bytes, bytes_per_s),
        seconds_to_stop=_seconds(room_bytes + loose_bytes, bytes_per_s),
        then=_then(disk),
    )


def _excess_bytes(limits: Limits, disk: Disk) -> int:
    """How far beyond the nearest limit things are; negative: how far it is away."""
    beyond = limits.floor_bytes - disk.free_bytes
    return max(beyond, disk.used_bytes - limits.max_bytes) if limits.max_bytes else beyond


def _oldest(stored: Iterable[Stored], excess_bytes: int) -> tuple[list[Stored], int]:
    """The oldest of these that make up for the excess, and what excess remains."""
    gone = []
    for one in sorted(stored, key=lambda one: (one.since_s, one.name)):
        if excess_bytes <= 0:
            break
        gone.append(one)
        excess_bytes -= one.size_bytes
    return gone, excess_bytes


def _then(disk: Disk) -> str:
    sessions = "the oldest unmarked sessions" if any(not one.kept for one in disk.sessions) else ""
    what = " and ".join(filter(None, ["the trash" if disk.trash else "", sessions]))
    if not what:
        return "then recordings stop: nothing is left that may be deleted"
    return f"then {what} {'make' if sessions else 'makes'} room"


def _seconds(room_bytes: int, bytes_per_s: float) -> float | None:
    return round(max(0, room_bytes) / bytes_per_s, 1) if bytes_per_s > 0 else None


def _sum(stored: Iterable[Stored]) -> int:
    return sum(one.size_bytes for one in stored)
