"""A place for one item between two threads: a newer one replaces it, and that is counted."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Nothing queues: whoever takes gets the newest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self.replaced = 0
        """Items that nobody took in time."""

    def put(self, item: T) -> None:
        """Leave `item`, in the place of one not taken yet."""
        with self._changed:
            self.replaced += self._item is not None
            self._item = item
            self._changed.notify_all()

    def hand_over(self, item: T) -> None:
        """Leave `item` once the one before was taken: for recordings played as fast as they can be explained."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is None or self._closed)
            self._item = item
            self._changed.notify_all()

    def take(self) -> T | None:
        """Wait for an item and take it; None once the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let everybody go who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
