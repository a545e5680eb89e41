"""`python -m host`: which commands there are, what each needs, and what is said where that is missing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from config import ConfigError
from host.__main__ import COMMANDS
from host.options import HostConfig, limits_of, pilot_files
from host.serve import all_along
from tests.processes import ROOT

WITHOUT = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)

sys.meta_path.insert(0, Block())
from host.__main__ import main
sys.exit(main({argv!r}))
"""


def host(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "host", *argv], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def without(missing: str, *argv: str) -> "subprocess.CompletedProcess[str]":
    code = WITHOUT.format(missing=missing, argv=list(argv))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_own_help(name: str) -> None:
    done = host(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m host {name} ")


def test_the_help_lists_the_commands() -> None:
    told = host("--help").stdout
    for name, command in COMMANDS.items():
        assert f"  {name} {command.arguments}" in told and command.says in told


def test_a_command_that_there_is_not_is_said_in_one_sentence() -> None:
    done = host("recrod", "start")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "host: there is no command 'recrod'; there is: keys, record, sessions, export, render.\n"


@pytest.mark.parametrize(
    ("missing", "argv", "sentence"),
    [
        (
            "cv2",
            ["render", "x"],
            "host: render needs cv2, which is not installed: pip install '.[edge,host]'\n",
        ),
        (
            "aiohttp",
            ["--http", "127.0.0.1:0"],
            "host: the pit wall needs aiohttp, which is not installed: pip install '.[host]'\n",
        ),
    ],
)
def test_what_is_not_installed_is_said_in_one_sentence(missing: str, argv: list[str], sentence: str) -> None:
    done = without(missing, *argv)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_recording_from_afar_needs_nothing_but_the_base() -> None:
    assert without("aiohttp", "record", "--help").returncode == 0
    assert without("av", "record", "--help").returncode == 0


def test_what_is_missing_of_ours_is_no_matter_of_installing() -> None:
    done = without("edge", "render", "x")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_the_limits_are_what_the_options_say() -> None:
    assert limits_of(HostConfig()).max_bytes == 0
    limits = limits_of(HostConfig(max_gb=1.5, max_days=30, keep_free_gb=0.25))
    assert (limits.max_bytes, limits.max_days, limits.floor_bytes) == (1_500_000_000, 30, 250_000_000)


def test_a_pilot_that_is_not_there_is_named(tmp_path: Path) -> None:
    there = tmp_path / "pilot.tflite"
    there.write_bytes(b"")
    assert pilot_files(HostConfig(pilot=[str(there)])) == [there]
    with pytest.raises(ConfigError, match=r"option 'pilot': there is no file .*gone\.tflite"):
        pilot_files(HostConfig(pilot=[str(there), str(tmp_path / "gone.tflite")]))


def test_a_chore_that_fails_ends_everything_loudly() -> None:
    """What is not foreseen must not go unseen."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def live() -> None:
        async with all_along([for_ever, fail]):
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(live())
    assert isinstance(failed.value.exceptions[0], ZeroDivisionError)


def test_chores_end_with_what_they_are_for() -> None:
    ended = []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def live() -> str:
        async with all_along([for_ever]):
            await asyncio.sleep(0)
        return "over"

    assert asyncio.run(live()) == "over"
    assert ended
