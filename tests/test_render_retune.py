"""Recorded frames drawn again, against what the car draws when it is told to draw like that in the first place."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest
import simplejpeg
from msgspec import structs

from edge.capture import Frame
from edge.explain import Captured, Explainer
from edge.overlay import Overlay
from edge.pilot import Pilot
from edge.start import BUNDLED_PILOT
from host.render.mind import Mind, recipe
from host.render.retune import WARM, Kept, RetuneError, Retuner
from tests.make_tflite import Network
from tests.shots import Bytes, bundled, shots
from wire import Look

SHA256 = bundled().sha256
EVERYTHING = frozenset({"overlay", "camera", "mask"})


@lru_cache(maxsize=16)
def recorded(look: Look = Look(), count: int = 50) -> tuple[Kept, ...]:  # noqa: B008
    """A session: what a car sent of a drive, drawn like this."""
    explainer = Explainer(Pilot.load(BUNDLED_PILOT), car="car", session="0", quality=95)
    kept = []
    for shot in shots(count):
        frame = Frame(simplejpeg.decode_jpeg(shot.data, "RGB"), 0, shot.recorded)
        made = explainer.explain(Captured(shot.index, frame), EVERYTHING, look)
        pictures = {kind: picture.data for kind, picture in made.pictures.items()}
        kept.append(Kept(shot.index, pictures["camera"], pictures["mask"], made.header, SHA256))
    return tuple(kept)


class Counted(Sequence[Kept]):
    """Frames, and how often one was looked at."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self.kept = kept
        self.looked = 0

    def __len__(self) -> int:
        return len(self.kept)

    @overload
    def __getitem__(self, at: int) -> Kept: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Kept]: ...

    def __getitem__(self, at: Any) -> Any:
        self.looked += 1
        return self.kept[at]


def rgb(jpeg: bytes) -> Bytes:
    pixels: Bytes = simplejpeg.decode_jpeg(jpeg, "RGB")
    return pixels


def grey(jpeg: bytes) -> Bytes:
    pixels: Bytes = simplejpeg.decode_jpeg(jpeg, "GRAY")[:, :, 0]
    return pixels


def straight(kept: Sequence[Kept], look: Look, pilot: Path = BUNDLED_PILOT) -> Bytes:
    """The last frame's overlay by a pilot that saw all of them."""
    mind = Mind(Pilot.load(pilot), [look])
    for one in kept:
        pixels = rgb(one.camera or b"")
        drive, maps = mind.drive(pixels, {}), mind.maps()
    mapped = maps[recipe(look)]
    assert mapped.stats is not None
    last = kept[-1].frame
    driven = last.drive if kept[-1].pilot == mind.pilot.sha256 else drive
    return Overlay().draw(pixels, mapped.mask, look, driven, last.recorded, signed=mapped.stats.signed).copy()


def near(jpeg: bytes, wanted: Bytes) -> bool:
    """As near as a JPEG of it comes."""
    return float(np.abs(rgb(jpeg).astype(int) - wanted).mean()) < 4


@pytest.mark.parametrize("method", ["visualbackprop", "gradient-visualbackprop"])
def test_colour_and_strength_of_a_recorded_mask_need_no_pilot(method: Any) -> None:
    kept = recorded(Look(method=method))
    retuner = Retuner([Path("/nowhere/at/all.tflite")])
    for change in ({}, {"colormap": "inferno"}, {"strength": 0.2}, {"gauges": False}):
        look = structs.replace(Look(method=method), **change)
        last = kept[30]
        mask, stats = grey(last.mask or b""), last.frame.mask
        assert stats is not None
        wanted = Overlay().draw(
            rgb(last.camera or b""), mask, look, last.frame.drive, last.frame.recorded, signed=stats.signed
        )
        for pilot in ("", SHA256):
            counted = Counted(kept[:31])
            assert near(retuner.draw("s", counted, look, pilot), wanted)
            assert counted.looked == 1
    assert retuner._pilots is None


