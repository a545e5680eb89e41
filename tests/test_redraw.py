"""Who is drawn for, and when: the newest wish of each client, one after the other."""

import asyncio
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from host.review.redraw import Outdated, Redraw, RedrawError

ROOT = Path(__file__).parents[1]

WITHOUT = """
import sys, asyncio

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numpy", "cv2", "ai_edge_litert", "simplejpeg", "edge"}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Block())
from host.review.redraw import Redraw, RedrawError

try:
    asyncio.run(Redraw([]).pilots())
except RedrawError as why:
    print(why)
"""


def test_only_the_newest_wish_of_a_client_is_fulfilled() -> None:
    pytest.importorskip("ai_edge_litert")
    drawn: list[int] = []
    go_on = threading.Event()

    def wish(number: int, _: object) -> int:
        assert go_on.wait(10)
        drawn.append(number)
        return number

    async def ask() -> None:
        redraw = Redraw([])
        await redraw.pilots()
        tasks = []
        for client, number in [("a", 0), ("a", 1), ("b", 10), ("a", 2), ("a", 3)]:
            tasks.append(asyncio.create_task(redraw.draw(client, partial(wish, number))))
            await asyncio.sleep(0.01)
        go_on.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        given = [answer if isinstance(answer, int) else type(answer) for answer in answers]
        assert given == [Outdated, Outdated, 10, Outdated, 3]
        await redraw.close(web.Application())

    asyncio.run(ask())
    assert drawn == [0, 10, 3], "what was begun is finished, what waited and is outdated is not begun"


def test_a_client_that_leaves_takes_its_wish_along() -> None:
    pytest.importorskip("ai_edge_litert")
    drawn: list[str] = []
    go_on = threading.Event()

    def wait(_: object) -> bool:
        return go_on.wait(10)

    def draw(_: object) -> str:
        drawn.append("b")
        return "b"

    async def ask() -> None:
        redraw = Redraw([])
        first = asyncio.create_task(redraw.draw("a", wait))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(redraw.draw("b", draw))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        go_on.set()
        assert await first
        assert await redraw.draw("b", lambda _: "drawn") == "drawn"
        await redraw.close(web.Application())

    asyncio.run(ask())
    assert drawn == []


def test_without_what_the_car_needs_one_sentence_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "pip install '.[edge]'" in done.stdout
    assert issubclass(Outdated, RedrawError)
