"""The film of a recording: real files, read back by PyAV and by Chromium."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg
from aiohttp import web
from playwright.sync_api import Page

from host.record.movie import Movie
from host.record.session import TICKS_HZ, VIDEO, read_manifest
from tests.browser import chromium
from tests.recordings import (
    BLUE,
    GREEN,
    GREY,
    MS,
    RED,
    Color,
    arrival,
    encoded,
    film,
    jpeg,
    killed,
    noise,
    pictures,
    rgb,
    running_loop,
    ticks,
)


def test_frames_stand_where_they_were_captured_and_gaps_stay_gaps(tmp_path: Path) -> None:
    times_ms = [1000, 1033, 1070, 1100, 4100, 4133, 4150]
    recording = film(tmp_path, [arrival(at, offset_ns=17 * MS) for at in times_ms])
    assert recording.error == ""
    assert ticks(recording.directory) == [(at - 1000) * 90 for at in times_ms]
    with av.open(str(recording.directory / VIDEO)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.time_base is not None
        # The last frame stands as long as the one before it.
        assert stream.duration == (times_ms[-1] - 1000 + 17) * 90
    assert recording.duration_s == pytest.approx((4150 - 1000 + 17) / 1000)


def test_a_key_frame_at_least_every_second(tmp_path: Path) -> None:
    recording = film(tmp_path, [arrival(at) for at in range(0, 4000, 100)])
    keys = [frame.pts or 0 for frame in pictures(recording.directory) if frame.key_frame]
    assert keys[0] == 0
    assert all(later - earlier <= TICKS_HZ for earlier, later in zip(keys, [*keys[1:], 4 * TICKS_HZ], strict=True))


@pytest.mark.parametrize(("width", "height"), [(160, 120), (161, 121), (33, 17), (1, 1), (640, 2)])
def test_odd_sizes_are_made_even_by_black_edges(tmp_path: Path, width: int, height: int) -> None:
    picture = jpeg(RED, width, height)
    recording = film(tmp_path, [arrival(at, picture) for at in (0, 33)])
    wide, high = (max(16, side + side % 2) for side in (width, height))
    frame = pictures(recording.directory)[1]
    assert (frame.width, frame.height) == (wide, high)
    manifest = read_manifest(recording.directory)
    assert (manifest.width, manifest.height) == (wide, high)
    reds = rgb(frame)[:, :, 0] > 110
    assert reds.sum() == pytest.approx(width * height, rel=0.1, abs=3)


def test_another_size_is_fitted_into_the_first(tmp_path: Path) -> None:
    sizes = [(160, 120), (320, 120), (100, 200), (160, 120)]
    arrivals = [arrival(33 * n, jpeg(RED, *size)) for n, size in enumerate(sizes)]
    recording = film(tmp_path, arrivals)
    frames = pictures(recording.directory)
    assert {(frame.width, frame.height) for frame in frames} == {(160, 120)}
    reds = [(rgb(frame)[:, :, 0] > 110).mean(axis=(0, 1)) for frame in frames]
    assert reds == pytest.approx([1, 1 / 2, 60 / 160, 1], abs=0.03)
    assert np.abs(rgb(frames[1])[60, 80] - RED).max() < 8


def test_colours_and_places_are_those_of_the_picture(tmp_path: Path) -> None:
    quadrants = np.empty((120, 160, 3), np.uint8)
    quadrants[:60, :80], quadrants[:60, 80:], quadrants[60:, :80], quadrants[60:, 80:] = RED, GREEN, BLUE, GREY
    recording = film(tmp_path, [arrival(at, encoded(quadrants)) for at in (0, 33, 66)])
    for frame in pictures(recording.directory):
        assert np.abs(rgb(frame)[4:56, 4:76] - RED).max() < 10
        assert np.abs(rgb(frame)[4:56, 84:156] - GREEN).max() < 10
        assert np.abs(rgb(frame)[64:116, 4:76] - BLUE).max() < 10
        assert np.abs(rgb(frame)[64:116, 84:156] - GREY).max() < 10


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "Gray"])
def test_every_kind_of_jpeg(tmp_path: Path, subsampling: str) -> None:
    if subsampling == "Gray":
        picture = simplejpeg.encode_jpeg(
            np.full((120, 160, 1), 200, np.uint8), colorspace="GRAY", colorsubsampling="Gray"
        )
        expected: Color = (200, 200, 200)
    else:
        picture = simplejpeg.encode_jpeg(np.full((120, 160, 3), GREEN, np.uint8), colorsubsampling=subsampling)
        expected = GREEN
    recording = film(tmp_path, [arrival(0), arrival(33, picture)])
    assert np.abs(rgb(pictures(recording.directory)[1]) - expected).max() < 10


def test_pictures_that_do_not_decode_are_counted_and_take_no_time(tmp_path: Path) -> None:
    huge = jpeg(RED, 4200, 8)
    bomb = jpeg(RED, 2600, 2600)
    rubbish = [b"", b"\xff", b"\xff\xd8\xff\xd9", jpeg()[:300], noise(1)[:10_000], os.urandom(400), huge, bomb]
    arrivals = [arrival(33 * (n + 1), bad) for n, bad in enumerate(rubbish)]
    recording = film(tmp_path, [arrival(0), *arrivals, arrival(33 * 20)])
    assert recording.drops == {"unreadable": len(rubbish)}
    assert ticks(recording.directory) == [0, 33 * 20 * 90]
    assert recording.error == ""


def test_what_cannot_be_written_is_an_os_error_and_spoils_nothing_before(tmp_path: Path) -> None:
    def write_backwards(movie: Movie) -> None:
        for tick in (*range(0, 9000, 3000), 0):
            picture = movie.read(jpeg(RED))
            assert picture is not None
            movie.write(picture, tick, 3000)

    with pytest.raises(OSError, match="Invalid argument"), Movie(tmp_path / VIDEO) as movie:
        write_backwards(movie)
    assert ticks(tmp_path) == [0, 3000, 6000]
    with pytest.raises(OSError, match="No such file"), Movie(tmp_path / "nowhere" / VIDEO) as movie:
        write_backwards(movie)


def test_what_the_film_is_made_of_is_on_the_disk_before_it_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may fail when the first page of a file is on the disk and the last ones are not."""
    video, synced = tmp_path / VIDEO, [b""]
    monkeypatch.setattr("host.record.movie.sync_data", lambda _: synced.append(video.read_bytes()))
    with Movie(video) as movie:
        for number in range(60):
            picture = movie.read(noise(number))
            assert picture is not None
            movie.write(picture, 3000 * number, 3000)
    whole = video.read_bytes()
    assert synced[-1] != whole
    video.write_bytes(whole[:4096] + synced[-1][4096:])
    assert ticks(tmp_path) == list(range(0, 180_000, 3000))


