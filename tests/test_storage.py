"""Files of a session: what lies in their place is an ordinary file or is not opened, and replacing leaves no half."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from host.record.storage import MAX_JSON_BYTES, open_file, read_file, read_json, replacing, write_json


def pipe(path: Path) -> None:
    """Whoever opens it to read waits for somebody who writes, and the other way round."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to(__file__)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


Make = Callable[[Path], None]


@pytest.mark.parametrize("make", [pipe, folder, link, link_to_itself, listener])
def test_only_ordinary_files_are_opened(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file"
    make(path)
    held = psutil.Process().num_fds()
    with pytest.raises(OSError, match="no ordinary file"):
        open_file(path)
    assert psutil.Process().num_fds() == held


@pytest.mark.parametrize("make", [pipe, folder, link])
def test_nothing_is_written_into_what_is_no_ordinary_file(tmp_path: Path, make: Make) -> None:
    before = Path(__file__).read_bytes()
    make(tmp_path / "file.part")
    with pytest.raises(OSError, match=r"file\.part"):
        write_json(tmp_path / "file", 1)
    assert Path(__file__).read_bytes() == before


def test_a_value_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_json(path, {"a": [1] * 1000})
    write_json(path, {"a": [2]})
    assert read_json(path, dict[str, list[int]]) == {"a": [2]}
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"[" * 100_000])
def test_rubbish_is_no_value(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "file").write_bytes(rubbish)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "file", dict[str, object])


def test_a_huge_file_is_not_taken_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(OSError, match="too large"):
        read_json(tmp_path / "file", object)
    (tmp_path / "file").write_bytes(b"1234")
    assert read_file(tmp_path / "file", 4) == b"1234"


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file") as file:
        file.write(b"%d" % (1 // 0))
    assert (tmp_path / "file").read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_of_many_who_replace_it_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def work(number: int) -> None:
        for _ in range(20):
            with replacing(path) as file:
                file.write(b"%d" % number * 1000)
            assert len(set(path.read_bytes())) == 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(path.read_bytes()) == 1000
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
