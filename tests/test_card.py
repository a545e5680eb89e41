"""A pilot's card: read, written, merged with flags; and the command that writes one."""

import argparse
import contextlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import card as cards
from edge.card import Card, CardError, CardFlags, ImageCard, OutputCard, beside, in_words, merge, of, read, write
from edge.pilot import Pilot
from models.card import main
from tests.make_tflite import Network, tutorial
from tests.test_tub import record, write_v2

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
PILOTS = SHARED / "data" / "pilots"
needs_pilots = pytest.mark.skipif(not PILOTS.exists(), reason="needs ../shared/data/pilots")

WHOLE = Card(
    pilot="0123456789abcdef" * 4,
    image=ImageCard(
        crop=(0.375, 0, 0.1, 0),
        size=(120, 160),
        black=(0, 0.5, 0, 0),
        trapeze=(0.2, 0.8, 0, 1, 0.5, 1),
        colour="bgr",
        range=(-1, 1),
        frames=3,
        order="newest-first",
        stride=2,
    ),
    outputs=OutputCard(steering="angle[0]", throttle="none", angles=(-0.5, 0.5), full_throttle=0.5),
    inputs={"imu_in": "imu", 'odd "name" é=': [1.0, -0.5], "mem": "memory"},
)

part = st.floats(0, 0.45)
levels = st.lists(st.floats(-1000, 1000), min_size=2, max_size=2, unique=True).map(sorted).map(tuple)
names = st.text(min_size=1, max_size=20)
written = st.builds(
    Card,
    image=st.builds(
        ImageCard,
        crop=st.tuples(part, part, part, part),
        colour=st.sampled_from([None, "rgb", "bgr", "grey"]),
        range=st.none() | levels,
        stride=st.integers(1, 64),
    ),
    outputs=st.builds(OutputCard, steering=st.none() | names, full_throttle=st.floats(0.01, 10)),
    inputs=st.dictionaries(
        names, st.sampled_from(["memory", "imu", "behaviour"]) | st.lists(st.floats(-1e6, 1e6), max_size=5), max_size=4
    ),
)


def card_of(folder: Path, text: str) -> Card:
    (folder / "pilot.toml").write_text(text, encoding="utf-8")
    return read(folder / "pilot.toml")


# --- files


@settings(deadline=None)
@given(written)
def test_what_is_written_is_read(card: Card) -> None:
    assert cards.checked(tomllib.loads(write(card, "two\nlines"))) == card


def test_a_whole_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = write(WHOLE, "made by hand")
    assert text.startswith("# made by hand\n")
    assert "range = [-1, 1]\n" in text
    assert card_of(tmp_path, text) == WHOLE


