"""What films are made of: every kind of source frame by frame, times that can be true, and sources that are rubbish."""

import json
import os
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.pictures import decode
from host.record.entry import Entry
from host.record.session import TICKS_HZ
from host.record.tape import Tape
from host.render.reels import Reel, ReelError, open_reels, safe_name
from host.render.times import PAUSE_MS, believed, increasing, steady
from tests.films import HEIGHT, WIDTH, images, jpeg, picture, tub, video
from tests.test_tub import record, write_v1, write_v2
from wire import Drive, Frame

SHARED = Path(__file__).parents[2] / "shared"


def reel(path: Path) -> Reel:
    (only,) = open_reels([str(path)])
    return only


def session(folder: Path, count: int, *, without: frozenset[int] = frozenset()) -> Path:
    """A recorded session with a tape of so many frames, 50 ms apart, some `without` their camera frame."""
    folder.mkdir(parents=True)
    (folder / "session.json").write_text("{}")
    with Tape(folder / "frames.mcap", "kart") as tape:
        for index in range(count):
            frame = Frame(
                car="kart",
                session="aa",
                seq=index,
                captured_ns=index,
                sent_ns=index,
                width=WIDTH,
                height=HEIGHT,
                recorded=Drive(index / 100, 0.5),
            )
            entry = Entry(
                tick=index * 4500,
                unix_ns=index * 50_000_000,
                captured_ns=index,
                received_ns=index,
                clock_error_ns=0,
                frame=frame,
            )
            tape.write(entry, {} if index in without else {"camera": jpeg(index)})
    return folder


# --- times


def test_times_of_a_recording_are_kept_to_the_tick() -> None:
    times = believed([1000.0, 1033.0, 1070.0, 1120.0], 20)
    assert times.ticks.tolist() == [0, 2970, 6300, 10800]
    assert times.note == ""


@pytest.mark.parametrize("times_ms", [[0, 3, 6, 9], [0, 60_000, 120_000], [0, None, 100], [300, 200, 100, 0]])
def test_times_that_cannot_be_true_give_way_to_a_constant_rate_and_it_is_said(times_ms: list[float | None]) -> None:
    times = believed(times_ms, 20)
    assert times.ticks == steady(len(times_ms), 20)
    assert "20 frames/s" in times.note


def test_a_pause_is_cut_to_a_usual_step_and_it_is_said() -> None:
    times = believed([0, 50, 100, 100 + PAUSE_MS, 200_000, 200_050], 20)
    assert times.ticks.tolist() == [0, 4500, 9000, 189_000, 193_500, 198_000]
    assert "1, together 198 s" in times.note
    assert times.taken.tolist() == [0, 4500, 9000, 189_000, 18_000_000, 18_004_500]


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_whatever_times_there_are_ticks_increase_from_0(times_ms: list[float | None]) -> None:
    found = believed(times_ms, 20).ticks
    assert len(found) == len(times_ms)
    assert list(found[:1]) in ([], [0])
    assert all(after > before for before, after in pairwise(found))


@given(st.lists(st.integers(0, 1000), max_size=50))
def test_ticks_are_moved_only_where_they_collide(ticks: list[int]) -> None:
    found = increasing(sorted(set(ticks)))
    assert found.tolist() == sorted(set(ticks))
    assert all(after > before for before, after in pairwise(increasing(ticks)))


# --- tubs and folders of images


def newer_tub(folder: Path, indexes: Sequence[int]) -> Path:
    return write_v2(folder, {"c": [record(index) for index in indexes]})


@pytest.mark.parametrize("write", [write_v1, newer_tub])
def test_a_tub_is_its_records_with_what_the_driver_did(
    tmp_path: Path, write: Callable[[Path, Sequence[int]], Path]
) -> None:
    found = reel(write(tmp_path / "tub", [0, 1, 2, 10]))
    shots, missing = found.read(1, 4)
    assert (found.name, found.kind, len(found), missing) == ("tub", "tub", 4, [])
    assert [round(float(decode(shot.data).mean())) for shot in shots] == [1, 2, 10]
    assert [shot.recorded for shot in shots] == [Drive(0.01, 0.5), Drive(0.02, 0.5), Drive(0.1, 0.5)]
    assert [shot.tick for shot in shots] == found.ticks[1:4].tolist()


def test_pictures_that_cannot_be_read_are_missing_by_name(tmp_path: Path) -> None:
    folder = tub(tmp_path / "tub", 5)
    (folder / "images" / "2_cam_image_array_.jpg").unlink()
    found = reel(folder)
    shots, missing = found.read(0, 5)
    assert [shot.index for shot in shots] == [0, 1, 3, 4]
    assert [(bad.index, "No such file" in bad.why) for bad in missing] == [(2, True)]
    assert found.label(2) == "2_cam_image_array_.jpg"


