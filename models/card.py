"""`python -m models card FILE`: write down, in the card beside it, how a pilot is fed and how its word is read.

    the file ──▶ what can be told of it ──┐
    flags ────▶ what you know ────────────┼──▶ FILE.toml
    --tub ────▶ what agrees best with ────┘
                the recorded steering

A tub is not believed lightly: what the file tells or you say stays unless something else agrees clearly better. The
agreement is Lin's concordance (1989): 1 where pilot and driver say the same, less where they differ in direction, in
size, or by an offset; a correlation alone does not notice a pilot that is fed 255 times too much.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from msgspec import structs

from config import ConfigError, check
from edge.capture import Frame, Source, SourceError, open_source
from edge.card import Card, CardError, CardFlags, add_flags, beside, in_words, merge, read, sha256, write
from edge.pilot import Past, Pilot, PilotError

BLOCK = 10
BLOCKS = 16
"""At most so many runs of so many neighbouring frames are measured on."""
CLEARLY = 0.25
"""How much better something has to agree to replace what was said or told. A pilot fed wrongly loses far more; one that
does not know the track may gain half as much by chance, from a sky that is painted black."""

COLOURS = ("rgb", "bgr")
RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
TOPS = (0.25, 0.333, 0.375, 0.5)
"""Parts of the image above the track that people cut off or paint black (45 of 120 rows is Donkeycar's)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to feed the pilot, and how it then agrees with the driver."""

    card: Card
    says: str
    correlation: float
    agreement: float


def main(argv: Sequence[str]) -> int:
    """0: the card is written; 2: bad input, in a sentence."""
    parser = argparse.ArgumentParser(prog="python -m models card", description="Write a pilot's card.")
    parser.add_argument("file", type=Path, help="a .tflite file; the card is written beside it")
    parser.add_argument("--tub", metavar="DIR", help="a recording to measure on: what agrees best with its steering")
    parser.add_argument("--force", action="store_true", help="replace a card; what it says and no flag does is kept")
    add_flags(parser)
    values = vars(parser.parse_args(argv))
    file, tub, force = (values.pop(name) for name in ("file", "tub", "force"))
    try:
        flags = check(CardFlags, {name: value for name, value in values.items() if value})
        path = make(file, tub, flags, force=force)
    except (ConfigError, PilotError, SourceError) as why:
        print(f"models card: {why}", file=sys.stderr)
        return 2
    print(f"wrote {path}")
    return 0


def make(file: Path, tub: str | None, flags: CardFlags, *, force: bool = False) -> Path:
    """Write the card and return its path. Raises PilotError, SourceError."""
    path = beside(file)
    if path.exists() and not force:
        raise CardError(f"card {path} is there already; --force replaces it")
    card = merge(read(path) if path.exists() else Card(), flags)
    comment = "How PilotLens feeds and reads this pilot; made by `python -m models card`."
    if tub:
        trials = measure(file, card, flags, blocks(tub))
        chosen = choose(trials)
        print("\n".join(table(trials, chosen)))
        card = chosen.card
        comment += f"\nOn {Path(tub).absolute().name} it agrees with the driver by {chosen.agreement:.2f} of 1."
    pilot = Pilot.load(file, card=card)
    try:
        path.write_text(write(structs.replace(pilot.card, pilot=sha256(file)), comment), encoding="utf-8")
    except OSError as why:
        raise CardError(f"card {path} cannot be written: {why.strerror}") from why
    return path


def blocks(tub: str) -> list[list[Frame]]:
    """Runs of neighbouring frames with a driver's steering, from all over the recording. Raises SourceError."""
    kept: list[list[Frame]] = []
    every = 1
    with open_source(tub, size=None, fps=None, loop=False, realtime=False) as source:
        for number, block in enumerate(_blocks(source)):
            if number % every == 0:
                kept.append(block)
            if len(kept) > BLOCKS:
                kept, every = kept[::2], 2 * every
    if not np.ptp(_steering(kept) or [0]):
        raise SourceError(f"{tub} holds no steering to measure on")
    return kept


def _blocks(source: Source) -> Iterator[list[Frame]]:
    block: list[Frame] = []
    while (frame := source.read()) is not None:
        if frame.recorded is not None:
            block.append(frame)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def _steering(of: Iterable[Sequence[Frame]]) -> list[float]:
    return [frame.recorded.steering for block in of for frame in block if frame.recorded]


def measure(file: Path, card: Card, flags: CardFlags, on: Sequence[Sequence[Frame]]) -> list[Trial]:
    """The card as it is, then other colours and ranges, then the best of these with the sky cut off or black."""
    told = Pilot.load(file, card=card).card.image
    colours = [told.colour] if flags.colour or told.colour == "grey" else COLOURS
    ranges = [told.range] if flags.range else RANGES
    tried = [trial(file, card, on)]
    pairs = [pair for pair in product(colours, ranges) if pair != (told.colour, told.range)]
    tried += [trial(file, _with(card, colour=colour, range=levels), on) for colour, levels in pairs]
    best = choose(tried).card
    if not (flags.crop or flags.black or flags.trapeze):
        tried += [trial(file, _with(best, **{name: (top, 0, 0, 0)}), on) for name in ("crop", "black") for top in TOPS]
    return tried


def trial(file: Path, card: Card, on: Sequence[Sequence[Frame]]) -> Trial:
    """Run the pilot fed as this card says."""
    pilot = Pilot.load(file, card=card)
    said, did = np.array([angle for block in on for angle in _said(pilot, block)]), np.array(_steering(on))
    covariance = float(((said - said.mean()) * (did - did.mean())).mean())
    spread = float(said.var() + did.var() + (said.mean() - did.mean()) ** 2)
    lone = float(said.std() * did.std())
    return Trial(pilot.card, in_words(pilot.card.image), covariance / lone if lone else 0.0, 2 * covariance / spread)


def _said(pilot: Pilot, block: Sequence[Frame]) -> list[float]:
    pilot.past = Past()
    return [pilot.drive(pilot.infer(frame.rgb, frame.extras)).steering for frame in block]


def choose(trials: Sequence[Trial]) -> Trial:
    """The one that agrees best; the first, if it is not clearly better."""
    best = max(trials, key=lambda it: it.agreement)
    return best if best.agreement > trials[0].agreement + CLEARLY else trials[0]


def table(trials: Sequence[Trial], chosen: Trial) -> list[str]:
    """For people."""
    width = max(len(it.says) for it in trials)
    rows = [
        f"{it.says:{width}}  {it.correlation:11.2f}  {it.agreement:9.2f}{'  ← chosen' if it is chosen else ''}"
        for it in trials
    ]
    return [f"{'fed':{width}}  correlation  agreement", *rows]


def _with(card: Card, **image: object) -> Card:
    return structs.replace(card, image=structs.replace(card.image, **image))
