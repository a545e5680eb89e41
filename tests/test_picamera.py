"""The Raspberry Pi camera: pixel layouts against arithmetic, the class against real picamera2 and libcamera.

There is no Pi here, but libcamera has a virtual camera, and Debian 13 has both for its own Python. So the second half
builds a Debian root in a temporary folder (about 20 s) and runs tests/picamera_root/drive.py in it.
"""

import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.capture.picamera import PicameraSource, to_rgb
from edge.capture.source import SourceError

PROJECT = Path(__file__).parents[1]
HERE = PROJECT / "tests" / "picamera_root"
LIMIT_S = 180
COLOURS = [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (90, 160, 40)]

# --- pixel layouts


def picture(height: int = 8, width: int = 16) -> NDArray[np.uint8]:
    """Upright stripes of flat colour, four pixels wide: chroma at half the resolution is exact on them."""
    columns = np.array([COLOURS[(x // 4) % len(COLOURS)] for x in range(width)], np.uint8)
    return np.ascontiguousarray(np.broadcast_to(columns, (height, width, 3)))


def yuv(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Y (H, W) and U, V (H/2, W/2), ITU-R BT.601 with limited range, as the standard has it."""
    red, green, blue = (rgb[..., i].astype(float) / 255 for i in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = 16 + 219 * luma
    u = 128 + 224 * (blue - luma) / 1.772
    v = 128 + 224 * (red - luma) / 1.402
    as_bytes = [np.round(plane).astype(np.uint8) for plane in (y, u, v)]
    return as_bytes[0], as_bytes[1][::2, ::2], as_bytes[2][::2, ::2]


def pad(rows: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Rows at `stride` bytes, rubbish behind the picture."""
    return np.pad(rows, ((0, 0), (0, stride - rows.shape[1])), constant_values=77)


@pytest.mark.parametrize(
    ("layout", "order"), [("BGR888", "rgb"), ("RGB888", "bgr"), ("XBGR8888", "rgbx"), ("XRGB8888", "bgrx")]
)
def test_rgb_layouts_are_named_from_the_other_end(layout: str, order: str) -> None:
    rgb = picture()
    channels = {"r": rgb[..., 0], "g": rgb[..., 1], "b": rgb[..., 2], "x": np.full(rgb.shape[:2], 255, np.uint8)}
    found = to_rgb(np.dstack([channels[name] for name in order]), layout, (16, 8))
    assert np.array_equal(found, rgb)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("layout", ["NV12", "NV21", "YUV420", "YVU420"])
@pytest.mark.parametrize("stride", [16, 32])
def test_planar_layouts_with_and_without_padding(layout: str, stride: int) -> None:
    rgb = picture()
    y, u, v = yuv(rgb)
    first, second = (u, v) if layout in {"NV12", "YUV420"} else (v, u)
    if layout.startswith("NV"):
        chroma = pad(np.dstack([first, second]).reshape(4, 16), stride)
    else:
        chroma = np.vstack([pad(first, stride // 2), pad(second, stride // 2)]).reshape(4, stride)
    found = to_rgb(np.vstack([pad(y, stride), chroma]), layout, (16, 8))
    assert found.shape == rgb.shape
    assert np.abs(found.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize(("layout", "order"), [("YUYV", "yuyv"), ("YVYU", "yvyu"), ("UYVY", "uyvy")])
def test_packed_layouts(layout: str, order: str) -> None:
    rgb = picture()
    y, u, v = yuv(rgb)
    luma = iter((y[:, ::2], y[:, 1::2]))
    planes = {"u": np.repeat(u, 2, axis=0), "v": np.repeat(v, 2, axis=0)}
    packed = np.dstack([next(luma) if name == "y" else planes[name] for name in order]).reshape(8, 16, 2)
    assert np.abs(to_rgb(packed, layout, (16, 8)).astype(int) - rgb).max() <= 3


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here")
def test_without_picamera2_it_says_how_to_get_it() -> None:
    with pytest.raises(SourceError, match=r"No module named .*apt install python3-picamera2.*system-site-packages"):
        PicameraSource().__enter__()


# --- real picamera2 and libcamera, virtual camera

PACKAGES = "base-files,python3,python3-libcamera,libcamera0.4,libcamera-ipa,python3-prctl,libstdc++6,libgomp1,libc-bin"
WHEELS = [
    "picamera2==0.3.38",
    "numpy>=2.1,<3",
    "opencv-python-headless>=4.12,<6",
    "simplejpeg>=1.8,<2",
    "msgspec>=0.20,<1",
    "pillow>=12,<14",
    "piexif==1.1.3",
    "videodev2==0.0.4",
]
STUBS = {
    "pykms.py": "PixelFormat = type('Any', (), {'__getattr__': lambda self, name: name})()\n",
    "pidng/camdefs.py": "Picamera2Camera = object\n",
    "pidng/core.py": "PICAM2DNG = object\n",
}
"""Imported by picamera2 for screens and raw files, which nothing here has."""


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """What drive.py saw. Skips, saying why, where the root cannot be had."""
    if lacking := _lacking():
        pytest.skip(f"the virtual Raspberry Pi camera needs {lacking}")
    end_s = time.monotonic() + LIMIT_S
    root = Path(tempfile.mkdtemp(prefix="picamera-root-"))
    try:
        _build(root, end_s - 40)
        yield _drive(root, end_s)
    finally:
        _remove(root)


def _lacking() -> str:
    """What this machine lacks; empty where it has everything."""
    needs = {
        "Linux on x86_64": (sys.platform, platform.machine()) == ("linux", "x86_64"),
        "root, for chroot": hasattr(os, "geteuid") and os.geteuid() == 0,
        "mmdebstrap (apt install mmdebstrap)": shutil.which("mmdebstrap") is not None,
        "pip in this Python": importlib.util.find_spec("pip") is not None,
        "a Debian mirror in /etc/apt": _mirror() is not None,
    }
    return ", ".join(need for need, met in needs.items() if not met)


def _mirror() -> str | None:
    """The first one in this machine's own package sources."""
    apt = Path("/etc/apt")
    lists = sorted(
        [*apt.glob("sources.list.d/*.sources"), *apt.glob("sources.list"), *apt.glob("sources.list.d/*.list")]
    )
    entry = re.compile(r"^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+)", re.MULTILINE)
    return next((found[1] for path in lists if (found := entry.search(path.read_text()))), None)


def _build(root: Path, end_s: float) -> None:
    """Debian 13 with libcamera, the wheels for its Python, and the project."""
    debian = ["mmdebstrap", "--mode=root", "--architectures=amd64", "--variant=extract", f"--include={PACKAGES}"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.13", f"--target={root / 'opt/site'}"]
    for command in ([*debian, "trixie", str(root), str(_mirror())], [*pip, *WHEELS]):
        done = _run(command, end_s)
        if done.returncode != 0:
            pytest.skip(f"{command[0]} cannot build the root of the virtual camera: {done.stderr.strip()[-300:]}")
    for name, content in STUBS.items():
        _write(root / "opt/site" / name, content)
    _write(root / "usr/share/libcamera/pipeline/virtual/virtual.yaml", (HERE / "virtual.yaml").read_text())
    _write(root / "dev/dma_heap/linux,cma", "")  # opened when picamera2 is imported
    for name in ("wire.py", "edge/__init__.py", "tests/__init__.py"):
        _write(root / "opt/project" / name, (PROJECT / name).read_text())
    for package in ("edge/capture", "tests/picamera_root"):
        shutil.copytree(PROJECT / package, root / "opt/project" / package)


def _drive(root: Path, end_s: float) -> dict[str, Any]:
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": "/opt/site:/opt/project",
        "LIBCAMERA_LOG_LEVELS": "*:ERROR",
        # libcamera 0.4.0 leaves a frame's status as malloc gave it.
        "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0",
    }
    done = _run(["chroot", str(root), "/usr/bin/python3", "-m", "tests.picamera_root.drive"], end_s, env)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _run(
    command: Sequence[str], end_s: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it until it ends or the time is up; then it and what it started are killed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=max(1.0, end_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            err += "; out of time"
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _remove(root: Path) -> None:
    """Never through something mounted there."""
    assert str(root) not in Path("/proc/self/mounts").read_text()
    shutil.rmtree(root)


@pytest.mark.timeout(LIMIT_S + 20)
def test_frames_are_as_asked_for_and_nobody_elses(seen: dict[str, Any]) -> None:
    for session, shape in zip(seen["rounds"], [[480, 640, 3], [480, 640, 3], [120, 160, 3]], strict=True):
        assert session["shapes"] == [shape]
        assert session["contiguous"]
        assert session["own_memory"]


@pytest.mark.timeout(LIMIT_S + 20)
def test_colours_are_red_first(seen: dict[str, Any]) -> None:
    bars = ["111", "110", "011", "010", "101", "100", "001", "000"]  # the pattern scrolls, frame by frame
    for session in seen["rounds"]:
        assert len(session["bars"]) >= len(bars)
        assert " ".join(session["bars"]) in " ".join(bars * 2)


@pytest.mark.timeout(LIMIT_S + 20)
def test_capture_time_is_the_sensors(seen: dict[str, Any]) -> None:
    for session in seen["rounds"]:
        assert session["sensor_times"]
        assert session["rising"]
        assert session["from_the_future"] == 0


@pytest.mark.timeout(LIMIT_S + 20)
def test_a_camera_that_falls_silent_is_gone_and_can_be_opened_again(seen: dict[str, Any]) -> None:
    assert seen["silence"] == ["picamera2 0 is gone: it gave no frame in time"] * 2


@pytest.mark.timeout(LIMIT_S + 20)
def test_an_absent_camera_and_one_not_entered(seen: dict[str, Any]) -> None:
    assert seen["absent"].startswith("picamera2 7 cannot be opened: No camera number 7 found")
    assert seen["left"] == "picamera2 0 is not open"
