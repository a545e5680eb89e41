"""What the player is given: the two files by ranges, the timeline, single frames; of closed, open and torn sessions."""

import io
import json
import re
import struct
import tracemalloc
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.guard import Guard
from host.record.session import TAPE, VIDEO
from host.review.boxes import box, full_box
from host.review.film import Film, FilmError
from host.review.gaps import gaps_between
from host.review.ranges import Unsatisfiable, wanted
from host.review.samples import MAX_FRAMES
from host.review.timeline import NUMBERS
from tests import shelved
from tests.shelved import STEP
from tests.wall import Answer, Wall, draw, pit_wall, read_number, until

VIDEO_PATH = "/sessions/kart-1/overlay.mp4"
TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One ordinary session with a gap, one without a tape, a torn one."""
    directory = tmp_path_factory.mktemp("sessions")
    with shelved.Session(directory) as session:
        session.add(60)
        session.event("look", "method gradcam")
        session.add(30, after_s=3)
    shelved.make(directory, "old-1", 40, tape=False)
    shelved.make_torn(directory, frames=70)
    return directory


@pytest.fixture(scope="module")
def wall(sessions: Path) -> Iterator[Wall]:
    with pit_wall("demo", sessions=sessions) as running:
        yield running


class Timeline:
    """The answer of /api/sessions/NAME/timeline, read without the page's help."""

    def __init__(self, answer: Answer) -> None:
        assert answer.status == 200, answer.text
        assert answer.body[:4] == b"PLTL"
        (size,) = struct.unpack_from("<I", answer.body, 4)
        self.head: dict[str, Any] = json.loads(answer.body[8 : 8 + size])
        rows, at = self.head["frames"] - self.head["first"], 8 + size
        assert at % 8 == 0
        self.ticks = [round(tick) for tick in struct.unpack_from(f"<{rows}d", answer.body, at)]
        at += 8 * rows
        self.columns = {
            name: struct.unpack_from(f"<{rows}f", answer.body, at + 4 * rows * number)
            for number, name in enumerate(self.head["columns"])
        }
        assert len(answer.body) == at + 4 * rows * len(self.columns)


def timeline(wall: Wall, name: str, query: str = "") -> Timeline:
    return Timeline(wall.get(f"/api/sessions/{name}/timeline{query}"))


def frames_of(video: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(video), "r") as container:
        return list(container.decode(video=0))


# Ranges


def test_a_range_is_exactly_what_was_asked_for(wall: Wall, sessions: Path) -> None:
    whole = (sessions / "kart-1" / VIDEO).read_bytes()
    size = len(whole)
    assert wall.get(VIDEO_PATH).body == whole
    for asked, first, end in (
        ("bytes=0-", 0, size),
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        (f"bytes={size - 1}-", size - 1, size),
        (f"bytes=10-{size + 500}", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size * 3}", 0, size),
    ):
        answer = wall.get(VIDEO_PATH, Range=asked)
        assert (answer.status, answer.body) == (206, whole[first:end]), asked
        assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{size}"


def test_a_range_beyond_the_end_is_refused_with_the_length(wall: Wall, sessions: Path) -> None:
    size = (sessions / "kart-1" / VIDEO).stat().st_size
    for asked in (f"bytes={size}-", f"bytes={size + 9}-{size + 10}", "bytes=-0"):
        answer = wall.get(VIDEO_PATH, Range=asked)
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}"), asked


@pytest.mark.parametrize(
    "rubbish", ["bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=0-3", "bytes=a-b"]
)
def test_a_range_that_is_none_gets_the_whole(wall: Wall, sessions: Path, rubbish: str) -> None:
    answer = wall.get(VIDEO_PATH, Range=rubbish)
    assert (answer.status, len(answer.body)) == (200, (sessions / "kart-1" / VIDEO).stat().st_size)


def test_what_changed_meanwhile_is_not_pieced_together(wall: Wall) -> None:
    first = wall.get(VIDEO_PATH, Range="bytes=0-9")
    same = wall.get(VIDEO_PATH, Range="bytes=10-19", If_Range=first.headers["ETag"])
    dated = wall.get(VIDEO_PATH, Range="bytes=10-19", If_Range=first.headers["Last-Modified"])
    other = wall.get(VIDEO_PATH, Range="bytes=10-19", If_Range='"another"')
    assert (same.status, dated.status, other.status) == (206, 206, 200)
    assert wall.get(VIDEO_PATH, If_None_Match=first.headers["ETag"]).status == 304


