"""Reading what Keras wrote as plain data, and all of `models convert` that needs no TensorFlow."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.card import ImageCard
from edge.tflite import Floats
from models.convert import compare, describe, feed, flat, frames, layerlist, main
from models.convert.dialect import OLD_HARD_SIGMOID, scaling
from models.convert.errors import ConvertError, Disagreement
from models.convert.network import Layer, Network, Ref, walk, weighted

GREY = ImageCard(colour="grey", range=(0, 255))


def layer(kind: str, name: str, reads: str = "", **config: Any) -> dict[str, Any]:
    """A layer as Keras 2 writes it into a functional network."""
    nodes = [[[read, 0, 0, {}] for read in reads.split()]] if reads else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def functional(*layers: dict[str, Any], outputs: str, kind: str = "Model") -> str:
    config = {
        "layers": [layer("InputLayer", "img_in", batch_input_shape=[None, 12, 16, 3]), *layers],
        "input_layers": [["img_in", 0, 0]],
        "output_layers": [[name, 0, 0] for name in outputs.split()],
    }
    return json.dumps({"class_name": kind, "config": config})


def sequential(*layers: tuple[str, dict[str, Any]]) -> str:
    """As Keras 1 to 2.2 write it: no names outside, the configuration is the list itself."""
    return json.dumps(
        {"class_name": "Sequential", "config": [{"class_name": kind, "config": config} for kind, config in layers]}
    )


def only(network: Network, kind: str) -> Layer:
    (found,) = (layer for layer in network.every() if layer.kind == kind)
    return found


class TestDescriptions:
    def test_a_functional_network_of_keras_2(self) -> None:
        text = functional(
            layer("Conv2D", "conv", "img_in", filters=4, kernel_size=[5, 5], strides=[2, 2], activation="relu"),
            layer("Flatten", "flat", "conv"),
            layer("Dense", "angle_out", "flat", units=15, activation="softmax"),
            layer("Dense", "throttle_out", "flat", units=1),
            outputs="angle_out throttle_out",
        )
        network = describe.network(text, 2)
        assert network.shapes == {"img_in": (12, 16, 3)}
        assert network.output_names() == ("angle_out", "throttle_out")
        assert only(network, "Conv2D") == Layer(
            "Conv2D",
            "conv",
            {"filters": 4, "kernel_size": (5, 5), "strides": (2, 2), "activation": "relu"},
            ((Ref("img_in"),),),
        )

    def test_a_functional_network_of_keras_3(self) -> None:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["img_in", 0, 0]}}
        dense = layer("Dense", "out", units=2, activation={"module": "keras.activations", "config": "relu"})
        dense["inbound_nodes"] = [{"args": [tensor], "kwargs": {"training": False}}]
        inputs = layer("InputLayer", "img_in", batch_shape=[None, 8])
        config = {"layers": [inputs, dense], "input_layers": ["img_in", 0, 0], "output_layers": ["out", 0, 0]}
        network = describe.network(json.dumps({"class_name": "Functional", "config": config}), 3)
        assert network.shapes == {"img_in": (8,)}
        assert only(network, "Dense").calls == ((Ref("img_in"),),)
        assert only(network, "Dense").settings["activation"] == "relu"

    def test_the_words_of_keras_1(self) -> None:
        text = sequential(
            ("Convolution2D", {
                "name": "convolution2d_1", "batch_input_shape": [None, 12, 16, 3], "nb_filter": 4, "nb_row": 5,
                "nb_col": 3, "subsample": [2, 2], "border_mode": "same", "dim_ordering": "tf", "bias": False,
                "init": "glorot_uniform", "W_regularizer": None, "activation": "relu",
            }),
            ("Dropout", {"name": "dropout_1", "p": 0.5}),
            ("Flatten", {"name": "flatten_1"}),
            ("Dense", {"name": "dense_1", "output_dim": 2, "bias": True, "activation": "linear"}),
        )  # fmt: skip
        network = describe.network(text, 1)
        assert network.shapes == {"img_in": (12, 16, 3)}
        assert only(network, "Conv2D").settings == {
            "filters": 4, "kernel_size": (5, 3), "strides": (2, 2), "padding": "same", "activation": "relu",
            "use_bias": False,
        }  # fmt: skip
        assert only(network, "Dense").settings == {"units": 2, "activation": "linear", "use_bias": True}
        assert network.outputs == (Ref("dense_1"),)

    def test_a_merge_layer_of_keras_1_is_what_its_mode_says(self) -> None:
        text = functional(
            layer("Dense", "a", "img_in", units=3),
            layer("Dense", "b", "img_in", units=3),
            layer("Merge", "both", "a b", mode="concat", concat_axis=-1),
            outputs="both",
        )
        assert only(describe.network(text, 1), "Concatenate") == Layer(
            "Concatenate", "both", {"axis": -1}, ((Ref("a"), Ref("b")),)
        )

    def test_what_changed_its_meaning_between_versions(self) -> None:
        text = functional(layer("GRU", "gru", "img_in", units=3, recurrent_activation="hard_sigmoid"), outputs="gru")
        old, new = (only(describe.network(text, version), "GRU").settings for version in (2, 3))
        assert old == {"units": 3, "recurrent_activation": OLD_HARD_SIGMOID, "reset_after": False}
        assert new == {"units": 3, "recurrent_activation": "hard_sigmoid"}

    def test_wrapped_and_nested_layers(self) -> None:
        inner = json.loads(functional(layer("Conv2D", "c", "img_in", filters=2, kernel_size=3), outputs="c"))
        backbone = layer("Model", "backbone", "img_in", **inner["config"])
        wrapped = layer("TimeDistributed", "each", "backbone", layer={"class_name": "Dense", "config": {"units": 4}})
        network = describe.network(functional(backbone, wrapped, outputs="each"), 2)
        assert only(network, "Conv2D").settings == {"filters": 2, "kernel_size": 3}
        assert only(network, "Dense").settings == {"units": 4}
        assert [layer.name for layer in network.layers if weighted(layer)] == ["backbone", "each"]

    def test_a_lambda_layer_is_refused_and_can_be_explained(self) -> None:
        text = functional(
            layer("Lambda", "norm", "img_in", function=["4wEAAAAAAAAA", None, None]),
            layer("Flatten", "flat", "norm"),
            outputs="flat",
        )
        with pytest.raises(ConvertError, match=r"layer 'norm' is a Lambda: .*never run.*--lambda norm=SCALE,OFFSET"):
            describe.network(text, 2)
        network = describe.network(text, 2, scaling({"norm": (1 / 127.5, -1.0)}))
        assert only(network, "Rescaling").settings == {"scale": 1 / 127.5, "offset": -1.0}

    @pytest.mark.parametrize(
        ("odd", "sentence"),
        [
            (layer("Bidirectional", "odd", "img_in"), "layer 'odd' is a Bidirectional, which convert does not know"),
            (layer("Conv2D", "odd", "img_in", data_format="channels_first"), "layer 'odd' has its channels first"),
            (layer("Dense", "odd", "img_in", activation="mine"), "layer 'odd' has the activation 'mine'"),
            (layer("LSTM", "odd", "img_in", stateful=True), "layer 'odd' remembers earlier frames"),
            (layer("LSTM", "odd", "img_in", return_state=True), r"layer 'odd' hands out its state"),
            (
                layer("Dense", "odd", "img_in", units={"class_name": "os.system"}),
                "description of the layers is damaged",
            ),
        ],
    )
    def test_what_is_not_known_is_refused_by_name(self, odd: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ConvertError, match=sentence):
            describe.network(functional(odd, outputs="odd"), 2)

    @pytest.mark.parametrize("shape", [[None, None, None, 3], None, [None], [None, 0, 4], [None, 2**40, 3], "120x160"])
    def test_an_input_of_no_fixed_size_is_refused(self, shape: object) -> None:
        text = sequential(("Dense", {"name": "d", "batch_input_shape": shape, "units": 1}))
        with pytest.raises(ConvertError, match="input 'img_in'"):
            describe.network(text, 2)

    @pytest.mark.parametrize(
        "text",
        ["", "null", "[]", "{}", '{"class_name": "Model", "config": {}}', '{"class_name": "Sequential", "config": []}',
         "[" * 100_000, '{"class_name": "Model", "config": {"layers": [7], "input_layers": [], "output_layers": []}}'],
    )  # fmt: skip
    def test_damage_is_a_sentence(self, text: str) -> None:
        with pytest.raises(ConvertError):
            describe.network(text, 2)

    def test_a_subclassed_model_does_not_say_what_it_is_made_of(self) -> None:
        with pytest.raises(ConvertError, match="it is a MyPilot"):
            describe.network('{"class_name": "MyPilot", "config": {}}', 3)


class TestWalk:
    def names(self, text: str) -> list[str]:
        def apply(layer: Layer, reads: list[str]) -> str:
            return f"{layer.name}({', '.join(reads)})"

        return walk(describe.network(text, 2), ["x"], apply)

    def test_layers_may_stand_in_any_order(self) -> None:
        text = functional(layer("Dense", "b", "a"), layer("Dense", "a", "img_in"), outputs="b a")
        assert self.names(text) == ["b(a(x))", "a(x)"]

    def test_a_shared_layer_is_called_for_each_reader(self) -> None:
        shared = layer("Dense", "s", "img_in")
        shared["inbound_nodes"].append([["a", 0, 0, {}]])
        last = layer("Add", "sum")
        last["inbound_nodes"] = [[["s", 0, 0, {}], ["s", 1, 0, {}]]]
        assert self.names(functional(shared, layer("Dense", "a", "s"), last, outputs="sum")) == [
            "sum(s(x), s(a(s(x))))"
        ]

    @pytest.mark.parametrize("reads", ["nobody", "loop"])
    def test_what_cannot_be_reached_is_refused(self, reads: str) -> None:
        with pytest.raises(ConvertError, match="'loop' cannot be reached"):
            self.names(functional(layer("Dense", "loop", reads), outputs="loop"))


LIST = """
input = [12, 16, 3]
outputs = ["angle_out", "throttle_out"]
[[layers]]
type = "Conv2D"
name = "conv"
filters = 4
kernel_size = 5
activation = "relu"
[[layers]]
type = "Dropout"
rate = 0.5
[[layers]]
type = "Flatten"
[[layers]]
type = "Dense"
name = "angle_out"
units = 15
[[layers]]
type = "Dense"
name = "throttle_out"
units = 1
from = "flatten_3"
"""


class TestLayerLists:
    def read(self, folder: Path, text: str) -> Network:
        path = folder / "layers.toml"
        path.write_text(text)
        return layerlist.read(path)

    def test_each_layer_reads_the_one_above_unless_told(self, tmp_path: Path) -> None:
        network = self.read(tmp_path, LIST)
        assert network.shapes == {"img_in": (12, 16, 3)}
        assert {layer.name: layer.calls[0] for layer in network.layers if layer.calls} == {
            "conv": (Ref("img_in"),),
            "dropout_2": (Ref("conv"),),
            "flatten_3": (Ref("dropout_2"),),
            "angle_out": (Ref("flatten_3"),),
            "throttle_out": (Ref("flatten_3"),),
        }
        assert network.output_names() == ("angle_out", "throttle_out")

    def test_toml_and_json_say_the_same(self, tmp_path: Path) -> None:
        import tomllib

        assert self.read(tmp_path, LIST) == self.read(tmp_path, json.dumps(tomllib.loads(LIST)))

    def test_what_keras_writes_to_json_does_too(self, tmp_path: Path) -> None:
        text = functional(layer("Flatten", "flat", "img_in"), outputs="flat")
        assert self.read(tmp_path, text) == describe.network(text, 3)

    @pytest.mark.parametrize(
        ("was", "becomes", "sentence"),
        [
            ("input = [12, 16, 3]", "", "it has no 'input'"),
            ("input = [12, 16, 3]", "input = [0, 16, 3]", "input 'img_in' has the shape 0x16x3"),
            ("filters = 4", "filter = 4", r"layer 'conv' \(Conv2D\) has no setting 'filter'; it has filters, kernel"),
            ('"Conv2D"', '"Conf2D"', "layer 'conv' is a Conf2D, which convert does not know"),
            ('name = "angle_out"', 'name = "conv"', "two layers are called 'conv'"),
            ('outputs = ["angle_out", ', 'outputs = ["angel", ', "output 'angel' is no layer of the list"),
            ('from = "flatten_3"', "from = 3", "layers.toml"),
            ("[[layers]]", "[[layers", "neither TOML nor JSON"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, was: str, becomes: str, sentence: str) -> None:
        with pytest.raises(ConvertError, match=sentence):
            self.read(tmp_path, LIST.replace(was, becomes, 1))

    def test_weights_given_as_a_list_are_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n\xff")
        with pytest.raises(ConvertError, match="it is not text"):
            layerlist.read(tmp_path / "weights.h5")
        with pytest.raises(ConvertError, match="No such file"):
            layerlist.read(tmp_path / "none.toml")


class TestFeeds:
    def fed(self, shape: tuple[int, ...], card: ImageCard = GREY, count: int = 5) -> list[Floats]:
        """Feeds for frames that are black, one level above black, …"""
        feeder = feed.Feeder({"x": shape}, card)
        return [feeder(np.full((2, 2, 3), number, np.uint8))["x"] for number in range(count)]

    @pytest.mark.parametrize(
        ("card", "wanted"),
        [
            (ImageCard(), [0, 0.2, 1]),
            (ImageCard(colour="bgr", range=(0, 255)), [255, 51, 0]),
            (ImageCard(range=(-1, 1)), [-1, -0.6, 1]),
        ],
    )
    def test_a_frame_is_prepared_by_the_card(self, card: ImageCard, wanted: list[float]) -> None:
        rgb = np.array([[[0, 51, 255]]], np.uint8)
        fed = feed.Feeder({"x": (1, 1, 1, 3)}, card)(rgb)["x"]
        np.testing.assert_allclose(fed.ravel(), wanted, atol=1e-6)

    def test_a_sequence_is_the_last_ones_oldest_first(self) -> None:
        first, *_, last = self.fed((1, 3, 1, 1, 1))
        assert first.ravel().tolist() == [0, 0, 0]
        assert last.ravel().tolist() == [2, 3, 4]

    @pytest.mark.parametrize(
        ("channels", "wanted"), [(9, [2, 2, 2, 3, 3, 3, 4, 4, 4]), (2, [3, 4]), (4, [1, 2, 3, 4]), (1, [4])]
    )
    def test_stacked_frames_lie_behind_each_other(self, channels: int, wanted: list[int]) -> None:
        assert self.fed((1, 1, 1, channels), ImageCard(range=(0, 255)))[-1].ravel().tolist() == wanted

    def test_what_is_no_picture_gets_numbers_that_vary(self) -> None:
        numbers = np.stack(self.fed((1, 7), count=50))
        assert numbers.min() < -0.9
        assert numbers.max() > 0.9
        assert np.abs(numbers).max() <= 1


class TestFrames:
    def test_a_folder_is_used_evenly_and_in_parts(self, tmp_path: Path) -> None:
        for number in range(40):
            cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8, 3), 5 * number, np.uint8))
        calibrated, checked = ([int(rgb[0, 0, 0]) // 5 for rgb in frames.of(tmp_path, 10, part)] for part in (0, 1))
        assert calibrated == list(range(0, 40, 4))
        assert checked == list(range(1, 40, 4))

    def test_more_frames_than_there_are(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "one.png"), np.zeros((8, 8, 3), np.uint8))
        assert len(list(frames.of(tmp_path, 10, part=1))) == 1

    def test_the_simulated_track_shows_different_places(self) -> None:
        shown = list(frames.of(None, 4))
        assert {frame.shape for frame in shown} == {(120, 160, 3)}
        assert all(np.abs(a.astype(int) - b).mean() > 2 for a, b in pairwise(shown))

    @pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
    def test_no_frames_are_a_sentence(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        make(tmp_path / "tub")
        with pytest.raises(ConvertError, match="tub"):
            list(frames.of(tmp_path / "tub", 3))


class TestJudging:
    def test_a_float_network_may_differ_by_a_ten_thousandth(self) -> None:
        compare.judge([compare.Row("steer", 0.5, 0.99e-4, 1.0), compare.Row("far", 1000.0, 0.09, 1.0)], "float32")
        with pytest.raises(Disagreement, match=r"differs from the original by 0\.00011 at its output 'steer'"):
            compare.judge([compare.Row("steer", 0.5, 1.1e-4, 1.0)], "float32")
        with pytest.raises(Disagreement):
            compare.judge([compare.Row("steer", 0.5, float("nan"), 1.0)], "float32")

    def test_integers_are_judged_by_the_reader(self) -> None:
        compare.judge([compare.Row("steer", 0.5, 0.3, 0.2)], "int8")

    def test_the_table_is_aligned(self) -> None:
        assert compare.table([compare.Row("angle_out", 0.98581, 1.77e-7, 1.0)]) == [
            "output     greatest  difference  correlation",
            "angle_out  0.9858    1.8e-07     1.000000",
        ]


class TestRefusals:
    def test_operators_only_flex_has_are_named(self) -> None:
        said = (
            "Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback using TF "
            "Select. \nTF Select ops: MaxPool3D, TensorListReserve\nDetails:\n\ttf.MaxPool3D(tensor<1x4x?xf32>)\n"
            "error: 'tf.MaxPool3D' op is neither a custom op nor a flex op\n"
            "error: 'tf.TensorListReserve' op requires element_shape to be static\n"
        )
        assert str(flat.refusal(said)).startswith("it needs MaxPool3D, TensorListReserve, which TFLite has only with")

    def test_anything_else_is_quoted_in_short(self) -> None:
        assert str(flat.refusal("a\n  b")) == "TensorFlow Lite does not convert it: a b"


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one sentence on stderr."""
    assert main([str(arg) for arg in argv]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


class TestCommand:
    def test_what_is_wrong_is_said_before_tensorflow_starts(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = tmp_path / "pilot.h5"
        source.touch()
        assert "give a tub with --tub" in refused(capsys, source, "--int8")
        assert "frames cannot be taken" in refused(capsys, source, "--int8", "--tub", tmp_path / "none")
        assert "none" in refused(capsys, source, "--check", tmp_path / "none")
        assert "cannot be written" in refused(capsys, source, "-o", tmp_path / "no" / "where.tflite")
        (tmp_path / "pilot.tflite").touch()
        assert "is there already" in refused(capsys, source)
        (tmp_path / "pilot.tflite").unlink()
        (tmp_path / "pilot.toml").write_text("no card")
        assert "pilot.toml is there already" in refused(capsys, source)
        assert "is not valid TOML" in refused(capsys, source, "--force")
        assert "would replace the layer list" in refused(capsys, source, "--weights-of", tmp_path / "pilot.toml")
        assert "range gives black more than white" in refused(
            capsys, source, "-o", tmp_path / "a.tflite", "--range=1,0"
        )
        assert "none.h5 cannot be read" in refused(capsys, tmp_path / "none.h5")

    @pytest.mark.parametrize("text", ["norm", "norm=", "norm=a,b", "norm=1,2,3"])
    def test_a_scaling_is_two_numbers(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            main(["pilot.h5", "--lambda", text])
        assert "NAME=SCALE,OFFSET" in capsys.readouterr().err
