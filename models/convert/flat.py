"""From a Subject to the bytes of a .tflite file.

portable(…) ─▶ weights made constant ─▶ one signature with names ─▶ TFLite's converter ─▶ bytes
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.convert.errors import ConvertError
from models.convert.quiet import quiet
from models.convert.subject import Run, Subject

Numbers = Literal["float32", "float16", "hybrid", "int8"]
"""How weights are kept: hybrid is int8 weights that are computed with in float32, int8 is integers throughout."""

Feed = Mapping[str, NDArray[np.float32]]
"""What the inputs are fed, by name."""


def flatten(tf: Any, subject: Subject, numbers: Numbers = "float32", calibration: Iterable[Feed] = ()) -> bytes:
    """The flatbuffer, for one image at a time; its signature has the names of the inputs and outputs.

    calibration: for int8, what shows the converter which values occur. Raises ConvertError: it needs an operator that
    TFLite itself does not have.
    """
    from tensorflow.lite.python.convert_phase import ConverterError

    signature = _constant(tf, subject)
    with tempfile.TemporaryDirectory() as folder, quiet():
        plain = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature}, options=plain)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        _set(tf, converter, numbers, calibration)
        try:
            flat: bytes = converter.convert()
        except (ConverterError, ValueError, RuntimeError) as why:
            raise refusal(str(why)) from why
    return flat


def function(tf: Any, subject: Subject, compute: Run) -> Any:
    """`compute` compiled: tensors in the order of the inputs to outputs by name."""
    specs = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in subject.inputs.items()]

    @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
    def serve(*tensors: Any) -> dict[str, Any]:
        return dict(zip(subject.outputs, compute(tensors), strict=True))

    return serve


def _constant(tf: Any, subject: Subject) -> Any:
    """A function without variables: TFLite runs each variable as one more operator, with no layer fused."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    serve = function(tf, subject, subject.portable)
    with quiet():
        frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    order = sorted(subject.outputs)

    def named(tensors: Any) -> list[Any]:
        outputs = dict(zip(order, frozen(*tensors), strict=True))
        return [outputs[name] for name in subject.outputs]

    return function(tf, subject, named)


def _set(tf: Any, converter: Any, numbers: Numbers, calibration: Iterable[Feed]) -> None:
    """No operators but TFLite's own, and the numbers asked for."""
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if numbers != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if numbers == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if numbers == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: (dict(feed) for feed in calibration)


def refusal(said: str) -> ConvertError:
    """What the converter said, in one sentence; it names the operators that TFLite does not have."""
    found = re.findall(r"(?:\bFlex|'tf\.)([A-Z]\w+)", said)
    missing = sorted({name for name in found if name not in {"Delegate", "Op", "Ops"}})
    if not missing:
        return ConvertError(f"TensorFlow Lite does not convert it: {' '.join(said.split())[:300]}")
    return ConvertError(
        f"it needs {', '.join(missing)}, which TFLite has only with TensorFlow's Flex delegate, and a car does not "
        "carry TensorFlow; convert the network's .h5 or .keras file, whose loops and 3-D poolings are rewritten here, "
        "or build it without them"
    )
