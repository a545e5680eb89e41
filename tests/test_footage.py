"""Reading tapes: whole, growing, torn, spoilt and hostile ones, with their ledgers and without."""

import math
import random
import shutil
import struct
import tempfile
import threading
import tracemalloc
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

import wire
from host.record.ledger import HEAD_BYTES, ROW, ledger_path
from host.record.tape import Entry, Tape
from host.review import scan
from host.review.footage import COLUMNS, Footage, FootageError, mend
from tests.tapes import STEP_TICKS, UNIX_NS, entry, make, pictures
from tests.test_tape import child, summary

FRAMES = 60


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return make(tmp_path / "frames.mcap", range(FRAMES), events=[3, 40])


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """One that was not closed, as a crash leaves it."""
    return make(tmp_path / "frames.mcap", range(FRAMES), events=[3, 40], close=False)


def without_ledger(tape: Path) -> Path:
    ledger_path(tape).unlink(missing_ok=True)
    return tape


def contents(path: Path) -> tuple[list[int], list[bytes], list[Entry], list[bytes | None], list[str]]:
    """All of it, in a form in which nan is nan."""
    with Footage(path) as footage:
        every = range(len(footage))
        return (
            list(footage.ticks),
            [footage.column(name).tobytes() for name in COLUMNS],
            [footage.entry(index) for index in every],
            [footage.picture(index, kind) for index in every for kind in ("camera", "mask")],
            [event.text for event in footage.events()],
        )


def assert_has(path: Path, numbers: list[int]) -> None:
    """That exactly these frames are in it, whole."""
    with Footage(path) as footage:
        assert [footage.entry(index) for index in range(len(footage))] == [entry(number) for number in numbers]
        for index, number in enumerate(numbers):
            assert footage.pictures(index) == pictures(number)
        assert list(footage.column("seq")) == numbers


def boundaries(path: Path) -> list[int]:
    """Where the records of a tape start, and its end."""
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        found = list(scan.records(file.fileno(), len(scan.MAGIC), size_bytes))
    return [len(scan.MAGIC), *(record.end for record in found)]


def chunks(path: Path) -> list[scan.Record]:
    with path.open("rb") as file:
        found = scan.records(file.fileno(), len(scan.MAGIC), path.stat().st_size)
        return [record for record in found if record.opcode == scan.CHUNK]


def test_what_was_written_is_read(tape: Path) -> None:
    assert_has(tape, list(range(FRAMES)))
    with Footage(tape) as footage:
        assert (footage.car, footage.ended, footage.is_whole()) == ("kart", True, True)
        assert footage.ticks == array("q", range(0, FRAMES * STEP_TICKS, STEP_TICKS))
        events = [(event.tick, event.kind, event.text, event.unix_ns) for event in footage.events()]
        assert events == [(n * STEP_TICKS, "bookmark", f"after {n}", entry(n).unix_ns) for n in (3, 40)]


