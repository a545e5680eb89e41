"""The player in a real Chromium: every frame carries its number in its pixels, so what is on screen can be read."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from host.record.session import read_manifest, write_manifest
from tests import shelved
from tests.browser import PATIENCE_MS, chromium
from tests.wall import BITS, HEIGHT, LEVELS, Wall, pit_wall, until

READ = """([selector, bits, height]) => {
    const shown = document.querySelector(selector);
    if (!shown || shown.readyState < 2 || shown.seeking) return [-1, 0];
    const [width, full] = [shown.videoWidth ?? shown.width, shown.videoHeight ?? shown.height];
    const copy = Object.assign(document.createElement("canvas"), { width, height: full });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(shown, 0, 0);
    const at = (x, y) => context.getImageData(x, y, 1, 1).data[0];
    let number = 0;
    for (let bit = 0; bit < bits; bit++) number += (at(bit * 10 + 5, height / 4) > 127) << bit;
    return full === height ? [number, at(80, height * 3 / 4)] : [-1, 0];
}"""
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@dataclass
class Visit:
    """The player of one session, and what the browser complained of."""

    page: Page
    wall: Wall
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def painted(self, screen: str = "main") -> tuple[int, str]:
        """Number and kind of the picture on screen, off its pixels."""
        picture = f"[data-screen={screen}] :is(video, canvas)"
        number, grey = self.page.evaluate(READ, [picture, BITS, HEIGHT])
        return number, min(LEVELS, key=lambda kind: abs(LEVELS[kind] - grey))

    def until_painted(self, number: int, kind: str = "overlay", screen: str = "main") -> None:
        try:
            until(lambda: self.painted(screen) == (number, kind), PATIENCE_MS / 1000)
        except AssertionError:
            pytest.fail(f"{self.painted(screen)} is on the {screen} screen, not {number}, {kind}")

    def until_still(self) -> None:
        """Wait until the picture stands, and is the one that the page says it is."""
        expect(self.page.locator("#player")).to_have_attribute("data-playing", "false")
        until(lambda: self.painted()[0] == self.index)

    @property
    def index(self) -> int:
        """The frame that the page says it shows."""
        return int(self.page.locator("#player").get_attribute("data-index") or -1)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def has_asked(self, *words: str) -> bool:
        """Whether one address holds all of these; what the browser tells is heard while it is talked to."""
        self.page.evaluate("0")
        return any(all(word in url for word in words) for url in self.asked)

    def go(self, seconds: float) -> None:
        self.page.evaluate("seconds => { location.hash = `t=${seconds}`; }", seconds)

    def cover(self, screen: str = "main") -> str:
        return self.page.locator(f"[data-screen={screen}] [data-cover]").inner_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kart-1: 4 s, a gap of 3 s, 4 s · kart-2: 100 frames · old-1: without a tape · torn-1: left by a crash."""
    directory = tmp_path_factory.mktemp("sessions")
    with shelved.Session(directory) as session:
        session.add(120)
        session.add(120, after_s=3)
    shelved.make(directory, "kart-2", 100)
    shelved.make(directory, "old-1", 60, tape=False)
    shelved.make_torn(directory, frames=100)
    return directory


@pytest.fixture(scope="module")
def wall(sessions: Path) -> Iterator[Wall]:
    with pit_wall("demo", sessions=sessions) as running:
        yield running


