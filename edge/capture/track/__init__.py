"""A simulated car on a drawn track: the pilot's steering moves the car, the car's camera makes the pilot's next frame.

course ── where the road runs ──┬─▶ ground ──┐
style ─── what it looks like ───┴─▶ skyline ─┤
car ───── where the car is ──────────────────┼─▶ camera ─▶ frame
light ─── shadows, colour, noise ────────────┘
"""

from edge.capture.track.course import TRACKS
from edge.capture.track.simulator import TrackSource

__all__ = ["TRACKS", "TrackSource"]
