"""The horizon study's measures, on pilots that were planted to steer by one thing; TensorFlow is not needed."""

import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edge.capture.track import TrackSource
from edge.capture.track.car import expert
from edge.capture.track.style import STYLES
from edge.pilot import Pilot
from models.study import attention, command, pictures, tables
from models.study.driving import Run, run, runs
from models.study.figures import TRACKS, Extent, Figures, Measuring, Study
from models.study.reliance import ERROR, OTHER_SKY, TURNED_SKY, Steers, reliance
from models.study.scenes import LINES, Scenery, places, skies
from tests.make_tflite import Network
from wire import Drive

LINE_ROWS = {f"{line} line" for line in LINES}
SKY_ROWS = 44
"""So many rows a pilot has to be blind to, to be blind to the sky."""


@pytest.fixture(scope="module")
def demo() -> Scenery:
    return Scenery("demo", STYLES["demo"])


@pytest.fixture(scope="module")
def sky(demo: Scenery) -> NDArray[np.bool_]:
    return attention.zones("demo", places(demo.road, 1))[0]["sky"]


def by_mean(mask: NDArray[np.bool_]) -> Steers:
    """A pilot that steers by how bright that part of the picture is."""
    return lambda rgb: Drive(float(rgb[mask].mean()) / 255, 0.4)


def planted(crop: int = 0, *, sky_only: bool = False) -> bytes:
    """A pilot of one convolution; steering is the sum of all cells, or of those that see nothing but sky."""
    net = Network(120, 160)
    if crop:
        begin, end, steps = (np.array(v, np.int32) for v in ((0, crop, 0, 0), (1, 120, 160, 3), (1, 1, 1, 1)))
        options = schema.StridedSliceOptionsT()
        cut = [net.at, *map(net.constant, (begin, end, steps))]
        net.operator("STRIDED_SLICE", cut, (1, 120 - crop, 160, 3), options)
    net.conv(2, (5, 5), (2, 2), activation="RELU", weights=np.full((2, 5, 5, 3), 0.01, np.float32))
    _, rows, columns, filters = net.shape()
    weights = np.zeros((1, rows, columns, filters), np.float32)
    weights[:, : 14 if sky_only else rows] = 1e-3  # the 14th row of cells ends at pixel row 30, the horizon is at 34
    flat = net.reshape(1, weights.size)
    inputs = [flat, net.constant(weights.reshape(1, -1), "head"), net.constant(np.zeros(1, np.float32))]
    out = net.operator("FULLY_CONNECTED", inputs, (1, 1), schema.FullyConnectedOptionsT(), label="n_outputs0")
    net.outputs.append(out)
    net.names[out] = "n_outputs0"
    return net.bytes(signature=True)


def loaded(folder: Path, data: bytes) -> Pilot:
    file = folder / "planted.tflite"
    file.write_bytes(data)
    return Pilot.load(file)


def test_guises_differ_in_the_sky_alone(demo: Scenery, sky: NDArray[np.bool_]) -> None:
    where = places(demo.road, 6)
    before = demo.frames(where)
    assert np.array_equal(before, demo.frames(where))
    for other in (demo.frames(where, sky=skies("demo")[0]), demo.frames(where, turn=1.0)):
        assert np.array_equal(before[:, ~sky], other[:, ~sky])
        assert (before[:, sky] != other[:, sky]).any(axis=2).mean() > 0.3
    assert not sky[SKY_ROWS:].any()


@pytest.mark.parametrize("line", LINES)
def test_guises_differ_in_one_line_alone(demo: Scenery, line: str) -> None:
    where = places(demo.road, 6)
    differs = (demo.frames(where) != demo.frames_without(line, where)).any(axis=3)
    zones = attention.zones("demo", where)
    assert differs.sum() > 20
    assert not differs[np.array([seen["sky"] for seen in zones])].any()
    # Far away lines are so close that the halo of one covers the other.
    assert differs[np.array([seen[f"{line} line"] for seen in zones])].sum() > 0.9 * differs.sum()


def test_a_pilot_of_the_sky_is_found_out(demo: Scenery, sky: NDArray[np.bool_]) -> None:
    found = reliance(by_mean(sky), demo, 24)
    assert min(found[OTHER_SKY], found[TURNED_SKY]) > 0.01
    assert {found[line] for line in LINE_ROWS} == {0}


def test_a_pilot_of_the_ground_is_found_innocent(demo: Scenery, sky: NDArray[np.bool_]) -> None:
    found = reliance(by_mean(~sky), demo, 24)
    assert found[OTHER_SKY] == found[TURNED_SKY] == 0
    assert min(found[line] for line in LINE_ROWS) > 0


def test_the_unit_is_the_spread_of_the_experts_steering(demo: Scenery) -> None:
    where = places(demo.road, 24)
    right = np.array([expert(demo.road, pose).steering for pose in where])
    found = reliance(lambda rgb: Drive(0.5, 0.4), demo, 24)
    assert found[ERROR] == pytest.approx(np.abs(0.5 - right).mean() / right.std())
    assert sum(found.values()) == found[ERROR]


def test_the_expert_drives_all_laps() -> None:
    source = TrackSource("demo", realtime=False)
    driven = run(lambda rgb: source.expert(), source, 2, "as it is")
    assert driven.laps == 2
    assert driven.farthest_m < 0.12


