"""Reels of single pictures: Donkeycar tubs and folders of images. The files go on as they are, undecoded."""

from array import array
from functools import cached_property
from pathlib import Path

from edge.capture.images import ImagesSource
from edge.capture.pictures import PictureError, read_bytes
from edge.capture.source import SourceError
from edge.capture.stills import DEFAULT_FPS, Listing, Still, Stills
from edge.capture.tub import TubSource
from host.render.reels import Reel, ReelError, Stretch, fingerprint, state_of
from host.render.scene import Shot
from host.render.segment import Bad
from host.render.times import Times, believed, steady


class StillsReel(Reel):
    """Pictures of a folder in order."""

    source: type[Stills]

    def __init__(self, path: Path) -> None:
        """Raises ReelError."""
        self.path = path
        try:
            listing = self.source(path).listing()
        except SourceError as why:
            raise ReelError(str(why)) from why
        except OSError as why:
            raise ReelError(f"{self.kind} {path} cannot be read: {why.strerror}") from why
        self._stills = listing.stills
        self.skipped = listing.skipped
        self.ticks, self._taken, self.note = self._times(listing)

    @property
    def taken(self) -> "array[int]":
        return self._taken

    def _times(self, listing: Listing) -> Times:
        return Times.plain(steady(len(listing.stills), DEFAULT_FPS))

    @cached_property
    def identity(self) -> str:
        said = [(still.recorded, still.time_ms, *map(_plain, still.extras.items())) for still in self._stills]
        return fingerprint(self.kind, said, [state_of(still.path) for still in self._stills])

    def read(self, start: int, stop: int) -> Stretch:
        stretch = Stretch([], [])
        for index in range(start, stop):
            still = self._stills[index]
            try:
                stretch.shots.append(self._shot(index, still, read_bytes(still.path)))
            except PictureError as why:
                stretch.missing.append(Bad(index, str(why)))
        return stretch

    def _shot(self, index: int, still: Still, data: bytes) -> Shot:
        return Shot(data, index, self.ticks[index], still.recorded, dict(still.extras))

    def label(self, index: int) -> str:
        return self._stills[index].path.name


def _plain(extra: tuple[str, object]) -> str:
    return f"{extra[0]} {getattr(extra[1], 'tolist', lambda: extra[1])()}"


class TubReel(StillsReel):
    """A tub's records that are not deleted, at the times they say, with what the driver did."""

    kind = "tub"
    source = TubSource

    def _times(self, listing: Listing) -> Times:
        return believed([still.time_ms for still in listing.stills], DEFAULT_FPS)


class ImagesReel(StillsReel):
    """JPEG, PNG and BMP files straight in a folder, at Donkeycar's 20 frames/s."""

    kind = "images"
    source = ImagesSource
