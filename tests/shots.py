"""Frames of the simulated track as the shots of a reel, and films taken apart again."""

import io
import math
from collections.abc import Sequence
from functools import lru_cache

import av
import numpy as np
import simplejpeg
from av.container import InputContainer
from numpy.typing import NDArray

import wire
from edge.capture.track import TrackSource
from edge.start import BUNDLED_PILOT
from host.render.scene import PilotFile, Shot

Bytes = NDArray[np.uint8]

STEP = 3600
"""Ticks between shots: 25 frames/s."""


@lru_cache(maxsize=4)
def pixels(count: int, size: tuple[int, int] = (160, 120)) -> tuple[Bytes, ...]:
    """uint8 (h, w, 3) each: a drive along the track that steers from side to side."""
    with TrackSource(size=size, realtime=False) as track:
        frames = []
        for at in range(count):
            frame = track.read()
            assert frame is not None
            frames.append(frame.rgb.copy())
            track.drive(wire.Drive(0.6 * np.sin(at / 9), 0.5))
    return tuple(frames)


@lru_cache(maxsize=8)
def shots(count: int, size: tuple[int, int] = (160, 120)) -> tuple[Shot, ...]:
    """At constant rate, each with what a driver did."""
    return tuple(
        Shot(
            simplejpeg.encode_jpeg(rgb, 90, "RGB", "420"),
            at,
            at * STEP,
            wire.Drive(float(np.sin(at / 9)), 0.5),
        )
        for at, rgb in enumerate(pixels(count, size))
    )


def bundled(name: str = "pilot") -> PilotFile:
    return PilotFile(name, BUNDLED_PILOT.read_bytes())


def opened(video: bytes) -> InputContainer:
    return av.open(io.BytesIO(video), "r")


def ticks(video: bytes) -> list[tuple[int, int]]:
    """When each frame of an MP4 stands and for how long."""
    with opened(video) as film:
        assert film.streams.video[0].time_base is not None
        assert film.streams.video[0].time_base.denominator == 90_000
        packets = [packet for packet in film.demux(film.streams.video[0]) if packet.size]
        return [(packet.pts or 0, packet.duration or 0) for packet in packets]


def decoded(video: bytes) -> list[Bytes]:
    """The frames of an MP4: uint8 (h, w, 3), red first."""
    with opened(video) as film:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in film.decode(video=0)]


def psnr(some: Bytes, other: Bytes) -> float:
    """In dB."""
    error = float(np.mean((some.astype(np.float64) - other) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))


def mean_psnr(some: Sequence[Bytes], other: Sequence[Bytes]) -> float:
    return float(np.mean([psnr(one, two) for one, two in zip(some, other, strict=True)]))
