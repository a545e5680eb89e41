"""Reels of recorded sessions: the camera frames as they came, at the ticks of the session's own video."""

import contextlib
from functools import cached_property
from pathlib import Path

from host.record.session import TAPE
from host.render.reels import Reel, ReelError, Stretch, fingerprint, state_of
from host.render.scene import Shot
from host.render.segment import Bad
from host.render.times import increasing
from host.review.footage import Footage, FootageError
from wire import Drive

SPOILT = "its picture is spoilt, or it was recorded without one to spare the link"


class SessionReel(Reel):
    """The camera frames of a session's tape, as many as there are when it is opened."""

    kind = "session"

    def __init__(self, path: Path) -> None:
        """Raises ReelError."""
        self.path = path
        self._tape = path / TAPE
        if not self._tape.is_file():
            raise ReelError(
                f"session {path} holds no camera frames ({TAPE}); render its overlay.mp4 as a video instead"
            )
        try:
            self._footage = Footage(self._tape)
        except FootageError as why:
            raise ReelError(str(why)) from why
        self.ticks = increasing(self._footage.ticks)
        if not self.ticks:
            raise ReelError(f"session {path} holds no frame")

    @cached_property
    def identity(self) -> str:
        return fingerprint(self.kind, len(self.ticks), state_of(self._tape))

    def read(self, start: int, stop: int) -> Stretch:
        stretch = Stretch([], [])
        for index in range(start, stop):
            jpeg = self._footage.picture(index, "camera")
            if jpeg is None:
                stretch.missing.append(Bad(index, SPOILT))
            else:
                stretch.shots.append(Shot(jpeg, index, self.ticks[index], self._recorded(index)))
        return stretch

    def _recorded(self, index: int) -> Drive | None:
        """What a driver did, where the car's source was a recording with that in it."""
        with contextlib.suppress(FootageError):
            return self._footage.entry(index).frame.recorded
        return None
