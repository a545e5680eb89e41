"""The pit wall's HTTP side against real clients: what they get, what becomes of the odd ones, how all of it ends."""

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire
from host.control import merge
from host.live import WINDOW
from tests.wall import Wall, pit_wall, read_kind, read_number, until

PAD_BYTES = 40_000


@contextlib.contextmanager
def reading(wall: Wall, path: str, *headers: str, receive_bytes: int | None = None) -> Iterator[BufferedReader]:
    """A plain old HTTP/1.0 player: what it reads is the body and nothing else."""
    with socket.socket() as player:
        if receive_bytes is not None:
            player.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        player.settimeout(10)
        player.connect(("127.0.0.1", wall.port))
        player.sendall("\r\n".join([f"GET {path} HTTP/1.0", "Host: localhost", *headers, "", ""]).encode())
        with player.makefile("rb") as body:
            status = body.readline()
            assert b" 200 " in status, status
            while body.readline().strip():
                pass
            yield body


def next_part(body: BufferedReader) -> tuple[dict[str, str], bytes]:
    """Headers and picture of the next part of an MJPEG stream."""
    assert body.readline() == b"--frame\r\n"
    headers = dict(line.decode().strip().split(": ", 1) for line in iter(body.readline, b"\r\n"))
    picture = body.read(int(headers["Content-Length"]))
    assert body.readline() == b"\r\n"
    return headers, picture


