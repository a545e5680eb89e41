"""`make bench`: the figures the README quotes, measured here and now, as a table and as .bench/latest.json."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

from tests import namespaces
from tests.bench import check, compute, crash, link, live, record, render, review
from tests.bench.figure import Figure

LATEST = Path(__file__).parents[2] / ".bench" / "latest.json"


def main() -> None:
    """Measure, print, write; the table itself says what is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        default=float(os.environ.get("BENCH_MINUTES", "10")),
        help="how long memory is watched (default 10, or BENCH_MINUTES)",
    )
    parser.add_argument(
        "--only",
        choices=[*MEASURED],
        help="measure just this",
    )
    options = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores; medians, one thread\n")
    figures: list[Figure] = []
    for name, measure in MEASURED.items():
        if options.only in (None, name):
            measured = measure(options.minutes)
            print("\n".join(figure.row() for figure in measured), flush=True)
            figures += measured
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps([figure.record() for figure in figures], indent=1) + "\n")


def _link() -> list[Figure]:
    if why := namespaces.why_not():
        print(f"(the slow link is not measured: {why})")
        return []
    return link.figures()


MEASURED: dict[str, Callable[[float], list[Figure]]] = {
    "compute": lambda minutes: compute.figures(),
    "methods": lambda minutes: compute.methods(),
    "check": lambda minutes: check.figures(),
    "latency": lambda minutes: live.latency(),
    "link": lambda minutes: _link(),
    "fairness": lambda minutes: live.fairness(),
    "record": lambda minutes: record.figures(),
    "crash": lambda minutes: crash.figures(),
    "review": lambda minutes: review.figures(),
    "render": lambda minutes: render.figures(),
    "memory": live.memory,
}
"""What can be measured, given for how many minutes memory is watched."""


if __name__ == "__main__":
    main()
