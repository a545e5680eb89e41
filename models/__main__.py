"""`python -m models`: look into a pilot, or train the bundled one."""

import sys
from collections.abc import Callable, Sequence

USAGE = """usage: python -m models COMMAND …

commands:
  inspect FILE   a pilot's layers and geometry, and what would be exposed
  train          train the bundled pilot on simulated tracks (needs the [convert] extra)

`python -m models COMMAND --help` tells a command's options."""


def main(argv: Sequence[str] | None = None) -> int:
    """0: done; 2: bad input, said in a sentence."""
    command, *rest = [*(sys.argv[1:] if argv is None else argv), ""]
    try:
        run = _command(command)
    except ModuleNotFoundError as missing:
        print(f"models: {command} needs {missing.name}: pip install '.[edge,convert]'", file=sys.stderr)
        return 2
    if run is None:
        asked = command in ("", "-h", "--help")
        print(
            USAGE if asked else f"models: there is no command {command!r}.\n{USAGE}",
            file=sys.stdout if asked else sys.stderr,
        )
        return 0 if asked else 2
    return run(rest[:-1])


def _command(name: str) -> Callable[[list[str]], int] | None:
    """The command's main; imported only when asked for, training needs much that inspecting does not."""
    if name == "inspect":
        from models import inspect

        return inspect.main
    if name == "train":
        from models import train

        return train.main
    return None


if __name__ == "__main__":
    sys.exit(main())
