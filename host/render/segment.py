"""One piece of a film: frames in, H.264 and figures out. The unit that is spread over workers and kept when resuming.

warm │ shots │ cool        warm: pilots, and maps of the last WARM_MAPS: memory, running scale and smoothing settle
─────┼───────┼─────        shots: shown
                           cool: pilots only, for what the chart shows ahead

shot ─▶ decode ─▶ pilots ─▶ maps ─▶ (wait, until the chart knows what comes) ─▶ panels ─▶ canvas ─▶ x264
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import msgspec

from edge.capture.pictures import PictureError, decode, fit
from edge.pilot import Pilot
from host.record.session import TICKS_HZ
from host.render.canvas import Bytes
from host.render.chart import AHEAD_TICKS, Sample
from host.render.draw import Painter, Stage
from host.render.encode import Piece
from host.render.mind import Mapped, Maps, Mind
from host.render.scene import PilotFile, Scene, SceneError, Shot
from wire import Drive, Look

WARM_MAPS = 40
"""Shots before the first one shown whose maps settle the running scale and the smoothing: two of the scale's slow time
constants. What is left of a wrong beginning then is at most a third of what the scale moves from one frame to the next:
0.01 to 0.04 doublings on average against 0.08 to 0.12, over real tubs."""
BATCH = 32
_LAST_TICKS = TICKS_HZ // 20
"""How long a single frame stands where nothing says."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive shots of one source."""

    shots: Sequence[Shot]
    warm: Sequence[Shot] = ()
    """Those before: WARM_MAPS for the maps, CHART_S for the chart, whichever is more; none at the start."""
    cool: Sequence[Shot] = ()
    """Those after, CHART_S of them; only a chart needs any."""
    end_tick: int | None = None
    """Where the picture after the last shot stands; None: the last one stands as long as the one before."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one panel's map."""

    magnitude: float
    scale: float
    shares: list[float]
    """As in wire.MaskStats."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The figures of one shown frame."""

    index: int
    tick: int
    recorded: Drive | None
    drives: list[Drive]
    """Of each pilot."""
    maps: list[Seen | None]
    """Of each panel; None for a camera panel and where there is no map."""
    refused: list[str]
    """Of each panel: why there is no map; empty where there is one or none was wanted."""


class Bad(msgspec.Struct, frozen=True):
    """A shot that is not in the film."""

    index: int
    why: str


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of film and its figures."""

    video: bytes
    """MP4, its first frame at 0, time base 1/90000 s; empty without a frame."""
    start_tick: int
    """Where the first frame stands in the source."""
    end_tick: int
    """Where the last one ends."""
    size: tuple[int, int]
    """Width and height of the film."""
    rows: list[Row]
    """Of each frame of the video."""
    bad: list[Bad]
    """Of the shots shown; what is bad in `warm` is another segment's business."""


def packed(rendered: Rendered) -> bytes:
    """As it travels and is kept."""
    return msgspec.msgpack.encode(rendered)


def unpacked(piece: bytes) -> Rendered:
    """Raises msgspec.DecodeError for anything else."""
    return msgspec.msgpack.decode(piece, type=Rendered)


class _Thought(NamedTuple):
    """A shot that the pilots have run on."""

    shot: Shot
    rgb: Bytes | None
    """None: to be decoded again, as it may be long until it is shown."""
    drives: list[Drive]
    maps: list[Maps]
    """Of each pilot."""


