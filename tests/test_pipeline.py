"""A frame's way through the car: what is computed for whom, and what happens when source or host misbehave."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import simplejpeg
import zmq

import wire
from edge.capture import Frame, Source, SourceError
from edge.pilot import Pilot
from edge.pipeline import Captured, Explainer, Pipeline
from edge.publish import Publisher
from tests.processes import eventually

PILOT = Path(__file__).parent.parent / "models" / "pilot.tflite"
SESSION = "ab"


def picture(seq: int = 0, size: tuple[int, int] = (120, 160)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(seq)
    return rng.integers(0, 256, (*size, 3), np.uint8)


class Script(Source):
    """A source that does what a list says: a frame, an error, or the end."""

    name = "script"

    def __init__(self, steps: list[str], *, driven: bool = False, pause_s: float = 0.005) -> None:
        self.steps = steps
        self.driven = driven
        self.pause_s = pause_s
        self.entered = 0
        self.driven_by: list[wire.Drive] = []

    def __enter__(self) -> Self:
        self.entered += 1
        if self.steps[:1] == ["still gone"]:
            self.steps.pop(0)
            raise SourceError("The camera is still gone.")
        return self

    def read(self) -> Frame | None:
        time.sleep(self.pause_s)
        step = self.steps.pop(0) if self.steps else "end"
        if step == "gone":
            raise SourceError("The camera is gone.")
        return None if step == "end" else Frame(picture(), time.monotonic_ns(), wire.Drive(0.5, 0.25))

    def drive(self, drive: wire.Drive) -> None:
        self.driven_by.append(drive)


@pytest.fixture(scope="module")
def pilot() -> Pilot:
    return Pilot.load(PILOT)


@pytest.fixture
def explainer(pilot: Pilot) -> Explainer:
    return Explainer(pilot, car="car", session=SESSION)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher("tcp://127.0.0.1:*", "car", SESSION) as one:
        yield one


@pytest.fixture
def watched(publisher: Publisher) -> Iterator[Publisher]:
    """A publisher with a host that wants overlays."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as host:
        host.linger = 0
        host.connect(publisher.address)
        host.send(wire.encode(wire.Credit(want=["overlay"])))
        eventually(lambda: publisher.watched)
        yield publisher


def explain(explainer: Explainer, *wanted: str, size: tuple[int, int] = (120, 160)) -> wire.Frame:
    frame = Frame(picture(size=size), time.monotonic_ns(), wire.Drive(0.5, 0.25))
    explained = explainer.explain(Captured(7, frame), frozenset(wanted))
    assert set(explained.pictures) == set(wanted)
    for kind, one in explained.pictures.items():
        pixels = simplejpeg.decode_jpeg(one.data)
        assert pixels.shape[:2] == (one.height, one.width) == ((120, 160) if kind == "mask" else size)
    return explained.header


def test_only_what_is_wanted_is_computed(explainer: Explainer) -> None:
    bare = explain(explainer)
    assert bare.mask is None
    assert list(bare.stages_ns) == ["wait", "pilot", "jpeg"]
    assert explain(explainer, "camera").mask is None
    assert explain(explainer, "mask").mask is not None
    assert list(explain(explainer, "overlay").stages_ns) == ["wait", "pilot", "mask", "overlay", "jpeg"]


def test_the_header_tells_all_of_a_frame(explainer: Explainer) -> None:
    header = explain(explainer, *wire.PARTS)
    assert (header.car, header.session, header.seq, header.width, header.height) == ("car", SESSION, 7, 160, 120)
    assert header.recorded == wire.Drive(0.5, 0.25)
    assert header.drive is not None
    assert header.outputs == {"n_outputs0": [header.drive.steering], "n_outputs1": [header.drive.throttle]}
    assert header.mask is not None
    assert header.mask.magnitude > 0


def test_pictures_have_the_camera_s_size_and_the_mask_the_pilot_s(explainer: Explainer) -> None:
    explain(explainer, *wire.PARTS, size=(240, 320))
    explain(explainer, *wire.PARTS, size=(61, 83))


