"""What became of a film: NAME.json beside it, and a line for a person."""

import math
from pathlib import Path

import msgspec

from host.record.session import TICKS_HZ
from host.render.plan import Film
from host.render.scene import Panel
from host.render.segment import Bad, Row


class PilotSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One pilot against the driver, over the frames on which the driver is known."""

    name: str
    sha256: str
    compared: int = 0
    """How many those are."""
    steering_error: float | None = None
    """Mean of |pilot − driver|; steering goes from -1 to 1."""
    throttle_error: float | None = None
    steering_correlation: float | None = None
    """Pearson's r; None where one of them never changes."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME.json`."""

    key: str
    """Tells whether the film is still what would be made."""
    complete: bool
    """False where frames are missing that another run may be able to render."""
    source: str
    kind: str
    note: str
    first_frame: int
    """Of the source."""
    frames: int
    duration_s: float
    seconds: float
    """Spent on it."""
    skipped: int
    """Records of the source that name no frame."""
    bad: list[Bad]
    """Frames that are not in the film, and why."""
    refused: dict[str, int]
    """Why frames have no map, and how many."""
    pilots: list[PilotSummary]
    panels: list[Panel]


class Tally:
    """Counts while a film's rows go by."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._pairs = [_Pairs() for _ in film.pilots]
        self._refused: dict[str, int] = {}

    def count(self, row: Row) -> None:
        for why in set(filter(None, row.refused)):
            self._refused[why] = self._refused.get(why, 0) + 1
        if row.recorded is not None:
            for pairs, drive in zip(self._pairs, row.drives, strict=True):
                pairs.add(drive.steering, row.recorded.steering, abs(drive.throttle - row.recorded.throttle))

    def summary(self, *, frames: int, ticks: int, seconds: float, bad: list[Bad], complete: bool) -> Summary:
        film = self._film
        pilots = [
            PilotSummary(
                name=pilot.name,
                sha256=pilot.sha256,
                compared=pairs.count,
                steering_error=pairs.error,
                throttle_error=pairs.throttle_error,
                steering_correlation=pairs.correlation,
            )
            for pilot, pairs in zip(film.pilots, self._pairs, strict=True)
        ]
        return Summary(
            key=film.key,
            complete=complete,
            source=str(film.reel.path),
            kind=film.reel.kind,
            note=film.note,
            first_frame=film.spans[0].start,
            frames=frames,
            duration_s=round(ticks / TICKS_HZ, 6),
            seconds=round(seconds, 3),
            skipped=film.reel.skipped,
            bad=bad,
            refused=self._refused,
            pilots=pilots,
            panels=list(film.scene.panels),
        )


class _Pairs:
    """Sums over pairs of numbers."""

    def __init__(self) -> None:
        self.count = 0
        self._apart = self._apart_throttle = 0.0
        self._means = [0.0, 0.0]
        self._squares = [0.0, 0.0, 0.0]

    def add(self, said: float, done: float, apart_throttle: float) -> None:
        """Welford's way, which does not lose what is small beside what is large."""
        self.count += 1
        self._apart += abs(said - done)
        self._apart_throttle += apart_throttle
        off_said, off_done = said - self._means[0], done - self._means[1]
        self._means[0] += off_said / self.count
        self._means[1] += off_done / self.count
        self._squares[0] += off_said * (said - self._means[0])
        self._squares[1] += off_done * (done - self._means[1])
        self._squares[2] += off_said * (done - self._means[1])

    @property
    def error(self) -> float | None:
        return round(self._apart / self.count, 6) if self.count else None

    @property
    def throttle_error(self) -> float | None:
        return round(self._apart_throttle / self.count, 6) if self.count else None

    @property
    def correlation(self) -> float | None:
        size = math.sqrt(self._squares[0] * self._squares[1])
        return round(self._squares[2] / size, 4) if size > 0 else None


def write(path: Path, summary: Summary) -> None:
    """Beside a film. Raises OSError."""
    part = path.with_name(f".{path.stem}.json.part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    part.replace(path.with_suffix(".json"))


def read(path: Path) -> Summary | None:
    """The summary beside a film; None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def in_words(summary: Summary, path: Path) -> str:
    """A line, or several where there is more to say."""
    counted = f"{len(summary.bad)} bad" if summary.bad else "none bad"
    lines = [f"{path}: {summary.frames} frames ({counted}), {summary.duration_s:.1f} s"]
    lines += [f"  {pilot.name}: {_error(pilot)}" for pilot in summary.pilots if pilot.compared]
    lines += [f"  frame {bad.index}: {bad.why}" for bad in summary.bad[:5]]
    lines += (
        [f"  and {len(summary.bad) - 5} more, listed in {path.with_suffix('.json')}"] if len(summary.bad) > 5 else []
    )
    lines += [f"  {count} frames without a map: {why}" for why, count in summary.refused.items()]
    lines += [f"  {summary.skipped} records or catalogs of the source are missing or broken"] if summary.skipped else []
    lines += [f"  {summary.note}"] if summary.note else []
    return "\n".join(lines)


def _error(pilot: PilotSummary) -> str:
    r = "" if pilot.steering_correlation is None else f", r {pilot.steering_correlation:.2f}"
    return f"steering {pilot.steering_error:.3f} from the driver's on average{r} ({pilot.compared} frames)"
