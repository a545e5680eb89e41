"""CURVE keys: who may watch a car, and whose pictures a host believes.

    make ─▶ car.keys    the car's key pair, and the public keys of the hosts it lets in
         ─▶ host.keys   the host's key pair, and the public key of the cars it believes

Both files are TOML and hold a secret, so only their owner may read them. Beyond this machine keys are needed: without
them whoever is on the network can watch a car, or pose as one.
"""

import contextlib
import ipaddress
import os
import stat
import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
import zmq
from msgspec import Meta
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

Key = Annotated[str, Meta(pattern=r"^[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}\Z")]
"""32 bytes in Z85 (ZeroMQ RFC 32)."""

DOMAIN = "pilotlens"
"""Names our doors to the authenticator; a door with a name stays shut while there is none to ask."""


class KeysError(Exception):
    """Keys cannot be made or used like this; one sentence for a person."""


class CarKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the car holds."""

    public: Key
    secret: Key
    allow: Annotated[list[Key], Meta(min_length=1)]
    """Public keys of the hosts that are let in."""

    def __repr__(self) -> str:
        """Without the secret, which has no business in a log."""
        return f"CarKeys(public={self.public!r}, allow={self.allow!r})"


class HostKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the host holds."""

    public: Key
    secret: Key
    car: Key
    """Public key of the cars it believes."""

    def __repr__(self) -> str:
        """Without the secret, which has no business in a log."""
        return f"HostKeys(public={self.public!r}, car={self.car!r})"


K = TypeVar("K", CarKeys, HostKeys)


def make(directory: Path, *, car: str = "car", host: str = "host") -> tuple[Path, Path]:
    """Write `<car>.keys` and `<host>.keys` into `directory`. Raises KeysError, above all rather than overwrite."""
    car_file, host_file = directory / f"{car}.keys", directory / f"{host}.keys"
    (car_public, car_secret), (host_public, host_secret) = (
        tuple(half.decode() for half in zmq.curve_keypair()) for _ in range(2)
    )
    if car_file == host_file:
        raise KeysError(f"the car's and the host's file cannot both be {car_file}.")
    for file in (car_file, host_file):
        if file.exists():
            raise KeysError(f"{file} exists already and is not overwritten: name another folder, or move it away.")
    _write(
        car_file,
        "# PilotLens, the car's keys: keep this file on the car alone. To let in one more host, add its public key.\n"
        f'public = "{car_public}"\nsecret = "{car_secret}"\nallow = [\n    "{host_public}",\n]\n',
    )
    _write(
        host_file,
        "# PilotLens, the host's keys: keep this file on the pit wall alone. `car` is the car's public key.\n"
        f'public = "{host_public}"\nsecret = "{host_secret}"\ncar = "{car_public}"\n',
    )
    return car_file, host_file


def load_car(path: Path) -> CarKeys:
    """Raises KeysError."""
    return _load(path, CarKeys, "car", "host")


def load_host(path: Path) -> HostKeys:
    """Raises KeysError."""
    return _load(path, HostKeys, "host", "car")


def secure_server(socket: "zmq.Socket[bytes]", keys: CarKeys) -> None:
    """Make a socket that binds speak CURVE as the car.

    It lets nobody in but those whom an `authenticator` in its context allows.
    """
    socket.curve_server = True
    socket.zap_domain = DOMAIN.encode()
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


def secure_client(socket: "zmq.Socket[bytes]", keys: HostKeys) -> None:
    """Make a socket that connects speak CURVE as the host, and only with its car."""
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.curve_serverkey = keys.car.encode()


@contextlib.contextmanager
def authenticator(context: "zmq.Context[zmq.Socket[bytes]]", keys: CarKeys) -> "Iterator[AllowList]":
    """For the length of the block, let in the hosts that `keys` allows and nobody else. One at a time in a context."""
    guard = ThreadAuthenticator(context)
    allowed = AllowList(keys)
    guard.configure_curve_callback(DOMAIN, allowed)
    try:
        guard.start()
        yield allowed
    finally:
        guard.stop()


class AllowList:
    """What pyzmq asks about each host that knows the car's public key; others do not get that far."""

    def __init__(self, keys: CarKeys) -> None:
        self._allowed = frozenset(key.encode() for key in keys.allow)
        self.refused = 0
        """Attempts of hosts that are not on the list."""

    def callback(self, domain: str, key: bytes) -> bool:  # noqa: ARG002
        self.refused += key not in self._allowed
        return key in self._allowed


def is_loopback(host: str) -> bool:
    """Whether an address or name can only mean this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def require_loopback(address: str, *, insecure: bool) -> None:
    """Where there are no keys: raises KeysError for a tcp:// address beyond this machine, unless that is wanted."""
    if insecure or not address.startswith("tcp://"):
        return
    host = urlsplit(address.replace("*", "0.0.0.0", 1)).hostname or ""  # noqa: S104
    if ";" in address or not is_loopback(host):  # "tcp://here;there": ZeroMQ's way to name the way out
        raise KeysError(
            f"{address} reaches beyond this machine, so keys are needed: make them with `python -m host keys DIR` and "
            "give --keys, or give --insecure to do without."
        )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(text)
    except OSError as why:
        raise KeysError(f"cannot write {file}: {why.strerror}.") from why


def _load(path: Path, kind: type[K], side: str, other: str) -> K:
    try:
        mode = path.stat().st_mode
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise KeysError(f"cannot read {path}: {why.strerror}.") from why
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise KeysError(f"{path} is no key file: {why}.") from why
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(f"{path} holds a secret that others can read: chmod 600 {path}")
    if {"car": "car", "host": "allow"}[side] in values:
        raise KeysError(f"{path} is the {other}'s key file; here the {side}'s is needed.")
    try:
        keys = msgspec.convert(values, kind)
    except msgspec.ValidationError as why:
        raise KeysError(f"{path} is no key file: {why}.") from why
    if not all(map(_is_32_bytes, _all(keys))):
        # Which one is not said: it may be the secret.
        raise KeysError(f"{path} is damaged: one of its keys does not stand for 32 bytes.")
    if zmq.curve_public(keys.secret.encode()) != keys.public.encode():
        raise KeysError(f"{path} is damaged: its public key does not belong to its secret one.")
    return keys


def _all(keys: CarKeys | HostKeys) -> list[str]:
    peers = keys.allow if isinstance(keys, CarKeys) else [keys.car]
    return [keys.public, keys.secret, *peers]


def _is_32_bytes(key: str) -> bool:
    """Five letters of Z85 can say more than four bytes hold."""
    try:
        return len(z85.decode(key)) == 32
    except (ValueError, struct.error):
        return False
