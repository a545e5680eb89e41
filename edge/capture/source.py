"""What a source is: a context manager that hands out captured frames, one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wire import Drive


class SourceError(Exception):
    """A source cannot be opened or has stopped; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame.

    rgb: uint8 (H, W, 3), red first, contiguous; the receiver may keep it, the source never writes to it again.
    captured_ns: monotonic clock, when the light fell in (or the best the source knows).
    recorded: what a driver did on this frame, where the source is a recording.
    extras: what else was measured, for pilots that want it: float32 values under "imu" (6), "behaviour" (one-hot).
    """

    rgb: NDArray[np.uint8]
    captured_ns: int
    recorded: Drive | None = None
    extras: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


class Source(ABC):
    """Frames in the order they were captured, at the source's own pace.

    Enter it to open the device or file, leave it to release it. `read` is called from one thread only; `drive` may be
    called from another.
    """

    name: str
    driven = False
    """True where frames depend on `drive`: the pilot must then run on every frame, watched or not."""
    skipped = 0
    """Records or frames passed over so far because they were broken."""

    def __enter__(self) -> Self:
        """Open it. Raises SourceError."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release whatever `__enter__` took; never raises."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Wait for the next frame (at most 5 s) and return it; None at the end of a recording.

        Raises SourceError when the device is gone. The caller then leaves the source, and may enter it again later.
        """

    def drive(self, drive: Drive) -> None:
        """The pilot's newest word; only a simulated car listens."""
