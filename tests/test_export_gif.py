"""GIFs: their times, their size, their colours; read back by a reader of the format of its own, and by FFmpeg's."""

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from host.record.movie import Movie
from host.record.session import TICKS_HZ, VIDEO
from host.review.export.gif import FEWEST_HZ, MAX_HZ, MAX_PIXELS, MAX_S, MAX_SIDE, plan
from host.review.export.source import ExportError
from tests.exports import STEADY, Making, export, jpeg_of, number_in, rgb_of
from tests.recordings import BLUE, GREEN, GREY, RED, encoded


def delays_cs(gif: bytes) -> list[int]:
    """How long each frame stands, in 1/100 s (GIF89a, sections 15 to 26)."""
    assert gif[:6] == b"GIF89a"
    assert gif[-1:] == b";"
    at = 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 0x80 else 0)
    delays: list[int] = []
    images = 0
    while gif[at] != 0x3B:
        if gif[at] == 0x21:
            if gif[at + 1] == 0xF9:
                delays.append(int.from_bytes(gif[at + 4 : at + 6], "little"))
            at += 2
        else:
            assert gif[at] == 0x2C
            images += 1
            at += 11 + (3 << (gif[at + 9] & 7) + 1 if gif[at + 9] & 0x80 else 0)
        while gif[at]:
            at += gif[at] + 1
        at += 1
    assert images == len(delays)
    return delays


