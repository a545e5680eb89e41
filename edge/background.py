"""Maps that take longer than a frame, worked out beside the drive: the newest frame wins, the pilot keeps its pace.

    worker ── newest frame it ran the pilot on ─▶ slot ─▶ this thread, a pilot of its own ─▶ publisher

What comes out is the message of the frame that went in: its picture, its map and its header belong together.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2

import wire
from edge.capture import Frame
from edge.explain import Explainer
from edge.pilot import Past
from edge.publish import Explained
from edge.slot import Slot


@dataclass(frozen=True, slots=True)
class _Job:
    frame: Frame
    past: Past
    header: wire.Frame
    wanted: frozenset[str]


class Background:
    """Enter it to start the thread, leave it to stop.

    begin: called in the thread, when the first frame comes; gives an explainer that shares its pilot with nobody.
    """

    def __init__(self, begin: Callable[[], Explainer], offer: Callable[[Explained], None]) -> None:
        self._begin = begin
        self._offer = offer
        self._slot: Slot[_Job] = Slot()
        self._thread = threading.Thread(target=self._work, name="background", daemon=True)
        self.explained = 0
        """Frames finished."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slot.close()
        self._thread.join(timeout=6)

    @property
    def replaced(self) -> int:
        """Frames a newer one came for before their turn."""
        return self._slot.replaced

    def put(self, frame: Frame, past: Past, header: wire.Frame, wanted: frozenset[str]) -> None:
        """Leave a frame the pilot has run on, what it remembered then, and what is known of it; never waits."""
        self._slot.put(_Job(frame, past, header, wanted))

    def _work(self) -> None:
        cv2.setNumThreads(1)
        explainer: Explainer | None = None
        while (job := self._slot.take()) is not None:
            explainer = explainer or self._begin()
            self._offer(explainer.explain_later(job.frame, job.past, job.header, job.wanted))
            self.explained += 1
