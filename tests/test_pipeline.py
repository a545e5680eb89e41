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
from edge.background import Background
from edge.capture import Frame, Source, SourceError
from edge.card import Card, ImageCard
from edge.check import Checker
from edge.explain import Captured, Explainer
from edge.methods import CATALOG, Methods
from edge.pilot import Past, Pilot
from edge.pipeline import Pipeline
from edge.publish import Explained, Publisher
from edge.start import BUNDLED_PILOT
from tests.make_tflite import Network
from tests.processes import eventually

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
    return Pilot.load(BUNDLED_PILOT)


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
    explained = explainer.explain(Captured(7, frame), frozenset(wanted), wire.Look())
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


def test_a_frame_is_drawn_as_its_look_says(explainer: Explainer) -> None:
    plain = wire.Look(strength=0, gauges=False)
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    explained = explainer.explain(frame, frozenset({"overlay", "camera"}), plain)
    assert explained.header.look == plain
    assert explained.pictures["overlay"].data == explained.pictures["camera"].data
    explained = explainer.explain(frame, frozenset({"overlay", "camera"}), wire.Look())
    assert explained.pictures["overlay"].data != explained.pictures["camera"].data


def test_a_map_that_cannot_be_is_refused_with_a_sentence_and_nothing_is_drawn(explainer: Explainer) -> None:
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    for look in (
        wire.Look(method="gradient", target="steering-bin", gauges=False),
        wire.Look(method="gradcam", layer="no such layer", gauges=False),
    ):
        explained = explainer.explain(frame, frozenset(wire.PARTS), look)
        assert explained.header.refused == explainer.refusal(look) != ""
        assert explained.header.mask is None
        assert explained.header.look == look
        assert explained.pictures["overlay"].data == explained.pictures["camera"].data
        assert not simplejpeg.decode_jpeg(explained.pictures["mask"].data).any()
    explained = explainer.explain(frame, frozenset({"overlay"}), wire.Look())
    assert explained.header.refused == ""
    assert explained.header.mask is not None


@pytest.mark.parametrize("method", wire.METHODS)
def test_every_method_gives_a_mask_that_says_how_to_read_it(explainer: Explainer, method: str) -> None:
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    explained = explainer.explain(frame, frozenset({"mask"}), wire.Look(method=method))  # type: ignore[arg-type]
    stats = explained.header.mask
    assert stats is not None
    assert stats.signed == CATALOG[method].signed
    mask = simplejpeg.decode_jpeg(explained.pictures["mask"].data)
    assert np.ptp(mask) > 50


def test_the_abilities_are_those_of_the_pilot(explainer: Explainer, pilot: Pilot) -> None:
    abilities = explainer.abilities()
    assert set(abilities.methods) | set(abilities.refusals) == set(wire.METHODS)
    assert set(abilities.targets) == set(pilot.targets) >= {"steering"}
    assert abilities.layers == list(Methods(pilot).layers)


def test_a_black_frame_is_explained_too(explainer: Explainer) -> None:
    frame = Frame(np.zeros((120, 160, 3), np.uint8), time.monotonic_ns())
    explained = explainer.explain(Captured(0, frame), frozenset(wire.PARTS), wire.Look())
    assert wire.decode_down([wire.encode(explained.header)]).header == explained.header


def test_the_pilot_s_word_reaches_the_source_before_anything_is_drawn(explainer: Explainer) -> None:
    said: list[wire.Drive] = []
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    header = explainer.explain(frame, frozenset(), wire.Look(), drive=said.append).header
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


# Pilots that see less, or more, than one frame


def test_what_the_pilot_does_not_see_is_not_coloured() -> None:
    cropped = Pilot.load(BUNDLED_PILOT, card=Card(image=ImageCard(crop=(0.5, 0, 0, 0))))
    explainer = Explainer(cropped, car="car", session=SESSION)
    frame = Captured(0, Frame(picture(size=(240, 320)), time.monotonic_ns()))
    for method in ("visualbackprop", "gradient-input"):
        look = wire.Look(method=method, gauges=False, strength=1)
        pictures = explainer.explain(frame, frozenset(wire.PARTS), look).pictures
        overlay, camera, mask = (simplejpeg.decode_jpeg(pictures[kind].data).astype(int) for kind in wire.PARTS)
        assert np.abs(overlay - camera)[:100].max() == 0
        assert np.abs(overlay - camera)[130:].mean() > 10
        assert mask.shape[:2] == (240, 320)
        assert np.ptp(mask[:100]) <= 2


