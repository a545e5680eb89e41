"""Cars that send what they are told and recordings of them, for the tests of recording."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import simplejpeg
from numpy.typing import NDArray

import wire
from host.record import Recording, Recordings
from host.record.recording import MAX_WAITING
from host.record.session import VIDEO
from host.relay import Arrival, Channel

RED, GREEN, BLUE, GREY = (220, 30, 20), (20, 190, 40), (30, 40, 210), (128, 128, 128)
Color = tuple[int, int, int]
MS = 1_000_000
ROOT = Path(__file__).parents[1]


def jpeg(color: Color = GREY, width: int = 160, height: int = 120) -> bytes:
    return encoded(np.full((height, width, 3), color, np.uint8))


def encoded(rgb: NDArray[np.uint8]) -> bytes:
    return bytes(simplejpeg.encode_jpeg(rgb, quality=95))


def noise(seed: int, width: int = 160, height: int = 120) -> bytes:
    """A picture that does not compress."""
    return encoded(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def arrival(
    at_ms: float,
    picture: bytes | None = None,
    *,
    session: str = "aa",
    offset_ns: int = 0,
    age_ns: int = 0,
    seq: int = 0,
    more: Mapping[str, bytes] | None = None,
) -> Arrival:
    """A frame captured at `at_ms` by the host's clock and `at_ms` less the offset by the car's."""
    captured_ns = int(at_ms * MS)
    frame = wire.Frame(
        car="kart",
        session=session,
        seq=seq,
        captured_ns=captured_ns - offset_ns,
        sent_ns=captured_ns - offset_ns,
        width=160,
        height=120,
    )
    parts = {"overlay": jpeg() if picture is None else picture, **(more or {})}
    return Arrival("kart", frame, parts, captured_ns, captured_ns + age_ns, 1000)


def whole(at_ms: float, seq: int = 0, **more: Any) -> Arrival:
    """A frame with every kind of picture, its number in the camera's."""
    return arrival(at_ms, seq=seq, more={"camera": noise(seq % 50, 32, 24), "mask": jpeg(width=32, height=24)}, **more)


def now_ms() -> float:
    """The host's clock: what arrives with such times is new."""
    return time.monotonic_ns() / MS


def until(happened: Callable[[], object]) -> None:
    """Wait for another thread, for ever as far as a test is concerned."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.002)


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own, as the host's does beside its receivers."""
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def meanwhile(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Endless work in a running loop for the length of the block; an error in it comes out."""

    async def begin() -> "asyncio.Task[None]":
        return asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    task = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        assert task.cancelled(), task.exception()


def start(recordings: Recordings, channel: Channel) -> Recording:
    recording = recordings.start(channel)
    until(lambda: "overlay" in channel.wanted)
    return recording


def record(recordings: Recordings, channel: Channel, arrivals: list[Arrival]) -> Recording:
    """Record these and nothing else."""
    recording = start(recordings, channel)
    for sent, one in enumerate(arrivals):
        until(partial(keeps_up, recording, sent))
        channel.deliver(one)
    return recordings.stop(channel.name)


def film(directory: Path, arrivals: list[Arrival]) -> Recording:
    """The same, where nothing matters but what was left on the disk."""
    with running_loop() as loop, Recordings(directory, floor_bytes=0) as recordings:
        return record(recordings, Channel("kart", loop), arrivals)


def keeps_up(recording: Recording, sent: int) -> bool:
    return sent - recording.frames - recording.dropped < MAX_WAITING // 2 or not recording.running


def pictures(folder: Path) -> list[av.VideoFrame]:
    """Every frame of a video up to where it is torn, if it is."""
    frames = []
    with contextlib.suppress(av.FFmpegError), av.open(str(folder / VIDEO)) as container:
        for frame in container.decode(video=0):
            frames.append(frame)  # noqa: PERF402 - what came before an error shall stay
    return frames


def ticks(folder: Path) -> list[int | None]:
    return [frame.pts for frame in pictures(folder)]


def rgb(frame: av.VideoFrame) -> NDArray[np.int16]:
    return frame.to_ndarray(format="rgb24").astype(np.int16)


CHILD = f"""
    import asyncio, os, resource, sys, threading, time
    from pathlib import Path
    sys.path[:0] = [{str(ROOT)!r}]
    from host.record import Recordings
    from host.relay import Channel
    from tests.recordings import arrival, noise, now_ms, until, whole

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    channel = Channel("kart", loop)
    recordings = Recordings(Path(sys.argv[1]), floor_bytes=0)
"""


def child(directory: Path, code: str) -> "subprocess.Popen[str]":
    """A host of its own that runs this code, with `recordings` into the directory and a `channel` to deliver to."""
    program = textwrap.dedent(CHILD) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


RECORD_155 = """
    recording = recordings.start(channel)
    until(lambda: channel.wanted)
    for n in range(155):
        channel.deliver(arrival(33 * n, noise(n)))
        until(lambda: recording.frames == n + 1)
    print("recorded", flush=True)
    sys.stdin.read()
"""


def killed(directory: Path) -> Path:
    """The folder of a host that was killed after it had recorded 155 frames, 33 ms apart."""
    with child(directory, RECORD_155) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recorded\n"
        process.send_signal(signal.SIGKILL)
    (folder,) = directory.iterdir()
    return folder


FPS = 30
DRIVE = f"""
    pictures = [noise(n) for n in range(20)]
    recording = recordings.start(channel)
    until(lambda: channel.wanted)
    began = time.monotonic()
    for n in range(100_000):
        time.sleep(max(0.0, began + n / {FPS} - time.monotonic()))
        more = {{"camera": pictures[n % 20], "mask": pictures[3]}}
        channel.deliver(arrival(now_ms(), pictures[n % 17], seq=n, more=more))
        print(n, flush=True)
"""


class Killed(NamedTuple):
    """A session whose host was killed."""

    folder: Path
    delivered: int
    """Frames that had come, at FPS a second."""


def kill_while_recording(directory: Path, after_frames: Sequence[int]) -> list[Killed]:
    """As many hosts, each with a directory of its own, killed once they were delivered so many frames; at one time."""
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(child(directory / str(n), DRIVE)) for n in range(len(after_frames))]
        for host in hosts:
            stack.callback(host.kill)
        return [_killed(directory / str(n), host, after_frames[n]) for n, host in enumerate(hosts)]


def _killed(directory: Path, host: "subprocess.Popen[str]", after_frames: int) -> Killed:
    assert host.stdout is not None
    said = (int(line) for line in host.stdout)
    newest = next(seq for seq in said if seq + 1 >= after_frames)
    host.kill()
    newest = max([newest, *said])
    (folder,) = directory.iterdir()
    return Killed(folder, newest + 1)
