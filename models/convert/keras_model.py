"""A Network with its weights as TensorFlow runs it: by Keras' own layers, and by operators TFLite has.

Keras layer                  original              portable
LSTM, GRU, SimpleRNN         a loop                one cell after the other (unrolled)
TimeDistributed(layer)       a loop                the layer on all frames at once
Max-, AveragePooling3D       one 3-D operator      2-D pooling of each frame, then over the frames
Dropout and the like         nothing               nothing
all others                   the layer             the layer
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.convert.dialect import IDLE, OLD_HARD_SIGMOID
from models.convert.errors import ConvertError
from models.convert.network import Layer, Network, Weights, walk, weighted
from models.convert.subject import Subject

MAX_VALUES = 2**27
"""In all weights together, and in what one layer gives; a pilot has a thousandth of it."""


def subject(tf: Any, network: Network, weights: Weights, note: str = "") -> Subject:
    """Build it. Raises ConvertError: settings that do not fit together, or weights that do not fit the layers."""
    keras = tf.keras
    with keras.StatelessScope(initialize_variables=False):  # shapes only: nothing is allocated before they fit
        _Built(keras, network).check(weights)
    built = _Built(keras, network)
    built.load(weights)
    shapes = {name: (1, *shape) for name, shape in network.shapes.items()}
    return Subject(
        inputs={_word(name): shape for name, shape in shapes.items()},
        outputs=tuple(map(_word, network.output_names())),
        original=lambda tensors: _listed(built.model(list(tensors), training=False)),
        portable=lambda tensors: _Portable(tf).run(network, built.layers, tensors),
        note=note,
    )


Layers = dict[str, Any]
"""Keras layers by name; a nested network's are one more such dict."""


class _Built:
    """The Keras model of a network, and its layers by name."""

    def __init__(self, keras: Any, network: Network) -> None:
        self._keras = keras
        self._network = network
        self.layers: Layers = {}
        inputs = [
            keras.Input(batch_shape=(1, *network.shapes[ref.layer]), name=_word(ref.layer)) for ref in network.inputs
        ]
        self.model = keras.Model(inputs, self._through(network, self.layers, inputs))

    def _through(self, network: Network, layers: Layers, inputs: Sequence[Any]) -> list[Any]:
        def apply(layer: Layer, tensors: list[Any]) -> Any:
            if layer.kind in IDLE or layer.kind == "InputLayer":
                return tensors[0]
            if isinstance(layer.inner, Network):
                return self._through(layer.inner, layers.setdefault(layer.name, {}), tensors)[0]
            if layer.name not in layers:
                layers[layer.name] = self._layer(layer)
            return self._call(layer, layers[layer.name], tensors)

        return walk(network, inputs, apply)

    def _call(self, layer: Layer, made: Any, tensors: list[Any]) -> Any:
        if len(tensors) != 1 and not _joins(layer):
            raise ConvertError(f"layer {layer.name!r} ({layer.kind}) reads {len(tensors)} tensors, not one")
        try:
            out = made(tensors if _joins(layer) else tensors[0])
        except (ValueError, TypeError) as why:
            raise _unfit(layer, why) from why
        if math.prod(size or 1 for size in out.shape) > MAX_VALUES:
            raise ConvertError(f"layer {layer.name!r} ({layer.kind}) gives {math.prod(out.shape):,} values; too many")
        return out

    def _layer(self, layer: Layer) -> Any:
        settings = {key: self._function(value) for key, value in layer.settings.items()}
        inner = [self._layer(layer.inner)] if isinstance(layer.inner, Layer) else []
        try:
            if layer.kind in IDLE:
                return self._keras.layers.Identity()
            return getattr(self._keras.layers, layer.kind)(*inner, **settings, name=_word(layer.name))
        except (ValueError, TypeError) as why:
            raise _unfit(layer, why) from why

    def _function(self, value: Any) -> Any:
        """A setting as Keras 3 wants it."""
        ops = self._keras.ops
        return (lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0)) if value == OLD_HARD_SIGMOID else value

    def check(self, weights: Weights) -> None:
        """Raises ConvertError unless every layer's weights are as many and of the shapes it has."""
        _each(self._network, self.layers, weights, _fits)
        if sum(math.prod(weight.shape) for weight in self.model.weights) > MAX_VALUES:
            raise ConvertError(f"it has more than {MAX_VALUES:,} weights")

    def load(self, weights: Weights) -> None:
        _each(self._network, self.layers, weights, lambda layer, made, arrays: made.set_weights(arrays))