def test_columns_are_numbers_of_the_entries(tmp_path: Path) -> None:
    numbers = [0, 1, 4, 5]
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        for number in numbers:
            tape.write(entry(number, recorded=wire.Drive(0.5, -0.125)), {})
        tape.write(entry(6, session="cd", drive=None, mask=None, health=wire.Health(), stages_ns={}, drops={}), {})
    with Footage(tmp_path / "frames.mcap") as footage:
        columns = {name: list(footage.column(name)) for name in COLUMNS}
    assert columns["time_s"] == pytest.approx([0, 1 / 30, 4 / 30, 5 / 30, 6 / 30])
    assert columns["unix_s"] == pytest.approx([UNIX_NS / 1e9 + number / 30 for number in (*numbers, 6)], abs=1e-6)
    assert columns["seq"] == [0, 1, 4, 5, 6]
    assert columns["lost"] == [0, 0, 2, 0, 0], "another process of the car counts anew"
    assert columns["steering"][:4] == [-0.5, -0.499, -0.496, -0.495]
    assert columns["throttle"][:4] == [0.25] * 4
    assert columns["recorded_steering"][:4] == [0.5] * 4
    assert columns["recorded_throttle"][:4] == [-0.125] * 4
    assert columns["disagreement"][:4] == pytest.approx([1, 0.999, 0.996, 0.995])
    assert columns["age_ms"] == pytest.approx([30 + number / 1e6 for number in (*numbers, 6)])
    assert columns["on_car_ms"] == [9] * 5
    assert columns["network_ms"] == pytest.approx([21 + number / 1e6 for number in (*numbers, 6)])
    assert columns["pilot_ms"][:4] == pytest.approx([2 + number / 1e6 for number in numbers])
    assert columns["drops"] == [2, 2, 2, 2, 0]
    assert columns["magnitude"][:4] == [2.5, 3.5, 6.5, 7.5]
    assert columns["scale"][:4] == [4] * 4
    thirds = {name: columns[name][0] for name in ("left", "centre", "right", "top", "middle", "bottom")}
    assert thirds == pytest.approx(
        {"left": 0.5, "centre": 0.25, "right": 0.25, "top": 0.5, "middle": 0.3, "bottom": 0.2}
    )
    assert columns["temperature_c"][:4] == [51.5] * 4
    unknown = {name for name, column in columns.items() if math.isnan(column[4])}
    assert unknown == {
        "steering", "throttle", "disagreement", "pilot_ms", "magnitude", "scale", "temperature_c",
        "left", "centre", "right", "top", "middle", "bottom",
    } | {"recorded_steering", "recorded_throttle"}  # fmt: skip


def test_a_column_is_yours(tape: Path) -> None:
    with Footage(tape) as footage:
        mine = footage.column("seq")
        mine[0] = 99
        assert footage.column("seq")[0] == 0
        assert mine.typecode == "d"
        with pytest.raises(KeyError):
            footage.column("colour")


@pytest.mark.parametrize("index", [-1, FRAMES, 2**70])
def test_frames_that_are_not_there(tape: Path, index: int) -> None:
    with Footage(tape) as footage:
        for ask in (footage.entry, footage.pictures, lambda index: footage.picture(index, "camera")):
            with pytest.raises(IndexError):
                ask(index)


def test_kinds_are_those_that_any_frame_has(tmp_path: Path) -> None:
    """A weak link carries camera pictures only some of the time."""
    with Tape(tmp_path / "frames.mcap", "kart") as tape, Footage(tape_path := tmp_path / "frames.mcap") as footage:
        assert footage.kinds() == []
        for number in range(6):
            tape.write(entry(number), {"camera": b"jpeg"} if number == 4 else {})
        tape.flush()
        footage.refresh()
        assert (len(footage), footage.kinds()) == (6, ["camera"])
        assert [list(footage.has(kind)) for kind in ("camera", "mask")] == [[0, 0, 0, 0, 1, 0], [0] * 6]
        assert [list(footage.has("camera", first)) for first in (4, 5, 6)] == [[1, 0], [0], []]
        assert list(footage.column("seq", 4)) == [4, 5]
    with Footage(tape_path) as closed:
        assert closed.kinds() == ["camera"]


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        tape.write(entry(0), {"mask": b"m"})
        tape.write(entry(1), {"camera": b""})
    with Footage(tmp_path / "frames.mcap") as footage:
        assert footage.pictures(0) == {"mask": b"m"}
        assert footage.pictures(1) == {"camera": b""}
        assert footage.picture(0, "overlay") is None


@given(st.sets(st.integers(0, 500), min_size=1, max_size=30), st.lists(st.integers(-5, 600), max_size=20))
@settings(max_examples=20)
def test_the_frame_on_screen(ticks: set[int], asked: list[int]) -> None:
    with Fresh() as path:
        with Tape(path, "kart") as tape:
            for tick in sorted(ticks):
                tape.write(entry(tick, tick), {})
        with Footage(path) as footage:
            for tick in asked:
                shown = max((one for one in ticks if one <= tick), default=min(ticks))
                assert footage.ticks[footage.index_at(tick)] == shown


