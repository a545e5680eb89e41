"""Real tubs and real pilots, from the file to the picture in a browser."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from edge.capture import open_source
from edge.pilot import Pilot
from tests.browser import chromium
from tests.processes import SHARED, eventually, free_port, process, ready

DATA = SHARED / "data"
TUB, PILOT = DATA / "tub-warehouse", DATA / "pilots" / "warehouse" / "linear.tflite"

pytestmark = pytest.mark.skipif(not TUB.exists(), reason="needs ../shared/data")

SATURATED = """() => {
    const canvas = document.querySelector("canvas");
    const context = canvas.getContext("2d");
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
        const [low, high] = [Math.min(...data.slice(i, i + 3)), Math.max(...data.slice(i, i + 3))];
        count += high > 150 && low < 0.4 * high;
    }
    return [canvas.width, canvas.height, count];
}"""


@pytest.mark.parametrize(
    ("tub", "pilot", "least"),
    [("tub-warehouse", "warehouse/linear.tflite", 0.75), ("tub-grey", "grey/final_1.tflite", 0.95)],
)
def test_the_pilot_says_what_the_driver_did(tub: str, pilot: str, least: float) -> None:
    """Correlation of recorded and predicted angle over the whole tub; a wrong colour order or scale ends it."""
    driver = Pilot.load(DATA / "pilots" / pilot)
    said, did = [], []
    with open_source(str(DATA / tub), size=None, fps=None, realtime=False) as source:
        while (frame := source.read()) is not None:
            if frame.recorded is not None:
                said.append(driver.drive(driver.infer(frame.rgb)).steering)
                did.append(frame.recorded.steering)
    assert len(said) == 1000
    assert np.corrcoef(said, did)[0, 1] >= least


def test_its_overlay_is_in_the_browser(tmp_path: Path) -> None:
    car, http = f"tcp://127.0.0.1:{free_port()}", free_port()
    edge = ("edge", "--bind", car, "--source", str(TUB), "--pilot", str(PILOT), "--look.strength", "1")
    host = ("host", "--car", f"real={car}", "--http", f"127.0.0.1:{http}", "--sessions", str(tmp_path / "sessions"))
    with chromium() as browser, process(tmp_path / "edge.log", *edge), process(tmp_path / "host.log", *host):
        eventually(lambda: ready(f"http://127.0.0.1:{http}"))
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{http}/")
        expect(page.get_by_text(re.compile("driver"), exact=False).first).to_be_visible()
        time.sleep(1)
        width, height, coloured = page.evaluate(SATURATED)
        assert (width, height) == (160, 120)
        assert coloured > 100, "an overlay has colours that a warehouse floor has not"
