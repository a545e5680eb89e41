"""Networks run by TFLite with the tensors exposed that their gradients need, and their gradients by differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import tflite
from edge.backward import Backward

Floats = NDArray[np.float32]
Seeds = Mapping[int, Floats]


class Run:
    """One network, its input and its backward pass. Only what is exposed can be read, as in a pilot."""

    def __init__(self, data: bytes, targets: Sequence[int] | None = None, sources: Sequence[int] | None = None) -> None:
        """targets: its inputs, sources: its outputs, if not given."""
        self.model = tflite.read(data)
        self.sources = list(self.model.outputs if sources is None else sources)
        self.targets = list(self.model.inputs if targets is None else targets)
        self.backward = Backward(self.model, self.sources, self.targets)
        exposed = tflite.expose(self.model, (*self.backward.needs, *self.sources))
        self.interpreter = Interpreter(model_content=exposed, num_threads=1)
        self.interpreter.allocate_tensors()
        for index in self.model.inputs:
            self.interpreter.tensor(index)().fill(0)
        self._given = {*self.model.inputs, *self.model.outputs, *self.sources, *self.backward.needs}

    def forward(self, image: NDArray[Any]) -> dict[int, NDArray[Any]]:
        """Copies of the sources, as stored, for a value of the first input."""
        self.interpreter.set_tensor(self.model.inputs[0], image)
        self.interpreter.invoke()
        return {index: self.value(index).copy() for index in self.sources}

    def value(self, index: int) -> NDArray[Any]:
        assert index in self._given, f"tensor {index} is read but not needed"
        view: NDArray[Any] = self.interpreter.tensor(index)()
        return view

    def gradients(self, image: NDArray[Any], seeds: Seeds) -> list[Floats]:
        """Copies of the gradients of Σ seed · source."""
        self.forward(image)
        return [gradient.copy() for gradient in self.backward(self.value, seeds)]

    def seeds(self, seed: int = 1) -> dict[int, Floats]:
        random = np.random.default_rng(seed)
        shapes = {index: self.model.tensors[index].shape for index in self.sources}
        return {index: random.standard_normal(shape).astype(np.float32) for index, shape in shapes.items()}

    def differences(self, image: Floats, seeds: Seeds, step: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The gradient for the first input by central differences, and where it is to be trusted.

        It is not where half the step says something else, or the left and the right: there is a kink between.
        """
        left, right = (self._slopes(image, seeds, way * step) for way in (-1, 1))
        whole, half = (
            (left + right) / 2,
            (self._slopes(image, seeds, -step / 2) + self._slopes(image, seeds, step / 2)) / 2,
        )
        most = np.abs(whole).max() + 1e-9
        return whole, (np.abs(left - right) < 0.05 * most) & (np.abs(whole - half) < 5e-4 * most)

    def _slopes(self, image: Floats, seeds: Seeds, step: float) -> NDArray[np.float64]:
        here = self._sum(image, seeds)
        slopes = np.empty(image.shape)
        for place in np.ndindex(image.shape):
            moved = image.copy()
            moved[place] += np.float32(step)
            slopes[place] = (self._sum(moved, seeds) - here) / (float(moved[place]) - float(image[place]))
        return slopes

    def _sum(self, image: Floats, seeds: Seeds) -> float:
        outputs = self.forward(image)
        return sum(float(np.vdot(seeds[index].astype(np.float64), outputs[index])) for index in seeds)
