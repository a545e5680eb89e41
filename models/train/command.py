"""`python -m models train`."""

import argparse
import os
import sys
from pathlib import Path

from models.options import within
from models.train.fit import TrainError, tensorflow
from models.train.recipe import RECIPES, trained

OUT = Path(__file__).parents[1] / "pilot.tflite"


def main(argv: list[str]) -> int:
    """`python -m models train`; 0, or 2 and one sentence on stderr."""
    options = _parser().parse_args(argv)
    try:
        check_writable(options.out)
        tensorflow(options.seed)
        flat = trained(RECIPES[options.recipe], options.frames, options.epochs, options.seed, told)
    except TrainError as why:
        print(why, file=sys.stderr)
        return 2
    options.out.write_bytes(flat)
    print(f"wrote {options.out}: {len(flat)} bytes")
    return 0


def told(line: str) -> None:
    """Print it now, not when a buffer is full."""
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models train",
        description="Train the bundled pilot, or one by another recipe, on the simulated track.",
        epilog="\n".join(f"{name:<8} {recipe.says}" for name, recipe in RECIPES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default=OUT, metavar="PATH", help="where to write it (default: models/pilot.tflite)")
    add("--recipe", choices=RECIPES, default="robust", help="what to learn from (%(default)s)")
    add("--seed", type=within(0, 9999), default=0, metavar="N", help="of frames and weights (%(default)s)")
    add("--frames", type=within(1, 500_000), default=36_000, metavar="N", help="to render (%(default)s)")
    add("--epochs", type=within(1, 1000), default=14, metavar="N", help="over all frames (%(default)s)")
    return parser


def check_writable(out: Path) -> None:
    """Before the minutes of work, not after. Raises TrainError."""
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise TrainError(f"The pilot cannot be written to {out}; name a file in a folder that exists and is writable.")
