"""What a model offers and how it is fed, before anything runs: its file and its card, put together.

What neither says is told from the file as far as it can be: a quantized image says what black and white are, and so
does a network that divides its image by 255; a stack of 9 channels is three frames in colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from msgspec import structs

from edge import convpath
from edge.card import Card, ImageCard, OutputCard
from edge.controls import Controls, assign
from edge.convpath import ConvPath
from edge.extras import Extra, extra
from edge.operators import CONVOLUTIONS, layer_name
from edge.targets import Target, targets
from edge.tflite import Model, Operator, PilotError, Tensor

MAX_OUTPUTS = 16
MAX_OUTPUT_VALUES = 64
"""An output with more values steers nothing; it is left out."""
MAX_CHANNELS = 96

IMAGE_TYPES = ("FLOAT32", "INT8", "UINT8", "INT16")

_HEAD = frozenset(
    {"TANH", "LOGISTIC", "SOFTMAX", "RELU", "RELU6", "RESHAPE", "SQUEEZE", "ADD", "QUANTIZE", "DEQUANTIZE"}
)
_PASSES_LEVELS = frozenset(
    {"CAST", "QUANTIZE", "DEQUANTIZE", "RESHAPE", "STRIDED_SLICE", "SLICE", "PAD", "PADV2", "ADD", "SUB", "MUL", "DIV"}
)
_LIMITS = {"INT8": (-128.0, 127.0), "UINT8": (0.0, 255.0), "INT16": (-32768.0, 32767.0)}
_DIM = 0.05
"""A network that multiplies its image by less than this wants it as 0..255: usual are 0.5 to 1, or 0.003 to 0.006."""
_BRIGHT = 20.0
"""A quantized image that can hold more than this is one of 0..255."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Numbers are indices of tensors."""

    image: Tensor
    path: ConvPath
    outputs: dict[str, int]
    controls: Controls
    targets: dict[str, Target]
    extras: tuple[Extra, ...]
    card: Card
    """With all that it left to be told filled in."""


def plan(model: Model, card: Card | None = None) -> Plan:
    """What there is to feed, to run and to show in a model. Raises PilotError where it is not supported."""
    card = card or Card()
    check_operators(model)
    image = find_image(model)
    outputs = _outputs(model)
    sizes = {name: prod(model.tensors[index].shape) for name, index in outputs.items()}
    controls, extras = assign(sizes, card.outputs), _extras(model, image, card)
    probable = frozenset(name for name, index in outputs.items() if _is_probability(model, index))
    return Plan(
        image=image,
        path=convpath.find(model, image.index),
        outputs=outputs,
        controls=controls,
        targets=targets(controls, probable),
        extras=extras,
        card=structs.replace(
            card,
            image=_image(model, image, card.image),
            outputs=_read_as(controls, card.outputs),
            inputs=card.inputs | {it.name: it.kind for it in extras if it.kind},
        ),
    )


def dimensions(shape: Sequence[int]) -> str:
    """A shape for people, such as 1x120x160x3."""
    return "x".join(map(str, shape)) or "scalar"


def input_name(model: Model, index: int) -> str:
    """By signature; else the tensor's."""
    return model.names.get(index) or model.tensors[index].name or f"input {index}"


def output_name(model: Model, index: int) -> str:
    """By signature; else the name of the dense layer it comes from; else the tensor's."""
    maker = _before(model, index, _HEAD)
    layer = layer_name(model, maker) if maker and maker.name == "FULLY_CONNECTED" else ""
    return model.names.get(index) or layer or model.tensors[index].name or f"output {index}"


