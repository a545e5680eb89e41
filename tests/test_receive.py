"""The host's end of the wire against cars that are real sockets: honest, restarted, silent, hostile."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
import zmq

import wire
from host.receive import ReceiveError, Receiver
from host.relay import Arrival, Channel
from tests.processes import eventually

T = TypeVar("T")
OFFSET_NS = 7_000_000_000
"""How far the test car's clock is behind ours."""


class Car:
    """A car's ROUTER, played by hand. Times are ours less OFFSET_NS."""

    def __init__(self, socket: "zmq.Socket[bytes]", port: int, session: str = "aa") -> None:
        self.socket = socket
        self.session = session
        self.host = b""
        self.answers = True
        self.credits: list[wire.Credit] = []
        self.settings: list[wire.Settings] = []
        socket.linger = 0
        try:
            socket.bind(f"tcp://127.0.0.1:{port}")
        except zmq.ZMQError:
            socket.close()
            raise

    def listen(self, seconds: float = 0.3) -> None:
        """Answer pings and note the rest."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.socket.poll(int(left * 1000) + 1):
                return
            self.host, *message = self.socket.recv_multipart()
            match wire.decode_up(message):
                case wire.Ping() as ping if self.answers:
                    now_ns = time.monotonic_ns() - OFFSET_NS
                    status = wire.Status(
                        car="car", session=self.session, ping_ns=ping.sent_ns, received_ns=now_ns, sent_ns=now_ns
                    )
                    self.say(wire.encode(status))
                case wire.Credit() as credit:
                    self.credits.append(credit)
                case wire.Settings() as settings:
                    self.settings.append(settings)

    def say(self, *parts: bytes) -> None:
        self.socket.send_multipart([self.host, *parts])

    def leave(self) -> None:
        """Give the port back at once."""
        self.socket.unbind(self.socket.get_string(zmq.LAST_ENDPOINT))
        self.socket.close()

    def show(self, seq: int, at_ns: int | None = None) -> None:
        captured_ns = (time.monotonic_ns() if at_ns is None else at_ns) - OFFSET_NS
        frame = wire.Frame(
            car="car", session=self.session, seq=seq, captured_ns=captured_ns, sent_ns=captured_ns, width=4, height=3
        )
        self.say(wire.encode(frame))


class Bench:
    """A receiver with its channel, run beside a loop; and cars it may find."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.loop = asyncio.new_event_loop()
        self.channel = Channel("car", self.loop)
        self.got: list[Arrival] = []
        self.channel.add_sink(self.got.append, frozenset({"overlay"}))
        with zmq.Context() as probe, probe.socket(zmq.ROUTER) as socket:
            self.port = socket.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{self.port}"

    def car(self, session: str = "aa") -> Car:
        return Car(self.context.socket(zmq.ROUTER), self.port, session)

    def try_car(self, session: str) -> Car | None:
        """A car at the port that another one has just left; None while ZeroMQ still holds it."""
        try:
            return self.car(session)
        except zmq.ZMQError:
            return None

    def until(self, car: Car, ask: Callable[[], T]) -> T:
        """Let the car answer until something is true."""
        until = time.monotonic() + 15
        while not (answer := ask()):
            assert time.monotonic() < until
            car.listen(0.05)
        return answer


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    with Receiver(one.channel, one.address):
        yield one
    one.context.destroy(linger=0)
    one.loop.close()


@pytest.fixture
def car(bench: Bench) -> Iterator[Car]:
    one = bench.car()
    bench.until(one, lambda: one.credits)
    yield one
    one.socket.close()


def test_no_credit_is_granted_before_the_clocks_are_known(bench: Bench) -> None:
    car = bench.car()
    car.answers = False
    car.listen(1.2)
    assert car.host
    assert not car.credits
    car.answers = True
    bench.until(car, lambda: car.credits)
    link = bench.channel.link
    assert link.live
    assert abs(link.offset_ns - OFFSET_NS) <= link.clock_error_ns
    car.socket.close()


def test_frames_arrive_in_our_clock_and_are_acknowledged(bench: Bench, car: Car) -> None:
    before_ns = time.monotonic_ns()
    car.show(5)
    bench.until(car, lambda: bench.got)
    [arrival] = bench.got
    assert abs(arrival.captured_ns - before_ns) < 1_000_000_000
    assert arrival.captured_ns <= arrival.received_ns + arrival.clock_error_ns
    bench.until(car, lambda: car.credits[-1].seq == 5)
    assert car.credits[-1] == wire.Credit(session="aa", seq=5, window=1, want=["overlay"])


