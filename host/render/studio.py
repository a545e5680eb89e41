"""One worker, wherever it runs: renderers that are kept from one segment to the next."""

from collections import OrderedDict
from collections.abc import Mapping

from edge.tflite import PilotError
from host.render.crew import Job, Outcome, Ticket
from host.render.scene import SceneError
from host.render.segment import Renderer, Segment, packed

MOST_RENDERERS = 2
"""Kept at a time: films are made in order, so the one before is hardly wanted again."""


class Studio:
    """Renders segments of some jobs. Not for several threads at once."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        self._renderers: OrderedDict[str, Renderer] = OrderedDict()

    def render(self, ticket: Ticket, segment: Segment) -> Outcome:
        """Raises whatever nobody thought of; the renderer that did is not used again."""
        try:
            renderer = self._renderers.pop(ticket.job, None) or Renderer(*self._jobs[ticket.job])
            rendered = renderer.render(segment)
        except (PilotError, SceneError) as why:
            return Outcome(ticket, None, why=str(why), final=True)
        self._renderers[ticket.job] = renderer
        if len(self._renderers) > MOST_RENDERERS:
            self._renderers.popitem(last=False)
        return Outcome(ticket, packed(rendered), len(rendered.rows))