def test_an_empty_card_says_nothing(tmp_path: Path) -> None:
    assert card_of(tmp_path, "") == Card()
    assert write(Card()).strip() == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 'bgr'", "a card has no key 'colour'; it has pilot, image, outputs, inputs."),
        ("[image]\ncolor = 'bgr'", r"table \[image\] has no key 'color'; it has crop, size, .*colour, range"),
        ("[outputs]\nangle = 'a'", r"table \[outputs\] has no key 'angle'; it has steering, throttle"),
        ("[image]\ncolour = 'red'", "option 'image.colour': expected one of rgb, bgr, grey, not 'red'"),
        ("[image]\nrange = [1]", "option 'image.range': expected array of length 2"),
        ("[image]\nrange = [1, 0]", "range gives black more than white"),
        ("[image]\nrange = [0, nan]", r"option 'image.range\[1\]'"),
        ("[image]\nrange = 'wide'", "option 'image.range'"),
        ("[image]\ncrop = [0.5, 0.5, 0, 0]", "crop leaves nothing of the image"),
        ("[image]\nblack = [0, 0, 1, 0]", "black leaves nothing of the image"),
        ("[image]\ncrop = [45, 0, 0, 0]", r"option 'image.crop\[0\]': expected float <= 1.0"),
        ("[image]\ntrapeze = [0, 1, 0.6, 0.4, 0, 1]", "trapeze has an edge that ends before it begins"),
        ("[image]\nframes = 0", "option 'image.frames': expected int >= 1"),
        ("[image]\nframes = 1000000000", "option 'image.frames': expected int <= 64"),
        ("[image]\nsize = [1, 1]", r"option 'image.size\[0\]': expected int >= 8"),
        ("image = 3", "option 'image': expected object"),
        ("inputs = 3", r"table \[inputs\]: expected at most 16 names"),
        ("[inputs]\na = 'gps'", "input 'a': expected one of memory, imu, behaviour or a list of numbers, not 'gps'"),
        ("[inputs]\na = [1, 'b']", "input 'a': expected one of"),
        ("[inputs]\n" + "\n".join(f"i{n} = 'imu'" for n in range(17)), r"table \[inputs\]: expected at most 16 names"),
        ("pilot = 'mine'", "option 'pilot'"),
        ("[outputs]\nfull_throttle = 0", "option 'outputs.full-throttle': expected float > 0"),
        ("[image", "is not valid TOML"),
        ("#" * 70_000, "is larger than 64 kB"),
        ("a = " + "[" * 5000, "is not valid TOML"),
    ],
)
def test_a_card_that_cannot_be_is_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CardError, match=words) as refusal:
        card_of(tmp_path, text)
    assert str(refusal.value).startswith(f"card {tmp_path / 'pilot.toml'}")
    assert "\n" not in str(refusal.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pilot.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CardError, match="is not valid TOML"):
        read(tmp_path / "pilot.toml")
    with pytest.raises(CardError, match="cannot be read"):
        read(tmp_path)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_card_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(CardError):
        assert isinstance(read(folder / "any.toml"), Card)


# --- flags


FLAGS = CardFlags(
    colour="grey",
    range="0,255",
    crop="0.5,0,0,0",
    size="96,128",
    black="0,0.25,0,0",
    trapeze="0.1,0.9,0,1,0.4,1",
    frames=2,
    order="oldest-first",
    stride=3,
    steering="a",
    throttle="b[1]",
    angles="-0.7,0.7",
    full_throttle=0.6,
    inputs=["imu_in=memory", "new=1,0", "odd=name=-2"],
)


def test_flags_count_before_the_card() -> None:
    merged = merge(WHOLE, FLAGS)
    assert merged == Card(
        pilot=WHOLE.pilot,
        image=ImageCard(
            crop=(0.5, 0, 0, 0),
            size=(96, 128),
            black=(0, 0.25, 0, 0),
            trapeze=(0.1, 0.9, 0, 1, 0.4, 1),
            colour="grey",
            range=(0, 255),
            frames=2,
            order="oldest-first",
            stride=3,
        ),
        outputs=OutputCard(steering="a", throttle="b[1]", angles=(-0.7, 0.7), full_throttle=0.6),
        inputs={**WHOLE.inputs, "imu_in": "memory", "new": [1.0, 0.0], "odd=name": [-2.0]},
    )


def test_flags_that_are_not_given_leave_the_card_alone() -> None:
    assert merge(WHOLE, CardFlags()) == WHOLE
    assert merge(Card(), CardFlags(colour="bgr")) == Card(image=ImageCard(colour="bgr"))


def test_every_flag_is_there_for_something_a_card_says() -> None:
    fields = {*ImageCard.__struct_fields__, *OutputCard.__struct_fields__, "inputs"}
    assert set(CardFlags.__struct_fields__) == fields


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"range": "0"}, "the card's flags: option 'image.range'"),
        ({"range": "a,b"}, "the card's flags: option 'image.range"),
        ({"crop": "0.5,0.6,0,0"}, "the card's flags: option 'image': crop leaves nothing"),
        ({"inputs": ["imu_in"]}, "expected NAME=KIND, such as imu_in=imu, not 'imu_in'"),
        ({"inputs": ["imu_in=gps"]}, "the card's flags: input 'imu_in': expected one of memory, imu"),
    ],
)
def test_flags_that_cannot_be_are_refused_in_a_sentence(flags: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=words):
        merge(Card(), CardFlags(**flags))


