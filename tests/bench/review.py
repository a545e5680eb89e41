"""A session of one hour in a real browser: when its first frame is on screen, and how long a seek takes."""

import contextlib
import json
import shutil
import statistics
import tempfile
from fractions import Fraction
from pathlib import Path

import av
from playwright.sync_api import Page

from host.record.session import TAPE, TICKS_HZ, VIDEO
from host.record.tape import Tape
from tests import shelved
from tests.bench.figure import Figure
from tests.browser import chromium
from tests.shelved import STEP
from tests.wall import draw, pit_wall

SECONDS = 3600
SEEKS = 25
TIMES_OPENED = 5

FIRST = """async () => {
    for (;;) {
        const shown = document.querySelector("[data-screen=main] video");
        const told = document.querySelector("#player").dataset.index;
        if (shown?.readyState >= 2 && !shown.seeking && told) return performance.now();
        await new Promise(requestAnimationFrame);
    }
}"""
PLOTTED = """async () => {
    const canvas = document.querySelector("[data-plots] canvas");
    while (canvas.height < 100) await new Promise(requestAnimationFrame);
    return performance.now();
}"""
SEEK = """async (seconds) => {
    const video = document.querySelector("[data-screen=main] video");
    const began = performance.now();
    const shown = new Promise((resolve) => {
        const look = (_, { mediaTime }) => {
            if (Math.abs(mediaTime - seconds) < 0.02) resolve();
            else video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
    });
    location.hash = `t=${seconds}`;
    await shown;
    return performance.now() - began;
}"""


def figures() -> list[Figure]:
    """Medians over several visits and seeks, and the worst seek."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _hour(directory)
        with pit_wall("demo", sessions=directory) as wall, chromium() as browser:
            opened = []
            for _ in range(TIMES_OPENED):
                with contextlib.closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context:
                    page = context.new_page()
                    page.goto(f"{wall.url}/review/hour")
                    opened.append((page.evaluate(FIRST), page.evaluate(PLOTTED)))
                    seeks = _seeks(page) if len(opened) == TIMES_OPENED else []
            name = "review of a 1-hour session, 108 000 frames"
            return [
                Figure(f"{name}: first frame", statistics.median(first for first, _ in opened) / 1e3, "s", 1),
                Figure(f"{name}: all plots", statistics.median(plots for _, plots in opened) / 1e3, "s", 2),
                Figure(f"{name}: a seek, p50", statistics.median(seeks) / 1e3, "s", 0.5),
                Figure(f"{name}: a seek, worst of {SEEKS}", max(seeks) / 1e3, "s", 0.5),
            ]


def _seeks(page: Page) -> list[float]:
    """Milliseconds from asking to the wanted frame on screen, all over the hour."""
    return [page.evaluate(SEEK, round(number * 1237 * 7 % (SECONDS * 30)) / 30) for number in range(1, SEEKS + 1)]


def _hour(directory: Path) -> Path:
    """A session of one hour: two seconds that were recorded, again and again at later times."""
    seed = shelved.make(directory, "seed", 60)
    folder = directory / "hour"
    folder.mkdir()
    manifest = json.loads((seed / "session.json").read_bytes())
    manifest |= {"frames": SECONDS * 30, "duration_s": float(SECONDS)}
    (folder / "session.json").write_text(json.dumps(manifest))
    _long_video(seed / VIDEO, folder / VIDEO)
    _long_tape(folder / TAPE)
    shutil.rmtree(seed)
    return folder


def _long_video(seed: Path, path: Path) -> None:
    with av.open(str(seed)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.size]
        with av.open(str(path), "w", format="mp4") as container:
            out = container.add_stream_from_template(stream)
            kept = [(bytes(packet), packet.is_keyframe) for packet in packets]
            for number in range(SECONDS * 30):
                data, key = kept[number % len(kept)]
                packet = av.Packet(data)
                packet.pts = packet.dts = number * STEP
                packet.duration, packet.time_base = STEP, Fraction(1, TICKS_HZ)
                packet.stream, packet.is_keyframe = out, key
                container.mux(packet)


def _long_tape(path: Path) -> None:
    pictures = [{kind: draw(number, kind) for kind in ("camera", "mask")} for number in range(60)]
    with Tape(path, "kart") as tape:
        for number in range(SECONDS * 30):
            tape.write(shelved.entry(number, number * STEP), pictures[number % 60])


if __name__ == "__main__":
    print("\n".join(figure.row() for figure in figures()))
