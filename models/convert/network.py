"""A network as plain data: layers by name and who reads whom, from any version's JSON. No TensorFlow.

    model_config (JSON of Keras 1 … 3)   ─┐
                                          ├─▶ Network ─▶ walk(…, apply) ─▶ a Keras model, or TFLite's operators
    layer list (TOML, JSON)              ─┘

A layer may be called several times (shared) and may itself be a network (nested).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.convert.dialect import WEIGHTED
from models.convert.errors import ConvertError

T = TypeVar("T")

Arrays = list[NDArray[np.float32]]
Weights = dict[str, "Arrays | Weights"]
"""By layer, in the order Keras has them; those of a nested network once more by layer."""


class Ref(NamedTuple):
    """What the `call`-th call of a layer gave."""

    layer: str
    call: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, in the words of Keras 3 (see dialect.py)."""

    kind: str
    """Class name, such as Conv2D."""
    name: str
    settings: Mapping[str, Any]
    """Arguments of the class, only those that change what it computes."""
    calls: tuple[tuple[Ref, ...], ...] = ()
    """For each call what it reads."""
    inner: "Layer | Network | None" = None
    """What a TimeDistributed wraps, or what a nested network consists of."""


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in the order of the file, which is that of its weights."""

    layers: tuple[Layer, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of every input, by its layer's name, without the batch; empty for a nested network that is fed by another."""

    def output_names(self) -> tuple[str, ...]:
        """The layers that give the outputs; a name that comes again is numbered."""
        names = [ref.layer for ref in self.outputs]
        return tuple(
            name if name not in names[:place] else f"{name}_{names[:place].count(name)}"
            for place, name in enumerate(names)
        )

    def every(self) -> Iterator[Layer]:
        """All layers, those of nested networks and wrappers included."""
        for layer in self.layers:
            yield layer
            if isinstance(layer.inner, Network):
                yield from layer.inner.every()
            elif layer.inner:
                yield layer.inner


def weighted(layer: Layer) -> bool:
    """It has weights of its own or inside."""
    if isinstance(layer.inner, Network):
        return any(map(weighted, layer.inner.layers))
    return layer.kind in WEIGHTED or (layer.inner is not None and weighted(layer.inner))


def walk(network: Network, given: Sequence[T], apply: Callable[[Layer, list[T]], T]) -> list[T]:
    """Call `apply` for each call of each layer, what it reads first; returns what the outputs are.

    given: one value for each of `network.inputs`. Raises ConvertError if a layer reads what nobody gives, or itself.
    """
    known: dict[Ref, T] = dict(zip(network.inputs, given, strict=True))
    waiting = [
        (Ref(layer.name, number), layer, reads)
        for layer in network.layers
        for number, reads in enumerate(layer.calls)
        if Ref(layer.name, number) not in known
    ]
    while waiting:
        ready = [call for call in waiting if all(ref in known for ref in call[2])]
        if not ready:
            break
        for ref, layer, reads in ready:
            known[ref] = apply(layer, [known[read] for read in reads])
        waiting = [call for call in waiting if call[0] not in known]
    if missing := [ref.layer for ref in network.outputs if ref not in known]:
        raise ConvertError(f"layer {missing[0]!r} cannot be reached from the inputs; the description is damaged")
    return [known[ref] for ref in network.outputs]
