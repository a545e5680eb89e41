"""Hosts killed with SIGKILL at random moments of a recording: what is missing, and whether what is left opens."""

import random
import tempfile
from pathlib import Path

from host.record.session import TAPE, read_manifest
from host.review.footage import Footage
from host.review.limits import Limits
from host.review.shelf import Shelf
from tests.bench.figure import Figure
from tests.recordings import FPS, Killed, kill_while_recording, ticks

AT_ONCE = 5


def figures(kills: int = 50) -> list[Figure]:
    """Each host records 30 frames a second and is killed after 1 to 6 s."""
    chance = random.Random()
    missing: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for batch in range(-(-kills // AT_ONCE)):
            after = sorted(chance.randrange(FPS, 6 * FPS) for _ in range(min(AT_ONCE, kills - len(missing))))
            killed = kill_while_recording(Path(folder) / str(batch), after)
            missing += [seconds for one in killed if (seconds := missing_s(one)) is not None]
    return [
        Figure(f"sessions of {kills} hosts killed while recording that open", len(missing), "", kills, "more"),
        Figure("recording missing after a kill, most", max(missing), "s", 1),
        Figure("recording missing after a kill, median", sorted(missing)[len(missing) // 2], "s", 1),
    ]


def missing_s(one: Killed) -> float | None:
    """What had come and is not in both files after the next start has repaired them; None if it does not open."""
    with Shelf(one.folder.parent, Limits()) as shelf:
        shelf.repair(wait=True)
    if read_manifest(one.folder).status != "recovered":
        return None
    with Footage(one.folder / TAPE) as footage:
        shown, measured = ticks(one.folder), list(footage.ticks)
    common = min(len(shown), len(measured))
    if not common or shown[:common] != measured[:common]:
        return None
    return (one.delivered - common) / FPS


if __name__ == "__main__":
    print("\n".join(figure.row() for figure in figures()))
