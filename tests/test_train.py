"""What pilots are trained on, and that training repeats itself; what needs TensorFlow is skipped without it."""

import importlib.util
import warnings
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.capture.track import TrackSource
from edge.capture.track.course import LANE_WIDTH_M
from models.train import fit, laps, main, worlds
from models.train.network import build, to_tflite
from models.train.recipe import RECIPES, SKY_ROWS, trained
from models.train.samples import Samples, gathered

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
needs_tensorflow = pytest.mark.skipif(not HAS_TENSORFLOW, reason="needs TensorFlow: pip install '.[convert]'")
if HAS_TENSORFLOW:  # before any test of any file lets it compute
    with warnings.catch_warnings(action="ignore"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(fit.THREADS)
unwarned = pytest.mark.filterwarnings("default")
"""TensorFlow's own warnings are not ours to mend."""


def quiet(line: str) -> None:
    pass


def equal(one: Samples, other: Samples) -> bool:
    return np.array_equal(one.rgb, other.rgb) and np.array_equal(one.labels, other.labels)


def test_frames_of_random_worlds_repeat_and_favour_no_side() -> None:
    samples = gathered(450, worlds.frames(77))
    assert equal(samples, gathered(450, worlds.frames(77)))
    steering, throttle = samples.labels.T
    assert abs(steering.mean()) < 0.1
    assert steering.min() < -0.8
    assert steering.max() > 0.8
    assert 0.3 < throttle.min() < throttle.max() < 0.5


def test_a_beginners_laps_repeat_and_stay_in_the_lane() -> None:
    samples = gathered(300, laps.frames(3))
    assert equal(samples, gathered(300, laps.frames(3)))
    assert not equal(samples, gathered(300, laps.frames(4)))
    steering = samples.labels[:, 0]
    assert np.abs(steering).max() <= 1
    assert np.abs(np.diff(steering)).max() > 0.05, "no hand is as steady as the expert's"


def test_a_beginner_never_strays_far() -> None:
    """A recording that holds recoveries would not be a beginner's."""
    source = TrackSource(laps.COURSE, realtime=False)
    offsets = [source.lane_offset_m for _ in islice(laps.drive(source, 0), 600)]
    assert 0.01 < np.std(offsets) < 0.06
    assert np.abs(offsets).max() < LANE_WIDTH_M / 2


@pytest.mark.parametrize("name", RECIPES)
def test_held_out_frames_are_others(name: str) -> None:
    told: list[str] = []
    learnt, held_out = RECIPES[name].frames(40, 0, told.append)
    assert len(learnt.rgb) == 40
    assert len(held_out.rgb) > 0
    assert not any(np.array_equal(rgb, other) for rgb in learnt.rgb for other in held_out.rgb)


def test_training_refuses_before_it_starts_to_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "nowhere" / "pilot.tflite")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.skipif(HAS_TENSORFLOW, reason="TensorFlow is installed")
def test_training_without_tensorflow_says_what_to_install(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "pilot.tflite")]) == 2
    assert ".[convert]" in capsys.readouterr().err


@needs_tensorflow
@unwarned
@pytest.mark.parametrize("name", ["naive", "robust"])
def test_training_repeats_itself_to_the_byte(name: str) -> None:
    flat = trained(RECIPES[name], 96, 1, 5, quiet)
    assert flat == trained(RECIPES[name], 96, 1, 5, quiet)
    assert flat != trained(RECIPES[name], 96, 1, 6, quiet)


@needs_tensorflow
@unwarned
@pytest.mark.parametrize("sky_rows", [0, SKY_ROWS])
def test_the_file_does_what_the_network_did(sky_rows: int) -> None:
    tf = fit.tensorflow(1)
    model = build(tf, sky_rows)
    interpreter = Interpreter(model_content=to_tflite(tf, model, sky_rows))
    runner: Any = interpreter.get_signature_runner()
    images = np.random.default_rng(0).random((3, 120, 160, 3), np.float32)
    images[2, SKY_ROWS:] = images[1, SKY_ROWS:]
    expected = np.concatenate(model.predict_on_batch(images), axis=1)
    found = [runner(img_in=image[None]) for image in images]
    words = np.array([[it["n_outputs0"].item(), it["n_outputs1"].item()] for it in found])
    assert np.allclose(words, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(words[1], words[2]) == (sky_rows > 0)
