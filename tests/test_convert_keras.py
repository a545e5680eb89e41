"""Conversion itself, against Keras and against arithmetic of our own. Needs TensorFlow, the [convert] extra."""

import importlib.util
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if not importlib.util.find_spec("tensorflow"):
    pytest.skip("needs TensorFlow: pip install '.[convert]'", allow_module_level=True)

import cv2
import h5py

from edge import card, tflite
from edge.card import Card
from edge.tflite import Floats
from models.convert import compare, feed, flat, frames, hdf5, main, sources
from models.convert.errors import ConvertError, Disagreement
from models.convert.quiet import quiet, tensorflow
from models.convert.subject import Subject

SHARED = Path(__file__).parents[2] / "shared" / "data"
SIZE = (24, 32, 3)


@pytest.fixture(scope="module")
def tf() -> Any:
    return tensorflow()


@pytest.fixture(autouse=True)
def _calm() -> Iterator[None]:
    """TensorFlow's own deprecations are not ours."""
    with quiet_warnings():
        yield


def quiet_warnings() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")


def numbers(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def shaken(model: Any) -> Any:
    """With weights that are all different from what Keras starts with."""
    for seed, weight in enumerate(model.weights):
        values = numbers(*weight.shape, seed=seed)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    return model


def fed(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    return {name: np.random.default_rng(1).random(shape, np.float32) for name, shape in shapes.items()}


def operators(data: bytes) -> set[str]:
    model = tflite.read(data)
    assert not any(operator.custom for operator in model.operators)
    return {operator.name for operator in model.operators}


# ---- old files, written by hand, against numpy


def write_h5(path: Path, config: dict[str, Any], weights: Mapping[str, Mapping[str, Floats]], version: str) -> None:
    """A model file as Keras 1 and 2 wrote it: attributes of bytes, weights in groups by layer."""
    with h5py.File(path, "w") as h5:
        if config:
            h5.attrs["model_config"] = json.dumps(config).encode()
        h5.attrs["keras_version"] = version.encode()
        root = h5.create_group("model_weights") if config else h5
        root.attrs["layer_names"] = np.array([name.encode() for name in weights])
        for name, arrays in weights.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = np.array([key.encode() for key in arrays], "S")
            for key, array in arrays.items():
                group.create_dataset(key, data=array)


def write_keras_2(path: Path, config: dict[str, Any], group: str, arrays: list[Floats]) -> None:
    """A .keras file as Keras 2.12 to 2.15 wrote it."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as h5:
        for number, array in enumerate(arrays):
            h5[f"{group}/{number}"] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("model.weights.h5", buffer.getvalue())


def conv(x: Floats, kernel: Floats, bias: Floats, stride: int) -> Floats:
    """VALID; x (h, w, c), kernel (k, k, c, n)."""
    size = kernel.shape[0]
    rows, columns = ((side - size) // stride + 1 for side in x.shape[:2])
    out = np.empty((rows, columns, kernel.shape[3]), np.float32)
    for row in range(rows):
        for column in range(columns):
            seen = x[row * stride : row * stride + size, column * stride : column * stride + size]
            out[row, column] = np.tensordot(seen, kernel, 3) + bias
    return out


def softmax(x: Floats) -> Floats:
    powers = np.exp(x - x.max())
    return np.asarray(powers / powers.sum(), np.float32)


OLD = {
    "conv": {"conv/kernel:0": numbers(5, 5, 3, 4, seed=1), "conv/bias:0": numbers(4, seed=2)},
    "norm": {
        f"norm/{name}:0": numbers(4, seed=seed) ** 2 + 0.5
        for seed, name in enumerate(("gamma", "beta", "moving_mean", "moving_variance"), 3)
    },
    "angle_out": {"angle_out/kernel:0": numbers(560, 15, seed=7), "angle_out/bias:0": numbers(15, seed=8)},
}


def old_result(x: Floats) -> Floats:
    (kernel, bias), (gamma, beta, mean, variance), (dense, dense_bias) = (list(it.values()) for it in OLD.values())
    hidden = np.maximum(conv(x, kernel, bias, 2), 0)
    hidden = (hidden - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return softmax(hidden.ravel() @ dense + dense_bias)


def keras_1() -> dict[str, Any]:
    """Sequential, the configuration a list, in the words of version 1."""
    layers = [
        ("Convolution2D", {"name": "conv", "batch_input_shape": [None, *SIZE], "nb_filter": 4, "nb_row": 5,
                           "nb_col": 5, "subsample": [2, 2], "border_mode": "valid", "dim_ordering": "tf",
                           "activation": "relu", "init": "glorot_uniform"}),
        ("BatchNormalization", {"name": "norm", "mode": 0, "axis": -1, "epsilon": 0.001, "momentum": 0.99}),
        ("Dropout", {"name": "dropout_1", "p": 0.1}),
        ("Flatten", {"name": "flatten_1"}),
        ("Dense", {"name": "angle_out", "output_dim": 15, "activation": "softmax"}),
    ]  # fmt: skip
    return {"class_name": "Sequential", "config": [{"class_name": kind, "config": it} for kind, it in layers]}


def keras_2() -> dict[str, Any]:
    """Functional, as 2.0.8 writes it."""
    start = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "seed": None}}
    layers = [
        ("InputLayer", {"name": "img_in", "batch_input_shape": [None, *SIZE], "dtype": "float32", "sparse": False}),
        ("Conv2D", {"name": "conv", "filters": 4, "kernel_size": [5, 5], "strides": [2, 2], "padding": "valid",
                    "dilation_rate": [1, 1], "data_format": "channels_last", "activation": "relu", "use_bias": True,
                    "kernel_initializer": start, "kernel_regularizer": None}),
        ("BatchNormalization", {"name": "norm", "axis": -1, "epsilon": 0.001, "center": True, "scale": True}),
        ("Flatten", {"name": "flatten_1", "trainable": True}),
        ("Dense", {"name": "angle_out", "units": 15, "activation": "softmax", "use_bias": True}),
    ]  # fmt: skip
    names = [it["name"] for _, it in layers]
    trees = [
        {
            "class_name": kind,
            "name": it["name"],
            "config": it,
            "inbound_nodes": [[[before, 0, 0, {}]]] if before else [],
        }
        for (kind, it), before in zip(layers, ["", *names], strict=False)
    ]
    ends = {"input_layers": [["img_in", 0, 0]], "output_layers": [["angle_out", 0, 0]]}
    return {"class_name": "Model", "config": {"name": "model_1", "layers": trees, **ends}}


LIST = f"""
input = {list(SIZE)}
layers = [
    {{type = "Conv2D", name = "NAMEconv", filters = 4, kernel_size = 5, strides = 2, activation = "relu"}},
    {{type = "BatchNormalization", name = "NAMEnorm"}},
    {{type = "Flatten"}},
    {{type = "Dense", name = "NAMEangle_out", units = 15, activation = "softmax"}},
]
"""


class TestOldFiles:
    @pytest.mark.parametrize(("config", "version"), [(keras_1(), "1.2.2"), (keras_2(), "2.0.8")])
    def test_they_compute_what_their_description_says(
        self, tmp_path: Path, config: dict[str, Any], version: str
    ) -> None:
        write_h5(tmp_path / "old.h5", config, OLD, version)
        assert main([str(tmp_path / "old.h5"), "--check", "4"]) == 0
        x = fed({"img_in": (1, *SIZE)})
        given = compare.Flat((tmp_path / "old.tflite").read_bytes())(x)
        np.testing.assert_allclose(given["angle_out"][0], old_result(x["img_in"][0]), atol=1e-6)

    @pytest.mark.parametrize("prefix", ["", "other_"])
    def test_weights_and_a_layer_list_do(self, tmp_path: Path, prefix: str, capfd: pytest.CaptureFixture[str]) -> None:
        write_h5(tmp_path / "weights.h5", {}, OLD, "2.0.8")
        (tmp_path / "layers.toml").write_text(LIST.replace("NAME", prefix))
        options = ["--weights-of", str(tmp_path / "layers.toml"), "--check", "2"]
        assert main([str(tmp_path / "weights.h5"), *options]) == 0
        assert ("by their order" in capfd.readouterr().out) == bool(prefix)
        x = fed({"img_in": (1, *SIZE)})
        (given,) = compare.Flat((tmp_path / "weights.tflite").read_bytes())(x).values()
        np.testing.assert_allclose(given[0], old_result(x["img_in"][0]), atol=1e-6)

    @pytest.mark.parametrize("form", [".h5", ".keras"])
    def test_an_old_lstm_keeps_its_hard_sigmoid(self, tf: Any, tmp_path: Path, form: str) -> None:
        """Keras 3 has another function by that name: x/6 + 0.5 instead of 0.2·x + 0.5."""
        kernel, recurrent, bias = arrays = [3 * numbers(6, 8, seed=1), 3 * numbers(2, 8, seed=2), numbers(8, seed=3)]
        lstm = {"name": "lstm", "batch_input_shape": [None, 3, 6], "units": 2, "activation": "tanh",
                "recurrent_activation": "hard_sigmoid", "return_sequences": False}  # fmt: skip
        config = {"class_name": "Sequential", "config": [{"class_name": "LSTM", "config": lstm}]}
        if form == ".h5":
            weights = {
                "lstm": dict(zip(("lstm/kernel:0", "lstm/recurrent_kernel:0", "lstm/bias:0"), arrays, strict=True))
            }
            write_h5(tmp_path / "lstm.h5", config, weights, "2.2.4")
        else:
            write_keras_2(tmp_path / "lstm.keras", config, "_layer_checkpoint_dependencies/lstm/cell/vars", arrays)
        subject = sources.subject(tf, tmp_path / f"lstm{form}", None, {})
        x = fed(subject.inputs)

        state, memory = np.zeros(2), np.zeros(2)
        for frame in x["img_in"][0]:
            i, f, c, o = np.split(frame @ kernel + state @ recurrent + bias, 4)
            i, f, o = (np.clip(0.2 * gate + 0.5, 0, 1) for gate in (i, f, o))
            memory = f * memory + i * np.tanh(c)
            state = o * np.tanh(memory)
        given = compare.Flat(flat.flatten(tf, subject))(x)["lstm"]
        np.testing.assert_allclose(given[0], state, atol=1e-6)

    def test_weights_that_do_not_fit_are_refused(self, tf: Any, tmp_path: Path) -> None:
        odd = {**OLD, "conv": {"conv/kernel:0": numbers(3, 3, 3, 4), "conv/bias:0": numbers(4)}}
        self.refused(
            tf, tmp_path, keras_2(), odd, r"'conv' \(Conv2D\) wants weights of the shapes 5x5x3x4, 4, .* 3x3x3x4, 4"
        )
        self.refused(
            tf, tmp_path, keras_2(), {"conv": OLD["conv"]}, "network has weights in conv, norm, angle_out, the"
        )
        lost = {**OLD, "norm": {key: np.full(4, np.nan, np.float32) for key in OLD["norm"]}}
        self.refused(tf, tmp_path, keras_2(), lost, "'norm' .* weights that are no numbers")

    def test_a_huge_layer_is_refused_before_it_takes_memory(self, tf: Any, tmp_path: Path) -> None:
        import resource

        huge = keras_2()
        huge["config"]["layers"][4]["config"]["units"] = 10**7
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.refused(tf, tmp_path, huge, OLD, "'angle_out' .* wants weights of the shapes 560x10000000")
        unit_bytes = 1 if sys.platform == "darwin" else 1024
        grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit_bytes
        assert grown_bytes < 200 << 20

    def refused(self, tf: Any, folder: Path, config: dict[str, Any], weights: Any, sentence: str) -> None:
        write_h5(folder / "old.h5", config, weights, "2.0.8")
        with pytest.raises(ConvertError, match=rf"old.h5 cannot be converted: .*{sentence}"):
            sources.subject(tf, folder / "old.h5", None, {})


# ---- files of today, against Keras


def straight(of: Any) -> list[Any]:
    return [
        of.Conv2D(4, 5, 2, name="conv"), of.BatchNormalization(), of.Activation("elu"),
        of.DepthwiseConv2D(3, padding="same"),
        of.ReLU(6.0), of.Dropout(0.2), of.SeparableConv2D(5, 3), of.PReLU(shared_axes=[1, 2]), of.MaxPooling2D(),
        of.LeakyReLU(negative_slope=0.1), of.Flatten(), of.Dense(6, activation="swish"), of.Dense(2, name="out"),
    ]  # fmt: skip


def plain(of: Any) -> list[Any]:
    return [
        of.Conv2D(8, 5, 2, name="conv"), of.BatchNormalization(), of.Activation("relu"), of.Dropout(0.2),
        of.Conv2D(16, 3, 2, activation="relu"), of.Flatten(), of.Dense(50, activation="relu"), of.Dense(2, name="out"),
    ]  # fmt: skip


def recurrent(of: Any) -> list[Any]:
    return [
        of.TimeDistributed(of.Conv2D(4, 5, 3, activation="relu")), of.TimeDistributed(of.Dropout(0.1)),
        of.TimeDistributed(of.BatchNormalization()), of.TimeDistributed(of.Flatten()),
        of.LSTM(6, return_sequences=True), of.GRU(5, return_sequences=True), of.SimpleRNN(4, go_backwards=True),
        of.Dense(2, name="out"),
    ]  # fmt: skip


def spatial(of: Any) -> list[Any]:
    return [
        of.Conv3D(4, 3, strides=(1, 2, 2), activation="relu"), of.MaxPooling3D((2, 2, 2)),
        of.AveragePooling3D((1, 3, 2), strides=(1, 2, 2), padding="same"), of.Flatten(), of.Dense(2, name="out"),
    ]  # fmt: skip


def chain(keras: Any, shape: tuple[int, ...], layers: list[Any]) -> Any:
    return shaken(keras.Sequential([keras.layers.Input(shape, name="img_in"), *layers]))


def branches(keras: Any) -> Any:
    """A residual, a shared layer, a nested network, a second input and two outputs."""
    of = keras.layers
    nested = keras.Sequential(
        [of.Input(SIZE), of.Conv2D(4, 5, 2, name="c"), of.BatchNormalization(name="b")], name="nest"
    )
    image, memory = of.Input(SIZE, name="img_in"), of.Input((2,), name="mem_in")
    x = before = nested(image)
    twice = of.Conv2D(4, 3, padding="same", name="twice")
    x = of.Add()([twice(twice(x)), before])
    x = of.Concatenate()([of.GlobalAveragePooling2D()(x), memory])
    outputs = [of.Dense(1, name="z_steer")(x), of.Dense(1, name="a_throttle")(x)]
    return shaken(keras.Model([image, memory], outputs))


def saved(model: Any, folder: Path, form: str) -> tuple[Path, Path | None]:
    """The file, and a layer list if it needs one."""
    path = folder / f"pilot{form}"
    with quiet():
        if form == ".weights.h5":
            model.save_weights(path)
            (folder / "layers.json").write_text(model.to_json())
            return path, folder / "layers.json"
        (model.save if form else model.export)(path)
    return path, None


def agree(tf: Any, model: Any, subject: Subject, names: Mapping[str, str] = {}) -> bytes:
    """The converted network gives what Keras' own model gives, and needs nothing but TFLite."""
    data = flat.flatten(tf, subject)
    x = fed(subject.inputs)
    with quiet():
        wanted = model([tf.constant(x[tensor.name]) for tensor in model.inputs], training=False)
    outputs = dict(zip(subject.outputs, wanted, strict=True)) if isinstance(wanted, list) else {"out": wanted}
    given = compare.Flat(data)(x)
    for name, values in outputs.items():
        assert float(values.numpy().std() + abs(values.numpy()).max()) > 1e-3
        np.testing.assert_allclose(given[names.get(name, name)], values, atol=2e-5, rtol=1e-4)
    operators(data)
    return data


FORMS = [".h5", ".keras", ".weights.h5"]


class TestFilesOfToday:
    @pytest.mark.parametrize("form", [*FORMS, ""])
    def test_a_chain(self, tf: Any, tmp_path: Path, form: str) -> None:
        model = chain(tf.keras, SIZE, straight(tf.keras.layers))
        path, layers = saved(model, tmp_path, form)
        subject = sources.subject(tf, path, layers, {})
        agree(tf, model, subject, {} if form else {"out": "output_0"})

    @pytest.mark.parametrize("form", FORMS)
    def test_branches(self, tf: Any, tmp_path: Path, form: str) -> None:
        model = branches(tf.keras)
        path, layers = saved(model, tmp_path, form)
        agree(tf, model, sources.subject(tf, path, layers, {}))

    def test_outputs_that_are_the_same_tensor_keep_their_names(self, tf: Any, tmp_path: Path) -> None:
        of = tf.keras.layers
        image = of.Input(SIZE, name="img_in")
        once = of.Dense(2, name="once")(of.Flatten()(of.Conv2D(4, 5, 2)(image)))
        model = shaken(tf.keras.Model(image, [once, of.Dropout(0.5, name="twice")(once), once]))
        subject = sources.subject(tf, saved(model, tmp_path, ".keras")[0], None, {})
        assert subject.outputs == ("once", "twice", "once_1")
        agree(tf, model, subject)

    @pytest.mark.parametrize("form", FORMS)
    def test_recurrent_pilots_need_no_loop(self, tf: Any, tmp_path: Path, form: str) -> None:
        model = chain(tf.keras, (3, *SIZE), recurrent(tf.keras.layers))
        path, layers = saved(model, tmp_path, form)
        data = agree(tf, model, sources.subject(tf, path, layers, {}))
        assert not operators(data) & {"WHILE", "UNIDIRECTIONAL_SEQUENCE_LSTM"}

    def test_pooling_over_frames_is_done_in_two_steps(self, tf: Any, tmp_path: Path) -> None:
        model = chain(tf.keras, (4, *SIZE), spatial(tf.keras.layers))
        data = agree(tf, model, sources.subject(tf, saved(model, tmp_path, ".keras")[0], None, {}))
        assert {"CONV_3D", "MAX_POOL_2D", "AVERAGE_POOL_2D"} <= operators(data)

    @pytest.mark.parametrize("make", [recurrent, spatial])
    def test_a_savedmodel_with_loops_names_what_flex_would_be_needed_for(
        self, tf: Any, tmp_path: Path, make: Any
    ) -> None:
        model = chain(tf.keras, (4, *SIZE), make(tf.keras.layers))
        subject = sources.subject(tf, saved(model, tmp_path, "")[0], None, {})
        with pytest.raises(ConvertError, match=r"it needs (TensorList|AvgPool3D).* Flex delegate.* convert .*\.keras"):
            flat.flatten(tf, subject)

    def test_layers_keep_their_names_and_batch_norm_is_folded(self, tf: Any, tmp_path: Path) -> None:
        model = chain(tf.keras, SIZE, plain(tf.keras.layers))
        data = flat.flatten(tf, sources.subject(tf, saved(model, tmp_path, ".keras")[0], None, {}))
        names = [tensor.name for tensor in tflite.read(data).tensors]
        assert any(name.startswith("conv/") for name in names)
        assert not operators(data) - {"CONV_2D", "FULLY_CONNECTED", "RESHAPE"}


# ---- what must not happen


class TestHostileFiles:
    def test_a_lambda_layer_is_not_run(self, tf: Any, tmp_path: Path) -> None:
        marker = tmp_path / "ran"
        code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
        tree = keras_2()
        tree["config"]["layers"][1] = {
            "class_name": "Lambda", "name": "conv", "inbound_nodes": [[["img_in", 0, 0, {}]]],
            "config": {"name": "conv", "function": code, "function_type": "function", "module": "os"},
        }  # fmt: skip
        write_h5(tmp_path / "evil.h5", tree, OLD, "2.0.8")
        with pytest.raises(ConvertError, match=r"'conv' is a Lambda: .*--lambda conv=SCALE,OFFSET"):
            sources.subject(tf, tmp_path / "evil.h5", None, {})
        assert not marker.exists()

    def test_a_class_from_elsewhere_is_not_imported(self, tf: Any, tmp_path: Path) -> None:
        dense = {"module": "os", "class_name": "system", "config": {"name": "d", "command": "true"}}
        config = {"class_name": "Sequential", "config": {"layers": [dense], "build_input_shape": [None, 4]}}
        with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", '{"keras_version": "3.15.0"}')
            archive.writestr("model.weights.h5", b"")
        with pytest.raises(ConvertError, match=r"layer 'd' is a system, which convert does not know"):
            sources.subject(tf, tmp_path / "evil.keras", None, {})

    def test_links_out_of_the_file_are_not_followed(self, tf: Any, tmp_path: Path) -> None:
        write_h5(tmp_path / "other.h5", keras_2(), OLD, "2.0.8")
        write_h5(tmp_path / "evil.h5", keras_2(), OLD, "2.0.8")
        with h5py.File(tmp_path / "evil.h5", "a") as h5:
            del h5["model_weights/conv/conv/kernel:0"]
            h5["model_weights/conv/conv/kernel:0"] = h5py.ExternalLink("other.h5", "model_weights/conv/conv/kernel:0")
        with pytest.raises(ConvertError, match="is in another file or a link, which is not followed"):
            sources.subject(tf, tmp_path / "evil.h5", None, {})

    def test_data_in_another_file_is_not_read(self, tf: Any, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(bytes(range(16)))
        write_h5(tmp_path / "evil.h5", keras_2(), OLD, "2.0.8")
        with h5py.File(tmp_path / "evil.h5", "a") as h5:
            group = h5["model_weights/conv/conv"]
            del group["bias:0"]
            group.create_dataset("bias:0", (4,), np.float32, external=[(str(tmp_path / "secret"), 0, 16)])
        with pytest.raises(ConvertError, match="is in another file or a link, which is not followed"):
            sources.subject(tf, tmp_path / "evil.h5", None, {})

    def test_a_savedmodel_that_writes_files_is_not_run(self, tf: Any, tmp_path: Path) -> None:
        class Evil(tf.Module):  # type: ignore[misc, name-defined, unused-ignore]
            @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32, name="x")])  # type: ignore[untyped-decorator]
            def serve(self, x: Any) -> dict[str, Any]:
                tf.io.write_file(str(tmp_path / "ran"), "here")
                return {"out": tf.reduce_mean(x)}

        evil = Evil()
        with quiet():
            tf.saved_model.save(evil, str(tmp_path / "evil"), signatures=evil.serve)
        with pytest.raises(ConvertError, match=r"operator WriteFile, which reaches beyond the network"):
            sources.subject(tf, tmp_path / "evil", None, {})
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("form", [".h5", ".keras"])
    def test_a_file_cut_anywhere_is_a_sentence(self, tf: Any, tmp_path: Path, form: str) -> None:
        model = chain(tf.keras, (8, 8, 3), [tf.keras.layers.Flatten(), tf.keras.layers.Dense(1)])
        whole = saved(model, tmp_path, form)[0].read_bytes()
        for length in [0, 3, 8, *range(20, len(whole) - 1, len(whole) // 12)]:
            (tmp_path / f"cut{form}").write_bytes(whole[:length])
            with pytest.raises(ConvertError, match=r"cut.* cannot be converted: "):
                sources.subject(tf, tmp_path / f"cut{form}", None, {})

    def test_damaged_bytes_end_in_a_sentence_or_do_not_matter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The HDF5 library itself never returns from some of these."""
        monkeypatch.setattr(hdf5, "PATIENCE_S", 4.0)
        write_h5(tmp_path / "old.h5", keras_2(), OLD, "2.0.8")
        whole, rng = (tmp_path / "old.h5").read_bytes(), np.random.default_rng(0)
        ends = set()
        for _ in range(10):
            damaged = bytearray(whole)
            for at in rng.integers(8, 8000, 20):
                damaged[at] = rng.integers(256)
            (tmp_path / "bad.h5").write_bytes(damaged)
            ends.add(self.end(tmp_path / "bad.h5"))
        assert len(ends) > 1

    def end(self, path: Path) -> str:
        try:
            hdf5.read(path)
        except ConvertError as why:
            return str(why)
        return "harmless"

    def test_other_files_are_told_what_they_are(self, tf: Any, tmp_path: Path) -> None:
        (tmp_path / "a.h5").write_bytes(b"\0\0\0\0TFL3")
        (tmp_path / "b.h5").write_text("hello")
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "saved_model.pb").write_bytes(b"\xff\xff")
        (tmp_path / "d").mkdir()
        with zipfile.ZipFile(tmp_path / "e.keras", "w") as archive:
            archive.writestr("other", "")
        with h5py.File(tmp_path / "f.h5", "w"):
            pass
        for name, sentence in {
            "a.h5": "it is a .tflite file already", "b.h5": r"neither Keras' .h5 or .keras nor a SavedModel",
            "c": r"saved_model\.pb cannot be read", "d": r"without saved_model\.pb", "e.keras": "no usable .keras file",
            "f.h5": "holds weights only; describe its layers in a file and give that with --weights-of",
        }.items():  # fmt: skip
            with pytest.raises(ConvertError, match=sentence):
                sources.subject(tf, tmp_path / name, None, {})


# ---- numbers, checks, command


class TestNumbers:
    @pytest.mark.parametrize(("flag", "kind"), [("float16", "FLOAT32"), ("hybrid", "FLOAT32"), ("int8", "INT8")])
    def test_smaller_files_still_follow_the_original(
        self, tf: Any, tmp_path: Path, flag: str, kind: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        model = chain(tf.keras, SIZE, plain(tf.keras.layers))
        path, _ = saved(model, tmp_path, ".keras")
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        for number, rgb in enumerate(frames.of(None, 30)):
            cv2.imwrite(str(pictures / f"{number}.png"), rgb)
        assert main([str(path), f"--{flag}", "--tub", str(pictures)]) == 0
        data = (tmp_path / f"pilot-{flag}.tflite").read_bytes()
        read = tflite.read(data)
        assert {read.tensors[index].type for index in (*read.inputs, *read.outputs)} == {kind}
        assert len(data) < 0.7 * len(flat.flatten(tf, sources.subject(tf, path, None, {})))
        correlation = float(capfd.readouterr().out.split("correlation\n")[1].split()[3])
        assert correlation > 0.95


class TestChecks:
    def subject(self, tf: Any, error: float) -> Subject:
        def off(tensors: Any) -> list[Any]:
            return [tf.reduce_mean(tensors[0], axis=(1, 2)) + error]

        return Subject({"x": (1, 4, 4, 3)}, ("out",), lambda tensors: [tf.reduce_mean(tensors[0], axis=(1, 2))], off)

    @pytest.mark.parametrize("error", [0.0, 1e-3])
    def test_a_network_that_computes_something_else_is_found(self, tf: Any, error: float) -> None:
        subject = self.subject(tf, error)
        feeder = feed.Feeder(subject.inputs, Card().image)
        rows = compare.compare(tf, subject, flat.flatten(tf, subject), map(feeder, frames.of(None, 5)))
        assert rows[0].difference == pytest.approx(error, abs=1e-6)
        assert rows[0].correlation == pytest.approx(1)
        if error:
            with pytest.raises(Disagreement):
                compare.judge(rows, "float32")

    def test_an_original_that_gives_no_numbers_is_refused(self, tf: Any) -> None:
        subject = Subject({"x": (1, 4, 4, 3)}, ("out",), lambda x: [x[0] / 0.0], lambda x: [x[0]])
        feeder = feed.Feeder(subject.inputs, Card().image)
        with pytest.raises(ConvertError, match="no numbers at its output 'out'"):
            compare.compare(tf, subject, flat.flatten(tf, subject), map(feeder, frames.of(None, 1)))


class TestCommand:
    @pytest.fixture
    def pilot(self, tf: Any, tmp_path: Path) -> Path:
        of = tf.keras.layers
        layers = [of.Rescaling(1 / 127.5, -1), of.Conv2D(4, 5, 2), of.Flatten(), of.Dense(2, name="out")]
        return saved(chain(tf.keras, SIZE, layers), tmp_path, ".keras")[0]

    def test_the_card_says_what_the_flags_say(self, pilot: Path) -> None:
        assert main([str(pilot), "--colour", "bgr", "--range=0,1", "--crop", "0.4,0,0,0", "--check", "1"]) == 0
        out = pilot.with_suffix(".tflite")
        read = card.of(out)
        assert (read.image.colour, read.image.range, read.image.crop) == ("bgr", (0, 1), (0.4, 0, 0, 0))
        assert read.pilot == card.sha256(out)

    def test_a_network_that_scales_itself_is_fed_whole_levels(self, pilot: Path) -> None:
        assert main([str(pilot), "--check", "1"]) == 0
        assert card.of(pilot.with_suffix(".tflite")).image.range == (0, 255)

    def test_a_card_that_is_there_keeps_what_it_says(self, pilot: Path) -> None:
        beside = pilot.with_suffix(".toml")
        beside.write_text('[image]\ncrop = [0.25, 0, 0, 0]\ncolour = "bgr"\n')
        assert main([str(pilot), "--force", "--colour", "rgb", "--check", "1"]) == 0
        image = card.of(pilot.with_suffix(".tflite")).image
        assert (image.crop, image.colour) == ((0.25, 0, 0, 0), "rgb")

    def test_nothing_but_our_own_lines_is_printed(self, pilot: Path, capfd: pytest.CaptureFixture[str]) -> None:
        assert main([str(pilot), "--check", "2"]) == 0
        said = capfd.readouterr()
        assert said.err == ""
        assert [line.split(" ")[0] for line in said.out.splitlines()] == [
            "starting", "input", "fed", "compared", "output", "out", "wrote", "wrote"
        ]  # fmt: skip

    def test_a_refused_network_leaves_nothing(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        write_h5(tmp_path / "old.h5", {}, OLD, "2.0.8")
        assert main([str(tmp_path / "old.h5")]) == 2
        assert "holds weights only" in capfd.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["old.h5"]


# ---- what people have


needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")


@needs_shared
class TestRealPilots:
    @pytest.mark.parametrize(
        ("file", "shape"),
        [
            ("pilots/grey/categorical.h5", (1, 120, 160, 3)),
            ("pilots/warehouse/categorical.h5", (1, 120, 160, 3)),
            ("pilots/grey/rnn.h5", (1, 3, 120, 160, 3)),
            ("reference/weights.h5", (1, 120, 160, 3)),
        ],
    )
    def test_they_convert_without_flex(self, tf: Any, tmp_path: Path, file: str, shape: tuple[int, ...]) -> None:
        assert main([str(SHARED / file), "-o", str(tmp_path / "out.tflite"), "--check", "6"]) == 0
        model = tflite.read((tmp_path / "out.tflite").read_bytes())
        operators(model.data)
        assert [model.tensors[index].shape for index in model.inputs] == [shape]

    @pytest.mark.parametrize(("folder", "tub"), [("pilots/grey", "tub-grey"), ("pilots/warehouse", "tub-warehouse")])
    def test_categorical_is_what_its_owner_converted(self, tf: Any, folder: str, tub: str) -> None:
        subject = sources.subject(tf, SHARED / folder / "categorical.h5", None, {})
        ours = compare.Flat(flat.flatten(tf, subject))
        theirs = tflite.read((SHARED / folder / "categorical.tflite").read_bytes())
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=theirs.data)
        interpreter.allocate_tensors()
        feeder = feed.Feeder(subject.inputs, Card().image)
        for rgb in frames.of(SHARED / tub, 12):
            x = feeder(rgb)
            interpreter.set_tensor(theirs.inputs[0], x["img_in"])
            interpreter.invoke()
            given = {len(values[0]): values for values in ours(x).values()}
            for index in theirs.outputs:
                values = interpreter.get_tensor(index)
                np.testing.assert_array_equal(given[values.shape[1]], values)
