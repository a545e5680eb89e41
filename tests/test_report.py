"""The report as its user sees it: the command, the page, the JSON."""

import json
import os
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edge.methods import CATALOG
from models.report import main
from models.report.charts import Series, lines, scatter, whisker
from models.report.page import render
from models.report.pictures import WIDTH, overlay
from models.report.progress import Progress
from models.report.result import Report, Zone, decode, encode
from models.report.shots import Shots
from models.report.statistics import Interval
from tests.make_tflite import Network

HOSTILE = "<script>alert(1)</script>&\"'"
ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img", "br", "link", "path", "circle"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset"}]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = Network(36, 48, seed=1)
    for _ in range(2):
        net.conv(4, (3, 3), (2, 2), activation="RELU")
    net.dense(1, HOSTILE)
    net.dense(1, "n_outputs1")
    file = tmp_path_factory.mktemp("pilot") / f"{HOSTILE.replace('/', ' ')}.tflite"
    file.write_bytes(net.bytes(signature=True))
    return file


@pytest.fixture(scope="module")
def tub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tub of 12 pictures, with a hostile name."""
    folder = tmp_path_factory.mktemp("tub") / HOSTILE.replace("/", " ")
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    records = []
    for i in range(12):
        picture = cv2.resize(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8), (48, 36))
        cv2.imwrite(str(folder / "images" / f"{i}.png"), picture)
        steering = float(rng.uniform(-1, 1))
        record = {"_index": i, "cam/image_array": f"{i}.png", "user/angle": steering, "user/throttle": 0.3}
        records.append(json.dumps(record))
    (folder / "catalog_0.catalog").write_text("\n".join(records))
    (folder / "manifest.json").write_text(json.dumps({"paths": ["catalog_0.catalog"]}))
    return folder


@pytest.fixture(scope="module")
def made(pilot: Path, tub: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "new" / "report"
    assert main([str(pilot), str(tub), "-o", str(folder), "--frames", "10"]) == 0
    return folder


@pytest.fixture(scope="module")
def report(made: Path) -> Report:
    return decode((made / "report.json").read_bytes())


def test_only_the_two_files_are_left(made: Path) -> None:
    assert sorted(file.name for file in made.iterdir()) == ["report.html", "report.json"]


def test_the_page_is_complete_in_itself_and_everything_is_escaped(made: Path, report: Report) -> None:
    text = (made / "report.html").read_text("utf-8")
    page = Page(text)
    assert not page.open
    assert "script" not in page.tags and "iframe" not in page.tags
    assert page.addresses and all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "url(" not in text and "@import" not in text and "http" not in text
    assert "<script" not in text
    assert any(report.pilot.name in words for words in page.words)
    assert report.source.name in "".join(page.words)


def test_every_method_has_figures_or_a_reason(report: Report) -> None:
    assert [method.name for method in report.methods] == list(CATALOG)
    for method in report.methods:
        assert method.verdict
        assert bool(method.refused) != (method.change is not None)
        if method.change is not None:
            assert len(method.deletion) == len(method.insertion) == len(report.curve)
            assert len(method.zones) == len(report.zones)
            assert method.randomised and len(method.randomised.values) == len(report.levels) == 3
            assert method.shift and len(method.shift.salient) == len(report.shifts) == len(report.shift_whole)
            assert [one.what for one in method.samples] == ["best", "median", "worst"]
            assert method.samples[0].factor >= method.samples[1].factor >= method.samples[2].factor


def test_figures_agree_with_each_other(report: Report) -> None:
    edges = next(method for method in report.methods if method.name == "edges")
    assert edges.to_edges == Interval(1, 1, 1) and edges.change and edges.to_random
    assert report.random.to_random == Interval(1, 1, 1) and report.random.change
    assert edges.to_random.value == pytest.approx(edges.change.value / report.random.change.value)
    summary = [edges.deletion[report.curve.index(share)].value for share in report.shares]
    assert edges.change.value == pytest.approx(np.mean(summary))
    assert report.passed == all(check.passed is not False for check in report.checks)
    assert (report.source.frames, report.source.read) == (10, 12)
    assert report.driving and report.driving.frames == 10


def test_json_round_trip(made: Path, report: Report) -> None:
    data = (made / "report.json").read_bytes()
    assert encode(decode(data)) == data
    assert b"NaN" not in data and b"Infinity" not in data
    json.loads(data)
    with pytest.raises(msgspec.ValidationError, match="version 2"):
        decode(encode(msgspec.structs.replace(report, version=2)))
    with pytest.raises(msgspec.DecodeError):
        decode(data[:-20])


def test_the_same_seed_makes_the_same_report(pilot: Path, tub: Path, tmp_path: Path) -> None:
    def figures(name: str, seed: int) -> Report:
        line = [str(pilot), str(tub), "-o", str(tmp_path / name), "--frames", "8", "--methods", "visualbackprop"]
        assert main([*line, "--seed", str(seed)]) == 0
        found = decode((tmp_path / name / "report.json").read_bytes())
        methods = [msgspec.structs.replace(method, milliseconds=0.0) for method in found.methods]
        return msgspec.structs.replace(found, methods=methods, made="", seconds=0.0)

    one = figures("a", 3)
    assert one == figures("b", 3)
    assert one.random != figures("c", 4).random
    assert [method.name for method in one.methods] == ["visualbackprop", "edges"]


def test_a_pilot_that_computes_in_integers(tub: Path, tmp_path: Path) -> None:
    net = Network(36, 48, dtype=np.int8, seed=2)
    net.conv(4, (3, 3), (2, 2), activation="RELU")
    net.conv(4, (3, 3), (2, 2), activation="RELU")
    net.dense(1, "n_outputs0")
    (tmp_path / "int8.tflite").write_bytes(net.bytes())
    line = [str(tmp_path / "int8.tflite"), str(tub), "-o", str(tmp_path), "--frames", "8"]
    assert main([*line, "--methods", "visualbackprop,gradient-input"]) == 0
    found = decode((tmp_path / "report.json").read_bytes())
    assert found.spread > 0
    for method in found.methods[:2]:
        assert not method.refused and method.change is not None and method.change.value > 0


def test_users_zones(pilot: Path, tub: Path, tmp_path: Path) -> None:
    (tmp_path / "my<b>.toml").write_text('[zones]\n"<i>" = [[0, 0], [1, 0], [1, 1]]\n')
    line = [str(pilot), str(tub), "-o", str(tmp_path), "--frames", "8", "--methods", "edges"]
    assert main([*line, "--zones", str(tmp_path / "my<b>.toml")]) == 0
    found = decode((tmp_path / "report.json").read_bytes())
    assert [zone.name for zone in found.zones] == ["<i>", "rest"]
    assert [zone.area.value for zone in found.zones] == pytest.approx([0.5, 0.5], abs=0.03)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<i>&" not in text and "&lt;i&gt;" in text and "my&lt;b&gt;.toml" in text


def test_ground_truth_of_a_track(pilot: Path, tmp_path: Path) -> None:
    line = [
        str(pilot),
        "track:demo",
        "-o",
        str(tmp_path),
        "--frames",
        "8",
        "--methods",
        "edges",
        "--target",
        "throttle",
    ]
    assert main(line) == 0
    found = decode((tmp_path / "report.json").read_bytes())
    assert [zone.name for zone in found.zones] == ["sky", "left line", "centre line", "right line", "rest"]
    edges = found.methods[0]
    assert edges.lane and edges.lane.factor and edges.lane.factor.value > 1
    assert found.pilot.target == "throttle"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["{pilot}", "nowhere"], "nowhere"),
        (["nothing.tflite", "{tub}"], "nothing.tflite"),
        (["{tub}", "{tub}"], "not a file"),
        (["{pilot}", "camera:0"], "live"),
        (["{pilot}", "track:nosuch"], "nosuch"),
        (["{pilot}", "{tub}", "--methods", "guesswork"], "guesswork"),
        (["{pilot}", "{tub}", "--target", "steering-bin"], "steering-bin"),
        (["{pilot}", "{tub}", "--zones", "nozones.toml"], "nozones.toml"),
        (["{pilot}", "{tub}", "-o", "{pilot}"], "cannot be made"),
        (["{pilot}", "{tub}", "-o", "/proc/nothing"], "/proc/nothing"),
    ],
)
def test_bad_input_is_one_sentence(
    line: list[str], says: str, pilot: Path, tub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.replace("{pilot}", str(pilot)).replace("{tub}", str(tub)) for word in line]
    if "-o" not in words:
        words += ["-o", str(tmp_path)]
    assert main(words) == 2
    said = capsys.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and not said.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["", "a", "a b --frames 3", "a b --target up", "a b -x", "a b --seed -1"])
def test_wrong_usage_exits_with_2(line: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())


def test_interrupting_leaves_nothing(pilot: Path, tub: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    code = "import sys; from models.report import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, str(pilot), str(tub), "-o", str(folder), "--frames", "12"]
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not folder.exists():
            pass
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "models report: interrupted, nothing is written" and "Traceback" not in err
    assert not out and not list(folder.iterdir())


def test_progress_is_told_to_watchers_only(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as silent:
        silent.start("x", 3)
        silent.tick()
    assert capsys.readouterr().err == ""
    with Progress(shown=True) as shown:
        shown.start("counting", 4)
        shown.start("unknown length")
    said = capsys.readouterr().err
    assert "counting" in said and "0/4" in said and said.endswith("\r\x1b[K")


def test_a_report_without_anything_still_makes_a_page(report: Report) -> None:
    bare = msgspec.structs.replace(
        report, methods=[], driving=None, zones=[Zone(HOSTILE, Interval(0, 0, 0), None, None)], verdict=[], checks=[]
    )
    page = Page(render(bare, Shots()))
    assert "svg" in page.tags and "script" not in page.tags


def test_charts_of_extreme_figures() -> None:
    for values in ([0.0, 0.0], [1e-9, 2e-9], [1e6, 3.0], [0.2, 0.2]):
        drawn = lines([Series(HOSTILE, [0, 1], [Interval(v, v, v) for v in values])], across="x", up="y")
        assert "nan" not in drawn and "inf" not in drawn and "<script" not in drawn
    assert "nan" not in scatter([], across="x", up="y", label="z") + scatter([(0, 0)], across="x", up="y", label="z")
    assert "left:0.0%" in whisker(Interval(0, 0, 0), 0.5, 2) and "left:50.0%" in whisker(Interval(1, 1, 1), 0.5, 2)


def test_overlays_show_the_sign_and_the_place() -> None:
    frame = np.full((30, 40, 3), 100, np.uint8)
    values = np.zeros((30, 40), np.float32)
    values[:, 5:10], values[:, 30:35] = -1, 1
    picture = overlay(frame, values, signed=True).astype(int)
    assert picture.shape == (240, WIDTH, 3)
    left, right, nothing = picture[120, 60], picture[120, 260], picture[120, 160]
    assert left[2] > left[0] + 50 and right[0] > right[2] + 50 and np.ptp(nothing) == 0
    unsigned = overlay(frame, np.abs(values), signed=False).astype(int)
    np.testing.assert_array_equal(unsigned[120, 60], unsigned[120, 260])
    blank = overlay(frame, 0 * values, signed=False)
    assert np.ptp(blank) == 0