def test_an_old_frame_is_not_taken_twice(bench: Bench, car: Car) -> None:
    for seq in (3, 3, 2, 4):
        car.show(seq)
    bench.until(car, lambda: len(bench.got) >= 2)
    car.listen(0.2)
    assert [arrival.frame.seq for arrival in bench.got] == [3, 4]


def test_the_window_grows_when_the_round_trip_is_longer_than_a_frame(bench: Bench, car: Car) -> None:
    now_ns = time.monotonic_ns()
    for seq in range(3):
        car.show(seq, now_ns + seq)  # a nanosecond apart: any round trip is longer
    bench.until(car, lambda: car.credits[-1].seq == 2)
    assert car.credits[-1].window == wire.MAX_WINDOW


def test_what_is_wanted_is_told_at_once(bench: Bench, car: Car) -> None:
    bench.channel.add_sink(print, frozenset({"mask"}))
    bench.until(car, lambda: car.credits[-1].want == ["mask", "overlay"])
    bench.channel.remove_sink(print)
    bench.until(car, lambda: car.credits[-1].want == ["overlay"])


def test_unwatched_the_credit_keeps_coming_but_slowly(bench: Bench, car: Car) -> None:
    bench.channel.remove_sink(bench.got.append)
    bench.until(car, lambda: car.credits[-1].want == [])
    before = len(car.credits)
    for seq in range(20):
        car.show(seq)
        car.listen(0.02)
    assert len(car.credits) - before <= 3
    bench.until(car, lambda: len(car.credits) > before)


def test_the_look_is_asked_for(bench: Bench, car: Car) -> None:
    look = wire.Look(strength=0.1)
    bench.channel.tune(look)
    bench.until(car, lambda: car.settings)
    assert car.settings == [wire.Settings(look=look)]
    assert bench.channel.look is None


def test_a_look_asked_for_while_the_car_is_away_is_told_when_it_comes(bench: Bench) -> None:
    look = wire.Look(strength=0.3)
    bench.channel.tune(look)
    eventually(lambda: bench.channel.look is look)
    car = bench.car()
    bench.until(car, lambda: car.settings)
    assert car.settings == [wire.Settings(look=look)]
    car.socket.close()


def test_a_car_that_comes_back_is_another_session_with_another_clock(bench: Bench, car: Car) -> None:
    car.show(100)
    bench.until(car, lambda: bench.got)
    car.leave()
    again = eventually(lambda: bench.try_car("bb"))
    assert again is not None
    bench.until(again, lambda: again.credits and again.credits[-1].session == "bb")
    assert again.credits[-1].seq == -1
    again.show(0)
    bench.until(again, lambda: len(bench.got) == 2)
    assert bench.channel.link.restarts == 1
    again.socket.close()


def test_a_silent_car_is_noticed_and_welcomed_back(bench: Bench, car: Car) -> None:
    link = bench.channel.link
    until = time.monotonic() + 15
    while link.live and time.monotonic() < until:
        time.sleep(0.05)
    assert link.trouble == f"car car does not answer at {bench.address}; trying again."
    bench.until(car, lambda: link.live)
    assert link.trouble == ""


def test_rubbish_from_a_car_is_counted_and_the_next_frame_is_taken(bench: Bench, car: Car) -> None:
    for rubbish in ([b""], [b"PL\x01"], [b"PL\x07x"], [b"GET / HTTP/1.1"], [wire.encode(wire.Ping(sent_ns=1))]):
        car.say(*rubbish)
    car.show(1)
    bench.until(car, lambda: bench.got)
    assert bench.channel.link.malformed == 5


def test_a_car_that_never_stops_talking_leaves_room_for_the_rest(bench: Bench, car: Car) -> None:
    for _ in range(2000):
        car.say(b"noise")
    bench.channel.tune(wire.Look(strength=0.2))
    bench.until(car, lambda: car.settings)


def test_an_address_that_can_never_work_is_a_sentence(bench: Bench) -> None:
    for address in ("nonsense", "tcp://", "smoke://hill:1"):
        channel = Channel("lost", bench.loop)
        with pytest.raises(ReceiveError, match=r"car lost: .* write tcp://HOST:PORT"), Receiver(channel, address):
            pass
