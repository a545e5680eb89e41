"""Workers of a Dask cluster, anywhere: all they need is this package; frames and pilots come with the work.

    DaskCrew ── Studios (a plugin: the jobs, once to each worker, also to one that comes later) ──▶ worker process
             ── segment ──▶ scheduler ──▶ worker thread's studio ── Outcome ──▶ DaskCrew

A worker that dies costs what it was at another try, by the scheduler's own doing. Imported only where Dask is wanted.
"""

import contextlib
import gc
import logging
import platform
import queue
import secrets
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin, get_worker

from host.render.crew import CrewError, Job, Outcome, Ticket
from host.render.plan import FITTING, versions
from host.render.segment import Segment
from host.render.studio import Studio
from host.render.work import hush, unbothered

CONNECT_S = 5
"""How long a scheduler is looked for."""
PATIENCE_S = 60.0
"""How long there may be no worker."""
AHEAD = 2
"""Segments for each thread of the workers: the one it works on, and one on its way."""
LOOK_S = 2.0
"""How often workers are counted."""
SETTINGS = {
    "distributed.comm.timeouts.connect": f"{CONNECT_S}s",
    "distributed.admin.large-graph-warning-threshold": "1GiB",
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.profile.enabled": False,
}


class DaskCrew:
    """A cluster that is there already, or one of our own on this machine."""

    def __init__(self, where: str, *, patience_s: float = PATIENCE_S) -> None:
        """where: a scheduler's address, or local:N for N processes here."""
        self.what = f"Dask at {where}"
        self._where = where
        self._patience_s = patience_s
        self._plugin = f"pilotlens-{secrets.token_hex(8)}"
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._held: dict[object, Ticket] = {}
        self._given = 0
        self._threads, self._counted, self._manned = 0, 0.0, time.monotonic()
        self._cluster: Any = None
        self._client: Any

    def __enter__(self) -> Self:
        for name in ("distributed", "distributed.worker", "distributed.client", "distributed.scheduler"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        dask.config.set(SETTINGS)
        try:
            self._client = self._connected()
        except (OSError, ValueError) as why:
            words = _words(why)
        else:
            return self
        # A client that could not connect ends itself when it is collected; should that happen while the next one is
        # being made, it would wait for a lock that the next one holds.
        gc.collect()
        raise CrewError(f"there is no Dask scheduler at {self._where}: {words}")

    def _connected(self) -> Any:
        """Raises OSError and ValueError, TimeoutError among them."""
        make: Any = Client  # half of Dask has no types
        make_cluster: Any = LocalCluster
        kind, _, count = self._where.partition(":")
        if kind != "local":
            return make(self._where, timeout=CONNECT_S, set_as_default=False)
        with unbothered():
            self._cluster = make_cluster(
                n_workers=int(count),
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                memory_limit=0,
            )
        return make(self._cluster, timeout=CONNECT_S, set_as_default=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with unbothered():
            with contextlib.suppress(OSError, TimeoutError):
                if error is None:
                    self._client.unregister_worker_plugin(self._plugin)
            with contextlib.suppress(OSError, TimeoutError):
                self._client.close(timeout=CONNECT_S)
        if self._cluster is not None:
            self._cluster.close(timeout=CONNECT_S)

    def prepare(self, jobs: Mapping[str, Job]) -> None:
        try:
            self._client.register_plugin(
                Studios(jobs, versions(FITTING), ours=self._cluster is not None), name=self._plugin
            )
        except OSError as why:
            raise self._gone() from why

    @property
    def room(self) -> bool:
        return len(self._held) < max(1, AHEAD * self._threads)

    def give(self, ticket: Ticket, segment: Segment) -> None:
        self._given += 1
        future = self._client.submit(
            render,
            self._plugin,
            ticket,
            segment,
            key=f"{self._plugin}-{self._given}",
            pure=False,
            priority=-self._given,
        )
        self._held[future.key] = ticket
        future.add_done_callback(self._done.put)

    def wait(self, seconds: float) -> list[Outcome]:
        self._count()
        try:
            return [self._outcome(self._done.get(timeout=seconds))]
        except queue.Empty:
            return []

    def _outcome(self, future: Any) -> Outcome:
        """What a worker said, or what went wrong there."""
        if future.cancelled() or self._client.status != "running":
            raise self._gone()
        ticket = self._held.pop(future.key)
        error = future.exception()
        if isinstance(error, CrewError | ModuleNotFoundError):
            raise CrewError(f"a Dask worker cannot render: {error}")
        if error is not None:
            return Outcome(ticket, None, why=f"{type(error).__name__}: {_words(error)}")
        outcome: Outcome = future.result()
        return outcome

    def _count(self) -> None:
        """Count the workers' threads every now and then. Raises CrewError where nobody is there any more."""
        if self._client.status != "running":
            raise self._gone()
        now = time.monotonic()
        if now - self._counted < LOOK_S:
            return
        try:
            self._threads = sum(self._client.nthreads().values())
        except OSError as why:
            raise self._gone() from why
        self._counted = now
        if self._threads:
            self._manned = now
        elif now - self._manned > self._patience_s:
            raise CrewError(f"the Dask scheduler at {self._where} has had no worker for {self._patience_s:.0f} s")

    def _gone(self) -> CrewError:
        return CrewError(f"the Dask scheduler at {self._where} is gone")


class Studios(WorkerPlugin):
    """On a worker: a studio for each of its threads."""

    def __init__(self, jobs: Mapping[str, Job], wanted: list[str], *, ours: bool) -> None:
        """wanted: the versions that make pieces which fit together. ours: the process was started by us, for this."""
        self._jobs, self._wanted, self._ours = jobs, wanted, ours

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's word
        self._mine = threading.local()
        if self._ours:
            hush()

    def render(self, ticket: Ticket, segment: Segment) -> Outcome:
        """On the calling thread. Raises CrewError where this worker's pieces would not fit the others'."""
        if not hasattr(self._mine, "studio"):
            here = versions(FITTING)
            if here != self._wanted:
                raise CrewError(
                    f"{platform.node()} has {', '.join(here)} where {', '.join(self._wanted)} is wanted: its pieces "
                    "would not fit the others"
                )
            self._mine.studio = Studio(self._jobs)
        outcome: Outcome = self._mine.studio.render(ticket, segment)
        return outcome


def render(plugin: str, ticket: Ticket, segment: Segment) -> Outcome:
    """The task."""
    studios: Any = get_worker().plugins[plugin]
    outcome: Outcome = studios.render(ticket, segment)
    return outcome


def _words(error: BaseException) -> str:
    """An exception as one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
