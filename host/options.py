"""The pit wall's options, and what they come to: addresses, the folder of sessions, its limits, the token."""

import ipaddress
import logging
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

import keys as curve
from config import ConfigError
from host.review.limits import Limits

log = logging.getLogger("host")

GB = 1_000_000_000

CarAddress = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=\S+\Z")]


class HostConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pit wall's process does."""

    car: Annotated[
        list[CarAddress],
        Meta(title="NAME=tcp://HOST:PORT", description="a car to watch; give it once per car", min_length=1),
    ] = msgspec.field(default_factory=lambda: ["car=tcp://127.0.0.1:5555"])
    http: Annotated[str, Meta(title="HOST:PORT", description="where browsers connect")] = "127.0.0.1:8080"
    sessions: Annotated[str, Meta(title="DIR", min_length=1, description="where recordings go")] = "sessions"
    record: Annotated[
        bool, Meta(description="record every car by itself: from when it appears until it has been silent for a while")
    ] = False
    pre_roll: Annotated[
        float,
        Meta(title="SECONDS", ge=0, le=60, description="what a recording keeps of the time before it was started"),
    ] = 5.0
    max_gb: Annotated[
        float,
        Meta(
            title="GB",
            ge=0,
            le=1_000_000,
            description="what sessions may take; the oldest unmarked ones make room. 0: no limit",
        ),
    ] = 0.0
    max_days: Annotated[
        float,
        Meta(title="DAYS", ge=0, le=36_500, description="how long sessions that nobody marked are kept. 0: no limit"),
    ] = 0.0
    keep_free_gb: Annotated[
        float,
        Meta(
            title="GB",
            ge=0,
            le=1_000_000,
            description="what stays free on the disk: the oldest unmarked sessions make room, else recordings stop",
        ),
    ] = 0.5
    pilot: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(title="FILE", description="a pilot (.tflite) that recorded frames may be explained with in review"),
    ] = []
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


def split_address(text: str) -> tuple[str, int]:
    """HOST:PORT or [IPv6]:PORT. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isdecimal() and int(port) < 65536):
        raise ConfigError(f"option 'http': {text!r} is no address; write HOST:PORT, like 127.0.0.1:8080.")
    return host, int(port)


def car_addresses(config: HostConfig, host_keys: curve.HostKeys | None) -> dict[str, str]:
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


def sessions_folder(config: HostConfig) -> Path:
    """The folder for recordings, made if need be. Raises ConfigError now rather than when somebody wants to record."""
    folder = Path(config.sessions)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise ConfigError(f"option 'sessions': cannot make the folder {folder}: {why.strerror}.") from why
    return folder


def limits_of(config: HostConfig) -> Limits:
    """What the sessions may take of the disk."""
    return Limits(
        max_bytes=round(config.max_gb * GB), max_days=config.max_days, floor_bytes=round(config.keep_free_gb * GB)
    )


def pilot_files(config: HostConfig) -> list[Path]:
    """The pilots for review, not looked into. Raises ConfigError for a file that is not there."""
    files = [Path(file) for file in config.pilot]
    for file in files:
        if not file.is_file():
            raise ConfigError(f"option 'pilot': there is no file {file}; name a pilot's .tflite file.")
    return files


def token_for(config: HostConfig, http_host: str) -> str:
    """The token to ask browsers for; empty where none is needed."""
    if config.token or curve.is_loopback(http_host):
        return config.token
    if config.insecure:
        log.warning("no token is asked for at %s: whoever is on the network can watch and record", config.http)
        return ""
    return secrets.token_urlsafe(18)


def name_for_people(host: str) -> str:
    """What to type into a browser elsewhere for an address we listen on."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return f"[{host}]" if address.version == 6 else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # a documentation address: chooses the way out, sends nothing
        return str(probe.getsockname()[0])
    return socket.gethostname()
