"""MCAP: cut out of a tape, opened by MCAP's own reader, which seeks in it by its index."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import SeekingReader, make_reader
from mcap_protobuf.decoder import DecoderFactory

from host.record import entry as entries
from host.record.entry import Entry, Event
from host.record.notes import Bookmark, Notes
from host.record.session import TAPE, TICKS_HZ
from host.review.export.source import ExportError
from host.review.footage import Footage
from tests.exports import STEADY, Making, export, within
from tests.wall import draw
from wire import Drive

EVENTS = [
    Event(unix_ns=0, tick=tick, kind=kind, text=f"{kind} at {tick}")
    for tick, kind in [(0, "look"), (30_000, "gap"), (60_000, "bookmark"), (90_000, "restart"), (179_000, "trouble")]
]
LABEL = Bookmark(id="0badcafe", time_s=0.7, label="scharf links ↰", made_at="2026-11-23T04:15:00Z")
MAKING = Making(without_camera=frozenset({31}), events=EVENTS, notes=Notes(bookmarks=[LABEL]))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MAKING.session(tmp_path_factory.mktemp("tape"))


def messages(path: Path, **wanted: Any) -> list[tuple[str, int, Any]]:
    """Topic, time and value of all messages, found by the file's index."""
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert isinstance(reader, SeekingReader), "there is a summary to seek by"
        factory = DecoderFactory()
        found = []
        for schema, channel, message in reader.iter_messages(**wanted):
            assert schema is not None
            decode = factory.decoder_for(channel.message_encoding, schema)
            value = decode(message.data) if decode is not None else entries.decode(message.data)
            found.append((channel.topic, message.log_time, value))
        return found


def on(topic: str, found: list[tuple[str, int, Any]]) -> list[Any]:
    return [value for where, _, value in found if where == topic]


@settings(max_examples=15, deadline=None)
@given(cuts=st.tuples(st.integers(0, 180_000), st.integers(3000, 180_000)))
def test_a_cut_holds_the_frames_of_its_part_as_they_were(
    session: Path, tmp_path_factory: pytest.TempPathFactory, cuts: tuple[int, int]
) -> None:
    path = tmp_path_factory.mktemp("cut") / "cut.mcap"
    start_s, stop_s = cuts[0] / TICKS_HZ, (cuts[0] + cuts[1]) / TICKS_HZ
    numbers = within(STEADY, start_s, stop_s)
    if not numbers:
        with pytest.raises(ExportError, match="holds no frame between"):
            export("mcap", session, path, start_s, stop_s)
        return
    assert export("mcap", session, path, start_s, stop_s) == (len(numbers), "")
    found = messages(path)
    assert [value.tick for value in on("/frame", found)] == [STEADY[number] for number in numbers]
    expected = [MAKING.entry(number) for number in numbers]
    assert on("/frame", found) == expected
    assert [one[1] for one in found if one[0] == "/frame"] == [one.unix_ns for one in expected]
    assert [value.data for value in on("/camera", found)] == [MAKING.camera(n) for n in numbers if n != 31]
    assert [value.data for value in on("/mask", found)] == [draw(number, "mask") for number in numbers]
    ours = [(event.tick, event.text) for event in EVENTS if event.kind != "bookmark"]
    told = sorted([*ours, (63_000, LABEL.label)])
    assert [(int(one.file), one.message) for one in on("/events", found)] == [
        (tick, text) for tick, text in told if cuts[0] <= tick < cuts[0] + cuts[1]
    ]


def test_it_is_indexed(session: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mcap"
    export("mcap", session, path, 0.5)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert len(summary.chunk_indexes) >= 3
    counts = {
        summary.channels[number].topic: count for number, count in summary.statistics.channel_message_counts.items()
    }
    assert counts == {"/frame": 45, "/camera": 44, "/mask": 45, "/events": 3}
    from_ns, to_ns = MAKING.entry(40).unix_ns, MAKING.entry(50).unix_ns
    some = messages(path, topics=["/frame"], starting_at=from_ns, ending_before=to_ns)
    assert [value.frame.seq - 7 for _, _, value in some] == list(range(40, 50))
    assert [one.name for one in tmp_path.iterdir()] == ["cut.mcap"], "and nothing beside it"


def test_a_cut_is_footage_again(session: Path, tmp_path: Path) -> None:
    export("mcap", session, tmp_path / "cut.mcap", 0.5, 1.0)
    with Footage(tmp_path / "cut.mcap") as cut, Footage(session / TAPE) as whole:
        assert list(cut.ticks) == STEADY[15:30]
        assert cut.ended
        for name in ("time_s", "unix_s", "steering", "top"):
            assert list(cut.column(name)) == list(whole.column(name))[15:30]
        assert cut.picture(3, "camera") == MAKING.camera(18)


def test_bookmarks_are_those_of_the_notes(session: Path, tmp_path: Path) -> None:
    """What somebody removed or renamed later is not what was noted while recording."""
    export("mcap", session, tmp_path / "cut.mcap")
    with Footage(tmp_path / "cut.mcap") as cut:
        bookmarks = [event for event in cut.events() if event.kind == "bookmark"]
    assert [(event.tick, event.text) for event in bookmarks] == [(63_000, LABEL.label)]
    assert abs(bookmarks[0].unix_ns - MAKING.entry(21).unix_ns) < 1000


@pytest.mark.parametrize("size", [1.0, 0.999, 0.6])
def test_a_torn_tape_becomes_a_whole_one(tmp_path: Path, size: float) -> None:
    folder = Making().torn(tmp_path)
    tape = (folder / TAPE).read_bytes()
    (folder / TAPE).write_bytes(tape[: int(len(tape) * size)])
    written = export("mcap", folder, tmp_path / "cut.mcap", 0.2)
    found = on("/frame", messages(tmp_path / "cut.mcap"))
    assert [value.frame.seq - 7 for value in found] == list(range(6, 6 + written.frames))
    assert written.frames > 10


def test_numbers_that_are_none_stay_what_they_are(tmp_path: Path) -> None:
    class Mad(Making):
        def entry(self, number: int) -> Entry:
            import msgspec

            plain = super().entry(number)
            frame = msgspec.structs.replace(plain.frame, drive=Drive(math.nan, math.inf), outputs={"angle": [math.nan]})
            return msgspec.structs.replace(plain, frame=frame)

    export("mcap", Mad([0, 3000], film=False).session(tmp_path), tmp_path / "cut.mcap")
    for value in on("/frame", messages(tmp_path / "cut.mcap")):
        assert math.isnan(value.frame.drive.steering)
        assert value.frame.drive.throttle == math.inf
        assert math.isnan(value.frame.outputs["angle"][0])


def test_spoilt_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = Making().session(tmp_path)
    tape = bytearray((folder / TAPE).read_bytes())
    at = tape.index(b'"seq":27')
    tape[at : at + 8] = b'"seq":{}'
    (folder / TAPE).write_bytes(tape)
    written = export("mcap", folder, tmp_path / "cut.mcap")
    assert written == (59, "1 of 60 frames are spoilt on the disk and were left out")
    assert [value.frame.seq for value in on("/frame", messages(tmp_path / "cut.mcap"))] == [
        *range(7, 27),
        *range(28, 67),
    ]
