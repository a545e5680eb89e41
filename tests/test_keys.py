"""CURVE keys: real files, and real sockets over TCP."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from keys import (
    AllowList,
    CarKeys,
    HostKeys,
    KeysError,
    authenticator,
    is_loopback,
    load_car,
    load_host,
    make,
    require_loopback,
    secure_client,
    secure_server,
)

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

ANSWER_MS = 10_000
"""How long an answer that shall come may take."""
SILENCE_MS = 400
"""How long to wait for one that shall not come; a handshake takes 5 ms."""


def pair(directory: Path) -> tuple[CarKeys, HostKeys]:
    car, host = make(directory)
    return load_car(car), load_host(host)


@pytest.fixture
def context() -> Iterator[Context]:
    with zmq.Context() as context:
        context.linger = 0
        yield context


@contextlib.contextmanager
def serving(context: Context, keys: CarKeys) -> Iterator[tuple[Socket, str, AllowList]]:
    """A car's socket and its address, and who was refused."""
    with authenticator(context, keys) as allowed, context.socket(zmq.ROUTER) as router:
        secure_server(router, keys)
        yield router, listen(router), allowed


def listen(router: Socket) -> str:
    router.bind("tcp://127.0.0.1:*")
    return router.get_string(zmq.LAST_ENDPOINT)


@contextlib.contextmanager
def asking(context: Context, address: str, keys: HostKeys | None) -> Iterator[Socket]:
    """A host's socket that has said "hello"."""
    with context.socket(zmq.DEALER) as dealer:
        if keys:
            secure_client(dealer, keys)
        dealer.connect(address)
        dealer.send(b"hello")
        yield dealer


def heard(router: Socket, timeout_ms: int) -> list[bytes]:
    """What a car hears; nothing, when the time is up."""
    return router.recv_multipart() if router.poll(timeout_ms) else []


def test_the_right_keys_let_both_sides_talk(tmp_path: Path, context: Context) -> None:
    car, host = pair(tmp_path)
    with serving(context, car) as (router, address, allowed), asking(context, address, host) as dealer:
        asker, question = heard(router, ANSWER_MS)
        assert question == b"hello"
        router.send_multipart([asker, b"welcome"])
        assert dealer.poll(ANSWER_MS)
        assert dealer.recv() == b"welcome"
        assert allowed.refused == 0


def test_two_hosts_on_the_list(tmp_path: Path, context: Context) -> None:
    car, one = pair(tmp_path / "one")
    _, other = pair(tmp_path / "other")
    car = CarKeys(car.public, car.secret, [one.public, other.public])
    other = HostKeys(other.public, other.secret, car.public)
    with serving(context, car) as (router, address, _):
        for host in (one, other):
            with asking(context, address, host):
                assert heard(router, ANSWER_MS)[1:] == [b"hello"]


def test_a_host_that_is_not_on_the_list_gets_nothing(tmp_path: Path, context: Context) -> None:
    car, _ = pair(tmp_path / "ours")
    _, theirs = pair(tmp_path / "theirs")
    stranger = HostKeys(theirs.public, theirs.secret, car.public)
    with serving(context, car) as (router, address, allowed), asking(context, address, stranger) as dealer:
        assert heard(router, SILENCE_MS) == []
        assert not dealer.poll(0)
        assert allowed.refused >= 1


def test_knowing_a_listed_public_key_is_not_enough(tmp_path: Path, context: Context) -> None:
    car, host = pair(tmp_path / "ours")
    _, theirs = pair(tmp_path / "theirs")
    with serving(context, car) as (router, address, _):
        with asking(context, address, HostKeys(host.public, theirs.secret, car.public)):
            assert heard(router, SILENCE_MS) == []


def test_a_host_without_keys_gets_nothing(tmp_path: Path, context: Context) -> None:
    car, _ = pair(tmp_path)
    with serving(context, car) as (router, address, _), asking(context, address, None) as dealer:
        assert heard(router, SILENCE_MS) == []
        assert not dealer.poll(0)


def test_a_host_talks_to_no_car_but_its_own(tmp_path: Path, context: Context) -> None:
    """An impostor that lets everybody in hears nothing from a host that expects another car's key."""
    _, host = pair(tmp_path / "ours")
    theirs, _ = pair(tmp_path / "theirs")
    impostor = CarKeys(theirs.public, theirs.secret, [host.public])
    with serving(context, impostor) as (router, address, _), asking(context, address, host):
        assert heard(router, SILENCE_MS) == []


def test_a_host_with_keys_tells_a_car_without_nothing(tmp_path: Path, context: Context) -> None:
    _, host = pair(tmp_path)
    with context.socket(zmq.ROUTER) as router:
        with asking(context, listen(router), host):
            assert heard(router, SILENCE_MS) == []


def test_without_an_authenticator_the_door_stays_shut(tmp_path: Path, context: Context) -> None:
    car, host = pair(tmp_path)
    with context.socket(zmq.ROUTER) as router:
        secure_server(router, car)
        with asking(context, listen(router), host):
            assert heard(router, SILENCE_MS) == []