def test_head_tells_the_size_and_sends_nothing(wall: Wall, sessions: Path) -> None:
    answer = wall.request("HEAD", VIDEO_PATH)
    size = (sessions / "kart-1" / VIDEO).stat().st_size
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(size), b"")
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_the_tape_is_served_as_it_is(wall: Wall, sessions: Path) -> None:
    whole = (sessions / "kart-1" / TAPE).read_bytes()
    assert wall.get("/sessions/kart-1/frames.mcap").body == whole
    assert wall.get("/sessions/kart-1/frames.mcap", Range="bytes=-8").body == whole[-8:]


@given(st.text(alphabet="bytes=-, 0123456789", max_size=24), st.integers(0, 10**6))
def test_no_range_leads_outside_the_file(header: str, size: int) -> None:
    try:
        span = wanted(header, size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span[0] < span[1] <= size


# The video


def test_a_closed_video_is_the_file(sessions: Path) -> None:
    film = Film(sessions / "kart-1" / VIDEO)
    film.refresh()
    with av.open(str(sessions / "kart-1" / VIDEO)) as container:
        expected = [frame.pts for frame in container.decode(video=0)]
    assert not film.torn
    assert list(film.ticks) == expected
    assert film.at("").head == b""


def test_an_open_video_has_an_index_of_all_that_is_written(tmp_path: Path) -> None:
    """FFmpeg finds every frame of it, at its time, and knows how long it lasts."""
    with shelved.Session(tmp_path) as session:
        film = Film(session.folder / VIDEO)
        for grown, after_s in ((40, 0.0), (50, 2.5), (33, 0.0)):
            session.add(grown, after_s=after_s)
            film.refresh()
            version = film.at(film.version)
            video = version.head + (session.folder / VIDEO).read_bytes()[: version.size_bytes]
            frames = frames_of(video)
            assert film.torn
            assert len(session.ticks) - 20 < len(frames) <= len(session.ticks)
            assert [frame.pts for frame in frames] == list(film.ticks) == session.ticks[: len(frames)]
            with av.open(io.BytesIO(video), "r") as container:
                assert container.streams.video[0].duration == film.end_tick
                keys = [packet.pts for packet in container.demux(video=0) if packet.size and packet.is_keyframe]
            assert keys == [frame.pts for frame in frames if frame.key_frame]
    film.refresh()
    assert not film.torn
    assert list(film.ticks) == session.ticks


def test_a_version_stays_what_it_was_while_more_is_written(tmp_path: Path) -> None:
    with shelved.Session(tmp_path) as session, pit_wall("demo", sessions=tmp_path) as wall:
        session.add(40)
        version = timeline(wall, "kart-1").head["video"]["version"]
        before = wall.get(f"{VIDEO_PATH}?v={version}")
        session.add(40)
        newer = timeline(wall, "kart-1").head["video"]
        after = wall.get(f"{VIDEO_PATH}?v={version}", Range="bytes=0-", If_Range=before.headers["ETag"])
        assert newer["version"] != version
        assert (after.status, after.body) == (206, before.body)
        assert len(frames_of(wall.get(f"{VIDEO_PATH}?v={newer['version']}").body)) > len(frames_of(before.body))
        session.close()
        closed = wall.get(f"{VIDEO_PATH}?v={version}")
        assert len(frames_of(closed.body)) >= len(frames_of(before.body)), "closing it leaves what plays playable"


def test_a_torn_video_shows_every_frame_that_was_whole(wall: Wall) -> None:
    told = timeline(wall, "torn-1")
    frames = frames_of(wall.get("/sessions/torn-1/overlay.mp4").body)
    assert not told.head["recording"]
    assert len(frames) == told.head["video"]["frames"] >= 70 - 30
    assert [frame.pts for frame in frames] == told.ticks[: len(frames)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"not a video at all",
        struct.pack(">I4s", 8, b"moov"),
        struct.pack(">I4sQ", 1, b"mdat", 1 << 62),
    ],
)
def test_what_is_no_video_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / VIDEO
    path.write_bytes(content)
    with pytest.raises(FilmError):
        Film(path).refresh()


