"""A car and a pit wall as two real processes: what works, and what must not break them."""

import contextlib
import hashlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import simplejpeg
import zmq
from numpy.typing import NDArray

import wire
from edge.methods import CATALOG
from host.record.notes import read_notes
from host.record.session import read_manifest
from host.review.footage import Footage
from tests.processes import ROOT, SHARED, Process, eventually, free_port, get, listens, process, ready, state


class Wall:
    """A car and a pit wall that belong together, and their addresses."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.car_port, self.http_port = free_port(), free_port()
        self.car = f"tcp://127.0.0.1:{self.car_port}"
        self.http = f"http://127.0.0.1:{self.http_port}"

    def edge(self, *options: str, name: str = "edge") -> Any:
        return process(self.path / f"{name}.log", "edge", "--bind", self.car, *options)

    def host(self, *options: str) -> Any:
        sessions = ("--sessions", str(self.path / "sessions"))
        own = ("--http", f"127.0.0.1:{self.http_port}", "--car", f"car={self.car}", *sessions)
        return process(self.path / "host.log", "host", *own, *options)

    def seen(self) -> dict[str, Any]:
        """The first car, as /state tells it once the wall is up."""
        eventually(lambda: listens(self.http_port))
        car: dict[str, Any] = state(self.http)["cars"][0]
        return car

    def wait_for_frames(self) -> None:
        eventually(lambda: ready(self.http))

    def ask(self, **look: object) -> int:
        """Ask for another look as the page does; the answer's status."""
        body = json.dumps(look).encode()
        request = urllib.request.Request(f"{self.http}/api/cars/car/look", body, method="PATCH")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code

    def snapshot(self, part: str = "overlay") -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(get(f"{self.http}/snapshot/car.jpg?part={part}"))
        return pixels


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path)


@pytest.fixture
def running(wall: Wall) -> Iterator[tuple[Wall, Process, Process]]:
    with wall.edge() as edge, wall.host() as host:
        wall.wait_for_frames()
        yield wall, edge, host


def test_frames_go_from_the_car_to_the_browser(running: tuple[Wall, Process, Process]) -> None:
    wall, edge, host = running
    camera, overlay, mask = (wall.snapshot(part) for part in ("camera", "overlay", "mask"))
    assert camera.shape == overlay.shape == (120, 160, 3)
    assert np.ptp(mask) > 50
    assert np.abs(camera.astype(int) - overlay).mean() > 2
    seen = wall.seen()
    assert -1.5 < seen["frame"]["drive"]["steering"] < 1.5
    assert 0 <= seen["age_ns"] < 5_000_000_000
    assert seen["link"]["live"] and not seen["link"]["trouble"]
    assert host.stop(signal.SIGINT) == 0
    assert edge.stop(signal.SIGINT) == 0
    assert "Traceback" not in edge.said() + host.said()


def test_the_overlay_has_the_camera_s_size_though_the_pilot_sees_less(wall: Wall) -> None:
    with wall.edge("--size", "320x240"), wall.host():
        wall.wait_for_frames()
        assert wall.snapshot("overlay").shape == wall.snapshot("camera").shape == (240, 320, 3)
        assert wall.snapshot("mask").shape[:2] == (120, 160)


@contextlib.contextmanager
def watching(wall: Wall, part: str = "overlay") -> Iterator[None]:
    """Somebody who looks on meanwhile, without ever falling behind."""
    stop = threading.Event()

    def look_on() -> None:
        with urllib.request.urlopen(f"{wall.http}/stream/car.mjpg?part={part}", timeout=20) as stream:
            while not stop.is_set() and stream.read1(65536):
                pass

    watcher = threading.Thread(target=look_on)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def test_methods_targets_and_layers_are_switched_while_driving(running: tuple[Wall, Process, Process]) -> None:
    wall, edge, _ = running
    with watching(wall):
        can = eventually(lambda: wall.seen()["link"]["methods"] and wall.seen()["link"])
        assert set(can["methods"]) | set(can["refusals"]) == set(wire.METHODS)
        for method in can["methods"]:
            look = {"method": method, "target": "throttle", "layer": can["layers"][0] if "cam" in method else ""}
            assert wall.ask(**look) == 200

            def drawn(look: dict[str, str] = look) -> Any:
                frame = wall.seen()["frame"]
                return frame["mask"] and look.items() <= frame["look"].items() and frame

            frame = eventually(drawn)
            assert frame["mask"]["signed"] == CATALOG[method].signed
            assert frame["refused"] == ""
            assert ("background" in frame["stages_ns"]) == CATALOG[method].slow
    assert edge.popen.poll() is None
    assert "Traceback" not in edge.said()


