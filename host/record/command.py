"""`python -m host record start|stop|bookmark [CAR …]`: record with a pit wall that runs, from wherever it is reached.

    this command ──POST /api/cars/CAR/recording, …/bookmarks──▶ the pit wall at --at

Without CAR: `start` is for every car not yet recorded, `stop` for every one that is, `bookmark` for those being
recorded, or for all where none is.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

T = TypeVar("T")

TOKEN = "PILOTLENS_TOKEN"  # noqa: S105 - the name of the variable
PATIENCE_S = 15.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class CommandError(Exception):
    """It cannot be done; the message is one sentence for a person."""


class Recording(msgspec.Struct, frozen=True):
    """What is read of a pit wall's answers (host/state.py, host/control.py)."""

    name: str
    directory: str
    running: bool
    frames: int
    duration_s: float
    written_bytes: int
    error: str


class Car(msgspec.Struct, frozen=True):
    name: str
    recording: Recording | None


class State(msgspec.Struct, frozen=True):
    cars: list[Car]


class Mark(msgspec.Struct, frozen=True):
    time_s: float
    label: str


class Marked(msgspec.Struct, frozen=True):
    bookmark: Mark
    started: bool
    recording: Recording


class Wall(NamedTuple):
    """A pit wall, as its address tells."""

    host: str
    port: int
    secure: bool
    token: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}/"


def main(argv: Sequence[str]) -> int:
    """0: done; 1: the pit wall could not, or does not answer; 2: bad input."""
    options = _parser().parse_args(argv)
    try:
        wall = _wall_of(options)
    except ValueError as why:
        return _complain(why, 2)
    try:
        cars = options.car or cars_for(options.action, ask(wall, "GET", "/state", State).cars)
    except CommandError as why:
        return _complain(why, 1)
    return max([_do(wall, options.action, car, options.label) for car in cars])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host record",
        description="Record with a pit wall that runs.",
        epilog="A bookmark where nothing is being recorded starts a recording, which keeps the seconds before.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=["start", "stop", "bookmark"])
    parser.add_argument("car", nargs="*", metavar="CAR", help="which; all that it makes sense for if left out")
    parser.add_argument(
        "--at", metavar="URL", default="http://127.0.0.1:8080/", help="the pit wall's address (default %(default)s)"
    )
    parser.add_argument(
        "--token",
        default="",
        help=f"the pit wall's token; if left out, the one in URL or in the environment variable {TOKEN}",
    )
    parser.add_argument("--label", metavar="TEXT", default="", help="what the bookmark says")
    return parser


def _wall_of(options: argparse.Namespace) -> Wall:
    """Where the options lead. ValueError, said in a sentence, also for what does not go together."""
    if options.label and options.action != "bookmark":
        raise ValueError("--label is for bookmarks only.")
    return parse_wall(options.at, options.token or os.environ.get(TOKEN, ""))


def parse_wall(at: str, token: str) -> Wall:
    """The pit wall at this address, which may be the one printed at its start. ValueError, said in a sentence."""
    parts = urlsplit(at if "://" in at else f"http://{at}")
    secure = parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise ValueError(f"{at!r} is no address of a pit wall; write it like http://127.0.0.1:8080/.")
    token = token or parse_qs(parts.query).get("token", [""])[0]
    if not token.isascii() or not token.isprintable():
        raise ValueError("a token has printable ASCII characters only.")
    return Wall(parts.hostname, port, secure, token)


def cars_for(action: str, cars: Sequence[Car]) -> list[str]:
    """The cars an action makes sense for when none is named. Raises CommandError where there are none."""
    running = [car.name for car in cars if car.recording and car.recording.running]
    idle = [car.name for car in cars if car.name not in running]
    chosen = {"start": idle, "stop": running, "bookmark": running or idle}[action]
    if not chosen:
        raise CommandError(
            "every car is being recorded already." if action == "start" else "nothing is being recorded."
        )
    return chosen


def ask(wall: Wall, method: str, path: str, kind: type[T], body: object = None) -> T:
    """The answer. Raises CommandError with the pit wall's own sentence, or why there is none."""
    connect = HTTPSConnection if wall.secure else HTTPConnection
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {wall.token}"} if wall.token else {})
    try:
        with closing(connect(wall.host, wall.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, msgspec.json.encode(body) if body else None, headers)
            answer = connection.getresponse()
            status, said = answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, HTTPException, UnicodeError) as why:
        reason = getattr(why, "strerror", None) or str(why) or type(why).__name__
        raise CommandError(f"the pit wall at {wall.url} does not answer ({reason}): is it running there?") from why
    return _read(wall, status, said, kind)


def _read(wall: Wall, status: int, said: bytes, kind: type[T]) -> T:
    if status == 401:
        raise CommandError(f"the pit wall at {wall.url} asks for its token: give it with --token or in {TOKEN}.")
    if status >= 400:
        raise CommandError(said[:600].decode("utf-8", "replace") or f"the pit wall at {wall.url} answers {status}.")
    try:
        return msgspec.json.decode(said, type=kind)
    except (ValueError, RecursionError) as why:
        raise CommandError(f"what answers at {wall.url} is no pit wall of this version.") from why


def _do(wall: Wall, action: str, car: str, label: str) -> int:
    """Do it for one car and say what came of it."""
    of = f"/api/cars/{quote(car, safe='')}"
    try:
        if action == "bookmark":
            print(f"{car}: {_bookmarked(ask(wall, 'POST', f'{of}/bookmarks', Marked, {'label': label}))}")
        else:
            recording = ask(wall, "POST", f"{of}/recording", Recording, {"action": action})
            print(f"{car}: {_started(recording) if action == 'start' else _stopped(recording)}")
    except CommandError as why:
        return _complain(why, 1)
    return 0


def _started(recording: Recording) -> str:
    return f"recording into {recording.directory}"


def _stopped(recording: Recording) -> str:
    if recording.error:
        raise CommandError(recording.error)
    facts = f"{recording.duration_s:.1f} s, {recording.frames} frames, {recording.written_bytes / 1e6:.1f} MB"
    return f"saved {facts} in {recording.directory}"


def _bookmarked(marked: Marked) -> str:
    label = f" “{marked.bookmark.label}”" if marked.bookmark.label else ""
    began = "; a recording has begun for it, and goes on" if marked.started else ""
    return f"bookmark{label} at {marked.bookmark.time_s:.1f} s of {marked.recording.name}{began}"


def _complain(why: Exception, code: int) -> int:
    print("host record:", *str(why).split(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