@pytest.mark.parametrize("method", ["visualbackprop", "gradient-visualbackprop"])
@pytest.mark.parametrize("gamma", [0.3, 0.5, 1.0, 2.0])
def test_another_gamma_is_that_of_the_car_as_far_as_eight_bits_go(method: Any, gamma: float) -> None:
    look = Look(method=method, gamma=gamma)
    drawn = grey(Retuner([]).draw("s", recorded(Look(method=method))[:31], look, part="mask"))
    wanted = grey(recorded(look)[30].mask or b"")
    assert np.abs(drawn.astype(int) - wanted).mean() < 4
    if gamma != 0.5:
        before = grey(recorded(Look(method=method))[30].mask or b"")
        assert np.abs(before.astype(int) - wanted).mean() > np.abs(drawn.astype(int) - wanted).mean() * 2


LOOKS = [Look(method="coverage"), Look(method="gradient-input", target="throttle"), Look(smoothing=0.8)]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.method)
def test_another_method_is_drawn_from_the_camera_frames(look: Look) -> None:
    kept = recorded()[:20]
    assert near(Retuner([]).draw("s", kept, look), straight(kept, look))
    assert near(Retuner([]).draw("s", kept, look, SHA256), straight(kept, look))


def test_going_on_in_order_looks_at_one_frame_and_draws_as_if_it_had_seen_all() -> None:
    retuner, look = Retuner([]), Look(method="gradient-input", smoothing=0.7)
    for last in range(1, 25):
        counted = Counted(recorded()[max(0, last - 10) : last])
        drawn = retuner.draw("s", counted, look)
        assert counted.looked <= 2
    assert near(drawn, straight(recorded()[:24], look))


def test_a_few_frames_may_be_passed_over_and_the_same_one_drawn_again() -> None:
    retuner, look = Retuner([]), Look(method="coverage", smoothing=0.5)
    retuner.draw("s", recorded()[:20], look)
    skipping, again = Counted(recorded()[:24]), Counted(recorded()[:24])
    drawn = retuner.draw("s", skipping, look)
    assert skipping.looked == 1 + 3
    assert near(drawn, straight(recorded()[:24], look))
    recoloured = retuner.draw("s", again, structs.replace(look, colormap="hot", strength=1))
    assert again.looked == 1
    assert near(recoloured, straight(recorded()[:24], structs.replace(look, colormap="hot", strength=1)))


@pytest.mark.parametrize("last", [45, 12, 5])
def test_after_a_jump_nothing_of_before_is_left(last: int) -> None:
    used, look = Retuner([]), Look(method="coverage", smoothing=0.9)
    used.draw("s", recorded()[:20], look)
    jumped = recorded()[max(0, last - 8) : last]
    assert used.draw("s", jumped, look) == Retuner([]).draw("s", jumped, look)
    assert used.draw("other", recorded()[:21], look) == Retuner([]).draw("other", recorded()[:21], look)


def test_a_warm_up_settles_the_scale() -> None:
    look = Look(method="coverage")
    warmed = rgb(Retuner([]).draw("s", recorded()[49 - WARM :], look)).astype(int)
    assert np.abs(warmed - straight(recorded(), look)).mean() < 4


def another(folder: Path) -> tuple[Path, str]:
    net = Network(24, 32)
    net.conv(4, (5, 5), (2, 2), activation="RELU")
    net.dense(2, "outputs")
    path = folder / "other.tflite"
    path.write_bytes(net.bytes())
    return path, Pilot.load(path).sha256


def test_the_same_frames_by_another_pilot(tmp_path: Path) -> None:
    path, sha256 = another(tmp_path)
    drawn = Retuner([path]).draw("s", recorded()[:15], Look(), sha256)
    assert near(drawn, straight(recorded()[:15], Look(), path))
    assert not near(drawn, straight(recorded()[:15], Look()))


