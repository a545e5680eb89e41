"""`python -m host render` as its user has it: films decoded and compared, stopped, resumed, and fed rubbish."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import psutil
import pytest

from edge.start import BUNDLED_PILOT
from host.render.crew import Outcome, Ticket
from host.render.options import parser, wish
from host.render.plan import Film, pilot_files, plan
from host.render.produce import MOST_TRIES, Production
from host.render.reels import open_reels
from host.render.scene import Shot
from host.render.segment import Segment, unpacked
from host.render.store import FOLDER, Store
from host.render.work import LocalCrew
from tests.films import ROOT, command, images, jpeg, paused, picture, render, summary, ticks, tub, video
from tests.recordings import until
from tests.test_render_reels import session


def rows(film: Path) -> list[dict[str, str]]:
    with film.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pieces(out: Path) -> list[Path]:
    return sorted(out.glob(f"{FOLDER}/*/*.piece"))


def one_film(source: Path, out: Path, *options: str) -> Film:
    given = parser().parse_args([str(source), *options])
    (film,) = plan(open_reels([str(source)]), pilot_files([BUNDLED_PILOT]), wish(given), out)
    return film


# --- films


def test_a_film_has_the_source_s_good_frames_at_the_source_s_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tub(tmp_path / "t", 300, step_ms=37)
    broken = {0: b"", 5: jpeg(5)[:-80], 6: b"rubbish", 299: b""}
    for index, data in broken.items():
        (folder / "images" / f"{index}_cam_image_array_.jpg").write_bytes(data)
    (folder / "images" / "100_cam_image_array_.jpg").unlink()
    good = sorted(set(range(300)) - {*broken, 100})
    assert render(folder, "-o", tmp_path / "out") == 0
    film = tmp_path / "out" / "t.mp4"
    assert ticks(film) == [3330 * (index - 1) for index in good]
    table = rows(film)
    assert [int(row["source_frame"]) for row in table] == good
    assert [float(row["time_s"]) for row in table] == pytest.approx([0.037 * (index - 1) for index in good], abs=1e-6)
    assert [float(row["recorded_steering"]) for row in table] == pytest.approx([min(1, i / 100) for i in good])
    told = summary(film)
    assert [bad.index for bad in told.bad] == [0, 5, 6, 100, 299]
    assert (told.frames, told.complete, told.pilots[0].compared) == (295, True, 295)
    assert told.duration_s == pytest.approx(0.037 * 299)
    assert "295 frames (5 bad)" in capsys.readouterr().out
    assert not (tmp_path / "out" / FOLDER).exists()
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".mp4", ".csv", ".json"}


def test_a_video_and_a_session_become_films_of_their_times(tmp_path: Path) -> None:
    times = [0, 3000, 6100, 20_000, 23_000, 26_000, 29_000]
    clip = video(tmp_path / "clip.mp4", times)
    taped = session(tmp_path / "kart-1", 9, without=frozenset({4}))
    assert render(clip, taped, "-o", tmp_path / "out", "--no-csv") == 0
    assert ticks(tmp_path / "out" / "clip.mp4") == times
    assert ticks(tmp_path / "out" / "kart-1.mp4") == [4500 * i for i in range(9) if i != 4]
    assert not list((tmp_path / "out").glob("*.csv"))


def test_a_part_of_a_source_starts_at_0_and_shows_those_frames(tmp_path: Path) -> None:
    folder = images(tmp_path / "i", 120)
    options = ("--layout", "camera", "--no-gauges", "--scale", "1", "--qp", "8")
    assert render(folder, "--start", "2s", "--end", "60", *options, "-o", tmp_path / "x.mp4") == 0
    assert ticks(tmp_path / "x.mp4") == [4500 * i for i in range(20)]
    with av.open(str(tmp_path / "x.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0), 40):
            assert abs(frame.to_ndarray(format="rgb24").mean() - picture(index).mean()) < 3
    assert [row["name"] for row in rows(tmp_path / "x.mp4")] == [f"{i}.jpg" for i in range(40, 60)]


def test_films_do_not_hang_on_the_workers(tmp_path: Path) -> None:
    folder = tub(tmp_path / "t", 700)
    for workers in ("1", "3"):
        assert render(folder, "--chart", "--workers", workers, "-o", tmp_path / workers) == 0
    assert (tmp_path / "1" / "t.mp4").read_bytes() == (tmp_path / "3" / "t.mp4").read_bytes()
    assert (tmp_path / "1" / "t.csv").read_bytes() == (tmp_path / "3" / "t.csv").read_bytes()
    assert len(ticks(tmp_path / "1" / "t.mp4")) == 700


def test_a_dry_run_says_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tub(tmp_path / "t", 30, step_ms=3), "-o", tmp_path / "out", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "t.mp4" in told
    assert "30 frames, 1.5 s" in told
    assert "cannot be true" in told
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_is_there_and_what_would_stop_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, film = images(tmp_path / "i", 5), tmp_path / "i.mp4"
    assert render(folder, "-o", film) == 0
    capsys.readouterr()
    assert render(folder, "-o", film, "--dry-run") == 0
    assert capsys.readouterr().out == f"{film} is there already\n"
    assert render(folder, "-o", film, "--dry-run", "--qp", "5") == 2
    assert "in the way" in capsys.readouterr().err
    assert render(folder, "-o", film, "--dry-run", "--workers", "none") == 2
    assert "option 'workers'" in capsys.readouterr().err


# --- again


def test_where_all_is_there_nothing_is_said_to_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, film = images(tmp_path / "i", 5), tmp_path / "i.mp4"
    assert render(folder, "-o", film) == 0
    capsys.readouterr()
    assert render(folder, "-o", film) == 0
    assert capsys.readouterr().out == f"{film} is there already\n"


def test_a_table_that_is_wanted_later_is_made_with_the_film(tmp_path: Path) -> None:
    folder, film = images(tmp_path / "i", 5), tmp_path / "i.mp4"
    assert render(folder, "-o", film, "--no-csv") == 0
    before = film.read_bytes()
    assert render(folder, "-o", film) == 0
    assert len(rows(film)) == 5
    assert film.read_bytes() == before
    made = film.stat().st_mtime_ns
    assert render(folder, "-o", film, "--no-csv") == 0
    assert film.stat().st_mtime_ns == made


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_what_somebody_else_has_beside_the_film_is_not_overwritten_unasked(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, theirs = images(tmp_path / "drive", 5), tmp_path / f"drive{suffix}"
    theirs.write_text("a day's telemetry")
    assert render(folder, "-o", tmp_path) == 2
    assert f"{theirs} is in the way" in capsys.readouterr().err
    assert theirs.read_text() == "a day's telemetry"
    assert not (tmp_path / "drive.mp4").exists()
    assert render(folder, "-o", tmp_path, "--overwrite") == 0
    assert summary(tmp_path / "drive.mp4").frames == 5


def test_a_source_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, folder = video(tmp_path / "drive.mp4", [0, 3000, 6000]), tub(tmp_path / "t", 4)
    for source, out, theirs in (
        (clip, tmp_path, clip),
        (clip, clip, clip),
        (folder, folder / "manifest.mp4", folder / "manifest.json"),
    ):
        before = theirs.read_bytes()
        assert render(source, "-o", out, "--overwrite") == 2
        assert f"{theirs} belongs to the source {source}" in capsys.readouterr().err
        assert theirs.read_bytes() == before
    assert render(folder, "-o", folder) == 0
    assert render(folder, "-o", folder, "--scale", "1", "--overwrite") == 0


def test_a_run_that_died_between_the_film_and_its_summary_goes_on(tmp_path: Path) -> None:
    folder, film = images(tmp_path / "i", 5), tmp_path / "i.mp4"
    planned = one_film(folder, film)
    with Store(tmp_path) as store, LocalCrew(1) as crew:
        store.forget = lambda film: None  # type: ignore[method-assign]  # it did not come so far
        Production([planned], store).run(crew)
    film.with_suffix(".json").unlink()
    assert render(folder, "-o", film) == 0
    assert summary(film).complete
    assert not pieces(tmp_path)


def test_a_finished_film_is_left_alone_and_another_one_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, film = images(tmp_path / "i", 10), tmp_path / "i.mp4"
    assert render(folder, "-o", film) == 0
    made = film.stat().st_mtime_ns
    assert render(folder, "-o", film) == 0
    assert film.stat().st_mtime_ns == made
    assert "there already" in capsys.readouterr().out
    assert render(folder, "-o", film, "--scale", "1") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert film.stat().st_mtime_ns == made
    assert render(folder, "-o", film, "--scale", "1", "--overwrite") == 0
    assert film.stat().st_mtime_ns != made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A tub of 1000 frames, and the film of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert render(tub(folder / "t", 1000), "-o", folder / "t.mp4", "--workers", "2") == 0
    return folder / "t", (folder / "t.mp4").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_at_any_moment_it_goes_on_from_there(
    tmp_path: Path, number: signal.Signals, undisturbed: tuple[Path, bytes]
) -> None:
    (folder, wanted), out = undisturbed, tmp_path / "out"
    with command(folder, "-o", out, "--workers", "1") as process:
        until(lambda: len(pieces(out)) > 1)
        os.killpg(process.pid, number)  # as a terminal does: the workers are told too
        _, told = process.communicate(timeout=30)
    kept = pieces(out)
    assert 2 <= len(kept) < 4
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert told.count("\n") == 1
        assert "goes on" in told
    damaged, *whole = kept
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again = one_film(folder, out)
    with Store(out) as store:
        assert [store.has(again, int(path.stem)) for path in kept] == [False, *(True for _ in whole)]
    assert render(folder, "-o", out) == 0
    assert (out / "t.mp4").read_bytes() == wanted
    assert not pieces(out)


def test_stopped_before_the_first_frame_is_one_sentence_too(tmp_path: Path) -> None:
    with command(images(tmp_path / "i", 3), "-o", tmp_path / "out", "--workers", "2") as process:
        until(lambda: len(psutil.Process(process.pid).children()) > 1)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.count("\n") == 1


def test_two_at_once_into_one_folder_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / "out"):
        assert render(images(tmp_path / "i", 3), "-o", tmp_path / "out") == 2
    assert "another render is at work" in capsys.readouterr().err


# --- workers that fail


def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path: Path, undisturbed: tuple[Path, bytes]) -> None:
    folder, wanted = undisturbed
    film = one_film(folder, tmp_path / "out")
    killed: list[int] = []
    with Store(tmp_path / "out") as store, LocalCrew(2) as crew:

        def kill(frames: int, rendered: int) -> None:
            victim = crew._hands[len(killed) % 2]._process
            if len(killed) < 3 and victim.pid:
                killed.append(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)

        made = Production([film], store, done=kill)
        made.run(crew)
    assert len(killed) == 3
    assert (made.lost, made.failed) == (0, {})
    assert film.path.read_bytes() == wanted


class Clumsy(LocalCrew):
    """Never manages one of the segments: the second, if not told another."""

    hard, tries = 1, 0

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = super().wait(seconds)
        self.tries += sum(outcome.ticket.number == self.hard for outcome in outcomes)
        return [Outcome(it.ticket, None, why="it slipped") if it.ticket.number == self.hard else it for it in outcomes]


def test_what_nobody_can_render_is_tried_again_then_reported_then_tried_by_the_next_run(tmp_path: Path) -> None:
    folder = tub(tmp_path / "t", 1000)
    film = one_film(folder, tmp_path / "out")
    with Store(tmp_path / "out") as store, Clumsy(1) as crew:
        made = Production([film], store)
        made.run(crew)
    lost = range(*film.spans[1])
    assert crew.tries == MOST_TRIES
    assert made.lost == len(lost)
    told = summary(film.path)
    assert [(bad.index, "it slipped" in bad.why) for bad in told.bad] == [(index, True) for index in lost]
    assert not told.complete
    assert ticks(film.path) == [4500 * i for i in range(1000) if i not in lost]
    assert len(pieces(tmp_path / "out")) == 2
    assert render(folder, "-o", tmp_path / "out") == 0
    assert ticks(film.path) == [4500 * i for i in range(1000)]


def test_a_film_without_a_frame_leaves_nothing_in_its_places(tmp_path: Path) -> None:
    film = one_film(images(tmp_path / "i", 5), out := tmp_path / "out")
    with Store(out) as store, Clumsy(1) as crew:
        crew.hard = 0
        made = Production([film], store)
        made.run(crew)
    assert "it slipped, nor can any other frame be shown" in made.failed[0]
    assert list(out.iterdir()) == []


def test_a_worker_that_raises_says_what_and_works_on(tmp_path: Path) -> None:
    film = one_film(images(tmp_path / "i", 5), tmp_path)
    segment = film.cut(film.spans[0]).segment
    rubbish = Segment(shots=[Shot(None, 0, 0)])  # type: ignore[arg-type]
    outcomes: list[Outcome] = []
    with LocalCrew(1) as crew:
        crew.prepare({"job": (film.scene, film.pilots)})
        for number, given in enumerate((rubbish, segment)):
            crew.give(Ticket("job", 0, number), given)
        while len(outcomes) < 2:
            outcomes += crew.wait(1)
    assert "Error" in outcomes[0].why
    assert not outcomes[0].final
    assert outcomes[1].piece is not None
    assert len(unpacked(outcomes[1].piece).rows) == outcomes[1].frames == 5


KILLED = """
import os
from host.render.work import LocalCrew
with LocalCrew(1) as crew:
    print(crew._hands[0]._process.pid, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_workers_end_with_their_parent() -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 0  # read to its end: the last one who could write to it, the worker, is gone


def test_a_pilot_that_cannot_be_used_spoils_its_own_films_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = images(tmp_path / "i", 5)
    (tmp_path / "bad.tflite").write_bytes(b"rubbish" * 50)
    pilots = ("--pilot", tmp_path / "bad.tflite", "--pilot", BUNDLED_PILOT)
    assert render(folder, *pilots, "-o", tmp_path / "out") == 1
    assert "bad" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["i.pilot.mp4"]


# --- rubbish


def test_places_that_take_no_film_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = images(tmp_path / "i", 3)
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", "/proc/films", "/dev/full"):
        assert render(folder, "-o", out) == 2
        told = capsys.readouterr().err
        assert told.startswith("render: ")
        assert told.count("\n") == 1


def test_a_full_disk_is_one_sentence_and_keeps_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, full = tub(tmp_path / "t", 600), tmp_path / "full"
    full.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "none", full], capture_output=True, check=False
    ).returncode:
        pytest.skip("needs to mount a tmpfs")
    try:
        assert render(folder, "-o", full, "--qp", "1", "--scale", "6") == 2
        told = capsys.readouterr().err
        assert "No space left" in told
        assert "goes on" in told
        assert told.count("\n") == 1
        assert not list(full.glob(".*.part"))
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.parametrize(
    "option", [["--workers=0"], ["--workers=many"], ["--dask=local:x"], ["--layout=x"], ["--scale=0"]]
)
def test_options_that_cannot_be_are_one_sentence(
    tmp_path: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(images(tmp_path / "i", 3), "-o", tmp_path / "out", *option) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_broken_tub_among_others_spoils_nothing_but_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = tmp_path / "fleet"
    for name in ("good", "rubbish", "empty"):
        tub(fleet / name, 4)
    (fleet / "rubbish" / "manifest.json").write_text("rubbish")
    for path in (fleet / "empty" / "images").iterdir():
        path.write_bytes(b"")
    assert render(fleet, "-o", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert told.count("render: ") == 2
    assert "manifest.json lists no catalogs" in told
    assert "holds no frame that can be shown" in told
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["good.mp4"]
    assert render(fleet / "rubbish", "-o", tmp_path / "out") == 2


def test_pauses_are_left_out_of_the_film_and_not_of_the_table_unless_they_are_wanted(tmp_path: Path) -> None:
    folder = paused(tmp_path / "tub", 6, at=4, pause_ms=60_000)
    taken = [4500 * number + (5_400_000 if number > 3 else 0) for number in range(6)]
    assert render(folder, "-o", tmp_path / "short.mp4") == 0
    assert render(folder, "-o", tmp_path / "long.mp4", "--keep-pauses") == 0
    assert ticks(tmp_path / "short.mp4") == [4500 * number for number in range(6)]
    assert ticks(tmp_path / "long.mp4") == taken
    for name in ("short", "long"):
        with (tmp_path / f"{name}.csv").open(newline="") as table:
            assert [round(float(row["source_time_s"]) * 90_000) for row in csv.DictReader(table)] == taken
    assert "--keep-pauses" in summary(tmp_path / "short.mp4").note
    assert summary(tmp_path / "long.mp4").note == ""


def test_a_pause_that_no_film_can_hold_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tub(tmp_path / "tub", 2, step_ms=50)
    catalog = folder / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    records += [{**records[1], "_index": 2, "_timestamp_ms": records[1]["_timestamp_ms"] + 50}]
    records += [{**records[1], "_index": 3, "_timestamp_ms": records[1]["_timestamp_ms"] + 86_400_000}]
    catalog.write_text("\n".join(map(json.dumps, records)))
    assert render(folder, "-o", tmp_path / "a.mp4", "--keep-pauses") == 2
    assert "a pause of 24 h, more than a film can hold" in capsys.readouterr().err
    assert render(folder, "-o", tmp_path / "a.mp4") == 0
