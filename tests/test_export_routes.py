"""Exports over HTTP, against the real application: downloads, refusals, and clients that leave."""

import asyncio
import concurrent.futures
import contextlib
import csv
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import av
import pytest
from aiohttp import ClientSession, web
from av.container import InputContainer
from mcap.reader import make_reader

from host.record.movie import Movie
from host.record.notes import Notes
from host.record.session import VIDEO
from host.review.export.formats import FORMATS, find_format
from host.review.export.place import PREFIX
from host.review.export.routes import PLACES, Exports, Job
from host.review.export.source import Cancelled, ExportError, NoRoom, Span
from host.review.shelf import Limits, Shelf
from tests.browser import chromium
from tests.exports import NAME, STEADY, Making, export, jpeg_of
from tests.wall import Wall, pit_wall, until

TITLE = 'Kurve "scharf" links/рулить ↰\r\nX-Evil: 1'


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sessions")
    Making(notes=Notes(title=TITLE)).session(directory)
    Making(name="old", tape=False).session(directory)
    return directory


@pytest.fixture(scope="module")
def wall(sessions: Path) -> Iterator[Wall]:
    with pit_wall(sessions=sessions) as running:
        yield running


def rooms(directory: Path) -> list[Path]:
    """What exports have lying about."""
    return list(directory.glob(f"{PREFIX}*"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_download_is_the_export_under_a_name_of_its_own(
    wall: Wall, sessions: Path, tmp_path: Path, kind: str
) -> None:
    answer = wall.get(f"/sessions/{NAME}/export?format={kind}&from=0.5&to=0:00:01.5")
    assert answer.status == 200, answer.text
    name = unquote(answer.headers["Content-Disposition"].partition("filename*=UTF-8''")[2])
    assert name == f"Kurve _scharf_ links_рулить ↰ X-Evil_ 1 - {NAME} - 0.5-1.5s{FORMATS[kind].suffix}"
    assert 'filename="Kurve _scharf_ links_' in answer.headers["Content-Disposition"]
    assert answer.headers["X-Evil"] is None
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Content-Type"].startswith(FORMATS[kind].media_type.partition(";")[0])
    assert answer.headers["Cache-Control"] == "no-store"
    assert rooms(sessions) == []
    path = tmp_path / name
    export(kind, sessions / NAME, path if kind != "tub" else path.with_suffix(".zip"), 0.5, 1.5)
    if kind not in {"mp4", "mcap"}:  # these carry a random identity, or say when they were made
        assert answer.body == path.read_bytes()
    assert frames(kind, answer.body) == 30 if kind != "gif" else 15


def frames(kind: str, data: bytes) -> int:
    """How many frames a download has, by whoever knows its format."""
    if kind in {"mp4", "gif"}:
        with av.open(io.BytesIO(data)) as container:
            assert isinstance(container, InputContainer)
            return len(list(container.decode(video=0)))
    if kind == "csv":
        return len(list(csv.reader(io.StringIO(data.decode(), newline="")))) - 1
    if kind == "tub":
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return len([name for name in file.namelist() if name.endswith(".jpg")])
    return len(list(make_reader(io.BytesIO(data)).iter_messages(topics=["/frame"])))


def test_a_browser_saves_it_under_its_name(wall: Wall, tmp_path: Path) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(wall.url)
        with page.expect_download() as download:
            page.evaluate("address => { location.href = address; }", f"/sessions/{NAME}/export?format=csv&to=1")
        assert download.value.suggested_filename == f"Kurve _scharf_ links_рулить ↰ X-Evil_ 1 - {NAME} - 0-1s.csv"
        download.value.save_as(tmp_path / "saved.csv")
    assert frames("csv", (tmp_path / "saved.csv").read_bytes()) == 30


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        (f"{NAME}/export", 400, "There is no format ''; there is: mp4, gif, csv, tub, mcap."),
        (f"{NAME}/export?format=exe", 400, "There is no format 'exe'; there is: mp4, gif, csv, tub, mcap."),
        (
            f"{NAME}/export?format=mp4&from=-1",
            400,
            "'-1' is no time: give seconds like 83.5, or H:MM:SS like 0:01:23.5.",
        ),
        (
            f"{NAME}/export?format=mp4&to=nan",
            400,
            "'nan' is no time: give seconds like 83.5, or H:MM:SS like 0:01:23.5.",
        ),
        (
            f"{NAME}/export?format=mp4&from=2&to=1",
            400,
            "There is nothing between 2 s and 1 s: the end must come after the start.",
        ),
        (
            f"{NAME}/export?format=csv&from=5",
            409,
            f"The session {NAME} holds no frame between 5 s and the end: its last one is at 1.97 s.",
        ),
        (
            "old/export?format=csv",
            409,
            (
                "The session old has no frames.mcap, which holds camera pictures and figures: "
                "it can be exported as mp4 or gif."
            ),
        ),
        ("none/export?format=mp4", 404, "There is no session 'none' here; it may have been deleted."),
        ("..%2F..%2Fetc/export?format=mp4", 404, ""),
        (".trash/export?format=mp4", 404, ""),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(wall: Wall, address: str, status: int, says: str) -> None:
    answer = wall.get(f"/sessions/{address}")
    assert answer.status == status
    assert answer.text == says or not says
    assert answer.text.endswith(".")


def test_an_old_session_gives_its_film(wall: Wall) -> None:
    for kind in ("mp4", "gif"):
        assert wall.get(f"/sessions/old/export?format={kind}").status == 200


def test_nobody_but_those_let_in(sessions: Path) -> None:
    from host.guard import Guard

    with pit_wall(sessions=sessions, guard=Guard("a-token-of-16-chars")) as guarded:
        address = f"/sessions/{NAME}/export?format=csv"
        assert guarded.get(address).status == 401
        assert guarded.get(address, Authorization="Bearer a-token-of-16-chars").status == 200


class Loud(Making):
    """Camera pictures that are larger than what sockets hold."""

    def camera(self, number: int) -> bytes:
        return super().camera(number) + bytes(300_000)


def test_no_more_than_there_are_places_for_and_a_slow_client_loses_its_own(tmp_path: Path) -> None:
    Loud(STEADY, film=False).session(tmp_path)
    with pit_wall(sessions=tmp_path) as wall, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(asking(wall.port, "mcap"))) for _ in range(PLACES)]
        for client in slow:
            assert client.recv(12) == b"HTTP/1.1 200"
        assert rooms(tmp_path) == [], "what is being sent has no name any more"
        refused = wall.get(f"/sessions/{NAME}/export?format=mcap")
        assert refused.status == 429
        assert refused.text == f"{PLACES} exports are under way already: try again when one is done."
        assert refused.headers["Retry-After"] == "10"
        slow[0].close()
        until(lambda: wall.get(f"/sessions/{NAME}/export?format=csv").status == 200)


