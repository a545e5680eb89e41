"""A pilot's card: what its file does not say about how it is fed and read. A small TOML file beside it.

    models/night.tflite      pilot = "9f2c…"                      sha256 of the file it belongs to
    models/night.toml        [image]
                             colour = "bgr"                       rgb, bgr or grey
                             range = [0, 255]                     what black and white are for the network
                             crop = [0.4, 0, 0, 0]                parts cut off: top, bottom, left, right
                             [outputs]
                             steering = "dense_3[0]"              an output, or one of its values
                             [inputs]
                             imu_in = "imu"                       memory, imu, behaviour, or numbers to feed

What a card leaves out is told from the file as far as it can be (see describe.py), and else as Donkeycar has it. All
places are parts of a height or width, so that they hold for frames of any size. `python -m models card` writes cards.
"""

import argparse
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import tomli_w
from msgspec import Meta, Struct, structs

from config import ConfigError, check
from edge.tflite import PilotError

MAX_CARD_BYTES = 64 * 1024
MAX_INPUTS = 16

Colour = Literal["rgb", "bgr", "grey"]
Order = Literal["oldest-first", "newest-first"]
Kind = Literal["memory", "imu", "behaviour"]

Part = Annotated[float, Meta(ge=0, le=1)]
Edges = tuple[Part, Part, Part, Part]
"""Top, bottom (of the height), left, right (of the width)."""
Level = Annotated[float, Meta(ge=-1e4, le=1e4)]
Side = Annotated[int, Meta(ge=8, le=4096)]
OutputName = Annotated[str, Meta(min_length=1, max_length=80)]
Values = Annotated[list[Annotated[float, Meta(ge=-1e6, le=1e6)]], Meta(max_length=256)]


class CardError(PilotError):
    """A card cannot be used; the message is one sentence for a person."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the tables of a card share. None: not said."""


class ImageCard(_Table, frozen=True, kw_only=True):
    """From a camera frame to what the network is fed, in this order: crop, resize, black, trapeze, colour, range."""

    crop: Edges = (0, 0, 0, 0)
    """Cut off the frame; what is left is resized to the network's input."""
    size: tuple[Side, Side] | None = None
    """Height and width of the network's input, where its file leaves them open."""
    black: Edges = (0, 0, 0, 0)
    """Painted black in the network's input (Donkeycar's CROP)."""
    trapeze: tuple[Part, Part, Part, Part, Part, Part] | None = None
    """Painted black outside of it (Donkeycar's TRAPEZE): left and right end of its upper edge, of its lower edge (of
    the width), height of its upper and of its lower edge."""
    colour: Colour | None = None
    range: tuple[Level, Level] | None = None
    """What the network wants for black and for white."""
    frames: Annotated[int, Meta(ge=1, le=64)] | None = None
    """How many frames it is fed at once."""
    order: Order = "oldest-first"
    stride: Annotated[int, Meta(ge=1, le=64)] = 1
    """Every how many-th frame is among them."""

    def __post_init__(self) -> None:
        for name, (top, bottom, left, right) in {"crop": self.crop, "black": self.black}.items():
            if top + bottom >= 1 or left + right >= 1:
                raise ValueError(f"{name} leaves nothing of the image")
        ends: tuple[float, ...] = self.trapeze or ()
        if any(begin >= end for begin, end in zip(ends[::2], ends[1::2], strict=True)):
            raise ValueError("trapeze has an edge that ends before it begins")
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError("range gives black more than white")


class OutputCard(_Table, frozen=True, kw_only=True):
    """How the network's word is read."""

    steering: OutputName | None = None
    """An output's name, or "name[2]" for one of its values."""
    throttle: OutputName | None = None
    """Likewise; "none" if it only steers."""
    angles: tuple[Level, Level] = (-1, 1)
    """Where steering is a choice of angles: the first and the last."""
    full_throttle: Annotated[float, Meta(gt=0, le=10)] = 0.8
    """Where throttle is a choice: what the whole range is (Donkeycar's MODEL_CATEGORICAL_MAX_THROTTLE_RANGE)."""


class Card(_Table, frozen=True, kw_only=True):
    """Of one pilot."""

    pilot: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    """sha256 of the file it was made for; empty fits any."""
    image: ImageCard = ImageCard()
    outputs: OutputCard = OutputCard()
    inputs: dict[str, Kind | Values] = {}
    """Inputs other than the image, by name: what they are, or the numbers they are always fed."""