def with_socket(wall: Wall, talk: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]], path: str) -> None:
    """Run a conversation over /ws."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(wall.url + path) as ws:
            async with asyncio.timeout(20):
                await talk(ws)

    asyncio.run(run(), debug=True)


async def next_picture(ws: aiohttp.ClientWebSocketResponse) -> tuple[dict[str, Any], bytes]:
    """The next binary message: header and JPEG."""
    async for message in ws:
        if message.type is aiohttp.WSMsgType.BINARY:
            (length,) = struct.unpack_from(">I", message.data)
            return json.loads(message.data[4 : 4 + length]), message.data[4 + length :]
    raise AssertionError(f"closed with {ws.close_code}")


async def next_text(ws: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            told: dict[str, Any] = message.json()
            if told["type"] == kind:
                return told
    raise AssertionError(f"closed with {ws.close_code}")


# The page and its parts


def test_the_page_and_every_file_it_names_are_served() -> None:
    with pit_wall("demo") as wall:
        page = wall.get("/").text
        for path in re.findall(r'(?:href|src)="(/[^"]+)"', page):
            assert wall.get(path).status == 200, path
        script = wall.get("/static/main.js")
    assert "javascript" in str(script.headers["Content-Type"])
    assert not re.search(r'(?:href|src)="(?!/)', page), "the page fetches nothing from elsewhere"


def test_no_script_puts_markup_from_text_into_the_page() -> None:
    scripts = "\n".join(path.read_text() for path in (Path(__file__).parents[1] / "host/static").rglob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://", scripts)


def test_the_page_s_files_are_sent_once_and_then_confirmed() -> None:
    with pit_wall("demo") as wall:
        for path in ("/", "/static/main.js", "/static/icon.svg", "/static/no-picture.jpg"):
            first = wall.get(path)
            assert first.status == 200
            again = wall.get(path, **{"If-None-Match": first.headers["ETag"]})
            assert (again.status, again.body) == (304, b"")


def test_static_files_end_at_their_folder() -> None:
    with pit_wall("demo") as wall:
        for path in ("/static/../view.py", "/static/%2e%2e/view.py", "/static//etc/passwd", "/static/"):
            assert wall.get(path).status in (403, 404), path


# What is wrong is said in a sentence


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/stream/nobody.mjpg", 404, "no car 'nobody' here; there is: demo, other"),
        ("GET", "/snapshot/nobody.jpg", 404, "no car"),
        ("GET", "/ws/nobody", 404, "no car"),
        ("POST", "/api/cars/nobody/recording", 404, "no car"),
        ("PATCH", "/api/cars/%3Cb%3E/look", 404, "no car"),
        ("GET", "/stream/demo.mjpg?part=secret", 400, "no part 'secret'; there is: overlay, camera, mask"),
        ("GET", "/ws/demo?part=", 400, "no part"),
        ("GET", "/ws/demo", 400, "speaks WebSocket"),
        ("POST", "/state", 405, "POST is not possible here"),
        ("GET", "/api/cars/demo/look", 405, "PATCH is"),
        ("HEAD", "/stream/demo.mjpg", 405, ""),
        ("DELETE", "/", 405, "DELETE is not possible"),
        ("GET", "/favicon.ico", 404, "nothing at '/favicon.ico'"),
    ],
)
def test_a_wrong_request_gets_a_sentence(method: str, path: str, status: int, says: str) -> None:
    with pit_wall("demo", "other") as wall:
        answer = wall.request(method, path)
    assert answer.status == status
    assert says in answer.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "stays as it is"),
        (b"{", "stays as it is"),
        (b"[]", "stays as it is"),
        (b'"strength"', "stays as it is"),
        (b"\xff\xfe", "stays as it is"),
        (b'{"strength": 1.1}', "<= 1"),
        (b'{"strength": NaN}', "stays as it is"),
        (b'{"strength": "0.5"}', "$.strength"),
        (b'{"gamma": 0}', ">= 0.2"),
        (b'{"colormap": "<script>"}', "$.colormap"),
        (b'{"method": "tea leaves"}', "$.method"),
        (b'{"method": ["gradient"]}', "$.method"),
        (b'{"target": "horn"}', "$.target"),
        (b'{"layer": 3}', "$.layer"),
        (b'{"layer": "' + b"x" * 65 + b'"}', "$.layer"),
        (b'{"mask": "exact"}', "no 'mask'"),
        (b'{"brightness": 1}', "no 'brightness'; it has strength, colormap"),
        (b"[" * 4000, "stays as it is"),
        (b'{"strength": ' + b"[" * 1900 + b"]" * 1900 + b"}", "stays as it is"),
        (b'{"method": "\xff"}', "stays as it is"),
    ],
)
def test_a_look_that_makes_no_sense_changes_nothing(body: bytes, says: str) -> None:
    with pit_wall("demo") as wall:
        answer = wall.request("PATCH", "/api/cars/demo/look", body)
        assert wall.cars["demo"].channel.look is None
    assert answer.status == 400
    assert says in answer.text


def test_a_body_too_large_is_not_read() -> None:
    with pit_wall("demo") as wall:
        answer = wall.request("PATCH", "/api/cars/demo/look", b" " * 100_000)
    assert answer.status == 413
    assert "at most 4096 bytes" in answer.text


# Methods, the check, metrics


def test_state_tells_the_check_the_refusal_and_what_the_pilot_can_do() -> None:
    with pit_wall("demo") as wall:
        car = wall.cars["demo"]
        assert wall.get("/state").json()["cars"][0]["link"]["methods"] == []
        car.can("edges", refusals={"gradient": "No."}, targets=["steering"], layers=["c1"])
        car.check = wire.Check(method="edges", ratio=5.25, low=4, high=6.5, frames=60)
        car.refused = "There is no map."
        car.arrive()
        until(lambda: car.channel.newest)
        told = wall.get("/state").json()["cars"][0]
    assert {name: told["link"][name] for name in ("methods", "refusals", "targets", "layers")} == {
        "methods": ["edges"],
        "refusals": {"gradient": "No."},
        "targets": ["steering"],
        "layers": ["c1"],
    }
    assert told["frame"]["check"] == {"method": "edges", "ratio": 5.25, "low": 4, "high": 6.5, "frames": 60}
    assert told["frame"]["refused"] == "There is no map."


def samples(text: str) -> dict[str, float]:
    """Every sample of an exposition; a line that is none fails."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            told = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)', line)
            assert told, line
            found[told[1]] = float(told[2])
    return found