def find_image(model: Model) -> Tensor:
    """The camera image among the inputs. Raises PilotError where there is none that can be fed."""
    tensors = [model.tensors[index] for index in dict.fromkeys(model.inputs)]
    images = [tensor for tensor in tensors if len(tensor.shape) in {4, 5}]
    if not images:
        raise _no_image(model, tensors)
    image = next((it for it in images if _called_image(input_name(model, it.index))), images[0])
    about = f"its input {input_name(model, image.index)!r} has the shape {dimensions(image.shape)}"
    if image.type not in IMAGE_TYPES:
        raise PilotError(f"takes its image as {image.type}; only {', '.join(IMAGE_TYPES)} are supported")
    if image.shape[0] != 1 or min(image.shape) < 1:
        raise PilotError(
            f"takes more than one image at a time, or of an open size: {about}; fix it and convert it again"
        )
    if open_size(image):
        raise PilotError(
            "leaves the size of its image open: say `size = [HEIGHT, WIDTH]` in its card, or convert it again "
            "with a fixed size"
        )
    if image.shape[-1] > MAX_CHANNELS and image.shape[1] in {1, 3}:
        raise PilotError(f"wants its channels before rows and columns: {about}; convert it again with channels last")
    if image.shape[-1] > (MAX_CHANNELS if len(image.shape) == 4 else 3):
        raise PilotError(f"wants images of {image.shape[-1]} channels, which no camera gives: {about}")
    return image


def open_size(image: Tensor) -> bool:
    """Whether a run may choose height and width, and the file says none."""
    return image.shape[-3:-1] == (1, 1) and -1 in image.signature[-3:-1]


def _no_image(model: Model, tensors: Sequence[Tensor]) -> PilotError:
    if not tensors:
        return PilotError("has no input")
    tensor = max(tensors, key=lambda tensor: len(tensor.shape))
    shape = dimensions(tensor.shape)
    return PilotError(f"takes no camera image: its input {input_name(model, tensor.index)!r} has the shape {shape}")


def _called_image(name: str) -> bool:
    return any(word in name.lower() for word in ("img", "image", "camera", "frame"))


def check_operators(model: Model) -> None:
    """Raises PilotError where plain TFLite cannot run it; tflite.read leaves such files to this."""
    custom = sorted({operator.name for operator in model.operators if operator.custom})
    if any(name.startswith("Flex") for name in custom):
        raise PilotError(
            f"needs TensorFlow itself for {', '.join(custom)}: convert it again without Flex (TFLITE_BUILTINS alone; "
            "recurrent layers with unroll=True), or build it of layers that TFLite has"
        )
    if custom:
        raise PilotError(f"needs operators that plain TFLite does not have: {', '.join(custom)}")
    if model.subgraphs > 1:
        raise PilotError(
            f"consists of {model.subgraphs} networks that call each other: convert it again without loops (recurrent "
            "layers with unroll=True)"
        )


def _image(model: Model, image: Tensor, card: ImageCard) -> ImageCard:
    """How the image is made, with what the card leaves open filled in."""
    channels = image.shape[-1]
    stacked = channels if len(image.shape) == 4 else 1
    frames = card.frames or (image.shape[1] if len(image.shape) == 5 else stack(channels, card))
    if len(image.shape) == 5 and (frames != image.shape[1] or card.order != "oldest-first"):
        raise PilotError(
            f"is fed a sequence of {image.shape[1]} frames, oldest-first; its card says {frames}, {card.order}"
        )
    each = channels // frames if stacked > 1 else channels
    if (stacked > 1 and channels % frames) or each not in {1, 3}:
        raise PilotError(f"takes {channels} channels, which {frames} frames of 1 or 3 channels do not make")
    if each == 1 and card.colour not in {None, "grey"}:
        raise PilotError(f"takes frames in grey, not the {card.colour} of its card")
    colour = card.colour or ("grey" if each == 1 else "rgb")
    return structs.replace(card, frames=frames, colour=colour, range=card.range or _levels(model, image))


def stack(channels: int, card: ImageCard) -> int:
    """How many frames that many channels are."""
    if channels in {1, 3}:
        return 1
    return channels if channels % 3 or card.colour == "grey" else channels // 3


