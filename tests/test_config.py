"""Flags over TOML over defaults, and one clear sentence for everything wrong."""

import argparse
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from config import ConfigError, parse


class Tyres(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pressure: Annotated[float, Meta(ge=1, le=3, description="bar")] = 2.0
    wear: Annotated[float, Meta(ge=0, le=1)] | None = None


class Car(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, description="what it is called")] = "red"
    top_speed: Annotated[int, Meta(ge=1, le=99, description="km/h")] | None = None
    colour: Literal["red", "blue"] = "red"
    lights: bool = True
    driver: list[str] = []
    tyres: Tyres = Tyres()


def read(*argv: str) -> Car:
    return parse(Car, argparse.ArgumentParser(prog="car", allow_abbrev=False), argv)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "car.toml"
    path.write_text('name = "blue"\ntop_speed = 30\ndriver = ["ada"]\n[tyres]\npressure = 1.5\n')
    return path


def test_flags_win_over_the_file_and_the_file_over_defaults(file: Path) -> None:
    assert read() == Car()
    assert read("--config", str(file)) == Car(name="blue", top_speed=30, driver=["ada"], tyres=Tyres(1.5))
    assert read("--config", str(file), "--top-speed", "40", "--no-lights", "--tyres.pressure", "2.5") == Car(
        name="blue", top_speed=40, lights=False, driver=["ada"], tyres=Tyres(2.5)
    )
    assert read("--driver", "ada", "--driver", "bob").driver == ["ada", "bob"]


def test_a_number_may_begin_with_its_point_and_a_name_too() -> None:
    assert read("--tyres.wear", ".25", "--name", ".5") == Car(name=".5", tyres=Tyres(wear=0.25))


def test_what_is_printed_is_read_back(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as done:
        read("--config", str(file), "--colour", "blue", "--print-config")
    assert done.value.code == 0
    printed = tmp_path / "printed.toml"
    printed.write_text(capsys.readouterr().out)
    assert read("--config", str(printed)) == read("--config", str(file), "--colour", "blue")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--top-speed", "100"], "option 'top-speed': expected int <= 99, not '100'."),
        (["--top-speed", "fast"], "option 'top-speed': expected int, not 'fast'."),
        (["--colour", "green"], "option 'colour': expected one of red, blue, not 'green'."),
        (["--tyres.pressure", "9"], "option 'tyres.pressure': expected float <= 3.0, not '9'."),
        (["--name", ""], "option 'name': expected str of length >= 1, not ''."),
        (["--config", "missing.toml"], "cannot read missing.toml: No such file or directory."),
    ],
)
def test_a_wrong_option_is_named_with_its_range(argv: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*argv)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"name = ", "is not valid TOML"),
        (b"\xff\xfe", "cannot read"),
        (b"wings = 2", "there is no option 'wings'."),
        (b"tyres = 5", "option 'tyres': expected object, not 5."),
        (b"name = 5", "option 'name': expected str, not 5."),
    ],
)
def test_a_wrong_file_is_said_in_one_sentence(tmp_path: Path, text: bytes, part: str) -> None:
    path = tmp_path / "car.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read("--config", str(path))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    text = capsys.readouterr().out
    for flag in ("--name", "--top-speed", "--colour", "--lights", "--driver", "--tyres.pressure", "what it is called"):
        assert flag in text
