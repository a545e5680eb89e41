"""GIF: small enough for a message, with the colours that suit this part, and times that are true.

    frames of the span ──every nth──▶ scale ─┬─▶ palettegen ──▶ the 256 colours of the whole part     (first pass)
                                             └─▶ paletteuse ──▶ GIF, each frame at its time in 1/100 s (second pass)

A GIF's clock ticks in 1/100 s. Frames stand at their rounded place since the first, so what is lost in one delay comes
back in the next. Browsers slow down delays below 2/100 s, so no frame stands shorter.

Bounded: MAX_S long, MAX_HZ frames a second, MAX_SIDE pixels wide or high, MAX_PIXELS over all frames. A GIF of noise
takes about a byte and a half per pixel, one of a drive a third of a byte.
"""

import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from host.record.movie import TIME_BASE, as_os_error
from host.record.session import TICKS_HZ
from host.review.export.film import Film, Shown
from host.review.export.formats import Written
from host.review.export.source import ExportError, Progress, Source, Span

MAX_S = 60
MAX_HZ, FEWEST_HZ = 20.0, 5.0
MAX_SIDE, LEAST_SIDE = 480, 240
MAX_PIXELS = 20_000_000
CENTISECOND = TICKS_HZ // 100
SHORTEST = 2 * CENTISECOND


class Plan(NamedTuple):
    """How much of a part goes into its GIF."""

    ticks: frozenset[int]
    """The frames that are shown."""
    width: int
    height: int


def write(source: Source, span: Span, path: Path, progress: Progress) -> Written:
    """See formats.py."""
    with Film(source.video) as film:
        pieces = [piece for piece in film.pieces(span) if span.start <= piece.tick < span.stop]
        if not pieces:
            raise source.nothing(span, film.last_tick())
        end = pieces[-1].tick + pieces[-1].hold
        length_s = (end - pieces[0].tick) / TICKS_HZ
        if length_s > MAX_S + 1:
            raise ExportError(f"this part is {length_s:.0f} s long and a GIF holds {MAX_S} s: choose less, or mp4")
        chosen = plan([piece.tick for piece in pieces], *film.size)
        palette = _palette(_chosen(film, span, chosen), chosen, lambda tick: progress(span.done(tick, end) / 2))
        shown = _chosen(film, span, chosen)
        frames = _write(path, shown, chosen, palette, end, lambda tick: progress(0.5 + span.done(tick, end) / 2))
    left_out = len(pieces) - frames
    return Written(frames, f"{left_out} of {len(pieces)} frames were left out to keep it small" if left_out else "")


def plan(ticks: Sequence[int], width: int, height: int) -> Plan:
    """Every nth frame, as large as may be: rather fewer frames than a picture nobody can read, but no slide show."""
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    hz = TICKS_HZ / statistics.median(steps) if steps else 1.0
    native = min(1.0, MAX_SIDE / max(width, height))
    readable = min(native, LEAST_SIDE / max(width, height))
    fewest = max(1, -int(-hz // MAX_HZ))
    for stride in itertools.count(fewest):
        kept = _apart(ticks[::stride])
        scale = min(native, (MAX_PIXELS / (len(kept) * width * height)) ** 0.5)
        if scale >= readable or hz / (stride + 1) < FEWEST_HZ:
            return Plan(frozenset(kept), max(1, int(width * scale)), max(1, int(height * scale)))
    raise AssertionError  # the count has no end


def _apart(ticks: Iterable[int]) -> list[int]:
    """Those that stand long enough after the one before."""
    kept: list[int] = []
    for tick in ticks:
        if not kept or tick - kept[-1] >= SHORTEST:
            kept.append(tick)
    return kept


def _chosen(film: Film, span: Span, chosen: Plan) -> Iterator[Shown]:
    return (shown for shown in film.frames(span) if shown.tick in chosen.ticks)


def _palette(frames: Iterator[Shown], chosen: Plan, reach: Callable[[int], None]) -> VideoFrame:
    """The colours that suit all these frames, as a picture of 16 × 16."""
    first = next(frames, None)
    if first is None:
        raise ExportError("no frame decodes in this part: choose another one")
    graph = Graph()
    graph.link_nodes(
        *_scaled(graph, first.picture, chosen), graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
    ).configure()
    for shown in itertools.chain([first], frames):
        graph.vpush(_timed(shown))
        reach(shown.tick)
    graph.vpush(None)
    return graph.vpull()


def _write(
    path: Path, frames: Iterator[Shown], chosen: Plan, palette: VideoFrame, end: int, reach: Callable[[int], None]
) -> int:
    """Write the frames in these colours; how many there were. Raises OSError for what the disk says."""
    first = next(frames)
    painter = _Painter(first.picture, chosen, palette)
    last = max(chosen.ticks)
    hold = max(2, _centiseconds(end - first.tick) - _centiseconds(last - first.tick))
    count = 0
    with as_os_error(), av.open(str(path), "w", format="gif", options={"final_delay": str(hold)}) as container:
        stream = container.add_stream("gif", rate=100)
        stream.width, stream.height, stream.pix_fmt = chosen.width, chosen.height, "pal8"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        for shown in itertools.chain([first], frames):
            picture = painter.paint(shown)
            picture.pts, picture.time_base = _centiseconds(shown.tick - first.tick), Fraction(1, 100)
            container.mux(stream.encode(picture))
            count += 1
            reach(shown.tick)
        container.mux(stream.encode(None))
    return count


class _Painter:
    """Pictures scaled and in the colours of a palette."""

    def __init__(self, like: VideoFrame, chosen: Plan, palette: VideoFrame) -> None:
        graph = Graph()
        graph.threads = 1
        scaled = _scaled(graph, like, chosen)
        colours = graph.add_buffer(
            width=palette.width, height=palette.height, format=palette.format, time_base=TIME_BASE
        )
        use = graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle")
        graph.link_nodes(*scaled, use)
        colours.link_to(use, 0, 1)
        use.link_to(sink := graph.add("buffersink"))
        del sink
        graph.configure()
        graph.vpush(palette, 1)
        graph.vpush(None, 1)
        self._graph = graph

    def paint(self, shown: Shown) -> VideoFrame:
        self._graph.vpush(_timed(shown), 0)
        return self._graph.vpull()


def _scaled(graph: Graph, like: VideoFrame, chosen: Plan) -> list[FilterContext]:
    """The first filters: pictures like this one come in, RGB of the planned size goes out."""
    if hasattr(graph, "threads"):  # absent before PyAV 17
        graph.threads = 1
    return [
        graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=TIME_BASE),
        graph.add("scale", f"{chosen.width}:{chosen.height}:flags=lanczos+accurate_rnd:in_color_matrix=bt601"),
        graph.add("format", "bgra"),
    ]


def _timed(shown: Shown) -> VideoFrame:
    shown.picture.pts, shown.picture.time_base = shown.tick, TIME_BASE
    return shown.picture


def _centiseconds(ticks: int) -> int:
    return (ticks + CENTISECOND // 2) // CENTISECOND
