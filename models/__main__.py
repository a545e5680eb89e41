"""`python -m models`: look into a pilot, describe it, convert it, measure what its maps are worth, train one."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Command(NamedTuple):
    module: str
    arguments: str
    says: str
    extras: str = "edge"
    """What has to be installed for it."""


COMMANDS = {
    "inspect": Command("inspect", "FILE", "a pilot's layers and geometry, and what would be exposed"),
    "card": Command("card", "FILE", "write down how a pilot is fed and read: colours, range, crop, outputs"),
    "convert": Command("convert", "SOURCE", "make a .tflite of what Keras or TensorFlow saved", "edge,convert"),
    "report": Command("report", "PILOT SOURCE", "measure what each method's maps of a pilot are worth"),
    "train": Command("train", "", "train the bundled pilot on simulated tracks", "edge,convert"),
    "study": Command(
        "study", "", "what pilots trained with and without augmentation and crop steer by", "edge,convert"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """0: done; 2: bad input, said in a sentence."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in {"-h", "--help"}:
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"models: there is no command {name!r}.\n{usage()}", file=sys.stderr)
        return 2
    try:
        return _run(name)(rest)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in {"models", "edge", "host"}:
            raise
        print(f"models: {name} needs {missing.name}: pip install '.[{COMMANDS[name].extras}]'", file=sys.stderr)
        return 2


def usage() -> str:
    """The commands, one a line."""
    heads = [f"{name} {command.arguments}".strip() for name, command in COMMANDS.items()]
    width = max(map(len, heads))
    lines = [f"  {head:{width}}  {command.says}" for head, command in zip(heads, COMMANDS.values(), strict=True)]
    return "\n".join(
        [
            "usage: python -m models COMMAND …",
            "",
            "commands:",
            *lines,
            "",
            "`python -m models COMMAND --help` tells a command's options.",
        ]
    )


def _run(name: str) -> Callable[[list[str]], int]:
    """The command's main; imported only when asked for, as training needs much that inspecting does not."""
    run: Callable[[list[str]], int] = importlib.import_module(f"models.{COMMANDS[name].module}").main
    return run


if __name__ == "__main__":
    sys.exit(main())
