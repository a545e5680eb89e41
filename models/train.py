"""Train the bundled pilot on frames of the simulated track: `python -m models train`.

    random worlds ─▶ perturbed poses ─▶ frames, labelled by the pure-pursuit driver ─▶ network ─▶ pilot.tflite

The network may learn nothing a track does not share with all others: every world has its own road, lines, colours and
floor, the skyline is another one in each view and turned at random, the camera's mount differs, half the frames are
mirrored, and in nearly half of the worlds one line is missing. Neither "demo" nor "unseen" is among them.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.track.camera import Camera, Mount, View
from edge.capture.track.car import expert
from edge.capture.track.course import LANE_CENTRE_M, course
from edge.capture.track.ground import draw_ground
from edge.capture.track.light import Light, Sensor
from edge.capture.track.skyline import draw_skyline
from edge.capture.track.style import random_style

SIZE = (160, 120)
OUT = Path(__file__).with_name("pilot.tflite")

_FRAMES_PER_WORLD = 300
_FRAMES_PER_VIEW = 50
_HELD_OUT_WORLDS = 4
_WORLDS_PER_SEED = 10_000
_BATCH = 64
_DROPOUT = 0.1
_CONVS = ((12, 5, 2), (24, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1))
"""Filters, kernel and stride of each."""
_DENSES = (100, 50, 25, 10, 5)
_OUTPUTS = ("n_outputs0", "n_outputs1")
"""Steering and throttle, by Donkeycar's names."""

Generator = np.random.Generator
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class TrainError(Exception):
    """Training cannot start; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Samples:
    """rgb: uint8 (N, 120, 160, 3); labels: float32 (N, 2), steering and throttle."""

    rgb: Bytes
    labels: Floats


def main(argv: list[str]) -> int:
    """`python -m models train`; 0, or 2 and one sentence on stderr."""
    options = _parser().parse_args(argv)
    try:
        _check_writable(options.out)
        tf = _tensorflow(options.seed)
    except TrainError as why:
        print(why, file=sys.stderr)
        return 2
    first = options.seed * _WORLDS_PER_SEED
    samples = collect(options.frames, first)
    held_out = collect(_HELD_OUT_WORLDS * _FRAMES_PER_WORLD, first + _WORLDS_PER_SEED - _HELD_OUT_WORLDS)
    model = build(tf)
    fit(tf, model, samples, held_out, options.epochs, options.seed)
    flat = to_tflite(tf, model)
    options.out.write_bytes(flat)
    print(f"wrote {options.out}: {len(flat)} bytes")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models train", description="Train the bundled pilot on the simulated track."
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="PATH", help="where to write it (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_within(0, 9999), default=0, metavar="N", help="of worlds, poses and weights")
    parser.add_argument(
        "--frames", type=_within(1, 500_000), default=28_000, metavar="N", help="to render (%(default)s)"
    )
    parser.add_argument(
        "--epochs", type=_within(1, 1000), default=12, metavar="N", help="over all frames (%(default)s)"
    )
    return parser


def _within(least: int, most: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not least <= (value := int(text)) <= most:
            raise argparse.ArgumentTypeError(f"{value} is not within {least} … {most}")
        return value

    return whole_number


def _check_writable(out: Path) -> None:
    """Before the minutes of work, not after. Raises TrainError."""
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise TrainError(f"The pilot cannot be written to {out}; name a file in a folder that exists and is writable.")


def _tensorflow(seed: int) -> Any:
    """TensorFlow, seeded and told to repeat itself. Raises TrainError."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as why:
        raise TrainError(
            "Training needs TensorFlow; install the [convert] extra: pip install 'pilotlens[convert]'."
        ) from why
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    return tf


def collect(frames: int, first_world: int) -> Samples:
    """Render and label that many frames of random worlds, counted from `first_world`; always the same ones."""
    started = time.monotonic()
    rgb = np.empty((frames, SIZE[1], SIZE[0], 3), np.uint8)
    labels = np.empty((frames, 2), np.float32)
    for world, first in enumerate(range(0, frames, _FRAMES_PER_WORLD)):
        last = min(frames, first + _FRAMES_PER_WORLD)
        for index, (picture, label) in zip(range(first, last), _world(first_world + world), strict=False):
            rgb[index], labels[index] = picture, label
        if world % 10 == 9 or last == frames:
            print(f"rendered {last} of {frames} frames, {time.monotonic() - started:.0f} s", flush=True)
    return Samples(rgb, labels)


def _world(number: int) -> Iterator[tuple[Bytes, tuple[float, float]]]:
    """Frames and labels of one random world, for ever."""
    rng = np.random.default_rng([number, 0x7A1])
    road = course(f"random-{number}")
    ground = draw_ground(road, random_style(number))
    while True:
        view = View(ground, draw_skyline(random_style(int(rng.integers(2**31)))), Camera(SIZE, _mount(rng)))
        light, sensor = (
            Light(int(rng.integers(2**31)), swing=rng.uniform(0.3, 2)),
            Sensor(SIZE, int(rng.integers(2**31))),
        )
        for _ in range(_FRAMES_PER_VIEW):
            pose = road.pose(rng.uniform(0, road.length_m), LANE_CENTRE_M + _offset_m(rng), _turn(rng))
            seconds = rng.uniform(0, 200)
            rgb = view.render(pose, light, seconds, sky_turn=rng.uniform(0, math.tau))
            sensor.expose(rgb, light.curve(seconds))
            label = expert(road, pose)
            yield _mirrored(_smeared(rgb, rng), (label.steering, label.throttle), rng)


