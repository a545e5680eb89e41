"""Rendering by Dask: real schedulers and workers in processes of their own, some of which are killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.start import BUNDLED_PILOT
from host.render.crew import CrewError, Outcome, Ticket
from host.render.options import parser, wish
from host.render.plan import Film, pilot_files, plan
from host.render.produce import Production
from host.render.reels import open_reels
from host.render.scene import Shot
from host.render.segment import Segment, unpacked
from host.render.store import Store
from tests.films import ROOT, images, render, tub
from tests.recordings import until

pytest.importorskip("distributed", reason="needs the batch extra")

from host.render.spread import DaskCrew, Studios

FRAMES = 1000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(*command: object, cwd: Path = ROOT) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", *map(str, command)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_LOGGING__DISTRIBUTED": "critical"}
    return subprocess.Popen(
        words, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )


class Cluster:
    """A scheduler and its workers, each a process; no worker shares a folder with us."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        listen = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.scheduler = started("distributed.cli.dask_scheduler", *listen, cwd=folder)
        self.workers = [self.worker() for _ in range(workers)]

    def worker(self) -> "subprocess.Popen[str]":
        options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--death-timeout", 60)
        return started("distributed.cli.dask_worker", self.address, *options, cwd=self.folder)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder, workers)
    try:
        until(lambda: listening(made.address))
        yield made
    finally:
        made.close()


def listening(address: str) -> bool:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def one_film(source: Path, out: Path) -> Film:
    options = parser().parse_args([str(source)])
    (film,) = plan(open_reels([str(source)]), pilot_files([BUNDLED_PILOT]), wish(options), out)
    return film


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A tub, and the film of it as this machine's own workers make it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert render(tub(folder / "t", FRAMES), "-o", folder / "t.mp4", "--workers", "2") == 0
    return folder / "t", (folder / "t.mp4").read_bytes()


def test_a_worker_killed_in_the_middle_costs_a_retry(tmp_path: Path, undisturbed: tuple[Path, bytes]) -> None:
    source, wanted = undisturbed
    film = one_film(source, tmp_path / "out")
    with cluster(tmp_path, 2) as there, Store(tmp_path / "out") as store, DaskCrew(there.address) as crew:
        first, second = there.workers

        def kill(frames: int, rendered: int) -> None:
            if first.poll() is None:
                first.kill()
                first.wait()
                there.workers.append(there.worker())

        made = Production([film], store, done=kill)
        made.run(crew)
        assert first.returncode == -signal.SIGKILL
        assert second.poll() is None
    assert (made.lost, made.failed) == (0, {})
    assert film.path.read_bytes() == wanted


def test_a_scheduler_that_dies_keeps_what_is_finished(tmp_path: Path, undisturbed: tuple[Path, bytes]) -> None:
    source, wanted = undisturbed
    film = one_film(source, tmp_path / "out")
    with cluster(tmp_path, 1) as there, Store(tmp_path / "out") as store:

        def kill(frames: int, rendered: int) -> None:
            there.scheduler.kill()

        with pytest.raises(CrewError, match=r"scheduler at tcp://127\.0\.0\.1:\d+ is gone"):
            with DaskCrew(there.address) as crew:
                Production([film], store, done=kill).run(crew)
        kept = [number for number in range(len(film.spans)) if store.has(film, number)]
    assert 0 < len(kept) < len(film.spans)
    assert render(source, "-o", tmp_path / "out") == 0
    assert film.path.read_bytes() == wanted


def test_where_no_scheduler_is_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = images(tmp_path / "i", 3)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense", "http://127.0.0.1:1", "tcp://[::1"):
        assert render(source, "-o", tmp_path / "out", "--dask", address) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"render: there is no Dask scheduler at {address}: ")
        assert told.count("\n") == 1


def test_a_cluster_without_workers_is_waited_for_and_then_one_sentence(tmp_path: Path) -> None:
    film = one_film(images(tmp_path / "i", 3), tmp_path / "out")
    with cluster(tmp_path, 0) as there, Store(tmp_path / "out") as store:
        with pytest.raises(CrewError, match="has had no worker"):
            with DaskCrew(there.address, patience_s=1) as crew:
                Production([film], store).run(crew)


def test_a_worker_that_raises_is_tried_again_and_then_reported(tmp_path: Path) -> None:
    """And the command's own cluster, end to end: what is wrong with one segment is not wrong with the next."""
    film = one_film(images(tmp_path / "i", 5), tmp_path)
    rubbish = Segment(shots=[Shot(None, 0, 0)])  # type: ignore[arg-type]
    outcomes: list[Outcome] = []
    with DaskCrew("local:1") as crew:
        crew.prepare({"job": (film.scene, film.pilots)})
        for number, given in enumerate((rubbish, film.cut(film.spans[0]).segment)):
            crew.give(Ticket("job", 0, number), given)
        until(lambda: outcomes.extend(crew.wait(1)) or len(outcomes) == 2)  # type: ignore[func-returns-value]
    failed, done = sorted(outcomes, key=lambda outcome: outcome.ticket.number)
    assert "Error" in failed.why
    assert not failed.final
    assert done.piece is not None
    assert len(unpacked(done.piece).rows) == done.frames == 5


def test_a_worker_of_another_version_is_told_apart() -> None:
    studios = Studios({}, ["pilotlens 0.0.1", "av 1.2.3"], ours=False)
    studios.setup(None)  # type: ignore[arg-type]
    with pytest.raises(CrewError, match=r"where pilotlens 0\.0\.1, av 1\.2\.3 is wanted"):
        studios.render(Ticket("job", 0, 0), Segment(shots=[]))


def test_the_command_makes_the_same_film_by_dask(tmp_path: Path, undisturbed: tuple[Path, bytes]) -> None:
    source, wanted = undisturbed
    assert render(source, "-o", tmp_path / "t.mp4", "--dask", "local:2") == 0
    assert (tmp_path / "t.mp4").read_bytes() == wanted
