"""What tubs and folders of images share: a list of files, shown one after the other at a rate."""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from edge.capture.label import label
from edge.capture.pace import Pacer
from edge.capture.pictures import PictureError, decode, fit, read_bytes
from edge.capture.source import Frame, Source, SourceError
from wire import Drive

log = logging.getLogger(__name__)

DEFAULT_FPS = 20.0
"""Donkeycar's DRIVE_LOOP_HZ."""


class Still(NamedTuple):
    path: Path
    recorded: Drive | None = None
    extras: Mapping[str, NDArray[np.float32]] = {}
    time_ms: float | None = None
    """When the recording says it was taken; None where it does not, or says no finite number."""


@dataclass
class Listing:
    """What a folder holds: pictures in the order they were taken, how many records are broken, and its rate."""

    stills: list[Still] = field(default_factory=list)
    skipped: int = 0
    ignored: int = 0
    """Measurements beside the pictures that are of no use."""
    fps: float = DEFAULT_FPS


class Stills(Source):
    """Pictures of a folder in order; `captured_ns` is when one is handed out.

    A picture that cannot be read or decoded is passed over, counted in `skipped`, and not tried again.
    """

    kind: str
    """What to call such a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        loop: bool = False,
        realtime: bool = True,
    ) -> None:
        """`size` (width, height) is what frames are resized to; `fps` counts instead of the recorded rate."""
        self.name = label(self.kind, folder.absolute().name)
        self._folder = folder
        self._size = size
        self._fps = fps
        self._loop = loop
        self._realtime = realtime
        self._stills: list[Still] = []
        self._next = 0
        self._pacer = Pacer(None)
        self.ignored = 0

    @abstractmethod
    def listing(self) -> Listing:
        """What the folder holds; no picture is read yet. Raises SourceError where that is nothing, OSError."""

    def __enter__(self) -> Self:
        try:
            listing = self.listing()
        except OSError as why:
            raise SourceError(f"{self.kind} {self._folder} cannot be read: {why.strerror}") from why
        self._stills, self._next, self.skipped = listing.stills, 0, listing.skipped
        self.ignored = listing.ignored
        if listing.ignored:
            log.warning("%s: %d measurements are no numbers and are left out", self.name, listing.ignored)
        self._pacer = Pacer((self._fps or listing.fps) if self._realtime else None)
        return self

    def read(self) -> Frame | None:
        while self._stills:
            if self._next == len(self._stills):
                if not self._loop:
                    return None
                self._next = 0
            still = self._stills[self._next]
            rgb = self._load(still.path)
            if rgb is not None:
                self._next += 1
                return Frame(rgb, self._pacer.wait(), still.recorded, still.extras)
        raise SourceError(f"{self.kind} {self._folder} holds no picture that can be shown, {self.skipped} broken ones")

    def _load(self, path: Path) -> NDArray[np.uint8] | None:
        """The picture due next; None where it is broken: it is off the list then."""
        try:
            return fit(decode(read_bytes(path)), self._size)
        except PictureError:
            if not self._folder.is_dir():
                raise SourceError(f"{self.kind} {self._folder} is gone") from None
            del self._stills[self._next]
            self.skipped += 1
            return None
