"""One recorded frame as a picture: which one a request wishes for, and how it is drawn again.

?part=camera                            as it was recorded
?part=overlay&method=gradcam&pilot=…    drawn again: the look it was recorded with, with these fields replaced
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

import msgspec

import wire

if TYPE_CHECKING:
    from host.render.retune import Kept, Retuner
    from host.review.footage import Footage
    from host.review.shelf import Summary

Part = Literal["overlay", "camera", "mask"]
LOOKS = tuple(wire.Look.__struct_fields__)
OTHERS = ("part", "pilot", "client", "token")


class WishError(Exception):
    """A request wishes for what cannot be; one sentence for a person."""


class Wish(NamedTuple):
    """What a frame shall look like."""

    part: Part
    look: Mapping[str, str]
    """Fields of wire.Look, as text, that replace the recorded ones."""
    pilot: str
    """sha256; empty: the one that drove."""

    @property
    def as_recorded(self) -> bool:
        """The tape holds this very picture."""
        return self.part != "overlay" and not self.look and not self.pilot

    def drawn_like(self, recorded: wire.Look) -> wire.Look:
        """The look wished for, of a frame recorded with that one. Raises WishError."""
        try:
            return msgspec.convert({**msgspec.structs.asdict(recorded), **self.look}, wire.Look, strict=False)
        except msgspec.ValidationError as why:
            raise WishError(f"A frame cannot be drawn like this: {why}.") from why


def read_wish(query: Mapping[str, str]) -> Wish:
    """What a query wishes for. Raises WishError with what there is."""
    try:
        part = msgspec.convert(query.get("part", "overlay"), Part)
    except msgspec.ValidationError as why:
        raise WishError(f"There is no part {query['part'][:40]!r}; there is: {', '.join(wire.PARTS)}.") from why
    unknown = sorted(set(query) - {*LOOKS, *OTHERS})
    if unknown:
        raise WishError(f"A frame has no {unknown[0][:40]!r}; it has {', '.join(('part', 'pilot', *LOOKS))}.")
    wish = Wish(part, {name: query[name] for name in LOOKS if name in query}, query.get("pilot", ""))
    wish.drawn_like(wire.Look())
    return wish


def draw(retuner: "Retuner", session: "Summary", footage: "Footage", index: int, wish: Wish) -> bytes:
    """The frame as JPEG. Raises WishError, RetuneError, FootageError."""
    look = wish.drawn_like(footage.entry(index).frame.look)
    before = Before(footage, index, session.pilot_sha256)
    return retuner.draw(session.name, before, look, wish.pilot, wish.part)


class Before(Sequence["Kept"]):
    """The frames up to one, as many as settle what needs it; each is read from the tape when it is looked at."""

    def __init__(self, footage: "Footage", index: int, drove: str) -> None:
        """drove: sha256 of the pilot that drove, where it is known."""
        from host.render.retune import WARM

        self._footage = footage
        self._drove = drove
        self._numbers = range(max(0, index - WARM), index + 1)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> "Kept": ...

    @overload
    def __getitem__(self, at: slice) -> "list[Kept]": ...

    def __getitem__(self, at: int | slice) -> "Kept | list[Kept]":
        numbers = self._numbers[at]
        return self._kept(numbers) if isinstance(numbers, int) else [self._kept(number) for number in numbers]

    def _kept(self, number: int) -> "Kept":
        from host.render.retune import Kept

        camera, mask = (self._footage.picture(number, kind) for kind in ("camera", "mask"))
        return Kept(number, camera, mask, self._footage.entry(number).frame, self._drove)