def test_no_frame_is_on_the_screen_of_an_empty_tape(tmp_path: Path) -> None:
    with Footage(make(tmp_path / "frames.mcap", [])) as footage, pytest.raises(IndexError):
        footage.index_at(0)


@pytest.mark.parametrize(
    ("ticks", "gaps"),
    [
        ([], []),
        ([5], []),
        ([0, 3000, 6000, 96_000, 99_000], [(6000, 96_000)]),
        ([0, 3000, 6000, 95_999, 99_000], []),
        ([0, 180_000, 360_000, 540_000, 1_259_999], []),
        ([0, 180_000, 360_000, 540_000, 1_260_000], [(540_000, 1_260_000)]),
    ],
)
def test_gaps_are_where_nothing_came(tmp_path: Path, ticks: list[int], gaps: list[tuple[int, int]]) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape:
        for tick in ticks:
            tape.write(entry(tick // 3000, tick), {})
    with Footage(tmp_path / "frames.mcap") as footage:
        assert footage.gaps() == gaps


# -- growing


GROW = """
with Tape(Path(sys.argv[1]), "kart") as tape:
    print("begun", flush=True)
    for number in range(1500):
        tape.write(entry(number), pictures(number))
        if number % 500 == 7:
            tape.event(5, number, "look", str(number))
"""


@pytest.mark.parametrize("ledger", [True, False])
def test_a_tape_is_read_while_another_process_writes_it(tmp_path: Path, ledger: bool) -> None:
    path, seen = tmp_path / "frames.mcap", tmp_path / ("frames.mcap" if ledger else "linked.mcap")
    with child(path, GROW) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if not ledger:
            seen.hardlink_to(path)
        with Footage(seen) as footage:
            lengths = [footage.refresh()]
            while not footage.ended:
                lengths.append(footage.refresh())
                last = lengths[-1] - 1
                if lengths[-1] > lengths[-2]:
                    assert footage.entry(last) == entry(last)
                    assert footage.picture(last, "mask") == pictures(last)["mask"]
            assert lengths == sorted(lengths)
            assert list(footage.column("seq")) == list(range(1500))
            assert [event.text for event in footage.events()] == ["7", "507", "1007"]
            assert footage.column("lost") == array("d", bytes(8 * 1500))


def test_what_was_taken_stays_as_it_is_when_footage_grows(tmp_path: Path) -> None:
    with Tape(tmp_path / "frames.mcap", "kart") as tape, Footage(tmp_path / "frames.mcap") as footage:
        tape.write(entry(0), {})
        footage.refresh()
        ticks, view = footage.ticks, memoryview(footage.ticks)  # type: ignore[arg-type]
        tape.write(entry(1), {})
        tape.flush()
        assert footage.refresh() == 2
        assert (list(ticks), list(view), list(footage.ticks)) == ([0], [0], [0, STEP_TICKS])


def test_many_threads_read_one_footage(tmp_path: Path) -> None:
    wrong: list[object] = []

    def look(footage: Footage, seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(300):
            index = choose.randrange(max(1, footage.refresh()))
            if len(footage) and footage.picture(index, "camera") != pictures(index)["camera"]:
                wrong.append(index)
            wrong.extend(n for n, seq in enumerate(footage.column("seq")) if n != seq)

    with Tape(tmp_path / "frames.mcap", "kart") as tape, Footage(tmp_path / "frames.mcap") as footage:
        threads = [threading.Thread(target=look, args=(footage, seed)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for number in range(200):
            tape.write(entry(number), pictures(number))
        for thread in threads:
            thread.join()
    assert wrong == []


def test_closed_footage_says_so(tape: Path) -> None:
    footage = Footage(tape)
    footage.close()
    footage.close()
    for ask in (footage.refresh, footage.is_whole, lambda: footage.entry(0), lambda: footage.picture(0, "mask")):
        with pytest.raises(FootageError, match="was closed"):
            ask()
    assert len(footage.column("seq")) == FRAMES


# -- torn


@pytest.mark.parametrize("ledger", [True, False])
def test_a_tape_torn_anywhere_has_what_lies_before(tape: Path, tmp_path: Path, ledger: bool) -> None:
    data, ends = tape.read_bytes(), boundaries(tape)
    chunk_ends = [record.end for record in chunks(tape)]
    around = {end + by for end in ends for by in (-1, 0, 1, 8, 9, 10)}
    anywhere = random.Random(7).sample(range(len(data)), 60)
    part = tmp_path / "torn.mcap"
    if ledger:
        shutil.copy(ledger_path(tape), ledger_path(part))
    for cut in sorted(around.union(anywhere, range(9))):
        part.write_bytes(data[:cut])
        if cut < len(scan.MAGIC):
            with pytest.raises(FootageError, match=r"torn\.mcap cannot be read"):
                Footage(part)
            continue
        with Footage(part) as footage:
            whole = sum(end <= cut for end in chunk_ends)
            assert list(footage.column("seq")) == list(range(frames_of(whole)))
            assert not len(footage) or footage.entry(len(footage) - 1) == entry(len(footage) - 1)


def frames_of(whole_chunks: int) -> int:
    """The first frame has a chunk of its own, others share one for half a second."""
    return min(FRAMES, 1 + 15 * (whole_chunks - 1)) if whole_chunks else 0


def garbage() -> Iterator[bytes]:
    yield b"\0"
    yield bytes(5000)
    yield b"\x06" * 5000
    yield b"\x06" + struct.pack("<Q", 2**63) + bytes(200)
    yield b"\x0f" + struct.pack("<Q", 4) + bytes(3)
    yield scan.MAGIC * 100
    yield random.Random(1).randbytes(100_000)


@pytest.mark.parametrize("rubbish", list(garbage()))
@pytest.mark.parametrize("ledger", [True, False])
def test_garbage_behind_a_torn_tape(torn: Path, rubbish: bytes, ledger: bool) -> None:
    with torn.open("ab") as file:
        file.write(rubbish)
    if not ledger:
        without_ledger(torn)
    assert_has(torn, list(range(FRAMES)))
    assert mend(torn) == FRAMES
    assert_has(torn, list(range(FRAMES)))
    assert summary(torn).statistics is not None


@pytest.mark.parametrize("where", ["data", "length", "opcode", "crc", "head"])
def test_a_spoilt_chunk_takes_only_its_own_frames(torn: Path, where: str) -> None:
    spoilt = chunks(torn)[2]
    at = spoilt.at + {"opcode": 0, "length": 1, "crc": 33, "head": 37, "data": 300}[where]
    data = bytearray(torn.read_bytes())
    data[at] ^= 0xFF
    torn.write_bytes(data)
    without_ledger(torn)
    left = [number for number in range(FRAMES) if not 16 <= number < 31]
    assert_has(torn, left)
    assert mend(torn) == len(left)
    assert_has(torn, left)


def test_pieces_of_a_tape_are_found_between_garbage(torn: Path) -> None:
    data = torn.read_bytes()
    first, second, third, *_ = chunks(torn)
    torn.write_bytes(data[: first.end] + bytes(10_000) + data[second.at : second.end] + b"\x06" * 99 + data[third.at :])
    without_ledger(torn)
    assert_has(torn, list(range(FRAMES)))


def test_lost_frames_are_counted_over_what_is_spoilt(torn: Path) -> None:
    spoilt = chunks(torn)[2]
    with torn.open("r+b") as file:
        file.seek(spoilt.at + 300)
        file.write(b"?" * 9)
    with Footage(without_ledger(torn)) as footage:
        assert list(footage.column("lost")) == [0] * 16 + [15] + [0] * (FRAMES - 32)


def test_a_spoilt_frame_is_said_to_be(tape: Path) -> None:
    with tape.open("r+b") as file:
        file.seek(chunks(tape)[2].at + 49)
        file.write(bytes(5000))
    with Footage(tape) as footage:
        assert len(footage) == FRAMES
        assert footage.picture(16, "camera") is None
        with pytest.raises(FootageError, match=r"frame 16 of .* is spoilt"):
            footage.entry(16)
        assert footage.entry(15) == entry(15)


# -- what is not a tape


@pytest.mark.parametrize("data", [b"", scan.MAGIC[:7], b"\0" * 5000, b"\0\0\0\x20ftypisom" + bytes(500)])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "frames.mcap").write_bytes(data)
    for act in (Footage, mend):
        with pytest.raises(FootageError, match=r"frames\.mcap cannot be read: it does not start like an MCAP file"):
            act(tmp_path / "frames.mcap")
    assert (tmp_path / "frames.mcap").read_bytes() == data


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="No such file"):
        Footage(tmp_path / "frames.mcap")
    with pytest.raises(FootageError, match="cannot be read"):
        Footage(tmp_path)


def rewritten(source: Path, out: Path, renumber: Callable[[int], int], compression: CompressionType) -> Path:
    """What the format's tools make of a tape: the same messages, channels registered in another order."""
    with source.open("rb") as file, out.open("wb") as made:
        reader, writer = make_reader(file), Writer(made, compression=compression)
        writer.start()
        channels = summary(source).channels
        numbers = {
            channels[old].topic: writer.register_channel(channels[old].topic, channels[old].message_encoding, 0)
            for old in sorted(channels, key=renumber)
        }
        for _, channel, message in reader.iter_messages(log_time_order=False):
            writer.add_message(
                numbers[channel.topic], message.log_time, message.data, message.publish_time, message.sequence
            )
        writer.finish()  # type: ignore[no-untyped-call]
    return out


def test_channels_are_known_by_their_topics(tape: Path, tmp_path: Path) -> None:
    other = rewritten(tape, tmp_path / "other.mcap", lambda number: -number, CompressionType.NONE)
    assert contents(other) == contents(tape)
    assert not ledger_path(other).exists(), "a ledger has to name its tape"


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.LZ4])
def test_a_compressed_file_is_refused(tape: Path, tmp_path: Path, compression: CompressionType) -> None:
    other = rewritten(tape, tmp_path / "other.mcap", abs, compression)
    with pytest.raises(FootageError, match="compressed"):
        Footage(other)


def test_other_channels_are_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "frames.mcap"
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start()
        for topic in ("/a", "/b", "/c", "/d", "/frame"):
            writer.register_channel(topic, "json", 0)
        for number in range(1, 8):
            writer.add_message(number, 5, b"{}", 5)
            writer.add_message(number, 5, b'{"tick":1}', 5)
        writer.finish()  # type: ignore[no-untyped-call]
    with Footage(path) as footage:
        assert (len(footage), footage.events(), footage.ended) == (0, [], True)


HOSTILE = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x06", b"\x05", struct.pack("<Q", 2**40), b"\x7f"]),
    ),
    min_size=1,
    max_size=6,
)