def pictures(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [rgb_of(frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize("hz", [30, 29.97, 20, 12, 7])
def test_rounding_to_hundredths_does_not_add_up(tmp_path: Path, hz: float) -> None:
    ticks = [round(number * TICKS_HZ / hz) for number in range(100)]
    folder = Making(ticks, tape=False).session(tmp_path)
    written = export("gif", folder, tmp_path / "clip.gif", 0.5)
    first = next(number for number, tick in enumerate(ticks) if tick >= TICKS_HZ / 2)
    stride = 2 if hz > MAX_HZ else 1
    kept = range(first, 100, stride)
    assert [number_in(rgb) for rgb in pictures(tmp_path / "clip.gif")] == list(kept)
    delays = delays_cs((tmp_path / "clip.gif").read_bytes())
    assert len(delays) == written.frames == len(kept)
    for place, number in enumerate(kept):
        assert sum(delays[:place]) == pytest.approx((ticks[number] - ticks[first]) / 900, abs=0.51)
    assert sum(delays) == pytest.approx((ticks[99] + 3000 - ticks[first]) / 900, abs=2)
    assert (written.remark == "") == (stride == 1)


def test_gaps_stay_and_no_frame_is_too_short_for_a_browser(tmp_path: Path) -> None:
    ticks = [0, 9000, 9300, 9600, 18_000, 200_000, 209_000, 218_000, 227_000]
    export("gif", Making(ticks).session(tmp_path), tmp_path / "clip.gif")
    assert [number_in(rgb) for rgb in pictures(tmp_path / "clip.gif")] == [0, 1, 4, 5, 6, 7, 8]
    assert delays_cs((tmp_path / "clip.gif").read_bytes())[:6] == [10, 10, 202, 10, 10, 10]


def test_one_frame_is_a_gif_too(tmp_path: Path) -> None:
    folder = Making().session(tmp_path)
    assert export("gif", folder, tmp_path / "clip.gif", 0.99, 1.02).frames == 1
    assert [number_in(rgb) for rgb in pictures(tmp_path / "clip.gif")] == [30]
    assert delays_cs((tmp_path / "clip.gif").read_bytes()) == [2]


def test_colours_are_those_of_the_film(tmp_path: Path) -> None:
    quadrants = np.empty((120, 160, 3), np.uint8)
    quadrants[:60, :80], quadrants[:60, 80:], quadrants[60:, :80], quadrants[60:, 80:] = RED, GREEN, BLUE, GREY
    folder = filmed(tmp_path, [encoded(quadrants)] * 10)
    export("gif", folder, tmp_path / "clip.gif")
    for rgb in pictures(tmp_path / "clip.gif"):
        for part, color in zip(
            (rgb[4:56, 4:76], rgb[4:56, 84:156], rgb[64:116, 4:76], rgb[64:116, 84:156]),
            (RED, GREEN, BLUE, GREY),
            strict=True,
        ):
            assert np.abs(part.mean(axis=(0, 1)) - color).max() < 8


def test_a_smooth_scale_of_colours_shows_no_steps(tmp_path: Path) -> None:
    """256 colours are few for a colormap over a picture: dithered and blurred by the eye they come close."""
    x, y = np.meshgrid(np.linspace(0, 1, 160), np.linspace(0, 1, 120))
    scale = np.stack([255 * x, 255 * y, 255 * (1 - x)], axis=-1).astype(np.uint8)
    export("gif", filmed(tmp_path, [encoded(scale)] * 4), tmp_path / "clip.gif")
    blurred = pictures(tmp_path / "clip.gif")[0][:120, :160].reshape(15, 8, 20, 8, 3).mean(axis=(1, 3))
    assert np.abs(blurred - scale.reshape(15, 8, 20, 8, 3).mean(axis=(1, 3))).mean() < 4


def test_noise_stays_within_bounds(tmp_path: Path) -> None:
    folder = filmed(tmp_path, [jpeg_of(640, 480, seed) for seed in range(4)])
    written = export("gif", folder, tmp_path / "clip.gif")
    assert pictures(tmp_path / "clip.gif")[0].shape == (360, 480, 3)
    assert (tmp_path / "clip.gif").stat().st_size < 1.5 * written.frames * 480 * 360


@given(
    frames=st.integers(1, 3000),
    hz=st.floats(1, 120),
    width=st.integers(16, 1920),
    height=st.integers(16, 1920),
)
def test_plans_keep_to_the_bounds(frames: int, hz: float, width: int, height: int) -> None:
    ticks = [round(number * TICKS_HZ / hz) for number in range(min(frames, int(MAX_S * hz)))]
    found = plan(ticks, width, height)
    assert 0 in found.ticks
    assert len(found.ticks) * found.width * found.height <= MAX_PIXELS
    assert max(found.width, found.height) <= MAX_SIDE
    assert found.width <= width
    assert len(found.ticks) <= (ticks[-1] / TICKS_HZ) * MAX_HZ * 1.01 + 1
    assert len(found.ticks) >= (ticks[-1] / TICKS_HZ) * min(hz, FEWEST_HZ) * 0.99
    assert abs(found.width * height - found.height * width) <= max(width, height)


def test_what_is_too_long_for_a_gif_is_refused(tmp_path: Path) -> None:
    folder = Making([TICKS_HZ * n for n in range(90)], tape=False).session(tmp_path)
    with pytest.raises(ExportError, match="this part is 89 s long and a GIF holds 60 s: choose less, or mp4"):
        export("gif", folder, tmp_path / "clip.gif")
    assert export("gif", folder, tmp_path / "clip.gif", 10, 70).frames == 60
    with pytest.raises(ExportError, match=r"holds no frame between 95 s and the end: its last one is at 89\.00 s"):
        export("gif", folder, tmp_path / "none.gif", 95)


def test_a_torn_film_gives_what_there_is(tmp_path: Path) -> None:
    written = export("gif", Making(STEADY).torn(tmp_path), tmp_path / "clip.gif", 0.2)
    numbers = [number_in(rgb) for rgb in pictures(tmp_path / "clip.gif")]
    assert numbers == list(range(6, 6 + 2 * written.frames, 2))
    assert written.frames > 10


def filmed(directory: Path, jpegs: list[bytes]) -> Path:
    """A session of these pictures, 10 a second."""
    folder = Making([], tape=False).session(directory)
    with Movie(folder / VIDEO) as movie:
        for number, jpeg in enumerate(jpegs):
            picture = movie.read(jpeg)
            assert picture is not None
            movie.write(picture, 9000 * number, 9000)
    return folder