def test_a_second_authenticator_in_a_context_fails_and_leaves_the_first(tmp_path: Path, context: Context) -> None:
    car, host = pair(tmp_path)
    with serving(context, car) as (router, address, _):
        with pytest.raises(zmq.ZMQError, match="in use"), authenticator(context, car):
            pass
        with asking(context, address, host):
            assert heard(router, ANSWER_MS)[1:] == [b"hello"]


def test_files_are_for_their_owner_alone_and_fit_each_other(tmp_path: Path) -> None:
    files = make(tmp_path / "deep" / "down", car="kart", host="wall")
    assert [file.name for file in files] == ["kart.keys", "wall.keys"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    car, host = load_car(files[0]), load_host(files[1])
    assert car.allow == [host.public]
    assert host.car == car.public
    assert len({car.public, car.secret, host.public, host.secret}) == 4


def test_no_two_pairs_are_alike(tmp_path: Path) -> None:
    assert pair(tmp_path / "one") != pair(tmp_path / "two")


@pytest.mark.parametrize("existing", ["car.keys", "host.keys"])
def test_nothing_is_overwritten_and_no_half_pair_made(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(KeysError, match=f"{existing} exists already"):
        make(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "precious"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "car.keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeysError, match=r"cannot write .*car.keys: File exists"):
        make(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_one_file_cannot_be_both(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot both be"):
        make(tmp_path, car="same", host="same")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeysError, match="cannot write"):
        make(tmp_path / "file")


def test_secrets_do_not_show_in_logs(tmp_path: Path) -> None:
    for keys in pair(tmp_path):
        assert keys.public in repr(keys)
        assert keys.secret not in f"{keys!r} {keys}"


def test_the_other_sides_file_is_told_as_such(tmp_path: Path) -> None:
    car, host = make(tmp_path)
    with pytest.raises(KeysError, match="is the host's key file; here the car's is needed"):
        load_car(host)
    with pytest.raises(KeysError, match="is the car's key file; here the host's is needed"):
        load_host(car)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    car, _ = make(tmp_path)
    car.chmod(mode)
    with pytest.raises(KeysError, match=f"others can read: chmod 600 {car}"):
        load_car(car)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"cannot read .*none.keys: No such file"):
        load_car(tmp_path / "none.keys")
    with pytest.raises(KeysError, match="cannot read"):
        load_host(tmp_path)


OVERFLOWING = "#" * 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("public = ", "public "), "is no key file"),
        (("public = ", "pubic = "), "unknown field `pubic`"),
        (('secret = "', 'secret = "x'), r"\$.secret"),
        (('secret = "', 'other = "'), "unknown field `other`"),
        (("allow = [", "allow = [7,"), r"\$.allow\[0\]"),
        (("allow = [", 'allow = ["short",'), r"\$.allow\[0\]"),
        (("allow = [", f'allow = ["{OVERFLOWING}",'), "does not stand for 32 bytes"),
        (("#", "\xff"), "is no key file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    car, _ = make(tmp_path)
    car.write_text(car.read_text().replace(*change, 1), encoding="latin-1")
    with pytest.raises(KeysError, match=said) as caught:
        load_car(car)
    assert str(car) in str(caught.value)


@pytest.mark.parametrize("field", ["public", "secret"])
def test_keys_that_are_no_pair_are_refused(tmp_path: Path, field: str) -> None:
    car, _ = make(tmp_path)
    stranger, _ = pair(tmp_path / "other")
    own = load_car(car)
    car.write_text(car.read_text().replace(getattr(own, field), getattr(stranger, field)))
    with pytest.raises(KeysError, match="public key does not belong to its secret one") as caught:
        load_car(car)
    assert stranger.secret not in str(caught.value)


@pytest.mark.parametrize("field", ["public", "secret"])
def test_a_key_of_more_than_32_bytes_is_refused(tmp_path: Path, field: str) -> None:
    car, _ = make(tmp_path)
    car.write_text(car.read_text().replace(getattr(load_car(car), field), OVERFLOWING))
    with pytest.raises(KeysError, match="does not stand for 32 bytes"):
        load_car(car)


def test_a_car_that_would_let_nobody_in_is_refused(tmp_path: Path) -> None:
    car, host = make(tmp_path)
    car.write_text(car.read_text().replace(f'"{load_host(host).public}",', ""))
    with pytest.raises(KeysError, match=r"length >= 1 .*\$.allow"):
        load_car(car)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_addresses_of_this_machine(host: str) -> None:
    assert is_loopback(host)
    require_loopback(f"tcp://{host if '::' not in host else '[::1]'}:5560", insecure=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.7", "[::]", "[fe80::1]", "kart.local", "localhost.example", "*"]
)
def test_addresses_beyond_this_machine_need_keys(host: str) -> None:
    assert not is_loopback(host)
    address = f"tcp://{host}:5560"
    require_loopback(address, insecure=True)
    with pytest.raises(KeysError, match="keys are needed"):
        require_loopback(address, insecure=False)
