"""Tubs: read back by Donkeycar itself where it is installed, by our own source, and taken apart line by line."""

import importlib.util
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import simplejpeg

from edge.capture.tub import TubSource, is_tub
from host.record.entry import Event
from host.record.notes import Notes
from host.record.session import TICKS_HZ
from host.review.export.source import ExportError
from tests.exports import NAME, START_NS, Making, export
from tests.wall import read_number
from wire import Drive

MIXED = Making(
    recorded=range(10, 30),
    without_camera=frozenset({5, 6}),
    undriven=frozenset({20, 40}),
    notes=Notes(title="Wörld №1"),
)
"""Driven by a person from 10 to 29; on 20 the pilot said nothing, on 40 nobody did; 5 and 6 have no picture."""
KEPT = [number for number in range(60) if number not in {5, 6, 40}]

DONKEYCAR = """
import hashlib, json, sys
from donkeycar.parts.tub_v2 import Tub
from donkeycar.pipeline.types import TubDataset
from donkeycar.config import Config

tub = Tub(sys.argv[1], read_only=True)
config = Config()
config.IMAGE_W, config.IMAGE_H, config.IMAGE_DEPTH = 160, 120, 3
dataset = TubDataset(config, [sys.argv[1]])
found = {
    "length": len(tub),
    "records": list(tub),
    "metadata": tub.manifest.metadata,
    "deleted": sorted(tub.manifest.deleted_indexes),
    "shapes": [record.image().shape for record in dataset.get_records()],
}
tub.close()
dataset.close()

fields = ["cam/image_array", "user/angle", "user/throttle", "user/mode", "pilot/angle", "pilot/throttle"]
writer = Tub(sys.argv[1], inputs=fields, types=["image_array", "float", "float", "str", "float", "float"])
writer.write_record({"user/angle": 0.5, "user/throttle": 0.5, "user/mode": "user"})
writer.close()
again = Tub(sys.argv[1], read_only=True)
found["continued"] = list(again)[-1]
again.close()
print("\\n" + json.dumps(found))
"""


def tub_of(making: Making, directory: Path, *part: float) -> Path:
    export("tub", making.session(directory / "sessions"), directory / "tub", *part)
    return directory / "tub"


