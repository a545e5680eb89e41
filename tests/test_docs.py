"""What README, docs and --help say is what there is."""

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

import wire
from edge.__main__ import EdgeConfig
from host.__main__ import COMMANDS as HOST_COMMANDS
from host.__main__ import HostConfig
from models.__main__ import COMMANDS as MODEL_COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
MAKEMOVIE = {f"--{name}" for name in ("tub", "out", "config", "model", "type", "salient", "start", "end", "scale")}
MAKEMOVIE |= {"--draw-user-input"}
"""The options of Donkeycar 5.3's `donkey makemovie`."""
DASK = {"--nworkers", "--nthreads"}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def flags(config: type[msgspec.Struct]) -> set[str]:
    return {f"--{field.encode_name.replace('_', '-')}" for field in msgspec.structs.fields(config)}


@lru_cache(maxsize=1)
def command_flags() -> set[str]:
    """The options of all commands, as their help tells them."""
    told = [help_of("models", command) for command in MODEL_COMMANDS]
    told += [help_of("host", command) for command in HOST_COMMANDS]
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", " ".join(told)))


def help_of(*command: str) -> str:
    """What `--help` says, that of the command's own commands included."""
    call = [sys.executable, "-m", *command, "--help"]
    told = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    inner = re.search(r"^usage: .*?\{([a-z,]+)\} \.\.\.", told.stdout, re.DOTALL)
    return told.stdout + "".join(help_of(*command, name) for name in (inner[1].split(",") if inner else []))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"^ {4}make ([a-z]+)|`make ([a-z]+)`", page.read_text(), re.MULTILINE))
    assert {first or second for first, second in named} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_are_named_exist(page: Path) -> None:
    """Every `--option` in the text is one of the programs', or of the tools named beside it."""
    known = flags(EdgeConfig) | flags(HostConfig) | {"--help", "--config", "--print-config", "--system-site-packages"}
    known |= {"--port"} | MAKEMOVIE | DASK | command_flags() | {flag.replace("--", "--no-", 1) for flag in known}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text())) <= known


@pytest.mark.parametrize(("program", "config"), [("edge", EdgeConfig), ("host", HostConfig)])
def test_help_tells_every_option(program: str, config: type[msgspec.Struct]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for flag in flags(config) - {"--look"}:
        assert re.search(rf"{flag}\b", done.stdout), flag


def test_the_page_on_films_tells_every_option_and_what_makemovie_s_are_called() -> None:
    page = (ROOT / "docs" / "render.md").read_text()
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", help_of("host", "render"))) - {"--help"}:
        assert re.search(rf"{flag}\b", page), flag
    for flag in MAKEMOVIE:
        assert re.search(rf"^\| `{flag}", page, re.MULTILINE), flag


def test_make_alone_lists_the_targets() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in TARGETS - {"system"}:
        assert f"make {target}" in told


def test_the_wire_page_tells_every_field_and_limit() -> None:
    page = (ROOT / "docs" / "wire.md").read_text()
    for message in (wire.Frame, wire.Status, wire.Ping, wire.Credit, wire.Settings, wire.Look):
        for field in msgspec.structs.fields(message):
            assert f"`{field.name}`" in page, f"{message.__name__}.{field.name}"
    for colormap in wire.COLORMAPS:
        assert f"`{colormap}`" in page


def test_the_deployment_page_s_configuration_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    example = re.search(r"( {4}source = .*?)\n\n[^ ]", page, re.DOTALL)
    assert example
    file = tmp_path / "pilotlens.toml"
    file.write_text(re.sub(r"^ {4}", "", example[1], flags=re.MULTILINE))
    command = [sys.executable, "-m", "edge", "--config", str(file), "--print-config"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 'source = "picamera2"' in told
    assert 'colormap = "viridis"' in told


def test_the_command_line_of_inspect_is_shown_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text()
    command = [sys.executable, "-m", "models", "inspect", "models/pilot.tflite"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = re.search(r"\$ python -m models inspect models/pilot.tflite\n((?: {4}.*\n|\n)*)", readme)
    assert shown
    lines = [line.strip() for line in shown[1].splitlines() if line.strip() and line.strip() != "…"]
    assert lines
    assert set(lines) <= {line.strip() for line in told.splitlines()}
