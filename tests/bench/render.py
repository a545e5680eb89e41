"""Films from a real tub, the way `donkey makemovie --salient` shows it: rate, CPU, start-up, and Dask's two workers.

makemovie renders 14.5 frames/s of this tub with this pilot (70 ms a frame); the rate wanted is 40 times that.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edge.capture.tub import TubSource
from host.render.crew import Crew
from host.render.options import parser, wish
from host.render.plan import pilot_files, plan
from host.render.produce import Production
from host.render.reels import open_reels
from host.render.store import Store
from host.render.work import LocalCrew, processors
from tests.bench.figure import Figure

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
TUB, PILOT = SHARED / "tub-warehouse", SHARED / "pilots" / "warehouse" / "linear.tflite"
MAKEMOVIE_FPS = 14.5
LAYOUT = "--lines"
"""Control lines over the picture, as makemovie draws them."""
TUBS = 16
"""Copies of it to render in a row: a steady rate takes some seconds, and the last segment busies one worker alone."""
STARTS = 3
ROUNDS = 5


def why_not() -> str:
    """Why there are no figures; empty if there are."""
    return "" if TUB.exists() and PILOT.exists() else f"{TUB} and {PILOT} are not there"


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        tubs = copies(Path(name) / "tubs", TUBS)
        rate = steady_rate(LocalCrew(processors()), tubs, Path(name) / "steady")
        cpu = cpu_per_frame(tubs, Path(name))
        started_s = statistics.median(startup_s(Path(name) / f"start{i}") for i in range(STARTS))
        return [
            Figure(f"render: {processors()} workers, frames/s", rate, "/s", 40 * MAKEMOVIE_FPS, "more"),
            Figure("render: CPU of a frame with all that belongs to it, per invoke", cpu, "×", 2.2),
            Figure("render: from the command to the first segment", started_s, "s", 1.5),
            *dask_figures(tubs, Path(name)),
        ]


def dask_figures(tubs: Path, out: Path) -> list[Figure]:
    try:
        from host.render.spread import DaskCrew
    except ModuleNotFoundError as why:
        print(f"(Dask is not measured: {why})")
        return []
    rates = [steady_rate(DaskCrew(f"local:{1 + i % 2}"), tubs, out / f"dask{i}") for i in range(2 * ROUNDS)]
    one, two = statistics.median(rates[::2]), statistics.median(rates[1::2])
    ratio = statistics.median(double / single for single, double in zip(rates[::2], rates[1::2], strict=True))
    return [Figure(f"render: two Dask workers ({two:.0f}/s) against one ({one:.0f}/s)", ratio, "×", 1.8, "more")]


def copies(folder: Path, count: int) -> Path:
    """A folder of tubs, each with its own records and the same pictures."""
    for number in range(count):
        copy = folder / f"tub_{number}"
        copy.mkdir(parents=True)
        for file in ("manifest.json", "catalog_0.catalog"):
            (copy / file).write_bytes((TUB / file).read_bytes())
        (copy / "images").symlink_to(TUB / "images")
    return folder


def steady_rate(crew: Crew, tubs: Path, out: Path) -> float:
    """Frames per second once every worker has shown that it works."""
    options = parser().parse_args([str(tubs), LAYOUT])
    films = plan(open_reels([str(tubs)]), pilot_files([PILOT]), wish(options), out)
    moments: list[tuple[float, int]] = []
    with Store(films[0].path.parent) as store, crew:
        Production(films, store, done=lambda frames, rendered: moments.append((time.perf_counter(), rendered))).run(
            crew
        )
    begun = 2 * processors()
    return sum(rendered for _, rendered in moments[begun + 1 :]) / (moments[-1][0] - moments[begun][0])


def cpu_per_frame(tubs: Path, out: Path) -> float:
    """What one more frame costs all processes together, reading, joining and table included, in invokes."""
    invoke_s = [timed(invoke()) for _ in range(2)]
    few, many = (tubs / "tub_0", tubs)
    spent_s = [command_cpu_s(source, out / f"cpu{i}") for i, source in enumerate((few, many, few, many))]
    invoke_s += [timed(invoke()) for _ in range(2)]
    frame_s = (spent_s[1] + spent_s[3] - spent_s[0] - spent_s[2]) / (2 * (TUBS - 1) * 1000)
    return frame_s / statistics.median(invoke_s)


def invoke() -> Callable[[], None]:
    """The pilot's file as it is, on one thread, fed one of the tub's frames."""
    cv2.setNumThreads(1)
    with TubSource(TUB, realtime=False) as source:
        frame = source.read()
    assert frame is not None
    interpreter = Interpreter(model_path=str(PILOT), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame.rgb[None].astype(np.float32) / 255)
    work: Callable[[], None] = interpreter.invoke
    return work


def timed(work: Callable[[], object], rounds: int = 400) -> float:
    """CPU seconds of one."""
    for _ in range(50):
        work()
    begun = time.thread_time()
    for _ in range(rounds):
        work()
    return (time.thread_time() - begun) / rounds


def command_cpu_s(source: Path, out: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(_command(source, out), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def startup_s(out: Path) -> float:
    """Until the first piece lies on the disk."""
    begun = time.perf_counter()
    with subprocess.Popen(_command(TUB, out), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(out.glob(".render/*/*.piece")):
            time.sleep(0.002)
        return time.perf_counter() - begun


def _command(source: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "host.render.command", str(source), "--pilot", str(PILOT), "-o", str(out), LAYOUT]


if __name__ == "__main__":
    print(why_not() or "\n".join(figure.row() for figure in figures()), f"  (load {os.getloadavg()[0]:.1f})")
