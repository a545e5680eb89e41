"""Whether a car's link has room for the camera and mask pictures that are recorded beside the live picture.

    all parts ──worse than overlay alone was, twice──▶ overlay alone, for one window
        ▲                                                   │ was it the parts?
        ├──no: not asked again for a while──────────────────┤
        └──after a while, where there is room──────────────yes

The link is judged by the frames that come through it: how old they are, how many of those captured arrive, and for
which part of the time one is under way. Only a link that is busy can be helped by asking for less.
"""

import statistics
from typing import NamedTuple

from host.relay import Arrival

LEAN = frozenset({"overlay"})
FULL = frozenset({"overlay", "camera", "mask"})

WINDOW_NS = 2_000_000_000
"""What is judged at a time; longer while fewer than MIN_FRAMES came."""
MIN_FRAMES = 8
SETTLE_NS = 500_000_000
"""After asking for something else, frames asked for before still come."""
PAUSE_NS = 1_500_000_000
"""After a longer time without a frame the link is another one, for all that is known."""
BUSY = 0.4
"""A link on which frames are under way for less of the time does not delay them."""
ROOM = 0.3
"""A link that is busier with overlays alone has no room for three pictures."""
WORSE = 0.9
"""Fewer frames than this share of what came by overlay alone is rarer."""
OLDER, OLDER_NS = 1.5, 10_000_000
"""Older by this factor and this time is older."""
HOLD_NS, MAX_HOLD_NS = 30_000_000_000, 480_000_000_000
"""How long an answer is believed: longer each time it stays the same."""


class Measure(NamedTuple):
    """What a link did for the length of a window."""

    age_ns: float
    """From the capture of a frame to its arrival; median."""
    share: float
    """Of the frames captured, those that arrived."""
    busy: float
    """Time that frames were under way, per time."""

    def worse_than(self, lean: "Measure") -> bool:
        """Whether the live picture suffers, compared with how it was by overlay alone."""
        rarer = self.share < WORSE * lean.share
        older = self.age_ns > OLDER * lean.age_ns + OLDER_NS
        return self.busy > BUSY and (rarer or older)


class Window:
    """Collects arrivals until they say something about the link."""

    def __init__(self) -> None:
        self._first: Arrival | None = None
        self._last: Arrival | None = None
        self._ages_ns: list[int] = []
        self._under_way_ns = 0

    def add(self, arrival: Arrival) -> Measure | None:
        """A Measure when enough has come. A restart or a long pause begins anew."""
        first, last = self._first, self._last
        if first is None or last is None or _another(last, arrival):
            self.__init__()  # type: ignore[misc]
            self._first = self._last = arrival
            return None
        self._last = arrival
        frame = arrival.frame
        age_ns = arrival.received_ns - arrival.captured_ns
        self._ages_ns.append(age_ns)
        self._under_way_ns += max(0, age_ns - (frame.sent_ns - frame.captured_ns))
        lasted_ns = arrival.received_ns - first.received_ns
        if lasted_ns < WINDOW_NS or len(self._ages_ns) < MIN_FRAMES:
            return None
        captured = frame.seq - first.frame.seq
        return Measure(
            statistics.median(self._ages_ns), len(self._ages_ns) / max(1, captured), self._under_way_ns / lasted_ns
        )


class Thrift:
    """Decides what to ask a car for, from what arrives; times are the arrivals'. Not for several threads."""

    def __init__(self) -> None:
        self.lean = True
        """Ask for overlays alone. So it begins: the link shows first what it can do."""
        self._window = Window()
        self._with: Measure | None = None
        self._without: Measure | None = None
        self._strikes = 0
        self._hold_ns = HOLD_NS
        self._settled_ns = 0
        self._due_ns = 0

    @property
    def known(self) -> bool:
        """Whether it has been seen what the link does with overlays alone."""
        return self._without is not None

    def try_full(self) -> None:
        """Ask for everything, unless it is known that there is no room."""
        if not self.known:
            self._ask(lean=False, now_ns=0)

    def see(self, arrival: Arrival) -> bool:
        """Take an arrival into account; True where something else is to be asked for now."""
        now_ns = arrival.received_ns
        if now_ns < self._settled_ns:
            return False
        measure = self._window.add(arrival)
        if measure is None:
            return False
        self._window = Window()
        return self._judge_lean(measure, now_ns) if self.lean else self._judge_full(measure, now_ns)

    def _judge_full(self, measure: Measure, now_ns: int) -> bool:
        suffers = measure.worse_than(self._without) if self._without else measure.busy > BUSY
        self._with = measure
        self._strikes = self._strikes + 1 if suffers else 0
        if self._strikes < 2 or now_ns < self._due_ns:
            return False
        self._due_ns = now_ns
        return self._ask(lean=True, now_ns=now_ns)

    def _judge_lean(self, measure: Measure, now_ns: int) -> bool:
        """Back to everything: when that did not make it worse, or after a while."""
        self._without, before, self._with = measure, self._with, None
        if before is not None and before.worse_than(measure):
            self._due_ns = now_ns + self._hold_ns
            self._hold_ns = min(2 * self._hold_ns, MAX_HOLD_NS)
            return False
        if before is not None:  # it was not the parts: do not ask again for a while
            self._due_ns = now_ns + self._hold_ns
            self._hold_ns = min(2 * self._hold_ns, MAX_HOLD_NS)
            return self._ask(lean=False, now_ns=now_ns)
        if now_ns < self._due_ns or measure.busy > ROOM:
            return False
        return self._ask(lean=False, now_ns=now_ns)

    def _ask(self, *, lean: bool, now_ns: int) -> bool:
        self.lean = lean
        self._strikes = 0
        self._window = Window()
        self._settled_ns = now_ns + SETTLE_NS
        return True


def _another(last: Arrival, arrival: Arrival) -> bool:
    """Whether this arrival tells of other circumstances than the last one."""
    return (
        arrival.frame.session != last.frame.session
        or arrival.frame.seq <= last.frame.seq
        or arrival.received_ns - last.received_ns > PAUSE_NS
    )