def test_a_pilot_of_three_frames_is_explained_later_with_the_frames_it_saw(tmp_path: Path) -> None:
    net = Network(40, 48, 9)
    net.conv(4, kernel=(5, 5), stride=(2, 2), activation="RELU")
    net.conv(4, kernel=(3, 3), stride=(2, 2), activation="RELU")
    net.dense(1, "n_outputs0")
    path = tmp_path / "three.tflite"
    path.write_bytes(net.bytes())
    card = Card(image=ImageCard(frames=3))
    driving, later, forgetful = (Explainer(Pilot.load(path, card=card), car="car", session=SESSION) for _ in range(3))
    want = frozenset({"mask"})
    for seq in range(5):
        frame = Frame(picture(seq, (40, 48)), time.monotonic_ns())
        header = driving.explain(Captured(seq, frame), want, wire.Look()).header
    again = later.explain_later(frame, driving.past, header, want).header
    other = forgetful.explain_later(frame, Past(), header, want).header
    assert header.mask is not None and again.mask is not None and other.mask is not None
    assert again.mask.magnitude == pytest.approx(header.mask.magnitude, rel=1e-5)
    assert other.mask.magnitude != pytest.approx(header.mask.magnitude, rel=1e-3)


# Slow methods, in the background

SLOW = wire.Look(method="integrated-visualbackprop", strength=0, gauges=False)


@pytest.fixture(scope="module")
def slow() -> Explainer:
    return Explainer(Pilot.load(BUNDLED_PILOT), car="car", session=SESSION)


