"""The tutorial's network, in Keras to be trained and as a flatbuffer to be driven with."""

import tempfile
from typing import Any

from models.train.samples import SIZE

_DROPOUT = 0.1
_CONVS = ((12, 5, 2), (24, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1))
"""Filters, kernel and stride of each."""
_DENSES = (100, 50, 25, 10, 5)
OUTPUTS = ("n_outputs0", "n_outputs1")
"""Steering and throttle, by Donkeycar's names."""


def build(tf: Any, sky_rows: int = 0) -> Any:
    """Image (120, 160, 3), 0 … 1, to steering and throttle; so many rows at the top are cut off inside."""
    layers = tf.keras.layers
    image = x = layers.Input((SIZE[1], SIZE[0], 3), name="img_in")
    if sky_rows:
        x = layers.Cropping2D(((sky_rows, 0), (0, 0)), name="below_the_sky")(x)
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
    outputs = [layers.Dense(1, name=name)(x) for name in OUTPUTS]
    return tf.keras.Model(image, outputs)


def to_tflite(tf: Any, model: Any, sky_rows: int = 0) -> bytes:
    """The model as a float32 flatbuffer for one image; its signature names the outputs as Donkeycar does.

    The forward pass is spelled out over constant weights: Keras' own export keeps them as resource variables, which
    TFLite runs as one extra operator per weight, with no layer fused.
    """
    weights = {layer.name: [tf.constant(w) for w in layer.get_weights()] for layer in model.layers}

    def serve(img_in: Any) -> dict[str, Any]:
        x = img_in[:, sky_rows:] if sky_rows else img_in
        for number, (_, _, stride) in enumerate(_CONVS, 1):
            kernel, bias = weights[f"conv{number}"]
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, "VALID"), bias))
        x = tf.reshape(x, (1, -1))
        for number in range(1, len(_DENSES) + 1):
            x = tf.nn.relu(_dense(tf, x, weights[f"dense{number}"]))
        return {name: _dense(tf, x, weights[name]) for name in OUTPUTS}

    image = tf.TensorSpec((1, SIZE[1], SIZE[0], 3), tf.float32, name="img_in")
    signature = tf.function(serve, input_signature=[image], autograph=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature})
        flat: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return flat


def _dense(tf: Any, x: Any, weights: list[Any]) -> Any:
    return tf.nn.bias_add(tf.matmul(x, weights[0]), weights[1])
