"""A folder of images as a source, in the order a person counts: frame_2 before frame_10."""

import re
from pathlib import Path

from edge.capture.source import SourceError
from edge.capture.stills import Listing, Still, Stills

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


class ImagesSource(Stills):
    """JPEG, PNG and BMP files straight in a folder, at 20 frames/s unless told otherwise; other files do not count."""

    kind = "images"

    def listing(self) -> Listing:
        found = sorted((path for path in self._folder.iterdir() if _is_image(path)), key=natural)
        if not found:
            raise SourceError(f"folder {self._folder} holds neither a Donkeycar tub nor images ({_known()})")
        return Listing([Still(path) for path in found])


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that takes digits in a file's name as numbers."""
    pieces = re.split(r"([0-9]+)", path.name)
    return [(1, int(piece), piece) if i % 2 else (0, 0, piece) for i, piece in enumerate(pieces)]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _known() -> str:
    return ", ".join(sorted(SUFFIXES))
