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
from edge.explain import Captured, Explainer
from edge.mask import VisualBackProp
from edge.methods import CATALOG, Methods
from edge.pilot import Pilot
from edge.publish import compose
from tests.bench.figure import Figure
from tests.make_tflite import Network
from tests.processes import process
from wire import Look

PILOT = Path(__file__).parents[2] / ".bench" / "tutorial.tflite"
"""The tutorial's network for 160×120; see `write_pilot`."""
ROUNDS = 40
PER_ROUND = 25
MOST, MOST_SLOW = 4.0, 16.0
"""Invokes that a map may cost: of every frame, and in the background."""


def write_pilot() -> None:
    """At its full width, with weights at random: what a network knows does not change what it costs."""
    net = Network(120, 160)
    for filters, size, step in ((12, 5, 2), (24, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)):
        net.conv(filters, (size, size), (step, step), activation="RELU")
    for width in (100, 50, 25, 10, 5):
        net.dense(width, output=False)
        net.apply("RELU")
    for name in ("n_outputs0", "n_outputs1"):
        net.dense(1, name)
    PILOT.parent.mkdir(exist_ok=True)
    PILOT.write_bytes(net.bytes())


def figures() -> list[Figure]:
    write_pilot()
    cv2.setNumThreads(1)
    with TrackSource(realtime=False) as track:
        frames = [frame for _ in range(PER_ROUND) if (frame := track.read())]
    invoke = bare_invoke(frames[0])
    return [
        Figure("mask: means and upscaling, per invoke of the pilot", ratio(mask_chain(frames[0]), invoke), "×", 0.15),
        Figure("all the car does per frame, JPEG and send included, per invoke", everything(frames, invoke), "×", 1.5),
    ]


def methods() -> list[Figure]:
    """What each map costs beyond the invoke that drives, in invokes. Slow ones are worked out in the background."""
    write_pilot()
    cv2.setNumThreads(1)
    with TrackSource(realtime=False) as track:
        frame = track.read()
    assert frame is not None
    pilot, invoke = Pilot.load(PILOT), bare_invoke(frame)
    return [
        Figure(
            f"map: {name}{', in the background' if method.slow else ''}, per invoke of the pilot",
            ratio(one_map(pilot, frame, name), invoke, rounds=8),
            "×",
            MOST_SLOW if method.slow else MOST,
        )
        for name, method in CATALOG.items()
        if not Methods(pilot).refusal(name)
    ]


def one_map(pilot: Pilot, frame: Frame, name: str) -> Callable[[], object]:
    explain = Methods(pilot)
    pilot.infer(frame.rgb)
    return lambda: explain(name)


def ratio(work: Callable[[], object], unit: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median over rounds of the median time of work over that of unit, the two timed in turn; both on one thread."""
    ratios = []
    for _ in range(rounds):
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
    want, look = frozenset({"overlay"}), Look()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind_to_random_port("tcp://127.0.0.1")
        with taker(router.get_string(zmq.LAST_ENDPOINT)):
            host = router.recv_multipart()[0]

            def one_frame() -> None:
                message = compose(explainer.explain(next(numbered), want, look), want, time.monotonic_ns())
                router.send_multipart([host, *message], zmq.NOBLOCK)

            return ratio(one_frame, invoke)


@contextlib.contextmanager
def taker(address: str) -> Iterator[None]:
    """`python -m tests.bench.taker`: takes every frame it is sent, as a host does."""
    with tempfile.TemporaryDirectory() as folder, process(Path(folder) / "taker.log", "tests.bench.taker", address):
        yield
