"""What may be changed from outside: recording, bookmarks and looks, by the addresses the page uses."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest
from aiohttp import web

import wire
from host.control import merge
from host.record.notes import MAX_TEXT, read_notes
from host.record.session import read_manifest
from tests.wall import Answer, Wall, pit_wall, until

RECORDING = "/api/cars/demo/recording"
BOOKMARKS = "/api/cars/demo/bookmarks"


def start(wall: Wall) -> Any:
    answer = wall.request("POST", RECORDING, {"action": "start"})
    assert answer.status == 200, answer.text
    return answer.json()


def stop(wall: Wall, car: str = "demo") -> Any:
    return wall.request("POST", f"/api/cars/{car}/recording", {"action": "stop"}).json()


def mark(wall: Wall, label: str = "", car: str = "demo") -> Any:
    answer = wall.request("POST", f"/api/cars/{car}/bookmarks", {"label": label})
    assert answer.status == 200, answer.text
    return answer.json()


@contextlib.contextmanager
def watching(wall: Wall) -> Iterator[None]:
    """Somebody who watches, so that pictures come."""
    stop = threading.Event()

    def watch() -> None:
        with urlopen(f"{wall.url}/stream/demo.mjpg", timeout=10) as stream:
            while not stop.is_set() and stream.read1(65536):
                pass

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_a_recording_tells_what_the_page_needs(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        told = start(wall)
        assert told["running"] and told["directory"] == str(tmp_path / told["name"])
        until(lambda: wall.recordings.active["demo"].frames > 10)
        done = stop(wall)
        assert not done["running"] and done["name"] == told["name"]
        assert done["frames"] > 10 and 0 < done["duration_s"] < 60 and done["written_bytes"] > 0
        assert (done["error"], done["trouble"], done["bookmarks"], done["gaps"]) == ("", "", 0, 0)


def test_a_bookmark_is_where_the_newest_picture_is(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        name = start(wall)["name"]
        until(lambda: wall.recordings.active["demo"].frames > 10)
        before_s = wall.recordings.active["demo"].duration_s
        answer = mark(wall, "hit <b>the</b> wall")
        after_s = wall.recordings.active["demo"].duration_s
        assert not answer["started"]
        assert answer["bookmark"]["label"] == "hit <b>the</b> wall"
        assert before_s - 0.1 <= answer["bookmark"]["time_s"] <= after_s + 0.1
        assert answer["recording"]["bookmarks"] == 1
        mark(wall)
        stop(wall)
        kept = read_notes(tmp_path / name).bookmarks
        assert [one.label for one in kept] == ["hit <b>the</b> wall", ""]
        assert kept[0].id == answer["bookmark"]["id"]


def test_a_bookmark_where_nothing_is_recorded_records_with_the_seconds_before(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall:
        wall.recordings.attend(wall.cars["demo"].channel)
        with wall.cars["demo"].driving():
            with watching(wall):
                until(lambda: wall.cars["demo"].channel.wanted)
                seen = wall.cars["demo"].seq
                until(lambda: wall.cars["demo"].seq > seen + 30)
                answer = mark(wall, "there")
            assert answer["started"] and answer["recording"]["running"]
            assert answer["bookmark"]["time_s"] > 0.5, "what came before is in the session"
            frames = wall.recordings.active["demo"].frames
            until(lambda: wall.recordings.active["demo"].frames > frames + 5)  # it goes on
            stop(wall)
        manifest = read_manifest(tmp_path / answer["recording"]["name"])
        assert manifest.status == "complete" and manifest.pre_roll_s > 0.5


def test_two_bookmarks_at_once_start_one_recording(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.append(wall.request("POST", BOOKMARKS, {}))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [answer.status for answer in answers] == [200] * 4, [answer.text for answer in answers]
        assert sum(answer.json()["started"] for answer in answers) == 1
        stop(wall)
        [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
        assert len(read_notes(folder).bookmarks) == 4


def test_there_is_nothing_to_bookmark_where_no_picture_comes(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall:
        answer = wall.request("POST", BOOKMARKS, {})
        assert answer.status == 409 and "demo" in answer.text and "nothing to bookmark" in answer.text
        assert not wall.recordings.active
        assert list(tmp_path.iterdir()) == [], "not even an empty session is left"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b'{"label": "\xff"}',
        b"[]",
        b"null",
        b'{"label": 5}',
        b'{"name": "x"}',
        b'{"label": "' + b"x" * (MAX_TEXT + 1) + b'"}',
    ],
)
def test_what_is_no_bookmark_is_refused_and_nothing_begins(body: bytes, tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        answer = wall.request("POST", BOOKMARKS, body)
        assert answer.status == 400 and answer.text.startswith('Say {"label":')
        assert not wall.recordings.active and list(tmp_path.iterdir()) == []


def test_a_bookmark_needs_no_words(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        assert wall.request("POST", BOOKMARKS, b"").json()["bookmark"]["label"] == ""


def test_a_recording_that_cannot_start_keeps_its_sentence_in_the_state(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    sessions.write_text("a file stands where the folder should be")
    with pit_wall("demo", sessions=sessions) as wall:
        for path, body in ((RECORDING, {"action": "start"}), (BOOKMARKS, {})):
            answer = wall.request("POST", path, body)
            assert answer.status == 409 and str(sessions) in answer.text
        told = wall.get("/state").json()["cars"][0]["recording"]
        assert str(sessions) in told["error"] and told["name"] == "" and not told["running"]


def test_several_cars_are_recorded_each_on_its_own(tmp_path: Path) -> None:
    with pit_wall("left", "right", sessions=tmp_path) as wall:
        with wall.cars["left"].driving(), wall.cars["right"].driving():
            first = mark(wall, "l", car="left")["recording"]["name"]
            second = mark(wall, "r", car="right")["recording"]["name"]
            stop(wall, "left")
            assert list(wall.recordings.active) == ["right"]
            mark(wall, "r2", car="right")
            stop(wall, "right")
        assert [one.label for one in read_notes(tmp_path / first).bookmarks] == ["l"]
        assert [one.label for one in read_notes(tmp_path / second).bookmarks] == ["r", "r2"]


def samples(wall: Wall) -> dict[str, float]:
    lines = [line for line in wall.get("/metrics").text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_what_is_recorded(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        assert samples(wall)['pilotlens_recording{car="demo"}'] == 0
        start(wall)
        until(lambda: wall.recordings.active["demo"].frames > 5)
        assert samples(wall)['pilotlens_recording{car="demo"}'] == 1
        done = stop(wall)
        told = samples(wall)
        assert told['pilotlens_recording{car="demo"}'] == told['pilotlens_recording_failed{car="demo"}'] == 0
        assert told['pilotlens_recording_frames{car="demo"}'] == done["frames"]
        assert told['pilotlens_recording_bytes{car="demo"}'] == pytest.approx(done["written_bytes"], rel=1e-8)


def test_metrics_tell_of_the_disk(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall, wall.cars["demo"].driving():
        assert "pilotlens_disk_seconds_left" not in samples(wall), "nothing is known of the rate yet"
        assert samples(wall)["pilotlens_disk_free_bytes"] > 0
        start(wall)
        until(lambda: samples(wall).get("pilotlens_disk_seconds_left", 0) > 0)


def test_a_look_is_merged_field_by_field() -> None:
    look = wire.Look(strength=0.3, colormap="jet")
    assert merge(look, b'{"gamma": 1.5}') == msgspec.structs.replace(look, gamma=1.5)
    for body in (b'{"gamma": 99}', b'{"sharpness": 1}', b"[]", b""):
        with pytest.raises(web.HTTPBadRequest):
            merge(look, body)