def test_a_broken_byte_anywhere_ends_in_a_sentence_or_a_film(tmp_path: Path, sessions: Path) -> None:
    good = bytearray((sessions / "torn-1" / VIDEO).read_bytes())
    path = tmp_path / VIDEO
    for at in [*range(0, 1000, 3), *range(good.index(b"moof"), good.index(b"moof") + 200)]:
        broken = good.copy()
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        film = Film(path)
        try:
            film.refresh()
        except FilmError:
            continue
        assert len(film.ticks) == len(film)


def moov(timescale: int = 90_000, **tables: bytes) -> bytes:
    """An index of these tables, of one frame where they say nothing."""
    one = {
        "stts": struct.pack(">III", 1, 1, 3000),
        "stsz": struct.pack(">II", 1, 1),
        "stsc": struct.pack(">IIII", 1, 1, 1, 1),
        "stco": struct.pack(">II", 1, 8),
    }
    stbl = box(b"stbl", *(full_box(kind.encode(), body) for kind, body in (one | tables).items()))
    mdhd = full_box(b"mdhd", struct.pack(">IIIII", 0, 0, timescale, 0, 0))
    return box(b"moov", full_box(b"mvhd", bytes(20)), box(b"trak", box(b"mdia", mdhd, box(b"minf", stbl))))


def fragment(frames: int) -> bytes:
    run = full_box(b"trun", struct.pack(">I", frames))
    return box(b"moof", box(b"traf", full_box(b"tfhd", bytes(4)), run)) + box(b"mdat", b"x")


@pytest.mark.parametrize(
    "content",
    [
        moov(timescale=0),
        moov(stts=struct.pack(">II", 2, 1)),
        moov(stts=struct.pack(">I", 1000) + struct.pack(">II", MAX_FRAMES, 1) * 1000),
        moov(
            timescale=1,
            stts=struct.pack(">III", 1, MAX_FRAMES, 2**32 - 1),
            stsz=struct.pack(">II", 1, MAX_FRAMES),
            stsc=struct.pack(">IIII", 1, 1, MAX_FRAMES, 1),
        ),
        moov() + fragment(MAX_FRAMES),
    ],
    ids=["no time", "half a row", "more times than frames", "longer than time", "more frames than bytes"],
)
def test_an_index_that_cannot_be_true_is_a_sentence_and_takes_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / VIDEO).write_bytes(content)
    film = Film(tmp_path / VIDEO)
    tracemalloc.start()
    try:
        for _ in range(3):
            with pytest.raises(FilmError, match="makes no sense"):
                film.refresh()
        assert tracemalloc.get_traced_memory()[1] < 64_000_000
    finally:
        tracemalloc.stop()


# The timeline


def test_the_timeline_tells_every_frame_and_all_that_is_plotted(wall: Wall) -> None:
    told = timeline(wall, "kart-1")
    assert told.ticks == [STEP * n for n in range(60)] + [STEP * n + 270_000 for n in range(60, 90)]
    assert told.head["columns"] == [*NUMBERS, "camera", "mask"]
    assert told.columns["camera"] == told.columns["mask"] == (1,) * 90
    assert told.columns["seq"] == tuple(range(90))
    expected = [shelved.entry(n, 0).frame.drive for n in range(90)]
    assert told.columns["steering"] == pytest.approx([drive.steering for drive in expected if drive], abs=1e-6)
    assert told.head["gaps"] == [[59 * STEP, 60 * STEP + 270_000]]
    assert told.head["events"] == [{"tick": 59 * STEP, "kind": "look", "text": "method gradcam"}]
    assert told.head["video"]["frames"] == 90
    assert told.head["pictures"] == ["camera", "mask"]
    assert not told.head["recording"]


