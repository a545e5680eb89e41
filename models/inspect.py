"""What is inside a pilot: its layers and how they hang together, what the mask goes back over, how it is fed, read."""

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge import convpath, tflite
from edge.card import in_words
from edge.convpath import ConvPath
from edge.operators import activation, layer_name, window
from edge.pilot import Pilot, PilotError, dimensions, input_name, output_name
from edge.plan import find_image
from edge.tflite import Model, Operator, Tensor

Row = tuple[str, ...]

LAYERS = (
    "", "#", "operator", "layer", "from", "kernel", "stride", "dilation", "pad", "in", "out", "type", "activation",
    "parameters",
)  # fmt: skip
STEPS = ("", "step", "layer", "from", "kernel", "stride", "dilation", "pad", "in", "out", "counts")
_UNPACKING = frozenset({"DEQUANTIZE", "DENSIFY"})
_WEIGHTS = frozenset({"FLOAT32", "FLOAT16", "INT8", "UINT8", "INT4"})


def main(argv: list[str]) -> int:
    """Print the report on one file; 0 if the pilot can be used, 2 with the reason if not."""
    parser = argparse.ArgumentParser(prog="python -m models inspect", description=__doc__)
    parser.add_argument("file", type=Path, help="a .tflite file")
    file: Path = parser.parse_args(argv).file
    try:
        pilot = Pilot.load(file)
    except PilotError as why:
        _print(_readable(file))
        print(why, file=sys.stderr)
        return 2
    path = pilot.plan.path
    _print([*layers(pilot.model, path), "", *steps(path), "", *summary(pilot)])
    return 0


def layers(model: Model, path: ConvPath | None = None) -> list[str]:
    """Inputs, operators and outputs as aligned columns; exposed operators are marked with *."""
    taps = set(path.taps) if path else set()
    ends = [*_ends(model, "input", model.inputs), *_ends(model, "output", model.outputs)]
    rows = [_layer(model, operator, taps) for operator in model.operators]
    return [*_columns(ends), "", *_columns([LAYERS, *rows])]


def steps(path: ConvPath) -> list[str]:
    """What the mask goes back over, deepest last: what of each layer's input a cell looks at, and how it counts."""
    rows: list[Row] = []
    for place, step in enumerate(path.geometry):
        sources = ", ".join("image" if source < 0 else str(source) for source in step.inputs)
        pairs = ((),) * 4 if step.resized else (step.kernel, step.stride, step.dilation, step.pad)
        shown = [dimensions(pair) if pair else "" for pair in pairs]
        sizes = (dimensions(step.in_size), dimensions(step.out_size))
        tapped = ("*" if step.tapped else "", step.reads if step.tapped else "resize" if step.resized else "")
        rows.append((tapped[0], str(place), step.name, sources, *shown, *sizes, tapped[1]))
    return _columns([STEPS, *rows])


def summary(pilot: Pilot) -> list[str]:
    """What PilotLens makes of a pilot it can use."""
    height, width = pilot.input_size
    values = sum(4 * math.prod(pilot.model.tensors[tap].shape) for tap in pilot.plan.path.taps)
    rows: list[Row] = [
        ("sha256", pilot.sha256),
        ("camera image", f"{height} rows, {width} columns, {in_words(pilot.card.image)}"),
        *(("further input", f"{it.name}, {it.kind or 'always the same'}") for it in pilot.plan.extras),
        ("exposed (*)", f"{len(pilot.plan.path.taps)} layers, {values / 1024:.0f} kB a frame"),
        ("steering", str(pilot.controls.steering)),
        ("throttle", str(pilot.controls.throttle or "none, the pilot only steers")),
        ("gradients", f"none: it {pilot.no_gradients}" if pilot.no_gradients else f"of {', '.join(pilot.targets)}"),
    ]
    return _columns(rows)


def _readable(file: Path) -> list[str]:
    """As much as can be told of a file that is refused."""
    path = None
    try:
        model = tflite.parse(file.read_bytes())
    except (PilotError, OSError, ValueError):
        return []
    with contextlib.suppress(PilotError):
        path = convpath.find(model, find_image(model).index)
    return [*layers(model, path), *(["", *steps(path)] if path else [])]


def _ends(model: Model, kind: str, indices: Sequence[int]) -> Iterator[Row]:
    for index in dict.fromkeys(indices):
        name = input_name(model, index) if kind == "input" else output_name(model, index)
        tensor = model.tensors[index]
        yield kind, name, dimensions(tensor.shape), _type(tensor)


def _layer(model: Model, operator: Operator, taps: set[int]) -> Row:
    mark = "*" if taps.intersection(operator.outputs) else ""
    source, target = (
        "".join(dimensions(model.tensors[index].shape) for index in indices[:1] if index >= 0)
        for indices in (operator.inputs, operator.outputs)
    )
    return (
        mark,
        str(operator.index),
        operator.name,
        layer_name(model, operator),
        ", ".join(_sources(model, operator)),
        *_window(model, operator),
        source,
        target,
        "".join(_type(model.tensors[index]) for index in operator.outputs[:1]),
        activation(operator),
        f"{_parameters(model, operator):,}",
    )


def _sources(model: Model, operator: Operator) -> Iterator[str]:
    """The operators whose results it uses, by number, and the network's own inputs by name."""
    for index in dict.fromkeys(operator.inputs):
        if index in model.inputs:
            yield input_name(model, index)
        elif index in model.makers and index not in model.constants:
            yield str(model.makers[index].index)


def _type(tensor: Tensor) -> str:
    """A tensor's type; for integers also what they stand for."""
    how = tensor.quantization
    if how is None or tensor.type == "FLOAT32":
        return tensor.type
    return (
        f"{tensor.type} {how.scales[0]:.3g}·(q{-how.zeros[0]:+})" if how.scales.size == 1 else f"{tensor.type} by slice"
    )


def _window(model: Model, operator: Operator) -> Row:
    """Kernel, stride, dilation and pad of a convolution or pooling."""
    with contextlib.suppress(PilotError):
        if step := window(model, operator):
            return tuple(dimensions(pair) for pair in (step.kernel, step.stride, step.dilation, step.pad))
    return ("", "", "", "")


def _parameters(model: Model, operator: Operator) -> int:
    """Trained numbers; what is unpacked first is counted where it is used."""
    if operator.name in _UNPACKING and model.constants.issuperset(operator.inputs):
        return 0
    held = [tensor for tensor in model.operands(operator) if tensor.index in model.constants]
    return sum(math.prod(tensor.shape) for tensor in held if tensor.type in _WEIGHTS or _is_bias(tensor))


def _is_bias(tensor: Tensor) -> bool:
    """Of a network of integers: numbers that stand for others, not sizes or axes."""
    return tensor.type in {"INT32", "INT64"} and tensor.quantization is not None


def _columns(rows: Sequence[Row]) -> list[str]:
    """Rows of cells as lines with the cells one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines), end="\n" if lines else "")
