"""Zones: polygons, the plain cut, and the simulator's ground truth against its own picture of the paint."""

from pathlib import Path

import numpy as np
import pytest

from edge.capture.track import TrackSource
from models.report.zones import (
    LINES,
    REST,
    SKY,
    TrackZones,
    ZonesError,
    cut,
    drawn,
    partition,
    read,
    widened,
)


def test_polygons_cover_their_share() -> None:
    masks = drawn({"top": [(0, 0), (1, 0), (1, 0.25), (0, 0.25)], "corner": [(0, 0), (1, 0), (0, 1)]}, (40, 60))
    assert masks["top"].sum() == 600 and masks["top"][:10].all()
    assert masks["corner"].mean() == pytest.approx(0.5, abs=0.03)
    assert masks["corner"][0, 0] and not masks["corner"][-1, -1]


def test_a_partition_has_every_pixel_once() -> None:
    whole = np.ones((30, 40), np.bool_)
    whole[:, :2] = False
    parts = partition({**cut((30, 40)), "all": np.ones((30, 40), np.bool_)}, whole)
    counts = np.sum([mask.astype(int) for mask in parts.values()], axis=0)
    np.testing.assert_array_equal(counts, whole)
    assert not parts[REST].any()


def test_the_cut_is_sky_and_thirds() -> None:
    masks = cut((120, 160))
    assert list(masks) == [SKY, "left", "centre", "right"]
    assert masks[SKY].mean() == pytest.approx(0.35)
    assert masks["left"][-1, 0] and masks["centre"][-1, 80] and masks["right"][-1, 159]


@pytest.mark.parametrize("track", ["demo", "unseen", "random-3"])
def test_the_lines_together_are_the_lane_paint(track: str) -> None:
    source = TrackSource(track, realtime=False)
    zones = TrackZones(source)
    for s_m in (0.0, 2.0, 5.0):
        source.place(s_m, 0.05, 0.1)
        source.read()
        masks = zones(source.pose)
        lines = np.any([masks[line] for line in LINES], axis=0)
        truth = widened(source.lane_mask() > 0) & ~masks[SKY]
        assert truth.any()
        assert (lines ^ truth).sum() <= 0.02 * truth.sum() + 4


def test_lines_lie_where_their_names_say() -> None:
    """Seen from the right-hand lane: the right line right of the picture's middle, the centre line left of it."""
    source = TrackSource("demo", realtime=False)
    source.place(0.0)
    source.read()
    masks = TrackZones(source)(source.pose)
    columns = {line: np.nonzero(masks[line][60:])[1].mean() for line in LINES if masks[line][60:].any()}
    assert columns["centre line"] < 80 < columns["right line"]
    assert masks[SKY][0].all() and not masks[SKY][-1].any()


def test_a_zones_file(tmp_path: Path) -> None:
    file = tmp_path / "zones.toml"
    file.write_text('[zones]\nsky = [[0, 0], [1, 0], [1, 0.5]]\n"left line" = [[0, 0.5], [0.5, 0.5], [0.0, 1.0]]\n')
    assert read(file) == {"sky": [(0, 0), (1, 0), (1, 0.5)], "left line": [(0, 0.5), (0.5, 0.5), (0, 1)]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "zones"),
        ("zones = 3", "zones"),
        ("[zones]", "1 to 16 zones"),
        ("[zones]\nsky = [[0, 0], [1, 1]]", "'sky' must have 3"),
        ("[zones]\nsky = [[0, 0], [1, 1], [2, 0]]", "within 0 … 1"),
        ("[zones]\nsky = [[0, 0], [1, 1], [nan, 0]]", "within 0 … 1"),
        ("[zones]\nrest = [[0, 0], [1, 1], [1, 0]]", "'rest'"),
        ("[zones]\nsky = [[0, 0, 0], [1, 1], [1, 0]]", "length 2"),
        ("[zone]\nsky = 1", "zone"),
        ("[zones\n", "zones"),
        ("\0", "zones"),
    ],
)
def test_unusable_zones_files_are_refused_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "zones.toml"
    file.write_text(text)
    with pytest.raises(ZonesError, match=says) as caught:
        read(file)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_zones_files(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("binary.toml", "none.toml", "."):
        with pytest.raises(ZonesError, match="cannot be used"):
            read(tmp_path / name)
