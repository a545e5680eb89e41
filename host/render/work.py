"""Workers on this machine: processes, as drawing takes Python's lock too often for threads to share the work.

    LocalCrew ── pipe ──▶ inbox (a thread, so that giving never waits) ─▶ studio ── pipe ──▶ LocalCrew

Each holds the segment it works on and the next one. A worker that dies, whatever of, is replaced: the segment it was at
has failed, the next one goes to who comes after. One whose parent dies ends itself.

The processes are started before anything heavy is imported here: they import it meanwhile.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING, Self

from host.render.crew import CrewError, Job, Outcome, Ticket

if TYPE_CHECKING:
    from host.render.segment import Segment

AHEAD = 2
"""Segments a worker holds: the one it works on, and the next."""
MOST_DEATHS = 6
"""In a row, nothing finished between: there is no point in going on."""

_spawn = multiprocessing.get_context("spawn")


def processors() -> int:
    """How many this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextlib.contextmanager
def unbothered() -> Iterator[None]:
    """Processes and threads that are started in the block, and what they start, never see Ctrl-C: we end them."""
    resource_tracker.ensure_running()  # it lets Ctrl-C through again when it starts
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)


class LocalCrew:
    """Some worker processes of our own."""

    def __init__(self, count: int) -> None:
        self.what = f"{count} worker{'s' if count > 1 else ''}"
        self._count = count
        self._hands: list[_Hand] = []
        self._jobs: Mapping[str, Job] = {}
        self._deaths = 0

    def __enter__(self) -> Self:
        self._hands = [_Hand() for _ in range(self._count)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in self._hands:
            hand.end()

    def prepare(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        for hand in self._hands:
            hand.tell(jobs)

    @property
    def room(self) -> bool:
        return any(len(hand.held) < AHEAD for hand in self._hands)

    def give(self, ticket: Ticket, segment: "Segment") -> None:
        min(self._hands, key=lambda hand: len(hand.held)).give(ticket, segment)

    def wait(self, seconds: float) -> list[Outcome]:
        ready = wait([hand.pipe for hand in self._hands], seconds)
        places = [place for place, hand in enumerate(self._hands) if hand.pipe in ready]
        return [outcome for place in places for outcome in self._outcomes(place)]

    def _outcomes(self, place: int) -> list[Outcome]:
        """What a worker says; if it says nothing any more, what it was at has failed."""
        try:
            outcome = self._hands[place].take()
        except (EOFError, OSError):
            return self._replaced(place)
        self._deaths = 0
        return [outcome]

    def _replaced(self, place: int) -> list[Outcome]:
        dead = self._hands[place]
        why = dead.end()
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise CrewError(f"the workers died {self._deaths} times in a row, the last one {why}")
        self._hands[place] = hand = _Hand()
        hand.tell(self._jobs)
        at, others = list(dead.held)[:1], list(dead.held)[1:]
        for other in others:
            hand.give(*other)
        return [Outcome(ticket, None, why=f"its worker died {why}") for ticket, _ in at]


class _Hand:
    """One worker process, as its parent sees it."""

    def __init__(self) -> None:
        self.held: deque[tuple[Ticket, Segment]] = deque()
        """What it was given and has not returned, first the one it works on."""
        self.pipe, theirs = _spawn.Pipe()
        self._process: BaseProcess = _spawn.Process(target=serve, args=(theirs,), daemon=True)
        with unbothered():
            self._process.start()
        theirs.close()

    def tell(self, jobs: Mapping[str, Job]) -> None:
        self._send(jobs)

    def give(self, ticket: Ticket, segment: "Segment") -> None:
        self.held.append((ticket, segment))
        self._send((ticket, segment))

    def _send(self, message: object) -> None:
        """To one that just died it goes nowhere; that shows when its word is waited for."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def take(self) -> Outcome:
        """Raises EOFError and OSError where it is dead."""
        outcome: Outcome = self.pipe.recv()
        self.held.popleft()
        return outcome

    def end(self) -> str:
        """End it, if it is not dead already; returns of what."""
        self._process.kill()  # one that is dead keeps its own exit code
        self._process.join()
        self.pipe.close()
        code = self._process.exitcode or 0
        return f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def serve(pipe: Connection) -> None:
    """What a worker process does until its parent is gone. TFLite's greetings go nowhere; what fails is told."""
    hush()
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, inbox), daemon=True).start()
    from host.render.studio import Studio

    studio = Studio({})
    while True:
        message = inbox.get()
        if isinstance(message, tuple):
            ticket, segment = message
            with _Told(pipe, ticket):
                pipe.send(studio.render(ticket, segment))
        elif isinstance(message, dict):
            studio = Studio(message)


def hush() -> None:
    """Nothing this process writes to stderr is seen from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _receive(pipe: Connection, inbox: "queue.SimpleQueue[object]") -> None:
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)  # nobody is left who wants what is being rendered
        inbox.put(message)


class _Told:
    """What goes wrong in the block is told to the parent, who decides; the worker lives on."""

    def __init__(self, pipe: Connection, ticket: Ticket) -> None:
        self._pipe, self._ticket = pipe, ticket

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._pipe.send(Outcome(self._ticket, None, why=f"{type(error).__name__}: {error}"))
        return True