def test_a_first_frame_that_is_spoilt_spoils_no_other(wall: Wall, sessions: Path) -> None:
    folder = shelved.make(sessions, "spoilt-1", 20)
    tape = (folder / TAPE).read_bytes()
    at = tape.index(b'{"tick":0')
    (folder / TAPE).write_bytes(tape[:at] + b"?" + tape[at + 1 :])
    told = timeline(wall, "spoilt-1")
    assert told.ticks == [STEP * n for n in range(20)]
    assert told.columns["seq"] == tuple(range(20))
    assert (told.head["look"], told.head["start_unix_s"]) == (None, shelved.START_NS / 1e9)


def test_a_session_with_braces_in_its_name_plays(wall: Wall, sessions: Path) -> None:
    shelved.make(sessions, "a{b}", 5)
    for path in ("/review/%s", "/sessions/%s/overlay.mp4", "/sessions/%s/frames/1.jpg?part=mask"):
        assert wall.get(path % "a%7Bb%7D").status == 200
    assert timeline(wall, "a%7Bb%7D").head["frames"] == 5


def test_the_timeline_goes_on_from_any_row(wall: Wall) -> None:
    whole, rest, none = (
        timeline(wall, "kart-1"),
        timeline(wall, "kart-1", "?from=50"),
        timeline(wall, "kart-1", "?from=900"),
    )
    assert rest.ticks == whole.ticks[50:]
    assert rest.columns["age_ms"] == whole.columns["age_ms"][50:]
    assert (none.ticks, none.head["first"], none.head["frames"]) == ([], 90, 90)


def test_a_session_without_a_tape_has_the_times_of_its_video(wall: Wall) -> None:
    told = timeline(wall, "old-1")
    assert told.ticks == [STEP * n for n in range(40)]
    assert (told.columns, told.head["pictures"], told.head["look"]) == ({}, [], None)


def test_gaps_between_frames_are_found_without_a_tape() -> None:
    assert gaps_between([]) == gaps_between([5]) == []
    steps = [STEP] * 20 + [STEP * 3, 10 * STEP, 40 * STEP] + [STEP] * 5
    ticks = array("q", [sum(steps[:at]) for at in range(len(steps) + 1)])
    assert gaps_between(ticks) == [(ticks[22], ticks[23])]


def test_a_session_being_recorded_grows(tmp_path: Path) -> None:
    with shelved.Session(tmp_path) as session, pit_wall("demo", sessions=tmp_path) as wall:
        session.add(60)
        session.flush()
        first = timeline(wall, "kart-1")
        assert first.head["recording"]
        assert first.head["frames"] == 60
        session.add(45)
        session.flush()
        more = timeline(wall, "kart-1", "?from=60")
        assert more.ticks == session.ticks[60:]
        assert more.head["video"]["end_tick"] > first.head["video"]["end_tick"]
        picture = wall.get("/sessions/kart-1/frames/104.jpg?part=camera")
        assert read_number(picture.body) == 104


# Single frames