def _mount(rng: Generator) -> Mount:
    """A camera as different hands would screw it on."""
    return Mount(
        height_m=rng.uniform(0.14, 0.18),
        ahead_m=rng.uniform(0.04, 0.08),
        pitch_deg=rng.uniform(15.5, 20.5),
        roll_deg=rng.uniform(-1.5, 1.5),
        fov_deg=rng.uniform(106, 114),
    )


def _offset_m(rng: Generator) -> float:
    return float(rng.normal(0, 0.05) if rng.random() < 0.6 else rng.uniform(-0.22, 0.22))


def _turn(rng: Generator) -> float:
    return math.radians(rng.normal(0, 7) if rng.random() < 0.6 else rng.uniform(-28, 28))


def _smeared(rgb: Bytes, rng: Generator) -> Bytes:
    """Out of focus, or more noise, now and then."""
    kind = rng.random()
    if kind < 0.15:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.5, 1.4)), np.uint8)
    if kind < 0.35:
        noisy: Bytes = (rgb + rng.normal(0, rng.uniform(2, 10), rgb.shape)).clip(0, 255).astype(np.uint8)
        return noisy
    return rgb


def _mirrored(rgb: Bytes, label: tuple[float, float], rng: Generator) -> tuple[Bytes, tuple[float, float]]:
    if rng.random() < 0.5:
        return rgb, label
    return rgb[:, ::-1], (-label[0], label[1])


def build(tf: Any) -> Any:
    """The tutorial's network: image (120, 160, 3), 0 … 1, to steering and throttle."""
    layers = tf.keras.layers
    image = x = layers.Input((SIZE[1], SIZE[0], 3), name="img_in")
    for number, (filters, kernel, stride) in enumerate(_CONVS, 1):
        x = layers.Conv2D(filters, kernel, stride, activation="relu", name=f"conv{number}")(x)
        x = layers.Dropout(_DROPOUT)(x)
    x = layers.Flatten(name="flattened")(x)
    # With zero biases some of the last five units start dead for every frame, and steering stops short to one side.
    alive = tf.keras.initializers.Constant(0.2)
    for number, width in enumerate(_DENSES, 1):
        x = layers.Dense(width, "relu", kernel_initializer="he_normal", bias_initializer=alive, name=f"dense{number}")(
            x
        )
    outputs = [layers.Dense(1, name=name)(x) for name in _OUTPUTS]
    return tf.keras.Model(image, outputs)


def fit(tf: Any, model: Any, samples: Samples, held_out: Samples, epochs: int, seed: int) -> None:
    """Minimise the squared error of steering, and four times that of throttle, which varies less."""
    started = time.monotonic()
    batches = math.ceil(len(samples.rgb) / _BATCH)
    pace = tf.keras.optimizers.schedules.CosineDecay(1e-3, epochs * batches, alpha=0.01)
    model.compile(optimizer=tf.keras.optimizers.Adam(pace), loss=["mse", "mse"], loss_weights=[1.0, 4.0])
    rng = np.random.default_rng([seed, 0xF17])
    for epoch in range(1, epochs + 1):
        for chosen in _chunks(rng.permutation(len(samples.rgb))):
            model.train_on_batch(*_batch(samples, chosen))
        error = np.abs(predict(model, held_out) - held_out.labels).mean(axis=0)
        print(
            f"epoch {epoch} of {epochs}: on held-out worlds mean |error| of steering "
            f"{error[0]:.3f}, throttle {error[1]:.3f}; {time.monotonic() - started:.0f} s",
            flush=True,
        )


def _chunks(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (order[first : first + _BATCH] for first in range(0, len(order), _BATCH))


def _batch(samples: Samples, chosen: NDArray[np.int64]) -> tuple[Floats, list[Floats]]:
    labels = samples.labels[chosen]
    return (samples.rgb[chosen] / 255).astype(np.float32), [labels[:, :1], labels[:, 1:]]


def predict(model: Any, samples: Samples) -> Floats:
    """float32 (N, 2): steering and throttle."""
    batches = (_batch(samples, chosen)[0] for chosen in _chunks(np.arange(len(samples.rgb))))
    outputs: Floats = np.concatenate([np.concatenate(model.predict_on_batch(batch), axis=1) for batch in batches])
    return outputs


def to_tflite(tf: Any, model: Any) -> bytes:
    """The model as a float32 flatbuffer for one image; its signature names the outputs as Donkeycar does.

    The forward pass is spelled out over constant weights: Keras' own export keeps them as resource variables, which
    TFLite runs as one extra operator per weight, with no layer fused.
    """
    weights = {layer.name: [tf.constant(w) for w in layer.get_weights()] for layer in model.layers}

    def serve(img_in: Any) -> dict[str, Any]:
        x = img_in
        for number, (_, _, stride) in enumerate(_CONVS, 1):
            kernel, bias = weights[f"conv{number}"]
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, "VALID"), bias))
        x = tf.reshape(x, (1, -1))
        for number in range(1, len(_DENSES) + 1):
            x = tf.nn.relu(_dense(tf, x, weights[f"dense{number}"]))
        return {name: _dense(tf, x, weights[name]) for name in _OUTPUTS}

    image = tf.TensorSpec((1, SIZE[1], SIZE[0], 3), tf.float32, name="img_in")
    signature = tf.function(serve, input_signature=[image], autograph=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature})
        flat: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return flat


def _dense(tf: Any, x: Any, weights: list[Any]) -> Any:
    return tf.nn.bias_add(tf.matmul(x, weights[0]), weights[1])
