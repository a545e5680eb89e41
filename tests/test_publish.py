"""The car's socket, spoken to by real hosts over real ZeroMQ: well-behaved, silent, greedy and rude ones."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import zmq

import wire
from edge.publish import MAX_HOSTS, Abilities, Explained, Picture, Publisher, PublishError
from tests.processes import eventually

SESSION = "abcd"
ALL = list(wire.PARTS)


class Host:
    """One host's DEALER."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self.socket = socket
        socket.linger = 0
        socket.rcvtimeo = 5000
        socket.rcvhwm = 4

    def say(self, message: wire.Up) -> None:
        self.socket.send(wire.encode(message))

    def hear(self) -> wire.Message[wire.Down]:
        return wire.decode_down(self.socket.recv_multipart())

    def ask(self, seq: int = -1, window: int = 1, want: list[str] | None = None) -> None:
        self.say(wire.Credit(session=SESSION, seq=seq, window=window, want=ALL if want is None else want))

    def ping(self) -> wire.Status:
        """Everything said before has been digested once this is answered."""
        self.say(wire.Ping(sent_ns=1))
        status = self.hear().header
        assert isinstance(status, wire.Status)
        return status

    def seqs(self) -> list[int]:
        """The frames that came, until none has come for a while."""
        found = []
        while self.socket.poll(200):
            header = self.hear().header
            assert isinstance(header, wire.Frame)
            found.append(header.seq)
        return found


def explained(seq: int, *kinds: str) -> Explained:
    header = wire.Frame(car="car", session=SESSION, seq=seq, captured_ns=seq, sent_ns=0, width=4, height=3)
    return Explained(header, {kind: Picture(f"{kind} {seq}".encode(), 4, 3) for kind in kinds or wire.PARTS})


@pytest.fixture
def looks() -> list[wire.Look]:
    return []


@pytest.fixture
def publisher(looks: list[wire.Look]) -> Iterator[Publisher]:
    with Publisher("tcp://127.0.0.1:*", "car", SESSION, source="tub", pilot="linear", on_look=looks.append) as one:
        yield one


