"""The slot between two threads."""

import threading

from edge.slot import Slot


def test_a_newer_item_replaces_the_older_and_is_counted() -> None:
    slot: Slot[int] = Slot()
    for number in range(5):
        slot.put(number)
    assert slot.take() == 4
    assert slot.replaced == 4


def test_closing_lets_a_waiting_taker_go_after_the_last_item() -> None:
    slot: Slot[int] = Slot()
    taken: list[int | None] = []
    taker = threading.Thread(target=lambda: taken.extend([slot.take(), slot.take()]))
    taker.start()
    slot.put(1)
    slot.close()
    taker.join(5)
    assert taken == [1, None]


def test_handing_over_loses_nothing() -> None:
    slot: Slot[int] = Slot()

    def give() -> None:
        for number in range(200):
            slot.hand_over(number)
        slot.close()

    giver = threading.Thread(target=give)
    giver.start()
    taken = list(iter(slot.take, None))
    giver.join(5)
    assert taken == list(range(200))
    assert slot.replaced == 0


def test_closing_lets_a_waiting_giver_go() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    giver = threading.Thread(target=slot.hand_over, args=(2,))
    giver.start()
    slot.close()
    giver.join(5)
    assert not giver.is_alive()
