"""A pilot: the network that turns camera frames into steering and throttle, run with its activations exposed.

rgb ─▶ image.Eye ───┐
                    ├─▶ interpreter ─┬─▶ outputs by name ─▶ drive
extras.Feeder ──────┘                ├─▶ activations of the convolutions (views)
   ▲ memory: the last words          └─▶ backward ─▶ gradients
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import card as cards
from edge import start, tflite
from edge.backward import Backward
from edge.card import Card
from edge.extras import Feeder, store
from edge.image import Eye, Picture
from edge.invoke import invoke
from edge.plan import (
    MAX_OUTPUT_VALUES,
    MAX_OUTPUTS,
    Plan,
    dimensions,
    input_name,
    output_name,
    plan,
)
from edge.tflite import Floats, Model, PilotError
from wire import Drive

__all__ = [
    "MAX_OUTPUTS",
    "MAX_OUTPUT_VALUES",
    "Gradients",
    "Past",
    "Pilot",
    "PilotError",
    "Plan",
    "dimensions",
    "input_name",
    "output_name",
    "plan",
]

_NO_EXTRAS: Mapping[str, Floats] = {}


class Gradients(NamedTuple):
    """How a target changes with what it hangs on, for the last run. Valid until the next call."""

    image: Floats
    """float32 (H, W, C), by each value of the prepared image."""
    taps: list[Floats]
    """float32 (h, w, C) each, by the activations, in their order."""


class Past(NamedTuple):
    """What a pilot remembers; empty for one that is fed single frames."""

    seen: tuple[Picture, ...] = ()
    said: tuple[Drive, ...] = ()


class Pilot:
    """One loaded pilot. Not for several threads at once.

    It remembers frames and its own words where the network is fed such; `infer` adds to them, `run` does not.
    """

    def __init__(
        self, name: str, sha256: str, model: Model, wanted: Plan, backward: Backward | str, interpreter: Interpreter
    ) -> None:
        """Use `Pilot.load`."""
        self.name = name
        self.sha256 = sha256
        """Of the file's bytes, hexadecimal."""
        self.model = model
        """What the file holds, its image of the size it is fed."""
        self.plan = wanted
        self.card = wanted.card
        """How it is fed and read, with nothing left open."""
        self.geometry = wanted.path.geometry
        self.controls = wanted.controls
        self.targets = wanted.targets
        """What a gradient can explain, by name."""
        self.no_gradients = backward if isinstance(backward, str) else ""
        """Why there are no gradients, in one sentence; empty if there are."""
        self._eye = Eye(wanted.image, wanted.card.image)
        self.input_size = self._eye.size
        self.channels = self._eye.channels
        """Of one frame: 1 (grey) or 3."""
        self.frames = self._eye.frames
        """How many frames the network is fed at once."""
        self._feeder = Feeder(wanted.extras, pilot=name, throttles=self.controls.throttle is not None)
        self._interpreter = interpreter
        self._backward = backward if isinstance(backward, Backward) else None
        self._stateful = any(tensor.variable for tensor in model.tensors)
        self._readers: dict[int, Callable[[], NDArray[Any]]] = {}
        self._image = interpreter.tensor(wanted.image.index)
        self._extras = [interpreter.tensor(it.tensor.index) for it in wanted.extras]
        self._taps = [(model.tensors[tap], interpreter.tensor(tap)) for tap in wanted.path.taps]
        self._outputs = {name: (model.tensors[at], interpreter.tensor(at)) for name, at in wanted.outputs.items()}
        self._given = _NO_EXTRAS
        self._told: dict[str, Floats] = {}
        self._chosen: dict[str, int] = {}

    @classmethod
    def load(cls, path: Path, *, card: Card | None = None, threads: int = 1) -> Self:
        """Read, check and start a .tflite file. Raises PilotError with the file's name and the reason.

        Without a `card` the one beside the file counts, if there is one and it was made for this file.
        """
        with _about(f"pilot {path}"):
            data = start.read(path)
            return cls._read(path.stem, data, cards.of(path) if card is None else card, threads)

    @classmethod
    def read(cls, name: str, data: bytes, card: Card | None = None, *, threads: int = 1) -> Self:
        """The same of a .tflite file's bytes, called `name`; without a `card` it is fed as the file itself says."""
        with _about(f"pilot {name!r}"):
            return cls._read(name, data, card or Card(), threads)

    @classmethod
    def _read(cls, name: str, data: bytes, card: Card, threads: int) -> Self:
        model = start.sized(tflite.read(data), card)
        return cls._begin(name, hashlib.sha256(data).hexdigest(), model, plan(model, card), threads)

    @classmethod
    def _begin(cls, name: str, sha256: str, model: Model, wanted: Plan, threads: int) -> Self:
        backward = start.backward(model, wanted)
        needs = () if isinstance(backward, str) else backward.needs
        interpreter = start.start(tflite.expose(model, [*wanted.path.taps, *needs]), wanted, threads)
        return cls(name, sha256, model, wanted, backward, interpreter)

    def another(self) -> Self:
        """The same pilot once more, from memory, for another thread; it remembers nothing yet."""
        return self._begin(self.name, self.sha256, self.model, self.plan, threads=1)

    def infer(self, rgb: NDArray[np.uint8], extras: Mapping[str, Floats] = _NO_EXTRAS) -> dict[str, Floats]:
        """Run the network on the next frame: uint8 (h, w, 3), red first, of any size; it is resized if need be.

        extras: values for further inputs, by the input's name or kind (see extras.py). Returns the outputs by name,
        flat copies of at most MAX_OUTPUT_VALUES values, as the network gives them. Raises RuntimeError while views from
        `activations` are still held.
        """
        _check_frame(rgb)
        self._feeder.next_frame()
        self._eye.see(rgb, self._image())
        self._given = extras
        outputs = self._invoke(extras)
        self._feeder.say(self.controls.read(outputs))
        self._chosen = {name: target.choice(outputs) for name, target in self.targets.items() if target.bin}
        return outputs

    def prepare(self, rgb: NDArray[np.uint8]) -> Floats:
        """What the network is fed for a frame, in real numbers: float32 (H, W, C), the caller's own.

        Stacked frames all count into C, this one as the newest; of a sequence it is the newest frame alone.
        """
        _check_frame(rgb)
        return self._eye.prepare(rgb)

    def fed(self) -> Floats:
        """What the network was fed in the last run, in the form of `prepare`: float32 (H, W, C), the caller's own."""
        return self._eye.fed(self._image())

    def run(self, prepared: Floats, extras: Mapping[str, Floats] | None = None) -> dict[str, Floats]:
        """The outputs for an image as `prepare` makes them, such as one with a part of it hidden.

        Everything else is as in the last `infer`: the frames before it, what the pilot remembers, the bin it chose, and
        the extras too unless others are given.
        """
        self._eye.take(prepared, self._image())
        return self._invoke(self._given if extras is None else extras)

    def activations(self) -> list[Floats]:
        """The activations of the last run: for each tapped step of `geometry`, in order, float32 (h, w, C).

        Where the network computes in float32 they are read-only views of the interpreter's own memory: nothing is
        copied, and they hold until the next run, which is refused (RuntimeError from TFLite) while any of them, or a
        slice of one, is alive. So take them, reduce them, let them go: `means = [tap.mean(-1) for tap in
        pilot.activations()]; del tap` in a function. Of a sequence of frames they are those of the newest.
        """
        return [_read_only(tensor.real(view()[-1])) for tensor, view in self._taps]

    def drive(self, outputs: Mapping[str, Floats]) -> Drive:
        """Steering and throttle from what `infer` gave, as the pilot says, not clamped; NaN and infinity become 0."""
        return self.controls.read(outputs)

    def value(self, target: str, outputs: Mapping[str, Floats]) -> float:
        """What a target (one of `targets`) is, from the outputs of `infer` or `run`.

        The bin that "steering-bin" and "throttle-bin" speak of is the one chosen in the last `infer`.
        """
        return self.targets[target].value(outputs, self._chosen.get(target))

    def gradients(self, target: str = "steering") -> Gradients:
        """By the prepared image and by the activations, for the last run. Raises PilotError if `no_gradients`."""
        if self._backward is None:
            raise PilotError(self.no_gradients)
        wanted = self.targets[target]
        tensor, view = self._outputs[wanted.control.output]
        seed = wanted.seed(self._told, self._chosen.get(target)).reshape(view().shape)
        image, *taps = self._backward(self._tensor, {tensor.index: seed})
        return Gradients(image[0, -1] if image.ndim == 5 else image[0], [tap[-1] for tap in taps])

    def onto_frame(self, mask: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
        """A map (h, w) of the network's input, put where the card's crop lies in frames of `size` (height, width).

        Zeros around it; without a crop the map itself.
        """
        return self._eye.onto_frame(mask, size)

    @property
    def past(self) -> Past:
        """What the next `infer` adds to. Set it to go back there, or to where another pilot of this file was."""
        return Past(self._eye.seen, self._feeder.said)

    @past.setter
    def past(self, past: Past) -> None:
        self._eye.seen, self._feeder.said = past

    def _invoke(self, extras: Mapping[str, Floats]) -> dict[str, Floats]:
        for it, values, view in zip(self._feeder.extras, self._feeder.values(extras), self._extras, strict=True):
            view()[...] = store(it, values)
        if self._stateful:
            self._interpreter.reset_all_variables()
        invoke(self._interpreter)
        self._told = {name: tensor.real(view()).ravel().copy() for name, (tensor, view) in self._outputs.items()}
        return dict(self._told)

    def _tensor(self, index: int) -> NDArray[Any]:
        if index not in self._readers:
            self._readers[index] = self._interpreter.tensor(index)
        return self._readers[index]()


@contextlib.contextmanager
def _about(pilot: str) -> Iterator[None]:
    """Put what is wrong with a pilot behind its name; a card's errors name the card themselves."""
    try:
        yield
    except cards.CardError:
        raise
    except PilotError as why:
        raise PilotError(f"{pilot} {why}") from why


def _check_frame(rgb: NDArray[np.uint8]) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"a frame is uint8 (h, w, 3), not {rgb.dtype} {rgb.shape}")


def _read_only(view: Floats) -> Floats:
    view.flags.writeable = False
    return view
