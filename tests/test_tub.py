"""Donkeycar tubs, v1 and v2: real ones, and every defect that real ones have."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.capture import Frame, Source, SourceError, open_source
from edge.capture.stills import DEFAULT_FPS
from edge.capture.tub import FASTEST_FPS, SLOWEST_FPS, TubSource, recorded_fps
from wire import Drive

SHARED = Path(__file__).parents[2] / "shared"
IMAGE = "cam/image_array"


def picture(shade: int, width: int = 16, height: int = 12) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(np.full((height, width, 3), shade, np.uint8), 95)
    return data


def record(index: int, **fields: Any) -> dict[str, Any]:
    """As Donkeycar writes it; its picture's brightness is its index, its steering a hundredth of it."""
    driven = {"user/angle": index / 100, "user/throttle": 0.5, "user/mode": "user"}
    return (
        {"_index": index, "_timestamp_ms": 1000 + 50 * index, IMAGE: f"{index}_cam_image_array_.jpg"} | driven | fields
    )


def write_pictures(folder: Path, indexes: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in indexes:
        (folder / f"{index}_cam_image_array_.jpg").write_bytes(picture(index))


def write_v2(
    folder: Path, catalogs: Mapping[str, Sequence[object]], deleted: object = (), listed: Sequence[object] | None = None
) -> Path:
    """A tub with these records by catalog; a record given as bytes is written as it is."""
    records = [entry for entries in catalogs.values() for entry in entries]
    write_pictures(folder / "images", [entry["_index"] for entry in records if isinstance(entry, dict)])
    last = {"paths": list(catalogs) if listed is None else listed, "current_index": 99, "deleted_indexes": deleted}
    lines = [[IMAGE, "user/angle"], ["image_array", "float"], {}, {"created_at": 1.5}, last]
    (folder / "manifest.json").write_text("\n".join(json.dumps(line) for line in lines))
    for name, entries in catalogs.items():
        raw = [entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in entries]
        (folder / name).write_bytes(b"\n".join(raw) + b"\n")
    return folder


def write_v1(folder: Path, indexes: Sequence[int]) -> Path:
    write_pictures(folder, indexes)
    for index in indexes:
        entry = {key: value for key, value in record(index).items() if not key.startswith("_")}
        (folder / f"record_{index}.json").write_text(json.dumps(entry | {"milliseconds": 40 * index}))
    return folder


def tub(folder: Path, **options: Any) -> TubSource:
    source = open_source(str(folder), **{"size": None, "fps": None, "realtime": False, **options})
    assert isinstance(source, TubSource)
    return source


def frames(source: Source, most: int = 2000) -> list[Frame]:
    found: list[Frame] = []
    while len(found) < most and (frame := source.read()) is not None:
        found.append(frame)
    return found


def indexes(found: Sequence[Frame]) -> list[int]:
    return [round(float(frame.rgb.mean())) for frame in found]


def shown(folder: Path) -> tuple[list[int], int]:
    """Indexes of the frames of one pass, and how many records were skipped."""
    with tub(folder) as source:
        found = frames(source)
    return indexes(found), source.skipped


# --- whole tubs


def test_v2_in_catalog_order_with_what_the_driver_did(tmp_path: Path) -> None:
    two = {"catalog_0.catalog": [record(i) for i in range(3)], "catalog_1.catalog": [record(i) for i in (3, 4)]}
    with tub(write_v2(tmp_path / "tub", two)) as source:
        found = frames(source)
        assert source.read() is None
    assert indexes(found) == [0, 1, 2, 3, 4]
    assert [frame.recorded for frame in found] == [Drive(i / 100, 0.5) for i in range(5)]
    assert source.name == "tub tub"
    assert source.skipped == 0


def test_v1_in_numeric_order_with_what_the_driver_did(tmp_path: Path) -> None:
    with tub(write_v1(tmp_path, [100, 9, 20, 1])) as source:
        found = frames(source)
    assert indexes(found) == [1, 9, 20, 100]
    assert [frame.recorded for frame in found] == [Drive(i / 100, 0.5) for i in (1, 9, 20, 100)]


def test_looping_resizing_and_entering_again(tmp_path: Path) -> None:
    source = tub(write_v2(tmp_path, {"c": [record(1), record(2)]}), loop=True, size=(8, 6))
    for _ in range(2):
        with source:
            found = frames(source, 5)
        assert indexes(found) == [1, 2, 1, 2, 1]
        assert {frame.rgb.shape for frame in found} == {(6, 8, 3)}


# --- rate


@pytest.mark.parametrize(
    ("times_ms", "fps"),
    [
        ([0, 50, 100, 150], 20),
        ([0, 33, 67, 100, 180_000, 180_033], pytest.approx(30, abs=1)),  # a pause
        ([0, 3, 6, 9], DEFAULT_FPS),  # not the drive's times
        ([0, 60_000, 120_000], DEFAULT_FPS),
        ([100, 50, 0], DEFAULT_FPS),  # backwards
        ([7], DEFAULT_FPS),
        ([], DEFAULT_FPS),
        ([0, 1.7e308, -1.7e308, 1.7e308], DEFAULT_FPS),
    ],
)
def test_recorded_rate(times_ms: list[float], fps: float) -> None:
    assert recorded_fps(times_ms) == fps


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_recorded_rate_is_always_one_that_can_be_kept(times_ms: list[float]) -> None:
    assert SLOWEST_FPS <= recorded_fps(times_ms) <= FASTEST_FPS


def test_rate_of_v1_and_v2_tubs(tmp_path: Path) -> None:
    faster = [record(i, _timestamp_ms=10 * i) for i in range(5)]
    assert tub(write_v2(tmp_path / "2", {"c": faster})).listing().fps == 100
    assert tub(write_v1(tmp_path / "1", [0, 1, 2])).listing().fps == 25


def test_recorded_rate_is_kept(tmp_path: Path) -> None:
    with tub(write_v2(tmp_path, {"c": [record(i, _timestamp_ms=10 * i) for i in range(6)]}), realtime=True) as source:
        moments = [frame.captured_ns for frame in frames(source)]
    assert moments[-1] - moments[0] >= 5 * 10_000_000


# --- defects


def test_broken_pictures_and_missing_ones(tmp_path: Path) -> None:
    folder = write_v2(tmp_path, {"c": [record(i) for i in range(6)]})
    images = folder / "images"
    (images / "1_cam_image_array_.jpg").write_bytes(b"")
    (images / "2_cam_image_array_.jpg").write_bytes(picture(2)[:-200])
    (images / "4_cam_image_array_.jpg").unlink()
    write_pictures(images, [50, 51])  # without records
    assert shown(folder) == ([0, 3, 5], 3)


def test_broken_lines(tmp_path: Path) -> None:
    nested = b"[" * 100_000
    rubbish = [b'{"_index": 1, "cam/ima', b"\xff\xfe\x00", b"null", b"[]", b"7", b'"text"', nested, b"1" * 5000, b"{}"]
    lines = [record(0), *rubbish, b"", b"   ", record(9)]
    assert shown(write_v2(tmp_path, {"c": lines})) == ([0, 9], len(rubbish))


def test_deleted_records_are_left_out_and_not_counted(tmp_path: Path) -> None:
    assert shown(write_v2(tmp_path, {"c": [record(i) for i in range(5)]}, deleted=[0, 3, 77])) == ([1, 2, 4], 0)


@pytest.mark.parametrize("deleted", [None, "1", 1, {"1": 1}, [[1], {}, None, "1", True, 1.0]])
def test_nonsense_in_deleted_indexes(tmp_path: Path, deleted: object) -> None:
    assert shown(write_v2(tmp_path, {"c": [record(1), record(2)]}, deleted=deleted)) == ([1, 2], 0)


def test_catalogs_that_are_listed_and_missing_count_as_one_each(tmp_path: Path) -> None:
    listed = ["catalog_0.catalog", "catalog_1.catalog", "catalog_2.catalog"]
    assert shown(write_v2(tmp_path, {"catalog_0.catalog": [record(3)]}, listed=listed)) == ([3], 2)


def test_a_catalog_is_a_plain_file_of_the_tub(tmp_path: Path) -> None:
    write_v2(tmp_path / "other", {"c": [record(1)]})
    inside = write_v2(
        tmp_path / "tub", {"c": [record(2)]}, listed=["../other/c", "/etc/passwd", "", 5, None, "images", "c"]
    )
    assert shown(inside) == ([2], 6)


PLACES = [
    "../secret.jpg",
    "/etc/passwd",
    "sub/1.jpg",
    "..",
    ".",
    "",
    "a\0.jpg",
    "\ud800.jpg",
    "x" * 300,
    5,
    None,
    ["1.jpg"],
]


@pytest.mark.parametrize("place", PLACES)
def test_a_picture_is_a_plain_file_of_the_images_folder(tmp_path: Path, place: object) -> None:
    folder = write_v2(tmp_path, {"c": [record(1), record(2, **{IMAGE: place})]})
    (folder / "secret.jpg").write_bytes(picture(200))
    (folder / "images/sub").mkdir()
    (folder / "images/sub/1.jpg").write_bytes(picture(200))
    assert shown(folder) == ([1], 1)


def test_links_to_pictures_are_followed_and_to_nowhere_are_not(tmp_path: Path) -> None:
    folder = write_v2(tmp_path / "tub", {"c": [record(i) for i in range(4)]})
    (tmp_path / "disk").mkdir()
    (folder / "images").rename(tmp_path / "disk/images")
    (folder / "images").symlink_to(tmp_path / "disk/images")
    for index, target in {1: "/dev/zero", 2: "2_cam_image_array_.jpg"}.items():
        link = folder / f"images/{index}_cam_image_array_.jpg"
        link.unlink()
        link.symlink_to(target)
    assert shown(folder) == ([0, 3], 2)


UNKNOWN: list[object] = [None, "0.3", True, [], math.nan, math.inf, -math.inf, 10**400]
STEERINGS = {0.25: 0.25, 1: 1.0, 1.02: 1.0, -7: -1.0, 1e300: 1.0}


@pytest.mark.parametrize(("angle", "steering"), [*STEERINGS.items(), *((odd, None) for odd in UNKNOWN)])
def test_steering_is_a_finite_number_or_unknown(tmp_path: Path, angle: object, steering: float | None) -> None:
    with tub(write_v2(tmp_path, {"c": [record(1, **{"user/angle": angle})]})) as source:
        (frame,) = frames(source)
    assert frame.recorded == (None if steering is None else Drive(steering, 0.5))


@pytest.mark.parametrize("lost", ["user/angle", "user/throttle"])
def test_a_record_without_what_the_driver_did_is_a_frame(tmp_path: Path, lost: str) -> None:
    entry = {key: value for key, value in record(1).items() if key != lost}
    with tub(write_v2(tmp_path, {"c": [entry]})) as source:
        (frame,) = frames(source)
    assert frame.recorded is None


def test_sizes_may_change_on_the_way(tmp_path: Path) -> None:
    folder = write_v2(tmp_path, {"c": [record(1), record(2)]})
    (folder / "images/2_cam_image_array_.jpg").write_bytes(picture(2, 40, 30))
    with tub(folder) as source:
        assert [frame.rgb.shape for frame in frames(source)] == [(12, 16, 3), (30, 40, 3)]


def test_v1_defects(tmp_path: Path) -> None:
    folder = write_v1(tmp_path, [1, 2, 3, 4, 5])
    (folder / "record_2.json").write_bytes(b"")
    (folder / "record_3.json").write_text("{}")
    (folder / "record_4.json").unlink()
    (folder / "5_cam_image_array_.jpg").write_bytes(b"")
    (folder / "record_x.json").write_text(json.dumps({IMAGE: "../1.jpg"}))
    (folder / "meta.json").write_text('{"inputs": [], "types": []}')
    assert shown(folder) == ([1], 4)


@pytest.mark.parametrize("loop", [True, False])
def test_a_tub_of_broken_pictures_ends_with_an_error(tmp_path: Path, loop: bool) -> None:
    folder = write_v2(tmp_path, {"c": [record(i) for i in range(4)]})
    for path in (folder / "images").iterdir():
        path.write_bytes(b"")
    with tub(folder, loop=loop) as source, pytest.raises(SourceError, match="no picture that can be shown, 4 broken"):
        source.read()


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b'[]\n[]\n{}\n{}\n{"current_index": 3}', b"\xff" * 40, b'{"paths": "c"}']
)
def test_a_broken_manifest(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(SourceError, match=r"manifest\.json lists no catalogs; is it cut off\?"):
        tub(tmp_path).__enter__()


def test_a_tub_without_records(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no record that can be shown, 0 broken ones"):
        tub(write_v2(tmp_path, {})).__enter__()


def test_a_manifest_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(SourceError, match=r"manifest\.json.* cannot be read: it is not a file"):
        tub(tmp_path).__enter__()


# --- any bytes at all

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.sampled_from(["0_cam_image_array_.jpg", "c", "images", "..", "/dev/zero", "\0"])
values = st.recursive(
    scalars | names, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
keys = st.sampled_from(["_index", "_timestamp_ms", IMAGE, "user/angle", "user/throttle", "paths", "deleted_indexes"])
entries = st.dictionaries(keys, values, max_size=6)
lines = st.binary(max_size=40) | (entries | values).map(lambda value: json.dumps(value).encode())
files = st.lists(lines, max_size=6).map(b"\n".join)


@given(manifest=files, catalog=files, good=st.booleans(), v1=st.booleans())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_frames_skips_or_a_source_error(
    tmp_path: Path, manifest: bytes, catalog: bytes, good: bool, v1: bool
) -> None:
    """`good`: the manifest is whole and only the catalog is rubbish."""
    folder = write_v2(tmp_path / ("v1" if v1 else "v2"), {"c": [record(0)]})
    if v1:
        write_v1(folder, [0])
        (folder / "manifest.json").unlink()
        (folder / "record_1.json").write_bytes(catalog)
    else:
        (folder / "c").write_bytes(catalog)
        if not good:
            (folder / "manifest.json").write_bytes(manifest)
    try:
        with tub(folder, loop=True) as source:
            found = frames(source, 20)
    except SourceError:
        return
    assert len(found) == 20
    assert set(indexes(found)) == {0}
    assert all(
        drive is None or max(map(abs, (drive.steering, drive.throttle))) <= 1 for drive in (f.recorded for f in found)
    )


# --- real ones


@pytest.mark.skipif(not (SHARED / "data/tub-warehouse").exists(), reason="needs ../shared/data/tub-warehouse")
def test_real_old_tub() -> None:
    with tub(SHARED / "data/tub-warehouse") as source:
        found = frames(source)
    assert len(found) == 1000
    assert source.skipped == 0
    assert {frame.rgb.shape for frame in found} == {(120, 160, 3)}
    assert tub(SHARED / "data/tub-warehouse").listing().fps == DEFAULT_FPS  # its times are 3 ms apart
    steering = [frame.recorded.steering for frame in found if frame.recorded]
    assert len(steering) == 1000
    assert steering[0] == pytest.approx(0.2986039775)
    red, _green, blue = np.mean([frame.rgb.mean(axis=(0, 1)) for frame in found], axis=0)
    assert red > blue  # yellow lines


@pytest.mark.skipif(not (SHARED / "data/tub-grey").exists(), reason="needs ../shared/data/tub-grey")
def test_real_new_tub_with_two_catalogs_missing() -> None:
    with tub(SHARED / "data/tub-grey") as source:
        found = frames(source)
    assert len(found) == 1000
    assert source.skipped == 2
    assert tub(SHARED / "data/tub-grey").listing().fps == 20


# --- what else was measured

IMU = {f"imu/{name}": value for value, name in enumerate(("acl_x", "acl_y", "acl_z", "gyr_x", "gyr_y", "gyr_z"))}
BEHAVIOUR = "behavior/one_hot_state_array"


def extras(folder: Path, *records: dict[str, Any]) -> list[dict[str, list[float]]]:
    write_v2(folder, {"c": [record(index, **fields) for index, fields in enumerate(records)]})
    with tub(folder) as source:
        return [{name: values.tolist() for name, values in frame.extras.items()} for frame in frames(source)]


def test_imu_and_behaviour_come_with_the_frame(tmp_path: Path) -> None:
    both = {**IMU, BEHAVIOUR: [0, 1, 0]}
    found = extras(tmp_path, both, IMU, {BEHAVIOUR: [1.0, 0.0]}, {})
    imu = [0, 1, 2, 3, 4, 5]
    assert found == [{"imu": imu, "behaviour": [0, 1, 0]}, {"imu": imu}, {"behaviour": [1, 0]}, {}]


def test_v1_records_have_them_too(tmp_path: Path) -> None:
    write_pictures(tmp_path, [1])
    (tmp_path / "record_1.json").write_text(json.dumps(record(1, **IMU)))
    with tub(tmp_path) as source:
        (found,) = frames(source)
    assert found.extras["imu"].dtype == np.float32
    assert found.extras["imu"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "hostile",
    [
        {**IMU, "imu/gyr_z": None},
        {**IMU, "imu/acl_x": "1"},
        {**IMU, "imu/acl_x": True},
        {**IMU, "imu/acl_x": 10**400},
        {**IMU, "imu/acl_x": 1e300},
        {**IMU, "imu/acl_x": [1]},
        {"imu/acl_x": 1.0},
        {BEHAVIOUR: "left"},
        {BEHAVIOUR: []},
        {BEHAVIOUR: [0, None]},
        {BEHAVIOUR: [[0, 1]]},
        {BEHAVIOUR: {"left": 1}},
        {BEHAVIOUR: [0] * 100_000},
    ],
)
def test_measurements_that_are_no_numbers_are_ignored_and_counted(
    tmp_path: Path, hostile: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    write_v2(tmp_path, {"c": [record(0, **hostile), record(1), record(2, **hostile)]})
    with tub(tmp_path) as source:
        assert [frame.extras for frame in frames(source)] == [{}, {}, {}]
        assert (source.ignored, source.skipped) == (2, 0)
    assert [record.getMessage() for record in caplog.records] == [
        f"{source.name}: 2 measurements are no numbers and are left out"
    ]


def test_measurements_that_are_infinite_are_ignored(tmp_path: Path) -> None:
    assert extras(tmp_path, {**IMU, "imu/acl_x": math.inf}, {BEHAVIOUR: [math.nan]}) == [{}, {}]