def asking(port: int, kind: str) -> socket.socket:
    """A client that asked for an export, and reads nothing by itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /sessions/{NAME}/export?format={kind} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


@pytest.fixture(scope="module")
def laborious(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that takes half a minute of work to become a GIF."""
    folder = Making([], tape=False).session(tmp_path_factory.mktemp("laborious"))
    pictures = [jpeg_of(640, 480, seed) for seed in range(10)]
    with Movie(folder / VIDEO) as movie:
        for number in range(120):
            picture = movie.read(pictures[number % 10])
            assert picture is not None
            movie.write(picture, 9000 * number, 9000)
    return folder


def test_an_export_ends_when_its_client_leaves(laborious: Path) -> None:
    with pit_wall(sessions=laborious.parent) as wall:
        for _ in range(3):
            with contextlib.closing(asking(wall.port, "gif")), contextlib.closing(asking(wall.port, "gif")):
                until(lambda: len(rooms(laborious.parent)) == 2)
            until(lambda: not rooms(laborious.parent))
        assert wall.get(f"/sessions/{NAME}/export?format=mp4&to=1").status == 200


def test_the_host_stops_while_it_exports(laborious: Path) -> None:
    with contextlib.ExitStack() as stack:
        with pit_wall(sessions=laborious.parent) as wall:
            stack.enter_context(contextlib.closing(asking(wall.port, "gif")))
            until(lambda: rooms(laborious.parent))
        until(lambda: not rooms(laborious.parent))