def shade(seq: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A frame whose brightness tells its number, up to 24."""
    return (picture(seq) // 16 + 10 * seq).astype(np.uint8)


class Shades(Script):
    """`count` frames, each one recognisable."""

    def __init__(self, count: int, *, pause_s: float = 0.02) -> None:
        super().__init__(["frame"] * count, pause_s=pause_s)
        self.seq = 0

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None:
            return None
        self.seq += 1
        return Frame(shade(self.seq - 1), frame.captured_ns)


class Host:
    """A host that takes what it wants as fast as it comes, until it has been quiet."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], publisher: Publisher, *want: str) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(publisher.address)
        self._want = list(want)
        self.taken: list[wire.Message[wire.Down]] = []
        self.ask(-1)

    def ask(self, seq: int) -> None:
        self._socket.send(wire.encode(wire.Credit(session=SESSION, seq=seq, want=self._want)))

    def take(self, quiet_ms: int = 500) -> "Host":
        while self._socket.poll(quiet_ms):
            message = wire.decode_down(self._socket.recv_multipart())
            self.taken.append(message)
            assert isinstance(message.header, wire.Frame)
            self.ask(message.header.seq)
        self._socket.close()
        return self

    @property
    def frames(self) -> list[wire.Frame]:
        return [message.header for message in self.taken if isinstance(message.header, wire.Frame)]


def test_a_map_is_never_drawn_over_another_frame(explainer: Explainer, slow: Explainer, publisher: Publisher) -> None:
    assert CATALOG[SLOW.method].slow
    with zmq.Context() as context, Background(lambda: slow, publisher.offer_late) as background:
        host = Host(context, publisher, *wire.PARTS)
        eventually(lambda: publisher.watched)
        with Pipeline(Shades(24), explainer, publisher, look=SLOW, background=background) as pipeline:
            host.take()
            assert pipeline.ended.is_set()
    assert host.frames
    alone = Explainer(Pilot.load(BUNDLED_PILOT), car="car", session=SESSION)
    for header, parts in host.taken:
        assert isinstance(header, wire.Frame)
        assert parts["overlay"] == parts["camera"]
        assert round(float(simplejpeg.decode_jpeg(parts["camera"]).mean() - 7.5) / 10) == header.seq
        again = alone.explain(Captured(header.seq, Frame(shade(header.seq), 0)), frozenset({"mask"}), SLOW).header
        assert header.mask is not None and again.mask is not None
        assert header.mask.magnitude == pytest.approx(again.mask.magnitude, rel=1e-4)
        assert header.outputs == again.outputs
        assert list(header.stages_ns) == ["wait", "pilot", "background", "mask", "overlay", "jpeg"]


def test_the_pilot_drives_on_while_a_slow_map_is_not_ready(explainer: Explainer, watched: Publisher) -> None:
    """The background never takes a frame here: it could not be slower."""
    source = Script(["frame"] * 30, pause_s=0)
    stuck = Background(lambda: explainer, watched.offer_late)
    with Pipeline(source, explainer, watched, look=SLOW, background=stuck, lossless=True) as pipeline:
        assert pipeline.ended.wait(20)
        eventually(lambda: pipeline.explained == 30)
        assert pipeline.drops == {"frames replaced before their slow map": 29}
    assert len(source.driven_by) == 30


def test_a_host_that_wants_no_map_gets_every_frame_all_the_same(
    explainer: Explainer, slow: Explainer, publisher: Publisher
) -> None:
    with zmq.Context() as context, Background(lambda: slow, publisher.offer_late) as background:
        camera, overlay = Host(context, publisher, "camera"), Host(context, publisher, "overlay")
        eventually(lambda: publisher.wanted == {"camera", "overlay"})
        taker = threading.Thread(target=overlay.take)
        taker.start()
        with Pipeline(Shades(24, pause_s=0.05), explainer, publisher, look=SLOW, background=background) as pipeline:
            camera.take()
            explained = pipeline.explained
        taker.join()
    assert len(camera.frames) >= 0.8 * explained
    for host in (camera, overlay):
        seqs = [frame.seq for frame in host.frames]
        assert seqs == sorted(set(seqs)) != []
    assert all(frame.mask is None and not frame.refused for frame in camera.frames)
    assert all(set(message.parts) == {"camera"} for message in camera.taken)
    assert all(set(message.parts) == {"overlay"} for message in overlay.taken)


def test_a_recording_that_loses_nothing_has_its_slow_maps_too(explainer: Explainer, watched: Publisher) -> None:
    offered: list[Explained] = []
    watched.offer = offered.append  # type: ignore[method-assign, assignment]
    with Pipeline(Shades(6, pause_s=0), explainer, watched, look=SLOW, lossless=True) as pipeline:
        assert pipeline.ended.wait(20)
        eventually(lambda: pipeline.explained == 6)
    assert [(one.header.seq, one.header.mask is not None) for one in offered] == [(seq, True) for seq in range(6)]


def test_methods_are_switched_while_driving(explainer: Explainer, slow: Explainer, publisher: Publisher) -> None:
    looks = [wire.Look(method=m, target=t) for m in wire.METHODS for t in wire.TARGETS]  # type: ignore[arg-type]
    with zmq.Context() as context, Background(lambda: slow, publisher.offer_late) as background:
        host = Host(context, publisher, "overlay")
        taker = threading.Thread(target=host.take)
        taker.start()
        eventually(lambda: publisher.watched)
        source = Script(["frame"] * 100_000, pause_s=0.002)
        with Pipeline(source, explainer, publisher, background=background) as pipeline:
            for look in [*looks, *looks[::-1]]:
                before = pipeline.explained
                pipeline.look = look
                eventually(lambda before=before: pipeline.explained > before + 1)  # type: ignore[misc]
            pipeline.look = wire.Look()
            eventually(lambda: [frame for frame in host.frames[-3:] if frame.look == wire.Look()])
        taker.join()
    assert all((frame.mask is None) == bool(frame.refused) for frame in host.frames)
    assert len({(frame.look.method, frame.look.target) for frame in host.frames}) > len(wire.METHODS)


def test_unwatched_nothing_is_checked(publisher: Publisher) -> None:
    with Checker(lambda: Pilot.load(BUNDLED_PILOT)) as checker:
        explainer = Explainer(Pilot.load(BUNDLED_PILOT), car="car", session=SESSION, checker=checker)
        source = Script(["frame"] * 20, driven=True)
        with Pipeline(source, explainer, publisher, lossless=True) as pipeline:
            assert pipeline.ended.wait(10)
            eventually(lambda: pipeline.explained == 20)
        assert checker.due()


def test_the_check_comes_with_frames_explained_the_same_way(watched: Publisher) -> None:
    frame = Captured(0, Frame(picture(), time.monotonic_ns()))
    with Checker(lambda: Pilot.load(BUNDLED_PILOT), every_s=0, rest=0) as checker:
        explainer = Explainer(Pilot.load(BUNDLED_PILOT), car="car", session=SESSION, checker=checker)

        def checked(look: wire.Look, part: str = "overlay") -> wire.Check | None:
            return explainer.explain(frame, frozenset({part}), look).header.check

        known = eventually(lambda: checked(wire.Look()))
        assert known is not None
        assert known.method == "visualbackprop"
        other = wire.Look(method="edges")
        assert checked(other) is None
        known = eventually(lambda: checked(other))
        assert known is not None
        assert known.method == "edges"
        assert checked(other, "camera") is None