def test_what_the_pilot_cannot_do_is_refused_in_a_sentence_and_the_stream_goes_on(
    running: tuple[Wall, Process, Process],
) -> None:
    wall, _, _ = running
    with watching(wall):
        for hostile in ({"method": "../../etc"}, {"target": "horn"}, {"layer": "x" * 65}, {"method": None}):
            assert wall.ask(**hostile) == 400
        assert wall.ask(method="gradient", target="steering-bin", gauges=False, strength=1) == 200
        eventually(lambda: wall.seen()["frame"]["refused"])
        seen = wall.seen()
        assert seen["frame"]["mask"] is None
        eventually(lambda: wall.seen()["frame"]["seq"] > seen["frame"]["seq"] + 5)
        assert wall.ask(method="gradcam", target="steering", layer="no <b>such</b> layer") == 200
        eventually(lambda: "no <b>such</b> layer" in wall.seen()["frame"]["refused"])
        assert wall.ask(method="visualbackprop", layer="") == 200
        eventually(lambda: wall.seen()["frame"]["mask"] and not wall.seen()["frame"]["refused"])


def test_the_check_comes_by_itself_and_starts_afresh_with_another_method(
    running: tuple[Wall, Process, Process],
) -> None:
    wall, _, _ = running
    with watching(wall):
        check = eventually(lambda: wall.seen()["frame"]["check"], patience_s=60)
        assert check["method"] == "visualbackprop"
        assert 0 <= check["low"] <= check["ratio"] <= check["high"]
        assert b'check_ratio{car="car",method="visualbackprop",target="steering"}' in get(f"{wall.http}/metrics")
        wall.ask(method="edges")
        eventually(lambda: wall.seen()["frame"]["look"]["method"] == "edges")
        assert (wall.seen()["frame"]["check"] or {"method": "edges"})["method"] == "edges"


def test_the_method_is_chosen_on_the_command_line_and_named_in_the_log(wall: Wall) -> None:
    options = ("--look.method", "gradcam", "--look.target", "throttle", "--no-check")
    with wall.edge(*options) as edge, wall.host():
        wall.wait_for_frames()
        with watching(wall):
            frame = eventually(lambda: wall.seen()["frame"]["mask"] and wall.seen()["frame"])
        assert (frame["look"]["method"], frame["look"]["target"]) == ("gradcam", "throttle")
        assert f"explained by {CATALOG['gradcam'].title}" in edge.said()


def test_the_stream_brings_frame_after_frame(running: tuple[Wall, Process, Process]) -> None:
    wall, _, _ = running
    with urllib.request.urlopen(f"{wall.http}/stream/car.mjpg", timeout=5) as stream:
        body = b""
        while body.count(b"\xff\xd8\xff") < 20:
            body += stream.read1(65536)
    frames = [b"\xff\xd8\xff" + piece for piece in body.split(b"\xff\xd8\xff")[1:-1]]
    assert len({simplejpeg.decode_jpeg(frame[: frame.rfind(b"\xff\xd9") + 2]).tobytes() for frame in frames}) > 10