class Network:
    """Makes hosts, and closes them at the end."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._hosts: list[Host] = []

    def host(self, publisher: Publisher) -> Host:
        host = Host(self._context.socket(zmq.DEALER))
        host.socket.connect(publisher.address)
        self._hosts.append(host)
        return host

    def close(self) -> None:
        for host in self._hosts:
            host.socket.close()
        self._context.term()


@pytest.fixture
def network() -> Iterator[Network]:
    one = Network()
    yield one
    one.close()


@pytest.fixture
def host(publisher: Publisher, network: Network) -> Host:
    return network.host(publisher)


def test_a_ping_is_answered_with_what_the_car_is_doing(publisher: Publisher, host: Host) -> None:
    publisher.trouble = "The camera is gone."
    status = host.ping()
    assert (status.car, status.session, status.ping_ns) == ("car", SESSION, 1)
    assert (status.source, status.pilot, status.trouble) == ("tub", "linear", "The camera is gone.")
    assert status.received_ns <= status.sent_ns


def test_a_ping_is_answered_with_what_the_pilot_can_do(network: Network) -> None:
    abilities = Abilities(["edges"], {"gradient": "It has no backward pass."}, ["steering"], ["c1", "c2"])
    with Publisher("tcp://127.0.0.1:*", "car", SESSION, abilities=abilities) as publisher:
        status = network.host(publisher).ping()
    assert (status.methods, status.refusals) == (abilities.methods, abilities.refusals)
    assert (status.targets, status.layers) == (abilities.targets, abilities.layers)


def test_who_wants_what_comes_late_waits_for_it_and_all_others_do_not(publisher: Publisher, network: Network) -> None:
    camera, overlay = network.host(publisher), network.host(publisher)
    camera.ask(want=["camera"])
    overlay.ask(want=["overlay", "camera"])
    camera.ping()
    overlay.ping()
    for seq in range(3):
        publisher.offer(replace(explained(seq), late=frozenset({"overlay", "mask"})))
        assert camera.seqs() == [seq]
        camera.ask(seq=seq, want=["camera"])
    assert overlay.seqs() == []
    publisher.offer_late(explained(1))
    assert overlay.seqs() == [1]
    assert camera.seqs() == [], "it is older than what this host has"
    overlay.ask(seq=1, want=["overlay", "camera"])
    assert overlay.seqs() == [], "nothing newer is ready"
    publisher.offer(explained(4))
    assert overlay.seqs() == camera.seqs() == [4], "nothing comes late any more"
    overlay.ask(seq=4, want=["overlay"])
    publisher.offer_late(explained(3))
    assert overlay.seqs() == [], "what was still under way when the method changed is left"


def test_credit_brings_one_frame_and_no_second_before_it_is_held(publisher: Publisher, host: Host) -> None:
    host.ask()
    host.ping()
    publisher.offer(explained(0))
    assert host.seqs() == [0]
    for seq in range(1, 5):
        publisher.offer(explained(seq))
    assert host.seqs() == []
    host.ask(seq=0)
    assert host.seqs() == [4], "the newest, not the next"


def test_saying_a_credit_again_changes_nothing(publisher: Publisher, host: Host) -> None:
    host.ask()
    host.ping()
    publisher.offer(explained(0))
    assert host.seqs() == [0]
    for _ in range(50):
        host.ask()
    publisher.offer(explained(1))
    assert host.seqs() == []


def test_a_window_of_three_keeps_three_under_way(publisher: Publisher, host: Host) -> None:
    host.ask(window=3)
    host.ping()
    for seq in range(6):
        publisher.offer(explained(seq))
        if seq < 3:
            assert host.seqs() == [seq]
    assert host.seqs() == []
    host.ask(seq=0, window=3)
    assert host.seqs() == [5]


def test_credit_of_another_session_means_nothing_is_held(publisher: Publisher, host: Host) -> None:
    host.ask()
    host.ping()
    publisher.offer(explained(0))
    assert host.seqs() == [0]
    host.say(wire.Credit(session="ffff", seq=10**9, want=ALL))
    publisher.offer(explained(1))
    assert host.seqs() == []


def test_only_the_wanted_pictures_are_sent(publisher: Publisher, host: Host) -> None:
    host.ask(want=["mask", "hologram"])
    host.ping()
    assert publisher.wanted >= {"mask"}
    publisher.offer(explained(0))
    header, parts = host.hear()
    assert parts == {"mask": b"mask 0"}
    assert isinstance(header, wire.Frame)
    host.ask(seq=0, want=[])
    host.ping()
    publisher.offer(explained(1))
    assert host.hear().parts == {}


def test_a_host_gets_nothing_older_than_itself(publisher: Publisher, network: Network) -> None:
    publisher.offer(explained(0))
    late = network.host(publisher)
    late.ask()
    assert late.seqs() == []
    publisher.offer(explained(1))
    assert late.seqs() == [1]


def test_two_hosts_have_credit_of_their_own(publisher: Publisher, network: Network) -> None:
    quick, slow = network.host(publisher), network.host(publisher)
    for one, want in ((quick, ["overlay"]), (slow, ["camera"])):
        one.ask(want=want)
        one.ping()
    assert publisher.wanted == {"overlay", "camera"}
    for seq in range(4):
        publisher.offer(explained(seq))
        assert quick.seqs() == [seq]
        quick.ask(seq=seq, want=["overlay"])
        quick.ping()
    assert slow.seqs() == [0]


def test_settings_reach_the_worker(publisher: Publisher, host: Host, looks: list[wire.Look]) -> None:
    look = wire.Look(strength=0.25, colormap="green")
    host.say(wire.Settings(look=look))
    host.ping()
    assert looks == [look]


def test_nobody_watches_until_somebody_does(publisher: Publisher, host: Host) -> None:
    assert not publisher.watched
    host.ping()
    assert publisher.watched


def test_rubbish_is_counted_and_harms_nobody(publisher: Publisher, host: Host) -> None:
    for message in ([b""], [b"junk"], [b"PL\x01\xc1"], [wire.encode(wire.Ping(sent_ns=1)), b"more"]):
        host.socket.send_multipart(message)
    host.ask()
    host.ping()
    assert publisher.drops["malformed requests"] == 4
    publisher.offer(explained(0))
    assert host.seqs() == [0]


def test_hosts_beyond_the_limit_are_turned_away(publisher: Publisher, network: Network) -> None:
    hosts = [network.host(publisher) for _ in range(MAX_HOSTS + 3)]
    for one in hosts:
        one.say(wire.Ping(sent_ns=1))
    eventually(lambda: publisher.drops["hosts beyond the limit"] == 3)
    assert sum(bool(one.socket.poll(300)) for one in hosts) == MAX_HOSTS


def test_a_host_that_never_reads_costs_a_few_frames_of_memory(publisher: Publisher, host: Host) -> None:
    """It lies that it holds every frame and reads none: its queue is bounded, others are served."""
    big = Picture(b"x" * 1_000_000, 1000, 1000)
    host.ask(want=["overlay"], window=3)
    host.ping()
    seqs = iter(range(10_000))

    def lie() -> bool:
        seq = next(seqs)
        publisher.offer(Explained(explained(seq).header, {"overlay": big}))
        host.ask(seq=seq, want=["overlay"], window=3)
        return publisher.drops["host not reading"] > 0

    eventually(lie)
    assert next(seqs) < 100


def test_a_port_in_use_and_a_bad_address_are_sentences(publisher: Publisher) -> None:
    for address, part in ((publisher.address, "Address already in use"), ("smoke://hill", "Protocol not supported")):
        with pytest.raises(PublishError, match=part), Publisher(address, "car", SESSION):
            pass


def test_it_can_be_left_while_hosts_talk(network: Network) -> None:
    with Publisher("tcp://127.0.0.1:*", "car", SESSION) as publisher:
        host = network.host(publisher)
        host.ask()
        host.ping()
        publisher.offer(explained(0))
    assert host.seqs() == [0]
