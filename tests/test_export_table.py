"""CSV: read back by Python's reader and taken apart as RFC 4180 says; in any locale, with any label."""

import csv
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.record.notes import NOTES, Bookmark, Notes
from host.record.session import TAPE
from host.review.export.source import ExportError
from host.review.export.table import number, text
from host.review.footage import COLUMNS, Footage
from tests.exports import STEADY, Making, export, within


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def bookmark(time_s: float, label: str) -> Bookmark:
    return Bookmark(id="0badcafe", time_s=time_s, label=label, made_at="2026-11-23T04:15:00Z")


@pytest.mark.parametrize("part", [(0.0, None), (0.5, 1.5), (1 / 3, 0.35)])
def test_every_figure_reads_back_as_it_was_recorded(tmp_path: Path, part: tuple[float, float | None]) -> None:
    making = Making(recorded=range(10, 30), undriven=frozenset({17, 40}))
    folder = making.session(tmp_path)
    written = export("csv", folder, tmp_path / "all.csv", *part)
    head, *body = rows(tmp_path / "all.csv")
    assert head == [*COLUMNS, "bookmark"]
    numbers = within(STEADY, part[0], math.inf if part[1] is None else part[1])
    assert written.frames == len(body) == len(numbers)
    with Footage(folder / TAPE) as footage:
        for place, name in enumerate(COLUMNS):
            expected = [footage.column(name)[number] for number in numbers]
            assert [float(row[place] or "nan") for row in body] == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
    assert [float(row[0]) * 90_000 for row in body] == pytest.approx([STEADY[number] for number in numbers], abs=1e-6)


def test_it_is_what_rfc_4180_says(tmp_path: Path) -> None:
    notes = Notes(bookmarks=[bookmark(0.5, 'he said "left", then\r\nright'), bookmark(0.51, "Kurve; scharf — 左")])
    folder = Making(notes=notes).session(tmp_path)
    export("csv", folder, tmp_path / "all.csv")
    data = (tmp_path / "all.csv").read_bytes()
    assert data.endswith(b"\r\n")
    lines = data.split(b"\r\n")[:-1]
    assert len(lines) == 1 + 60, "a row per frame, for tools that know lines only"
    assert b"\n" not in b"".join(lines)
    assert lines[16].endswith('"he said ""left"", then right / Kurve; scharf — 左"'.encode())
    assert {len(row) for row in rows(tmp_path / "all.csv")} == {len(COLUMNS) + 1}
    assert [row[-1] for row in rows(tmp_path / "all.csv")[1:]].count("") == 59


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=cmd|' /C calc'!A0", "\uff1d1", " =1"])
def test_labels_are_no_formulas(tmp_path: Path, label: str) -> None:
    folder = Making([0]).session(tmp_path)
    (folder / NOTES).write_text(f'{{"bookmarks": [{bookmark_json(label)}]}}')
    export("csv", folder, tmp_path / "all.csv")
    assert rows(tmp_path / "all.csv")[1][-1] == "'" + label.strip()


def bookmark_json(label: str) -> str:
    import json

    return json.dumps({"id": "0badcafe", "time_s": 0.0, "label": label, "made_at": "now"})


@given(st.floats())
def test_a_number_is_a_number_to_everybody(value: float) -> None:
    cell = number(value)
    if math.isfinite(value):
        assert float(cell) == value
        assert set(cell) <= set("0123456789.-+e")
    else:
        assert cell == ""


@given(st.text())
def test_any_text_is_one_cell(value: str) -> None:
    cell = text(value)
    found = list(csv.reader([f"1,{cell},2"], strict=True))
    assert len(found) == 1
    assert (found[0][0], found[0][2]) == ("1", "2")
    assert not found[0][1].startswith(("=", "+", "-", "@"))
    cell.encode()


def test_the_locale_does_not_matter(tmp_path: Path) -> None:
    folder = Making([0, 3001]).session(tmp_path)
    for place, locale in enumerate(("C", "de_DE.UTF-8", "ar_EG", "ja_JP.SJIS")):
        program = (
            "import locale, sys; sys.path.insert(0, '.')\n"
            "try: locale.setlocale(locale.LC_ALL, '')\n"
            "except locale.Error: pass\n"
            "from host.review.export.command import main\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-X", "utf8=0", "-c", program, str(folder), "-o", str(tmp_path / f"{place}.csv")]
        environment = {**os.environ, "LC_ALL": locale, "LANG": locale, "PYTHONCOERCECLOCALE": "0"}
        subprocess.run(
            command, check=True, timeout=60, env=environment, cwd=Path(__file__).parents[1], capture_output=True
        )
    assert len({(tmp_path / f"{place}.csv").read_bytes() for place in range(4)}) == 1


def test_a_torn_tape_gives_what_there_is(tmp_path: Path) -> None:
    folder = Making().torn(tmp_path)
    whole = (folder / TAPE).read_bytes()
    assert export("csv", folder, tmp_path / "all.csv").frames == 60
    (folder / TAPE).write_bytes(whole[: len(whole) * 2 // 3])
    frames = export("csv", folder, tmp_path / "torn.csv").frames
    assert 10 < frames < 60
    assert (tmp_path / "torn.csv").read_bytes() == b"".join(
        (tmp_path / "all.csv").read_bytes().splitlines(keepends=True)[: 1 + frames]
    )


def test_what_has_no_tape_says_what_there_is_instead(tmp_path: Path) -> None:
    old = Making(tape=False).session(tmp_path)
    broken = Making(name="broken").session(tmp_path)
    (broken / TAPE).write_bytes(b"rubbish")
    empty = Making([], name="empty").session(tmp_path)
    for kind in ("csv", "tub", "mcap"):
        with pytest.raises(ExportError, match=r"041500Z has no frames\.mcap, .*can be exported as mp4 or gif$"):
            export(kind, old, tmp_path / "out")
        with pytest.raises(ExportError, match=r"cannot be read: .*; the session can still be exported as mp4 or gif$"):
            export(kind, broken, tmp_path / "out")
        with pytest.raises(
            ExportError, match=r"^the session empty holds no frame that can be read: there is nothing to export$"
        ):
            export(kind, empty, tmp_path / "out")
        with pytest.raises(ExportError, match=r"holds no frame between 7 s and 8\.5 s: its last one is at 1\.97 s$"):
            export(kind, Making(name=kind).session(tmp_path), tmp_path / "out", 7, 8.5)
    assert not (tmp_path / "out").exists()