def test_flags_are_options_of_a_command() -> None:
    parser = argparse.ArgumentParser()
    cards.add_flags(parser)
    argv = ["--colour", "bgr", "--range=-1,1", "--full-throttle", "0.5", "--inputs", "a=imu", "--inputs", "b=1"]
    given = {name: value for name, value in vars(parser.parse_args(argv)).items() if value}
    flags = msgspec.convert(given, CardFlags, strict=False)
    assert flags == CardFlags(colour="bgr", range="-1,1", full_throttle=0.5, inputs=["a=imu", "b=1"])
    assert {action.dest for action in parser._actions} == {"help", *CardFlags.__struct_fields__}


def test_in_words() -> None:
    assert in_words(ImageCard(colour="rgb", range=(0, 1), frames=1)) == "rgb, 0..1"
    assert in_words(WHOLE.image) == (
        "bgr, -1..1, 3 frames, newest-first, every 2. frame, crop 0.375 top, crop 0.1 left, black 0.5 bottom, "
        "black outside the trapeze 0.2, 0.8, 0, 1, 0.5, 1"
    )


# --- beside a pilot


def pilot_file(folder: Path, net: Network | None = None) -> Path:
    path = folder / "pilot.tflite"
    path.write_bytes((net or tutorial(64, 80)).bytes())
    return path


def test_the_card_beside_a_pilot_counts(tmp_path: Path) -> None:
    path = pilot_file(tmp_path)
    assert Pilot.load(path).card.image.range == (0, 1)
    beside(path).write_text(write(Card(pilot=cards.sha256(path), image=ImageCard(range=(0, 255)))))
    assert Pilot.load(path).card.image.range == (0, 255)
    assert Pilot.load(path, card=Card()).card.image.range == (0, 1)
    assert of(path, CardFlags(colour="bgr")).image == ImageCard(range=(0, 255), colour="bgr")


def test_a_card_made_for_another_pilot_is_refused(tmp_path: Path) -> None:
    path = pilot_file(tmp_path)
    beside(path).write_text(write(Card(pilot="0" * 64)))
    with pytest.raises(CardError, match=r"made for another pilot than .*make it again with `python -m models card .*`"):
        Pilot.load(path)


def test_a_pilot_gives_its_card_with_nothing_left_open(tmp_path: Path) -> None:
    path = pilot_file(tmp_path)
    card = Pilot.load(path).card
    assert card.image == ImageCard(colour="rgb", range=(0, 1), frames=1)
    assert (card.outputs.steering, card.outputs.throttle) == ("n_outputs0[0]", "n_outputs1[0]")
    assert Pilot.load(path, card=card).card == card


# --- the command


def steering_by_red(colour: str, white: float) -> Network:
    """Steers by how much more red than blue it sees on the left: -1 to 1 if fed this order of colours, 0 to white.

    Its first layer hands the image on, so that the file does not tell the range.
    """
    net = Network(12, 16)
    net.conv(3, (1, 1), weights=np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3))
    weights = np.zeros((1, 12, 16, 3), np.float32)
    weights[0, :, :8] = np.array([1, 0, -1] if colour == "rgb" else [-1, 0, 1]) / (12 * 8 * white)
    net.conv(1, (12, 16), weights=weights)
    for bias in (it for it in net.tensors if it.name.endswith("BiasAdd")):
        net.buffers[bias.buffer].data = np.zeros_like(net.buffers[bias.buffer].data)
    return net