def _levels(model: Model, image: Tensor) -> tuple[float, float]:
    """What black and white are for the network, told from how it begins."""
    at, gain = image, 1.0
    while at.type not in _LIMITS:
        users = [operator for operator in model.operators if at.index in operator.inputs]
        if len(users) != 1 or not users[0].outputs:
            return (0, 1)
        gain *= _gain(model, users[0], at.index)
        if users[0].name not in _PASSES_LEVELS:
            return (0, 255) if gain < _DIM else (0, 1)
        at = model.tensors[users[0].outputs[0]]
    return _known_levels(at)


def _known_levels(tensor: Tensor) -> tuple[float, float]:
    """The usual levels that a quantized image was made for; the numbers it can hold say which."""
    limits = _LIMITS[tensor.type]
    if tensor.quantization is None:
        return limits if tensor.type == "INT8" else (0, 255)
    low, high = tensor.quantization.real(np.array(limits, np.float32)).tolist()
    if high > _BRIGHT:
        return (0, 255)
    return (-1, 1) if low < -0.25 and tensor.type != "INT16" else (0, 1)


def _gain(model: Model, operator: Operator, at: int) -> float:
    """About what an operator multiplies the values of tensor `at` by.

    For a convolution: its sum over values that know nothing of each other. Converters put a scaling, or the batch
    normalisation of pixels 0..255, into its weights.
    """
    others = [model.constant(index) for index in operator.inputs[:2] if index not in {at, -1}]
    if len(others) != 1 or others[0] is None or not others[0].any():
        return 1.0
    size = float(np.sqrt(np.square(others[0], dtype=np.float64).mean()))
    if operator.name in CONVOLUTIONS:
        channels = np.atleast_1d(others[0]).shape[0 if operator.name == "CONV_2D" else -1]
        return float(size * np.sqrt(others[0].size / channels))
    return size if operator.name == "MUL" else 1 / size if operator.name == "DIV" else 1.0


def _extras(model: Model, image: Tensor, card: Card) -> tuple[Extra, ...]:
    names = {input_name(model, index): index for index in dict.fromkeys(model.inputs) if index != image.index}
    if unknown := [name for name in card.inputs if name not in names]:
        known = ", ".join(names) or "none but the image"
        raise PilotError(f"has no input {unknown[0]!r}, which its card speaks of; it has {known}")
    return tuple(extra(name, model.tensors[index], card.inputs.get(name)) for name, index in names.items())


def _outputs(model: Model) -> dict[str, int]:
    """Outputs of few values by name, each name once, in the file's order."""
    found: dict[str, int] = {}
    unusable = ""
    for index in dict.fromkeys(model.outputs):
        tensor = model.tensors[index]
        if tensor.type not in IMAGE_TYPES:
            unusable = f"gives output {tensor.name!r} as {tensor.type}; only {', '.join(IMAGE_TYPES)} are supported"
        elif 0 < prod(tensor.shape) <= MAX_OUTPUT_VALUES and len(found) < MAX_OUTPUTS:
            name = output_name(model, index)[:64]
            found[name if name not in found else f"output {index}"] = index
    if not found:
        raise PilotError(unusable or f"has no output of at most {MAX_OUTPUT_VALUES} values, so it cannot steer")
    return found


def _read_as(controls: Controls, card: OutputCard) -> OutputCard:
    throttle = controls.throttle.place_name if controls.throttle else "none"
    return structs.replace(card, steering=controls.steering.place_name, throttle=throttle)


def _is_probability(model: Model, index: int) -> bool:
    maker = _before(model, index, frozenset({"RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE"}))
    return maker is not None and maker.name in {"SOFTMAX", "LOGISTIC"}


def _before(model: Model, index: int, passed: frozenset[str]) -> Operator | None:
    """The operator that a tensor comes from, behind all that are `passed`."""
    for maker in _makers(model, index):
        if maker.name not in passed or not maker.inputs:
            return maker
    return None


def _makers(model: Model, index: int) -> Iterator[Operator]:
    """The operators before a tensor, from it upwards along first inputs."""
    while maker := model.makers.get(index):
        yield maker
        index = maker.inputs[0] if maker.inputs else -1
