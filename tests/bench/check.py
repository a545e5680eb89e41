"""What the live check costs: the rate at which frames are explained with it and without, block by block in turn."""

import statistics
import time
from itertools import cycle

import cv2

from edge.capture import Frame
from edge.capture.track import TrackSource
from edge.check import Checker
from edge.explain import Captured, Explainer
from edge.pilot import Pilot
from tests.bench.compute import PILOT, write_pilot
from tests.bench.figure import Figure
from wire import Look

BLOCK_S = 3.0
ROUNDS = 6
WARM_UP = 50
"""Frames before a block counts."""


def figures() -> list[Figure]:
    """As fast as frames can be explained: a stream that waits for its camera has time left for the check."""
    write_pilot()
    cv2.setNumThreads(1)
    with TrackSource(realtime=False) as track:
        frames = [frame for _ in range(25) if (frame := track.read())]
    lost = []
    for _ in range(ROUNDS):
        without = rate_hz(frames, None)
        with Checker(lambda: Pilot.load(PILOT)) as checker:
            lost.append(1 - rate_hz(frames, checker) / without)
    return [Figure("frames a second lost to the live check", 100 * statistics.median(lost), "%", 5)]


def rate_hz(frames: list[Frame], checker: Checker | None) -> float:
    explainer = Explainer(Pilot.load(PILOT), car="bench", session="0", checker=checker)
    numbered = (Captured(seq, frame) for seq, frame in enumerate(cycle(frames)))
    want, look = frozenset({"overlay"}), Look()
    for _ in range(WARM_UP):
        explainer.explain(next(numbered), want, look)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < BLOCK_S:
        explainer.explain(next(numbered), want, look)
        count += 1
    return count / (time.perf_counter() - start)