class Renderer:
    """Renders segments of one scene with the same pilots. Not for several threads at once.

    A result depends on the segment alone, not on what was rendered before. OpenCV works on one thread from then on, in
    the whole process: renderers are what works side by side.
    """

    def __init__(self, scene: Scene, pilots: Sequence[PilotFile]) -> None:
        """Loads the pilots; without any there can be camera panels alone. Raises PilotError, SceneError."""
        cv2.setNumThreads(1)
        _check(scene, len(pilots))
        self._scene = scene
        self._stage = Stage(scene, [pilot.name for pilot in pilots])
        self._painters = [Painter(panel, scene) for panel in scene.panels]
        self._minds = [Mind(Pilot.read(it.name, it.data, it.card), _looks(scene, at)) for at, it in enumerate(pilots)]

    def render(self, segment: Segment) -> Rendered:
        """Raises SceneError where x264 refuses."""
        for mind in self._minds:
            mind.forget()
        samples, bad, rows = self._run_on(segment.warm, maps=WARM_MAPS), list[Bad](), list[Row]()
        self._stage.begin(samples)
        piece = Piece(*self._stage.layout.size, self._scene.qp)
        for thought in self._in_time(segment, samples, bad):
            rows.append(self._show(thought))
            piece.add(self._stage.canvas.frame, thought.shot.tick)
        start_tick, end_tick = _span(segment, rows)
        size = self._stage.layout.size
        video = piece.close(end_tick)
        return Rendered(video=video, start_tick=start_tick, end_tick=end_tick, size=size, rows=rows, bad=bad)

    def _in_time(self, segment: Segment, samples: list[Sample], bad: list[Bad]) -> Iterator[_Thought]:
        """The shots as soon as they can be shown: with a chart, once it is known what comes."""
        waiting: deque[_Thought] = deque()
        ahead = AHEAD_TICKS if self._scene.chart else 0
        for thought in self._thoughts(segment.shots, bad):
            samples.append(Sample(thought.shot.tick, thought.shot.recorded, thought.drives))
            waiting.append(thought)
            while waiting and waiting[0].shot.tick + ahead <= thought.shot.tick:
                yield waiting.popleft()
        if self._scene.chart:
            samples += self._run_on(segment.cool, maps=0)
        yield from waiting

    def _thoughts(self, shots: Sequence[Shot], bad: list[Bad]) -> Iterator[_Thought]:
        """Batch by batch, as each stage's code and data then stay in the processor's cache, which a pilot's weights
        would push out between any two frames.
        """
        good = self._good(shots, bad)
        while batch := list(islice(good, BATCH)):
            yield from [self._think(shot, rgb) for shot, rgb in batch]

    def _think(self, shot: Shot, rgb: Bytes) -> _Thought:
        drives, maps = [], []
        for mind in self._minds:
            drives.append(mind.drive(rgb, shot.extras))
            maps.append(mind.maps())
        return _Thought(shot, None if self._scene.chart else rgb, drives, maps)

    def _good(self, shots: Sequence[Shot], bad: list[Bad]) -> Iterator[tuple[Shot, Bytes]]:
        """Shots that decode and follow each other in time."""
        last_tick: int | None = None
        for shot in shots:
            if last_tick is not None and shot.tick <= last_tick:
                bad.append(Bad(shot.index, "it is not later than the frame before it"))
                continue
            try:
                rgb = self._read(shot)
            except PictureError as why:
                bad.append(Bad(shot.index, str(why)))
                continue
            last_tick = shot.tick
            yield shot, rgb

    def _run_on(self, shots: Sequence[Shot], *, maps: int) -> list[Sample]:
        """Let the pilots see shots that are not shown, and make the maps of the last `maps` ones."""
        samples: list[Sample] = []
        for left, shot in zip(range(len(shots), 0, -1), shots, strict=True):
            with contextlib.suppress(PictureError):
                rgb = self._read(shot)
                drives = [mind.drive(rgb, shot.extras) for mind in self._minds]
                samples.append(Sample(shot.tick, shot.recorded, drives))
                for mind in self._minds if left <= maps else ():
                    mind.maps()
        return samples

    def _show(self, thought: _Thought) -> Row:
        shot, drives = thought.shot, thought.drives
        rgb = self._read(shot) if thought.rgb is None else thought.rgb
        mapped = [painter.mapped(thought.maps) for painter in self._painters]
        for at, (painter, it) in enumerate(zip(self._painters, mapped, strict=True)):
            self._stage.show(at, painter.paint(rgb, it, drives, shot.recorded), it.refused if it else "")
        self._stage.show_chart(shot.tick)
        return Row(
            index=shot.index,
            tick=shot.tick,
            recorded=shot.recorded,
            drives=drives,
            maps=[_seen(it) for it in mapped],
            refused=[it.refused if it else "" for it in mapped],
        )

    def _read(self, shot: Shot) -> Bytes:
        """Raises PictureError."""
        return fit(decode(shot.data), self._scene.size)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture that decodes; None for one that does not."""
    try:
        height, width = decode(data).shape[:2]
    except PictureError:
        return None
    return width, height


def _check(scene: Scene, pilots: int) -> None:
    for panel in scene.panels:
        needed = panel.pilot + 1 if pilots or panel.part != "camera" else 0
        if panel.pilot < 0 or needed > pilots:
            raise SceneError(f"a panel shows what pilot {panel.pilot + 1} sees, there are {pilots}")


def _looks(scene: Scene, pilot: int) -> list[Look]:
    """Of the panels for which this pilot makes maps."""
    return [panel.look for panel in scene.panels if panel.pilot == pilot and panel.part != "camera"]


def _seen(mapped: Mapped | None) -> Seen | None:
    stats = mapped.stats if mapped else None
    return Seen(magnitude=stats.magnitude, scale=stats.scale, shares=stats.shares) if stats else None


def _span(segment: Segment, rows: Sequence[Row]) -> tuple[int, int]:
    """First and end tick of what is shown."""
    if not rows:
        return 0, 0
    last = rows[-1].tick
    stands = last - rows[-2].tick if len(rows) > 1 else _LAST_TICKS
    return rows[0].tick, max(last + 1, last + stands if segment.end_tick is None else segment.end_tick)
