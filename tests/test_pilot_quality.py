"""The bundled pilot drives: closed loop, with one frame of latency, on a track it may know and on one it never saw."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge.capture.track import TrackSource
from edge.capture.track.camera import Mount
from edge.capture.track.car import WIDTH_M
from edge.capture.track.course import LANE_WIDTH_M
from edge.capture.track.style import STYLES, without
from edge.start import BUNDLED_PILOT
from models.report.progress import Progress
from models.report.run import Request, make
from models.study.reliance import ERROR, OTHER_SKY, TURNED_SKY, reliance
from models.study.scenes import LINES, Scenery
from wire import Drive

MARGIN_M = (LANE_WIDTH_M - WIDTH_M) / 2
"""So far from the lane's centre the car touches a line."""

Pilot = Callable[[NDArray[np.uint8]], Drive]


@cache
def bundled() -> Pilot:
    interpreter = Interpreter(str(BUNDLED_PILOT), num_threads=1)
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


@pytest.mark.parametrize("track", ["demo", "unseen"])
@pytest.mark.parametrize("line", LINES)
def test_no_single_line_is_needed(track: str, line: str) -> None:
    source = TrackSource(track, realtime=False, style=without(STYLES[track], line))
    offsets = lane_offsets(source, bundled(), laps=1, most_frames=900)
    assert source.laps == 1
    assert np.abs(offsets).max() < MARGIN_M


@pytest.mark.parametrize("track", ["demo", "unseen"])
def test_it_steers_by_both_lines_of_its_lane_and_by_no_sky(track: str) -> None:
    found = reliance(bundled(), Scenery(track, STYLES[track]), 100)
    assert found[ERROR] < 0.2
    assert found[OTHER_SKY] == found[TURNED_SKY] == 0
    assert 1 / 4 < found["right line"] / found["centre line"] < 4


def test_it_passes_its_own_report() -> None:
    request = Request(BUNDLED_PILOT, "track:unseen", frames=24, methods=("gradient-visualbackprop",))
    report, _ = make(request, Progress(shown=False))
    assert {check.name: check.passed for check in report.checks} == {check.name: True for check in report.checks}
    assert len(report.checks) >= 5


def test_a_camera_that_is_screwed_on_otherwise_will_do() -> None:
    mount = Mount(height_m=0.15, ahead_m=0.05, pitch_deg=16.0, roll_deg=1.0, fov_deg=108)
    source = TrackSource("unseen", realtime=False, mount=mount)
    offsets = lane_offsets(source, bundled(), laps=1, most_frames=900)
    assert source.laps == 1
    assert np.abs(offsets).max() < MARGIN_M


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
