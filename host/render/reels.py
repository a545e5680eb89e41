"""What films are made of: frames of a source by number, each with its time. Nothing is loaded before it is wanted.

    tub, v1 or v2        its records, with what the driver did      stills.py
    folder of images     in the order a person counts               stills.py
    video                whatever FFmpeg decodes                    clip.py
    session              the camera frames of its frames.mcap       taped.py
    folder of these      each tub and session straight in it

A reel has a fixed number of frames; which of them are good shows when they are read. `identity` tells whether pieces
that were rendered earlier still belong to it.
"""

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from host.render.error import RenderError
from host.render.scene import Shot
from host.render.segment import Bad

MAX_NAME_BYTES = 100
SESSION = "session.json"


class ReelError(RenderError):
    """A source cannot be made a film of; the message is one sentence for a person."""


class Stretch(NamedTuple):
    """Consecutive frames of a reel, as far as they can be read."""

    shots: list[Shot]
    missing: list[Bad]


class Reel(ABC):
    """The frames of one source. Not for several threads at once."""

    kind: str
    path: Path
    ticks: "array[int]"
    """When each frame stands in a film, in 1/90000 s since the first; increasing."""
    skipped: int = 0
    """Records that name no frame."""
    note: str = ""
    """What a person should know of it, in a sentence."""

    @property
    def name(self) -> str:
        """Safe in a file name."""
        path = self.path.resolve()
        return safe_name(path.stem if path.is_file() else path.name)

    @property
    def taken(self) -> "array[int]":
        """When each frame was taken: the same, but for pauses that films leave out."""
        return self.ticks

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    @abstractmethod
    def identity(self) -> str:
        """Another one where the source has changed."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Stretch:
        """The frames `start` to `stop` (excluded). Cheapest in order. Raises ReelError where the source is gone."""

    def label(self, index: int) -> str:
        """What the source calls a frame; its number where it has no name for it."""
        return str(index)

    def close(self) -> None:
        """Let go of what was opened; reading opens it again."""


def open_reels(specs: Sequence[str], refused: list[str] | None = None) -> list[Reel]:
    """The reels that the specs name, in their order; a folder that holds tubs and sessions is each of them.

    refused: gains a sentence for each of these that cannot be used, where others can. Raises ReelError for what is
    named itself.
    """
    refused = [] if refused is None else refused
    return [reel for spec in specs for reel in _open(spec, refused)]


def _open(spec: str, refused: list[str]) -> list[Reel]:
    try:
        path = Path(spec).expanduser()
        if path.is_file():
            from host.render.clip import ClipReel

            return [ClipReel(path)]
        if path.is_dir() and spec:
            return _open_folder(path, refused)
    except (OSError, ValueError, RuntimeError) as why:  # not allowed; no possible path; ~nobody
        raise ReelError(f"source {spec[:99]!r} cannot be read: {getattr(why, 'strerror', None) or why}") from why
    raise ReelError(f"source {spec[:99]!r} is neither a file nor a folder: name a tub, session, video or image folder")


def _open_folder(path: Path, refused: list[str]) -> list[Reel]:
    if found := _open_one(path):
        return [found]
    inside = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    reels, before = [], len(refused)
    for child in inside:
        try:
            reels += [reel] if (reel := _open_one(child)) else []
        except ReelError as why:
            refused.append(str(why))
    if reels:
        return reels
    if len(refused) > before:
        raise ReelError(refused[before])
    from host.render.stills import ImagesReel

    return [ImagesReel(path)]


def _open_one(path: Path) -> Reel | None:
    """A folder that is a tub or a session."""
    from edge.capture.tub import is_tub

    if is_tub(path):
        from host.render.stills import TubReel

        return TubReel(path)
    if (path / SESSION).is_file():
        from host.render.taped import SessionReel

        return SessionReel(path)
    return None


def safe_name(text: str) -> str:
    """Something like `text` that can be a file's name anywhere: letters and digits of any script, _.+=-"""
    signs = (sign if _harmless(sign) else " " for sign in unicodedata.normalize("NFC", text))
    bare = "_".join("".join(signs).split()).strip("._-")
    return bare.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip("._-") or "film"


def _harmless(sign: str) -> bool:
    return sign in "_.+=-" or unicodedata.category(sign)[0] in "LMN"


def fingerprint(*facts: object) -> str:
    """A hash of these facts."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def state_of(path: Path) -> tuple[str, int, int]:
    """What changes when a file does; one that cannot be looked at has a state too."""
    try:
        state = path.stat()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return path.name, -1, 0
    return path.name, state.st_size, state.st_mtime_ns
