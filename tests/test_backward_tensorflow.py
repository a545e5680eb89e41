"""The backward pass against TensorFlow's own gradients, at most 1e-4 apart; needs the [convert] extra."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import tflite
from edge.tflite import Model, Operator
from tests.gradients import Run

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install '.[convert]'")
keras = pytest.importorskip("keras", reason="needs Keras: pip install '.[convert]'")
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore")
"""What TensorFlow warns of is not ours."""

ROOT = Path(__file__).parents[1]
PILOTS = ROOT.parent / "shared" / "data" / "pilots"
NAMES = (
    "pilot",
    "warehouse/linear",
    "warehouse/memory",
    "warehouse/categorical",
    "grey/linear",
    "grey/final_1",
    "grey/inferred",
    "grey/memory",
    "grey/categorical",
)

Floats = NDArray[np.float32]


def donkey(image: Any) -> list[Any]:
    x = layers.Conv2D(8, 5, 2, activation="relu")(image)
    x = layers.Dropout(0.1)(x)
    x = layers.Conv2D(12, 5, 2, activation="relu", padding="same")(x)
    x = layers.Conv2D(12, 3, activation="relu")(x)
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    return [layers.Dense(1)(x), layers.Dense(1)(x)]


def separate_activations(image: Any) -> list[Any]:
    x = layers.Activation("elu")(layers.Conv2D(6, 5, (2, 1))(image))
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(layers.Conv2D(8, 3, 2)(x)))
    x = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal")(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.ReLU(6)(layers.Conv2D(8, 3)(x))
    x = layers.Conv2D(8, 3, activation="tanh", padding="same")(x)
    return [layers.Dense(2, activation="tanh")(layers.Flatten()(x))]


def mobile(image: Any) -> list[Any]:
    """Like MobileNet: pads, depthwise, residual, swish, a global mean."""
    x = layers.Conv2D(8, 3, 2, activation="swish")(layers.ZeroPadding2D(((0, 1), (1, 0)))(image))
    y = layers.ReLU(6)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
    y = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    y = layers.SeparableConv2D(12, 3, 2, depth_multiplier=2, activation="gelu", padding="same")(y)
    y = layers.Activation("hard_swish")(layers.Conv2D(12, 3, dilation_rate=2, padding="same")(y))
    gate = layers.Dense(12, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return [layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Multiply()([y, gate])))]


def pools(image: Any) -> list[Any]:
    """Crop, both poolings with SAME, an enlarging convolution, two branches, bins."""
    x = layers.Rescaling(2.0, -1.0)(layers.Cropping2D(((5, 1), (0, 3)))(image))
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.Conv2D(8, 3, activation="selu")(x))
    left = layers.AveragePooling2D(3, 1, padding="same")(layers.Conv2D(6, 1, activation="softplus")(x))
    right = layers.Conv2DTranspose(5, 3, 2, padding="same", activation="relu")(layers.MaxPooling2D()(x))
    right = layers.Resizing(*left.shape[1:3], interpolation="bilinear")(right)
    x = layers.Conv2D(6, 3, 2, activation="relu")(layers.Concatenate()([left, right]))
    x = layers.Flatten()(layers.UpSampling2D()(x))
    return [layers.Dense(7, activation="softmax")(x), layers.Dense(4, activation="log_softmax")(x)]


def attention(image: Any) -> list[Any]:
    x = layers.Conv2D(8, 5, 5, activation="relu")(image)
    x = layers.Reshape((-1, 8))(x)
    x = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    x = layers.UnitNormalization()(layers.Permute((2, 1))(x))
    return [layers.Dense(2)(layers.Flatten()(x))]


def frames(image: Any) -> list[Any]:
    """Strips of the image, one after the other through the same convolution."""
    x = layers.Reshape((3, 8, *image.shape[2:]))(image)
    x = layers.TimeDistributed(layers.Conv2D(6, 3, 2, activation="relu"))(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    return [layers.Dense(2)(layers.Flatten()(layers.Conv1D(4, 2, activation="relu")(x)))]


def shaken(model: Any) -> None:
    """Weights that batch normalisation starts with make it do nothing."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in layer.get_weights()])


def apart(gradient: Floats, expected: Any) -> float:
    """The largest difference, in parts of the largest value."""
    theirs = np.asarray(expected)
    most = float(np.abs(theirs).max())
    assert most > 0
    return float(np.abs(gradient.reshape(theirs.shape) - theirs).max()) / most


@pytest.mark.parametrize("build", [donkey, separate_activations, mobile, pools, attention, frames])
def test_gradients_of_keras_models(build: Callable[[Any], list[Any]]) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((24, 32, 3), batch_size=1)
    model = keras.Model(image, build(image))
    shaken(model)
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.Activation)
    inner = [layer.output for layer in model.layers if isinstance(layer, kinds)]
    watched = keras.Model(image, [*model.outputs, *inner])
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    frame = np.random.default_rng(4).random((1, 24, 32, 3), np.float32)
    with tf.GradientTape(persistent=True) as tape:
        pixels = tf.constant(frame)
        tape.watch(pixels)
        results = [watched(pixels, training=False)] if len(watched.outputs) == 1 else watched(pixels, training=False)
        ends, activations = results[: len(model.outputs)], results[len(model.outputs) :]
        values = [end[..., which] for end in ends for which in range(end.shape[-1])]
    found = [tensor_with(data, frame, activation.numpy()) for activation in activations]
    places = [place for place in found if place is not None]
    assert len(places) >= min(len(found), 2)
    run = Run(data, [tflite.read(data).inputs[0], *places])
    outputs = [tensor_with(data, frame, end.numpy()) for end in ends]
    number = 0
    for output, end in zip(outputs, ends, strict=True):
        assert output is not None
        for which in range(end.shape[-1]):
            seed = np.zeros(end.shape, np.float32)
            seed[..., which] = 1
            gradients = run.gradients(frame, {output: seed})
            wanted = [pixels, *(it for it, place in zip(activations, found, strict=True) if place is not None)]
            for gradient, expected in zip(gradients, tape.gradient(values[number], wanted), strict=True):
                assert apart(gradient, expected) <= 1e-4
            number += 1


