"""TensorFlow, kept from talking over our own lines."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.convert.errors import ConvertError


@contextmanager
def quiet() -> Iterator[None]:
    """What is written to stdout and stderr inside, also by C++, goes nowhere; warnings are not shown."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = os.dup(1), os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in enumerate(kept, 1):
            os.dup2(copy, number)
            os.close(copy)


def tensorflow() -> Any:
    """The module. Raises ConvertError where it is not installed."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        with quiet():
            import tensorflow as tf

            tf.get_logger().setLevel("CRITICAL")
            tf.keras.layers  # noqa: B018 - loads Keras, which is lazy
    except ImportError as why:
        raise ConvertError(
            "converting needs TensorFlow; install the [convert] extra: pip install '.[edge,convert]'"
        ) from why
    return tf
