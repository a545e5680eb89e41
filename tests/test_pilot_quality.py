"""The bundled pilot drives: closed loop, with one frame of latency, on a track it may know and on one it never saw."""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge.capture.track import TrackSource
from edge.capture.track.car import WIDTH_M
from edge.capture.track.course import LANE_WIDTH_M
from edge.capture.track.style import STYLES, without
from models import train
from wire import Drive

PILOT = Path(__file__).parents[1] / "models" / "pilot.tflite"
MARGIN_M = (LANE_WIDTH_M - WIDTH_M) / 2
"""So far from the lane's centre the car touches a line."""

Pilot = Callable[[NDArray[np.uint8]], Drive]


@cache
def bundled() -> Pilot:
    interpreter = Interpreter(str(PILOT), num_threads=1)
    runner: Any = interpreter.get_signature_runner()

    def pilot(rgb: NDArray[np.uint8]) -> Drive:
        outputs = runner(img_in=rgb[None].astype(np.float32) / 255)
        return Drive(float(outputs["n_outputs0"].item()), float(outputs["n_outputs1"].item()))

    return pilot


def lane_offsets(source: TrackSource, pilot: Pilot, laps: int, most_frames: int) -> NDArray[np.float64]:
    """Lane offset in metres at every frame, until so many laps are driven or frames passed.

    What the pilot says of one frame moves the car only from the next but one on.
    """
    offsets: list[float] = []
    late = Drive(0.0, 0.0)
    with source:
        while source.laps < laps and len(offsets) < most_frames:
            rgb = source.read().rgb
            offsets.append(source.lane_offset_m)
            source.drive(late)
            late = pilot(rgb)
    return np.array(offsets)


@pytest.mark.parametrize("track", ["demo", "unseen"])
def test_the_bundled_pilot_keeps_its_lane_for_ten_laps(track: str) -> None:
    source = TrackSource(track, realtime=False)
    offsets = lane_offsets(source, bundled(), laps=10, most_frames=9000)
    assert source.laps == 10
    assert source.resets == 0
    assert np.abs(offsets).max() < MARGIN_M


@pytest.mark.parametrize(
    ("track", "line"),
    # Without the centre line of "unseen" no line of the lane is in the picture in its tightest bend (models/README.md).
    [("demo", "left"), ("demo", "centre"), ("demo", "right"), ("unseen", "left"), ("unseen", "right")],
)
def test_no_single_line_is_needed(track: str, line: str) -> None:
    source = TrackSource(track, realtime=False, style=without(STYLES[track], line))
    offsets = lane_offsets(source, bundled(), laps=1, most_frames=900)
    assert source.laps == 1
    assert np.abs(offsets).max() < MARGIN_M


def test_the_horizon_hardly_matters() -> None:
    """The same drive before two skylines, frame by frame, against how much steering varies on it."""
    town, hills = (TrackSource("demo", realtime=False, sky=STYLES[sky]) for sky in ("unseen", "demo"))
    pairs = []
    for _ in range(300):
        pairs.append([bundled()(source.read().rgb).steering for source in (town, hills)])
        for source in (town, hills):
            source.drive(source.expert())
    first, second = np.array(pairs).T
    assert np.abs(first - second).mean() < 0.25 * first.std()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda drive: Drive(0.0, 0.35), id="straight on"),
        pytest.param(lambda drive: Drive(0.15, 0.35), id="always right"),
        pytest.param(lambda drive: Drive(-drive.steering, drive.throttle), id="mirrored"),
    ],
)
def test_a_pilot_that_cannot_drive_leaves_the_lane(wrong: Callable[[Drive], Drive]) -> None:
    source = TrackSource("demo", realtime=False)
    offsets = lane_offsets(source, lambda rgb: wrong(bundled()(rgb)), laps=1, most_frames=500)
    assert np.abs(offsets).max() > MARGIN_M


def test_training_frames_repeat_and_favour_no_side(capsys: pytest.CaptureFixture[str]) -> None:
    samples, again = train.collect(450, 77), train.collect(450, 77)
    assert np.array_equal(samples.rgb, again.rgb)
    assert np.array_equal(samples.labels, again.labels)
    assert "rendered 450 of 450 frames" in capsys.readouterr().out
    steering, throttle = samples.labels.T
    assert abs(steering.mean()) < 0.1
    assert steering.min() < -0.8
    assert steering.max() > 0.8
    assert 0.3 < throttle.min() < throttle.max() < 0.5


def test_training_refuses_before_it_starts_to_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--out", str(tmp_path / "nowhere" / "pilot.tflite")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_training_without_tensorflow_says_what_to_install(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert train.main(["--out", str(tmp_path / "pilot.tflite")]) == 2
    assert "pilotlens[convert]" in capsys.readouterr().err


def test_right_of_the_centre_it_steers_left_and_the_other_way_round() -> None:
    source = TrackSource("unseen", realtime=False)
    answers = []
    for s_m in np.arange(0, source.course.length_m, 0.8):
        for offset_m in (-0.1, 0.1):
            source.place(float(s_m), offset_m)
            answers.append([bundled()(source.read().rgb).steering, source.expert().steering])
    left, right = np.array(answers)[0::2], np.array(answers)[1::2]
    assert (right[:, 0] < left[:, 0]).mean() > 0.95
    assert np.corrcoef(np.array(answers).T)[0, 1] > 0.9
