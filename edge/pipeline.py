"""A frame's way through the car: capture → newest-frame slot → pilot, map, overlay, JPEG → publisher.

    capture ─▶ slot ─▶ worker ─────────────────────────▶ publisher
                         ├─▶ slot ─▶ background ────────────▲        maps that take longer than a frame
                         └─▶ slot ─▶ check                           whether the maps tell the truth

Nobody waits for anybody downstream: capture not for the pilot, the worker not for a host nor for a slow map. What comes
too late is replaced by something newer and counted.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import cv2

from edge.background import Background
from edge.capture import Frame, Source, SourceError
from edge.explain import MAPPED, Captured, Explainer
from edge.health import read_health
from edge.methods import CATALOG
from edge.publish import Publisher
from edge.slot import Slot
from wire import Health, Look

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Pause before a source that failed is opened again."""


class Pipeline:
    """The car's threads. Enter it to start them; `ended` is set when a recording is over.

    Without a `background`, slow maps too are worked out by the worker, every frame: for recordings.
    """

    def __init__(
        self,
        source: Source,
        explainer: Explainer,
        publisher: Publisher,
        *,
        look: Look | None = None,
        background: Background | None = None,
        lossless: bool = False,
    ) -> None:
        self.look = look or Look()
        """How to explain and draw from the next frame on; replaced whole, from any thread."""
        self._background = background
        self._source = source
        self._explainer = explainer
        self._publisher = publisher
        self._slot: Slot[Captured] = Slot()
        self._leave = self._slot.hand_over if lossless else self._slot.put
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._capture, name="capture", daemon=True),
            threading.Thread(target=self._work, name="worker", daemon=True),
        ]
        self._health = Health()
        self._health_due_ns = 0
        self.ended = threading.Event()
        self.explained = 0
        """Frames the worker has finished."""

    def __enter__(self) -> Self:
        """Open the source and start. Raises SourceError."""
        self._source.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._slot.close()
        for thread in self._threads:
            thread.join(timeout=6)
        self._source.__exit__(None, None, None)

    @property
    def drops(self) -> dict[str, int]:
        """What was dropped on this car since the start, by cause; only causes that happened."""
        counts = {
            "frames replaced before the pilot": self._slot.replaced,
            "frames replaced before their slow map": self._background.replaced if self._background else 0,
            "broken frames in the source": self._source.skipped,
            **self._publisher.drops,
        }
        return {cause: count for cause, count in counts.items() if count}

    def _capture(self) -> None:
        for seq, frame in enumerate(self._frames()):
            self._leave(Captured(seq, frame))
        self._slot.close()
        self.ended.set()

    def _frames(self) -> Iterator[Frame]:
        """The source's frames until it ends or we stop; a source that fails is opened again until it works."""
        while not self._stopping.is_set():
            try:
                frame = self._source.read()
            except SourceError as why:
                self._reopen(why)
                continue
            if frame is None:
                return
            yield frame

    def _reopen(self, why: SourceError) -> None:
        log.warning("%s Trying again every %g s.", why, RETRY_S)
        self._publisher.trouble = str(why)
        while not self._stopping.wait(RETRY_S):
            self._source.__exit__(None, None, None)
            with contextlib.suppress(SourceError):
                self._source.__enter__()
                log.warning("%s is back.", self._source.name)
                self._publisher.trouble = ""
                return

    def _work(self) -> None:
        cv2.setNumThreads(1)
        while (captured := self._slot.take()) is not None:
            if not (self._source.driven or self._publisher.watched):
                continue
            look, wanted = self.look, self._publisher.wanted
            late = self._late(look, wanted)
            explained = self._explainer.explain(
                captured,
                wanted,
                look,
                late=late,
                drive=self._source.drive,
                drops=self.drops,
                health=self._newest_health(captured.frame.captured_ns),
            )
            self.explained += 1
            self._publisher.offer(explained)
            if late and self._background:
                self._background.put(captured.frame, self._explainer.past, explained.header, wanted)

    def _late(self, look: Look, wanted: frozenset[str]) -> frozenset[str]:
        """The pictures that come from the background."""
        slow = self._background and CATALOG[look.method].slow and not self._explainer.refusal(look)
        return wanted & MAPPED if slow else frozenset()

    def _newest_health(self, now_ns: int) -> Health:
        if now_ns >= self._health_due_ns:
            self._health, self._health_due_ns = read_health(), now_ns + 1_000_000_000
        return self._health