PIXEL_AT = """
    async ([url, times]) => {
        const video = document.createElement("video");
        const canvas = document.createElement("canvas");
        const once = name => new Promise((done, fail) => {
            video.addEventListener(name, done, {once: true});
            video.addEventListener("error", () => fail(new Error(video.error.message)), {once: true});
        });
        video.muted = true;
        video.src = url;
        await once("loadeddata");
        const [width, height] = [video.videoWidth, video.videoHeight];
        [canvas.width, canvas.height] = [width, height];
        const pixels = [];
        for (const time of times) {
            video.currentTime = time;
            await once("seeked");
            const context = canvas.getContext("2d");
            context.drawImage(video, 0, 0);
            pixels.push(Array.from(context.getImageData(width / 2, height / 2, 1, 1).data.slice(0, 3)));
        }
        await video.play();
        video.currentTime = video.duration - 0.1;
        await once("ended");
        return {width, height, duration: video.duration, pixels};
    }
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server that hands out the files of a folder."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>test</title>", content_type="text/html")

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/", page)
        app.router.add_static("/files", folder)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    with running_loop() as loop:
        runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)


@pytest.fixture
def browser_page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


def test_videos_play_in_chromium_and_show_the_right_colours(tmp_path: Path, browser_page: Page) -> None:
    colors = [RED, GREEN, BLUE]
    (tmp_path / "killed").mkdir()
    torn = killed(tmp_path / "killed")
    whole = film(tmp_path, [arrival(20 * n, jpeg(colors[n // 50], 161, 121)) for n in range(150)]).directory
    with serving(tmp_path) as url:
        browser_page.goto(url)
        at_s = [0.5, 1.5, 2.9, 0.0]
        seen = browser_page.evaluate(PIXEL_AT, [f"{url}/files/{whole.relative_to(tmp_path)}/{VIDEO}", at_s])
        seen_torn = browser_page.evaluate(PIXEL_AT, [f"{url}/files/{torn.relative_to(tmp_path)}/{VIDEO}", [2.0]])
    assert (seen["width"], seen["height"]) == (162, 122)
    assert seen["duration"] == pytest.approx(3.0, abs=0.01)
    assert np.abs(np.array(seen["pixels"]) - [RED, GREEN, BLUE, RED]).max() <= 8, seen["pixels"]
    assert (seen_torn["width"], seen_torn["height"]) == (160, 120)
    assert 4 < seen_torn["duration"] < 5.2