def test_pilots_are_told_with_what_they_can_and_what_they_cannot(tmp_path: Path) -> None:
    path, sha256 = another(tmp_path)
    (tmp_path / "broken.tflite").write_bytes(b"TFL3")
    told = Retuner([path, tmp_path / "broken.tflite", path, BUNDLED_PILOT]).pilots()
    assert [(one.name, one.sha256) for one in told] == [("other", sha256), ("pilot", SHA256)]
    can = Explainer(Pilot.load(BUNDLED_PILOT), car="", session="").abilities()
    assert (told[1].methods, told[1].refusals, told[1].targets) == (can.methods, can.refusals, can.targets)
    assert told[1].layers == can.layers


def test_parts(tmp_path: Path) -> None:
    last = recorded()[10]
    retuner = Retuner([])
    assert retuner.draw("s", [last], Look(), part="camera") == last.camera
    assert np.abs(grey(retuner.draw("s", [last], Look(), part="mask")).astype(int) - grey(last.mask or b"")).max() < 12
    made = grey(retuner.draw("s", recorded()[:11], Look(method="edges"), part="mask"))
    assert made.shape == (120, 160)
    assert made.any()


def changed(kept: Kept, **changes: Any) -> Kept:
    return Kept(**{**{name: getattr(kept, name) for name in Kept.__slots__}, **changes})


CAMERA = recorded()[5].camera or b""


@pytest.mark.parametrize(
    ("changes", "look", "pilot", "sentence"),
    [
        ({}, Look(), "ab" * 32, "This host has no pilot abababababab"),
        ({"pilot": ""}, Look(method="edges"), "", "Nobody recorded which pilot drove"),
        ({"camera": None}, Look(method="edges"), "", "recorded without its camera picture"),
        ({"camera": CAMERA[:300]}, Look(method="edges"), "", "camera picture cannot be read: it does not decode"),
        ({"camera": b""}, Look(), "", "recorded without its camera picture"),
        ({"mask": None, "pilot": ""}, Look(), "", "Nobody recorded which pilot drove"),
        ({}, Look(method="gradcam", layer="none"), "", "There is no such map: this pilot has no convolution 'none'"),
    ],
)
def test_what_cannot_be_drawn_is_told(changes: dict[str, Any], look: Look, pilot: str, sentence: str) -> None:
    with pytest.raises(RetuneError, match=sentence):
        Retuner([]).draw("s", [changed(recorded()[5], **changes)], look, pilot)


def test_why_the_car_had_no_map_is_told_again() -> None:
    refused = recorded(Look(method="hirescam", layer="nowhere"), 3)[2]
    assert refused.frame.refused
    with pytest.raises(RetuneError, match="no convolution 'nowhere'"):
        Retuner([]).draw("s", [refused], refused.frame.look)


def test_a_broken_frame_on_the_way_is_passed_over_and_a_broken_mask_made_anew() -> None:
    kept = list(recorded()[:12])
    kept[4] = changed(kept[4], camera=b"\xff\xd8rubbish")
    kept[5] = changed(kept[5], camera=None)
    left = [one for at, one in enumerate(kept) if at not in {4, 5}]
    look = Look(method="coverage")
    assert near(Retuner([]).draw("s", kept, look), straight(left, look))
    spoilt = [*kept[:11], changed(kept[11], mask=b"rubbish")]
    assert near(Retuner([]).draw("s", spoilt, Look()), straight(left, Look()))


def test_many_threads_get_what_one_gets() -> None:
    looks = [Look(method=method) for method in ("coverage", "edges", "gradient", "visualbackprop", "gradcam")]
    alone = [[Retuner([]).draw("s", recorded()[:last], look) for last in (6, 9, 3)] for look in looks]
    retuner, together = Retuner([]), [list[bytes]() for _ in looks]

    def work(at: int) -> None:
        together[at] += [retuner.draw(f"{at}", recorded()[:last], looks[at]) for last in (6, 9, 3)]

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(looks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(together, alone, strict=True):
        assert one[0] == other[0]
        assert one[2] == other[2]
        assert near(one[1], rgb(other[1]))
