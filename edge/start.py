"""From a pilot's file to an interpreter that runs it.

bytes ─▶ tflite.read ─▶ sized ─▶ plan ─▶ backward ─▶ tflite.expose ─▶ start ─▶ interpreter
"""

from dataclasses import replace
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge.backward import Backward, BackwardError
from edge.card import Card
from edge.plan import MAX_OUTPUT_VALUES, Plan, check_operators, dimensions, open_size
from edge.tflite import Model, PilotError

BUNDLED_PILOT = Path(__file__).parents[1] / "models" / "pilot.tflite"
"""The one that comes with PilotLens."""
MAX_FILE_BYTES = 512 * 2**20


def read(path: Path) -> bytes:
    """A file's bytes. Raises PilotError."""
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise PilotError("is not a file; give the path of a .tflite file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise PilotError(f"is {size >> 20} MB large, a pilot has at most {MAX_FILE_BYTES >> 20}")
        return path.read_bytes()
    except (OSError, ValueError) as why:
        reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
        raise PilotError(f"cannot be read: {reason}") from why


def sized(model: Model, card: Card) -> Model:
    """The model with its image of the card's size, where its file leaves the size open."""
    image = next((it for it in map(model.tensors.__getitem__, model.inputs) if len(it.shape) >= 4), None)
    if image is None or not card.image.size or not open_size(image):
        return model
    check_operators(model)
    shape = (*image.shape[:-3], *card.image.size, image.shape[-1])
    try:
        interpreter = _plain(model.data)
        interpreter.resize_tensor_input(image.index, shape)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as why:
        size = dimensions(card.image.size)
        raise PilotError(f"does not run on images of {size}, its card's size: {' '.join(str(why).split())}") from why
    shapes = {it["index"]: tuple(it["shape"].tolist()) for it in interpreter.get_tensor_details()}
    tensors = (replace(it, shape=shapes.get(it.index, it.shape), signature=()) for it in model.tensors)
    return replace(model, tensors=tuple(tensors))


def backward(model: Model, wanted: Plan) -> Backward | str:
    """The backward pass, or why there is none."""
    sources = {wanted.outputs[target.control.output] for target in wanted.targets.values()}
    try:
        return Backward(model, sources, [wanted.image.index, *wanted.path.taps])
    except BackwardError as why:
        return str(why)


def _plain(data: bytes) -> Interpreter:
    """TFLite's own kernels check what they are given, its delegate XNNPACK does not."""
    return Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )


def start(exposed: bytes, wanted: Plan, threads: int) -> Interpreter:
    """An interpreter that has run once, on a black image.

    The delegate crashes on what the plain kernels refuse (a SLICE of one input), so they go first. Neither sees
    anything that tflite.read has not checked.
    """
    try:
        for interpreter in (_plain(exposed), Interpreter(model_content=exposed, num_threads=threads)):
            interpreter.resize_tensor_input(wanted.image.index, wanted.image.shape)
            interpreter.allocate_tensors()
        for index in (wanted.image.index, *(it.tensor.index for it in wanted.extras)):
            interpreter.tensor(index)().fill(0)
        interpreter.invoke()
    except (RuntimeError, ValueError) as why:
        raise PilotError(f"does not run: {' '.join(str(why).split())}") from why
    _check_shapes(interpreter, wanted)
    return interpreter


def _check_shapes(interpreter: Interpreter, wanted: Plan) -> None:
    steps = [step for step in wanted.path.geometry if step.tapped]
    for step, tap in zip(steps, wanted.path.taps, strict=True):
        shape = interpreter.tensor(tap)().shape
        if len(shape) != 4 or shape[0] not in {1, wanted.card.image.frames} or shape[1:3] != step.out_size:
            raise PilotError(f"is damaged: layer {step.name!r} gives {dimensions(shape)} where the file says otherwise")
    for name, index in wanted.outputs.items():
        if not 0 < interpreter.tensor(index)().size <= MAX_OUTPUT_VALUES:
            raise PilotError(f"is damaged: its output {name!r} is of another size than the file says")
