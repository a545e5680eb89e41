"""The page of sessions and its addresses: over real HTTP, and in a real Chromium."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from host.record import Recordings
from host.record.notes import MAX_TEXT
from host.relay import Channel
from host.review.shelf import TRASH, Shelf
from tests.browser import chromium
from tests.recordings import arrival, running_loop, start, until
from tests.shelves import copied, recorded
from tests.wall import Wall, pit_wall

PLAYER = "<!doctype html><link rel='icon' href='data:,'><title>Player</title>"
HOSTILE = "<img src=x onerror=alert(1)> \"'&?#%2F..{x} ü"


@dataclass
class Host:
    """A running pit wall, and a shelf of our own on its sessions."""

    directory: Path
    shelf: Shelf
    wall: Wall

    @property
    def url(self) -> str:
        return self.wall.url

    def json(self, method: str, path: str, body: object = None) -> Any:
        answer = self.wall.request(method, path, body)
        assert answer.status == 200, answer.body
        return answer.json()


@contextlib.contextmanager
def served(directory: Path) -> Iterator[Host]:
    with pit_wall("kart", sessions=directory) as wall, Shelf(directory) as shelf:
        yield Host(directory, shelf, wall)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Five sessions: one of today and four of March 2026."""
    made = recorded(tmp_path)
    copied(made, "north", 4, car="north", pilot="linear.tflite")
    copied(made, "south", 3, car="south", pilot="rnn.tflite", duration_s=3723.0)
    copied(made, "crashed", 2, status="recovered", reason="the host ended without closing the video", dropped=None)
    copied(made, "failed", 1, status="failed", reason="overlay.mp4 has no readable frame", frames=0, follows="crashed")
    with served(tmp_path) as running:
        running.shelf.change("north", title="Wet cones", marked=True)
        running.shelf.add_bookmark("north", 0.2, "swerve")
        yield running


# Over HTTP


