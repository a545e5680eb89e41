"""Fitting a network to samples, the same way every time."""

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.train.samples import Floats, Samples

_BATCH = 64
THREADS = 2
"""Sums are split among them, so their number is part of what makes a training repeat itself."""

Progress = Callable[[str], None]
"""Is told how far it has come, in one line."""


class TrainError(Exception):
    """Training cannot start; the message is one sentence for a person."""


def tensorflow(seed: int) -> Any:
    """TensorFlow, seeded and told to repeat itself. Raises TrainError."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as why:
        raise TrainError("Training needs TensorFlow; install the [convert] extra: pip install '.[convert]'.") from why
    if tf.config.threading.get_intra_op_parallelism_threads() != THREADS:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        except RuntimeError as why:
            raise TrainError("TensorFlow is at work in this process already; train in a process of its own.") from why
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    return tf


def fit(model: Any, tf: Any, samples: Samples, held_out: Samples, epochs: int, seed: int, tell: Progress) -> None:
    """Minimise the squared error of steering, and four times that of throttle, which varies less."""
    batches = math.ceil(len(samples.rgb) / _BATCH)
    pace = tf.keras.optimizers.schedules.CosineDecay(1e-3, epochs * batches, alpha=0.01)
    model.compile(optimizer=tf.keras.optimizers.Adam(pace), loss=["mse", "mse"], loss_weights=[1.0, 4.0])
    rng = np.random.default_rng([seed, 0xF17])
    for epoch in range(1, epochs + 1):
        for chosen in _chunks(rng.permutation(len(samples.rgb))):
            model.train_on_batch(*_batch(samples, chosen))
        steering, throttle = np.abs(predict(model, held_out) - held_out.labels).mean(axis=0)
        tell(
            f"epoch {epoch} of {epochs}: on held-out frames mean |error| of steering {steering:.3f}, "
            f"throttle {throttle:.3f}"
        )


def predict(model: Any, samples: Samples) -> Floats:
    """float32 (N, 2): steering and throttle."""
    batches = (_batch(samples, chosen)[0] for chosen in _chunks(np.arange(len(samples.rgb))))
    outputs: Floats = np.concatenate([np.concatenate(model.predict_on_batch(batch), axis=1) for batch in batches])
    return outputs


def _chunks(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (order[first : first + _BATCH] for first in range(0, len(order), _BATCH))


def _batch(samples: Samples, chosen: NDArray[np.int64]) -> tuple[Floats, list[Floats]]:
    labels = samples.labels[chosen]
    return (samples.rgb[chosen] / 255).astype(np.float32), [labels[:, :1], labels[:, 1:]]