def test_a_folder_of_tubs_and_sessions_is_each_of_them(tmp_path: Path) -> None:
    tub(tmp_path / "data" / "tub_2", 3)
    write_v1(tmp_path / "data" / "tub_1", [1])
    session(tmp_path / "data" / "kart-1", 2)
    session(tmp_path / "data" / ".trash", 2)
    (tmp_path / "data" / "notes").mkdir()
    assert [it.name for it in open_reels([str(tmp_path / "data")])] == ["kart-1", "tub_1", "tub_2"]


def test_another_picture_another_time_and_another_steering_are_another_reel(tmp_path: Path) -> None:
    folder = tub(tmp_path / "tub", 3)
    found = {reel(folder).identity}
    assert found == {reel(folder).identity}
    (folder / "images" / "1_cam_image_array_.jpg").write_bytes(jpeg(77))
    found.add(reel(folder).identity)
    catalog = folder / "catalog_0.catalog"
    for field in ("user/angle", "_timestamp_ms"):
        lines = [json.loads(line) for line in catalog.read_text().splitlines()]
        catalog.write_text("\n".join(json.dumps(line | {field: line[field] + 0.125}) for line in lines))
        found.add(reel(folder).identity)
    assert len(found) == 4


# --- videos


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mjpeg"), ("a.ts", "libx264")]
)
def test_a_video_s_frames_and_times_whatever_holds_it(tmp_path: Path, name: str, codec: str) -> None:
    times = [3000 * i for i in range(120)]
    found = reel(video(tmp_path / name, times, codec=codec))
    shots, missing = found.read(0, 120)
    assert (len(found), missing) == (120, [])
    assert all(
        abs(tick - time) <= 60 for tick, time in zip(found.ticks, times, strict=True)
    )  # Matroska has milliseconds
    for shot in shots[::13]:
        wanted = picture(shot.index).astype(float)
        assert abs(decode(shot.data).mean() - wanted.mean()) < 3


def test_a_video_of_no_constant_rate_keeps_its_times_to_the_tick(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(1).integers(900, 20_000, 90)).tolist()
    found = reel(video(tmp_path / "v.mp4", times))
    assert found.ticks.tolist() == [time - times[0] for time in times]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts", "v.mpg", "v.h264"])
def test_any_part_of_a_video_is_the_same_however_it_is_come_by(tmp_path: Path, name: str) -> None:
    path = video(tmp_path / name, [3000 * i for i in range(150)])
    whole = [shot.data for shot in reel(path).read(0, 150).shots]
    hopping = reel(path)
    for start, stop in ((100, 140), (20, 25), (25, 60), (59, 61), (149, 150), (0, 3)):
        assert [shot.data for shot in hopping.read(start, stop).shots] == whole[start:stop]


def assert_every_frame_is_there(found: Reel, pictures: Sequence[int]) -> None:
    shots, missing = found.read(0, len(found))
    assert (len(found), missing) == (len(pictures), [])
    for shot, wanted in zip(shots, pictures, strict=True):
        assert abs(decode(shot.data).mean() - picture(wanted).mean()) < 3


def test_b_frames_in_an_avi_which_has_no_times_for_them_are_all_there_in_order(tmp_path: Path) -> None:
    found = reel(video(tmp_path / "v.avi", range(100), base=Fraction(1, 30)))
    assert_every_frame_is_there(found, range(100))
    assert found.ticks.tolist() == [3000 * i for i in range(100)]


def test_a_stream_whose_clock_starts_again_loses_no_frame_and_it_is_said(tmp_path: Path) -> None:
    parts = [video(tmp_path / f"{i}.ts", [3000 * j for j in range(count)]) for i, count in enumerate((40, 60))]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    found = reel(tmp_path / "both.ts")
    assert_every_frame_is_there(found, [*range(40), *range(60)])
    assert found.ticks.tolist() == [3000 * i for i in range(100)]
    assert found.note == "its frames have no times, or none in order: they stand at 30 frames/s"


def test_frames_that_share_a_time_are_all_there(tmp_path: Path) -> None:
    found = reel(video(tmp_path / "v.mkv", [36 * i for i in range(60)], codec="mjpeg"))  # Matroska has milliseconds
    assert_every_frame_is_there(found, range(60))
    assert max(abs(tick - 36 * i) for i, tick in enumerate(found.ticks)) <= 90


