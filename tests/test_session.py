"""Sessions on the disk: their folders and manifests."""

import os
from pathlib import Path

import msgspec
import pytest

import wire
from host.record import RecordError, Recordings
from host.record.ledger import ledger_path
from host.record.session import MANIFEST, TAPE, VIDEO, Session, ensure_space, make_folder, read_manifest
from host.relay import Channel
from tests.recordings import MS, RED, arrival, film, jpeg, running_loop, start, ticks, until


def test_a_restarted_car_goes_on_along_the_same_time_line(tmp_path: Path) -> None:
    before = [arrival(at, session="aa", offset_ns=0) for at in (5000, 5033)]
    after = [arrival(at, session="bb", offset_ns=5900 * MS) for at in (6000, 6033)]
    recording = film(tmp_path, [*before, *after])
    assert ticks(recording.directory) == [0, 33 * 90, 1000 * 90, 1033 * 90]
    manifest = read_manifest(recording.directory)
    assert manifest.restarts == 1
    assert manifest.session == "aa"


DRIVEN = {"source": "the camera", "pilot": "linear.tflite", "pilot_sha256": "ab" * 32}


def test_the_manifest_says_what_happened(tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings:
        channel = Channel("kart", loop)
        said = wire.Status(car="kart", session="c0ffee", ping_ns=0, received_ns=0, sent_ns=0)
        channel.link.status = msgspec.structs.replace(said, **DRIVEN)
        recording = start(recordings, channel)
        assert read_manifest(recording.directory).status == "recording"
        for at in (5000, 5033, 5033, 5066):
            channel.deliver(arrival(at, jpeg(RED, 161, 121), session="c0ffee", offset_ns=3000 * MS))
        until(lambda: read_manifest(recording.directory).session)
        running = read_manifest(recording.directory)
        assert (running.status, running.session, running.frames) == ("recording", "c0ffee", 0)
        recordings.stop("kart")
    manifest = read_manifest(recording.directory)
    assert manifest == msgspec.structs.replace(
        running,
        status="complete",
        frames=3,
        dropped=1,
        drops={"time": 1},
        duration_s=0.099,
        parts=["overlay"],
        overlay_only_s=0.066,
    )
    assert {name: getattr(manifest, name) for name in DRIVEN} == DRIVEN
    assert (manifest.car, manifest.width, manifest.height) == ("kart", 162, 122)
    assert (manifest.captured_ns, manifest.clock_offset_ns, manifest.clock_error_ns) == (2000 * MS, 3000 * MS, 1000)
    assert manifest.started_at.endswith("Z")
    files = {file.name for file in recording.directory.iterdir()}
    assert files == {MANIFEST, VIDEO, TAPE, ledger_path(Path(TAPE)).name}


def test_a_manifest_of_an_older_or_newer_version_is_read(tmp_path: Path) -> None:
    older = {"pilotlens": "0.1", "car": "kart", "started_at": "2026-01-01T00:00:00.000Z", "frames": 3, "duration_s": 1}
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode({**older, "newer": {"than": "this"}}))
    manifest = read_manifest(tmp_path)
    assert (manifest.frames, manifest.pilot, manifest.start_unix_ns, manifest.parts) == (3, "", None, [])
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(RecordError, match="no session manifest"):
        read_manifest(tmp_path)


def test_where_nothing_came_nothing_is_kept(tmp_path: Path) -> None:
    recording = film(tmp_path, [])
    assert recording.error == "no picture of kart came that could be recorded: nothing was kept"
    assert list(tmp_path.iterdir()) == []
    assert film(tmp_path, [arrival(0, b"rubbish")]).drops == {"unreadable": 1}
    assert list(tmp_path.iterdir()) == []


def test_syncing_counts_every_file_and_notices_that_one_is_gone(tmp_path: Path) -> None:
    session = Session(tmp_path, "kart")
    (tmp_path / "other").write_bytes(bytes(1000))
    session.follow(tmp_path / "other")
    (tmp_path / VIDEO).write_bytes(bytes(234))
    session.sync()
    assert session.written_bytes == 1234
    (tmp_path / "other").unlink()
    with pytest.raises(RecordError, match="somebody deleted it"):
        session.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(session._files[0] if session._files else -1)


def test_room_is_asked_for_once_and_only_where_it_is_needed(tmp_path: Path) -> None:
    asked: list[Path] = []
    ensure_space(tmp_path, 1, lambda: asked.append(tmp_path))
    assert asked == []
    with pytest.raises(RecordError, match="make room, then start the recording again"):
        make_folder(tmp_path / "sessions", "kart", 2**62, lambda: asked.append(tmp_path))
    assert asked == [tmp_path]
    assert list((tmp_path / "sessions").iterdir()) == []
