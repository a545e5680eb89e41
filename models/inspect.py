"""What is inside a pilot: its layers, its geometry, what would be exposed and how its outputs are read."""

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge import tflite
from edge.operators import activation, layer_name, window
from edge.pilot import Pilot, PilotError, Plan, dimensions, input_name, output_name, plan
from edge.tflite import Model, Operator

Row = tuple[str, ...]

HEADER = ("", "operator", "layer", "kernel", "stride", "dilation", "pad", "in", "out", "activation", "parameters")


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
    model = tflite.read(file.read_bytes())
    wanted = plan(model)
    _print([*layers(model, wanted), "", *summary(pilot, model, wanted)])
    return 0


def layers(model: Model, wanted: Plan | None = None) -> list[str]:
    """Inputs, operators and outputs as aligned columns; exposed operators are marked with *."""
    taps = set(wanted.path.taps) if wanted else set()
    ends = [*_ends(model, "input", model.inputs), *_ends(model, "output", model.outputs)]
    rows = [_layer(model, operator, taps) for operator in model.operators]
    return [*_columns(ends), "", *_columns([HEADER, *rows])]


def summary(pilot: Pilot, model: Model, wanted: Plan) -> list[str]:
    """What PilotLens makes of a pilot it can use."""
    height, width = pilot.input_size
    values = sum(4 * math.prod(model.tensors[tap].shape) for tap in wanted.path.taps)
    throttle = str(pilot.controls.throttle or "none, the pilot only steers")
    rows: list[Row] = [
        ("sha256", pilot.sha256),
        (
            "camera image",
            f"{height} rows, {width} columns, {'grey' if pilot.channels == 1 else 'red, green, blue'}, 0..1",
        ),
        ("exposed (*)", f"{len(wanted.path.taps)} layers, {values / 1024:.0f} kB a frame"),
        ("steering", str(pilot.controls.steering)),
        ("throttle", throttle),
    ]
    return _columns(rows)


def _readable(file: Path) -> list[str]:
    """As much as can be told of a file that is refused."""
    with contextlib.suppress(PilotError, OSError, ValueError):
        return layers(tflite.read(file.read_bytes()))
    return []


def _ends(model: Model, kind: str, indices: Sequence[int]) -> Iterator[Row]:
    for index in dict.fromkeys(indices):
        name = input_name(model, index) if kind == "input" else output_name(model, index)
        yield kind, name, dimensions(model.tensors[index].shape), model.tensors[index].type


def _layer(model: Model, operator: Operator, taps: set[int]) -> Row:
    mark = "*" if taps.intersection(operator.outputs) else ""
    source, target = (
        "".join(dimensions(model.tensors[index].shape) for index in indices[:1] if index >= 0)
        for indices in (operator.inputs, operator.outputs)
    )
    return (
        mark,
        operator.name,
        layer_name(model, operator),
        *_window(model, operator),
        source,
        target,
        activation(operator),
        f"{_parameters(model, operator):,}",
    )


def _window(model: Model, operator: Operator) -> Row:
    """Kernel, stride, dilation and pad of a convolution or pooling."""
    with contextlib.suppress(PilotError):
        if step := window(model, operator):
            return tuple(dimensions(pair) for pair in (step.kernel, step.stride, step.dilation, step.pad))
    return ("", "", "", "")


def _parameters(model: Model, operator: Operator) -> int:
    """Trained numbers; what is unpacked first is counted where it is used."""
    if operator.name in {"DEQUANTIZE", "DENSIFY"}:
        return 0
    held = [tensor for tensor in model.operands(operator) if tensor.index in model.constants]
    return sum(math.prod(tensor.shape) for tensor in held if tensor.type in {"FLOAT32", "FLOAT16", "INT8"})


def _columns(rows: Sequence[Row]) -> list[str]:
    """Rows of cells as lines with the cells one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines), end="\n" if lines else "")
