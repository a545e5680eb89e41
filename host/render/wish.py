"""What somebody wants to see, from the command line's words to the scene of a film.

camera+overlay+mask   panels, left to right; with several pilots or methods the overlay and mask of each
"""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from config import check
from host.render.error import RenderError
from host.render.scene import MAX_PANELS, Panel, Part, PilotFile, Scene
from wire import Look


class PlanError(RenderError):
    """Films cannot be made like this; the message is one sentence for a person."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How films shall look, before it is known of what."""

    looks: tuple[Look, ...] = (Look(),)
    """One for each method to show side by side."""
    layout: tuple[Part, ...] = ("overlay",)
    together: bool = False
    """All pilots in one film rather than a film each."""
    scale: Annotated[float, Meta(ge=0.05, le=32)] = 2.0
    columns: Annotated[int, Meta(ge=0, le=MAX_PANELS)] = 0
    drawn: Literal["gauges", "lines", "none"] = "gauges"
    recorded: bool = True
    chart: bool = False
    titles: bool = True
    qp: Annotated[int, Meta(ge=1, le=51)] = 23
    fps: Annotated[float, Meta(ge=0.2, le=1000)] | None = None
    pauses: bool = False
    start: str = ""
    end: str = ""

    def scene(self, cast: tuple[PilotFile, ...], size: tuple[int, int]) -> Scene:
        """The picture of a film with these pilots, of frames of this size. Raises PlanError."""
        panels = tuple(self._panels(len(cast)))
        if len(panels) > MAX_PANELS:
            raise PlanError(f"{len(panels)} panels are too many for one film, at most {MAX_PANELS} fit")
        return Scene(
            panels=panels,
            size=size,
            scale=self.scale,
            columns=self.columns,
            drawn=self.drawn,
            recorded=self.recorded,
            chart=self.chart,
            titles=self.titles,
            qp=self.qp,
        )

    def _panels(self, pilots: int) -> Iterator[Panel]:
        """The layout for each pilot and method; the camera once, as it is the same for all."""
        for pilot in range(pilots):
            for number, look in enumerate(self.looks):
                for part in self.layout:
                    if part != "camera" or (pilot, number) == (0, 0):
                        yield Panel(part, pilot, look)


def layout(text: str) -> tuple[Part, ...]:
    """The parts of camera+overlay+mask. Raises PlanError."""
    parts = tuple(text.split("+"))
    known = get_args(Part)
    if not set(parts) <= set(known) or len(set(parts)) < len(parts):
        raise PlanError(f"layout {text!r}: join some of {', '.join(known)} by +, each once")
    return msgspec.convert(parts, tuple[Part, ...])


def wish(**values: object) -> Wish:
    """Raises ConfigError naming the option and its range."""
    return check(Wish, values)