def test_a_car_that_is_killed_and_comes_back_is_seen_again(wall: Wall) -> None:
    with wall.host():
        eventually(lambda: "does not answer" in wall.seen()["link"]["trouble"])
        with wall.edge() as edge:
            wall.wait_for_frames()
            first = wall.seen()["frame"]["session"]
            edge.stop(signal.SIGKILL)
            eventually(lambda: "does not answer" in wall.seen()["link"]["trouble"])
            assert not ready(wall.http)
        with wall.edge(name="edge-again"):
            wall.wait_for_frames()
            assert wall.seen()["frame"]["session"] != first
            assert wall.seen()["link"]["restarts"] == 1


def test_a_host_that_is_killed_and_comes_back_sees_the_car_again(wall: Wall) -> None:
    with wall.edge() as edge:
        for _ in range(2):
            with wall.host() as host:
                wall.wait_for_frames()
                host.stop(signal.SIGKILL)
        assert edge.popen.poll() is None


def test_an_address_that_does_not_resolve_harms_no_other_car(wall: Wall) -> None:
    with wall.edge(), wall.host("--car", "lost=tcp://no-such-car.invalid:5555", "--insecure"):
        wall.wait_for_frames()
        lost = eventually(
            lambda: [car for car in state(wall.http)["cars"] if "does not answer" in car["link"]["trouble"]]
        )
        assert [car["name"] for car in lost] == ["lost"]


def test_several_hosts_watch_one_car(wall: Wall, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Wall(tmp_path / "second")
    second.car = wall.car
    with wall.edge(), wall.host(), second.host():
        wall.wait_for_frames()
        second.wait_for_frames()
        assert wall.snapshot("overlay").shape == second.snapshot("camera").shape


def said_one_sentence(process: Process, program: str, part: str) -> bool:
    """Whether its last word is one line with `part` in it, after nothing worse than a note of TFLite's."""
    *before, sentence = process.said().splitlines()
    notes = [line for line in before if not line.startswith("INFO: ")]
    return not notes and sentence.startswith(f"{program}: ") and part in sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--source", "missing-tub"], "missing-tub"),
        (["--pilot", "missing.tflite"], "missing.tflite"),
        (["--pilot", "README.md"], "README.md"),
        (["--look.method", "tea-leaves"], "option 'look.method': expected one of visualbackprop, coverage,"),
        (["--look.target", "horn"], "option 'look.target': expected one of steering, throttle,"),
        (["--card.crop", "0.9,0.9,0,0"], "crop leaves nothing"),
        (["--card.colour", "sepia"], "option 'card.colour': expected one of rgb, bgr, grey"),
        (["--card.steering", "no_such_output"], "no_such_output"),
        (["--fps", "1000"], "option 'fps': expected float <= 240.0, not '1000'."),
        (["--size", "big"], "option 'size'"),
        (["--name", "../x"], "option 'name'"),
        (["--bind", "tcp://0.0.0.0:0"], "insecure"),
        (["--bind", "nonsense"], "nonsense"),
        (["--keys", "missing.keys"], "missing.keys"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
)
def test_a_car_that_cannot_start_says_why_in_one_sentence(wall: Wall, options: list[str], sentence: str) -> None:
    with wall.edge(*options) as edge:
        assert edge.popen.wait(20) == 2
        assert said_one_sentence(edge, "edge", sentence)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--http", "0.0.0.0:0", "--car", "far=tcp://10.0.0.9:5555"], "insecure"),
        (["--http", "nowhere"], "option 'http'"),
        (["--car", "car=tcp://127.0.0.1:1"], "given twice"),
        (["--car", "no-address"], "option 'car"),
        (["--car", "odd=carrier-pigeon"], "carrier-pigeon"),
        (["--token", "short"], "token"),
        (["--keys", "missing.keys"], "missing.keys"),
        (["--sessions", "/proc/nowhere"], "/proc/nowhere"),
        (["--pilot", "missing.tflite"], "option 'pilot': there is no file missing.tflite"),
        (["--pre-roll", "soon"], "option 'pre-roll': expected float"),
        (["--max-gb", "-1"], "option 'max-gb': expected float >= 0.0"),
    ],
)
def test_a_wall_that_cannot_start_says_why_in_one_sentence(wall: Wall, options: list[str], sentence: str) -> None:
    with wall.host(*options) as host:
        assert host.popen.wait(20) == 2
        assert said_one_sentence(host, "host", sentence)


