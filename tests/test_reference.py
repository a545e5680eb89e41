"""The mask of the network VisualBackProp's video was made with, against that video. Needs TensorFlow and ../shared.

The video is the camera frame with the author's mask added to it, as BGR, in 8 bits that wrap around where the sum is
more than 255, then H.264. So the light he added is, pixel by pixel, what the video has more than the frame; a channel
that has much less has wrapped. The median of the three channels and a box of 5 pixels take out the speckle that
wrapping and H.264 leave. The *bright area* of a frame is the tenth of its pixels with the most added light.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge import deletion
from edge.card import Card, ImageCard
from edge.mask import VisualBackProp
from edge.pilot import Pilot
from edge.tflite import Floats

SHARED = Path(__file__).parents[2] / "shared" / "data" / "reference"
if not SHARED.exists():
    pytest.skip("needs ../shared/data/reference", allow_module_level=True)
if not importlib.util.find_spec("tensorflow"):
    pytest.skip("needs TensorFlow: pip install '.[convert]'", allow_module_level=True)
av = pytest.importorskip("av", reason="needs PyAV: pip install '.[host]'")

from models.convert import main  # noqa: E402 - only where it can be used

BRIGHT = 0.10
TOP = 0.05
INSIDE = 0.90
"""Of the top pixels, so that a frame counts."""
WRAPPED = -40
"""A channel with so much less than the frame has wrapped; H.264 errs by about 5."""
GAIN = 255 * 0.004
"""What the author multiplied the frame by."""

Bools = NDArray[np.bool_]
Mask = Callable[[NDArray[np.uint8]], Floats]


@pytest.fixture(scope="module")
def rgb() -> list[NDArray[np.uint8]]:
    """The camera's frames in their order."""
    paths = sorted((SHARED / "imgs").iterdir(), key=lambda path: int(path.name.partition("_")[0]))
    return [np.asarray(cv2.imread(str(path)), np.uint8)[..., ::-1].copy() for path in paths]


@pytest.fixture(scope="module")
def bright(rgb: list[NDArray[np.uint8]]) -> list[Bools]:
    """Where the author's video is bright, frame by frame: bool (H, W)."""
    with av.open(str(SHARED / "vbp-of-imgs.mp4")) as video:
        shown = [frame.to_ndarray(format="rgb24") for frame, _ in zip(video.decode(video=0), rgb, strict=False)]
    assert len(shown) == len(rgb) == 200
    return [top(added(video, frame), BRIGHT) for video, frame in zip(shown, rgb, strict=True)]


def added(video: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Floats:
    """The light the author added: float32 (H, W), 0 … 255. His red is the frame's blue."""
    more = video.astype(np.float32) - frame[..., ::-1] * np.float32(GAIN)
    light = np.median(np.where(more < WRAPPED, more + 256, more), axis=-1)
    return np.asarray(cv2.blur(light, (5, 5)), np.float32)


def top(values: Floats, share: float) -> Bools:
    """The largest ones, as many as `share` says."""
    chosen = np.zeros(values.shape, np.bool_)
    chosen.flat[np.argsort(-values, axis=None, kind="stable")[: round(share * values.size)]] = True
    return chosen


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "reference.tflite"
    flags = ["--colour", "bgr", "--range", "0,255", "--check", str(SHARED / "imgs")]
    assert main([str(SHARED / "weights.h5"), "-o", str(out), *flags]) == 0
    return out


def saliency(pilot: Pilot) -> Mask:
    method = VisualBackProp(pilot.geometry)

    def mask(rgb: NDArray[np.uint8]) -> Floats:
        pilot.infer(rgb)
        return method(method.means(pilot.activations())).values.copy()

    return mask


def share_of_frames(mask: Mask, rgb: list[NDArray[np.uint8]], bright: list[Bools]) -> float:
    """Of frames whose top pixels lie in the bright area."""
    inside = [area[top(mask(frame), TOP)].mean() >= INSIDE for frame, area in zip(rgb, bright, strict=True)]
    return float(np.mean(inside))


def test_the_mask_lies_where_the_video_is_bright(
    pilot: Path, rgb: list[NDArray[np.uint8]], bright: list[Bools]
) -> None:
    share = share_of_frames(saliency(Pilot.load(pilot)), rgb, bright)
    print(f"the top {TOP:.0%} lies within the bright area on {share:.1%} of {len(rgb)} frames")
    assert share >= 0.90


class TestTheFigureCanFail:
    """Whatever is not this mask of this frame is not within the bright area."""

    def test_with_the_colours_in_the_wrong_order(
        self, pilot: Path, rgb: list[NDArray[np.uint8]], bright: list[Bools]
    ) -> None:
        wrong = Pilot.load(pilot, card=Card(image=ImageCard(colour="rgb", range=(0, 255))))
        assert share_of_frames(saliency(wrong), rgb, bright) < 0.1

    def test_with_another_frame(self, pilot: Path, rgb: list[NDArray[np.uint8]], bright: list[Bools]) -> None:
        assert share_of_frames(saliency(Pilot.load(pilot)), [*rgb[50:], *rgb[:50]], bright) < 0.1

    def test_with_edges_brightness_or_chance(self, rgb: list[NDArray[np.uint8]], bright: list[Bools]) -> None:
        rng = np.random.default_rng(0)

        def grey(frame: NDArray[np.uint8]) -> Floats:
            return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.float32)

        def edges(frame: NDArray[np.uint8]) -> Floats:
            return np.asarray(np.hypot(cv2.Sobel(grey(frame), -1, 1, 0), cv2.Sobel(grey(frame), -1, 0, 1)), np.float32)

        def chance(frame: NDArray[np.uint8]) -> Floats:
            return deletion.random_map((frame.shape[0], frame.shape[1]), rng)

        for mask in (grey, edges, chance):
            assert share_of_frames(mask, rgb, bright) < 0.1