def test_metrics_tell_the_check_in_numbers() -> None:
    with pit_wall("demo", "other") as wall:
        car = wall.cars["demo"]
        before = samples(wall.get("/metrics").text)
        assert before['pilotlens_up{car="demo"}'] == 0
        assert not [name for name in before if "check" in name or "age" in name]
        car.check = wire.Check(method="edges", ratio=5.25, low=4, high=6.5, frames=60)
        car.drops = {'say "slow"\\\n': 3}
        car.arrive()
        until(lambda: car.channel.newest)
        answer = wall.get("/metrics")
    told = samples(answer.text)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    labels = '{car="demo",method="edges",target="steering"}'
    assert told[f"pilotlens_check_ratio{labels}"] == 5.25
    assert told[f"pilotlens_check_ratio_low{labels}"] == 4
    assert told[f"pilotlens_check_ratio_high{labels}"] == 6.5
    assert told[f"pilotlens_check_frames{labels}"] == 60
    assert told['pilotlens_up{car="demo"}'] == 1
    assert told['pilotlens_up{car="other"}'] == 0
    assert told['pilotlens_frames_total{car="demo"}'] == 1
    assert told['pilotlens_dropped_total{car="demo",cause="say \\"slow\\"\\\\\\n"}'] == 3


# Looks


def test_a_change_of_look_is_merged_onto_the_newest_one_known() -> None:
    with pit_wall("demo") as wall:
        car = wall.cars["demo"]
        car.look = wire.Look(strength=0.3, colormap="jet")
        car.arrive()
        until(lambda: car.channel.newest)
        assert wall.request("PATCH", "/api/cars/demo/look", {"gamma": 1}).json()["colormap"] == "jet"
        assert car.channel.look == wire.Look(strength=0.3, colormap="jet", gamma=1.0)
        car.channel.look = None  # on its way to the car, whose frames do not show it yet
        assert wall.request("PATCH", "/api/cars/demo/look", {"gauges": False}).status == 200
        assert car.channel.look == wire.Look(strength=0.3, colormap="jet", gamma=1.0, gauges=False)


LOOKS = st.builds(
    wire.Look,
    strength=st.floats(0, 1),
    colormap=st.sampled_from(wire.COLORMAPS),
    method=st.sampled_from(wire.METHODS),
    target=st.sampled_from(wire.TARGETS),
    layer=st.text(max_size=64),
    gamma=st.floats(0.2, 2),
    smoothing=st.floats(0, 0.95),
    gauges=st.booleans(),
)


@given(LOOKS, LOOKS, st.sets(st.sampled_from(wire.Look.__struct_fields__)))
def test_merging_replaces_the_fields_that_are_named_and_no_other(
    old: wire.Look, new: wire.Look, named: set[str]
) -> None:
    merged = merge(old, msgspec.json.encode({name: getattr(new, name) for name in named}))
    for name in wire.Look.__struct_fields__:
        assert getattr(merged, name) == getattr(new if name in named else old, name)


# Recordings


def test_recording_is_started_watched_and_stopped(tmp_path: Path) -> None:
    with pit_wall("demo", sessions=tmp_path) as wall:
        path = "/api/cars/demo/recording"
        started = wall.request("POST", path, {"action": "start"}).json()
        assert started["running"]
        car = wall.wait_for("demo", "overlay", "camera", "mask")
        car.arrive_until(lambda: wall.get("/state").json()["cars"][0]["recording"]["frames"] >= 3)
        assert wall.request("POST", path, {"action": "start"}).status == 409
        stopped = wall.request("POST", path, {"action": "stop"}).json()
        assert not stopped["running"]
        assert stopped["error"] == ""
        assert wall.get("/state").json()["cars"][0]["recording"] == stopped
        assert list(Path(stopped["directory"]).glob("*.mp4"))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"action": "burn"}', b'{"action": "start", "path": "/"}', b"start", b'{"action": "\xff"}']
)
def test_an_order_that_is_none_records_nothing(body: bytes) -> None:
    with pit_wall("demo") as wall:
        answer = wall.request("POST", "/api/cars/demo/recording", body)
        assert answer.status == 400
        assert 'Say {"action": "start"}' in answer.text
        assert wall.recordings.state() == []