def test_a_port_in_use_is_said_in_one_sentence(running: tuple[Wall, Process, Process], tmp_path: Path) -> None:
    wall, _, _ = running
    with wall.edge(name="second") as edge:
        assert edge.popen.wait(20) == 2
        assert said_one_sentence(edge, "edge", f"cannot listen on {wall.car}: Address already in use.")
    with process(tmp_path / "second-host.log", "host", "--http", f"127.0.0.1:{wall.http_port}") as host:
        assert host.popen.wait(20) == 2
        assert "cannot listen on 127.0.0.1" in host.said()


def test_garbage_on_the_car_s_port_is_survived_and_counted(running: tuple[Wall, Process, Process]) -> None:
    wall, edge, _ = running
    for rubbish in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 4096,
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03" + b"\x00" * 200,
    ):
        with socket.create_connection(("127.0.0.1", wall.car_port)) as raw:
            raw.sendall(rubbish)
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(wall.car)
        for message in ([b""], [b"PL\x01\x91"], [b"x"] * 20, [b"PL\x01" + b"\x91" * 10_000], [b"x" * 100_000]):
            dealer.send_multipart(message)
        eventually(lambda: wall.seen()["frame"]["drops"].get("malformed requests", 0) >= 4)
    before = wall.seen()["link"]["frames"]
    eventually(lambda: wall.seen()["link"]["frames"] > before)
    assert edge.popen.poll() is None


def test_a_host_that_floods_credit_costs_the_others_nothing(running: tuple[Wall, Process, Process]) -> None:
    wall, edge, _ = running
    flood = wire.encode(wire.Credit(window=wire.MAX_WINDOW, want=list(wire.PARTS)))
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.sndtimeo = 1000
        dealer.connect(wall.car)
        before = wall.seen()["frame"]["seq"]
        for _ in range(20_000):
            try:
                dealer.send(flood)
            except zmq.Again:
                break
        eventually(lambda: wall.seen()["frame"]["seq"] > before + 5)
        assert wall.snapshot().shape == (120, 160, 3)
        dealer.rcvtimeo = 1000
        answers = 0
        while answers < 10:  # it gets no more than its window, and never acknowledges: three frames, then nothing
            try:
                dealer.recv_multipart()
            except zmq.Again:
                break
            answers += 1
        assert answers <= wire.MAX_WINDOW
    assert edge.popen.poll() is None


def test_a_source_that_goes_away_is_told_and_used_again_when_it_is_back(wall: Wall, tmp_path: Path) -> None:
    folder = tmp_path / "images"

    def fill() -> None:
        folder.mkdir()
        for number in range(3):
            cv2.imwrite(str(folder / f"{number}.jpg"), np.full((120, 160, 3), 80 * number, np.uint8))

    fill()
    with wall.edge("--source", str(folder), "--fps", "20"), wall.host():
        wall.wait_for_frames()
        for image in folder.iterdir():
            image.unlink()
        folder.rmdir()
        assert str(folder) in eventually(lambda: wall.seen()["link"]["trouble"])
        fill()
        eventually(lambda: not wall.seen()["link"]["trouble"])
        wall.wait_for_frames()


