"""Each side runs without the other side's dependencies, and neither needs TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEVER = ["tensorflow", "keras", "tflite_runtime"]
EDGE_ONLY = ["ai_edge_litert", "simplejpeg", "cv2", "numpy"]
HOST_ONLY = ["aiohttp", "av"]
MAY_IMPORT = {"edge": {"edge"}, "host": {"host"}, "models": {"edge", "models"}}
FILMS = ROOT / "host" / "render"
"""The one part of the host that works as the car does."""
OURS = {"edge", "host", "models", "tests"}

BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}")

sys.meta_path.insert(0, Block())
import importlib
for name in {modules!r}:
    importlib.import_module(name)
"""


def modules(package: str) -> list[str]:
    paths = sorted(path for path in (ROOT / package).rglob("*.py") if FILMS not in path.parents)
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if not name.endswith("__main__")] + [f"{package}.__main__"]


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("edge", [*HOST_ONLY, *NEVER, "host", "models", "picamera2", "libcamera"]),
        ("host", [*EDGE_ONLY, *NEVER, "edge", "models"]),
        ("models", [*HOST_ONLY, *NEVER, "host"]),
    ],
)
def test_a_side_imports_without_what_belongs_to_the_other(package: str, blocked: list[str]) -> None:
    code = BLOCKED.format(blocked=blocked, modules=modules(package))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_go_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            packages = {name.partition(".")[0] for name in names} & OURS
            allowed = MAY_IMPORT[package] | ({"edge"} if FILMS in path.parents else set())
            assert packages <= allowed, f"{path.relative_to(ROOT)} imports {packages}"
