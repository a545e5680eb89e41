"""Sources but for tubs and the Pi camera: what open_source takes, pace, pictures, folders, videos, OpenCV's cameras."""

import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.capture import Frame, Source, SourceError, open_source
from edge.capture.images import ImagesSource
from edge.capture.label import MAX_LENGTH, label
from edge.capture.opencv import CameraSource, VideoSource
from edge.capture.pace import PATIENCE_S, Pacer, captured_ns, next_due_ns
from edge.capture.pictures import MAX_FILE_BYTES, PictureError, decode, fit, read_bytes
from edge.capture.tub import TubSource

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flat(colour: tuple[int, int, int], width: int = 32, height: int = 24) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def jpeg(rgb: NDArray[np.uint8]) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(rgb, 95, colorsubsampling="444")
    return data


def encoded(suffix: str, pixels: NDArray[Any]) -> bytes:
    """By OpenCV, which takes blue first."""
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return bytes(data)


def opened(spec: object, **options: Any) -> Source:
    return open_source(str(spec), **{"size": None, "fps": None, "realtime": False, **options})


def frames(source: Source, most: int = 1000) -> list[Frame]:
    """All that are left, or the next `most`."""
    found: list[Frame] = []
    while len(found) < most and (frame := source.read()) is not None:
        found.append(frame)
    return found


def shows(frame: Frame, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(frame.rgb.reshape(-1, 3).mean(axis=0) - colour).max() < 8)


# --- what open_source takes


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "source '' is no file or folder, and none of track, picamera2, camera:N"),
        ("tub:mine", "source 'tub:mine' is no file or folder"),
        ("nowhere/at/all", "source 'nowhere/at/all' is no file or folder"),
        ("a\0b", "is no file or folder"),
        ("x" * 5000, "source 'xxx"),
        ("~nobody-of-that-name/tub", "cannot be read"),
        ("camera:front", "source 'camera:front': a number, /dev/videoN or a stream's address must follow the colon"),
        ("picamera2:left", "source 'picamera2:left': a camera's number must follow the colon"),
        ("track:nowhere", "nowhere"),
    ],
)
def test_a_source_that_is_none_says_so_in_one_sentence(spec: str, says: str) -> None:
    with pytest.raises(SourceError) as caught, opened(spec):
        pass
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("size", [(0, 120), (160, -1), (160, 16385)])
def test_size_is_bounded(size: tuple[int, int]) -> None:
    with pytest.raises(SourceError, match="each side must be 1 to 16384 pixels"):
        opened("track", size=size)


@pytest.mark.parametrize("fps", [0.0, -5.0, 1001.0, float("nan"), float("inf")])
def test_fps_is_bounded(fps: float) -> None:
    with pytest.raises(SourceError, match=r"fps .*must be 0\.2 to 1000"):
        opened("track", fps=fps)


def test_a_path_is_opened_by_what_is_there(tmp_path: Path) -> None:
    for name, content in {
        "two/manifest.json": "",
        "one/record_1.json": "",
        "pictures/a.jpg": "",
        "drive.mp4": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "empty").mkdir()
    found = {path.name: type(opened(path)) for path in tmp_path.iterdir()}
    images, tub = ImagesSource, TubSource
    assert found == {"two": tub, "one": tub, "pictures": images, "empty": images, "drive.mp4": VideoSource}


def test_cameras_by_number_device_and_address() -> None:
    names = {
        spec: opened(spec).name for spec in ("camera:", "camera:2", "camera:/dev/video9", "camera:rtsp://u:p@car/1")
    }
    assert list(names.values()) == ["camera 0", "camera 2", "camera /dev/video9", "camera rtsp://car/1"]
    assert isinstance(opened("/dev/null"), CameraSource)


def test_heavy_modules_wait_until_they_are_needed() -> None:
    code = "import sys, edge.capture; assert not {'cv2', 'simplejpeg', 'picamera2'} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)


@given(st.text(), st.text(min_size=1))
@example("video", "frame-\udcff.mp4")
@example("tub", "x" * 300)
def test_labels_can_always_be_sent(kind: str, what: str) -> None:
    name = label("video" + kind, what)
    assert 1 <= len(name) <= MAX_LENGTH
    assert name.encode().decode() == name


