"""`python -m models convert`: from what somebody trained to a .tflite file that PilotLens shows.

SOURCE ─▶ Subject ─▶ flatbuffer ─▶ checked against the original on frames ─▶ OUT.tflite and its card
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from edge import tflite
from edge.card import Card, CardError, CardFlags, add_flags, beside, in_words, merge, read, write
from edge.plan import plan
from edge.tflite import PilotError
from models.convert import compare, feed, flat, frames, sources
from models.convert.errors import ConvertError, Disagreement
from models.convert.flat import Numbers
from models.convert.quiet import tensorflow
from models.convert.subject import Subject
from models.options import within

CHECKED = 24
CALIBRATED = 200
"""Frames, spread over the tub."""
POOR = 0.95
"""A correlation below this is worth a warning."""


def main(argv: Sequence[str]) -> int:
    """0: written; 1: not written, it computes something else; 2: bad input. The reason is one sentence on stderr."""
    options = _parser().parse_args(argv)
    try:
        _Conversion(options).run()
    except ConvertError as why:
        print(why, file=sys.stderr)
        return 1 if isinstance(why, Disagreement) else 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models convert",
        description="Convert a pilot trained with Keras or TensorFlow to .tflite, and check that it computes the same.",
    )
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="Keras .h5 (2.0.8 to 3), .keras, SavedModel folder, or weights .h5")
    add("-o", "--out", type=Path, metavar="OUT.tflite", help="where to write it (default: beside the source)")
    add(
        "--weights-of", type=Path, metavar="LAYERS", help="layer list, TOML or JSON, for a file that holds weights only"
    )
    add("--lambda", dest="scales", type=_scale, action="append", default=[], metavar="NAME=SCALE,OFFSET",
        help="the Lambda layer NAME computes x·SCALE + OFFSET")  # fmt: skip
    numbers = parser.add_mutually_exclusive_group()
    numbers.add_argument("--int8", action="store_true", help="integers throughout, calibrated on --tub")
    numbers.add_argument("--float16", action="store_true", help="weights of half the size")
    numbers.add_argument(
        "--hybrid", action="store_true", help="weights of a quarter of the size, computed with in float32"
    )
    add("--tub", type=Path, metavar="TUB", help="what the pilot sees, for --int8: a tub or a folder of pictures")
    add("--check", type=_check, default=CHECKED, metavar="TUB|N",
        help="frames to compare on: a tub, or how many of --tub or of the simulated track (%(default)s)")  # fmt: skip
    add("--force", action="store_true", help="replace OUT if it is there; a card beside it keeps what it says")
    add_flags(parser)
    return parser


def _scale(text: str) -> tuple[str, tuple[float, float]]:
    name, _, numbers = text.rpartition("=")
    scale, _, offset = numbers.partition(",")
    try:
        return name, (float(scale), float(offset or 0))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SCALE,OFFSET, such as lambda_1=0.00784,-1") from None


def _check(text: str) -> Path | int:
    return within(1, 10_000)(text) if text.isdecimal() else Path(text)


class _Conversion:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._numbers: Numbers = next((it for it in ("int8", "float16", "hybrid") if getattr(options, it)), "float32")
        self._out: Path = options.out or _beside(options.source, self._numbers)
        self._card = Card()

    def run(self) -> None:
        """Raises ConvertError."""
        self._check_options()
        _say("starting TensorFlow")
        tf = tensorflow()
        options = self._options
        subject = sources.subject(tf, options.source, options.weights_of, dict(options.scales))
        self._describe(subject)
        data = flat.flatten(tf, subject)
        self._card = self._told(data)
        if self._numbers != "float32":
            data = flat.flatten(tf, subject, self._numbers, self._calibration(subject))
        self._compare(tf, subject, data)
        self._write(data)

    def _check_options(self) -> None:
        """Before the work, not after it."""
        out, card, options = self._out, beside(self._out), self._options
        if options.int8 and not options.tub:
            raise ConvertError("--int8 has to see what the pilot will see; give a tub with --tub")
        if not options.source.exists():
            raise ConvertError(f"{options.source} cannot be read: there is no such file")
        for folder in (options.tub, options.check):
            if isinstance(folder, Path):
                next(frames.of(folder, 1), None)
        if options.weights_of and card.resolve() == options.weights_of.resolve():
            raise ConvertError(f"the card {card} would replace the layer list; name another file with -o")
        if present := [path for path in (out, card) if path.exists() and not options.force]:
            raise ConvertError(f"{present[0]} is there already; name another with -o, or replace it with --force")
        if out.is_dir() or out.suffix != ".tflite" or not os.access(out.parent, os.W_OK):
            raise ConvertError(f"{out} cannot be written; name a .tflite file in a folder that exists and is writable")
        self._card = self._wanted(card)

    def _wanted(self, path: Path) -> Card:
        """The card that is there, with the flags over it."""
        flags = CardFlags(
            **{
                name: getattr(self._options, name)
                for name in CardFlags.__struct_fields__
                if getattr(self._options, name)
            }
        )
        try:
            return merge(read(path) if path.exists() else Card(), flags)
        except CardError as why:
            raise ConvertError(str(why)) from why

    def _describe(self, subject: Subject) -> None:
        if not feed.pictures(subject.inputs):
            raise ConvertError(f"{self._options.source} takes no camera image, only {', '.join(subject.inputs)}")
        for name, shape in subject.inputs.items():
            _say(f"input {name}: {'x'.join(map(str, shape[1:]))}")
        if subject.note:
            _say(subject.note)

    def _told(self, data: bytes) -> Card:
        """The card with what the car tells of the network itself."""
        try:
            card = plan(tflite.read(data), self._card).card
        except PilotError as why:
            _say(f"warning: PilotLens cannot show this network, as it {why}")
            return self._card
        _say(f"fed as {in_words(card.image)}")
        return card

    def _calibration(self, subject: Subject) -> Iterator[flat.Feed]:
        return map(feed.Feeder(subject.inputs, self._card.image), frames.of(self._options.tub, CALIBRATED))

    def _compare(self, tf: Any, subject: Subject, data: bytes) -> None:
        check, tub = self._options.check, self._options.tub
        folder, count = (check, CHECKED) if isinstance(check, Path) else (tub, check)
        feeder = feed.Feeder(subject.inputs, self._card.image)
        rows = compare.compare(tf, subject, data, map(feeder, frames.of(folder, count, part=1)))
        _say(f"compared on frames of {folder or 'the simulated track'}:")
        print("\n".join(compare.table(rows)))
        compare.judge(rows, self._numbers)
        if poor := [row.output for row in rows if row.correlation < POOR]:
            _say(f"warning: {', '.join(poor)} follows the original poorly; try --float16, or a tub with more variety")

    def _write(self, data: bytes) -> None:
        card = structs.replace(self._card, pilot=hashlib.sha256(data).hexdigest())
        text = write(card, f"Converted from {self._options.source.name} by `python -m models convert`.")
        for path, content in ((self._out, data), (beside(self._out), text.encode())):
            _replace(path, content)
            _say(f"wrote {path}: {len(content):,} bytes")


def _replace(path: Path, content: bytes) -> None:
    """All of it or nothing."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as why:
        raise ConvertError(f"{path} cannot be written: {why.strerror}") from why


def _beside(source: Path, numbers: Numbers) -> Path:
    """pilot.h5 becomes pilot.tflite, or pilot-int8.tflite."""
    stem = source.name if source.is_dir() else source.name.split(".")[0]
    return source.with_name(f"{stem}{'' if numbers == 'float32' else f'-{numbers}'}.tflite")


def _say(line: str) -> None:
    print(line, flush=True)
