"""The thread that puts a session on the disk: what it tells, and that it tells what went wrong."""

from pathlib import Path

import pytest

from host.record import RecordError
from host.record.keeper import Keeper
from host.record.session import Session, read_manifest
from tests.recordings import until


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.record.keeper.SYNC_S", 0.02)


def test_how_fast_a_session_grows(tmp_path: Path) -> None:
    session = Session(tmp_path, "kart")
    (tmp_path / "film").touch()
    session.follow(tmp_path / "film")
    with Keeper(session, 0, lambda: None) as keeper, (tmp_path / "film").open("ab", buffering=0) as film:
        until(lambda: len(keeper._written) > 1)
        assert keeper.bytes_per_s == 0
        film.write(bytes(123_456))
        until(lambda: keeper.bytes_per_s > 0)
        assert session.written_bytes == 123_456
        until(lambda: keeper.bytes_per_s == 0)
        keeper.check()
    session.close()


def test_the_manifest_is_written_soon_and_every_note_counts(tmp_path: Path) -> None:
    session = Session(tmp_path, "kart")
    with Keeper(session, 0, lambda: None) as keeper:
        keeper.note(width=640)
        keeper.note(height=480)
        until(lambda: read_manifest(tmp_path).height == 480)
    assert read_manifest(tmp_path).width == 640
    session.close()


def test_what_went_wrong_is_told_to_who_asks_and_ends_the_thread(tmp_path: Path) -> None:
    session = Session(tmp_path, "kart")
    with Keeper(session, 2**62, lambda: None) as keeper:
        until(lambda: not keeper._thread.is_alive())
        with pytest.raises(RecordError, match="make room"):
            keeper.check()
    assert keeper.waiting_s == 0
    session.close()