# --- pace


times = st.integers(0, 10**12)


@given(times, times, times)
def test_the_next_moment_is_a_period_later_or_now(due_ns: int, now_ns: int, period_ns: int) -> None:
    assert next_due_ns(due_ns, now_ns, period_ns) in {due_ns + period_ns, now_ns}
    assert next_due_ns(due_ns, now_ns, period_ns) >= now_ns


@given(st.lists(st.integers(0, 500), min_size=1, max_size=40))
def test_falling_behind_is_not_made_up_for_in_a_burst(work_ns: list[int]) -> None:
    moments = [0]
    for busy_ns in work_ns:
        moments.append(next_due_ns(moments[-1], moments[-1] + busy_ns, 100))
    steps = [after - before for before, after in pairwise(moments)]
    assert steps == [max(100, busy_ns) for busy_ns in work_ns]


def test_a_pacer_keeps_its_rate_from_below() -> None:
    pacer = Pacer(200)
    moments = [pacer.wait() for _ in range(10)]
    assert moments[-1] - moments[0] >= 9 * 5_000_000
    assert moments == sorted(moments)


def test_cameras_clocks_are_believed_where_they_can_be_true() -> None:
    now_ns = time.monotonic_ns()
    assert captured_ns(now_ns - 30_000_000) == now_ns - 30_000_000
    for wrong in (None, 0, -1, now_ns + 10**12, now_ns - int(PATIENCE_S * 1e9) - 1, float("nan"), float("inf")):
        assert now_ns <= captured_ns(wrong) <= time.monotonic_ns()


# --- pictures


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".png", 16), (".bmp", 8)])
def test_grey_alpha_and_16_bits_become_rgb(suffix: str, bits: int, channels: int) -> None:
    bgr = np.random.default_rng(0).integers(0, 2**bits - 1, (5, 7, channels))
    found = decode(encoded(suffix, bgr.astype(np.uint8 if bits == 8 else np.uint16)))
    eight = bgr >> (bits - 8)
    expected = np.repeat(eight, 3, axis=2) if channels == 1 else eight[..., 2::-1]
    assert found.dtype.name == "uint8"
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - expected).max() <= (bits == 16)  # rounded or cut


def test_jpegs_of_all_kinds() -> None:
    rgb = flat((200, 60, 20))
    cmyk = np.dstack([255 - rgb, np.zeros(rgb.shape[:2], np.uint8)])
    progressive = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    for data in (jpeg(rgb), progressive, jpeg(rgb) + b"rubbish behind the end"):
        assert np.abs(decode(data).astype(int) - rgb).max() < 5
    assert (
        decode(simplejpeg.encode_jpeg(rgb[..., :1].copy(), 95, colorspace="GRAY")).tolist() == flat((200,) * 3).tolist()
    )
    assert decode(simplejpeg.encode_jpeg(cmyk, 95, colorspace="CMYK")).shape == rgb.shape