def test_a_video_cut_off_and_damaged_gives_what_decodes(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mkv", [3000 * i for i in range(150)])
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 4 + 300] = bytes(300)
    path.write_bytes(data[: 3 * len(data) // 4])
    found = reel(path)
    shots, missing = found.read(0, len(found))
    assert 60 < len(found) < 150
    assert sorted([*(shot.index for shot in shots), *(bad.index for bad in missing)]) == list(range(len(found)))
    assert len(shots) > 30


def test_an_mp4_that_promises_more_frames_than_it_holds_says_so(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", [3000 * i for i in range(150)], size=(320, 240))
    with av.open(str(path)) as source, av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "faststart"}) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    data = (tmp_path / "f.mp4").read_bytes()
    (tmp_path / "f.mp4").write_bytes(data[: len(data) // 2])
    found = reel(tmp_path / "f.mp4")
    assert 0 < len(found) < 150
    assert found.skipped == 150 - len(found)
    assert "cut off" in found.note


def test_a_long_video_is_not_loaded(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", [3000 * i for i in range(400)], size=(160, 120))
    decoded_bytes = 400 * 160 * 120 * 3
    tracemalloc.start()
    found = reel(path)
    for start in range(0, 400, 20):
        found.read(start, start + 20)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < decoded_bytes / 4


# --- sessions


def test_a_session_is_its_camera_frames_at_its_ticks(tmp_path: Path) -> None:
    found = reel(session(tmp_path / "kart-1", 6, without=frozenset({2})))
    shots, missing = found.read(0, 6)
    assert [shot.data for shot in shots] == [jpeg(i) for i in (0, 1, 3, 4, 5)]
    assert found.ticks.tolist() == [4500 * i for i in range(6)]
    assert shots[1].recorded == Drive(0.01, 0.5)
    assert [bad.index for bad in missing] == [2]


def test_a_session_without_camera_frames_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "kart-1"
    folder.mkdir()
    (folder / "session.json").write_text("{}")
    with pytest.raises(ReelError, match=r"overlay\.mp4"):
        reel(folder)


# --- rubbish


@pytest.mark.parametrize("name", ["", "nowhere", "a\0b", "~nobody-at-all/x", "x" * 5000])
def test_what_is_no_path_is_one_sentence(name: str) -> None:
    with pytest.raises(ReelError, match="source"):
        open_reels([name])


@pytest.mark.parametrize(
    "data", [b"", b"rubbish" * 100, b"\x00\x00\x00\x18ftypmp42" + bytes(400), b"RIFF1234AVI " + bytes(99)]
)
def test_a_file_that_is_no_video_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(data)
    with pytest.raises(ReelError, match="video"):
        reel(tmp_path / "v.mp4")


def test_sound_alone_is_one_sentence(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "s.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ReelError, match="no picture track"):
        reel(tmp_path / "s.wav")


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReelError, match="neither a Donkeycar tub nor images"):
        reel(tmp_path)


@given(st.text(max_size=200))
def test_any_name_becomes_that_of_a_file(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(os.fsencode(name)) <= 100
    assert Path("x", name).parts == ("x", name)
    assert name[0] not in ".-"
    assert not set(name) & set(" /\\:*?\"'<>|$&;`%#\n\0")
    assert safe_name(name) == name


def test_names_of_any_script_stay() -> None:
    names = ["Übung 3", "U\N{COMBINING DIAERESIS}bung", "日本/1", "हिन्दी", "\udcff x", ".."]
    assert [*map(safe_name, names)] == ["Übung_3", "Übung", "日本_1", "हिन्दी", "x", "film"]


@pytest.mark.skipif(not (SHARED / "data" / "tub-grey").exists(), reason="needs ../shared/data/tub-grey")
def test_a_real_tub_with_pauses_and_missing_catalogs() -> None:
    found = reel(SHARED / "data" / "tub-grey")
    assert (len(found), found.skipped) == (1000, 2)
    assert "pauses" in found.note
    steps = [after - before for before, after in pairwise(found.ticks)]
    assert max(steps) <= PAUSE_MS * TICKS_HZ / 1000


def test_images_run_at_donkeycar_s_rate(tmp_path: Path) -> None:
    found = reel(images(tmp_path / "i", 12))
    assert found.ticks.tolist() == [4500 * i for i in range(12)]
    assert [found.label(i) for i in (2, 10)] == ["2.jpg", "10.jpg"]


@pytest.mark.parametrize("turn", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)], ids=["90", "180", "270"])
def test_a_video_held_upright_stands_as_opencv_has_it(tmp_path: Path, turn: tuple[int, int, int, int]) -> None:
    path = video(tmp_path / "v.mp4", [0, 3000])
    straight = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (side << 16 for side in turn)
    header, _, rest = path.read_bytes().rpartition(straight)  # the track's matrix; the film's stands before it
    path.write_bytes(header + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + rest)
    (shot, _), _ = reel(path).read(0, 2)
    wanted = cv2.cvtColor(cv2.VideoCapture(str(path)).read()[1], cv2.COLOR_BGR2RGB)
    found = decode(shot.data)
    assert found.shape == wanted.shape
    assert np.corrcoef(found.astype(float).ravel(), wanted.astype(float).ravel())[0, 1] > 0.9
