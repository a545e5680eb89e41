"""Videos kept in mind between requests: a browser asks for one many times while it plays."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from host.review.film import Film

T = TypeVar("T")
MAX_FILMS = 8


class Films:
    """For several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, int], tuple[Film, threading.Lock]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, path: Path, question: Callable[[Film], T]) -> T:
        """Ask about a video as it is now. Raises FilmError, OSError where there is no file."""
        key = path, path.stat().st_ino
        with self._lock:
            film, lock = self._known.setdefault(key, (Film(path), threading.Lock()))
            self._known.move_to_end(key)
            while len(self._known) > MAX_FILMS:
                self._known.popitem(last=False)
        with lock:
            film.refresh()
            return question(film)