def test_a_recording_played_once_ends_the_car_s_process(wall: Wall, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.jpg"), np.full((48, 64, 3), 60 * number, np.uint8))
    (folder / "2.jpg").write_bytes(b"")
    with wall.edge("--source", str(folder), "--no-loop", "--pace", "fast") as edge:
        assert edge.popen.wait(20) == 0
        assert "the recording is over" in edge.said()
        assert "1 broken" in edge.said()


def test_keys_let_in_who_has_them_and_nobody_else(wall: Wall, tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        with process(tmp_path / "keys.log", "host", "keys", str(tmp_path / folder)) as keys:
            assert keys.popen.wait(20) == 0
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with wall.edge("--keys", str(ours / "car.keys")):
        with wall.host("--keys", str(theirs / "host.keys")):
            eventually(lambda: "the keys do not fit" in wall.seen()["link"]["trouble"])
        with wall.host():
            eventually(lambda: "does not answer" in wall.seen()["link"]["trouble"])
        with wall.host("--keys", str(ours / "host.keys")):
            wall.wait_for_frames()


def test_off_loopback_a_token_is_made_and_asked_for(wall: Wall, tmp_path: Path) -> None:
    options = ("--http", f"0.0.0.0:{wall.http_port}", "--car", f"car={wall.car}", "--sessions", str(tmp_path / "s"))
    with wall.edge(), process(tmp_path / "host.log", "host", *options) as host:
        token = eventually(lambda: host.said().partition("?token=")[2].strip().split("\n")[0])
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{wall.http}/state")
        request = urllib.request.Request(f"{wall.http}/state", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.loads(answer.read())["cars"][0]["name"] == "car"


def test_recording_from_the_command_line_leaves_a_video(wall: Wall, tmp_path: Path) -> None:
    with wall.edge(), wall.host("--record") as host:
        eventually(lambda: (wall.seen()["recording"] or {"frames": 0})["frames"] >= 30)
        assert host.stop() == 0
    [video] = (tmp_path / "sessions").glob("*/overlay.mp4")
    with av.open(str(video)) as film:
        times = [float(frame.time or 0) for frame in film.decode(video=0)]
    assert len(times) >= 30
    assert times == sorted(set(times))
    [manifest] = (tmp_path / "sessions").glob("*/session.json")
    assert json.loads(manifest.read_text())["status"] == "complete"


def command(wall: Wall, *words: str) -> str:
    """What `python -m host …` says of a wall that runs; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "host", *words], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def recording(wall: Wall) -> dict[str, Any]:
    """What is known of the newest recording; of none, that it has no frames."""
    return wall.seen()["recording"] or {"frames": 0, "running": False}


def only_session(wall: Wall) -> Path:
    [manifest] = (wall.path / "sessions").glob("*/session.json")
    return manifest.parent


def films_frames(folder: Path) -> int:
    with av.open(str(folder / "overlay.mp4")) as film:
        return sum(1 for _ in film.decode(video=0))


def test_a_car_that_appears_is_recorded_marked_and_stopped_from_another_process(wall: Wall) -> None:
    with wall.host("--record"), wall.edge():
        eventually(lambda: recording(wall)["frames"] >= 20)
        said = command(wall, "record", "bookmark", "--label", "the hairpin", "--at", wall.http)
        assert said.startswith("car: bookmark “the hairpin” at ")
        frames = recording(wall)["frames"]
        eventually(lambda: recording(wall)["frames"] > frames + 5)
        assert command(wall, "record", "stop", "--at", wall.http).startswith("car: saved ")
        seq = wall.seen()["frame"]["seq"]
        eventually(lambda: wall.seen()["frame"]["seq"] > seq + 5)
        assert not recording(wall)["running"], "what somebody stopped is not begun again"
        folder = only_session(wall)
    manifest = read_manifest(folder)
    assert manifest.status == "complete" and manifest.frames == films_frames(folder)
    assert manifest.pilot_sha256 == hashlib.sha256((ROOT / "models" / "pilot.tflite").read_bytes()).hexdigest()
    [mark] = read_notes(folder).bookmarks
    with Footage(folder / "frames.mcap") as footage:
        assert len(footage) == manifest.frames
        [event] = [one for one in footage.events() if one.kind == "bookmark"]
        assert event.text == "the hairpin"
        assert event.tick / 90_000 == pytest.approx(mark.time_s, abs=1e-4)
    assert folder.name in command(wall, "sessions", "--sessions", str(folder.parent), "list")


def test_a_bookmark_keeps_what_came_before_it(running: tuple[Wall, Process, Process]) -> None:
    wall, _, host = running
    with watching(wall):
        eventually(lambda: wall.seen()["link"]["frames"] > 60)
        assert "a recording has begun for it" in command(wall, "record", "bookmark", "--at", wall.http)
    assert host.stop() == 0
    manifest = read_manifest(only_session(wall))
    [mark] = read_notes(only_session(wall)).bookmarks
    assert manifest.status == "complete"
    assert 0 < mark.time_s <= manifest.duration_s and manifest.pre_roll_s > 0


def test_what_a_killed_host_left_is_repaired_at_the_next_start_and_said(wall: Wall) -> None:
    with wall.edge():
        with wall.host("--record") as host:
            eventually(lambda: recording(wall)["frames"] >= 60)
            command(wall, "record", "bookmark", "--at", wall.http)
            seen = recording(wall)["frames"]
            host.stop(signal.SIGKILL)
        folder = only_session(wall)
        assert read_manifest(folder).status == "recording"
        with wall.host() as host:
            eventually(lambda: "was left unfinished, marked as recovered" in host.said())
            wall.wait_for_frames()
            [told] = json.loads(get(f"{wall.http}/api/sessions"))["sessions"]
            assert (told["name"], told["status"], len(told["bookmarks"])) == (folder.name, "recovered", 1)
            assert host.said().count(folder.name) == 1
        with wall.host() as host:
            wall.wait_for_frames()
            assert "left unfinished" not in host.said(), "once is enough"
    manifest = read_manifest(folder)
    assert manifest.frames == films_frames(folder) > 0
    assert manifest.frames >= seen - 30, "at 30 frames/s no more than a second is missing"
    with Footage(folder / "frames.mcap") as footage:
        assert len(footage) >= seen - 30


def test_a_session_that_the_limits_leave_no_room_for_goes_and_is_named(wall: Wall) -> None:
    with wall.edge():
        with wall.host("--record"):
            eventually(lambda: recording(wall)["frames"] >= 10)
        folder = only_session(wall)
        marked = folder.with_name(folder.name + "-2")
        shutil.copytree(folder, marked)
        command(wall, "sessions", "--sessions", str(folder.parent), "mark", marked.name)
        with wall.host("--max-gb", "0.000001") as host:
            eventually(lambda: f"the session {folder.name} was removed" in host.said())
            assert not folder.exists() and marked.exists()
            wall.wait_for_frames()


def test_a_disk_without_room_stops_recording_and_nothing_else(wall: Wall) -> None:
    with wall.edge(), wall.host("--record", "--keep-free-gb", "900000") as host:
        wall.wait_for_frames()
        eventually(lambda: "recordings keep" in host.said())
        assert "recordings keep" in wall.seen()["recording"]["error"]
        assert b'pilotlens_recording_failed{car="car"} 1' in get(f"{wall.http}/metrics")
        with watching(wall):
            frames = wall.seen()["link"]["frames"]
            eventually(lambda: wall.seen()["link"]["frames"] > frames + 20)
        assert host.stop() == 0
        assert "Traceback" not in host.said()
    assert not list((wall.path / "sessions").iterdir())


def test_the_demo_starts_both_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    with process(tmp_path / "demo.log", "host.demo", "--port", str(free_port())) as demo:
        eventually(lambda: "Watch it at" in demo.said())
        url = demo.said().partition("Watch it at")[2].split()[0]
        assert ready(url)
        assert demo.stop(signal.SIGINT) == 0
        assert "Traceback" not in demo.said()
        assert not ready(url)


@pytest.mark.skipif(not (SHARED / "data" / "tub-warehouse").exists(), reason="needs ../shared/data/tub-warehouse")
def test_a_real_tub_and_its_real_pilot_come_to_the_screen(wall: Wall) -> None:
    data = SHARED / "data"
    source = ("--source", str(data / "tub-warehouse"), "--pilot", str(data / "pilots" / "warehouse" / "linear.tflite"))
    with wall.edge(*source), wall.host():
        wall.wait_for_frames()
        assert wall.snapshot().shape == (120, 160, 3)
        assert wall.seen()["frame"]["recorded"] is not None