class CardFlags(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What overrides a card, as flags. Numbers are separated by commas."""

    colour: Annotated[Colour, Meta(description="order of colours the pilot wants: rgb, bgr or grey")] | None = None
    range: Annotated[
        str, Meta(title="LOW,HIGH", description="what the pilot wants for black and for white, such as 0,255 or =-1,1")
    ] = ""
    crop: Annotated[
        str, Meta(title="T,B,L,R", description="parts cut off the camera frame: top, bottom, left, right, each 0..1")
    ] = ""
    size: Annotated[str, Meta(title="H,W", description="size of the pilot's input, where its file leaves it open")] = ""
    black: Annotated[
        str, Meta(title="T,B,L,R", description="parts of the pilot's input painted black, as Donkeycar's CROP does")
    ] = ""
    trapeze: Annotated[
        str,
        Meta(
            title="UL,UR,LL,LR,T,B",
            description="what is not painted black, as in Donkeycar's TRAPEZE: ends of the upper edge, of the lower "
            "edge, and their heights, each 0..1",
        ),
    ] = ""
    frames: Annotated[int, Meta(ge=1, le=64, description="frames the pilot is fed at once")] | None = None
    order: Annotated[Order, Meta(description="their order: oldest-first or newest-first")] | None = None
    stride: Annotated[int, Meta(ge=1, le=64, description="every how many-th frame is among them")] | None = None
    steering: Annotated[str, Meta(title="NAME", description="the output that steers; NAME[2] for its value 2")] = ""
    throttle: Annotated[str, Meta(title="NAME", description="the output that drives, or none")] = ""
    angles: Annotated[str, Meta(title="FIRST,LAST", description="angles of a categorical pilot's outermost bins")] = ""
    full_throttle: (
        Annotated[float, Meta(gt=0, le=10, description="what a categorical pilot's whole range of throttle is")] | None
    ) = None
    inputs: Annotated[
        list[str],
        Meta(title="NAME=KIND", description="what an extra input is: memory, imu, behaviour, or numbers to feed"),
    ] = []


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The fields of CardFlags as options of a command of its own; what is not given is None."""
    for field in structs.fields(CardFlags):
        meta = _meta(field.type)
        dashed = field.name.replace("_", "-")
        parser.add_argument(
            f"--{dashed}",
            dest=field.name,
            action="append" if field.name == "inputs" else "store",
            metavar=meta.title or field.name.rpartition("_")[2].upper(),
            help=meta.description,
        )


def _meta(kind: Any) -> Meta:
    """What a field's annotation says of it, inside `… | None`."""
    notes = [note for inner in (kind, *get_args(kind)) for note in getattr(inner, "__metadata__", ())]
    return next(note for note in notes if isinstance(note, Meta) and note.description)


def of(pilot: Path, flags: CardFlags | None = None) -> Card:
    """The card beside a pilot's file, or an empty one, with `flags` over it. Raises CardError."""
    path = beside(pilot)
    card = read(path) if path.exists() else Card()
    if card.pilot and pilot.is_file() and card.pilot != sha256(pilot):
        raise CardError(
            f"card {path} was made for another pilot than {pilot}: look it over and make it again with "
            f"`python -m models card {pilot} --force`"
        )
    return merge(card, flags) if flags else card


def beside(pilot: Path) -> Path:
    """Where a pilot's card lies."""
    return pilot.with_suffix(".toml")


def sha256(file: Path) -> str:
    """Of a file's bytes, hexadecimal. Raises CardError."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as why:
        raise CardError(f"{file} cannot be read: {why.strerror}") from why


def read(path: Path) -> Card:
    """Raises CardError with the file's name."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_CARD_BYTES + 1)
        if len(data) > MAX_CARD_BYTES:
            raise CardError(f"card {path} is larger than {MAX_CARD_BYTES >> 10} kB")
        return checked(tomllib.loads(data.decode()))
    except OSError as why:
        raise CardError(f"card {path} cannot be read: {why.strerror}") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as why:
        raise CardError(f"card {path} is not valid TOML: {why}") from why
    except ConfigError as why:
        raise CardError(f"card {path}: {why}") from why


def write(card: Card, comment: str = "") -> str:
    """The card's text; `comment` stands above it."""
    tables = _said(msgspec.to_builtins(card))
    top = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [*(f"# {line}".rstrip() for line in comment.splitlines()), *map(_line, top.items())]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *map(_line, table.items())]
    return "\n".join([*lines, ""])


