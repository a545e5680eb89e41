"""What a tape holds: read back by other people's readers, after every way its writing can end."""

import json
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from foxglove_schemas_protobuf.Log_pb2 import Log
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st
from mcap.decoder import DecoderFactory as McapDecoder
from mcap.exceptions import EndOfFile
from mcap.reader import make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader
from mcap.summary import Summary
from mcap.well_known import SchemaEncoding
from mcap_protobuf.decoder import DecoderFactory

import wire
from host.record import topics
from host.record.entry import decode, encode
from host.record.tape import Entry, Tape
from host.review.footage import Footage
from tests.tapes import STEP_TICKS, entry, make, pictures

ROOT = Path(__file__).parents[1]


def summary(tape: Path) -> Summary:
    with tape.open("rb") as file:
        found = make_reader(file, validate_crcs=True).get_summary()
    assert found is not None
    return found


def messages(tape: Path, topic: str) -> list[tuple[int, Any]]:
    """Log times and decoded messages of a topic, by mcap's own reader."""
    with tape.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory(), Json()])
        return [(one.message.log_time, one.decoded_message) for one in reader.iter_decoded_messages(topic)]


class Json(McapDecoder):
    """Decodes as the channel's message encoding says, and only that."""

    def decoder_for(self, encoding: str, schema: Any) -> Any:
        return json.loads if encoding == "json" and schema.encoding == SchemaEncoding.JSONSchema else None


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return make(tmp_path / "frames.mcap", range(100), events=[30])


def test_the_library_of_the_format_reads_what_was_given(tape: Path) -> None:
    for topic, kind in (("/camera", "camera"), ("/mask", "mask")):
        images = messages(tape, topic)
        assert [one.data for _, one in images] == [pictures(number)[kind] for number in range(100)]
        assert {(one.format, one.frame_id) for _, one in images} == {("jpeg", kind)}
        assert [time for time, _ in images] == [entry(number).unix_ns for number in range(100)]
        assert [one.timestamp.ToNanoseconds() for _, one in images] == [time for time, _ in images]
    frames = messages(tape, "/frame")
    assert [time for time, _ in frames] == [entry(number).unix_ns for number in range(100)]
    assert [msgspec.convert(one, Entry) for _, one in frames] == [entry(number) for number in range(100)]


def test_events_are_logs(tape: Path) -> None:
    ((time, log),) = messages(tape, "/events")
    assert time == log.timestamp.ToNanoseconds() == entry(30).unix_ns
    assert (log.name, log.message, log.file, log.level) == ("bookmark", "after 30", str(30 * STEP_TICKS), 2)


@pytest.mark.parametrize("tick", ["9" * 20, "-1", "", "soon"])
def test_an_event_at_no_time_is_none(tick: str) -> None:
    with pytest.raises(ValueError, match=r"tick|invalid literal"):
        topics.event(Log(name="bookmark", file=tick).SerializeToString())


def test_schemas_are_those_foxglove_knows(tape: Path) -> None:
    found = summary(tape)
    by_topic = {one.topic: found.schemas[one.schema_id] for one in found.channels.values()}
    named = {topic: (schema.name, schema.encoding) for topic, schema in by_topic.items()}
    assert named == {
        "/camera": ("foxglove.CompressedImage", "protobuf"),
        "/mask": ("foxglove.CompressedImage", "protobuf"),
        "/frame": ("pilotlens.Entry", "jsonschema"),
        "/events": ("foxglove.Log", "protobuf"),
    }
    files = {one.name for one in FileDescriptorSet.FromString(by_topic["/camera"].data).file}
    assert files == {"foxglove/CompressedImage.proto", "google/protobuf/timestamp.proto"}


def test_a_closed_tape_has_a_summary_and_chunks_of_half_a_second(tape: Path) -> None:
    found = summary(tape)
    assert found.statistics is not None
    counts = found.statistics.channel_message_counts
    assert {found.channels[number].topic: count for number, count in counts.items()} == {
        "/camera": 100,
        "/mask": 100,
        "/frame": 100,
        "/events": 1,
    }
    spans_ns = [one.message_end_time - one.message_start_time for one in found.chunk_indexes]
    assert len(spans_ns) == 8
    assert max(spans_ns) <= 500_000_000
    assert all(one.message_index_offsets for one in found.chunk_indexes)


def test_large_pictures_close_a_chunk_as_well(tmp_path: Path) -> None:
    path = tmp_path / "frames.mcap"
    with Tape(path, "kart") as tape:
        for number in range(10):
            tape.write(entry(number), {"camera": bytes(300_000)})
            assert path.stat().st_size > number // 4 * 4 * 300_000
    assert max(one.uncompressed_size for one in summary(path).chunk_indexes) < 1_400_000


