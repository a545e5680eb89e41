"""Running a network while others look at our threads."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.methods import Methods
from edge.pilot import Pilot

BUNDLED = Path(__file__).parents[1] / "models" / "pilot.tflite"


@pytest.fixture
def pilot() -> Pilot:
    return Pilot.load(BUNDLED)


def test_a_profiler_that_looks_at_our_frames_does_no_harm(pilot: Pilot) -> None:
    """It keeps what functions hold, views of the network's memory too, for some milliseconds."""
    done, ours, looks = threading.Event(), threading.get_ident(), list[int]()

    def look() -> None:
        while not done.is_set():
            held = [sys._current_frames()[ours]]
            while held[-1].f_back:
                held.append(held[-1].f_back)
            time.sleep(0.003)
            looks.append(len(held))

    methods, rgb = Methods(pilot), np.zeros((120, 160, 3), np.uint8)
    profiler = threading.Thread(target=look)
    profiler.start()
    try:
        for _ in range(60):
            pilot.infer(rgb)
            methods("gradient-visualbackprop")
    finally:
        done.set()
        profiler.join()
    assert looks


def test_arrays_that_stay_alive_are_refused_all_the_same(pilot: Pilot) -> None:
    rgb = np.zeros((120, 160, 3), np.uint8)
    pilot.infer(rgb)
    held = pilot.activations()
    with pytest.raises(RuntimeError, match="internal data"):
        pilot.infer(rgb)
    del held
    pilot.infer(rgb)