@given(HOSTILE, st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_the_bytes_nothing_else_is_raised_and_little_memory_is_used(
    changes: list[tuple[int, bytes]], in_ledger: bool
) -> None:
    with Fresh() as path:
        make(path, range(20), events=[3])
        spoilt = ledger_path(path) if in_ledger else path
        data = bytearray(spoilt.read_bytes())
        for at, new in changes:
            start = at % len(data)
            data[start : start + len(new)] = new
        spoilt.write_bytes(data)
        tracemalloc.start()
        try:
            read_all(path)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


def read_all(path: Path) -> None:
    """Use all of it; what is said of spoilt places is a FootageError."""
    try:
        with Footage(path) as footage:
            for name in COLUMNS:
                assert len(footage.column(name)) == len(footage)
            footage.gaps(), footage.events(), footage.is_whole()
            for index in range(len(footage)):
                footage.pictures(index)
                try:
                    footage.entry(index)
                except FootageError:
                    continue
    except FootageError:
        return


def test_huge_files_of_nothing_take_no_memory(tape: Path) -> None:
    for path in (tape, ledger_path(tape)):
        with path.open("r+b") as file:
            file.truncate(1 << 30)
    tracemalloc.start()
    try:
        assert_has(tape, list(range(FRAMES)))
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


# -- ledgers


def test_a_missing_ledger_is_made_again(tape: Path) -> None:
    made, right = ledger_path(tape).read_bytes(), contents(tape)
    assert contents(without_ledger(tape)) == right
    assert ledger_path(tape).read_bytes() == made
    assert sorted(one.name for one in tape.parent.iterdir()) == ["frames.idx", "frames.mcap"]


def test_the_ledger_of_a_tape_that_may_grow_is_left_to_its_writer(torn: Path) -> None:
    right = contents(torn)
    assert contents(without_ledger(torn)) == right
    assert not ledger_path(torn).exists()


def test_a_tape_with_a_hole_gets_no_ledger_for_it_would_not_be_believed(tape: Path) -> None:
    spoilt = chunks(tape)[2]
    with tape.open("r+b") as file:
        file.seek(spoilt.at + 300)
        file.write(b"?" * 9)
    without_ledger(tape)
    assert_has(tape, [number for number in range(FRAMES) if not 16 <= number < 31])
    assert not ledger_path(tape).exists()


def damages() -> Iterator[Callable[[bytes], bytes]]:
    yield lambda data: b""
    yield lambda data: data[:HEAD_BYTES]
    yield lambda data: data[: HEAD_BYTES + 20 * ROW.size + 9]
    yield lambda data: bytes(len(data))
    yield lambda data: data[:HEAD_BYTES] + bytes(len(data) - HEAD_BYTES)
    yield lambda data: data[:HEAD_BYTES] + b"\xff" * (len(data) - HEAD_BYTES)
    yield lambda data: data[: HEAD_BYTES + 30 * ROW.size] + bytes(ROW.size) + data[HEAD_BYTES + 31 * ROW.size :]
    yield lambda data: data[:HEAD_BYTES] + data[HEAD_BYTES + 7 * ROW.size :]
    yield lambda data: data + data[HEAD_BYTES:]
    yield lambda data: data + b"\x01" * 1000
    yield lambda data: with_cell(data, 20, 1, 5)
    yield lambda data: with_cell(data, 20, 0, 2)
    yield lambda data: with_cell(data, 0, 3, 1 << 40)
    yield lambda data: with_cell(data, FRAMES + 1, 4, 1 << 62)
    yield lambda data: data[: HEAD_BYTES - 1] + b"?" + data[HEAD_BYTES:]


def with_cell(ledger: bytes, number: int, cell: int, value: int) -> bytes:
    at = HEAD_BYTES + number * ROW.size + 8 * cell
    return ledger[:at] + struct.pack("=q", value) + ledger[at + 8 :]


def cell_of(ledger: bytes, number: int, cell: int) -> int:
    value: int = struct.unpack_from("=q", ledger, HEAD_BYTES + number * ROW.size + 8 * cell)[0]
    return value


CAMERA_AT = 5


def test_a_ledger_that_points_elsewhere_shows_no_other_picture(tape: Path) -> None:
    ledger = ledger_path(tape).read_bytes()
    places = [cell_of(ledger, 21, CAMERA_AT), 3, -7, 1 << 62, tape.stat().st_size - 5]
    for number, place in enumerate(places, 10):
        ledger = with_cell(ledger, number, CAMERA_AT, place)
    ledger_path(tape).write_bytes(ledger)
    with Footage(tape) as footage:
        # the row of an event comes before those of frames 4 to 40
        shown = [footage.picture(index, "camera") for index in range(9, 9 + len(places))]
        assert shown == [None] * len(places)
        assert footage.pictures(9) == {"mask": pictures(9)["mask"]}


@pytest.mark.parametrize("length", [0, 21, 1 << 24, 1 << 40, (1 << 64) - 1])
def test_lengths_of_messages_are_not_believed(tape: Path, length: int) -> None:
    at = cell_of(ledger_path(tape).read_bytes(), 2, CAMERA_AT)
    with tape.open("r+b") as file:
        file.seek(at + 1)
        file.write(struct.pack("<Q", length))
    tracemalloc.start()
    try:
        with Footage(tape) as footage:
            assert footage.picture(2, "camera") is None
            assert footage.picture(1, "camera") == pictures(1)["camera"]
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("damage", list(damages()))
def test_a_wrong_ledger_does_no_harm(tape: Path, damage: Callable[[bytes], bytes]) -> None:
    right = contents(tape)
    good = ledger_path(tape).read_bytes()
    ledger_path(tape).write_bytes(damage(good))
    assert contents(tape) == right
    assert ledger_path(tape).read_bytes() == good, "and is put right"


def test_the_ledger_of_another_tape_does_no_harm(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make(tmp_path / "other" / "frames.mcap", range(5, 9))
    right = contents(tape)
    shutil.copy(ledger_path(other), ledger_path(tape))
    assert contents(tape) == right


def test_where_no_ledger_can_be_put_it_is_read_without(tape: Path) -> None:
    right = contents(tape)
    without_ledger(tape)
    ledger_path(tape).mkdir()
    assert contents(tape) == right
    assert sorted(one.name for one in tape.parent.iterdir()) == ["frames.idx", "frames.mcap"]


# -- mending


def test_mending_makes_a_torn_tape_whole(torn: Path) -> None:
    right = contents(torn)
    with Footage(torn) as footage:
        assert not footage.is_whole()
    assert mend(torn) == FRAMES
    assert contents(torn) == right
    with Footage(torn) as footage:
        assert (footage.is_whole(), footage.car) == (True, "kart")
    statistics = summary(torn).statistics
    assert statistics is not None
    assert statistics.message_count == 3 * FRAMES + 2
    assert sorted(one.name for one in torn.parent.iterdir()) == ["frames.idx", "frames.mcap"]


def test_a_whole_tape_is_not_touched(tape: Path) -> None:
    before = tape.stat()
    assert mend(tape) == FRAMES
    assert (tape.stat().st_ino, tape.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_summary_that_was_torn_is_made_again(tape: Path) -> None:
    right = contents(tape)
    tape.write_bytes(tape.read_bytes()[:-40])
    assert contents(tape) == right
    assert mend(tape) == FRAMES
    assert contents(tape) == right
    assert len(summary(tape).chunk_indexes) >= FRAMES // 15


def test_what_an_earlier_mending_left_is_no_hindrance(torn: Path) -> None:
    for name in ("frames.part.mcap", "frames.part.idx"):
        (torn.parent / name).write_bytes(b"half")
    assert mend(torn) == FRAMES
    assert sorted(one.name for one in torn.parent.iterdir()) == ["frames.idx", "frames.mcap"]


def test_mending_that_fails_leaves_the_tape_as_it_was(torn: Path) -> None:
    before = torn.read_bytes()
    (torn.parent / "frames.part.mcap").mkdir()
    with pytest.raises(OSError, match=r"frames\.part\.mcap"):
        mend(torn)
    assert torn.read_bytes() == before


@pytest.mark.parametrize("why", ["no room", "told to stop"])
def test_mending_that_ends_early_leaves_nothing_behind(torn: Path, why: str) -> None:
    before, calls = torn.read_bytes(), iter(range(30))
    with pytest.raises((OSError, StopIteration)):
        mend(torn, 1 << 60) if why == "no room" else mend(torn, check=lambda: next(calls))
    assert torn.read_bytes() == before
    assert sorted(one.name for one in torn.parent.iterdir()) == ["frames.idx", "frames.mcap"]
    assert_has(torn, list(range(FRAMES)))


class Fresh:
    """The path of a tape in a folder of its own, for tests that run many times."""

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory()
        return Path(self._folder.name) / "frames.mcap"

    def __exit__(self, *what: object) -> None:
        self._folder.cleanup()