@pytest.mark.parametrize(
    ("word", "farthest_m"), [(Drive(0.0, 0.0), 0.0), (Drive(1.0, 0.5), 0.2), (Drive(math.nan, 0.4), 0.0)]
)
def test_a_drive_ends_where_it_leaves_the_lane_or_stands(word: Drive, farthest_m: float) -> None:
    driven = run(lambda rgb: word, TrackSource("demo", realtime=False), 1, "")
    assert driven.laps < 0.2
    assert farthest_m <= driven.farthest_m < farthest_m + 0.05


def test_all_guises_are_driven_in() -> None:
    guises = [it.guise for it in runs(lambda rgb: Drive(1.0, 1.0), "demo", 1)]
    assert guises == ["as it is", *(f"skyline {n + 1}" for n in range(4)), *(f"no {it} line" for it in LINES)]


def test_maps_lie_where_a_planted_pilot_looks(tmp_path: Path, demo: Scenery) -> None:
    where = places(demo.road, 4)
    frames, zones = demo.frames(where), attention.zones("demo", where)
    areas = attention.areas(zones)
    assert sum(areas.values()) == pytest.approx(1)
    everywhere = attention.shares(loaded(tmp_path, planted()), "gradient", frames, zones)
    assert everywhere["sky"] == pytest.approx(areas["sky"], rel=0.1)
    above = attention.shares(loaded(tmp_path, planted(sky_only=True)), "gradient", frames, zones)
    assert above == pytest.approx({**dict.fromkeys(areas, 0), "sky": 1})


@pytest.mark.parametrize("method", attention.METHODS)
def test_no_map_lies_on_what_is_cut_off(tmp_path: Path, demo: Scenery, method: str) -> None:
    where = places(demo.road, 3)
    pilot = loaded(tmp_path, planted(crop=SKY_ROWS))
    found = attention.shares(pilot, method, demo.frames(where), attention.zones("demo", where))
    # Some methods smooth their maps at the end, over the edge of the cut by a pixel or two.
    assert found["sky"] < 0.002
    assert sum(found.values()) == pytest.approx(1)


def figures(name: str, change: float) -> Figures:
    whats = (ERROR, OTHER_SKY, TURNED_SKY, *sorted(LINE_ROWS))
    maps = {"visualbackprop": {"sky": 0.25, "rest": 0.75}}
    return Figures(
        name=name,
        says="laps & <more>",
        sha256="0" * 64,
        size_bytes=7,
        reliance={track: dict.fromkeys(whats, change) for track in TRACKS},
        runs={track: [Run("as it is", 2, 0.03), Run("skyline 1", change, 0.21)] for track in TRACKS},
        attention=dict.fromkeys(TRACKS, maps),
    )


AREAS = {track: {"sky": 0.3, "rest": 0.7} for track in TRACKS}
STUDY = Study({}, Extent(), AREAS, [figures("a", 0.5), figures("b", 1.25)])


def test_the_tables_tell_every_figure() -> None:
    page = tables.page(STUDY)
    assert page.count("| another skyline | 0.50 | 1.25 |") == len(TRACKS)
    assert page.count("| as it is | 2 (3 cm) | 2 (3 cm) |") == len(TRACKS)
    assert page.count("| skyline 1 | **0.5 (21 cm)** | **1.25 (21 cm)** |") == len(TRACKS)
    assert page.count("| sky (30% of the picture) | 25% | 25% |") == len(TRACKS)


def test_the_charts_bars_are_as_long_as_the_figures() -> None:
    drawn = ET.fromstring(pictures.chart(STUDY.pilots, "demo"))
    high = drawn.attrib["viewBox"].split()[3]
    bars = [float(it.attrib["width"]) for it in drawn.iter() if it.get("x") == "180" and it.get("height") == "11"]
    lengths = [bar for bar in bars if bar != 11]
    assert len(lengths) == 2 * (len(LINE_ROWS) + 2)
    assert np.allclose(np.divide(lengths[0::2], lengths[1::2]), 0.5 / 1.25, atol=0.01)
    assert max(float(it.attrib["y"]) for it in drawn.iter() if "y" in it.attrib) < float(high)


def test_the_picture_shows_the_place_where_the_sky_matters_most(tmp_path: Path, demo: Scenery) -> None:
    pilots = {"planted": loaded(tmp_path, planted()), "blind": loaded(tmp_path, planted(crop=SKY_ROWS))}
    drawn = pictures.skylines(demo, pilots, "visualbackprop", count=4)
    assert drawn.shape[1] == 3 * 320
    above, below = np.split(drawn, 2)
    blind = slice(640, 960)
    assert not np.array_equal(above[:, :320], below[:, :320])
    horizon = 30 + 2 * SKY_ROWS + 8
    assert np.array_equal(above[horizon:, blind], below[horizon:, blind])


def test_measuring_finds_all_there_is_to_find(tmp_path: Path) -> None:
    (tmp_path / "planted.tflite").write_bytes(planted(sky_only=True))
    told: list[str] = []
    measuring = Measuring(Extent(places=8, looks=2, laps=1))
    found = measuring.figures("planted", "", tmp_path / "planted.tflite", told.append)
    assert len(told) == 3
    assert set(found.attention["demo"]) == set(attention.METHODS)
    assert set(measuring.areas["demo"]) == set(found.attention["demo"]["gradient"])
    for track in TRACKS:
        assert found.reliance[track][OTHER_SKY] > max(found.reliance[track][line] for line in LINE_ROWS) == 0


def test_what_a_person_can_get_wrong_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["-o", str(tmp_path / "new"), "--keep"]) == 2
    (tmp_path / "file").touch()
    assert command.main(["-o", str(tmp_path / "file"), "--keep"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "naive.tflite" in first
    assert "file" in second
