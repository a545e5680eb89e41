"""A real Chromium for tests: Debian's, or the one the environment variable CHROMIUM names."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

PATIENCE_MS = 20_000
"""How long a page may take for what is expected of it: long, for it counts only where a test fails."""


def executable() -> str | None:
    """Where a Chromium is; None where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser for the length of a with block; skips the test, saying why, where none can be started."""
    path = executable()
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or name one in the environment variable CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error as why:
            pytest.skip(f"{path} does not start: {why.message.splitlines()[0]}")
        with contextlib.closing(browser):
            yield browser