def test_only_what_review_needs_is_kept(tmp_path: Path) -> None:
    parts = [wire.Part(kind="overlay", size_bytes=3, width=1, height=1)]
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        tape.write(entry(0, parts=parts), {"overlay": b"abc", "camera": b"de"})
    topic_names = {one.topic for one in summary(tmp_path / "frames.mcap").channels.values()}
    assert topic_names == {"/camera", "/mask", "/frame", "/events"}
    assert len(messages(tmp_path / "frames.mcap", "/camera")) == 1
    assert "parts" not in messages(tmp_path / "frames.mcap", "/frame")[0][1]["frame"]


def test_a_tape_without_frames_is_an_mcap_file(tmp_path: Path) -> None:
    make(tmp_path / "frames.mcap", [])
    assert summary(tmp_path / "frames.mcap").chunk_indexes == []
    with Footage(tmp_path / "frames.mcap") as footage:
        assert (len(footage), footage.ended, footage.is_whole()) == (0, True, True)


ANY_FLOAT = st.floats()
DRIVES = st.none() | st.builds(wire.Drive, ANY_FLOAT, ANY_FLOAT)
SHARES: st.SearchStrategy[list[float]] = st.just([]) | st.lists(ANY_FLOAT, min_size=9, max_size=9)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "drive": DRIVES,
        "recorded": DRIVES,
        "outputs": st.dictionaries(st.text("abc/:0", min_size=1), st.lists(ANY_FLOAT, max_size=4), max_size=3),
        "mask": st.none() | st.builds(wire.MaskStats, ANY_FLOAT, ANY_FLOAT, st.booleans(), SHARES),
        "health": st.builds(wire.Health, temperature_c=st.none() | ANY_FLOAT, throttled=st.none() | st.integers(0, 9)),
        "refused": st.sampled_from(["", "null", 'a "null" ü']),
        "seq": st.integers(0, 2**63 - 1),
        "session": st.sampled_from(["", "abcdef"]),
    },
)


@given(FRAMES)
def test_any_frame_comes_back_as_it_was(changes: dict[str, Any]) -> None:
    one = entry(5, **changes)
    assert repr(decode(encode(one))) == repr(one), "nan is not equal to nan, but looks the same"


@given(FRAMES)
def test_json_is_what_its_schema_says(changes: dict[str, Any]) -> None:
    told = json.loads(encode(entry(5, **changes)), parse_constant=pytest.fail)
    assert_fits(told, topics.entry_schema(), "entry")


def assert_fits(value: Any, schema: dict[str, Any], where: str) -> None:
    """Check by the few words such a schema uses, with the types a reader must know; unknown numbers are words."""
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    if schema["type"] == "number" and value in {"nan", "inf", "-inf"}:
        return
    assert isinstance(value, kinds[schema["type"]]), where
    assert schema["type"] != "object" or set(schema.get("required", [])) <= set(value), where
    for name, one in value.items() if isinstance(value, dict) else []:
        inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
        assert inner, f"{where}.{name} is not in the schema"
        assert_fits(one, inner, f"{where}.{name}")
    for one in value if isinstance(value, list) else []:
        assert_fits(one, schema["items"], f"{where}[]")