def test_stopping_what_was_never_started_is_said() -> None:
    with pit_wall("demo") as wall:
        answer = wall.request("POST", "/api/cars/demo/recording", {"action": "stop"})
    assert (answer.status, answer.text) == (409, "demo is not being recorded")


# State and health


def test_state_tells_all_that_is_known_of_a_car() -> None:
    with pit_wall("demo", "absent") as wall:
        wall.cars["demo"].arrive()
        until(lambda: wall.cars["demo"].channel.newest)
        with reading(wall, "/stream/demo.mjpg?part=mask&name=me") as body:
            next_part(body)
            state = wall.get("/state").json()
    demo, absent = state["cars"]
    (watcher,) = demo["watchers"]
    assert (demo["name"], absent["name"]) == ("demo", "absent")
    assert (watcher["name"], watcher["kind"], watcher["part"]) == ("me", "mjpeg", "mask")
    assert watcher["address"] == "127.0.0.1"
    assert demo["frame"]["outputs"] == {"angle": [0.25], "throttle": [0.5]}
    assert list(demo["frame"]["stages_ns"]) == ["capture", "pilot", "mask", "overlay", "jpeg", "network"]
    assert demo["frame"]["stages_ns"]["network"] == 1_000_000
    assert demo["frame"]["drops"] == {"slot": 2}
    assert demo["link"]["live"]
    assert (absent["frame"], absent["age_ns"], absent["link"]["trouble"]) == (None, None, "not connected yet")


def test_odd_numbers_from_a_car_still_make_json() -> None:
    """JSON knows no NaN and no infinity."""
    with pit_wall("demo") as wall:
        wall.cars["demo"].outputs = {"angle": [float("nan"), float("inf")], "": []}
        wall.cars["demo"].arrive()
        until(lambda: wall.cars["demo"].channel.newest)
        assert wall.get("/state").json()["cars"][0]["frame"]["outputs"]["angle"] == [None, None]


def test_healthy_means_that_some_car_brings_fresh_frames() -> None:
    with pit_wall("demo", "other") as wall:
        answer = wall.get("/healthz")
        assert (answer.status, answer.json()["ready"]) == (503, False)
        wall.cars["demo"].age_ns = 60 * 10**9
        wall.cars["demo"].arrive()
        until(lambda: wall.cars["demo"].channel.newest)
        assert wall.get("/healthz").status == 503
        wall.cars["demo"].age_ns = 0
        wall.cars["demo"].arrive()
        until(lambda: wall.get("/healthz").status == 200)
        cars = wall.get("/healthz").json()["cars"]
        assert [cars["demo"]["ready"], cars["other"]["ready"]] == [True, False]


# Snapshots


def test_a_snapshot_is_captured_after_the_request() -> None:
    """Frames captured before, though they arrive later, are not handed out."""
    with pit_wall("demo") as wall:
        car = wall.cars["demo"]
        car.age_ns = 300_000_000
        asked_ns = time.monotonic_ns()
        with car.driving():
            answer = wall.get("/snapshot/demo.jpg?part=camera")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert int(answer.headers["X-Captured-Ns"]) >= asked_ns
    assert read_kind(answer.body) == "camera"
    assert read_number(answer.body) == int(answer.headers["X-Seq"])


def test_no_fresh_frame_is_a_503_with_the_cars_trouble() -> None:
    with pit_wall("demo") as wall:
        wall.cars["demo"].channel.link.trouble = "the camera is gone"
        answer = wall.get("/snapshot/demo.jpg")
    assert answer.status == 503
    assert answer.text == "No fresh picture of demo within 2 s: the camera is gone."


# MJPEG


def test_a_stream_shows_the_newest_frames_with_what_is_known_of_them() -> None:
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg?part=camera") as body:
        car = wall.wait_for("demo", "camera")
        for _ in range(3):
            sent = car.arrive()
            headers, picture = next_part(body)
            assert headers["X-Captured-Ns"] == str(sent.captured_ns)
            assert headers["X-Seq"] == str(sent.frame.seq)
            assert picture == sent.parts["camera"]


