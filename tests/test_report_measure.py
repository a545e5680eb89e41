"""The measures on planted pilots, of which it is known what they look at."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import tflite
from edge.capture.source import Frame, SourceError
from edge.pilot import Pilot
from models.report import cascade, horizon, measure, shift
from models.report.driving import compare
from models.report.frames import Sample, pick
from models.report.horizon import zone_effects
from models.report.measure import share_within
from models.report.randomise import levels
from models.report.statistics import Bootstrap
from models.report.subject import Prepared, Subject
from tests.make_tflite import Network
from wire import Drive

HEIGHT, WIDTH = 48, 64


def planted(folder: Path, where: Callable[[NDArray[np.int_], NDArray[np.int_]], NDArray[np.bool_]]) -> Path:
    """The file of a pilot that steers by nothing but the cells (row, column of 24 × 32) for which `where` holds."""
    net = Network(HEIGHT, WIDTH, seed=3)
    net.conv(4, (2, 2), (2, 2), activation="RELU", name="conv")
    _, height, width, channels = net.shape()
    rows, columns, _ = np.indices((height, width, channels))
    weights = net.random.standard_normal((1, height * width * channels)).astype(np.float32)
    weights *= where(rows, columns).reshape(1, -1) / 20
    flat = net.reshape(1, weights.size)
    inputs = [flat, net.constant(weights, "net/out/MatMul"), net.constant(np.zeros(1, np.float32))]
    net.outputs.append(net.operator("FULLY_CONNECTED", inputs, (1, 1), schema.FullyConnectedOptionsT()))
    file = folder / "planted.tflite"
    file.write_bytes(net.bytes())
    return file


def noise(count: int, seed: int = 0) -> list[Sample]:
    """Frames of coloured blobs."""
    rng = np.random.default_rng(seed)
    pictures = [cv2.blur(rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8), (3, 3)) for _ in range(count)]
    return [Sample(i, Frame(rgb, 0)) for i, rgb in enumerate(pictures)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pilot that looks at the left half only."""
    return planted(tmp_path_factory.mktemp("left"), lambda rows, columns: columns < 16)


@pytest.fixture(scope="module")
def left(file: Path) -> Subject:
    return Subject(Pilot.load(file))


@pytest.fixture(scope="module")
def frames(left: Subject) -> list[Prepared]:
    return [left.prepare(sample) for sample in noise(24)]


def test_gradient_maps_lie_where_the_pilot_looks(left: Subject, frames: list[Prepared]) -> None:
    half = np.zeros((HEIGHT, WIDTH), np.bool_)
    half[:, :32] = True
    values, seconds = left.explain(frames[0].sample, "gradient")
    assert share_within(values, half) == pytest.approx(1)
    assert seconds > 0
    assert 0.3 < share_within(left.explain(frames[0].sample, "edges")[0], half) < 0.7


def test_a_map_that_knows_the_pilot_beats_one_that_does_not(tmp_path: Path) -> None:
    """A pilot that looks at a tenth of the picture: what is found by its gradient is all there is to delete."""
    patch = planted(tmp_path, lambda rows, columns: (rows >= 8) & (rows < 16) & (columns >= 20) & (columns < 30))
    subject = Subject(Pilot.load(patch))
    frames = [subject.prepare(sample) for sample in noise(24)]
    ticks: list[None] = []
    curves = measure.measure(subject, frames, ["gradient", "edges"], 0, lambda: ticks.append(None))
    assert len(ticks) == 3 * len(frames)
    resample = Bootstrap(len(frames))
    for other in ("edges", "random"):
        ratio = resample.ratio(curves["gradient"].change, curves[other].change)
        assert ratio is not None and ratio.low > 1.2
    everything = [abs(subject.value(it.sample, it.background) - it.value) for it in frames]
    np.testing.assert_allclose(curves["gradient"].deletion[:, -1], everything, atol=1e-5)
    np.testing.assert_allclose(curves["gradient"].insertion[:, -1], 0, atol=1e-5)
    np.testing.assert_allclose(curves["edges"].zones.sum(axis=1), 1, rtol=1e-5)
    assert curves["gradient"].lane is None