def test_a_cancelled_job_stops_at_the_next_frame(laborious: Path) -> None:
    job = Job(laborious, find_format("gif"), Span(), floor_bytes=0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        made = pool.submit(job.run)
        until(lambda: rooms(laborious.parent))
        job.cancel()
        with pytest.raises(Cancelled):
            made.result(20)
        with pytest.raises(Cancelled):
            job.run()
    assert rooms(laborious.parent) == []


def test_a_disk_that_recordings_need_is_left_to_them(sessions: Path) -> None:
    """Over HTTP too: 507 is what a server without room says."""

    async def ask() -> tuple[int, str]:
        with Shelf(sessions, Limits(floor_bytes=10**18)) as shelf:
            app = web.Application()
            app.add_routes(Exports(shelf).routes())
            runner = web.AppRunner(app)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                async with ClientSession() as client:
                    address = f"http://127.0.0.1:{runner.addresses[0][1]}/sessions/{NAME}/export?format=csv"
                    async with client.get(address) as response:
                        return response.status, await response.text()
            finally:
                await runner.cleanup()

    status, text = asyncio.run(ask())
    assert status == 507
    assert text.endswith("exports leave 1000000000000 MB to recordings: make room, or choose a shorter part.")
    assert rooms(sessions) == []
    with pytest.raises(NoRoom):
        Job(sessions / NAME, find_format("mp4"), Span(), floor_bytes=10**18).run()


def test_many_at_once_get_what_they_asked_for(sessions: Path) -> None:
    """Each its own part, while others are being made."""
    with pit_wall(sessions=sessions) as wall:

        def get(place: int) -> int:
            stop_s = (place + 1) / 10
            return frames("csv", wall.get(f"/sessions/{NAME}/export?format=csv&to={stop_s}").body)

        with concurrent.futures.ThreadPoolExecutor(PLACES) as pool:
            assert list(pool.map(get, range(PLACES))) == [3 * (place + 1) for place in range(PLACES)]


def test_an_open_session_gives_what_there_is(tmp_path: Path) -> None:
    """While a thread goes on writing it."""
    from host.record.session import TAPE
    from host.record.tape import Tape
    from tests.wall import draw

    making = Making([3000 * number for number in range(3000)])
    folder = Making([], tape=False).session(tmp_path)
    with Movie(folder / VIDEO) as movie, Tape(folder / TAPE, "kart") as tape:
        stop = threading.Event()
        written = 0

        def record() -> None:
            nonlocal written
            for number in range(3000):
                if stop.wait(0.002):
                    return
                picture = movie.read(draw(number, "overlay"))
                assert picture is not None
                movie.write(picture, making.ticks[number], 3000)
                tape.write(making.entry(number), {"camera": making.camera(number)})
                written = number + 1

        thread = threading.Thread(target=record)
        thread.start()
        try:
            until(lambda: written > 60)
            with pit_wall(sessions=tmp_path) as wall:
                for kind in FORMATS:
                    before = written
                    answer = wall.get(f"/sessions/{NAME}/export?format={kind}&from=0.1")
                    assert answer.status == 200, answer.text
                    least = before - 3 - 32 if kind != "gif" else (before - 3 - 32) / 2
                    assert least <= frames(kind, answer.body) <= written + (kind == "mcap")
        finally:
            stop.set()
            thread.join()


def test_what_nobody_has_is_an_export_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is no session: a session is a folder with"):
        Job(tmp_path, find_format("mp4"), Span(), floor_bytes=0).run()
