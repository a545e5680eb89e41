"""What the methods are worth on real pilots and their own drives: design.md's protocol, and heads that know nothing.

The figures are printed; run with `-s` to see them. Thresholds are those the methods are promised to keep.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge import deletion, tflite
from edge.capture import open_source
from edge.methods import CATALOG, Methods
from edge.pilot import Pilot

SHARED = Path(__file__).parents[2] / "shared" / "data"
BUNDLED = Path(__file__).parents[1] / "models" / "pilot.tflite"
PAIRS = [("warehouse/linear", "tub-warehouse"), ("grey/final_1", "tub-grey")]
FRAMES = 40
"""Of the drive, evenly spread; the figures of the documentation are from 250."""
BEST = "gradient-visualbackprop"
BEST_SLOW = "integrated-visualbackprop"
SIGNED = [name for name, method in CATALOG.items() if method.signed]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

needs_shared = pytest.mark.skipif(not (SHARED / "pilots").exists(), reason="needs ../shared/data")


@lru_cache(maxsize=2)
def drive(tub: str, count: int = FRAMES) -> list[Bytes]:
    with open_source(str(SHARED / tub), size=None, fps=None, realtime=False) as source:
        frames = [frame.rgb for frame in iter(source.read, None)]
    return [frames[i] for i in np.linspace(0, len(frames) - 1, count).astype(int)]


def change(pilot: Pilot, image: Floats, values: Floats) -> float:
    """Of the steering, when what the map shows is taken away; the mean over design.md's shares."""
    blank, order = deletion.blurred(image), deletion.ranking(values)
    word = pilot.value("steering", pilot.run(image))
    shares = (deletion.deleted(image, blank, order, share) for share in deletion.SHARES)
    return float(np.mean([abs(pilot.value("steering", pilot.run(hidden)) - word) for hidden in shares]))


def changes(pilot: Pilot, frames: list[Bytes], names: list[str]) -> dict[str, float]:
    """The mean over frames for each method, and for random maps."""
    methods = Methods(pilot)
    found: dict[str, list[float]] = {name: [] for name in [*names, "random"]}
    for i, rgb in enumerate(frames):
        image = pilot.prepare(rgb)
        for name, values in found.items():
            pilot.infer(rgb)
            shape = (image.shape[0], image.shape[1])
            blind = deletion.random_map(shape, np.random.default_rng(i))
            values.append(change(pilot, image, blind if name == "random" else methods(name).values))
    return {name: float(np.mean(values)) for name, values in found.items()}


@needs_shared
@pytest.mark.parametrize(("pilot", "tub"), PAIRS)
def test_hiding_what_the_best_maps_show_changes_the_steering_most(pilot: str, tub: str) -> None:
    found = changes(Pilot.load(SHARED / "pilots" / f"{pilot}.tflite"), drive(tub), [BEST, BEST_SLOW, "edges"])
    for name in (BEST, BEST_SLOW):
        print(
            f"{pilot} {name}: {found[name] / found['edges']:.2f} × edges, {found[name] / found['random']:.2f} × random"
        )
    assert found[BEST] > 1.2 * found["edges"]
    assert found[BEST_SLOW] > 1.35 * found["edges"]
    assert min(found[BEST], found[BEST_SLOW]) > 3 * found["random"]


@pytest.mark.parametrize("track", ["unseen", "random-5"])
def test_the_best_maps_hold_for_the_bundled_pilot_on_tracks_it_has_not_seen(track: str) -> None:
    pilot = Pilot.load(BUNDLED)
    found = changes(pilot, list(lap(pilot, track)), [BEST, BEST_SLOW, "edges"])
    for name in (BEST, BEST_SLOW):
        print(
            f"{track} {name}: {found[name] / found['edges']:.2f} × edges, {found[name] / found['random']:.2f} × random"
        )
        assert found[name] > 3 * found["random"]
    assert found[BEST_SLOW] > found["edges"]


def lap(pilot: Pilot, track: str) -> Iterator[Bytes]:
    with open_source(f"track:{track}", size=(160, 120), fps=None, realtime=False) as source:
        for i in range(400):
            frame = source.read()
            assert frame is not None
            source.drive(pilot.drive(pilot.infer(frame.rgb)))
            if i % 20 == 19:
                yield frame.rgb


def with_other_head(data: bytes, seed: int) -> bytes:
    """The file with all weights of dense layers drawn again, normally with the spread they had."""
    model, changed = tflite.read(data), bytearray(data)
    random = np.random.default_rng(seed)
    start = np.frombuffer(model.data, np.uint8).__array_interface__["data"][0]
    dense = [operator for operator in model.operators if operator.name == "FULLY_CONNECTED"]
    assert dense
    for operator in dense:
        held = model.tensors[operator.inputs[1]].data
        assert held is not None
        weights = held.view("<f4")
        at = held.__array_interface__["data"][0] - start
        drawn = random.normal(0, weights.std(), weights.size).astype("<f4")
        changed[at : at + held.size] = drawn.tobytes()
    return bytes(changed)


def spearman(first: Floats, second: Floats) -> float:
    ranks = [np.argsort(np.argsort(values.ravel(), kind="stable"), kind="stable") for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    return float(centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1]))


def head_agreement(path: Path, frames: list[Bytes], names: list[str], folder: Path, seeds: int) -> dict[str, float]:
    """The mean Spearman correlation of each method's maps with those of the same pilot with other heads."""
    agreement: dict[str, list[float]] = {name: [] for name in names}
    own = maps(Pilot.load(path), frames, names)
    for seed in range(seeds):
        other = folder / f"head{seed}.tflite"
        other.write_bytes(with_other_head(path.read_bytes(), seed))
        for name, values in maps(Pilot.load(other), frames, names).items():
            agreement[name] += [spearman(*pair) for pair in zip(own[name], values, strict=True)]
    return {name: float(np.mean(values)) for name, values in agreement.items()}


def maps(pilot: Pilot, frames: list[Bytes], names: list[str]) -> dict[str, list[Floats]]:
    methods = Methods(pilot)

    def made(rgb: Bytes, name: str) -> Floats:
        pilot.infer(rgb)
        return methods(name).values.copy()

    return {name: [made(rgb, name) for rgb in frames] for name in names}


@needs_shared
@pytest.mark.parametrize(("pilot", "tub"), PAIRS)
def test_signed_maps_hang_on_the_head(pilot: str, tub: str, tmp_path: Path) -> None:
    names = [*SIGNED, "visualbackprop"]
    found = head_agreement(SHARED / "pilots" / f"{pilot}.tflite", drive(tub)[::10], names, tmp_path, seeds=5)
    print(pilot, {name: round(value, 2) for name, value in found.items()})
    assert found["visualbackprop"] == pytest.approx(1)
    for name in SIGNED:
        assert abs(found[name]) <= 0.3, name


def test_only_the_head_is_drawn_again(tmp_path: Path) -> None:
    pilots: list[Pilot] = []
    for name, data in (("own", BUNDLED.read_bytes()), ("other", with_other_head(BUNDLED.read_bytes(), 1))):
        (tmp_path / name).write_bytes(data)
        pilots.append(Pilot.load(tmp_path / name))
    rgb = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    words = [pilot.value("steering", pilot.infer(rgb)) for pilot in pilots]
    assert words[0] != words[1]
    for own, other in zip(pilots[0].activations(), pilots[1].activations(), strict=True):
        np.testing.assert_array_equal(own, other)