def test_the_same_seed_gives_the_same_figures(left: Subject, frames: list[Prepared]) -> None:
    one, two, other = (measure.measure(left, frames[:4], [], seed, lambda: None)["random"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.deletion, two.deletion)
    assert not np.array_equal(one.deletion, other.deletion)


def test_zones_that_do_not_matter_have_no_effect(left: Subject, frames: list[Prepared]) -> None:
    effects = horizon.measure(left, frames)
    found = {zone.name: zone for zone in horizon.zones(frames, effects, Bootstrap(len(frames)))}
    assert list(found) == ["sky", "left", "centre", "right"]
    right = found["right"]
    assert right.swapped is not None and right.swapped.value == pytest.approx(0, abs=1e-6)
    assert right.erased is not None and right.erased.value == pytest.approx(0, abs=1e-6)
    assert found["left"].swapped is not None and found["left"].swapped.low > 0.3
    assert sum(zone.area.value for zone in found.values()) == pytest.approx(1)


@pytest.mark.parametrize(("looks_up", "least", "most"), [(True, 0.99, 1.01), (False, 0, 0.01)])
def test_a_pilot_that_steers_by_the_sky_is_found_out(tmp_path: Path, looks_up: bool, least: float, most: float) -> None:
    """On a track: the upper sixth of the picture is all sky, the lower half has none."""
    pilot = Pilot.load(planted(tmp_path, lambda rows, columns: rows < 4 if looks_up else rows >= 12))
    found = {zone.name: zone for zone in zone_effects(pilot, "track:demo", frames=12)}
    assert list(found) == ["sky", "left line", "centre line", "right line", "rest"]
    sky = found["sky"].swapped
    assert sky is not None and least <= sky.value <= most


def test_partners_are_other_frames_far_away() -> None:
    for count in (8, 9, 200):
        found = horizon.partners(count, 0)
        apart = np.abs(found - np.arange(count)[:, None])
        assert np.minimum(apart, count - apart).min() >= count // 4
        assert found.min() >= 0 and found.max() < count


def test_redrawing_the_head_changes_signed_maps_and_not_edges(file: Path, left: Subject) -> None:
    model = tflite.read(file.read_bytes())
    found = cascade.measure(left, model, noise(3), ["gradient-input", "visualbackprop", "edges"], 0, lambda: None)
    assert len(found["edges"].values) == len(levels(model)) == 2
    assert all(value.value == pytest.approx(1) for value in found["edges"].values)
    assert found["visualbackprop"].values[0].value == pytest.approx(1, abs=1e-3)
    assert abs(found["gradient-input"].values[0].value) < 0.3


@given(st.integers(-70, 70))
def test_moving_a_picture(pixels: int) -> None:
    image = np.arange(12 * 64, dtype=np.float32).reshape(12, 64, 1)
    there = shift.moved(image, pixels)
    for column in range(64):
        np.testing.assert_array_equal(there[:, column], image[:, min(max(column - pixels, 0), 63)])


def test_parts_move_alone() -> None:
    """A white square on grey: it moves and leaves blur behind; or it stays and all else moves."""
    rng = np.random.default_rng(0)
    image = rng.random((20, 40, 1)).astype(np.float32)
    background = np.full_like(image, -1)
    salient = np.zeros((20, 40), np.bool_)
    salient[5:10, 10:15] = True
    square, rest = shift.parts(image, background, salient, 8)
    np.testing.assert_array_equal(square[5:10, 18:23], image[5:10, 10:15])
    assert (square[5:10, 10:15] == -1).all()
    np.testing.assert_array_equal(square[10:], image[10:])
    np.testing.assert_array_equal(rest[5:10, 10:15], image[5:10, 10:15])
    assert (rest[5:10, 18:23] == -1).all()
    np.testing.assert_array_equal(rest[:5, 8:], image[:5, :-8])


def test_what_moves_out_of_the_picture_is_gone() -> None:
    image = np.arange(40, dtype=np.float32).reshape(1, 40, 1)
    salient = np.zeros((1, 40), np.bool_)
    salient[0, 38:] = True
    square, _ = shift.parts(image, np.full_like(image, -1), salient, 5)
    np.testing.assert_array_equal(square[0, :38, 0], np.arange(38))
    assert (square[0, 38:] == -1).all()


def test_moving_what_matters_changes_as_much_as_moving_all(left: Subject, frames: list[Prepared]) -> None:
    moved = shift.measure(left, frames[:8], "gradient-input", lambda: None)
    whole = shift.whole(left, frames[:8])
    assert moved.salient.shape == moved.background.shape == whole.shape == (8, len(shift.shifts(WIDTH)))
    assert moved.salient.mean() > 0 and whole.mean() > 0
    still = [Prepared(it.sample, 0 * it.image, 0 * it.background, left.value(it.sample, 0 * it.image), it.zones, None)
             for it in frames[:2]]  # fmt: skip
    assert not shift.whole(left, still).any()


@pytest.mark.parametrize("width", [3, 40, 160, 320])
def test_shifts_are_never_nothing(width: int) -> None:
    assert 0 not in shift.shifts(width) and len(set(shift.shifts(160))) == 6


def test_masks_go_through_what_the_picture_goes_through(left: Subject) -> None:
    mask = np.zeros((2 * HEIGHT, 2 * WIDTH), np.bool_)
    mask[:HEIGHT] = True
    seen = left.seen(mask)
    assert seen.shape == (HEIGHT, WIDTH)
    assert seen[: HEIGHT // 2].all() and not seen[HEIGHT // 2 :].any()


def test_share_within() -> None:
    mask = np.array([[True, False]])
    assert share_within(np.array([[-3, 1]], np.float32), mask) == 0.75
    assert share_within(np.zeros((1, 2), np.float32), mask) == 0.5


def test_agreement_with_a_driver() -> None:
    rng = np.random.default_rng(1)
    driver = [Drive(float(x), 0.4) for x in rng.uniform(-1, 1, 40)]
    pilot = [Drive(0.5 * it.steering + 0.1, 0.3) for it in driver]
    found = compare(pilot, driver, "someone", 0, throttle=True)
    assert found is not None and found.steering_r is not None and found.throttle_error is not None
    assert found.steering_r.value == pytest.approx(1)
    expected = np.mean([abs(0.5 * it.steering - 0.1) for it in driver])
    assert found.steering_error.value == pytest.approx(expected)
    assert found.throttle_error.value == pytest.approx(0.1)
    assert found.throttle_r is None
    sides = [(0.5 * it.steering + 0.1) * it.steering > 0 for it in driver if abs(it.steering) > 0.1]
    assert found.same_side is not None and found.same_side.value == pytest.approx(np.mean(sides))
    assert compare(pilot, [None] * 40, "nobody", 0, throttle=True) is None
    wrong_way = compare([Drive(-it.steering, 0) for it in driver], driver, "", 0, throttle=False)
    assert wrong_way is not None and wrong_way.same_side is not None and wrong_way.same_side.value == 0


@pytest.mark.parametrize(("there", "wanted"), [(5, 8), (8, 8), (40, 8), (33, 8), (100, 7)])
def test_frames_are_spread_evenly(tmp_path: Path, there: int, wanted: int) -> None:
    for i in range(there):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((4, 5, 3), i, np.uint8))
    (tmp_path / f"{there}.png").write_bytes(b"broken")
    found = pick(str(tmp_path), wanted)
    numbers = [sample.number for sample in found.samples]
    assert (found.read, found.skipped, len(numbers)) == (there, 1, min(there, wanted))
    assert [int(sample.rgb[0, 0, 0]) for sample in found.samples] == numbers == sorted(set(numbers))
    steps = np.diff(numbers)
    assert numbers[0] == 0 and numbers[-1] >= there - 2 * steps.max() and steps.max() <= 2 * steps.min() + 1


def test_a_track_gives_every_pilot_the_same_frames() -> None:
    one, two = (pick("track:unseen", 9, seed=5) for _ in range(2))
    for a, b in zip(one.samples, two.samples, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
        assert a.driver == b.driver is not None and a.lane is not None and a.zones
    assert np.std([sample.driver.steering for sample in one.samples if sample.driver]) > 0.05


@pytest.mark.parametrize("spec", ["camera:0", "picamera2", "/dev/null", "nowhere"])
def test_a_source_without_a_recording_is_refused(spec: str) -> None:
    with pytest.raises(SourceError):
        pick(spec, 10)