@pytest.mark.parametrize("part", ["camera", "mask"])
def test_a_frame_is_the_very_picture_that_was_recorded(wall: Wall, part: str) -> None:
    for index in (0, 59, 60, 89):
        answer = wall.get(f"/sessions/kart-1/frames/{index}.jpg?part={part}")
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.body == draw(index, part)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/sessions/kart-1/frames/90.jpg?part=camera", 404, "no frame 90; it has 90"),
        ("/sessions/kart-1/frames/-1.jpg?part=camera", 400, "numbered from 0 on"),
        ("/sessions/kart-1/frames/9999999999999999999999.jpg", 400, "numbered from 0 on"),
        ("/sessions/kart-1/frames/%D9%A3.jpg", 400, "numbered from 0 on"),
        ("/sessions/kart-1/frames/1.jpg?part=secret", 400, "no part 'secret'; there is: overlay, camera, mask"),
        ("/sessions/kart-1/frames/1.jpg?brightness=3", 400, "no 'brightness'; it has part, pilot, strength"),
        ("/sessions/kart-1/frames/1.jpg?strength=2", 400, "<= 1.0"),
        ("/sessions/kart-1/frames/1.jpg?strength=NaN", 400, "cannot be drawn"),
        ("/sessions/kart-1/frames/1.jpg?method=tea%20leaves", 400, "$.method"),
        ("/sessions/old-1/frames/1.jpg?part=camera", 404, "without single frames"),
        ("/sessions/nobody/frames/1.jpg?part=camera", 404, "no session 'nobody'"),
        ("/sessions/old-1/frames.mcap", 404, "no such file"),
        ("/sessions/nobody/overlay.mp4", 404, "no session"),
        ("/api/sessions/nobody/timeline", 404, "no session"),
        ("/api/sessions/kart-1/timeline?from=-3", 400, "numbered from 0 on"),
        ("/api/sessions/kart-1/timeline?from=x", 400, "numbered from 0 on"),
        ("/api/sessions/..%2F..%2Fetc/timeline", 404, "no session"),
        ("/sessions/..%2Fkart-1/overlay.mp4", 404, "no session"),
        ("/sessions/.trash/overlay.mp4", 404, "no session"),
        ("/sessions/%00/overlay.mp4", 404, "no session"),
        ("/review/nobody", 404, "no session"),
        ("/review/%3Cscript%3E", 404, "no session"),
    ],
)
def test_rubbish_gets_a_sentence(wall: Wall, path: str, status: int, says: str) -> None:
    answer = wall.get(path)
    assert (answer.status, answer.headers.get_content_type()) == (status, "text/plain")
    assert says in answer.text


# Who may see it


def test_a_player_may_carry_the_token_and_a_page_turns_it_into_a_cookie(sessions: Path) -> None:
    with pit_wall("demo", guard=Guard(TOKEN), sessions=sessions) as wall:
        for path in (VIDEO_PATH, "/sessions/kart-1/frames/3.jpg?part=camera", "/sessions/kart-1/frames.mcap"):
            joined = path + ("&" if "?" in path else "?")
            assert wall.get(path).status == 401
            assert wall.get(f"{joined}token=wrong").status == 401
            assert wall.get(f"{joined}token={TOKEN}").status == 200
        assert wall.get(f"/api/sessions/kart-1/timeline?token={TOKEN}").status == 401
        opened = wall.get(f"/review/kart-1?with=old-1&token={TOKEN}")
        assert (opened.status, opened.headers["Location"]) == (303, "/review/kart-1?with=old-1")
        cookie = str(opened.headers["Set-Cookie"]).partition(";")[0]
        assert wall.get("/review/kart-1", Cookie=cookie).status == 200
        door = wall.get("/review/kart-1?with=%22%3E%3Cscript%3E", Accept="text/html")
        assert door.status == 401
        assert '<form action="/review/kart-1">' in door.text
        assert "<script>" not in door.text


def test_the_page_and_every_script_it_needs_are_served_and_loaded_at_once(wall: Wall) -> None:
    page = wall.get("/review/kart-1").text
    linked = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))
    wanted, seen = [path for path in linked if path.endswith(".js")], set[str]()
    while wanted:
        path = wanted.pop()
        seen.add(path)
        answer = wall.get(path)
        assert answer.status == 200, path
        imported = {urljoin(path, one) for one in re.findall(r'from "(\.[^"]+)"', answer.text)}
        wanted += imported - seen
    assert seen <= linked, "a script that only another script names is asked for one round trip later"
    assert len(seen) > 15
    assert all(wall.get(path).status == 200 for path in linked)


def test_many_clients_at_once_are_served(wall: Wall) -> None:
    import threading

    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda n=n: answers.append(wall.get(f"/sessions/kart-1/frames/{n}.jpg?part=camera").status)
        )
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 40)
    assert set(answers) == {200}


def test_a_client_that_leaves_in_the_middle_is_no_error(tmp_path: Path) -> None:
    """Browsers do so all the time; the pit wall of this test would fail on anything that was logged."""
    import socket

    folder = shelved.make(tmp_path, frames=30)
    with (folder / TAPE).open("ab") as file:
        file.write(bytes(30_000_000))
    with pit_wall("demo", sessions=tmp_path) as wall:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", wall.port)) as client:
                client.sendall(b"GET /sessions/kart-1/frames.mcap HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert wall.get("/sessions/kart-1/frames.mcap", Range="bytes=0-4").status == 206
