"""Who renders segments: what is said between the one who shares them out and the workers. Light to import.

Job ─▶ prepare      once: what renderers are made from
Segment ─▶ give     as long as there is room
Outcome ◀─ wait     in any order
"""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from host.render.error import RenderError

if TYPE_CHECKING:
    from host.render.scene import PilotFile, Scene
    from host.render.segment import Segment

Job = tuple["Scene", tuple["PilotFile", ...]]
"""A scene and its pilots."""


class CrewError(RenderError):
    """Nobody is there, or nobody is left, to render; the message is one sentence for a person."""


class Ticket(NamedTuple):
    """Which segment of which film, and the job it belongs to."""

    job: str
    film: int
    number: int


class Outcome(NamedTuple):
    """What became of a segment."""

    ticket: Ticket
    piece: bytes | None
    """A Rendered, packed where it was made: that is how it travels and is kept."""
    frames: int = 0
    """In the piece."""
    why: str = ""
    """There is none."""
    final: bool = False
    """Nor will there be, however often it is tried: that pilot cannot be used, or that scene not drawn."""


class Crew(Protocol):
    """Workers. Entering starts or finds them; leaving ends what was started, at once."""

    what: str
    """For a person: how many of which."""

    def __enter__(self) -> Self:
        """Raises CrewError."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def prepare(self, jobs: "Mapping[str, Job]") -> None:
        """Tell what will be rendered, once, before the first segment. Raises CrewError."""

    @property
    def room(self) -> bool:
        """Whether one more segment keeps somebody busy."""

    def give(self, ticket: Ticket, segment: "Segment") -> None:
        """Never waits for a worker."""

    def wait(self, seconds: float) -> list[Outcome]:
        """What was finished; empty after so many seconds. Raises CrewError."""
