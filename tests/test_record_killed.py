"""kill -9 at any moment: less than a second is missing afterwards, and what is left is a session like others."""

import random

import pytest

from host.record.session import TAPE, read_manifest
from host.review.footage import Footage
from host.review.limits import Limits
from host.review.shelf import Shelf
from tests.recordings import FPS, Killed, kill_while_recording, ticks

KILLS = 4


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[Killed]:
    """Hosts that recorded at the same time and were killed one after the other."""
    chance = random.Random(4)
    after = sorted(chance.randrange(FPS, 4 * FPS) for _ in range(KILLS))
    return kill_while_recording(tmp_path_factory.mktemp("killed"), after)


def test_what_is_missing_is_less_than_a_second(killed: list[Killed]) -> None:
    for one in killed:
        with Footage(one.folder / TAPE) as footage:
            shown, measured = ticks(one.folder), list(footage.ticks)
            assert all(footage.picture(index, "camera") for index in range(len(footage)))
            assert [footage.entry(index).frame.seq for index in range(len(footage))] == [*range(len(footage))]
        common = min(len(shown), len(measured))
        assert shown[:common] == measured[:common]
        assert one.delivered - common < FPS
        manifest = read_manifest(one.folder)
        assert manifest.status == "recording"


def test_what_is_left_is_repaired_without_losing_more(killed: list[Killed]) -> None:
    for one in killed:
        shown = ticks(one.folder)
        with Shelf(one.folder.parent, Limits()) as shelf:
            (repaired,) = shelf.repair(wait=True)
        assert (repaired.status, repaired.frames) == ("recovered", len(shown))
        assert ticks(one.folder) == shown
        manifest = read_manifest(one.folder)
        assert manifest.frames == len(shown)
        assert manifest.start_unix_ns
