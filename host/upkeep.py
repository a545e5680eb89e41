"""What the pit wall does for its sessions beside recording them: repair what a crash left, keep to the disk's limits.

Both touch the disk and so run in threads. A disk that fails is said and costs nothing but that; anything else that goes
wrong ends the process, loudly, as every broken task does.
"""

import asyncio
import logging

from host.review.repair import Repaired
from host.review.shelf import Shelf

log = logging.getLogger("host")

TIDY_EVERY_S = 60.0


async def keep_sessions(shelf: Shelf) -> None:
    """Repair, then tidy every minute, until cancelled."""
    for repaired in await asyncio.to_thread(shelf.repair, wait=True):
        log.warning("%s", sentence(repaired))
    while True:
        await asyncio.to_thread(tidy, shelf)
        await asyncio.sleep(TIDY_EVERY_S)


def tidy(shelf: Shelf) -> None:
    """Make sessions fit their limits and say what went. For any thread."""
    try:
        for name in shelf.tidy():
            log.info("the session %s was removed: the limits of the disk left no room for it", name)
    except OSError as why:
        log.warning("cannot see to it that %s keeps to its limits: %s", shelf.directory, why.strerror or why)


def sentence(repaired: Repaired) -> str:
    """What became of a session that a crash left; its reason also says what could not be repaired."""
    kept = f"{repaired.frames} frames, {repaired.duration_s:.1f} s"
    return f"the session {repaired.name} was left unfinished, marked as {repaired.status} ({kept}): {repaired.reason}"