def test_a_silent_car_has_its_last_frame_repeated_and_then_a_card() -> None:
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg") as body:
        sent = wall.wait_for("demo", "overlay").arrive()
        repeats = iter(lambda: next_part(body), None)
        assert next(repeats)[1] == sent.parts["overlay"]
        assert next(repeats)[1] == sent.parts["overlay"]
        headers, card = next(part for part in repeats if part[1] != sent.parts["overlay"])
        assert headers["X-No-Picture"] == "1"
        assert card.startswith(b"\xff\xd8")


def test_frames_without_the_wanted_part_are_passed_over() -> None:
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg?part=mask") as body:
        car = wall.wait_for("demo", "mask")
        car.arrive({})
        car.arrive({"overlay": b"something else"})
        sent = car.arrive()
        assert next_part(body)[1] == sent.parts["mask"]


def test_a_browser_has_the_next_headers_right_behind_each_picture() -> None:
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg", "User-Agent: Mozilla/5.0") as body:
        sent = wall.wait_for("demo", "overlay").arrive()
        headers = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        expected = headers + sent.parts["overlay"] + b"\r\n" + headers
        assert body.read(len(expected)) == expected


def test_a_client_that_does_not_read_misses_frames_and_delays_none() -> None:
    """What reaches it after a pause of 200 frames is what was under way, then the newest frame."""
    with pit_wall("demo") as wall:
        with (
            reading(wall, "/stream/demo.mjpg", receive_bytes=4096) as lazy,
            reading(wall, "/stream/demo.mjpg") as eager,
        ):
            car = wall.wait_for("demo", "overlay")
            car.padding_bytes = PAD_BYTES
            until(lambda: len(wall.watchers("demo")) == 2)
            for _ in range(200):
                sent = car.arrive()
                assert next_part(eager)[0]["X-Seq"] == str(sent.frame.seq)
            read, seq = 0, 0
            while seq < car.seq:
                headers, picture = next_part(lazy)
                read, seq = read + len(picture), int(headers["X-Seq"])
        assert read < 200 * PAD_BYTES / 4
        assert seq == 200


def test_one_that_never_reads_loses_its_place_and_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.watch.NO_PROGRESS_S", 0.5)
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg", receive_bytes=4096):
        car = wall.wait_for("demo", "overlay")
        car.padding_bytes = 500_000
        car.arrive_until(lambda: not wall.watchers("demo"))
        assert car.channel.watchers == 0


def test_a_player_that_leaves_frees_its_place() -> None:
    with pit_wall("demo") as wall:
        with reading(wall, "/stream/demo.mjpg"):
            wall.wait_for("demo", "overlay")
        wall.wait_for("demo")


# WebSocket


