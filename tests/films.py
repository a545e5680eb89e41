"""Sources to render and films to look into, for the tests of rendering."""

import json
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from host.render.command import main
from host.render.summary import Summary
from tests.test_tub import IMAGE, record

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 64, 48
X264 = {"crf": "18", "x264-params": "bframes=3:b-adapt=0:scenecut=0"}


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """uint8 (height, width, 3): noise, lit up more and more, so that films of other frames are other films."""
    rgb = np.random.default_rng(index).integers(0, 64, (height, width, 3), np.uint8)
    return rgb + np.uint8(index % 190)


def jpeg(index: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return bytes(simplejpeg.encode_jpeg(picture(index, width, height), 90))


def tub(folder: Path, count: int, *, step_ms: float = 50, **fields: Any) -> Path:
    """A tub v2 of so many frames."""
    (folder / "images").mkdir(parents=True)
    records = [record(i, _timestamp_ms=1000 + step_ms * i, **fields) for i in range(count)]
    last = {"paths": ["catalog_0.catalog"], "current_index": count, "deleted_indexes": []}
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, [[], [], {}, {}, last])))
    (folder / "catalog_0.catalog").write_text("\n".join(map(json.dumps, records)))
    for entry in records:
        (folder / "images" / entry[IMAGE]).write_bytes(jpeg(entry["_index"]))
    return folder


def paused(folder: Path, count: int, *, at: int, pause_ms: float) -> Path:
    """The same, with a pause before frame `at`."""
    catalog = tub(folder, count) / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    for entry in records[at:]:
        entry["_timestamp_ms"] += pause_ms
    catalog.write_text("\n".join(map(json.dumps, records)))
    return folder


def images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index}.jpg").write_bytes(jpeg(index))
    return folder


def video(
    path: Path,
    ticks: Sequence[int],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    base: Fraction = Fraction(1, 90_000),
) -> Path:
    """Frames at these ticks of `base` seconds, with B-frames and few key frames where the codec has such."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=X264 if codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p" if codec != "mjpeg" else "yuvj420p"
        stream.codec_context.time_base = stream.time_base = base
        stream.codec_context.gop_size = 40
        for index, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.pts, frame.time_base = tick, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def render(*options: object) -> int:
    """One worker is enough, and starts sooner."""
    words = [*map(str, options)]
    chosen = any(word.startswith(("--workers", "--dask")) for word in words)
    return main(words if chosen else [*words, "--workers", "1"])


def ticks(film: Path) -> list[int]:
    """Of every frame that decodes."""
    with av.open(str(film)) as container:
        return [
            round(frame.pts * Fraction(frame.time_base or 0) * 90_000)
            for frame in container.decode(video=0)
            if frame.pts is not None
        ]


def summary(film: Path) -> Summary:
    return msgspec.json.decode(film.with_suffix(".json").read_bytes(), type=Summary)


def command(*options: object) -> "subprocess.Popen[str]":
    """The program in a process group of its own, as from a shell."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "host.render.command", *map(str, options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