def converted(model: Any, kind: str, frames: Floats) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif kind != "hybrid":
        converter.representative_dataset = lambda: ([frame[np.newaxis]] for frame in frames)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    data: bytes = converter.convert()
    return data


@pytest.mark.parametrize(("kind", "closeness"), [("float16", 0.98), ("hybrid", 0.97), ("int8", 0.9), ("uint8", 0.9)])
def test_gradients_of_smaller_types_are_close_to_those_of_float32(kind: str, closeness: float) -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((24, 32, 3), batch_size=1)
    model = keras.Model(image, donkey(image)[0])
    frames = np.random.default_rng(4).random((8, 24, 32, 3), np.float32)
    run = Run(converted(model, kind, frames))
    tensor = run.model.tensors[run.model.inputs[0]]
    for frame in frames:
        with tf.GradientTape() as tape:
            pixels = tf.constant(frame[np.newaxis])
            tape.watch(pixels)
            steering = model(pixels, training=False)
        expected = tape.gradient(steering, pixels).numpy().ravel()
        given = frame[np.newaxis]
        if tensor.quantization:
            given = tensor.quantization.stored(given, np.dtype(kind))
        (gradient,) = run.gradients(given, {run.sources[0]: np.ones(1, np.float32)})
        cosine = gradient.ravel() @ expected / np.linalg.norm(gradient) / np.linalg.norm(expected)
        assert cosine > closeness
        assert 0.8 < np.linalg.norm(gradient) / np.linalg.norm(expected) < 1.25


def tensor_with(data: bytes, image: Floats, values: Floats) -> int | None:
    """The last tensor that holds `values`, if any: the converter may have folded them into something else."""
    model = tflite.read(data)
    made = [i for operator in model.operators for i in operator.outputs if model.tensors[i].shape == values.shape]
    interpreter = Interpreter(model_content=tflite.expose(model, made), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(model.inputs[0], image)
    interpreter.invoke()
    same = [i for i in made if np.allclose(interpreter.get_tensor(i), values, rtol=1e-4, atol=1e-5)]
    return same[-1] if same else None


class InTensorFlow:
    """A pilot's operators, done again by TensorFlow with the weights of the file."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(self, inputs: dict[int, Any]) -> dict[int, Any]:
        values = dict(inputs)
        for operator in self.model.operators:
            values[operator.outputs[0]] = self._result(operator, [values.get(index) for index in operator.inputs])
        return values

    def _result(self, operator: Operator, inputs: list[Any]) -> Any:
        shape = self.model.tensors[operator.outputs[0]].shape
        weights, bias = ([self.model.constant(index) for index in operator.inputs[1:]] + [None, None])[:2]
        match operator.name:
            case "CONV_2D":
                strides = [operator.setting(2), operator.setting(1)]
                assert weights is not None
                y = tf.nn.conv2d(inputs[0], weights.transpose(1, 2, 3, 0), strides, "VALID") + bias
                return tf.nn.relu(y) if operator.setting(3, "<b") else y
            case "FULLY_CONNECTED":
                y = tf.matmul(inputs[0], weights, transpose_b=True) + bias
                return tf.nn.relu(y) if operator.setting(0, "<b") else y
            case "RESHAPE":
                return tf.reshape(inputs[0], shape)
            case "STRIDED_SLICE":
                assert weights is not None
                return tf.slice(inputs[0], weights.astype(np.int32), shape)
            case "CONCATENATION":
                return tf.concat(inputs, -1)
            case name:
                return {"TANH": tf.tanh, "LOGISTIC": tf.sigmoid, "SOFTMAX": tf.nn.softmax}[name](inputs[0])


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_real_pilots(name: str) -> None:
    path = ROOT / "models" / "pilot.tflite" if name == "pilot" else PILOTS / f"{name}.tflite"
    if not path.exists():
        pytest.skip("needs ../shared/data/pilots")
    model = tflite.read(path.read_bytes())
    taps = [operator.outputs[0] for operator in model.operators if operator.name == "CONV_2D"]
    run = Run(path.read_bytes(), [*model.inputs, *taps])
    random = np.random.default_rng(7)
    inputs = {index: random.random(model.tensors[index].shape, np.float32) for index in model.inputs}
    for index in model.inputs:
        run.interpreter.set_tensor(index, inputs[index])
    with tf.GradientTape(persistent=True) as tape:
        given = {index: tf.constant(value) for index, value in inputs.items()}
        tape.watch(list(given.values()))
        values = InTensorFlow(model)(given)
        ends = {output: tf.reduce_sum(values[output][..., :1]) for output in model.outputs}
    for output, end in ends.items():
        seed = np.zeros(model.tensors[output].shape, np.float32)
        seed[..., 0] = 1
        wanted = [values[index] for index in run.targets]
        expected = tape.gradient(end, wanted)
        for gradient, theirs in zip(run.gradients(inputs[model.inputs[0]], {output: seed}), expected, strict=True):
            assert apart(gradient, theirs) <= 1e-4