def test_pictures_come_as_fast_as_they_are_acknowledged_and_no_faster() -> None:
    with pit_wall("demo") as wall:
        car = wall.cars["demo"]

        async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
            await asyncio.to_thread(wall.wait_for, "demo", "overlay")
            for number in range(1, WINDOW + 1):
                await asyncio.to_thread(car.arrive)
                header, jpeg = await next_picture(ws)
                assert (header["id"], read_number(jpeg)) == (number, number)
            for _ in range(20):
                await asyncio.to_thread(car.arrive)
            await asyncio.sleep(0.1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await next_picture(ws)
            await ws.send_json({"ack": 1})
            header, jpeg = await next_picture(ws)
            assert (header["id"], read_number(jpeg)) == (WINDOW + 1, car.seq)
            assert header["frame"]["seq"] == car.seq
            assert header["sent_ns"] >= header["frame"]["received_ns"] > header["frame"]["captured_ns"]

        with_socket(wall, talk, "/ws/demo")


def test_a_browser_switches_parts_and_learns_the_time() -> None:
    with pit_wall("demo") as wall:

        async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
            await ws.send_json({"part": "mask", "clock": 12.5})
            before_ns = time.monotonic_ns()
            told = await next_text(ws, "clock")
            assert told["clock"] == 12.5
            assert abs(told["now_ns"] - before_ns) < 10**10
            car = await asyncio.to_thread(wall.wait_for, "demo", "mask")
            await asyncio.to_thread(car.arrive)
            header, jpeg = await next_picture(ws)
            assert (header["part"], read_kind(jpeg)) == ("mask", "mask")

        with_socket(wall, talk, "/ws/demo?part=camera")


def test_a_car_that_is_not_there_is_told_of() -> None:
    with pit_wall("demo") as wall:
        wall.cars["demo"].channel.link.trouble = "nobody answers at tcp://pi:5555"

        async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
            told = await next_text(ws, "state")
            assert told["car"]["link"]["trouble"] == "nobody answers at tcp://pi:5555"

        with_socket(wall, talk, "/ws/demo")


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ("rubbish", 1008, "not understood"),
        ("[]", 1008, "not understood"),
        ('{"ack": "1"}', 1008, "$.ack"),
        ('{"ack": 99999999999999999999999}', 1008, "not understood"),
        ('{"ack": 7}', 1008, "picture 7 is not under way"),
        ('{"part": "\u00fc"}', 1008, "$.part"),
        ('{"shell": "ls"}', 1008, "shell"),
        (b"\x00\x01", 1003, "only text"),
        (" " * 5000, 1009, ""),
    ],
)
def test_rubbish_closes_its_own_connection_and_no_other(said: str | bytes, code: int, why: str) -> None:
    with pit_wall("demo") as wall, reading(wall, "/stream/demo.mjpg") as bystander:

        async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
            await (ws.send_str(said) if isinstance(said, str) else ws.send_bytes(said))
            while (message := await ws.receive()).type is not aiohttp.WSMsgType.CLOSE:
                assert message.type is aiohttp.WSMsgType.TEXT
            assert message.data == code
            assert why in (message.extra or "")

        with_socket(wall, talk, "/ws/demo")
        sent = wall.wait_for("demo", "overlay").arrive()
        assert next_part(bystander)[1] == sent.parts["overlay"]


def test_a_browser_that_never_acknowledges_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.watch.NO_PROGRESS_S", 0.3)
    with pit_wall("demo") as wall:

        async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
            while not ws.closed:
                await ws.receive()
            assert ws.close_code == aiohttp.WSCloseCode.GOING_AWAY

        with wall.cars["demo"].driving():
            with_socket(wall, talk, "/ws/demo")
            wall.wait_for("demo")


# Places, and the end


def test_there_are_only_so_many_places() -> None:
    with pit_wall("demo", max_watchers=2) as wall:
        with reading(wall, "/stream/demo.mjpg"), reading(wall, "/stream/demo.mjpg"):
            until(lambda: len(wall.watchers("demo")) == 2)
            for path in ("/stream/demo.mjpg", "/snapshot/demo.jpg"):
                answer = wall.get(path)
                assert answer.status == 503
                assert "All 2 places" in answer.text
        until(lambda: not wall.watchers("demo"))
        with reading(wall, "/stream/demo.mjpg"):
            pass


def test_stopping_the_host_ends_every_stream_at_once() -> None:
    """Readers, a sleeper and a browser: pit_wall itself fails if the host does not stop or complains."""
    ended: list[str] = []
    with contextlib.ExitStack() as players:
        with pit_wall("demo") as wall:
            body = players.enter_context(reading(wall, "/stream/demo.mjpg"))
            players.enter_context(reading(wall, "/stream/demo.mjpg", receive_bytes=4096))

            async def talk(ws: aiohttp.ClientWebSocketResponse) -> None:
                while not ws.closed:
                    await ws.receive()
                ended.append(f"{ws.close_code}")

            browser = threading.Thread(target=with_socket, args=(wall, talk, "/ws/demo"))
            browser.start()
            until(lambda: len(wall.watchers("demo")) == 3)
            wall.cars["demo"].padding_bytes = PAD_BYTES
            for _ in range(50):
                wall.cars["demo"].arrive()
                time.sleep(0.002)
        browser.join(10)
        while body.read(65536):
            pass
    assert ended == ["1001"]
