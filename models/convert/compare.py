"""Whether a .tflite file computes what the original computes: both are run on the same frames.

output        greatest   difference   correlation
angle_out     0.9971     2.1e-07      1.000000
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import tflite
from models.convert.errors import ConvertError, Disagreement
from models.convert.flat import Feed, Numbers, function
from models.convert.quiet import quiet
from models.convert.subject import Subject

Floats = NDArray[np.float32]

TOLERANCES: Mapping[Numbers, float] = {"float32": 1e-4, "float16": 1e-2, "hybrid": math.inf, "int8": math.inf}
"""The greatest difference that is let pass, as a share of the greatest value of the output, or of 1 if that is more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One output on all frames."""

    output: str
    greatest: float
    """Of the original's values, without sign."""
    difference: float
    """The greatest between original and converted."""
    correlation: float
    """Of all values; NaN where the original gives the same value always."""


class Flat:
    """A .tflite file in the car's interpreter; real numbers in and out."""

    def __init__(self, data: bytes) -> None:
        model = tflite.read(data)
        with quiet():
            self._interpreter = Interpreter(model_content=data, num_threads=1)
            self._interpreter.allocate_tensors()
        # Of the interpreter, not of `model.names`: two outputs may be one tensor.
        runner = self._interpreter.get_signature_runner()
        self._inputs, self._outputs = (
            {name: model.tensors[it["index"]] for name, it in details.items()}
            for details in (runner.get_input_details(), runner.get_output_details())
        )

    def __call__(self, feed: Feed) -> dict[str, Floats]:
        for name, tensor in self._inputs.items():
            held = self._interpreter.tensor(tensor.index)()
            how = tensor.quantization
            held[...] = how.stored(feed[name], held.dtype) if how else feed[name]
            del held
        self._interpreter.invoke()
        return {name: tensor.real(self._interpreter.get_tensor(tensor.index)) for name, tensor in self._outputs.items()}


def compare(tf: Any, subject: Subject, flat: bytes, feeds: Iterable[Feed]) -> list[Row]:
    """One row for each output. Raises ConvertError where the original gives what is no number."""
    original, converted = function(tf, subject, subject.original), Flat(flat)
    pairs: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in subject.outputs}
    for feed in feeds:
        with quiet():
            wanted = original(*(tf.constant(feed[name]) for name in subject.inputs))
        given = converted(feed)
        for name, pair in pairs.items():
            pair.append((_finite(name, wanted[name].numpy()), given[name]))
    return [
        _row(name, *(np.stack(values).ravel() for values in zip(*pair, strict=True))) for name, pair in pairs.items()
    ]


def _finite(name: str, values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise ConvertError(f"the original itself gives values that are no numbers at its output {name!r}")
    return values


def _row(name: str, wanted: Floats, given: Floats) -> Row:
    difference = float(np.abs(wanted - given).max())
    varies = wanted.std() > 0 and given.std() > 0
    correlation = float(np.corrcoef(wanted, given)[0, 1]) if varies else math.nan
    return Row(name, float(np.abs(wanted).max()), difference, correlation)


def judge(rows: Iterable[Row], numbers: Numbers) -> None:
    """Raises Disagreement where an output differs by more than its tolerance."""
    for row in rows:
        allowed = TOLERANCES[numbers] * max(1.0, row.greatest)
        if not row.difference <= allowed:
            raise Disagreement(
                f"the converted network differs from the original by {row.difference:.2g} at its output "
                f"{row.output!r}, more than {allowed:.2g}, so it is not written; please report this network"
            )


def table(rows: Iterable[Row]) -> list[str]:
    """Lines for people."""
    head = ("output", "greatest", "difference", "correlation")
    cells = [(row.output, f"{row.greatest:.4g}", f"{row.difference:.2g}", f"{row.correlation:.6f}") for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *cells)
    ]
