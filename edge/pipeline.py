"""A frame's way through the car: capture → newest-frame slot → pilot, mask, overlay, JPEG → publisher.

Two threads, one slot between them. The capture thread never waits for the pilot and the worker never waits for a host;
what comes too late is replaced by something newer and counted.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edge.capture import Frame, Source, SourceError
from edge.health import read_health
from edge.mask import VisualBackProp
from edge.overlay import Overlay
from edge.pilot import Pilot
from edge.publish import Explained, Picture, Publisher
from edge.scale import Scaler
from edge.slot import Slot
from wire import Drive, Health, Look, MaskStats
from wire import Frame as Header

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Pause before a source that failed is opened again."""


@dataclass(frozen=True, slots=True)
class Captured:
    seq: int
    frame: Frame


class Stages:
    """Nanoseconds spent per stage, in order."""

    def __init__(self, captured_ns: int) -> None:
        self._last_ns = time.monotonic_ns()
        self.ns: dict[str, int] = {"wait": max(0, self._last_ns - captured_ns)}

    def done(self, stage: str) -> None:
        """The time since the last stage was this one's."""
        now_ns = time.monotonic_ns()
        self.ns[stage] = now_ns - self._last_ns
        self._last_ns = now_ns


class Explainer:
    """One frame in, everything known about it out. No threads, no sockets: what the worker calls per frame."""

    def __init__(self, pilot: Pilot, *, car: str, session: str, quality: int = 80, look: Look | None = None) -> None:
        self._pilot = pilot
        self._visualbackprop = VisualBackProp(pilot.geometry)
        self._scaler = Scaler()
        self._overlay = Overlay()
        self._quality = quality
        self._car = car
        self._session = session
        self.look = look or Look()
        """How to draw from the next frame on; replaced whole, from any thread."""

    def explain(
        self,
        captured: Captured,
        wanted: frozenset[str],
        *,
        drive: Callable[[Drive], None] = lambda drive: None,
        drops: dict[str, int] | None = None,
        health: Health | None = None,
    ) -> Explained:
        """Run the pilot, hand its word to `drive` at once, then draw what is `wanted` (see wire.PARTS)."""
        frame, look = captured.frame, self.look
        stages = Stages(frame.captured_ns)
        outputs = self._pilot.infer(frame.rgb)
        driven = self._pilot.drive(outputs)
        drive(driven)
        stages.done("pilot")

        pictures: dict[str, Picture] = {}
        stats: MaskStats | None = None
        if "overlay" in wanted or "mask" in wanted:
            means = self._visualbackprop.means(self._pilot.activations())
            raw = self._visualbackprop(means, look.mask)
            mask, stats = self._scaler(raw, look)
            stages.done("mask")
            if "overlay" in wanted:
                drawn = self._overlay.draw(frame.rgb, mask, look, driven, frame.recorded)
                stages.done("overlay")
                pictures["overlay"] = self._jpeg(drawn)
            if "mask" in wanted:
                pictures["mask"] = self._jpeg(mask)
        if "camera" in wanted:
            pictures["camera"] = self._jpeg(frame.rgb)
        stages.done("jpeg")

        height, width = frame.rgb.shape[:2]
        header = Header(
            car=self._car,
            session=self._session,
            seq=captured.seq,
            captured_ns=frame.captured_ns,
            sent_ns=0,
            stages_ns=stages.ns,
            width=width,
            height=height,
            drive=driven,
            recorded=frame.recorded,
            outputs={name: values.tolist() for name, values in outputs.items()},
            mask=stats,
            drops=drops or {},
            health=health or Health(),
            look=look,
        )
        return Explained(header, pictures)

    def _jpeg(self, pixels: NDArray[np.uint8]) -> Picture:
        height, width = pixels.shape[:2]
        if pixels.ndim == 2:
            data = simplejpeg.encode_jpeg(pixels[:, :, None], self._quality, "GRAY", "Gray", fastdct=True)
        else:
            data = simplejpeg.encode_jpeg(pixels, self._quality, "RGB", "420", fastdct=True)
        return Picture(data, width, height)


class Pipeline:
    """The car's threads. Enter it to start them; `ended` is set when a recording is over."""

    def __init__(self, source: Source, explainer: Explainer, publisher: Publisher, *, lossless: bool = False) -> None:
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
            explained = self._explainer.explain(
                captured,
                self._publisher.wanted,
                drive=self._source.drive,
                drops=self.drops,
                health=self._newest_health(captured.frame.captured_ns),
            )
            self.explained += 1
            self._publisher.offer(explained)

    def _newest_health(self, now_ns: int) -> Health:
        if now_ns >= self._health_due_ns:
            self._health, self._health_due_ns = read_health(), now_ns + 1_000_000_000
        return self._health