def test_the_look_changes_from_the_next_frame_on(explainer: Explainer) -> None:
    plain = wire.Look(strength=0, gauges=False)
    explainer.look = plain
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    explained = explainer.explain(frame, frozenset({"overlay", "camera"}))
    assert explained.header.look == plain
    assert explained.pictures["overlay"].data == explained.pictures["camera"].data
    explainer.look = wire.Look()
    explained = explainer.explain(frame, frozenset({"overlay", "camera"}))
    assert explained.pictures["overlay"].data != explained.pictures["camera"].data


def test_a_black_frame_is_explained_too(explainer: Explainer) -> None:
    frame = Frame(np.zeros((120, 160, 3), np.uint8), time.monotonic_ns())
    explained = explainer.explain(Captured(0, frame), frozenset(wire.PARTS))
    assert wire.decode_down([wire.encode(explained.header)]).header == explained.header


def test_the_pilot_s_word_reaches_the_source_before_anything_is_drawn(explainer: Explainer) -> None:
    said: list[wire.Drive] = []
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    header = explainer.explain(frame, frozenset(), drive=said.append).header
    assert said == [header.drive]


def test_unwatched_a_camera_s_frames_are_let_go(explainer: Explainer, publisher: Publisher) -> None:
    source = Script(["frame"] * 20)
    with Pipeline(source, explainer, publisher, lossless=True) as pipeline:
        assert pipeline.ended.wait(10)
    assert pipeline.explained == 0


def test_unwatched_the_simulated_car_is_driven_all_the_same(explainer: Explainer, publisher: Publisher) -> None:
    source = Script(["frame"] * 20, driven=True)
    with Pipeline(source, explainer, publisher, lossless=True) as pipeline:
        assert pipeline.ended.wait(10)
        eventually(lambda: pipeline.explained == 20)
    assert len(source.driven_by) == 20


def test_watched_every_frame_of_a_lossless_source_is_explained(explainer: Explainer, watched: Publisher) -> None:
    source = Script(["frame"] * 20, pause_s=0)
    with Pipeline(source, explainer, watched, lossless=True) as pipeline:
        eventually(lambda: pipeline.explained == 20)
        assert pipeline.ended.wait(10)
    assert "frames replaced before the pilot" not in pipeline.drops


def test_frames_that_come_too_fast_are_replaced_and_counted(explainer: Explainer, watched: Publisher) -> None:
    source = Script(["frame"] * 300, pause_s=0)
    with Pipeline(source, explainer, watched) as pipeline:
        assert pipeline.ended.wait(10)
        eventually(lambda: pipeline.explained + pipeline.drops.get("frames replaced before the pilot", 0) == 300)
    assert 0 < pipeline.explained < 300


def test_a_source_that_fails_is_left_and_entered_until_it_works(explainer: Explainer, watched: Publisher) -> None:
    source = Script(["frame", "gone", "still gone", "frame", "frame"], pause_s=0.05)
    with Pipeline(source, explainer, watched) as pipeline:
        eventually(lambda: watched.trouble == "The camera is gone.")
        assert pipeline.ended.wait(10)
        eventually(lambda: pipeline.explained == 3)
        assert watched.trouble == ""
    assert source.entered == 3


def test_a_source_that_cannot_be_opened_at_first_is_an_error(explainer: Explainer, publisher: Publisher) -> None:
    with pytest.raises(SourceError, match="still gone"), Pipeline(Script(["still gone"]), explainer, publisher):
        pass
    assert "worker" not in {thread.name for thread in threading.enumerate()}


def test_it_can_be_left_at_any_time(explainer: Explainer, watched: Publisher) -> None:
    for lossless in (True, False):
        with Pipeline(Script(["frame"] * 10_000, pause_s=0), explainer, watched, lossless=lossless):
            time.sleep(0.05)
    assert {"capture", "worker"}.isdisjoint(thread.name for thread in threading.enumerate())
