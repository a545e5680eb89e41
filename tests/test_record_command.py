"""`python -m host record`: what it asks a real pit wall for, what it says, and how it ends."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from host.guard import Guard
from host.record.command import Wall as Address
from host.record.command import main, parse_wall
from host.record.notes import read_notes
from host.record.session import read_manifest
from tests.processes import ROOT, free_port
from tests.wall import Wall, pit_wall, until

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[Wall]:
    with pit_wall("left", "right", sessions=tmp_path) as wall:
        with wall.cars["left"].driving(), wall.cars["right"].driving():
            yield wall


def run(wall: Wall, *argv: str) -> int:
    return main([*argv, "--at", wall.url])


def folders(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_dir())


def test_start_bookmark_stop(wall: Wall, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(wall, "start", "left") == 0
    [folder] = folders(tmp_path)
    assert capsys.readouterr().out == f"left: recording into {folder}\n"
    until(lambda: wall.recordings.active["left"].frames > 3)
    assert run(wall, "bookmark", "left", "--label", "überholt  am Hang") == 0
    assert f"left: bookmark “überholt am Hang” at 0.1 s of {folder.name}"[:36] in capsys.readouterr().out
    assert run(wall, "stop", "left") == 0
    said = capsys.readouterr().out
    assert said.startswith("left: saved ") and f" in {folder}\n" in said
    assert [one.label for one in read_notes(folder).bookmarks] == ["überholt am Hang"]
    assert read_manifest(folder).status == "complete"


def test_without_a_car_it_is_for_all_that_it_makes_sense_for(
    wall: Wall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(wall, "stop") == 1
    assert capsys.readouterr().err == "host record: nothing is being recorded.\n"
    assert run(wall, "start", "left") == 0
    assert run(wall, "start") == 0
    assert set(wall.recordings.active) == {"left", "right"}
    assert run(wall, "start") == 1
    assert "every car is being recorded already" in capsys.readouterr().err
    until(lambda: all(one.frames for one in wall.recordings.active.values()))
    assert run(wall, "bookmark") == 0
    assert run(wall, "stop", "right") == 0
    assert run(wall, "bookmark") == 0
    assert run(wall, "stop") == 0
    assert not wall.recordings.active
    assert {read_manifest(one).car: len(read_notes(one).bookmarks) for one in folders(tmp_path)} == {
        "left": 2,
        "right": 1,
    }


def test_a_bookmark_says_that_it_has_started_a_recording(wall: Wall, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(wall, "bookmark", "right") == 0
    assert "a recording has begun for it, and goes on" in capsys.readouterr().out
    assert set(wall.recordings.active) == {"right"}


def test_what_the_pit_wall_refuses_is_said_and_the_other_cars_are_served(
    wall: Wall, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(wall, "start", "nobody", "right") == 1
    told = capsys.readouterr()
    assert "There is no car 'nobody' here; there is: left, right." in told.err
    assert told.out.startswith("right: recording into ")
    assert run(wall, "start", "right") == 1
    assert "is being recorded already" in capsys.readouterr().err
    assert run(wall, "start", "../../x?y#z") == 1
    assert run(wall, "stop", "left") == 1
    assert "left is not being recorded" in capsys.readouterr().err


def test_the_token_is_given_as_an_option_in_the_address_or_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall, wall.cars["demo"].driving():
        assert run(wall, "start") == 1
        assert "asks for its token" in capsys.readouterr().err
        assert run(wall, "start", "--token", "wrong") == 1
        assert run(wall, "start", "--token", TOKEN) == 0
        assert main(["bookmark", "--at", f"{wall.url}/?token={TOKEN}"]) == 0
        monkeypatch.setenv("PILOTLENS_TOKEN", TOKEN)
        assert run(wall, "stop") == 0


def test_nobody_there_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--at", f"127.0.0.1:{free_port()}"]) == 1
    told = capsys.readouterr().err
    assert "does not answer (Connection refused): is it running there?" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1,2,3]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"cars": "x"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"more": ' + b"[" * 50_000,
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
    ids=["text", "list", "odd", "deep", "redirect", "ssh", "nothing"],
)
@pytest.mark.parametrize("car", [[], ["demo"]], ids=["all", "one"])
def test_what_is_no_pit_wall_is_said_in_one_sentence(
    said: bytes, car: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert main(["start", *car, "--at", f"http://127.0.0.1:{server.getsockname()[1]}"]) == 1
        thread.join(5)
    told = capsys.readouterr()
    assert told.err.startswith("host record: ") and told.err.count("\n") == 1 and told.out == ""


@pytest.mark.parametrize(
    ("at", "address"),
    [
        ("http://127.0.0.1:8080/", Address("127.0.0.1", 8080, False, "")),
        ("pitwall.local", Address("pitwall.local", 80, False, "")),
        ("[::1]:8080", Address("::1", 8080, False, "")),
        ("https://wall.example/?token=abc", Address("wall.example", 443, True, "abc")),
    ],
)
def test_addresses_are_written_as_people_do(at: str, address: Address) -> None:
    assert parse_wall(at, "") == address
    assert parse_wall(address.url, "")[:3] == address[:3]


@pytest.mark.parametrize(
    "argv",
    [
        ["start", "--at", "ftp://host"],
        ["start", "--at", "http://host:99999"],
        ["start", "--at", "http://"],
        ["start", "--at", "http://[::1"],
        ["start", "--token", "sm\nuggled: header"],
        ["start", "--token", "schlüssel"],
        ["start", "--label", "x"],
    ],
)
def test_bad_input_is_said_in_one_sentence(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    told = capsys.readouterr().err
    assert told.startswith("host record: ") and told.count("\n") == 1


def test_it_is_a_command_of_the_host(wall: Wall) -> None:
    command = [sys.executable, "-m", "host", "record", "bookmark", "left", "--at", wall.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("left: bookmark at ")