def in_words(card: ImageCard) -> str:
    """How the image is fed, for people, such as: bgr, 0..255, 3 frames, crop 0.4 top."""
    words = [card.colour or "", f"{card.range[0]:g}..{card.range[1]:g}" if card.range else ""]
    words += [f"{card.frames} frames, {card.order}"] if (card.frames or 1) > 1 else []
    words += [f"every {card.stride}. frame"] if card.stride > 1 else []
    for name, edges in (("crop", card.crop), ("black", card.black)):
        parts = zip(edges, ("top", "bottom", "left", "right"), strict=True)
        words += [f"{name} {part:g} {side}" for part, side in parts if part]
    words += [f"black outside the trapeze {', '.join(f'{part:g}' for part in card.trapeze)}"] if card.trapeze else []
    return ", ".join(filter(None, words))


def merge(card: Card, flags: CardFlags) -> Card:
    """The card with what the flags say in place of what it says. Raises CardError."""
    values = _said(msgspec.to_builtins(card))
    values.setdefault("inputs", {}).update(_input(text) for text in flags.inputs)
    for name in CardFlags.__struct_fields__:
        value = getattr(flags, name)
        if name != "inputs" and value not in (None, ""):
            table = "image" if name in ImageCard.__struct_fields__ else "outputs"
            values.setdefault(table, {})[name] = value.split(",") if name in _LISTS else value
    try:
        return checked(values)
    except ConfigError as why:
        raise CardError(f"the card's flags: {why}") from why


_LISTS = frozenset({"range", "crop", "size", "black", "trapeze", "angles"})


def checked(values: dict[str, Any]) -> Card:
    """Raises ConfigError, which lists the known keys where one is unknown."""
    tables: dict[str, type[Struct]] = {"": Card, "image": ImageCard, "outputs": OutputCard}
    for name, kind in tables.items():
        table = values.get(name, {}) if name else values
        known = [field.encode_name for field in structs.fields(kind)]
        unknown = [key for key in table if key not in known] if isinstance(table, Mapping) else []
        if unknown:
            where = f"table [{name}]" if name else "a card"
            raise ConfigError(f"{where} has no key {unknown[0]!r}; it has {', '.join(known)}.")
    inputs = _inputs(values.get("inputs", {}))
    return structs.replace(check(Card, {**values, "inputs": {}}), inputs=inputs)


def _inputs(said: Any) -> dict[str, Kind | list[float]]:
    if not isinstance(said, dict) or len(said) > MAX_INPUTS:
        raise ConfigError(
            f"table [inputs]: expected at most {MAX_INPUTS} names, each with what the input is, not {said!r:.80}."
        )
    found: dict[str, Kind | list[float]] = {}
    for name, what in said.items():
        try:
            found[name] = msgspec.convert(what, Kind | Values, strict=False)
        except msgspec.ValidationError:
            kinds = ", ".join(get_args(Kind))
            raise ConfigError(f"input {name!r}: expected one of {kinds} or a list of numbers, not {what!r}.") from None
    return found


def _input(text: str) -> tuple[str, str | list[str]]:
    """NAME=memory, or NAME=1,0,0."""
    name, _, said = text.rpartition("=")
    if not name or not said:
        raise CardError(f"option 'inputs': expected NAME=KIND, such as imu_in=imu, not {text!r}")
    return name, said.split(",") if "," in said or said[0] in "+-.0123456789" else said


def _line(entry: tuple[str, Any]) -> str:
    """A key and its value; lists of numbers stand on one line."""
    key, value = entry
    if not isinstance(value, list | tuple):
        return tomli_w.dumps({key: value}).strip()
    numbers = ", ".join(str(int(number) if number == int(number) else number) for number in value)
    return f"{tomli_w.dumps({key: 0}).strip().removesuffix('0')}[{numbers}]"


def _said(values: Any) -> Any:
    """Without what is None."""
    if isinstance(values, dict):
        return {key: _said(value) for key, value in values.items() if value is not None}
    return values
