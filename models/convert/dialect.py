"""The layers that are known, and what older versions of Keras called them and their settings. No TensorFlow.

Only settings that are listed here reach Keras: nothing in a file can name code to be run.
"""

from collections.abc import Callable, Mapping
from typing import Any

from models.convert.errors import ConvertError

_CONV = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias")
_DEPTHWISE = ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "activation", "use_bias")
_RECURRENT = ("units", "activation", "recurrent_activation", "use_bias", "return_sequences", "go_backwards")
_POOL = ("pool_size", "strides", "padding")

KINDS: Mapping[str, tuple[str, ...]] = {
    "InputLayer": (),
    "Conv1D": _CONV,
    "Conv2D": _CONV,
    "Conv3D": _CONV,
    "Conv2DTranspose": (*_CONV, "output_padding"),
    "DepthwiseConv2D": _DEPTHWISE,
    "SeparableConv2D": (*_DEPTHWISE, "filters"),
    "Dense": ("units", "activation", "use_bias"),
    "LSTM": _RECURRENT,
    "GRU": (*_RECURRENT, "reset_after"),
    "SimpleRNN": ("units", "activation", "use_bias", "return_sequences", "go_backwards"),
    "TimeDistributed": (),
    "BatchNormalization": ("axis", "epsilon", "center", "scale"),
    "LayerNormalization": ("axis", "epsilon", "center", "scale"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "LeakyReLU": ("negative_slope",),
    "ELU": ("alpha",),
    "PReLU": ("shared_axes",),
    "Softmax": ("axis",),
    **{f"{how}Pooling{rank}D": _POOL for how in ("Max", "Average") for rank in (1, 2, 3)},
    **{f"Global{how}Pooling{rank}D": ("keepdims",) for how in ("Max", "Average") for rank in (1, 2, 3)},
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Permute": ("dims",),
    "RepeatVector": ("n",),
    **{f"Cropping{rank}D": ("cropping",) for rank in (1, 2, 3)},
    **{f"ZeroPadding{rank}D": ("padding",) for rank in (1, 2, 3)},
    "UpSampling2D": ("size", "interpolation"),
    "Concatenate": ("axis",),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), ()),
    "Rescaling": ("scale", "offset"),
}
"""Class names of Keras 3 and the settings that are passed on."""

IDLE = frozenset(
    {
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "Identity"),
        *("GaussianNoise", "GaussianDropout", "ActivityRegularization"),
        *("RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"),
    }
)
"""Classes that do something in training only."""

WEIGHTED = frozenset(
    {
        *("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D", "Dense"),
        *("LSTM", "GRU", "SimpleRNN", "BatchNormalization", "LayerNormalization", "PReLU"),
    }
)
"""Classes that have weights."""

NETWORKS = frozenset({"Functional", "Model", "Sequential"})

ACTIVATIONS = frozenset(
    {
        *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "hard_sigmoid", "softmax"),
        *("softplus", "softsign", "silu", "hard_silu", "gelu", "exponential", "mish"),
    }
)
OLD_HARD_SIGMOID = "hard_sigmoid of Keras 2"
"""0.2·x + 0.5, cut to 0 … 1. Keras 3 divides by 6 under the same name."""

_KINDS = {
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
    "ThresholdedReLU": "ReLU",
}
_MERGES = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
_SETTINGS = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "concat_axis": "axis",
    "dim_ordering": "data_format",
    "filter_length": "kernel_size",
    "inner_activation": "recurrent_activation",
    "nb_filter": "filters",
    "output_dim": "units",
    "pool_length": "pool_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "theta": "threshold",
}
_KERNEL_AXES = ("kernel_dim1", "kernel_dim2", "kernel_dim3", "nb_row", "nb_col")
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}


def present(kind: str, config: Mapping[str, Any], version: int) -> tuple[str, dict[str, Any]]:
    """A class and its settings in the words of Keras 3, from those of `version` (1, 2 or 3).

    Raises ConvertError: one sentence on the layer, where its class or what it does is not known.
    """
    name = str(config.get("name", kind))
    settings = {_SETTINGS.get(key, key): value for key, value in config.items()}
    kind = _MERGES.get(str(config.get("mode")), kind) if kind == "Merge" else _KINDS.get(kind, kind)
    if kind not in KINDS and kind not in IDLE:
        raise _unknown(kind, name)
    _refuse(name, settings)
    if axes := [config[axis] for axis in _KERNEL_AXES if axis in config]:
        settings["kernel_size"] = axes
    if kind == "LeakyReLU" and "alpha" in settings:
        settings["negative_slope"] = settings["alpha"]
    if kind == "BatchNormalization" and isinstance(settings.get("axis"), list):
        (settings["axis"],) = settings["axis"]
    if kind == "GRU" and version < 3:
        settings.setdefault("reset_after", False)
    for key in ("activation", "recurrent_activation"):
        if key in settings:
            settings[key] = _activation(name, settings[key], version)
    return kind, {key: _plain(settings[key]) for key in KINDS.get(kind, ()) if settings.get(key) is not None}


def _unknown(kind: str, name: str) -> ConvertError:
    if kind in {"Lambda", "TFOpLambda", "SlicingOpLambda"}:
        return ConvertError(
            f"layer {name!r} is a {kind}: Python code inside the file, which is never run; "
            f"if it scales pixels as x·SCALE + OFFSET say so with --lambda {name}=SCALE,OFFSET "
            f"(x/127.5 - 1 is {name}=0.00784313725,-1)"
        )
    return ConvertError(
        f"layer {name!r} is a {kind}, which convert does not know; build the network with another layer, "
        "or save it as a SavedModel folder where it was trained and convert that"
    )


def _refuse(name: str, settings: Mapping[str, Any]) -> None:
    if settings.get("data_format") in {"channels_first", "th"}:
        raise ConvertError(
            f"layer {name!r} has its channels first; train it again with channels last, as TFLite has it"
        )
    if settings.get("stateful") is True:
        raise ConvertError(f"layer {name!r} remembers earlier frames (stateful), which a TFLite pilot cannot")
    if settings.get("return_state") is True:
        raise ConvertError(f"layer {name!r} hands out its state (return_state), which convert does not follow")


def _activation(name: str, value: object, version: int) -> str:
    """By name, also where Keras wrote it as an object."""
    if isinstance(value, Mapping):
        value = value["config"] if isinstance(value.get("config"), str) else value.get("class_name")
    value = _ALIASES.get(str(value), value)
    if value not in ACTIVATIONS and value is not None:
        raise ConvertError(
            f"layer {name!r} has the activation {value!r}, which convert does not know; "
            f"it knows {', '.join(sorted(ACTIVATIONS))}"
        )
    return OLD_HARD_SIGMOID if value == "hard_sigmoid" and version < 3 else str(value or "linear")


def _plain(value: Any) -> Any:
    """Lists as tuples; anything but numbers, words and lists of them is damage."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a setting is {value!r}")


def scaling(scales: Mapping[str, tuple[float, float]]) -> Callable[[str, str], dict[str, Any] | None]:
    """The settings of the Rescaling that stands for a Lambda layer the user has explained; None for any other layer."""

    def explained(kind: str, name: str) -> dict[str, Any] | None:
        if kind != "Lambda" or name not in scales:
            return None
        scale, offset = scales[name]
        return {"scale": scale, "offset": offset}

    return explained
