"""The spatial geometry of a pilot's conv path: what mask.py needs to know, and all it needs to know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One layer that maps a grid of `in_size` cells to one of `out_size` cells. All pairs are (height, width).

    Output cell i sees input rows `stride·i − pad + dilation·t` for t = 0 … kernel − 1, likewise columns.
    """

    name: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    """Rows above and columns left of the input that the layer reads as zeros; what lies below and right follows."""
    in_size: tuple[int, int]
    out_size: tuple[int, int]
    tapped: bool
    """True for a convolution, whose activations (after the activation function) are exposed; False for pooling."""
    inputs: tuple[int, ...] = (-1,)
    """The earlier steps whose cells this one looks at, by their place in the geometry; -1 is the image."""


Geometry = tuple[Step, ...]
"""From the image input to the last convolution: each step's `out_size` is the next one's `in_size`."""
