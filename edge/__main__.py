"""`python -m edge`: the process on the car."""

import argparse
import contextlib
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

import keys as curve
from config import ConfigError, parse
from edge import card as cards
from edge.background import Background
from edge.capture import SourceError, open_source
from edge.card import CardFlags
from edge.check import Checker
from edge.explain import Explainer
from edge.methods import CATALOG
from edge.pilot import Pilot, PilotError
from edge.pipeline import Pipeline
from edge.publish import Publisher, PublishError
from edge.start import BUNDLED_PILOT
from wire import Look, Name

log = logging.getLogger("edge")

SIZE = r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$"


class EdgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the car's process does."""

    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="where frames come from: track, track:NAME, picamera2, camera:N, or the path of a Donkeycar "
            "tub, a folder of images or a video",
        ),
    ] = "track"
    pilot: Annotated[str, Meta(title="FILE", description="the pilot, a .tflite file; the bundled one if not given")] = (
        ""
    )
    bind: Annotated[str, Meta(title="ADDRESS", description="where hosts connect")] = "tcp://127.0.0.1:5555"
    name: Annotated[Name, Meta(description="this car's name")] = "car"
    size: (
        Annotated[
            str, Meta(pattern=SIZE, title="WxH", description="camera frame's size; the source's own if not given")
        ]
        | None
    ) = None
    fps: Annotated[float, Meta(ge=1, le=240, description="frames per second; the source's own if not given")] | None = (
        None
    )
    pace: Annotated[
        Literal["recorded", "fast"],
        Meta(description="play a recording at its recorded rate, or every frame of it as fast as possible"),
    ] = "recorded"
    loop: Annotated[bool, Meta(description="play a recording again and again")] = True
    quality: Annotated[int, Meta(ge=10, le=95, description="JPEG quality of the pictures sent")] = 80
    threads: Annotated[int, Meta(ge=1, le=4, description="threads the pilot runs on")] = 1
    keys: Annotated[str, Meta(title="FILE", description="this car's CURVE keys, made by `python -m host keys`")] = ""
    insecure: Annotated[
        bool,
        Meta(
            description="listen beyond this machine without keys: whoever is on the network sees the camera and can "
            "change how the overlay looks"
        ),
    ] = False
    check: Annotated[
        bool,
        Meta(description="measure now and then, on a watched frame, how much better the maps explain than random ones"),
    ] = True
    look: Look = Look()
    card: CardFlags = CardFlags()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until the recording ends or a signal comes. 0: ended; 1: something broke; 2: bad input, in a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m edge", description=__doc__, allow_abbrev=False)
    try:
        return run(parse(EdgeConfig, parser, sys.argv[1:] if argv is None else argv))
    except (ConfigError, curve.KeysError, SourceError, PilotError, PublishError) as why:
        print(f"edge: {why}", file=sys.stderr)
        return 2


def run(config: EdgeConfig) -> int:
    """The design in a few lines: source → explainer → publisher, built in the order of the data path."""
    broken = _stop_on_broken_thread()
    stop = _stop_on_signal()
    car_keys = curve.load_car(Path(config.keys)) if config.keys else None
    if not car_keys:
        curve.require_loopback(config.bind, insecure=config.insecure)
    session = secrets.token_hex(8)

    source = open_source(
        config.source, size=_size(config.size), fps=config.fps, loop=config.loop, realtime=config.pace == "recorded"
    )
    path = Path(config.pilot) if config.pilot else BUNDLED_PILOT
    pilot = Pilot.load(path, card=cards.of(path, config.card), threads=config.threads)
    checker = Checker(pilot.another) if config.check else None
    explaining = partial(Explainer, car=config.name, session=session, quality=config.quality, checker=checker)
    explainer = explaining(pilot)
    publisher = Publisher(
        config.bind,
        config.name,
        session,
        keys=car_keys,
        source=config.source[-64:],
        pilot=pilot.name,
        pilot_sha256=pilot.sha256,
        abilities=explainer.abilities(),
        on_look=lambda look: setattr(pipeline, "look", look),
    )
    lossless = config.pace == "fast"
    background = None if lossless else Background(lambda: explaining(pilot.another()), publisher.offer_late)
    pipeline = Pipeline(source, explainer, publisher, look=config.look, background=background, lossless=lossless)

    with publisher, checker or contextlib.nullcontext(), background or contextlib.nullcontext(), pipeline:
        if refused := explainer.refusal(config.look):
            log.warning("%s", refused)
        log.info(
            "%s: %s explained by %s, pilot %s (%d×%d), for hosts at %s",
            config.name,
            source.name,
            CATALOG[config.look.method].title,
            pilot.name,
            pilot.input_size[1],
            pilot.input_size[0],
            publisher.address,
        )
        while not (stop.wait(0.2) or pipeline.ended.is_set()):
            pass
        if pipeline.ended.is_set():
            log.info(
                "the recording is over: %d frames explained, %d broken ones skipped", pipeline.explained, source.skipped
            )
    return 1 if broken else 0


def _size(text: str | None) -> tuple[int, int] | None:
    width, _, height = (text or "").partition("x")
    return (int(width), int(height)) if text else None


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _stop_on_broken_thread() -> list[threading.ExceptHookArgs]:
    """A thread that dies takes the process down, loudly; the service manager starts it again."""
    broken: list[threading.ExceptHookArgs] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        broken.append(args)
        threading.__excepthook__(args)
        signal.raise_signal(signal.SIGTERM)

    threading.excepthook = hook
    return broken


if __name__ == "__main__":
    sys.exit(main())