def test_the_schema_uses_only_words_foxglove_reads() -> None:
    def walk(schema: dict[str, Any]) -> None:
        assert isinstance(schema["type"], str)
        assert not {"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "$defs"} & set(schema)
        for one in schema.get("properties", {}).values():
            walk(one)
        if "items" in schema:
            walk(schema["items"])

    walk(topics.entry_schema())


def test_given_frames_are_in_the_file_once_flushed(tmp_path: Path) -> None:
    path = tmp_path / "frames.mcap"
    with Tape(path, "kart") as tape:
        for number in range(40):
            tape.write(entry(number), pictures(number))
        with Footage(path) as footage:
            assert len(footage) == 31, "what is younger than half a second may wait"
        tape.flush()
        with Footage(path) as footage:
            assert len(footage) == 40


@pytest.mark.parametrize("step_ticks", [45_000, 90_000, 10**9])
def test_rare_frames_do_not_wait_for_others(tmp_path: Path, step_ticks: int) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape, Footage(tmp_path / "frames.mcap") as footage:
        for number in range(5):
            tape.write(entry(number, number * step_ticks), {})
            assert footage.refresh() == number + 1


def test_an_event_of_another_time_holds_nothing_back(tmp_path: Path) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape, Footage(tmp_path / "frames.mcap") as footage:
        tape.event(0, 2**62, "restart", "a clock that cannot be right")
        for number in range(16):
            tape.write(entry(number), {})
        assert footage.refresh() == 16


@pytest.mark.parametrize("times", [{"tick": -1}, {"tick": 2**63}, {"unix_ns": -1}, {"unix_ns": 2**64}])
def test_times_that_cannot_be_are_refused(tmp_path: Path, times: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="2\\^63"):
        msgspec.structs.replace(entry(0), **times)
    with Tape(tmp_path / "frames.mcap", "kart") as tape, pytest.raises(ValueError, match="2\\^63"):
        tape.event(**({"unix_ns": 0, "tick": 0} | times), kind="gap", text="")


def test_frames_go_forward(tmp_path: Path) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        tape.write(entry(1), {})
        for number in (0, 1):
            with pytest.raises(ValueError, match="forward"):
                tape.write(entry(number), {})
        with pytest.raises(ValueError, match="at most"):
            tape.write(entry(2), {"camera": bytes(wire.MAX_PART_BYTES + 1)})
        tape.write(entry(2), {"camera": bytes(wire.MAX_PART_BYTES)})
    with Footage(tmp_path / "frames.mcap") as footage:
        assert list(footage.ticks) == [STEP_TICKS, 2 * STEP_TICKS]
        assert footage.picture(1, "camera") == bytes(wire.MAX_PART_BYTES)


def test_text_that_has_no_encoding_is_still_noted(tmp_path: Path) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        tape.event(1, 2, "trouble", "half \ud83d of a face")
    assert messages(tmp_path / "frames.mcap", "/events")[0][1].message == "half ? of a face"


def test_a_tape_is_never_overwritten(tape: Path) -> None:
    before = tape.read_bytes()
    with pytest.raises(FileExistsError):
        Tape(tape, "kart")
    assert tape.read_bytes() == before


def test_a_closed_tape_takes_no_more(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "frames.mcap", "kart")
    tape.close()
    tape.close()
    with pytest.raises(OSError, match="takes no more"):
        tape.write(entry(0), {})


CHILD = f"""
    import resource, sys
    from pathlib import Path
    sys.path[:0] = [{str(ROOT)!r}]
    from host.record.tape import Tape
    from tests.tapes import entry, pictures
"""


def child(path: Path, code: str) -> "subprocess.Popen[str]":
    """A process of its own that runs this code with `path` in sys.argv."""
    program = "\n".join(line.strip() for line in CHILD.splitlines()) + code
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )


ENDLESS = """
tape, number = Tape(Path(sys.argv[1]), "kart"), 0
while True:
    tape.write(entry(number), pictures(number, 3000))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_takes_less_than_a_second(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "frames.mcap"
    with child(path, ENDLESS) as process:
        assert process.stdout is not None
        for _ in range(random.Random(seed).randrange(1, 300)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        given = max(map(int, process.stdout.read().split()), default=0)
    with Footage(path) as footage:
        assert list(footage.ticks) == [number * STEP_TICKS for number in range(len(footage))]
        assert footage.ticks[-1] >= (given - 15) * STEP_TICKS
        last = len(footage) - 1
        assert footage.entry(last) == entry(last)
        assert footage.picture(last, "camera") == pictures(last, 3000)["camera"]


FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
tape = Tape(Path(sys.argv[1]), "kart")
try:
    for number in range(1000):
        tape.write(entry(number), pictures(number, 3000))
except OSError as why:
    print(why.errno, number)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for act in (tape.flush, lambda: tape.write(entry(2000), {}), lambda: tape.event(1, 1, "gap", "")):
    try:
        act()
    except OSError:
        print("refused")
tape.close()
"""


def test_what_a_full_disk_took_stays_readable_though_there_be_room_again(tmp_path: Path) -> None:
    with child(tmp_path / "frames.mcap", FULL) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    first, *others = said.splitlines()
    assert others == ["refused"] * 3
    assert (tmp_path / "frames.mcap").stat().st_size == 100_000
    with Footage(tmp_path / "frames.mcap") as footage:
        assert len(footage) >= int(first.split()[1]) - 15 > 0
        assert footage.picture(0, "mask") == pictures(0, 3000)["mask"]


def test_a_stream_reader_gets_through_a_torn_tape(tmp_path: Path) -> None:
    path = make(tmp_path / "frames.mcap", range(20), close=False)
    found: list[Message] = []
    with path.open("rb") as file, pytest.raises(EndOfFile):
        found.extend(one for one in StreamReader(file, validate_crcs=True).records if isinstance(one, Message))
    assert len(found) == 60


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        for number in range(400):
            tape.write(entry(number), {"camera": bytes(500_000)})
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    assert grown * unit_bytes < 64_000_000 < (tmp_path / "frames.mcap").stat().st_size