def _each(network: Network, layers: Layers, weights: Weights, do: Callable[[Layer, Any, Any], None]) -> None:
    """For every layer that has weights: the layer, Keras' and its weights."""
    for layer in filter(weighted, network.layers):
        if layer.name not in layers:
            continue
        made, held = layers[layer.name], weights.get(layer.name, [])
        if isinstance(layer.inner, Network):
            _each(layer.inner, made, held if isinstance(held, dict) else {}, do)
        else:
            do(layer, made, held)


def _fits(layer: Layer, made: Any, arrays: Any) -> None:
    wanted = [tuple(weight.shape) for weight in made.weights]
    given = [array.shape for array in arrays]
    if wanted != given:
        raise ConvertError(
            f"layer {layer.name!r} ({layer.kind}) wants weights of the shapes {_shapes(wanted)}, "
            f"the file has {_shapes(given)}"
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise ConvertError(f"layer {layer.name!r} ({layer.kind}) has weights that are no numbers; its training failed")


class _Portable:
    """Runs the layers one by one, each under its own name, so that TFLite's tensors are called like the layers."""

    def __init__(self, tf: Any) -> None:
        self._tf = tf

    def run(self, network: Network, layers: Layers, tensors: Sequence[Any]) -> list[Any]:
        def apply(layer: Layer, tensors: list[Any]) -> Any:
            if layer.kind in IDLE or layer.kind == "InputLayer":
                return tensors[0]
            if isinstance(layer.inner, Network):
                return self.run(layer.inner, layers[layer.name], tensors)[0]
            with self._tf.name_scope(_word(layer.name)):
                return self._apply(layer, layers[layer.name], tensors)

        return walk(network, tensors, apply)

    def _apply(self, layer: Layer, made: Any, tensors: list[Any]) -> Any:
        x = tensors if _joins(layer) else tensors[0]
        match layer.kind:
            case "LSTM" | "GRU" | "SimpleRNN":
                made.unroll = True
                return made.call(x, training=False)
            case "TimeDistributed":
                return self._on_all_frames(layer, made, x)
            case "MaxPooling3D" | "AveragePooling3D":
                return self._pooled(made, x)
            case "BatchNormalization":
                return made.call(x, training=False)
            case _:
                return made.call(x)

    def _on_all_frames(self, layer: Layer, made: Any, x: Any) -> Any:
        """(1, T, …) as a batch of T."""
        if layer.inner is None or isinstance(layer.inner, Network):
            raise ConvertError(f"layer {layer.name!r} wraps a network, which convert does not follow")
        frames = self._tf.reshape(x, x.shape[1:])
        out = self._apply(layer.inner, made.layer, [frames])
        return self._tf.reshape(out, (1, *out.shape))

    def _pooled(self, made: Any, x: Any) -> Any:
        """(1, T, h, w, C): within each frame, then over the frames, which become the rows of a picture."""
        tf, how, padding = self._tf, {"max": "MAX", "average": "AVG"}[made.pool_mode], made.padding.upper()
        (deep, *pool), (along, *strides) = made.pool_size, made.strides
        pooled = tf.nn.pool(tf.reshape(x, x.shape[1:]), pool, how, strides, padding)
        frames, height, width, channels = pooled.shape
        rows = tf.reshape(pooled, (1, frames, height * width, channels))
        out = tf.nn.pool(rows, (deep, 1), how, (along, 1), padding)
        return tf.reshape(out, (1, out.shape[1], height, width, channels))


def _joins(layer: Layer) -> bool:
    return layer.kind in {"Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}


def _unfit(layer: Layer, why: Exception) -> ConvertError:
    reason = " ".join(str(why).split())[:300]
    return ConvertError(f"layer {layer.name!r} ({layer.kind}) cannot be built: {reason}")


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes) or "none"


def _listed(outputs: Any) -> Sequence[Any]:
    return outputs if isinstance(outputs, list | tuple) else [outputs]


def _word(name: str) -> str:
    """A layer's name as TensorFlow takes it for inputs, outputs and scopes."""
    word = re.sub(r"[^A-Za-z0-9_.]", "_", name)
    return word if re.match("[A-Za-z0-9.]", word) else f"x{word}"
