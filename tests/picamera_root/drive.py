"""Run PicameraSource on the virtual camera and print what came, as JSON."""

import json
import time
from functools import partial
from itertools import groupby

import numpy as np

from edge.capture.picamera import PicameraSource
from edge.capture.source import Frame, SourceError
from tests.picamera_root.virtual_picamera2 import VirtualPicamera2


def main() -> None:
    stamps_ns: list[int] = []
    camera = partial(VirtualPicamera2, stamps_ns=stamps_ns)
    native = PicameraSource(0, factory=camera)
    small = PicameraSource(0, size=(160, 120), fps=60, factory=camera)
    silent = PicameraSource(0, factory=partial(camera, frames=3))
    silent.patience_s = 0.5
    report = {
        "rounds": [look_at(source, stamps_ns) for source in (native, native, small)],
        "silence": [words(silent) for _ in range(2)],
        "absent": words(PicameraSource(7, factory=camera)),
        "left": read_words(native),
    }
    print(json.dumps(report))


def look_at(source: PicameraSource, stamps_ns: list[int]) -> dict[str, object]:
    frames: list[Frame] = []
    late = 0
    with source:
        while len(frames) < 15:
            frames.append(source.read())
            late += frames[-1].captured_ns > time.monotonic_ns()
    times_ns = [frame.captured_ns for frame in frames]
    return {
        "shapes": sorted({frame.rgb.shape for frame in frames}),
        "contiguous": all(frame.rgb.flags.c_contiguous for frame in frames),
        "own_memory": not any(np.shares_memory(a.rgb, b.rgb) for a in frames for b in frames if a is not b),
        "sensor_times": set(times_ns) <= set(stamps_ns),
        "rising": times_ns == sorted(set(times_ns)),
        "from_the_future": late,
        "bars": bars(frames[-1]),
    }


def bars(frame: Frame) -> list[str]:
    """The bars' colours from left to right as rgb digits: 110 is yellow. Blends at their edges are left out."""
    row = frame.rgb[frame.rgb.shape[0] // 2] > 127
    runs = groupby("".join(str(int(lit)) for lit in pixel) for pixel in row)
    return [colour for colour, run in runs if len(list(run)) > 4]


def words(source: PicameraSource) -> str:
    """What it says when it fails."""
    try:
        with source:
            while True:
                source.read()
    except SourceError as error:
        return str(error)


def read_words(source: PicameraSource) -> str:
    """What it says when it is read without being entered."""
    try:
        source.read()
    except SourceError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main()
