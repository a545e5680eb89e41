"""A pilot: the network that turns one camera frame into steering and throttle, run with its activations exposed.

rgb ─▶ resize ─▶ grey? ─▶ ÷255 ─▶ interpreter ─┬─▶ outputs by name ─▶ drive
                                               └─▶ activations of the convolutions (views)
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edge import convpath, tflite
from edge.controls import Controls, assign
from edge.convpath import ConvPath
from edge.operators import layer_name
from edge.tflite import Model, Operator, PilotError, Tensor
from wire import Drive

__all__ = ["Pilot", "PilotError", "Plan", "plan"]

MAX_FILE_BYTES = 512 * 2**20
MAX_OUTPUTS = 16
MAX_OUTPUT_VALUES = 64
"""An output with more values steers nothing; it is left out."""

_WHITE = np.float32(255)
_HEAD = frozenset({"TANH", "LOGISTIC", "SOFTMAX", "RELU", "RELU6", "RESHAPE", "SQUEEZE", "ADD"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model offers, before anything runs. Numbers are indices of tensors."""

    image: Tensor
    path: ConvPath
    outputs: dict[str, int]
    controls: Controls


class Pilot:
    """One loaded pilot. Not for several threads at once."""

    def __init__(self, name: str, sha256: str, wanted: Plan, interpreter: Interpreter) -> None:
        """Use `Pilot.load`."""
        _, height, width, channels = wanted.image.shape
        self.name = name
        self.sha256 = sha256
        """Of the file's bytes, hexadecimal."""
        self.input_size = (height, width)
        self.channels: int = channels
        """1 (grey) or 3 (red, green, blue)."""
        self.geometry = wanted.path.geometry
        self.controls = wanted.controls
        self._interpreter = interpreter
        self._image = interpreter.tensor(wanted.image.index)
        self._taps = [interpreter.tensor(tap) for tap in wanted.path.taps]
        self._outputs = {output: interpreter.tensor(index) for output, index in wanted.outputs.items()}
        self._resized = np.empty((height, width, 3), np.uint8)
        self._grey = np.empty((height, width), np.uint8)

    @classmethod
    def load(cls, path: Path, *, threads: int = 1) -> Self:
        """Read, check and start a .tflite file. Raises PilotError with the file's name and the reason."""
        try:
            data = _read(path)
            model = tflite.read(data)
            wanted = plan(model)
            exposed = tflite.expose(model, wanted.path.taps)
            interpreter = _start(exposed, wanted, threads)
        except PilotError as why:
            raise PilotError(f"pilot {path} {why}") from why
        return cls(path.stem, hashlib.sha256(data).hexdigest(), wanted, interpreter)

    def infer(self, rgb: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the network on uint8 (h, w, 3), red first, of any size; it is resized to `input_size` if need be.

        Returns the outputs by name, flat copies of at most MAX_OUTPUT_VALUES values, as the network gives them.
        Raises RuntimeError while views from `activations` are still held.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"a frame is uint8 (h, w, 3), not {rgb.dtype} {rgb.shape}")
        np.divide(self._fitted(rgb), _WHITE, out=self._image().reshape(*self.input_size, self.channels))
        self._interpreter.invoke()
        return {name: tensor().ravel().copy() for name, tensor in self._outputs.items()}

    def activations(self) -> list[NDArray[np.float32]]:
        """The activations of the last `infer`: for each tapped step of `geometry`, in order, float32 (h, w, C).

        They are read-only views of the interpreter's own memory: nothing is copied, and they hold until the next
        `infer`, which refuses to run (RuntimeError from TFLite) while any of them, or a slice of one, is alive. So take
        them, reduce them, let them go: `means = [tap.mean(-1) for tap in pilot.activations()]; del tap` in a function.
        """
        return [_read_only(tensor()[0]) for tensor in self._taps]

    def drive(self, outputs: Mapping[str, NDArray[np.float32]]) -> Drive:
        """Steering and throttle from what `infer` gave, as the pilot says, not clamped; NaN and infinity become 0."""
        return self.controls.read(outputs)

    def _fitted(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Shape (h, w, channels) of the network's input; may be `rgb` itself."""
        height, width = self.input_size
        if rgb.shape[:2] != self.input_size:
            shrinks = rgb.shape[0] > height or rgb.shape[1] > width
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            rgb = cv2.resize(rgb, (width, height), dst=self._resized, interpolation=way)
        if self.channels == 1:
            rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=self._grey)[..., np.newaxis]
        return rgb


def plan(model: Model) -> Plan:
    """What there is to run and to show in a model. Raises PilotError where it is not supported."""
    image = _image(model)
    if model.subgraphs > 1:
        raise PilotError(f"consists of {model.subgraphs} networks that call each other; only one is supported")
    if custom := sorted({operator.name for operator in model.operators if operator.custom}):
        raise PilotError(f"needs operators that plain TFLite does not have: {', '.join(custom)}")
    outputs = _outputs(model)
    sizes = {name: prod(model.tensors[index].shape) for name, index in outputs.items()}
    return Plan(image, convpath.find(model, image.index), outputs, assign(sizes))