def test_the_list_says_all_that_the_shelf_knows(host: Host) -> None:
    answer = host.wall.get("/api/sessions")
    headers = answer.headers
    assert (answer.status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    answered = answer.json()
    assert [one["name"] for one in answered["sessions"]] == [one.name for one in host.shelf.list()]
    assert answered["sessions"][1]["bookmarks"][0]["label"] == "swerve"
    assert {one["name"]: one["follows"] for one in answered["sessions"] if one["follows"]} == {"failed": "crashed"}
    assert answered["trash"] == []
    assert answered["disk"]["used_bytes"] == sum(one["bytes"] for one in answered["sessions"])
    assert host.json("GET", "/api/sessions/north") == answered["sessions"][1]


def test_a_session_is_renamed_marked_deleted_and_restored(host: Host) -> None:
    changed = host.json("PATCH", "/api/sessions/south", {"title": "Rain", "marked": True})
    assert (changed["title"], changed["marked"]) == ("Rain", True)
    assert host.json("PATCH", "/api/sessions/south", {"marked": False})["title"] == "Rain"
    assert host.json("DELETE", "/api/sessions/south") == {}
    assert host.wall.get("/api/sessions/south").status == 404
    assert [one["name"] for one in host.json("GET", "/api/sessions")["trash"]] == ["south"]
    assert host.json("POST", "/api/sessions/south/restore")["title"] == "Rain"


def test_bookmarks_come_and_go(host: Host) -> None:
    mark = host.json("POST", "/api/sessions/south/bookmarks", {"time_s": 1, "label": "x"})
    assert (mark["time_s"], mark["label"]) == (1.0, "x")
    path = f"/api/sessions/south/bookmarks/{mark['id']}"
    assert host.json("PATCH", path, {"label": "y"}) == {**mark, "label": "y"}
    assert host.json("PATCH", path, {"time_s": 0.5})["time_s"] == 0.5
    assert host.json("DELETE", path) == {}
    assert host.wall.request("DELETE", path).status == 404


REFUSED: list[tuple[str, str, object, int]] = [
    ("GET", "/api/sessions/nowhere", None, 404),
    ("GET", "/api/sessions/%2e%2e", None, 404),
    ("GET", "/api/sessions/..%2fnorth", None, 404),
    ("GET", "/api/sessions/%00", None, 404),
    ("GET", "/api/sessions/%ff", None, 404),
    ("GET", "/sessions/nowhere/thumbnail.jpg", None, 404),
    ("DELETE", "/api/sessions/.trash", None, 404),
    ("POST", "/api/sessions/north/restore", None, 404),
    ("PATCH", "/api/sessions/north", b"", 400),
    ("PATCH", "/api/sessions/north", b"{", 400),
    ("PATCH", "/api/sessions/north", b'{"title": "\xff"}', 400),
    ("PATCH", "/api/sessions/north", b'{"title": "\\ud800"}', 400),
    ("PATCH", "/api/sessions/north", {"title": "x" * (MAX_TEXT + 1)}, 400),
    ("PATCH", "/api/sessions/north", {"title": 3}, 400),
    ("PATCH", "/api/sessions/north", {"name": "x"}, 400),
    ("PATCH", "/api/sessions/north", {"marked": "yes"}, 400),
    ("POST", "/api/sessions/north/bookmarks", {"label": "x"}, 400),
    ("POST", "/api/sessions/north/bookmarks", {"time_s": -1}, 400),
    ("POST", "/api/sessions/north/bookmarks", b'{"time_s": 1e999}', 400),
    ("POST", "/api/sessions/north/bookmarks", b'{"time_s": NaN}', 400),
    ("PATCH", "/api/sessions/north/bookmarks/ffffffff", {"label": "x"}, 404),
]


def test_what_cannot_be_is_refused_in_a_sentence(host: Host) -> None:
    before = host.shelf.list()
    for method, path, body, status in REFUSED:
        answer = host.wall.request(method, path, body)
        assert answer.status == status, (method, path, body, answer.text)
        assert re.fullmatch(r"[A-Z].{10,}\.", answer.text), (method, path, body)
    assert host.shelf.list() == before


def test_an_open_session_is_not_deleted(tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings, served(tmp_path) as host:
        channel = Channel("kart", loop)
        recording = start(recordings, channel)
        channel.deliver(arrival(5000))
        until(lambda: recording.frames == 1)
        answer = host.wall.request("DELETE", f"/api/sessions/{recording.directory.name}")
        assert answer.status == 409
        assert "stop the recording first" in answer.text


def test_a_thumbnail_may_be_kept_by_the_browser(host: Host) -> None:
    answer = host.wall.get("/sessions/north/thumbnail.jpg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    assert answer.body.startswith(b"\xff\xd8")


def test_any_name_can_be_asked_for(host: Host) -> None:
    (host.directory / "north").rename(host.directory / HOSTILE)
    assert host.json("GET", f"/api/sessions/{quote(HOSTILE, safe='')}")["name"] == HOSTILE
    assert host.json("DELETE", f"/api/sessions/{quote(HOSTILE, safe='')}") == {}
    assert (host.directory / TRASH / HOSTILE).is_dir()


# In a browser


@dataclass
class Visit:
    """The page, and what the browser said meanwhile."""

    page: Page
    host: Host
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def expect_player(self, query: str) -> None:
        """The page went to the player, of which this test knows the address only."""
        expect(self.page).to_have_url(f"{self.host.url}/review/{query}")

    def row(self, text: str) -> Locator:
        return self.page.locator("article.row", has_text=text)

    @property
    def titles(self) -> list[str]:
        return self.page.locator("article.row [data-title]").all_text_contents()

    def wait_for_pictures(self) -> None:
        until(lambda: self.page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)"))

    def refresh(self) -> None:
        """What else the page does every few seconds: ask again."""
        with self.page.expect_response("**/api/sessions"):
            self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def expect_titles(self, *titles: str) -> None:
        expect(self.page.locator("article.row [data-title]")).to_have_text(list(titles))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, host: Host) -> Iterator[Visit]:
    with visiting(browser, host) as visit:
        yield visit


@contextlib.contextmanager
def visiting(browser: Browser, host: Host, path: str = "/review") -> Iterator[Visit]:
    """The page in UTC; fails if the browser had anything to complain about, or the page asked anybody else."""
    context = browser.new_context(timezone_id="UTC", locale="en-GB", viewport={"width": 1400, "height": 900})
    page = context.new_page()
    visit = Visit(page, host)
    page.on("console", lambda message: visit.console.append(message.text))
    page.on("pageerror", lambda error: visit.console.append(str(error)))
    page.on("dialog", lambda dialog: visit.console.append(dialog.message))
    page.on("request", lambda request: visit.requests.append(request.url))
    page.route(re.compile("//[^/]+/review/."), lambda route: route.fulfill(content_type="text/html", body=PLAYER))
    page.goto(host.url + path)
    expect(page.locator("#count")).not_to_have_text("connecting…")
    try:
        yield visit
        assert visit.console == []
        assert all(url.startswith((host.url, "data:")) for url in visit.requests)
    finally:
        context.close()


MARCH = ["Wet cones", "south 12:00:00", "kart 12:00:00", "kart 12:00:00"]


def test_what_was_recorded_is_seen_at_a_glance(visit: Visit) -> None:
    expect(visit.page.locator("article.row")).to_have_count(5)
    assert visit.titles[1:] == MARCH
    expect(visit.page.locator("main h2")).to_have_count(5)
    expect(visit.page.locator("main h2").nth(1)).to_have_text(re.compile("^Wednesday,? 4 March 2026$"))
    expect(visit.page.locator("#count")).to_have_text("5 sessions")
    north = visit.row("Wet cones")
    expect(north.locator("[data-meta]")).to_have_text("12:00:00 · north · linear.tflite")
    expect(north.locator("[data-bookmarks]")).to_have_text("1 bookmark")
    expect(north.locator("[data-mark]")).to_have_attribute("aria-pressed", "true")
    expect(visit.row("south").locator("[data-length]")).to_have_text("1:02:03")
    expect(visit.row("no readable frame").locator("[data-meta]")).to_contain_text("continues kart 12:00:00")
    reasons = visit.page.locator("[data-reason]:visible")
    expect(reasons).to_have_text(
        ["recovered: the host ended without closing the video", "failed: overlay.mp4 has no readable frame"]
    )
    expect(visit.page.locator("#disk")).to_contain_text("of recording left")
    expect(visit.page.locator("#disk")).to_contain_text("then the oldest unmarked sessions make room")
    visit.wait_for_pictures()


def test_a_session_without_picture_says_so(browser: Browser, host: Host) -> None:
    (host.directory / "failed" / "overlay.mp4").write_bytes(b"")
    context = browser.new_context()
    page = context.new_page()  # the browser's console reports the 404
    page.goto(f"{host.url}/review")
    expect(page.locator("article.row", has_text="no readable frame").locator(".none")).to_be_visible()
    context.close()


def test_rename_in_place(visit: Visit) -> None:
    row = visit.row("south")
    row.get_by_role("button", name="Rename").click()
    expect(row.locator("[data-rename]")).to_be_focused()
    visit.page.keyboard.type("Gravel & mud")
    visit.page.keyboard.press("Enter")
    row = visit.row("Gravel & mud")
    expect(row.locator("[data-meta]")).to_have_text("12:00:00 · south · rnn.tflite")
    until(lambda: visit.host.shelf.summary("south").title == "Gravel & mud")
    row.get_by_role("button", name="Rename").click()
    visit.page.keyboard.type("no")
    visit.page.keyboard.press("Escape")
    expect(row.locator("[data-title]")).to_have_text("Gravel & mud")
    assert visit.host.shelf.summary("south").title == "Gravel & mud"


def test_a_name_being_typed_is_not_disturbed(visit: Visit) -> None:
    row = visit.row("south")
    row.get_by_role("button", name="Rename").click()
    visit.page.keyboard.type("Gra")
    copied(visit.host.directory / "north", "newer", 9)
    visit.refresh()
    visit.page.keyboard.type("vel")
    visit.page.keyboard.press("Enter")
    until(lambda: visit.host.shelf.summary("south").title == "Gravel")
    expect(visit.page.locator("article.row")).to_have_count(6)


def test_mark_and_unmark(visit: Visit) -> None:
    button = visit.row("south").locator("[data-mark]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_contain_text("Marked")
    assert visit.host.shelf.summary("south").marked
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert not visit.host.shelf.summary("south").marked


def test_delete_and_undo(visit: Visit) -> None:
    visit.wait_for_pictures()  # one that is asked for after it is gone is a 404, which the browser tells
    visit.row("south").get_by_role("button", name="Delete").click()
    expect(visit.page.locator("article.row")).to_have_count(4)
    expect(visit.page.locator("#toast [data-said]")).to_have_text("“south 12:00:00” is in the trash.")
    assert not (visit.host.directory / "south").exists()
    visit.row("Wet cones").get_by_role("button", name="Delete").click()
    expect(visit.page.locator("article.row")).to_have_count(3)
    visit.page.get_by_role("button", name="Undo").click()
    expect(visit.row("Wet cones")).to_be_visible()
    visit.page.keyboard.press("z")
    expect(visit.row("south")).to_be_visible()
    expect(visit.page.locator("#toast")).to_be_hidden()
    assert visit.titles[1:] == MARCH


def test_the_trash_can_be_looked_through(visit: Visit) -> None:
    visit.wait_for_pictures()
    visit.host.shelf.delete("north")
    visit.page.get_by_label("Show").select_option("trash")
    visit.expect_titles("Wet cones")
    expect(visit.page.locator("#count")).to_have_text("1 in the trash")
    visit.page.get_by_role("button", name="Restore").click()
    expect(visit.page.locator(".notice")).to_have_text("The trash is empty.")
    assert (visit.host.directory / "north").is_dir()


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({"q": "WET"}, ["Wet cones"]),
    ({"q": "swerve"}, ["Wet cones"]),
    ({"q": "march 12:00 so"}, ["south 12:00:00"]),
    ({"q": "recovered"}, ["kart 12:00:00"]),
    ({"q": "nothing like it"}, []),
    ({"car": "north"}, ["Wet cones"]),
    ({"pilot": "rnn.tflite"}, ["south 12:00:00"]),
    ({"pilot": "rnn.tflite", "car": "north"}, []),
    ({"show": "marked"}, ["Wet cones"]),
    ({"show": "bookmarks"}, ["Wet cones"]),
    ({"show": "live"}, []),
    ({"q": "south", "show": "bookmarks"}, []),
    ({"q": "wet", "car": "north", "pilot": "linear.tflite", "show": "marked"}, ["Wet cones"]),
]


def test_filters_show_what_was_asked_for_and_are_kept(visit: Visit) -> None:
    for how, found in FILTERS:
        for name in ("q", "car", "pilot", "show"):
            box = visit.page.locator(f"#filter [name={name}]")
            if name == "q":
                box.fill(how.get(name, ""))
            else:
                box.select_option(how.get(name, ""))
        visit.expect_titles(*found)
        expect(visit.page.locator("#count")).to_have_text(f"{len(found)} of 5 sessions")
    visit.page.reload()
    visit.expect_titles("Wet cones")
    expect(visit.page.get_by_label("Pilot")).to_have_value("linear.tflite")


def test_choosing_two_compares_them(visit: Visit) -> None:
    for name in ("south", "failed", "Wet cones"):
        visit.row(name).locator("[data-choose]").check()
    expect(visit.page.locator("[data-choose]:checked")).to_have_count(2)
    expect(visit.page.locator("#compare [data-chosen]")).to_have_text("kart 12:00:00 beside Wet cones")
    visit.page.get_by_role("link", name="Compare").click()
    visit.expect_player("failed?with=north")


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    visit.wait_for_pictures()
    press = visit.page.keyboard.press
    press("ArrowDown")
    press("ArrowDown")
    expect(visit.row("Wet cones")).to_be_focused()
    press("m")
    until(lambda: not visit.host.shelf.summary("north").marked)
    press("e")
    expect(visit.row("").locator("[data-rename]:visible")).to_be_focused()
    visit.page.keyboard.type("Dry m e x")
    press("Enter")
    row = visit.row("Dry m e x")
    expect(row).to_be_focused()
    press("x")
    press("ArrowDown")
    press("x")
    press("Delete")
    expect(visit.page.locator("article.row")).to_have_count(4)
    expect(visit.page.locator("#compare [data-chosen]")).to_contain_text("choose another")
    expect(visit.page.locator("article.row").nth(2)).to_be_focused()
    press("z")
    expect(visit.row("south")).to_be_focused()
    press("x")
    press("c")
    visit.expect_player("north?with=south")
    visit.page.go_back()
    press("?")
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    press("/")
    visit.page.keyboard.type("dry")
    expect(visit.page.locator("article.row")).to_have_count(1)
    press("Escape")
    press("ArrowDown")
    press("Enter")
    visit.expect_player("north")


def test_a_recording_is_shown_as_live_and_grows(browser: Browser, tmp_path: Path) -> None:
    with running_loop() as loop, Recordings(tmp_path, floor_bytes=0) as recordings, served(tmp_path) as host:
        channel = Channel("kart", loop)
        recording = start(recordings, channel)
        for n in range(90):
            channel.deliver(arrival(5000 + 100 * n))
        until(lambda: recording.frames == 90)
        with visiting(browser, host) as visit:
            row = visit.page.locator("article.row")
            expect(row).to_have_attribute("data-status", "live")
            expect(row.get_by_text("LIVE")).to_be_visible()
            expect(visit.page.locator("main h2")).to_have_text("Being recorded")
            expect(row.get_by_role("button", name="Delete")).to_be_hidden()
            expect(row.locator("[data-length]")).to_have_text(re.compile(r"^0:(0[89]|1\d)$"))
            recordings.stop("kart")
            visit.refresh()
            expect(row).to_have_attribute("data-status", "complete")
            expect(row.get_by_text("LIVE")).to_be_hidden()
            expect(row.locator("[data-length]")).to_have_text("0:09")
            expect(row.get_by_role("button", name="Delete")).to_be_visible()


def test_coming_back_finds_the_row_that_was_opened(visit: Visit) -> None:
    visit.wait_for_pictures()
    visit.page.get_by_label("Show").select_option("")
    visit.page.get_by_label("Search").fill("2026")
    visit.row("south 12:00:00").locator("[data-title]").last.click()
    visit.expect_player("south")
    visit.page.go_back()
    expect(visit.page.locator("article.row", has_text="rnn.tflite")).to_be_focused()
    expect(visit.page.get_by_label("Search")).to_have_value("2026")


def test_no_text_of_others_becomes_part_of_the_page(browser: Browser, host: Host) -> None:
    copied(host.directory / "north", HOSTILE, 8, car=HOSTILE, pilot=HOSTILE, reason=HOSTILE, status="failed")
    host.shelf.change(HOSTILE, title=HOSTILE)
    host.shelf.add_bookmark(HOSTILE, 0.1, HOSTILE)
    with visiting(browser, host) as visit:
        row = visit.page.locator("article.row", has=visit.page.get_by_role("link", name=HOSTILE, exact=True))
        expect(row).to_have_count(1)
        assert visit.page.locator("img[src=x]").count() == 0
        visit.wait_for_pictures()
        row.get_by_role("button", name="Delete").click()
        expect(visit.page.locator("article.row")).to_have_count(5)
        visit.page.get_by_role("button", name="Undo").click()
        row.locator("[data-title]").click()
        visit.expect_player(quote(HOSTILE, safe="'()!*"))


def test_a_refusal_is_read_on_the_page(visit: Visit) -> None:
    (visit.host.directory / "south" / "notes.json.part").mkdir()
    visit.row("south").locator("[data-mark]").click()
    expect(visit.page.locator("#problem")).to_have_text("The notes of 'south' cannot be written: Is a directory.")
    visit.console.clear()  # the browser reports the 409


def test_a_refusal_is_seen_however_far_down_the_list_one_is(browser: Browser, host: Host) -> None:
    for number in range(25):
        copied(host.directory / "north", f"more-{number}", 5)
    (host.directory / "failed" / "notes.json.part").mkdir()
    with visiting(browser, host) as visit:
        visit.row("no readable frame").locator("[data-mark]").click()
        expect(visit.page.locator("#problem")).to_contain_text("'failed' cannot be written")
        assert visit.page.evaluate("scrollY") > 500
        expect(visit.page.locator("#problem")).to_be_in_viewport()
        visit.wait_for_pictures()
        visit.console.clear()  # the browser reports the 409


def test_an_empty_shelf_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as host, visiting(browser, host) as visit:
        expect(visit.page.locator(".notice")).to_have_text("Nothing was recorded yet. Press Record on the live page.")
        assert visit.page.locator(".notice a").get_attribute("href") == "/"


def test_a_pit_wall_that_went_away_is_told_of(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as host:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{host.url}/review")
        expect(page.locator(".notice")).to_be_visible()
        page.route("**/api/sessions", lambda route: route.abort())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#problem")).to_have_text("The pit wall does not answer.")
        page.unroute("**/api/sessions")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#problem")).to_be_hidden()
        context.close()