@pytest.fixture(scope="module")
def tub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are red where the driver went right, and blue where left."""
    random = np.random.default_rng(0)
    angles = random.uniform(-1, 1, 60)
    records = [record(index, **{"user/angle": float(angle)}) for index, angle in enumerate(angles)]
    folder = write_v2(tmp_path_factory.mktemp("red") / "tub", {"c": records})
    for index, angle in enumerate(angles):
        rgb = random.integers(0, 20, (12, 16, 3))
        rgb[..., 0 if angle > 0 else 2] += round(abs(angle) * 235)
        picture = simplejpeg.encode_jpeg(rgb.astype(np.uint8), 95, "RGB", "444")
        (folder / "images" / f"{index}_cam_image_array_.jpg").write_bytes(picture)
    return folder


@pytest.mark.parametrize(("colour", "white"), [("rgb", 1), ("bgr", 1), ("rgb", 255), ("bgr", 255)])
def test_the_command_writes_what_agrees_with_the_driver(
    tmp_path: Path, tub: Path, capsys: pytest.CaptureFixture[str], colour: str, white: int
) -> None:
    path = pilot_file(tmp_path, steering_by_red(colour, white))
    assert main([str(path), "--tub", str(tub)]) == 0
    card, shown = read(beside(path)), capsys.readouterr().out
    assert card.pilot == cards.sha256(path)
    assert (card.image.colour, card.image.range) == (colour, (0, white))
    assert not any(card.image.crop + card.image.black)
    chosen = [line for line in shown.splitlines() if line.endswith("← chosen")]
    assert [line.split("  ")[0] for line in chosen] == [f"{colour}, 0..{white}"]
    assert float(chosen[0].split()[-3]) > 0.95
    assert "# On tub it agrees with the driver by 1.00 of 1.\n" in beside(path).read_text()


def test_what_a_flag_says_is_not_measured(tmp_path: Path, tub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pilot_file(tmp_path, steering_by_red("bgr", 255))
    assert main([str(path), "--tub", str(tub), "--colour", "rgb", "--crop", "0.1,0,0,0"]) == 0
    assert read(beside(path)).image == ImageCard(colour="rgb", range=(0, 1), frames=1, crop=(0.1, 0, 0, 0))
    assert "bgr" not in capsys.readouterr().out


def test_a_card_that_is_there_is_replaced_by_force_alone_and_what_it_says_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pilot_file(tmp_path)
    assert main([str(path), "--colour", "bgr"]) == 0
    before = beside(path).read_bytes()
    assert main([str(path), "--range", "0,255"]) == 2
    assert "is there already; --force replaces it" in capsys.readouterr().err
    assert beside(path).read_bytes() == before
    path.write_bytes(tutorial(64, 96).bytes())
    assert main([str(path), "--range", "0,255", "--force"]) == 0
    assert Pilot.load(path).card.image == ImageCard(colour="bgr", range=(0, 255), frames=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "none"], "option 'frames': expected int, not 'none'"),
        (["--colour", "red"], "option 'colour': expected one of rgb, bgr, grey, not 'red'"),
        (["--range", "1"], "option 'image.range'"),
        (["--steering", "nothing"], "has no output 'nothing', which its card speaks of; it has n_outputs0"),
        (["--inputs", "mem=memory"], "has no input 'mem', which its card speaks of"),
        (["--tub", "/nowhere"], "/nowhere"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    path = pilot_file(tmp_path)
    assert main([str(path), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not beside(path).exists()


def test_a_tub_without_steering_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tub = write_v2(tmp_path / "tub", {"c": [record(1, **{"user/angle": 0.5}), record(2, **{"user/angle": 0.5})]})
    assert main([str(pilot_file(tmp_path)), "--tub", str(tub)]) == 2
    assert "holds no steering to measure on" in capsys.readouterr().err


@needs_pilots
def test_a_pilot_that_does_not_know_the_track_well_is_no_reason_to_feed_it_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "pilot.tflite"
    path.write_bytes((PILOTS / "warehouse" / "memory.tflite").read_bytes())
    assert main([str(path), "--tub", str(SHARED / "data" / "tub-warehouse")]) == 0
    assert read(beside(path)).image == ImageCard(colour="rgb", range=(0, 1), frames=1)
    assert read(beside(path)).inputs == {"mem_in": "memory"}


# --- python -m models


def models(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)


def test_models_lists_its_commands() -> None:
    for arguments in ([], ["--help"]):
        done = models(*arguments)
        assert done.returncode == 0
        for name in ("inspect", "card", "convert", "report", "train", "study"):
            assert f"\n  {name} " in done.stdout
    done = models("drive")
    assert done.returncode == 2
    assert "there is no command 'drive'" in done.stderr


def test_models_runs_a_command(tmp_path: Path) -> None:
    done = models("card", str(pilot_file(tmp_path)), "--colour", "bgr")
    assert (done.returncode, done.stderr.replace("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", "")) == (
        0,
        "",
    )
    assert read(beside(tmp_path / "pilot.tflite")).image.colour == "bgr"
    assert models("card", str(tmp_path / "missing.tflite")).returncode == 2
