"""`python -m host`: the process on the pit wall. `python -m host keys DIR` makes the keys for both sides."""

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import secrets
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

import keys as curve
from config import ConfigError, parse
from host.guard import Guard, GuardError
from host.receive import ReceiveError, Receiver
from host.record import RecordError, Recordings
from host.relay import Channel
from host.view import make_app

log = logging.getLogger("host")

CarAddress = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=\S+\Z")]


class HostConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pit wall's process does."""

    car: Annotated[
        list[CarAddress],
        Meta(title="NAME=tcp://HOST:PORT", description="a car to watch; give it once per car", min_length=1),
    ] = msgspec.field(default_factory=lambda: ["car=tcp://127.0.0.1:5555"])
    http: Annotated[str, Meta(title="HOST:PORT", description="where browsers connect")] = "127.0.0.1:8080"
    sessions: Annotated[str, Meta(title="DIR", min_length=1, description="where recordings go")] = "sessions"
    record: Annotated[bool, Meta(description="record every car from the start")] = False
    token: Annotated[
        str, Meta(description="what browsers must know to be let in; made and printed where it is needed and not given")
    ] = ""
    name: Annotated[
        list[str], Meta(title="NAME", description="a name of this machine that browsers may use in the URL")
    ] = []
    keys: Annotated[str, Meta(title="FILE", description="this host's CURVE keys, made by `python -m host keys`")] = ""
    insecure: Annotated[
        bool,
        Meta(
            description="work beyond this machine without token and keys: whoever is on the network sees the pictures, "
            "can change how they look, start recordings, and pose as a car"
        ),
    ] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal comes. 0: stopped; 1: something broke; 2: bad input, said in a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv[:1] == ["keys"]:
            return make_keys(argv[1:])
        parser = argparse.ArgumentParser(prog="python -m host", description=__doc__, allow_abbrev=False)
        return asyncio.run(serve(parse(HostConfig, parser, argv)))
    except (ConfigError, GuardError, RecordError, ReceiveError, curve.KeysError) as why:
        print(f"host: {why}", file=sys.stderr)
        return 2


def make_keys(argv: Sequence[str]) -> int:
    """`python -m host keys DIR`."""
    parser = argparse.ArgumentParser(
        prog="python -m host keys", description="Make CURVE keys: one file for the car, one for the host."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the two files go")
    parser.add_argument("--car", default="car", metavar="NAME", help="name of the car's file (default car)")
    parser.add_argument("--host", default="host", metavar="NAME", help="name of the host's file (default host)")
    options = parser.parse_args(argv)
    car, host = curve.make(options.directory, car=options.car, host=options.host)
    print(f"On the car:   python -m edge --keys {car} …   (take this file there, and keep no copy)")
    print(f"On the host:  python -m host --keys {host} …")
    return 0


async def serve(config: HostConfig) -> int:
    """The design in a few lines: receivers → channels → recordings and viewer, built in the order of the data path."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    broken = _stop_on_broken_thread(loop, stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    http_host, port = split_address(config.http)
    token = _token(config, http_host)
    host_keys = curve.load_host(Path(config.keys)) if config.keys else None
    addresses = _addresses(config, host_keys)
    sessions = _sessions(Path(config.sessions))
    channels = {name: Channel(name, loop) for name in addresses}

    with contextlib.ExitStack() as stack:
        recordings = stack.enter_context(Recordings(sessions))
        for folder, manifest in await asyncio.to_thread(recordings.recover):
            log.warning("%s was left unfinished: %s. %s", folder, manifest.status, manifest.reason)
        for name, address in addresses.items():
            stack.enter_context(Receiver(channels[name], address, keys=host_keys))
            if config.record:
                await asyncio.to_thread(recordings.start, channels[name])
        app = make_app(channels, recordings, Guard(token, config.name))
        async with _listening(app, http_host, port) as bound_port:
            url = f"http://{_name_for_people(http_host)}:{bound_port}/" + (f"?token={token}" if token else "")
            log.info("viewer at %s", url)
            await stop.wait()
    return 1 if broken else 0


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT or [IPv6]:PORT. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isdecimal() and int(port) < 65536):
        raise ConfigError(f"option 'http': {text!r} is no address; write HOST:PORT, like 127.0.0.1:8080.")
    return host, int(port)


def _addresses(config: HostConfig, host_keys: curve.HostKeys | None) -> dict[str, str]:
    """Car names and where they are. Raises ConfigError and KeysError."""
    addresses: dict[str, str] = {}
    for item in config.car:
        name, _, address = item.partition("=")
        if name in addresses:
            raise ConfigError(f"option 'car': {name!r} is given twice; every car needs a name of its own.")
        if not host_keys:
            curve.require_loopback(address, insecure=config.insecure)
        addresses[name] = address
    return addresses


def _sessions(folder: Path) -> Path:
    """The folder for recordings, made if need be. Raises ConfigError now rather than when somebody wants to record."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise ConfigError(f"option 'sessions': cannot make the folder {folder}: {why.strerror}.") from why
    return folder


def _token(config: HostConfig, http_host: str) -> str:
    """The token to ask browsers for; empty where none is needed."""
    if config.token or curve.is_loopback(http_host):
        return config.token
    if config.insecure:
        log.warning("no token is asked for at %s: whoever is on the network can watch and record", config.http)
        return ""
    return secrets.token_urlsafe(18)


@contextlib.asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` for the length of the block; yields the port. Raises ConfigError when the address cannot be had."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=2)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as why:
            raise ConfigError(f"cannot listen on {host}:{port}: {why.strerror or why}.") from why
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _name_for_people(host: str) -> str:
    """What to type into a browser elsewhere for an address we listen on."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return f"[{host}]" if address.version == 6 else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # a documentation address: chooses the way out, sends nothing
        return str(probe.getsockname()[0])
    return socket.gethostname()


def _stop_on_broken_thread(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> list[threading.ExceptHookArgs]:
    """A thread that dies takes the process down, loudly; the service manager starts it again."""
    broken: list[threading.ExceptHookArgs] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        broken.append(args)
        threading.__excepthook__(args)
        loop.call_soon_threadsafe(stop.set)

    threading.excepthook = hook
    return broken


if __name__ == "__main__":
    sys.exit(main())
