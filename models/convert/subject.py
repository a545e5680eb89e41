"""What is converted: a function from images to outputs, in two spellings that have to agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Run = Callable[[Sequence[Any]], Sequence[Any]]
"""TensorFlow tensors in the order of `inputs`, to tensors in the order of `outputs`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network that TensorFlow can run."""

    inputs: Mapping[str, tuple[int, ...]]
    """Shapes by name; the batch, which is 1, included."""
    outputs: tuple[str, ...]
    original: Run
    """As its author's framework computes it."""
    portable: Run
    """The same in operators that TFLite has itself."""
    note: str = ""
    """What the user should know about how it was read; may be empty."""
