"""`python -m models study`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec

from edge.capture.track.style import STYLES
from edge.pilot import Pilot, PilotError
from models.options import within
from models.study import pictures, tables
from models.study.figures import TRACKS, Extent, Figures, Measuring, Study
from models.study.scenes import Scenery
from models.train.command import OUT, told
from models.train.fit import TrainError, tensorflow
from models.train.recipe import RECIPES, trained

_BUNDLED = "bundled"
_TRAINED = "trained.json"
_SHOWN = ("naive", "robust")
_QUALITY = 88


def main(argv: list[str]) -> int:
    """`python -m models study`; 0, or 2 and one sentence on stderr."""
    options = _parser().parse_args(argv)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        if not options.keep:
            _train(options)
        study = _measure(options)
        _write(options.output, study)
    except (TrainError, PilotError) as why:
        print(f"models study: {why}", file=sys.stderr)
    except OSError as why:
        print(f"models study: folder {options.output} cannot be used: {why.strerror}", file=sys.stderr)
    else:
        told(f"{options.output}: study.md, study.json, and pictures")
        return 0
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models study",
        description="Train a pilot by each recipe and measure what each steers by: the sky, or the lines.",
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for pilots, tables and pictures")
    add("--keep", action="store_true", help="measure the pilots that are in FOLDER already; needs no TensorFlow")
    add("--seed", type=within(0, 9999), default=0, metavar="N", help="of frames and weights (%(default)s)")
    add("--frames", type=within(1, 500_000), default=12_000, metavar="N", help="to learn from (%(default)s)")
    add("--epochs", type=within(1, 1000), default=8, metavar="N", help="over all frames (%(default)s)")
    add("--places", type=within(8, 10_000), default=200, metavar="N", help="to compare pictures at (%(default)s)")
    add("--laps", type=within(1, 100), default=2, metavar="N", help="to drive in each guise (%(default)s)")
    return parser


def _train(options: argparse.Namespace) -> None:
    """One pilot by each recipe into the folder. Raises TrainError."""
    tensorflow(options.seed)
    for name, recipe in RECIPES.items():
        told(f"{name}: {recipe.says}")
        flat = trained(recipe, options.frames, options.epochs, options.seed, lambda line: told(f"  {line}"))
        (options.output / f"{name}.tflite").write_bytes(flat)
    how = {name: getattr(options, name) for name in ("frames", "epochs", "seed")}
    (options.output / _TRAINED).write_bytes(msgspec.json.encode(how))


def _measure(options: argparse.Namespace) -> Study:
    extent = Extent(options.places, min(60, options.places), options.laps)
    measuring = Measuring(extent)
    found = [measuring.figures(name, says, file, told) for name, says, file in _pilots(options.output)]
    return Study(_how_trained(options.output), extent, measuring.areas, found)


def _how_trained(folder: Path) -> dict[str, int]:
    """Frames, epochs and seed, as noted by the command that trained the pilots there; empty if nothing is."""
    try:
        return msgspec.json.decode((folder / _TRAINED).read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _pilots(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Name, what it learnt from, and file."""
    for name, recipe in RECIPES.items():
        yield name, recipe.says, folder / f"{name}.tflite"
    yield _BUNDLED, "the pilot that PilotLens comes with", OUT


def _write(folder: Path, study: Study) -> None:
    (folder / "study.json").write_bytes(msgspec.json.format(msgspec.json.encode(study)))
    (folder / "study.md").write_text(tables.page(study), "utf-8")
    for track in TRACKS:
        (folder / f"steers-by-{track}.svg").write_text(pictures.chart(study.pilots, track), "utf-8")
    shown = {name: Pilot.load(folder / f"{name}.tflite") for name in _SHOWN}
    drawn = pictures.skylines(Scenery(TRACKS[0], STYLES[TRACKS[0]]), shown, _best(study.pilots), study.extent.places)
    _, jpeg = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    (folder / "skylines.jpg").write_bytes(jpeg.tobytes())


def _best(pilots: list[Figures]) -> str:
    """The method to draw with: the last that all can do."""
    able = [set(it.attention[TRACKS[0]]) for it in pilots]
    return [method for method in pilots[0].attention[TRACKS[0]] if all(method in each for each in able)][-1]
