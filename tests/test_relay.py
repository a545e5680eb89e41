"""The relay: one slot per watcher, everybody's wants, and the way from the receiver's thread into the event loop."""

import asyncio
import threading
import time

import wire
from host.relay import Arrival, Channel


def arrival(seq: int) -> Arrival:
    frame = wire.Frame(car="car", session="00", seq=seq, captured_ns=0, sent_ns=0, width=4, height=3)
    now_ns = time.monotonic_ns()
    return Arrival("car", frame, {"overlay": b"jpeg"}, now_ns, now_ns, 0)


def test_a_watcher_gets_the_newest_and_what_it_missed_is_counted() -> None:
    async def watch() -> None:
        channel = Channel("car", asyncio.get_running_loop())
        with channel.subscribe(frozenset({"overlay"})) as watcher:
            for seq in range(3):
                channel.deliver(arrival(seq))
                await asyncio.sleep(0)
            newest = await watcher.next(5)
            assert newest is not None
            assert (newest.frame.seq, watcher.skipped, watcher.taken) == (2, 2, 1)
            assert await watcher.next(0.01) is None
            assert channel.newest is newest

    asyncio.run(watch(), debug=True)


def test_every_frame_reaches_a_watcher_that_keeps_up() -> None:
    async def watch() -> list[int]:
        channel = Channel("car", asyncio.get_running_loop())
        taken: list[int] = []
        proceed = threading.Semaphore(0)

        def receive() -> None:
            for seq in range(100):
                channel.deliver(arrival(seq))
                assert proceed.acquire(timeout=5)

        with channel.subscribe(frozenset({"overlay"})) as watcher:
            receiver = threading.Thread(target=receive)
            receiver.start()
            while len(taken) < 100:
                one = await watcher.next(5)
                assert one is not None
                taken.append(one.frame.seq)
                proceed.release()
            receiver.join(5)
        assert channel.late == 0
        return taken

    assert asyncio.run(watch(), debug=True) == list(range(100))


def test_what_is_wanted_is_what_everybody_wants_together() -> None:
    async def watch() -> None:
        channel = Channel("car", asyncio.get_running_loop())
        told = []
        channel.wake = lambda: told.append(channel.wanted)
        with channel.subscribe(frozenset({"overlay"})) as first, channel.subscribe(frozenset({"overlay"})):
            first.change(frozenset({"camera"}))
            channel.add_sink(print, frozenset({"mask"}))
        channel.remove_sink(print)
        assert told == [
            {"overlay"},
            {"overlay", "camera"},
            {"overlay", "camera", "mask"},
            {"camera", "mask"},
            {"mask"},
            set(),
        ]

    asyncio.run(watch(), debug=True)


def test_what_is_wanted_along_makes_no_car_send_by_itself() -> None:
    async def watch() -> None:
        channel = Channel("car", asyncio.get_running_loop())
        told = []
        channel.wake = lambda: told.append(channel.wanted)
        channel.add_sink(print, frozenset(), along=frozenset({"camera", "mask"}))
        assert told == []
        with channel.subscribe(frozenset()) as watcher:
            assert told == []
            watcher.change(frozenset({"overlay"}))
            channel.add_sink(print, frozenset(), along=frozenset({"mask"}))
        channel.add_sink(print, frozenset({"overlay"}), along=frozenset({"camera"}))
        channel.remove_sink(print)
        assert told == [
            {"overlay", "camera", "mask"},
            {"overlay", "mask"},
            set(),
            {"overlay", "camera"},
            set(),
        ]

    asyncio.run(watch(), debug=True)


def test_the_live_view_is_woken_before_any_sink_has_its_turn() -> None:
    async def watch() -> None:
        channel = Channel("car", asyncio.get_running_loop())
        watched = threading.Event()
        channel.add_sink(lambda one: None if watched.wait(5) else told.append(one.frame.seq), frozenset())
        told: list[int] = []
        with channel.subscribe(frozenset({"overlay"})) as watcher:
            receiver = threading.Thread(target=channel.deliver, args=[arrival(7)])
            receiver.start()
            one = await watcher.next(4)
            watched.set()
            receiver.join(5)
            assert one is not None
            assert one.frame.seq == 7
        assert told == [], "the sink had waited in vain"

    asyncio.run(watch(), debug=True)


def test_a_sink_is_called_with_everything_in_the_receiver_s_thread() -> None:
    async def watch() -> None:
        channel = Channel("car", asyncio.get_running_loop())
        got: list[tuple[int, str]] = []
        channel.add_sink(lambda one: got.append((one.frame.seq, threading.current_thread().name)), frozenset())

        def receive() -> None:
            for seq in range(50):
                channel.deliver(arrival(seq))

        receiver = threading.Thread(target=receive, name="receive car")
        receiver.start()
        receiver.join(5)
        assert got == [(seq, "receive car") for seq in range(50)]
        await asyncio.sleep(0)
        assert channel.newest is not None
        assert channel.newest.frame.seq == 49
        assert channel.late == 49

    asyncio.run(watch(), debug=True)


def test_delivering_into_a_loop_that_is_gone_harms_nobody() -> None:
    loop = asyncio.new_event_loop()
    channel = Channel("car", loop)
    loop.close()
    channel.deliver(arrival(0))


def test_fps_counts_what_came_lately() -> None:
    async def watch() -> float:
        channel = Channel("car", asyncio.get_running_loop())
        assert channel.fps() == 0
        for seq in range(3):
            channel.deliver(arrival(seq))
            await asyncio.sleep(0.05)
        return channel.fps()

    assert 0 < asyncio.run(watch()) <= 2 / 0.1
