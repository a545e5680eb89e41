"""What the car computes per frame, as ratios to one invoke of the bare pilot measured in the same breath."""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import zmq
from ai_edge_litert.interpreter import Interpreter

from edge.capture import Frame
from edge.capture.track import TrackSource
from edge.mask import VisualBackProp
from edge.pilot import Pilot
from edge.pipeline import Captured, Explainer
from edge.publish import compose
from tests.bench.figure import Figure
from tests.processes import process

PILOT = Path(__file__).parents[2] / "models" / "pilot.tflite"
ROUNDS = 40
PER_ROUND = 25


def figures() -> list[Figure]:
    cv2.setNumThreads(1)
    with TrackSource(realtime=False) as track:
        frames = [frame for _ in range(PER_ROUND) if (frame := track.read())]
    invoke = bare_invoke(frames[0])
    return [
        Figure("mask: means and upscaling, per invoke of the pilot", ratio(mask_chain(frames[0]), invoke), "×", 0.15),
        Figure("all the car does per frame, JPEG and send included, per invoke", everything(frames, invoke), "×", 1.5),
    ]


def ratio(work: Callable[[], object], unit: Callable[[], object]) -> float:
    """Median over rounds of the median time of work over that of unit, the two timed in turn; both on one thread."""
    ratios = []
    for _ in range(ROUNDS):
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(PER_ROUND):
            for job, times in zip((work, unit), spent, strict=True):
                start = time.perf_counter()
                job()
                times.append(time.perf_counter() - start)
        ratios.append(statistics.median(spent[0]) / statistics.median(spent[1]))
    return statistics.median(ratios)


def bare_invoke(frame: Frame) -> Callable[[], object]:
    """The unmodified model with nothing around it."""
    interpreter = Interpreter(model_path=str(PILOT), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame.rgb[None].astype(np.float32) / 255)
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def mask_chain(frame: Frame) -> Callable[[], object]:
    pilot = Pilot.load(PILOT)
    chain = VisualBackProp(pilot.geometry)
    pilot.infer(frame.rgb)
    return lambda: chain(chain.means(pilot.activations()), "exact")


def everything(frames: list[Frame], invoke: Callable[[], object]) -> float:
    """Pilot, mask, overlay, JPEG, header and send, in one thread; a host in a process of its own takes the frames."""
    explainer = Explainer(Pilot.load(PILOT), car="bench", session="0")
    numbered = (Captured(seq, frame) for seq, frame in enumerate(cycle(frames)))
    want = frozenset({"overlay"})
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind_to_random_port("tcp://127.0.0.1")
        with taker(router.get_string(zmq.LAST_ENDPOINT)):
            host = router.recv_multipart()[0]

            def one_frame() -> None:
                message = compose(explainer.explain(next(numbered), want), want, time.monotonic_ns())
                router.send_multipart([host, *message], zmq.NOBLOCK)

            return ratio(one_frame, invoke)


@contextlib.contextmanager
def taker(address: str) -> Iterator[None]:
    """`python -m tests.bench.taker`: takes every frame it is sent, as a host does."""
    with tempfile.TemporaryDirectory() as folder, process(Path(folder) / "taker.log", "tests.bench.taker", address):
        yield
