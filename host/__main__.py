"""`python -m host`: the process on the pit wall; `python -m host COMMAND`: what is done beside it."""

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keys as curve
from config import ConfigError, parse
from host.options import HostConfig

__all__ = ["COMMANDS", "HostConfig", "main"]


class Command(NamedTuple):
    module: str
    """Has a `main(argv)` that returns the exit code."""
    arguments: str
    says: str
    extras: str = "host"
    """What has to be installed for it."""


COMMANDS = {
    "keys": Command("host.make_keys", "DIR", "make CURVE keys, one file for the car, one for the host"),
    "record": Command("host.record.command", "start|stop|bookmark", "record with a pit wall that runs"),
    "sessions": Command("host.review.command", "list|mark|delete|…", "what was recorded: list it, keep it, let it go"),
    "export": Command("host.review.export.command", "SESSION", "a piece of a session as MP4, GIF, CSV, tub or MCAP"),
    "render": Command(
        "host.render.command", "SOURCE…", "films of what pilots look at, from tubs and more", "edge,host"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal comes. 0: stopped; 1: something broke; 2: bad input, said in a sentence."""
    argv = [*(sys.argv[1:] if argv is None else argv)]
    command = COMMANDS.get(argv[0]) if argv else None
    try:
        return run_command(command, argv[1:]) if command else serve(argv)
    except (ConfigError, curve.KeysError) as error:
        why = str(error)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in {"edge", "host", "models"}:
            raise
        what, extras = (argv[0], command.extras) if command else ("the pit wall", "host")
        why = f"{what} needs {missing.name}, which is not installed: pip install '.[{extras}]'"
    print(f"host: {why}", file=sys.stderr)
    return 2


def run_command(command: Command, argv: Sequence[str]) -> int:
    """Its module is imported only now: a film needs much that watching does not, and the other way round."""
    run: Callable[[Sequence[str]], int] = importlib.import_module(command.module).main
    return run(argv)


def serve(argv: Sequence[str]) -> int:
    """Watch and record cars. Raises ConfigError and KeysError."""
    config = parse(HostConfig, arguments(), only_options(argv))
    from host.serve import run

    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    return run(config)


def arguments() -> argparse.ArgumentParser:
    """The options' parser, whose help tells the commands too."""
    heads = {f"{name} {command.arguments}": command.says for name, command in COMMANDS.items()}
    width = max(map(len, heads))
    lines = [f"  {head:{width}}  {says}" for head, says in heads.items()]
    return argparse.ArgumentParser(
        prog="python -m host",
        usage="python -m host [OPTION …]\n       python -m host COMMAND …",
        description="The process on the pit wall: shows cars in the browser and records them.",
        epilog="\n".join(["commands:", *lines, "", "`python -m host COMMAND --help` tells a command's options."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def only_options(argv: Sequence[str]) -> Sequence[str]:
    """Raises ConfigError where a first word can only be a mistyped command."""
    if argv and not argv[0].startswith("-"):
        raise ConfigError(f"there is no command {argv[0]!r}; there is: {', '.join(COMMANDS)}.")
    return argv


if __name__ == "__main__":
    sys.exit(main())
