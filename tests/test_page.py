"""The page in a real Chromium: what a person at the pit wall sees, and what their clicks and keys do."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from playwright.sync_api import Browser, Page, expect

import wire
from edge.methods import CATALOG
from host.guard import Guard
from host.record.notes import read_notes
from host.record.session import read_manifest
from tests.browser import chromium
from tests.processes import eventually, free_port, listens, process
from tests.wall import BITS, HEIGHT, LEVELS, Wall, pit_wall, until

TOKEN = "correct-horse-battery-staple"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"

PICTURE = """([selector, bits, height]) => {
    const shown = document.querySelector(selector);
    if (!shown) return [-1, 0];
    const [width, full] = [shown.naturalWidth ?? shown.width, shown.naturalHeight ?? shown.height];
    const copy = Object.assign(document.createElement("canvas"), { width, height: full });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(shown, 0, 0);
    const at = (x, y) => context.getImageData(x, y, 1, 1).data[0];
    let number = 0;
    for (let bit = 0; bit < bits; bit++) number += (at(bit * 10 + 5, height / 4) > 127) << bit;
    return full === height ? [number, at(80, height * 3 / 4)] : [-1, 0];
}"""


@dataclass
class Visit:
    """A page on a wall, and what the browser said and asked for meanwhile."""

    page: Page
    wall: Wall
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def painted(self, car: str = "", element: str = "canvas") -> tuple[int, str]:
        """Number and kind of the picture on screen, off its pixels."""
        article = f'article[aria-label="Car {car}"]' if car else "article"
        number, grey = self.page.evaluate(PICTURE, [f"{article} .picture {element}", BITS, HEIGHT])
        return number, min(LEVELS, key=lambda kind: abs(LEVELS[kind] - grey))

    def until_painted(self, number: int, element: str = "canvas") -> None:
        """Wait for this picture or a newer one."""
        until(lambda: self.painted(element=element)[0] >= number)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def quiet() -> Iterator[list[Visit]]:
    """Visits that must end without a word in the console and without a request to anybody else."""
    visits: list[Visit] = []
    yield visits
    for visit in visits:
        assert visit.console == []
        for url in visit.requests:
            assert url.startswith((visit.wall.url, "blob:", visit.wall.url.replace("http", "ws"))), url


@contextlib.contextmanager
def visiting(browser: Browser, wall: Wall, path: str = "/") -> Iterator[Visit]:
    context = browser.new_context()
    page = context.new_page()
    visit = Visit(page, wall)
    page.on("console", lambda message: visit.console.append(message.text))
    page.on("pageerror", lambda error: visit.console.append(str(error)))
    page.on("dialog", lambda dialog: visit.console.append(dialog.message))
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("websocket", lambda ws: visit.requests.append(ws.url))
    page.goto(wall.url + path)
    page.wait_for_selector("article, .door")
    try:
        yield visit
    finally:
        context.close()


def until_recorded(wall: Wall, frames: int, car: str = "demo") -> None:
    """Wait until more than so many frames are in the car's recording."""
    until(lambda: car in wall.recordings.active and wall.recordings.active[car].frames > frames)