@contextlib.contextmanager
def watching(browser: Browser, wall: Wall, path: str, *, width: int = 1280) -> Iterator[Visit]:
    """A visit that must end without a word in the console and without a request to anybody else."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    visit = Visit(page, wall)
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("dialog", lambda dialog: visit.complaints.append(dialog.message))
    page.on("request", lambda request: visit.asked.append(request.url))
    page.goto(wall.url + path)
    try:
        yield visit
    finally:
        context.close()
    assert visit.complaints == []
    assert all(url.startswith((wall.url, "blob:")) for url in visit.asked)


def test_it_opens_at_the_first_frame_and_steps_exactly_one(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1") as visit:
        visit.until_painted(0)
        for number in (1, 2, 3, 4):
            visit.press("ArrowRight")
            visit.until_painted(number)
            expect(visit.page.locator("#player")).to_have_attribute("data-index", str(number))
        visit.press("ArrowLeft")
        visit.until_painted(3)
        for _ in range(10):
            visit.press("ArrowRight")
        visit.until_painted(13)
        visit.press("Home", "ArrowLeft")
        visit.until_painted(0)
        visit.press("End")
        visit.until_painted(239)
        visit.press("ArrowRight")
        visit.until_painted(239)


def test_it_opens_at_the_moment_in_the_address_and_seeks(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1#t=2.5") as visit:
        visit.until_painted(75)
        visit.press("Shift+ArrowRight")
        visit.until_painted(105)
        visit.go(9.0)
        visit.until_painted(180)
        box = visit.page.locator("[data-overview]").bounding_box()
        assert box
        visit.page.mouse.click(box["x"] + box["width"] * 0.1, box["y"] + 20)
        until(lambda: visit.painted()[0] == visit.index and 30 <= visit.index <= 36)
        until(lambda: visit.page.evaluate("location.hash").startswith("#t=1.1"))


def test_every_frame_can_be_reached(browser: Browser, wall: Wall) -> None:
    """Not only those beside the present one, and however close to a key frame they are."""
    with watching(browser, wall, "/review/kart-2") as visit:
        visit.until_painted(0)
        for number in (29, 30, 31, 59, 60, 1, 98, 99, 45):
            visit.go(number / 30)
            visit.until_painted(number)


def test_playing_shows_frames_in_order_and_tells_which(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-2") as visit:
        visit.until_painted(0)
        visit.press(" ")
        until(lambda: visit.painted()[0] > 10)
        expect(visit.page.locator("#player")).to_have_attribute("data-playing", "true")
        visit.press(" ")
        visit.until_still()
        visit.press(".", ".", ".")
        expect(visit.page.locator("[data-speed]")).to_have_value("8")
        visit.press(" ")
        visit.until_painted(99)
        expect(visit.page.locator("#player")).to_have_attribute("data-playing", "false")
        visit.press("j")
        until(lambda: visit.index < 90)
        visit.press("k")
        visit.until_still()


def test_a_gap_is_no_frozen_picture(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1#t=3.9") as visit:
        visit.until_painted(117)
        assert visit.cover() == ""
        visit.go(5)
        until(lambda: visit.cover() == "No picture came for 3.0 s")
        expect(visit.page.locator("[data-frame]")).to_have_text("–")
        visit.press("ArrowRight")
        visit.until_painted(120)
        assert visit.cover() == ""
        visit.press("ArrowLeft")
        visit.until_painted(119)
        visit.press(" ")
        until(lambda: visit.cover() == "No picture came for 3.0 s")
        visit.press(" ")
        visit.page.locator("[data-jump]").select_option("gap")
        visit.press("Home")
        expect(visit.page.locator("[data-jumps]")).to_have_text("1")
        visit.press("n")
        visit.until_painted(119)


def test_jumps_lead_to_sharp_steering_and_disagreement(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1") as visit:
        visit.until_painted(0)
        visit.press("v")
        visit.press("n")
        until(lambda: 36 <= visit.index <= 46)
        visit.until_painted(visit.index)
        visit.press("v", "Home", "n")
        until(lambda: 40 <= visit.index < 46)
        visit.press("n", "n")
        until(lambda: 240 > visit.index >= 200 or 140 <= visit.index < 146)


def test_bookmarks_are_made_named_reached_and_removed(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-2#t=1.0") as visit:
        visit.until_painted(30)
        visit.press("b")
        label = visit.page.locator("[data-bookmarks] input")
        expect(label).to_be_focused()
        visit.page.keyboard.type(HOSTILE)
        visit.press("Enter")
        until(lambda: wall.get("/api/sessions/kart-2").json()["bookmarks"][0]["label"] == HOSTILE)
        visit.press("End")
        visit.until_painted(99)
        visit.press("p")
        visit.until_painted(30)
        visit.page.get_by_role("button", name="Remove the bookmark").click()
        expect(label).to_have_count(0)
        assert wall.get("/api/sessions/kart-2").json()["bookmarks"] == []


def test_camera_and_mask_are_shown_frame_by_frame(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1#t=1.0") as visit:
        visit.until_painted(30)
        visit.press("2")
        visit.until_painted(30, "camera")
        visit.press("ArrowRight")
        visit.until_painted(31, "camera")
        visit.press("3")
        visit.until_painted(31, "mask")
        visit.press(" ")
        until(lambda: visit.painted()[0] > 40)
        visit.press(" ", "1")
        until(lambda: visit.page.locator("[data-screen=main] video").count() == 1)
        visit.until_still()


def test_frames_without_a_camera_picture_say_so_and_nobody_asks_for_one(browser: Browser, tmp_path: Path) -> None:
    with shelved.Session(tmp_path) as session:
        session.add(30)
        session.add(60, kinds=())
        session.add(30)
    with pit_wall("demo", sessions=tmp_path) as wall, watching(browser, wall, "/review/kart-1#t=1.5") as visit:
        visit.until_painted(45)
        trouble = visit.page.locator("[data-screen=main] [data-trouble]")
        for key, what in (("2", "camera picture"), ("3", "map")):
            visit.press(key)
            expect(trouble).to_have_text(f"This frame was recorded without its {what}, to spare the link.")
        visit.press("2", " ")
        until(lambda: visit.painted()[0] > 90)
        expect(trouble).to_be_hidden()
        visit.press(" ")


def test_frames_are_drawn_anew_and_beside_the_recorded_ones(browser: Browser, wall: Wall) -> None:
    pytest.importorskip("ai_edge_litert")
    with watching(browser, wall, "/review/kart-1#t=1.0") as visit:
        visit.until_painted(30)
        visit.press("m")
        expect(visit.page.locator("[name=method]")).to_have_value("coverage")
        expect(visit.page.locator("[name=pilot] option:checked")).to_have_text("pilot (drove)")
        visit.page.locator("[name=method]").select_option("edges")
        visit.page.locator("[name=gauges]").uncheck()
        until(lambda: visit.painted()[0] == 30 and visit.page.locator("[data-screen=main] canvas").count() == 1)
        until(lambda: visit.has_asked("method=edges", "gauges=false"))
        before = pixels(visit)
        visit.page.locator("[name=strength]").fill("0")
        until(lambda: pixels(visit) != before)
        visit.page.get_by_role("button", name="Show beside").click()
        visit.until_painted(30)
        until(lambda: visit.painted("beside")[0] == 30)
        visit.press("ArrowRight")
        visit.until_painted(31)
        until(lambda: visit.painted("beside")[0] == 31)


def pixels(visit: Visit) -> str:
    shot: str = visit.page.evaluate("document.querySelector('[data-screen=main] canvas')?.toDataURL() ?? ''")
    return shot


def test_another_session_runs_beside_in_step(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1?with=kart-2#t=1.0") as visit:
        visit.until_painted(30)
        visit.until_painted(30, screen="beside")
        visit.press("ArrowRight")
        visit.until_painted(31, screen="beside")
        visit.page.get_by_text("Compare", exact=True).click()
        visit.page.locator("[data-shift]").fill("0.5")
        visit.until_painted(46, screen="beside")
        visit.go(3.5)
        until(lambda: visit.cover("beside") == "Over")
        visit.page.locator("[data-with]").select_option("")
        expect(visit.page.locator("[data-screen=beside]")).to_be_hidden()
        assert "with=" not in visit.page.url


def test_a_session_without_frames_plays_and_says_what_it_lacks(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/old-1#t=1.0") as visit:
        visit.until_painted(30)
        visit.press("ArrowRight")
        visit.until_painted(31)
        expect(visit.page.locator("[data-lacks]")).to_contain_text("only its video")
        expect(visit.page.locator("[data-part=camera]")).to_be_disabled()
        visit.press("2", "m")
        visit.until_painted(31)


def test_a_torn_session_plays_to_its_last_whole_frame(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/torn-1#t=1.5") as visit:
        visit.until_painted(45)
        visit.press("ArrowRight")
        visit.until_painted(46)
        expect(visit.page.locator("#facts")).to_contain_text("left by a crash")
        visit.press("Shift+ArrowLeft")
        visit.until_painted(16)


def test_one_session_leads_to_the_next(browser: Browser, tmp_path: Path) -> None:
    for number, follows in (("1", ""), ("2", "hour-1"), ("3", "hour-2")):
        with shelved.Session(tmp_path, f"hour-{number}") as session:
            session.add(20)
        manifest = read_manifest(session.folder)
        write_manifest(session.folder, msgspec.structs.replace(manifest, follows=follows))
    with pit_wall("demo", sessions=tmp_path) as wall, watching(browser, wall, "/review/hour-2") as visit:
        before, after = (visit.page.locator(f"[data-sequel] [data-{name}]") for name in ("before", "after"))
        expect(after).to_have_attribute("href", "/review/hour-3#t=0")
        expect(before).to_have_text(re.compile("^← continued from kart "))
        visit.until_painted(0)
        visit.press("End")
        visit.until_painted(19)
        expect(after).not_to_be_focused()
        visit.press("ArrowRight")
        expect(after).to_be_focused()
        visit.press("Enter")
        expect(visit.page).to_have_url(f"{wall.url}/review/hour-3#t=0")
        expect(before).to_be_visible()
        expect(after).to_be_hidden()
        visit.until_painted(0)
        visit.press("Shift+ArrowLeft")
        expect(before).to_be_focused()
        visit.press("Enter")
        expect(visit.page).to_have_url(re.compile("/review/hour-2#t=0.6"))
        visit.until_painted(19)
        visit.press("Home", " ")
        expect(after).to_be_focused()
        visit.until_painted(19)


def test_why_there_is_no_video_is_said(browser: Browser, tmp_path: Path) -> None:
    folder = shelved.make(tmp_path, "kart-1", 30)
    (folder / "overlay.mp4").write_bytes(b"rubbish")
    with pit_wall("demo", sessions=tmp_path) as wall, watching(browser, wall, "/review/kart-1#t=0.5") as visit:
        visit.until_painted(15, "camera")
        expect(visit.page.locator("[data-part=film]")).to_be_disabled()
        expect(visit.page.locator("[data-lacks]")).to_contain_text("video")


def test_a_video_that_broke_says_why_and_is_tried_again(browser: Browser, tmp_path: Path) -> None:
    shelved.make(tmp_path, "kart-1", 30)
    with contextlib.ExitStack() as page_open:
        with pit_wall("demo", sessions=tmp_path) as wall:
            page = page_open.enter_context(contextlib.closing(browser.new_context())).new_page()
            page.route("**/overlay.mp4*", lambda route: route.abort())
            page.goto(f"{wall.url}/review/kart-1")
            trouble = page.locator("[data-screen=main] [data-trouble]")
            expect(trouble).to_contain_text("cannot be played; its frames may still be there")
            page.route("**/api/sessions/kart-1", lambda route: route.abort())
            for _ in range(2):
                page.locator("[data-part=camera]").click()
                page.locator("[data-part=film]").click()
            expect(trouble).to_have_text("The pit wall does not answer.")
            page.unroute("**/overlay.mp4*")
            visit = Visit(page, wall)

            def went_on() -> bool:
                visit.press("ArrowRight")
                return trouble.is_hidden()

            until(went_on)
            until(lambda: visit.painted()[0] == visit.index > 0)


def test_another_picture_plays_on_as_fast_as_the_one_before(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1") as visit:
        visit.until_painted(0)
        visit.press(",", ",", " ", "2")
        until(lambda: visit.painted()[1] == "camera")
        visit.press("1")
        until(lambda: visit.painted()[1] == "overlay" and visit.index > 0)
        assert visit.page.locator("[data-screen=main] video").evaluate("one => [one.paused, one.playbackRate]") == [
            False,
            0.25,
        ]


def test_space_presses_the_button_that_the_tab_key_reached(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-2") as visit:
        visit.until_painted(0)
        visit.page.get_by_role("button", name="Play", exact=True).focus()
        visit.press("Tab", " ")
        visit.until_painted(1)
        expect(visit.page.locator("#player")).to_have_attribute("data-playing", "false")
        visit.page.get_by_role("button", name="One frame on").click()
        visit.until_painted(2)
        visit.press(" ")
        until(lambda: visit.index > 5)


def test_a_session_being_recorded_is_watched_while_it_grows(browser: Browser, tmp_path: Path) -> None:
    with shelved.Session(tmp_path) as session, pit_wall("demo", sessions=tmp_path) as wall:
        session.add(75)
        session.flush()
        with watching(browser, wall, "/review/kart-1#t=1.0") as visit:
            visit.until_painted(30)
            expect(visit.page.locator("#facts")).to_contain_text("being recorded")
            session.add(90)
            session.flush()
            expect(visit.page.locator("[data-length]")).to_have_text("of 0:05.5")
            visit.until_painted(30)
            visit.go(4.0)
            visit.until_painted(120)
            visit.press("ArrowRight")
            visit.until_painted(121)
            session.add(30)
            session.close()
            expect(visit.page.locator("#player")).to_have_attribute("data-recording", "false")
            visit.press("End")
            visit.until_painted(194)


def test_a_part_is_chosen_and_its_links_say_so(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1#t=1.0") as visit:
        visit.until_painted(30)
        visit.press("i", "Shift+ArrowRight", "o")
        link = visit.page.locator("[data-exports] [data-format=csv]")
        expect(link).to_have_attribute("href", re.compile(r"format=csv&from=1\.000&to=2\.017"))
        with visit.page.expect_download() as started:
            link.click()
        rows = Path(started.value.path()).read_text().splitlines()
        assert len(rows) == 1 + 31


def test_the_timeline_zooms_to_single_frames_and_back(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-1#t=2.0") as visit:
        visit.until_painted(60)
        span = visit.page.locator("[data-span]")
        expect(span).to_have_text("0:00.0 – 0:11.0")
        for _ in range(3):
            visit.press("+")
        expect(span).to_have_text(re.compile(r"0:01\.\d – 0:0[23]\.\d"))
        box = visit.page.locator("[data-plots]").bounding_box()
        assert box
        visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        visit.page.mouse.wheel(0, -3000)
        expect(span).not_to_have_text("0:00.0 – 0:11.0")
        visit.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 40)
        expect(span).to_have_text("0:00.0 – 0:11.0")


def test_keys_are_listed_and_buttons_reached_by_keyboard(browser: Browser, wall: Wall) -> None:
    with watching(browser, wall, "/review/kart-2") as visit:
        visit.until_painted(0)
        until(lambda: visit.index == 0)
        visit.press("?")
        dialog = visit.page.locator("#keys")
        expect(dialog).to_be_visible()
        visit.press("ArrowRight", "Escape")
        expect(dialog).to_be_hidden()
        assert visit.index == 0
        visit.page.get_by_role("button", name="One frame on").focus()
        visit.press("Enter")
        visit.until_painted(1)


def test_a_wide_page_never_scrolls_sideways_and_neither_does_a_narrow_one(browser: Browser, wall: Wall) -> None:
    for width in (1280, 390):
        with watching(browser, wall, "/review/kart-1?with=kart-2", width=width) as visit:
            visit.until_painted(0, screen="beside")
            overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert visit.page.evaluate(overflow) == 0


def test_a_session_that_goes_away_is_said_to_be_gone(browser: Browser, tmp_path: Path) -> None:
    folder = shelved.make(tmp_path, "kart-1", 30)
    with pit_wall("demo", sessions=tmp_path) as wall:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{wall.url}/review/kart-1?with=nothing&%00=#t=rubbish")
        expect(page.locator("[data-problem]")).to_contain_text("no session 'nothing'")
        shutil.rmtree(folder)
        page.locator("[data-part=camera]").click()
        expect(page.locator("[data-screen=main] [data-trouble]")).to_contain_text("no session 'kart-1'")
        context.close()
