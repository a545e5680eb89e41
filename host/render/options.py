"""The command line of `python -m host render`, and what is meant by it."""

import argparse
from typing import TYPE_CHECKING, Any

from config import check
from host.render.error import RenderError
from wire import COLORMAPS, METHODS, PARTS, TARGETS, Look

if TYPE_CHECKING:
    from host.render.wish import Wish

PROGRAM = "python -m host render"
EXAMPLES = f"""
examples:
  {PROGRAM} --pilot models/night.tflite data/tub_7 -o films
  {PROGRAM} --pilot a.tflite --pilot b.tflite --together --chart tub drive.mp4 -o films
  {PROGRAM} --layout camera+overlay --method gradcam --start 120 --end 30.5s tub -o turn.mp4
  {PROGRAM} --dask tcp://10.0.0.5:8786 --pilot a.tflite fleet/ -o films

A run that was stopped goes on where it was when the same command is given again.
"""
LOOK = ("target", "layer", "strength", "colormap", "gamma", "smoothing")
FILM = ("scale", "columns", "drawn", "recorded", "chart", "titles", "qp", "fps", "pauses", "start", "end", "together")
MAX_WORKERS = 256


def parser() -> argparse.ArgumentParser:
    """What is not given is None or empty, and then as the structs that it goes into have it."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Films of what pilots look at, from tubs, videos, folders of images and sessions.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="a tub, session, video or folder of images, or a folder that holds tubs and sessions",
    )
    add("-o", "--out", default="films", metavar="PATH", help="folder for films, or FILM.mp4 for one (default films)")
    add("--pilot", action="append", metavar="FILE", help="a .tflite file; of several each makes a film (default: ours)")
    _frames(made)
    _picture(made)
    _film(made)
    _work(made)
    return made


def _frames(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("which frames").add_argument
    add("--start", metavar="N|Ss", help="the first: its number, counted from 0, or seconds such as 12.5s")
    add("--end", metavar="N|Ss", help="the one to stop before, likewise")
    add("--fps", metavar="FPS", help="a constant rate instead of the recorded times")
    add(
        "--keep-pauses",
        dest="pauses",
        action="store_true",
        help="keep pauses of a tub that last more than 2 s, in which nobody drove",
    )


def _picture(made: argparse.ArgumentParser) -> None:
    look = Look()
    group = made.add_argument_group("what is drawn")
    add = group.add_argument
    add(
        "--method",
        action="append",
        metavar="NAME",
        help=f"how maps are made; several stand side by side: {', '.join(METHODS)} (default {look.method})",
    )
    add("--target", metavar="NAME", help=f"what is explained: {', '.join(TARGETS)} (default {look.target})")
    add("--layer", metavar="NAME", help="the convolution that gradcam and hirescam look at (default: the last)")
    add("--strength", metavar="0..1", help=f"opacity of the strongest pixel (default {look.strength})")
    add("--colormap", metavar="NAME", help=f"{', '.join(COLORMAPS)} (default {look.colormap})")
    add("--gamma", metavar="0.2..2", help=f"below 1 lifts what is faint (default {look.gamma})")
    add("--smoothing", metavar="0..0.95", help="weight of the map before in the one shown (default 0)")
    add(
        "--layout", default="overlay", metavar="PARTS", help=f"panels joined by +: {', '.join(PARTS)} (default overlay)"
    )
    add("--together", action="store_true", help="several pilots side by side in one film")
    add("--columns", metavar="N", help="panels in a row (default: all of them)")
    add("--chart", action="store_true", help="a strip with steering and throttle, 5 s back and ahead")
    drawn = group.add_mutually_exclusive_group()
    drawn.add_argument(
        "--lines", dest="drawn", action="store_const", const="lines", help="Donkeycar's control lines, not gauges"
    )
    drawn.add_argument(
        "--no-gauges", dest="drawn", action="store_const", const="none", help="neither steering nor throttle"
    )
    add("--no-driver", dest="recorded", action="store_false", help="do not draw what the driver did")
    add("--no-titles", dest="titles", action="store_false", help="do not say what each panel is")


def _film(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("the film").add_argument
    add("--scale", metavar="X", help="how much frames are enlarged (default 2)")
    add("--qp", metavar="1..51", help="x264's quantizer: less is better and larger (default 23)")
    add("--no-csv", dest="csv", action="store_false", help="no table of figures beside the film")


def _work(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("the work").add_argument
    add("--dry-run", action="store_true", help="say what would be made, and make nothing")
    add("--overwrite", action="store_true", help="make films anew that are there already")
    add("--workers", metavar="N", help="processes on this machine (default: one per processor)")
    add("--dask", metavar="ADDRESS|local[:N]", help="work on a Dask cluster instead, or on one made here for it")


def wish(options: argparse.Namespace) -> "Wish":
    """How the films shall look. Raises ConfigError, which names the option and its range, and PlanError."""
    from host.render.wish import Wish, layout

    given = {name: value for name, value in vars(options).items() if value not in (None, "")}
    drawn: dict[str, Any] = {name: given[name] for name in LOOK if name in given}
    looks = tuple(check(Look, {**drawn, "method": method}) for method in given.get("method", [Look().method]))
    film: dict[str, Any] = {name: given[name] for name in FILM if name in given}
    return check(Wish, {**film, "looks": looks, "layout": layout(options.layout)})


def whole(name: str, text: str | None, default: int) -> int:
    """A number of workers. Raises RenderError."""
    if not text:
        return default
    if not (text.isdecimal() and 1 <= int(text) <= MAX_WORKERS):
        raise RenderError(f"option {name!r}: a whole number from 1 to {MAX_WORKERS} is wanted, not {text!r}")
    return int(text)
