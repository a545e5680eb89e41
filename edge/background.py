"""Maps that take longer than a frame, worked out beside the drive: the newest frame wins, the pilot keeps its pace.

    worker ── newest frame it ran the pilot on ─▶ slot ─▶ this thread, a pilot of its own ─▶ publisher

What comes out is the message of the frame that went in: its picture, its map and its header belong together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import wire
from edge.beside import Beside
from edge.capture import Frame
from edge.explain import Explainer
from edge.pilot import Past
from edge.publish import Explained


@dataclass(frozen=True, slots=True)
class _Job:
    frame: Frame
    past: Past
    header: wire.Frame
    wanted: frozenset[str]


class Background(Beside[_Job]):
    """begin: called in the thread, when the first frame comes; gives an explainer that shares its pilot with nobody."""

    def __init__(self, begin: Callable[[], Explainer], offer: Callable[[Explained], None]) -> None:
        super().__init__("background")
        self._begin = begin
        self._offer = offer
        self.explained = 0
        """Frames finished."""

    def put(self, frame: Frame, past: Past, header: wire.Frame, wanted: frozenset[str]) -> None:
        """Leave a frame the pilot has run on, what it remembered then, and what is known of it; never waits."""
        self._slot.put(_Job(frame, past, header, wanted))

    def work(self, item: _Job) -> None:
        self._offer(self._explainer.explain_later(item.frame, item.past, item.header, item.wanted))
        self.explained += 1

    @cached_property
    def _explainer(self) -> Explainer:
        return self._begin()
