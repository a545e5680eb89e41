"""From sources and pilots to segments: names, ranges, and what each segment is given to settle on."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError
from edge.start import BUNDLED_PILOT
from host.record.session import TICKS_HZ
from host.render.options import parser, wish
from host.render.plan import FIRST_SHOTS, SHOTS, Film, _spans, pilot_files, plan
from host.render.reels import open_reels
from host.render.scene import CHART_S
from host.render.segment import WARM_MAPS
from host.render.wish import PlanError
from tests.films import HEIGHT, WIDTH, images, jpeg, paused, tub, video
from wire import Look


def planned(*argv: object, out: Path = Path("out")) -> list[Film]:
    options = parser().parse_args([str(arg) for arg in argv])
    pilots = pilot_files([Path(pilot) for pilot in options.pilot or [BUNDLED_PILOT]])
    return plan(open_reels(options.source), pilots, wish(options), out)


def another_pilot(folder: Path, name: str = "pilot.tflite") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(BUNDLED_PILOT.read_bytes())
    return folder / name


# --- films


def test_a_film_for_each_source_and_pilot_each_with_a_name_of_its_own(tmp_path: Path) -> None:
    sources = [
        images(tmp_path / "a" / "drive", 2),
        images(tmp_path / "b" / "drive", 2),
        images(tmp_path / "c" / "Drive", 2),
    ]
    pilots = [BUNDLED_PILOT, another_pilot(tmp_path / "p"), another_pilot(tmp_path / "p", "Night run.tflite")]
    films = planned(*sources, *(f"--pilot={pilot}" for pilot in pilots))
    assert [film.path.name for film in films[:3]] == [
        "drive.pilot.mp4",
        "drive.pilot-2.mp4",
        "drive.Night_run.mp4",
    ]
    assert len({film.path.name.lower() for film in films}) == 9


def test_pilots_together_are_one_film_with_the_camera_once(tmp_path: Path) -> None:
    pilots = (f"--pilot={BUNDLED_PILOT}", f"--pilot={another_pilot(tmp_path / 'p')}")
    methods = ("--method", "gradcam", "--method", "edges")
    (film,) = planned(images(tmp_path / "i", 2), *pilots, *methods, "--together", "--layout", "camera+overlay")
    panels = [(panel.part, panel.pilot, panel.look.method) for panel in film.scene.panels]
    assert panels == [
        ("camera", 0, "gradcam"),
        ("overlay", 0, "gradcam"),
        ("overlay", 0, "edges"),
        ("overlay", 1, "gradcam"),
        ("overlay", 1, "edges"),
    ]


def test_what_is_said_of_the_picture_is_what_the_scene_has(tmp_path: Path) -> None:
    look = ("--strength=0.3", "--colormap=hot", "--gamma=1", "--smoothing=0.5", "--target=throttle", "--layer=conv2d_1")
    film_options = ("--scale=3", "--qp=30", "--columns=1", "--chart", "--lines", "--no-driver", "--no-titles")
    (film,) = planned(images(tmp_path / "i", 2), *look, *film_options, "--method=hirescam")
    scene = film.scene
    assert scene.panels[0].look == Look(
        strength=0.3, colormap="hot", gamma=1, smoothing=0.5, target="throttle", layer="conv2d_1", method="hirescam"
    )
    assert (scene.scale, scene.qp, scene.columns, scene.drawn) == (3, 30, 1, "lines")
    assert (scene.chart, scene.recorded, scene.titles, scene.size) == (True, False, False, (WIDTH, HEIGHT))


def test_a_number_may_begin_with_its_point(tmp_path: Path) -> None:
    (film,) = planned(images(tmp_path / "i", 2), "--scale=.5", "--gamma=.30", "--fps=.5")
    assert (film.scene.scale, film.scene.panels[0].look.gamma, film.fps) == (0.5, 0.3, 0.5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--scale=0"], "scale"),
        (["--scale=wide"], "scale"),
        (["--method=magic"], "method"),
        (["--strength=2"], "strength"),
        (["--colormap=pink"], "colormap"),
        (["--qp=99"], "qp"),
        (["--qp=0"], "qp"),
        (["--fps=0"], "fps"),
        (["--layout=camera+camera"], "layout"),
        (["--layout=front"], "layout"),
        (["--start=soon"], "soon"),
        (["--start=-1"], "-1"),
        (["--start=5", "--end=5"], "nothing"),
        (["--start=10"], "nothing"),
    ],
)
def test_what_is_asked_for_wrongly_is_named(tmp_path: Path, options: list[str], named: str) -> None:
    with pytest.raises((PlanError, ConfigError), match=named):
        planned(images(tmp_path / "i", 10), *options)


def test_pilots_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "card.tflite").write_bytes(b"x")
    (tmp_path / "card.toml").write_text("[image]\ncolour = 'pink'\n")
    for pilot in (tmp_path / "no.tflite", tmp_path, tmp_path / "card.tflite"):
        with pytest.raises(PlanError, match=r"no\.tflite|is not a file|card\.toml"):
            pilot_files([pilot])


def test_one_film_s_name_is_not_for_several_and_a_file_is_no_folder(tmp_path: Path) -> None:
    sources = [images(tmp_path / "a", 2), images(tmp_path / "b", 2)]
    with pytest.raises(PlanError, match="give a folder"):
        planned(*sources, out=tmp_path / "x.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanError, match="neither a folder"):
        planned(sources[0], out=tmp_path / "file")
    with pytest.raises(PlanError, match="twice"):
        planned(sources[0], tmp_path / "b" / ".." / "a", out=tmp_path)
    with pytest.raises(PlanError, match=r"film.mkv would be no MP4: name it film.mp4, or give a folder"):
        planned(sources[0], out=tmp_path / "film.mkv")
    (tmp_path / "x.mp4").mkdir()
    assert planned(sources[0], out=tmp_path / "x.mp4")[0].path == tmp_path / "x.mp4" / "a.mp4"


def test_size_is_that_of_the_first_frame_that_can_be_shown(tmp_path: Path) -> None:
    folder = images(tmp_path / "i", 4)
    (folder / "0.jpg").write_bytes(b"")
    (folder / "1.jpg").write_bytes(jpeg(1)[:-50])
    (folder / "2.jpg").write_bytes(jpeg(1, 80, 60))
    assert planned(folder)[0].scene.size == (80, 60)
    for path in folder.iterdir():
        path.write_bytes(b"rubbish")
    with pytest.raises(PlanError, match="no frame that can be shown"):
        planned(folder)


# --- ranges and segments


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ("3", "7", (3, 7)),
        ("0.5s", "1s", (10, 20)),
        ("", "99", (0, 40)),
        ("1.95s", "", (39, 40)),
        ("0.51s", "12", (11, 12)),
    ],
)
def test_ranges_by_number_and_by_seconds(tmp_path: Path, start: str, end: str, wanted: tuple[int, int]) -> None:
    (film,) = planned(images(tmp_path / "i", 40), f"--start={start}", f"--end={end}")
    assert (film.spans[0].start, film.spans[-1].stop) == wanted


@pytest.mark.parametrize(
    ("options", "wanted", "seconds"),
    [
        ((), (20, 30), 0.5),
        (("--keep-pauses",), (20, 30), 0.5),
        (("--keep-pauses", "--start=61.01s"), (21, 30), 0.45),
        (("--fps=10", "--start=2s"), (20, 30), 1.0),
    ],
)
def test_seconds_are_those_of_the_film(
    tmp_path: Path, options: tuple[str, ...], wanted: tuple[int, int], seconds: float
) -> None:
    """Of a tub in which somebody carried the car back for a minute, before its frame 20."""
    (film,) = planned(paused(tmp_path / "t", 30, at=20, pause_ms=60_000), "--start=1s", *options)
    assert (film.spans[0].start, film.spans[-1].stop) == wanted
    assert film.seconds == pytest.approx(seconds)


def test_a_note_tells_of_the_film_that_is_made(tmp_path: Path) -> None:
    folder = paused(tmp_path / "t", 30, at=20, pause_ms=60_000)
    notes = [planned(folder, *options)[0].note for options in ((), ("--keep-pauses",), ("--fps=10",))]
    assert "pauses longer than 2 s are left out" in notes[0]
    assert notes[1:] == ["", ""]


def test_a_gap_that_no_film_can_hold_is_a_sentence_unless_it_is_not_in_the_film(tmp_path: Path) -> None:
    video(source := tmp_path / "long.mkv", [0, 9000, 90_000 * 86_400, 90_000 * 86_401])
    for options in ((), ("--start=1",), ("--keep-pauses",)):
        with pytest.raises(PlanError, match="a pause of 24 h, more than a film can hold: choose a part"):
            planned(source, *options)
    for options, frames in (("--start=2",), 2), (("--end=1",), 1), (("--fps=20",), 4):
        assert len(planned(source, *options)[0]) == frames


@given(st.integers(0, 5000), st.integers(1, 5000), st.sampled_from([(160, 120), (640, 480), (1920, 1080), (8, 4000)]))
def test_segments_follow_each_other_and_are_of_one_length_but_for_the_first(
    start: int, count: int, size: tuple[int, int]
) -> None:
    spans = _spans(start, start + count, size)
    assert (spans[0].start, spans[-1].stop) == (start, start + count)
    assert all(before.stop == after.start for before, after in pairwise(spans))
    others = [span.length for span in spans[1:]]
    assert spans[0].length == min(count, FIRST_SHOTS)
    assert max(others, default=0) - min(others, default=0) <= 1
    assert 0 < max(others, default=1) <= 1.5 * SHOTS


def test_a_segment_settles_on_the_frames_before_it_in_the_source(tmp_path: Path) -> None:
    (film,) = planned(tub(tmp_path / "t", 700), "--start=100")
    for span in film.spans:
        segment, missing = film.cut(span)
        assert [shot.index for shot in segment.shots] == list(range(*span))
        assert [shot.index for shot in segment.warm] == list(range(max(0, span.start - WARM_MAPS), span.start))
        assert (list(segment.cool), missing) == ([], [])
        assert segment.end_tick == film.ticks[span.stop - 1] + 4500


def test_a_chart_sees_5_s_back_and_ahead(tmp_path: Path) -> None:
    (film,) = planned(tub(tmp_path / "t", 700), "--chart", "--end=600")
    for span in film.spans:
        segment, _ = film.cut(span)
        seen = [shot.tick / TICKS_HZ for shot in (*segment.warm, *segment.cool)]
        now_s = film.ticks[span.start] / TICKS_HZ, film.ticks[span.stop - 1] / TICKS_HZ
        assert min(seen) == max(0, now_s[0] - CHART_S) or not span.start
        assert max(seen) == pytest.approx(min(34.95, now_s[1] + CHART_S), abs=0.051)


def test_a_constant_rate_replaces_the_recorded_times(tmp_path: Path) -> None:
    (film,) = planned(tub(tmp_path / "t", 30, step_ms=37), "--fps=10")
    segment, _ = film.cut(film.spans[0])
    assert [shot.tick for shot in segment.shots] == [9000 * i for i in range(30)]
    assert film.seconds == 3


def test_cutting_again_or_alone_gives_the_same_segment(tmp_path: Path) -> None:
    folder = tub(tmp_path / "t", 700)
    (folder / "images" / "300_cam_image_array_.jpg").unlink()
    (film,), (other,) = planned(folder), planned(folder)
    in_order = [film.cut(span) for span in film.spans]
    for span, cut in reversed(list(zip(other.spans, in_order, strict=True))):
        again = other.cut(span)
        assert [shot[:4] for shot in again.segment.shots] == [shot[:4] for shot in cut.segment.shots]
        assert [shot[:4] for shot in again.segment.warm] == [shot[:4] for shot in cut.segment.warm]
        assert again.missing == cut.missing


def test_the_key_changes_with_all_that_a_film_hangs_on(tmp_path: Path) -> None:
    folder = tub(tmp_path / "t", 30)
    pilot = another_pilot(tmp_path / "p")
    keys = [planned(folder, f"--pilot={pilot}")[0].key for _ in range(2)]
    assert keys[0] == keys[1]
    pilot.with_suffix(".toml").write_text("[image]\ncolour = 'bgr'\n")
    keys += [
        planned(folder, f"--pilot={pilot}", *more)[0].key for more in ([], ["--scale=1"], ["--end=9"], ["--fps=9"])
    ]
    (folder / "images" / "3_cam_image_array_.jpg").write_bytes(jpeg(99))
    keys.append(planned(folder, f"--pilot={pilot}")[0].key)
    assert len(set(keys)) == 6
