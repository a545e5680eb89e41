"""`make bench`: the figures the README quotes, measured here and now, as a table and as .bench/latest.json."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

from tests import namespaces
from tests.bench import check, compute, link, live
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
        choices=["compute", "methods", "check", "latency", "link", "fairness", "memory"],
        help="measure just this",
    )
    options = parser.parse_args()
    jobs: dict[str, Callable[[], list[Figure]]] = {
        "compute": compute.figures,
        "methods": compute.methods,
        "check": check.figures,
        "latency": live.latency,
        "link": _link,
        "fairness": live.fairness,
        "memory": lambda: live.memory(options.minutes),
    }
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores; medians, one thread\n")
    figures: list[Figure] = []
    for name, job in jobs.items():
        if options.only in (None, name):
            measured = job()
            print("\n".join(figure.row() for figure in measured), flush=True)
            figures += measured
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps([figure.record() for figure in figures], indent=1) + "\n")


def _link() -> list[Figure]:
    if why := namespaces.why_not():
        print(f"(the slow link is not measured: {why})")
        return []
    return link.figures()


if __name__ == "__main__":
    main()