def lines(path: Path) -> list[Any]:
    """Every line's value; a file of lines ends with the end of one."""
    text = path.read_bytes().decode("ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def records(tub: Path) -> list[dict[str, Any]]:
    return [record for name in lines(tub / "manifest.json")[4]["paths"] for record in lines(tub / name)]


def test_donkeycar_reads_it_and_goes_on_writing(tmp_path: Path) -> None:
    if importlib.util.find_spec("donkeycar") is None:
        pytest.skip("needs donkeycar: pip install donkeycar==5.3.0")
    tub = tub_of(MIXED, tmp_path)
    written = records(tub)
    done = subprocess.run(
        [sys.executable, "-c", DONKEYCAR, str(tub)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["records"] == written
    assert found["length"] == len(KEPT)
    assert found["deleted"] == []
    assert found["shapes"] == [[120, 160, 3]] * len(KEPT)
    assert found["metadata"]["title"] == "Wörld №1"
    assert found["continued"]["_index"] == len(KEPT)
    assert found["continued"]["_session_id"].endswith("_1")


def test_our_own_source_reads_it(tmp_path: Path) -> None:
    tub = tub_of(MIXED, tmp_path)
    assert is_tub(tub)
    with TubSource(tub, realtime=False) as source:
        for number in KEPT:
            frame = source.read()
            assert frame is not None
            driven = number in MIXED.recorded
            assert frame.recorded == (Drive(0.125, 0.5) if driven else MIXED.drive(number))
            assert (frame.rgb == simplejpeg.decode_jpeg(MIXED.camera(number))).mean() > 0.9
        assert source.read() is None
        assert (source.skipped, source.ignored) == (0, 0)


def test_records_are_what_drove_and_pictures_as_they_came(tmp_path: Path) -> None:
    tub = tub_of(MIXED, tmp_path)
    for index, (number, record) in enumerate(zip(KEPT, records(tub), strict=True)):
        picture = f"{index}_cam_image_array_.jpg"
        assert (tub / "images" / picture).read_bytes() == MIXED.camera(number)
        driven, pilot = number in MIXED.recorded, MIXED.drive(number)
        expected: dict[str, object] = {
            "_index": index,
            "_session_id": "26-11-23_0",
            "_timestamp_ms": (START_NS + number * 100_000_000 // 3 + 500_000) // 1_000_000,
            "cam/image_array": picture,
            "user/mode": "user" if driven else "local",
        }
        drove = Drive(0.125, 0.5) if driven else pilot
        assert drove is not None
        expected |= {"user/angle": drove.steering, "user/throttle": drove.throttle}
        if pilot is not None:
            expected |= {"pilot/angle": pilot.steering, "pilot/throttle": pilot.throttle}
        assert record == expected
    assert len(list((tub / "images").iterdir())) == len(KEPT), "and no other pictures"


def test_the_files_are_those_of_a_tub(tmp_path: Path) -> None:
    """A thousand records to a catalog, and lengths of lines that lead to every one of them."""
    making = Making([3000 * number for number in range(2100)], film=False)
    tub = tub_of(making, tmp_path)
    inputs, types, about, sessions, catalogs = lines(tub / "manifest.json")
    assert inputs == ["cam/image_array", "user/angle", "user/throttle", "user/mode", "pilot/angle", "pilot/throttle"]
    assert types == ["image_array", "float", "float", "str", "float", "float"]
    assert about == {"car": "kart", "session": NAME, "title": ""}
    assert sessions["created_at"] == START_NS / 1e9
    assert sessions["sessions"] == {"all_full_ids": ["26-11-23_0"], "last_id": 0, "last_full_id": "26-11-23_0"}
    names = [f"catalog_{number}.catalog" for number in range(3)]
    assert catalogs == {"paths": names, "current_index": 2100, "max_len": 1000, "deleted_indexes": []}
    index = 0
    for name in names:
        (manifest,) = lines(tub / f"{name}_manifest")
        assert manifest["start_index"] == index
        assert manifest["path"] == f"{name}_manifest"
        data, at = (tub / name).read_bytes(), 0
        for length in manifest["line_lengths"]:
            assert json.loads(data[at : at + length])["_index"] == index
            at, index = at + length, index + 1
        assert at == len(data)
    assert index == 2100
    assert {path.name for path in tub.iterdir()} == {
        "manifest.json", "images", *names, *(f"{name}_manifest" for name in names)
    }  # fmt: skip


def test_a_gap_and_a_restart_begin_a_session_of_their_own(tmp_path: Path) -> None:
    ticks = [*range(0, 30_000, 3000), *range(300_000, 330_000, 3000), *range(330_000, 360_000, 3000)]
    restart = Event(unix_ns=0, tick=330_000, kind="restart", text="the car came back as a new process")
    tub = tub_of(Making(ticks, events=[restart]), tmp_path)
    assert [record["_session_id"] for record in records(tub)] == [f"26-11-23_{number // 10}" for number in range(30)]
    sessions = lines(tub / "manifest.json")[3]["sessions"]
    assert sessions["all_full_ids"] == ["26-11-23_0", "26-11-23_1", "26-11-23_2"]
    assert (sessions["last_id"], sessions["last_full_id"]) == (2, "26-11-23_2")
    late = tmp_path / "late"
    export("tub", tmp_path / "sessions" / NAME, late, 330_000 / TICKS_HZ)
    assert {record["_session_id"] for record in records(late)} == {"26-11-23_0"}


def test_a_zip_unpacks_to_the_same_tub(tmp_path: Path) -> None:
    tub = tub_of(MIXED, tmp_path)
    export("tub", tmp_path / "sessions" / NAME, tmp_path / "Kurve links.zip")
    with zipfile.ZipFile(tmp_path / "Kurve links.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert unpacked.name == "Kurve links"
    files = [path.relative_to(tub) for path in tub.rglob("*") if path.is_file()]
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()} == set(files)
    assert all((unpacked / path).read_bytes() == (tub / path).read_bytes() for path in files)


@pytest.mark.parametrize("start_ns", [0, 2**62])
def test_a_clock_that_was_never_set_does_no_harm(tmp_path: Path, start_ns: int) -> None:
    making = Making(start_ns=start_ns)
    export("tub", making.session(tmp_path / "sessions"), tmp_path / "tub.zip")
    tub = tub_of(Making(start_ns=start_ns, name="other"), tmp_path)
    assert records(tub)[0]["_timestamp_ms"] == round(start_ns / 1e6)
    with zipfile.ZipFile(tmp_path / "tub.zip") as file:
        assert len(file.infolist()) == 60 + 3


def test_numbers_that_are_none_are_no_records(tmp_path: Path) -> None:
    class Mad(Making):
        def drive(self, number: int) -> Drive | None:
            return Drive([math.nan, math.inf, 0.25, -math.inf][number % 4], 0.5)

    tub = tub_of(Mad(), tmp_path)
    assert [record["user/angle"] for record in records(tub)] == [0.25] * 15
    assert read_number((tub / "images" / "14_cam_image_array_.jpg").read_bytes()) == 58


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    folder = MIXED.session(tmp_path)
    written = export("tub", folder, tmp_path / "tub")
    assert written.frames == 57
    assert written.remark == "3 of 60 frames have no camera picture, or nobody drove them, and were left out"
    alone = Making(name="overlay-alone", without_camera=frozenset(range(60))).session(tmp_path)
    for path in (tmp_path / "none", tmp_path / "none.zip"):
        with pytest.raises(ExportError, match="overlay-alone has no frame in this part with both a camera picture and"):
            export("tub", alone, path)


def test_a_torn_tape_gives_what_there_is(tmp_path: Path) -> None:
    folder = Making().torn(tmp_path)
    assert export("tub", folder, tmp_path / "tub", 0.5).frames == 45
    assert read_number((tmp_path / "tub" / "images" / "0_cam_image_array_.jpg").read_bytes()) == 15
