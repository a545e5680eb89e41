"""MP4 clips: which frames are in them, when each of them is shown, and that everything plays them."""

import struct
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.record.session import TICKS_HZ, VIDEO
from host.review.export.source import ExportError
from tests.exports import STEADY, Making, export, film, within

UNEVEN = [0, 3100, 5900, 9000, 12_300, 90_000, 93_000, 360_000, 361_000, 363_001, 500_000, 503_000]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Making(UNEVEN).session(tmp_path_factory.mktemp("uneven"))


@settings(max_examples=25, deadline=None)
@given(cuts=st.tuples(st.integers(0, 520_000), st.integers(1, 520_000)))
def test_a_clip_has_exactly_the_frames_of_its_part_at_their_times(
    uneven: Path, tmp_path_factory: pytest.TempPathFactory, cuts: tuple[int, int]
) -> None:
    start_s, stop_s = cuts[0] / TICKS_HZ, (cuts[0] + cuts[1]) / TICKS_HZ
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    numbers = within(UNEVEN, start_s, stop_s)
    if not numbers:
        with pytest.raises(ExportError, match=r"holds no frame between .* its last one is at 5\.59 s"):
            export("mp4", uneven, path, start_s, stop_s)
        return
    assert export("mp4", uneven, path, start_s, stop_s) == (len(numbers), "")
    times = [(UNEVEN[number] - UNEVEN[numbers[0]]) / TICKS_HZ for number in numbers]
    assert film(path) == list(zip(times, numbers, strict=True))


def test_frames_at_the_edges(uneven: Path, tmp_path: Path) -> None:
    """The first instant belongs to the part, the last one does not; a page says times with all their digits."""
    for first, last in [(1, 4), (4, 6), (5, 5)]:
        path = tmp_path / f"{first}.mp4"
        export("mp4", uneven, path, UNEVEN[first] / TICKS_HZ, UNEVEN[last + 1] / TICKS_HZ)
        assert [number for _, number in film(path)] == list(range(first, last + 1))


def test_the_whole_session_is_copied_bit_by_bit(uneven: Path, tmp_path: Path) -> None:
    export("mp4", uneven, tmp_path / "all.mp4")
    assert packets(tmp_path / "all.mp4") == packets(uneven / VIDEO)


@pytest.mark.parametrize("start_s", [0.0, 0.05, 1.0, 1.01])
def test_a_clip_plays_everywhere(uneven: Path, tmp_path: Path, start_s: float) -> None:
    path = tmp_path / "clip.mp4"
    export("mp4", uneven, path, start_s)
    boxes = [kind for kind, _ in top_boxes(path.read_bytes())]
    assert boxes.index(b"moov") < boxes.index(b"mdat"), "a player may begin before it has all"
    assert b"moof" not in boxes, "no fragments: some editors do not know them"
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        assert (context.name, context.pix_fmt, container.start_time) == ("h264", "yuv420p", 0)
        assert (context.colorspace, context.color_range) == (6, 1), "the colours are those of the film"
        assert [packet.dts for packet in container.demux(stream)][:-1] == sorted(
            packet.pts or 0 for packet in demuxed(path)
        )


def test_the_last_frame_stands_until_the_next_one_or_the_end_of_the_part(uneven: Path, tmp_path: Path) -> None:
    lengths = {
        (0.0, 0.12): 0.12,  # the next one comes later
        (0.05, 0.12): 0.12 - 5900 / TICKS_HZ,
        (0.0, 0.13): 0.13,
        (0.0, 0.9): 12_300 / TICKS_HZ + 0.9 - 12_300 / TICKS_HZ,
        (1.0, 3.9): 3000 / TICKS_HZ + 1,  # a gap: it stands no longer than a second
        (5.5, None): 6000 / TICKS_HZ,  # the last one of all stands as the film says
    }
    for number, (part, length) in enumerate(lengths.items()):
        path = tmp_path / f"{number}.mp4"
        export("mp4", uneven, path, *part)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.duration is not None
            assert stream.time_base is not None
            assert float(stream.duration * stream.time_base) == pytest.approx(length, abs=1e-5), part


@pytest.mark.parametrize("start_s", [0.0, 0.5])
def test_a_torn_film_gives_what_there_is(tmp_path: Path, start_s: float) -> None:
    folder = Making([3000 * n for n in range(150)]).torn(tmp_path)
    video = (folder / VIDEO).read_bytes()
    ends = [(packet.pos or 0) + packet.size for packet in demuxed(folder / VIDEO)]
    assert len(ends) > 100
    for size in (len(video), len(video) - 1, len(video) * 3 // 4, len(video) // 2):
        (folder / VIDEO).write_bytes(video[:size])
        path = tmp_path / f"{size}.mp4"
        written = export("mp4", folder, path, start_s)
        there = range(round(start_s * 30), sum(end <= size for end in ends))
        assert [number for _, number in film(path)] == list(there)
        assert written.frames == len(there)


def test_what_nobody_closed_is_not_believed(tmp_path: Path) -> None:
    """After a power loss a file may be long enough and yet hold zeros."""
    folder = Making([3000 * n for n in range(90)]).torn(tmp_path)
    offsets = [packet.pos or 0 for packet in demuxed(folder / VIDEO)]
    video = bytearray((folder / VIDEO).read_bytes())
    video[offsets[40] :] = bytes(len(video) - offsets[40])
    (folder / VIDEO).write_bytes(video)
    export("mp4", folder, tmp_path / "clip.mp4")
    assert [number for _, number in film(tmp_path / "clip.mp4")] == list(range(40))


def test_a_frame_that_is_spoilt_costs_no_more_than_its_second(tmp_path: Path) -> None:
    folder = Making(STEADY + [3000 * n for n in range(60, 120)]).session(tmp_path)
    packet = list(demuxed(folder / VIDEO))[40]
    video = bytearray((folder / VIDEO).read_bytes())
    assert packet.pos is not None
    video[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (folder / VIDEO).write_bytes(video)
    written = export("mp4", folder, tmp_path / "clip.mp4", 0.1)
    numbers = [number for _, number in film(tmp_path / "clip.mp4")]
    assert numbers == [*range(3, 40), *range(59, 120)] or numbers == [*range(3, 40), *range(60, 120)]
    assert written.frames == len(numbers)


@pytest.mark.parametrize("rubbish", [b"", b"no film", b"\0" * 5000, b"\0\0\0\x20ftypisom" + b"\0" * 100])
def test_rubbish_is_refused_in_a_sentence(tmp_path: Path, rubbish: bytes) -> None:
    folder = Making().session(tmp_path)
    (folder / VIDEO).write_bytes(rubbish)
    for kind in ("mp4", "gif"):
        with pytest.raises(ExportError, match=r"^the film \S+overlay.mp4 cannot be read: "):
            export(kind, folder, tmp_path / f"clip.{kind}")
    (folder / VIDEO).unlink()
    with pytest.raises(ExportError, match=r"overlay\.mp4 cannot be read: No such file"):
        export("mp4", folder, tmp_path / "clip.mp4")


def demuxed(path: Path) -> Iterator["av.Packet[av.VideoStream]"]:
    with av.open(str(path)) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def packets(path: Path) -> list[tuple[int | None, bytes]]:
    return [(packet.pts, bytes(packet)) for packet in demuxed(path)]


def top_boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kinds and sizes of an MP4's outermost boxes."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        size = size if size != 1 else struct.unpack_from(">Q", data, at + 8)[0]
        yield kind, size
        at += size
