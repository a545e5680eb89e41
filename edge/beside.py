"""A thread beside the drive that works on the newest thing left for it, and never makes anybody wait."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Generic, Self, TypeVar

import cv2

from edge.slot import Slot

T = TypeVar("T")


class Beside(ABC, Generic[T]):
    """Enter it to start the thread, leave it to stop."""

    def __init__(self, name: str) -> None:
        self._slot: Slot[T] = Slot()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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
        """Things a newer one came for before their turn."""
        return self._slot.replaced

    @abstractmethod
    def work(self, item: T) -> None:
        """Called in the thread."""

    def _run(self) -> None:
        cv2.setNumThreads(1)
        while (item := self._slot.take()) is not None:
            self.work(item)