def test_a_jpeg_with_a_flaw_that_hurts_nobody_is_shown() -> None:
    whole = jpeg(flat(RED))
    flawed = whole[:-2] + b"\0\0\0" + whole[-2:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(flawed, "RGB")
    assert np.array_equal(decode(flawed), decode(whole))


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


NOISE = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
WHOLE = {".jpg": jpeg(NOISE), ".png": encoded(".png", NOISE), ".bmp": encoded(".bmp", NOISE)}
BROKEN = {
    "nothing": b"",
    "text": b"not a picture at all, but long enough to look at",
    "a GIF": b"GIF89a" + bytes(100),
    **{f"half a {suffix}": data[: len(data) // 2] for suffix, data in WHOLE.items()},
    **{f"the start of a {suffix}": data[:20] for suffix, data in WHOLE.items()},
    "a JPEG without its end": WHOLE[".jpg"][:-2],
    "a PNG with a wrong checksum": patched(WHOLE[".png"], len(WHOLE[".png"]) // 2, b"\0\0\0\0"),
    "a JPEG too wide": patched(WHOLE[".jpg"], WHOLE[".jpg"].index(b"\xff\xc0") + 5, struct.pack(">HH", 40, 16385)),
    "a JPEG without rows": patched(WHOLE[".jpg"], WHOLE[".jpg"].index(b"\xff\xc0") + 5, struct.pack(">HH", 0, 50)),
    "a PNG too wide": patched(WHOLE[".png"], 16, struct.pack(">II", 2**31 - 1, 1)),
    "a PNG too large": patched(WHOLE[".png"], 16, struct.pack(">II", 16384, 16384)),
    "a BMP too high": patched(WHOLE[".bmp"], 18, struct.pack("<ii", 50, -(2**31))),
    "a BMP of less than nothing": patched(WHOLE[".bmp"], 18, struct.pack("<ii", -50, 40)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        decode(data)


@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=60), st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_a_picture_or_a_picture_error(suffix: str, rubbish: bytes, where: float) -> None:
    whole = WHOLE[suffix]
    try:
        found = decode(patched(whole, int(where * len(whole)), rubbish))
    except PictureError:
        return
    assert (found.dtype.name, found.shape[2]) == ("uint8", 3)


def test_fit_leaves_what_fits() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    assert fit(rgb, None) is rgb
    assert fit(rgb, (160, 120)) is rgb
    halved = rgb.reshape(60, 2, 80, 2, 3).mean(axis=(1, 3))
    assert np.abs(fit(rgb, (80, 60)) - halved).max() <= 0.5


def test_only_ordinary_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "vast").open("wb") as vast:
        vast.truncate(MAX_FILE_BYTES + 1)
    subprocess.run(["mkfifo", tmp_path / "pipe"], check=True)
    files_open = len(list(Path("/dev/fd").iterdir()))
    assert read_bytes(tmp_path / "file") == read_bytes(tmp_path / "link") == b"content"
    for name in ("loop", "zeros", "folder", "vast", "pipe", "absent", "nul\0", "surrogate\ud800", "x" * 300):
        with pytest.raises(PictureError):
            read_bytes(tmp_path / name)
    assert len(list(Path("/dev/fd").iterdir())) == files_open


# --- folders of images


def test_images_come_in_the_order_a_person_counts(tmp_path: Path) -> None:
    shades = {"frame_2.jpg": 20, "frame_10.png": 100, "frame_1.JPG": 10, "frame_007.bmp": 70}
    for name, shade in shades.items():
        data = encoded(Path(name).suffix.lower().replace("jpg", "png"), flat((shade,) * 3))
        (tmp_path / name).write_bytes(data)
    for other in (".DS_Store", "._frame_1.jpg", "notes.txt", "frame_3.gif"):
        (tmp_path / other).write_bytes(b"?")
    with opened(tmp_path) as source:
        found = frames(source)
    assert [int(frame.rgb[0, 0, 0]) for frame in found] == [10, 20, 70, 100]
    assert source.skipped == 0
    assert all(frame.recorded is None for frame in found)


def test_broken_images_are_skipped_and_counted_once(tmp_path: Path) -> None:
    for i, data in enumerate([b"", jpeg(flat(RED)), WHOLE[".jpg"][:-9], jpeg(flat(BLUE, 64, 8)), b"junk"]):
        (tmp_path / f"{i}.jpg").write_bytes(data)
    with opened(tmp_path, loop=True) as source:
        found = frames(source, 7)
    assert [shows(frame, RED) for frame in found] == [True, False] * 3 + [True]
    assert found[1].rgb.shape == (8, 64, 3)
    assert source.skipped == 3


def test_once_ends_for_good_and_can_be_entered_again(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(flat(GREEN)))
    source = opened(tmp_path, size=(16, 12))
    for _ in range(2):
        with source:
            assert [frame.rgb.shape for frame in frames(source)] == [(12, 16, 3)] * 3
            assert source.read() is None
            assert source.read() is None


def test_capture_time_of_a_recording_is_when_it_was_handed_out(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(jpeg(flat(GREEN)))
    with opened(tmp_path, loop=True, realtime=True, fps=100) as source:
        before = time.monotonic_ns()
        moments = [frame.captured_ns for frame in frames(source, 5)]
        assert before <= moments[0]
        assert moments[-1] <= time.monotonic_ns()
    assert moments[-1] - moments[0] >= 4 * 10_000_000


@pytest.mark.parametrize("loop", [True, False])
def test_a_folder_of_broken_images_ends_with_an_error(tmp_path: Path, loop: bool) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(b"junk")
    with (
        opened(tmp_path, loop=loop) as source,
        pytest.raises(SourceError, match="no picture that can be shown, 3 broken"),
    ):
        source.read()


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds neither a Donkeycar tub nor images"):
        opened(tmp_path).__enter__()


def test_a_folder_that_goes_away_is_gone_and_may_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(jpeg(flat(GREEN)))
    source = opened(folder)
    with source:
        assert source.read() is not None
        folder.rename(tmp_path / "pulled")
        with pytest.raises(SourceError, match="is gone"):
            source.read()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        source.__enter__()
    (tmp_path / "pulled").rename(folder)
    with source:
        assert len(frames(source)) == 3


# --- videos


def write_video(path: Path, codec: str, count: int = 30, rate: int = 25, pixels: str = "yuv420p") -> Path:
    """Brightness says which frame it is: 8 levels apart; the left half is red."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "5"} if codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(count):
            rgb = flat((8 * i, 8 * i, 8 * i), 64, 48)
            rgb[:, :32] = RED
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return path


FORMATS = [("libx264", "yuv420p", "mp4"), ("mjpeg", "yuvj420p", "avi"), ("libvpx-vp9", "yuv420p", "mkv")]


@pytest.mark.parametrize(("codec", "pixels", "suffix"), FORMATS)
def test_a_video_in_order_and_red_first(tmp_path: Path, codec: str, pixels: str, suffix: str) -> None:
    path = write_video(tmp_path / f"drive.{suffix}", codec, pixels=pixels)
    with opened(path) as source:
        found = frames(source)
        assert source.read() is None
    assert source.skipped == 0
    assert {frame.rgb.shape for frame in found} == {(48, 64, 3)}
    assert all(np.abs(frame.rgb[24, 10].astype(int) - RED).max() < 25 for frame in found)
    assert [round(float(frame.rgb[:, 40:].mean()) / 8) for frame in found] == pytest.approx(range(30), abs=1)


def test_a_video_loops_and_is_resized(tmp_path: Path) -> None:
    with opened(write_video(tmp_path / "drive.mp4", "libx264", 4), loop=True, size=(32, 24)) as source:
        found = frames(source, 10)
    assert [round(float(frame.rgb[:, 20:].mean()) / 8) for frame in found] == pytest.approx(
        [0, 1, 2, 3] * 2 + [0, 1], abs=1
    )
    assert found[0].rgb.shape == (24, 32, 3)


def test_a_video_keeps_its_own_rate(tmp_path: Path) -> None:
    with opened(write_video(tmp_path / "drive.mp4", "libx264", 6, rate=50), realtime=True) as source:
        moments = [frame.captured_ns for frame in frames(source)]
    assert moments[-1] - moments[0] >= 5 * 20_000_000


@pytest.mark.parametrize(("codec", "pixels", "suffix"), FORMATS[:2])
@pytest.mark.parametrize("loop", [True, False])
def test_damage_inside_a_video_costs_some_frames(
    tmp_path: Path, codec: str, pixels: str, suffix: str, loop: bool
) -> None:
    path = write_video(tmp_path / f"drive.{suffix}", codec, 60, pixels=pixels)
    data = path.read_bytes()
    path.write_bytes(patched(data, len(data) // 2, bytes(len(data) // 20)))
    with opened(path, loop=loop) as source:
        found = frames(source, 150)
    assert 0 < source.skipped < 20
    assert len(found) == (150 if loop else 60 - source.skipped)


def test_a_turned_phones_video_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.mp4", "libx264", 3)
    data = path.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40  # version 0
    assert struct.unpack_from(">i", data, matrix) == (65536,)
    path.write_bytes(patched(data, matrix, struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)))
    with opened(path) as source:
        (rgb, *_rest) = [frame.rgb for frame in frames(source)]
    assert rgb.shape == (64, 48, 3)
    assert np.abs(rgb[10, 24].astype(int) - RED).max() < 25  # what was left is on top


@pytest.mark.parametrize("content", [b"", b"junk" * 999, "cut"])
def test_a_file_that_is_no_video(tmp_path: Path, content: bytes | str) -> None:
    path = write_video(tmp_path / "drive.mp4", "libx264")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if isinstance(content, str) else content)
    with pytest.raises(SourceError, match=r"drive\.mp4 is not a video that OpenCV can read"):
        opened(path).__enter__()


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "udp:lap 50%d.mp4", "libx264", 3)
    monkeypatch.chdir(tmp_path)
    with opened("udp:lap 50%d.mp4") as source:
        assert len(frames(source)) == 3


@pytest.mark.skipif(not (SHARED / "data/reference").exists(), reason="needs ../shared/data/reference")
def test_real_recordings() -> None:
    with opened(SHARED / "data/reference/vbp-of-imgs.mp4") as video:
        assert len(frames(video)) == 400
    with opened(SHARED / "data/reference/imgs") as images:
        found = frames(images)
    assert len(found) == 200
    assert video.skipped == images.skipped == 0


# --- OpenCV's cameras


@contextmanager
def mjpeg_server(parts: Callable[[], Iterator[bytes]], port: int = 0) -> Iterator[int]:
    """A network camera: sends what `parts` yields to whoever comes, then hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for part in parts():
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n".encode()
                self.wfile.write(head + part + b"\r\n")

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_a_camera_that_dies_is_gone_and_can_be_entered_again() -> None:
    def ten() -> Iterator[bytes]:
        return (jpeg(flat((200, 20 * i, 0))) for i in range(10))

    with mjpeg_server(ten) as port:
        source = opened(f"camera:http://user:secret@127.0.0.1:{port}/stream.mjpg", size=(16, 12))
        for _ in range(2):
            with source:
                found = frames(source, 10)
                with pytest.raises(SourceError, match="is gone: it gave no frame") as caught:
                    source.read()
            assert "secret" not in str(caught.value)
            assert [round(float(frame.rgb[..., 1].mean()) / 20) for frame in found] == list(range(10))
            assert {frame.rgb.shape for frame in found} == {(12, 16, 3)}
            assert all(frame.rgb[..., 0].mean() > 180 for frame in found)
    with pytest.raises(SourceError, match="cannot be opened"):
        source.__enter__()


def test_a_camera_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def three_then_silence() -> Iterator[bytes]:
        yield from [jpeg(flat(RED))] * 3
        release.wait(60)

    with mjpeg_server(three_then_silence) as port, opened(f"camera:http://127.0.0.1:{port}/") as source:
        with pytest.raises(SourceError, match="is gone"):
            frames(source, 4)
        assert not release.is_set()
        release.set()


@pytest.mark.skipif(sys.platform != "linux", reason="macOS asks a person before a camera is looked for")
def test_what_is_not_there_costs_one_sentence_and_no_noise(tmp_path: Path) -> None:
    """In a process of its own: FFmpeg's loudness is settled when it is first used."""
    video = write_video(tmp_path / "drive.mp4", "libx264", 60)
    data = video.read_bytes()
    video.write_bytes(patched(data, len(data) // 2, bytes(200)))
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    specs = ["camera:99", "camera:/dev/video99", "camera:http://127.0.0.1:9/", str(tmp_path / "junk.mp4"), str(video)]
    code = """if True:
        import sys
        from edge.capture import SourceError, open_source
        for spec in sys.argv[1:]:
            try:
                with open_source(spec, size=None, fps=None, realtime=False) as source:
                    while source.read(): pass
            except SourceError as error:
                print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", code, *specs], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    sentences = done.stdout.splitlines()
    assert [line.partition(" cannot be opened: ")[0] for line in sentences[:3]] == [
        "camera 99",
        "camera /dev/video99",
        "camera http://127.0.0.1:9/",
    ]
    assert len(sentences) == 4


def test_leaving_never_raises(tmp_path: Path) -> None:
    video = write_video(tmp_path / "drive.mp4", "libx264", 3)
    for source in (opened("camera:99"), opened("picamera2"), opened(tmp_path), opened(video)):
        source.__exit__(None, None, None)
        source.__exit__(None, None, None)
