"""The backward pass of one network: planned once, run many times.

image ─▶ op ─▶ tap ─▶ op ─▶ op ─┬─▶ op ─▶ steering ◀─ seed 1        forward: TFLite
  ◀───────────────────────────┬─┴─◀ ───────                        backward: only from seeds to targets
                              └───◀ ── throttle: no seed, no cost
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.backward.gate import gate
from edge.backward.link import Back, Link, Values, memory, refusal
from edge.backward.rules import FLAT, RULES
from edge.tflite import Floats, Model, Operator

_COUNTING = frozenset({"INT32", "INT64", "BOOL", "STRING"})
"""Types that hold sizes, places and truths rather than amounts: no gradient flows through them."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """All ways back from one output of an operator."""

    result: int
    gate: Back | None
    links: tuple[tuple[int, Back], ...]
    """(input tensor, how to get its gradient)"""


class Backward:
    """Gradients of a weighted sum of outputs with respect to chosen tensors, operator by operator from the end.

    Its memory, about twice that of the activations, is taken once. Not for several threads at once.
    """

    def __init__(self, model: Model, sources: Collection[int], targets: Sequence[int]) -> None:
        """sources: tensors a seed may be put on (outputs); targets: tensors whose gradients are wanted (image, taps).

        Raises BackwardError, one sentence, when an operator between them has no backward pass.
        """
        self._model = model
        self._targets = [(target, memory(model.tensors[target].shape)) for target in targets]
        reads: set[int] = set()
        self._stages = _plan(model, frozenset(sources), frozenset(targets), reads)
        self._sums = {index: memory(model.tensors[index].shape) for index in self._meetings(sources)}
        self.needs = tuple(sorted(reads - set(model.inputs) - model.constants))
        """Tensors whose values it reads after an invoke: to be exposed. Besides, it may read the network's inputs."""

    def __call__(self, value: Callable[[int], NDArray[Any]], seeds: Mapping[int, Floats]) -> list[Floats]:
        """The gradients of Σ seed · source, in the order of `targets`.

        value(index): the tensor as TFLite holds it after the last invoke; views are not kept.
        seeds: for some of `sources`, an array of as many values as the tensor has.
        Returns float32 arrays of the tensors' own shapes, good until the next call; zeros where a target has no
        influence. Raises BackwardError if a tensor is not of the shape that the file says.
        """
        values = Values(self._model, value)
        found = {index: self._shaped(index, seed) for index, seed in seeds.items()}
        for stage in self._stages:
            gradient = found.get(stage.result)
            if gradient is None:
                continue
            if stage.gate:
                gradient = stage.gate(values, gradient)
            for index, back in stage.links:
                self._add(found, index, back(values, gradient))
        return [_kept(own, found.get(target)) for target, own in self._targets]

    def _shaped(self, index: int, seed: Floats) -> Floats:
        return np.asarray(seed, np.float32).reshape(self._model.tensors[index].shape)

    def _add(self, found: dict[int, Floats], index: int, part: Floats) -> None:
        known = found.get(index)
        found[index] = part if known is None else np.add(known, part, out=self._sums[index])

    def _meetings(self, sources: Collection[int]) -> set[int]:
        """Tensors at which several gradients may come together."""
        arrivals = [*sources, *(index for stage in self._stages for index, _ in stage.links)]
        return {index for index in arrivals if arrivals.count(index) > 1}


def _kept(own: Floats, gradient: Floats | None) -> Floats:
    if gradient is None:
        own.fill(0)
    else:
        np.copyto(own, gradient)
    return own


def _plan(model: Model, sources: frozenset[int], targets: frozenset[int], reads: set[int]) -> list[_Stage]:
    """From the last operator to the first, those that lie between; what their rules read is added to `reads`."""
    moved = _moved(model, targets)
    felt = _felt(model, sources)
    return [
        _stage(model, operator, number, moved, reads)
        for operator in reversed(model.operators)
        for number, output in enumerate(operator.outputs)
        if output in moved and output in felt and not moved.isdisjoint(operator.inputs)
    ]


def _moved(model: Model, targets: frozenset[int]) -> set[int]:
    """Tensors whose amounts change with a target."""
    moved = set(targets)
    for operator in model.operators:
        if operator.name not in FLAT and not moved.isdisjoint(operator.inputs):
            moved.update(index for index in operator.outputs if model.tensors[index].type not in _COUNTING)
    return moved


def _felt(model: Model, sources: frozenset[int]) -> set[int]:
    """Tensors a source depends on."""
    felt = set(sources)
    for operator in reversed(model.operators):
        if not felt.isdisjoint(operator.outputs):
            felt.update(operator.inputs)
    return felt


def _stage(model: Model, operator: Operator, number: int, moved: set[int], reads: set[int]) -> _Stage:
    rule = RULES.get(operator.name)
    if rule is None:
        raise refusal(model, operator, "has no backward pass")
    links = [Link(model, operator, i, number, reads) for i, index in enumerate(operator.inputs) if index in moved]
    ways = tuple((link.source.index, rule(link)) for link in links)
    return _Stage(operator.outputs[number], gate(links[0]), ways)