def dimensions(shape: Sequence[int]) -> str:
    """A shape for people, such as 1x120x160x3."""
    return "x".join(map(str, shape)) or "scalar"


def input_name(model: Model, index: int) -> str:
    """By signature; else the tensor's."""
    return model.names.get(index) or model.tensors[index].name or f"input {index}"


def output_name(model: Model, index: int) -> str:
    """By signature; else the name of the dense layer it comes from; else the tensor's."""
    makers: dict[int, Operator] = {output: it for it in model.operators for output in it.outputs}
    maker = makers.get(index)
    while maker and maker.name in _HEAD and maker.inputs:
        maker = makers.get(maker.inputs[0])
    layer = layer_name(model, maker) if maker and maker.name == "FULLY_CONNECTED" else ""
    return model.names.get(index) or layer or model.tensors[index].name or f"output {index}"


def _read(path: Path) -> bytes:
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise PilotError("is not a file; give the path of a .tflite file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise PilotError(f"is {size >> 20} MB large, a pilot has at most {MAX_FILE_BYTES >> 20}")
        return path.read_bytes()
    except (OSError, ValueError) as why:
        reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
        raise PilotError(f"cannot be read: {reason}") from why


def _image(model: Model) -> Tensor:
    """The camera image among the inputs, which has to be the only one."""
    tensors = [model.tensors[index] for index in model.inputs]
    images = [tensor for tensor in tensors if len(tensor.shape) == 4 and tensor.shape[3] in {1, 3}]
    if not images:
        raise _no_image(model, tensors)
    image = images[0]
    others = [f"{input_name(model, it.index)} ({dimensions(it.shape)})" for it in tensors if it is not image]
    if others:
        raise PilotError(f"needs more than the camera image: {', '.join(others)}; only image pilots are supported")
    if image.type != "FLOAT32":
        raise PilotError(f"takes its image as {image.type}; only FLOAT32 pilots are supported")
    if image.shape[0] != 1 or min(image.shape) < 1:
        raise PilotError(
            f"takes images of shape {dimensions(image.shape)}; only one at a time, of a fixed size, is supported"
        )
    if image.shape[1:3] == (1, 1) and -1 in image.signature[1:3]:
        raise PilotError("leaves the size of its image open; convert it again with a fixed size")
    return image


def _no_image(model: Model, tensors: list[Tensor]) -> PilotError:
    if not tensors:
        return PilotError("has no input")
    tensor = max(tensors, key=lambda tensor: len(tensor.shape))
    about = f"its input {input_name(model, tensor.index)!r} has the shape {dimensions(tensor.shape)}"
    if len(tensor.shape) == 5:
        return PilotError(f"wants a sequence of frames, not one: {about}; such pilots are not supported")
    if len(tensor.shape) == 4:
        return PilotError(f"wants images of {tensor.shape[3]} channels, only 1 or 3 are supported: {about}")
    return PilotError(f"takes no camera image: {about}")


def _outputs(model: Model) -> dict[str, int]:
    """Outputs of few values by name, each name once, in the file's order."""
    found: dict[str, int] = {}
    for index in dict.fromkeys(model.outputs):
        tensor = model.tensors[index]
        if tensor.type != "FLOAT32":
            raise PilotError(f"gives output {tensor.name!r} as {tensor.type}; only FLOAT32 pilots are supported")
        if 0 < prod(tensor.shape) <= MAX_OUTPUT_VALUES and len(found) < MAX_OUTPUTS:
            name = output_name(model, index)[:64]
            found[name if name not in found else f"output {index}"] = index
    if not found:
        raise PilotError(f"has no output of at most {MAX_OUTPUT_VALUES} values, so it cannot steer")
    return found


def _start(exposed: bytes, wanted: Plan, threads: int) -> Interpreter:
    """An interpreter that has run once, on a black image.

    TFLite's own kernels check what they are given, its delegate XNNPACK does not (a SLICE of one input crashes it), so
    they go first. Neither sees anything that tflite.read has not checked.
    """
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        Interpreter(model_content=exposed, experimental_op_resolver_type=plain).allocate_tensors()
        interpreter = Interpreter(model_content=exposed, num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.tensor(wanted.image.index)().fill(0)
        interpreter.invoke()
    except (RuntimeError, ValueError) as why:
        raise PilotError(f"does not run: {' '.join(str(why).split())}") from why
    steps = [step for step in wanted.path.geometry if step.tapped]
    for step, tap in zip(steps, wanted.path.taps, strict=True):
        if (shape := interpreter.tensor(tap)().shape)[:3] != (1, *step.out_size):
            raise PilotError(f"is damaged: layer {step.name!r} gives {dimensions(shape)} where the file says otherwise")
    for name, index in wanted.outputs.items():
        if not 0 < interpreter.tensor(index)().size <= MAX_OUTPUT_VALUES:
            raise PilotError(f"is damaged: its output {name!r} is of another size than the file says")
    return interpreter


def _read_only(view: NDArray[np.float32]) -> NDArray[np.float32]:
    view.flags.writeable = False
    return view