def test_every_frame_that_comes_is_painted(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        car = wall.wait_for("demo", "overlay")
        for _ in range(5):
            sent = car.arrive()
            visit.until_painted(sent.frame.seq)
        assert visit.painted() == (5, "overlay")


def test_what_is_known_of_the_car_is_on_screen(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        car = wall.cars["demo"]
        car.recorded = wire.Drive(-0.5, 0.25)
        with car.driving():
            article = visit.page.locator("article")
            expect(article).to_have_attribute("data-state", "live")
            expect(article.locator("[data-age]")).to_have_text(re.compile(r"^\d+ ms$"))
            expect(article.locator("[data-error]")).to_have_text(re.compile(r"^ ± \d+ ms$"))
            expect(article.locator("[data-stages] li span")).to_have_text(
                ["capture", "pilot", "mask", "overlay", "jpeg", "other", "network", "host", "web", "draw"]
            )
            expect(article.locator("[data-stages] li", has_text="pilot")).to_contain_text("0.9 ms")
            expect(article.locator("[data-gauge=throttle] output")).to_have_text("+0.35  driver +0.25")
            article.get_by_text("Details").click()
            expect(article.locator("[data-losses]")).to_contain_text("Dropped: slot 2")
            expect(article.locator("[data-facts]")).to_contain_text("127.0.0.1 · live overlay")
            expect(visit.page.locator("#summary")).to_have_text("1 of 1 live")


def test_an_old_frame_is_never_shown_as_live(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        article, banner = visit.page.locator("article"), visit.page.locator(".banner")
        car = wall.wait_for("demo", "overlay")
        expect(article).to_have_attribute("data-state", "waiting")
        with car.driving():
            expect(article).to_have_attribute("data-state", "live")
            expect(banner).to_be_hidden()
            car.paused = True
            expect(banner).to_be_visible()
            expect(banner).to_contain_text(re.compile(r"Not live: \d\.\d s old"))
            assert "grayscale" in visit.page.locator("canvas").evaluate("one => getComputedStyle(one).filter")
            car.channel.link.trouble = "the battery is flat"
            expect(banner).to_contain_text("the battery is flat")
            car.paused = False
            expect(banner).to_be_hidden()
            assert visit.page.locator("canvas").evaluate("one => getComputedStyle(one).filter") == "none"


def test_frames_that_arrive_old_are_stale_however_many_come(browser: Browser, quiet: list[Visit]) -> None:
    """Age is counted from the capture, not from the arrival."""
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        wall.cars["demo"].age_ns = 3 * 10**9
        with wall.cars["demo"].driving():
            visit.until_painted(wall.cars["demo"].seq + 10)
            expect(visit.page.locator(".banner")).to_contain_text("Not live: 3.")


def test_a_car_that_is_not_there_says_why(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall:
        wall.cars["demo"].channel.link.trouble = "nobody answers at tcp://pi:5555"
        with visiting(browser, wall) as visit:
            quiet.append(visit)
            expect(visit.page.locator(".banner")).to_contain_text("nobody answers at tcp://pi:5555")
            expect(visit.page.get_by_label("Strength")).to_be_disabled()


def test_clicks_and_keys_switch_the_part(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        until(lambda: visit.painted()[1] == "overlay")
        visit.page.get_by_role("button", name="Mask").click()
        until(lambda: visit.painted()[1] == "mask")
        assert wall.cars["demo"].channel.wanted == {"mask"}
        visit.page.keyboard.press("2")
        until(lambda: visit.painted()[1] == "camera")
        expect(visit.page.get_by_role("button", name="Camera")).to_have_attribute("aria-pressed", "true")


def test_a_change_of_look_reaches_the_car_and_the_page_shows_what_is_in_force(
    browser: Browser, quiet: list[Visit]
) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, page = wall.cars["demo"], visit.page
        expect(page.get_by_label("Strength")).to_have_value("0.7")
        page.get_by_label("Strength").fill("0.4")
        until(lambda: car.look.strength == 0.4)
        asked = wire.Look(strength=0.4, colormap="inferno", method="gradcam", target="throttle", gauges=False)
        page.get_by_label("Colours").select_option("inferno")
        page.get_by_label("Method").select_option("gradcam")
        page.get_by_label("Explains").select_option("throttle")
        page.get_by_label("Gauges").uncheck()
        until(lambda: car.look == asked)
        page.get_by_label("Colours").blur()
        page.locator("h2").first.click()
        page.keyboard.press("]")
        page.keyboard.press("c")
        until(lambda: (car.look.strength, car.look.colormap) == (0.45, "viridis"))
        expect(page.locator("[data-pending]")).to_have_text("")
        car.look = wire.Look(gamma=1.25)
        expect(page.get_by_label("Gamma")).to_have_value("1.25")
        expect(page.get_by_label("Strength")).to_have_value("0.7")


def options(page: Page, name: str) -> dict[str, bool]:
    """The values of a select, and whether each can be chosen."""
    told = page.evaluate(f"[...document.querySelector('select[name={name}]').options].map(o => [o.value, !o.disabled])")
    return dict(told)


def test_the_page_knows_every_method_and_what_the_catalog_says_of_it(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        assert sorted(options(visit.page, "method")) == sorted(wire.METHODS)
        assert list(options(visit.page, "target")) == list(wire.TARGETS)
        assert list(options(visit.page, "colormap")) == list(wire.COLORMAPS)
        groups = visit.page.evaluate("import('/static/methods.js').then(methods => methods.GROUPS)")
    for title, methods in groups:
        for method in methods:
            known = CATALOG[method["name"]]
            assert (method.get("layer", False), method.get("slow", False)) == (known.takes_layer, known.slow), known
            assert known.signed == ("pushes" in title), known
            assert known.slow == ("background" in title), known
            assert method["says"].endswith(".")


def test_only_what_the_pilot_can_do_is_offered_and_the_rest_says_why(browser: Browser, quiet: list[Visit]) -> None:
    why = "Its layer LSTM has no backward pass <b>here</b>."
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, page = wall.cars["demo"], visit.page
        refusals = {name: why for name in wire.METHODS if name not in ("visualbackprop", "coverage", "edges")}
        car.can("visualbackprop", "coverage", "edges", refusals=refusals, targets=["steering"], layers=["c1", HOSTILE])
        until(lambda: not options(page, "method")["gradient"])
        assert {name for name, can in options(page, "method").items() if can} == {"visualbackprop", "coverage", "edges"}
        assert {name for name, can in options(page, "target").items() if can} == {"steering"}
        assert list(options(page, "layer")) == ["", "c1", HOSTILE]
        expect(page.locator("option[value=gradient]")).to_have_attribute("title", why)
        expect(page.locator("[data-unavailable]")).to_contain_text(why)
        page.locator("h2").first.click()
        for expected in ("coverage", "edges", "visualbackprop"):
            page.keyboard.press("m")
            until(lambda expected=expected: car.look.method == expected)  # type: ignore[misc]
        page.keyboard.press("t")
        page.keyboard.press("m")
        until(lambda: car.look.method == "coverage")
        assert car.look.target == "steering"


def test_a_layer_is_asked_for_only_where_it_counts(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, page = wall.cars["demo"], visit.page
        car.can(*wire.METHODS, refusals={}, targets=list(wire.TARGETS), layers=["conv2d_1", "conv2d_2"])
        expect(page.get_by_label("Layer")).to_be_hidden()
        page.get_by_label("Method").select_option("hirescam")
        expect(page.get_by_label("Layer")).to_be_visible()
        page.get_by_label("Layer").select_option("conv2d_1")
        until(lambda: (car.look.method, car.look.layer) == ("hirescam", "conv2d_1"))
        page.locator("h2").first.click()
        page.keyboard.press("t")
        until(lambda: car.look.target == "throttle")
        page.get_by_label("Method").select_option("gradient")
        expect(page.get_by_label("Layer")).to_be_hidden()


def test_signed_colours_have_a_legend_in_words_of_what_is_explained(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, legend = wall.cars["demo"], visit.page.locator("[data-legend]")
        expect(legend).to_have_text("nothingmuch")
        expect(legend.locator("i")).to_have_attribute("data-colormap", "turbo")
        car.mask = wire.MaskStats(1.5, 1.7, signed=True)
        expect(legend).to_have_text("pushes leftpushes right")
        expect(legend.locator("i")).to_have_attribute("data-colormap", "signed")
        car.look = wire.Look(target="throttle")
        expect(legend).to_have_text("pushes slowerpushes faster")
        visit.page.keyboard.press("3")
        expect(legend.locator("i")).to_have_attribute("data-colormap", "grey")
        visit.page.keyboard.press("2")
        expect(legend).to_be_hidden()


def test_the_check_is_said_beside_the_picture_and_doubt_is_amber(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, line = wall.cars["demo"], visit.page.locator("[data-check]")
        expect(line).to_be_hidden()
        for ratio, low, high, text, doubtful in (
            (5.2, 4.1, 6.4, "This map explains 5.2× more than random (4.1–6.4, 60 frames)", False),
            (1.4, 1.2, 1.6, "This map explains 1.4× more than random (1.2–1.6, 60 frames)", True),
            (1.8, 0.9, 3.0, "This map may explain no more than random: 1.8× (0.9–3.0, 60 frames)", True),
            (132.0, 98.0, 180.0, "This map explains 132× more than random (98.0–180, 60 frames)", False),
        ):
            car.check = wire.Check(method="visualbackprop", ratio=ratio, low=low, high=high, frames=60)
            expect(line).to_have_text(text)
            expect(line).to_have_class(re.compile("doubtful") if doubtful else re.compile("^check ?$"))
        visit.page.keyboard.press("2")
        expect(line).to_be_hidden()


def test_why_a_map_is_not_shown_is_said(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car = wall.cars["demo"]
        car.refused, car.mask = HOSTILE, None
        expect(visit.page.locator("[data-refused]")).to_have_text(f"No map: {HOSTILE}")
        expect(visit.page.locator("[data-legend]")).to_be_hidden()
        car.refused = ""
        expect(visit.page.locator("[data-refused]")).to_be_hidden()


def test_recording_from_the_page(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        page = visit.page
        visit.until_painted(wall.cars["demo"].seq + 5)
        expect(page.locator("[data-hint]")).to_have_text("Either starts a recording that begins 5 s ago.")
        page.get_by_role("button", name="Record").click()
        expect(page.locator("[data-rec]")).to_have_text(re.compile(r"^REC 0:0\d$"))
        until_recorded(wall, 5)
        folder = wall.recordings.active["demo"].directory
        expect(page.locator("[data-saved]")).to_have_text(re.compile(r"^\d+ frames · [\d.]+ .B$"))
        expect(page.locator("[data-hint]")).to_be_hidden()
        page.get_by_text("Details").click()
        expect(page.locator("[data-facts]")).to_contain_text(str(folder))
        page.locator("h2").first.click()
        page.keyboard.press("r")
        expect(page.locator("[data-saved]")).to_contain_text("Saved")
        expect(page.locator("[data-rec]")).to_be_hidden()
        assert not wall.recordings.active
        assert page.get_by_role("link", name="Review", exact=True).get_attribute("href") == f"/review/{folder.name}"


def test_the_session_just_recorded_is_a_click_away(browser: Browser) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        visit.page.get_by_role("button", name="Record").click()
        until_recorded(wall, 20)
        name = wall.recordings.active["demo"].directory.name
        visit.page.get_by_role("button", name="Stop").click()
        with visit.page.expect_navigation() as arrived:
            visit.page.get_by_role("link", name="Review", exact=True).click()
        assert (arrived.value.status, arrived.value.url) == (200, f"{wall.url}/review/{name}")


def test_bookmarks_by_key_and_button_are_confirmed_on_the_picture(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        page = visit.page
        page.keyboard.press("r")
        until_recorded(wall, 5)
        page.keyboard.press("b")
        expect(page.locator("[data-flash]")).to_have_text(re.compile(r"^Bookmark at 0:\d\d$"))
        expect(page.locator("[data-rec]")).to_have_text(re.compile(r"REC 0:\d\d ⚑ 1"))
        page.get_by_role("button", name="Bookmark").click()
        expect(page.locator("[data-rec]")).to_have_text(re.compile(r"REC 0:\d\d ⚑ 2"))
        folder = wall.recordings.active["demo"].directory
        page.keyboard.press("r")
        expect(page.locator("[data-saved]")).to_contain_text("2 bookmarks")
        expect(page.locator("[data-flash]")).to_be_hidden()
        first, second = (one.time_s for one in read_notes(folder).bookmarks)
        assert 0 <= first < second < read_manifest(folder).duration_s


def test_a_bookmark_where_nothing_is_recorded_starts_a_recording(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        visit.until_painted(wall.cars["demo"].seq + 5)
        visit.page.keyboard.down("b")
        visit.page.keyboard.down("b")
        expect(visit.page.locator("[data-flash]")).to_have_text(re.compile(r"^Bookmark at 0:\d\d, recording now$"))
        expect(visit.page.get_by_role("button", name="Stop")).to_have_attribute("aria-pressed", "true")
        folder = wall.recordings.active["demo"].directory
        frames = wall.recordings.active["demo"].frames
        visit.page.keyboard.down("b")
        until_recorded(wall, frames + 10)
        assert len(read_notes(folder).bookmarks) == 1, "a key held down counts once"


def test_a_bookmark_of_nothing_is_said_aloud(browser: Browser) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        visit.page.keyboard.press("b")
        expect(visit.page.locator("[data-problem]")).to_contain_text("nothing to bookmark")


def test_the_keys_record_the_chosen_car(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("left", "right") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        with wall.cars["left"].driving(), wall.cars["right"].driving():
            visit.page.keyboard.press("ArrowRight")
            visit.page.keyboard.press("b")
            until(lambda: "right" in wall.recordings.active)
            expect(visit.page.locator("article").nth(1).locator("[data-rec]")).to_contain_text("⚑ 1")
            assert list(wall.recordings.active) == ["right"]


def test_a_recording_that_stops_by_itself_is_said_above_all_and_the_picture_goes_on(
    browser: Browser, quiet: list[Visit]
) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        page, alarm = visit.page, visit.page.locator("#alarms p")
        page.keyboard.press("r")
        until_recorded(wall, 5)
        shutil.rmtree(wall.recordings.active["demo"].directory)
        expect(alarm).to_contain_text("demo is not being recorded: ")
        expect(alarm).to_contain_text("deleted")
        expect(alarm).to_have_class("grave")
        expect(page.locator("article")).to_have_attribute("data-state", "live")
        visit.until_painted(wall.cars["demo"].seq + 5)
        alarm.get_by_role("button", name="Put away").click()
        expect(page.locator("#alarms")).to_be_hidden()
        visit.until_painted(wall.cars["demo"].seq + 30)
        assert page.locator("#alarms").is_hidden(), "what was read stays away"
        page.keyboard.press("r")
        until(lambda: wall.recordings.active)
        expect(page.locator("[data-rec]")).to_contain_text("REC")


def test_the_room_left_is_told_once_the_rate_is_known(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        expect(visit.page.locator("#room")).to_have_text(re.compile(r"^[\d.]+ .B to record on$"))
        visit.page.keyboard.press("r")
        expect(visit.page.locator("#room")).to_have_text(re.compile(r"^room for \d+ (min|h|h \d+ min|days) more$"))


def test_room_is_told_as_people_plan_and_trouble_said_in_time(browser: Browser, quiet: list[Visit]) -> None:
    disk = {
        "free_bytes": 9e9,
        "total_bytes": 5e11,
        "used_bytes": 4e9,
        "trash_bytes": 0,
        "kept_bytes": 1e9,
        "room_bytes": 3e9,
        "bytes_per_s": 1e6,
        "seconds_left": 3000.0,
        "seconds_to_stop": 6000.0,
        "then": "then …",
    }
    show = """disk => import("/static/room.js").then(({ Room }) => {
        const room = new Room(document.getElementById("room"));
        room.show(disk);
        return [document.getElementById("room").textContent, room.alarms.map(({ text, grave }) => [text, grave])];
    })"""
    full = "The disk is full: nothing can be recorded until there is room."
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        for changes, text, alarms in (
            ({}, "room for 50 min more", []),
            ({"seconds_left": 7 * 3600.0}, "room for 7 h more", []),
            ({"seconds_left": 6.34 * 3600}, "room for 6 h 20 min more", []),
            ({"seconds_left": 30.5 * 86400}, "room for 30 days more", []),
            ({"seconds_left": None, "seconds_to_stop": None}, "3.00 GB to record on", []),
            (
                {"seconds_left": 30.0, "seconds_to_stop": 300.0},
                "room for less than a minute more",
                [["The disk is nearly full: recordings stop in 5 min.", False]],
            ),
            ({"seconds_left": 0.0, "room_bytes": 0}, "room for less than a minute more", []),
            (
                {"seconds_left": 0.0, "seconds_to_stop": 0.0, "room_bytes": 0, "used_bytes": 1e9},
                "room for less than a minute more",
                [[full, True]],
            ),
            (
                {"seconds_left": None, "seconds_to_stop": None, "room_bytes": 0, "used_bytes": 0, "kept_bytes": 0},
                "0 kB to record on",
                [[full, True]],
            ),
        ):
            assert visit.page.evaluate(show, {**disk, **changes}) == [text, alarms]


def test_a_full_disk_is_an_alarm_with_a_way_out(browser: Browser, tmp_path: Path) -> None:
    """The real process, told to keep more free than there is."""
    port = free_port()
    options = ("--http", f"127.0.0.1:{port}", "--sessions", str(tmp_path / "s"), "--keep-free-gb", "900000")
    with process(tmp_path / "host.log", "host", *options):
        eventually(lambda: listens(port))
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#alarms p")).to_contain_text("The disk is full: nothing can be recorded")
        expect(page.locator("#alarms a")).to_have_attribute("href", "/review")
        page.keyboard.press("r")
        expect(page.locator("[data-problem]")).to_contain_text("MB left and recordings keep")
        page.close()


def test_a_recording_that_cannot_start_is_said_aloud(browser: Browser, tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    sessions.write_text("a file stands where the folder should be")
    with pit_wall("demo", sessions=sessions) as wall, visiting(browser, wall) as visit:
        visit.page.get_by_role("button", name="Record").click()
        expect(visit.page.locator("[data-problem]")).to_contain_text(str(sessions))
        expect(visit.page.locator("#alarms p")).to_contain_text("demo is not being recorded: recordings cannot be")


def test_a_picture_that_is_none_is_said_and_the_next_one_painted(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        car = wall.wait_for("demo", "overlay")
        car.arrive({"overlay": b"\xff\xd8 no picture"})
        expect(visit.page.locator(".banner")).to_contain_text("Picture 1 cannot be decoded")
        for _ in range(3):
            sent = car.arrive()
            visit.until_painted(sent.frame.seq)


def test_names_and_sentences_from_a_car_are_shown_as_text(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        car = wall.wait_for("demo", "overlay")
        car.outputs = {HOSTILE: [0.5]}
        car.stages = {HOSTILE: 1_000_000, "__proto__": 5_000_000}
        car.drops = {HOSTILE: 3}
        car.arrive()
        visit.until_painted(1)
        visit.page.get_by_text("Details").click()
        expect(visit.page.locator("[data-facts]")).to_contain_text(HOSTILE)
        expect(visit.page.locator("[data-stages]")).to_contain_text(HOSTILE)
        expect(visit.page.locator("[data-losses]")).to_contain_text(HOSTILE)
        car.channel.link.trouble = HOSTILE
        expect(visit.page.locator(".banner")).to_contain_text(HOSTILE)
        assert visit.page.locator("main script, main img[src=x]").count() == 0


@web.middleware
async def no_websockets(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a proxy does that knows no WebSocket."""
    if request.path.startswith("/ws/"):
        raise web.HTTPBadGateway
    return await handler(request)


def test_without_websockets_mjpeg_paints_every_frame_at_once(browser: Browser) -> None:
    """No frame comes after the one that is looked for: it is painted without waiting for the next."""
    with pit_wall("demo", middleware=no_websockets) as wall, visiting(browser, wall) as visit:
        car = wall.wait_for("demo", "overlay")
        for _ in range(3):
            sent = car.arrive()
            visit.until_painted(sent.frame.seq, "img")
        with car.driving():
            expect(visit.page.locator("article")).to_have_attribute("data-state", "live")
            expect(visit.page.locator("[data-way]")).to_have_text("Capture to pit wall")
            visit.page.get_by_role("button", name="Mask").click()
            until(lambda: visit.painted(element="img")[1] == "mask")
        expect(visit.page.locator(".banner")).to_contain_text("Not live:")
        assert {text for text in visit.console if "WebSocket" not in text} == set()


def test_the_page_finds_a_pit_wall_that_comes_back(browser: Browser) -> None:
    with contextlib.ExitStack() as page_open:
        with pit_wall("demo") as wall:
            visit = page_open.enter_context(visiting(browser, wall))
            sent = wall.wait_for("demo", "overlay").arrive()
            visit.until_painted(sent.frame.seq)
        expect(visit.page.locator(".banner")).to_contain_text("pit wall")
        with pit_wall("demo", port=wall.port) as again:
            car = again.wait_for("demo", "overlay")
            car.seq = 100
            car.arrive()
            visit.until_painted(101)


def test_keys_are_for_the_chosen_car(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("left", "right") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        with wall.cars["left"].driving(), wall.cars["right"].driving():
            until(lambda: visit.painted("left")[1] == visit.painted("right")[1] == "overlay")
            visit.page.keyboard.press("ArrowRight")
            visit.page.keyboard.press("3")
            until(lambda: visit.painted("right")[1] == "mask")
            assert visit.painted("left")[1] == "overlay"


def test_the_keys_of_the_page_are_listed_on_it(browser: Browser, quiet: list[Visit]) -> None:
    with pit_wall("demo") as wall, visiting(browser, wall) as visit:
        quiet.append(visit)
        visit.page.keyboard.press("?")
        expect(visit.page.locator("dialog")).to_be_visible()
        listed = visit.page.locator("dialog kbd").all_inner_texts()
        assert listed == [*"123MT[]CGPRBF←→?"]
        expect(visit.page.locator("dialog .note")).to_contain_text("signed maps")
        visit.page.keyboard.press("Escape")
        expect(visit.page.locator("dialog")).to_be_hidden()


def test_keys_act_wherever_a_hand_was_before(browser: Browser, quiet: list[Visit]) -> None:
    """A slider keeps only the keys that move it, a list that the mouse chose from none; a button keeps Space."""
    with pit_wall("demo") as wall, wall.cars["demo"].driving(), visiting(browser, wall) as visit:
        quiet.append(visit)
        car, page = wall.cars["demo"], visit.page
        strength = page.get_by_label("Strength")
        expect(strength).to_be_enabled()
        strength.focus()
        page.keyboard.press("ArrowRight")
        until(lambda: car.look.strength == 0.75)
        page.keyboard.press("3")
        expect(page.get_by_role("button", name="Mask")).to_have_attribute("aria-pressed", "true")
        colours = page.get_by_label("Colours")
        colours.click()
        page.keyboard.press("Escape")
        colours.select_option("viridis")
        expect(colours).not_to_be_focused()
        page.keyboard.press("2")
        expect(page.get_by_role("button", name="Camera")).to_have_attribute("aria-pressed", "true")
        method = page.get_by_label("Method")
        method.focus()
        page.keyboard.press("1")
        expect(page.get_by_role("button", name="Camera")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        expect(page.get_by_role("button", name="Overlay")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Mask").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Space")
        expect(page.get_by_role("button", name="Mask")).to_have_attribute("aria-pressed", "true")


def test_a_person_is_let_in_by_the_token_even_from_a_link_elsewhere(browser: Browser) -> None:
    """A strict cookie is not sent along with a navigation that another site began."""
    guard = Guard(TOKEN)
    with pit_wall("demo", guard=guard) as wall, pit_wall("elsewhere") as other:
        with visiting(browser, other) as visit:
            follow = "url => { location.href = url }"
            visit.page.goto(other.url.replace("127.0.0.1", "localhost") + "/healthz")
            visit.page.evaluate(follow, f"{wall.url}/?token={TOKEN}")
            expect(visit.page.locator("article h2")).to_have_text("demo")
            assert visit.page.url == f"{wall.url}/"
            sent = wall.wait_for("demo", "overlay").arrive()
            visit.until_painted(sent.frame.seq)
            visit.page.goto(other.url.replace("127.0.0.1", "localhost") + "/healthz")
            visit.page.evaluate(follow, f"{wall.url}/")
            expect(visit.page.locator("article h2")).to_have_text("demo")


def test_a_person_without_the_token_is_asked_for_it(browser: Browser) -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall, visiting(browser, wall) as visit:
        expect(visit.page.get_by_text("asks for a token")).to_be_visible()
        visit.page.get_by_label("Token").fill("wrong")
        visit.page.get_by_role("button", name="Open").click()
        expect(visit.page.get_by_text("not the right one")).to_be_visible()
        visit.page.get_by_label("Token").fill(TOKEN)
        visit.page.get_by_role("button", name="Open").click()
        expect(visit.page.locator("article h2")).to_have_text("demo")
