"""The wheel is built, installed apart from the checkout, and used from there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Packages that a declared one is built on and speaks in.
PART_OF = {
    "omegaconf": "hydra-core",
    "pydantic-core": "pydantic",
    "annotated-types": "pydantic",
    "botocore": "boto3",
}
# A notebook's kernel has imported IPython; oracles run in environments of their own, with an SDK or trackers.
WHERE_IT_RUNS = {"IPython", "sagemaker", "supervision", "trackeval", "trackers"}
# What others of this vendor's packages are imported as, too; and what is imported by another name than it is installed.
KNOWN_AS = {"nvidia": ["nvidia-dali-cuda130"], "faiss": ["faiss-cpu"]}
# Files that lie beside the benchmark that imports them.
BESIDE_THE_SCRIPT = {path.stem for path in (ROOT / "scripts" / "benchmarks").rglob("*.py")}


@dataclass(frozen=True)
class Installed:
    """The wheel's files by name, and the folder that it was installed into."""

    names: frozenset[str]
    folder: Path
    elsewhere: Path

    def run(self, *command: str) -> str:
        """Output of a command in an empty folder that finds the installed package first."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(command, cwd=self.elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def vision(self, *words: str) -> str:
        return self.run(str(self.folder / "bin" / "vision"), *words)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    base = tmp_path_factory.mktemp("wheel")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "build", "--quiet", "--wheel", "--out-dir", base / "dist", ROOT], check=True)
    (wheel,) = (base / "dist").glob("*.whl")
    target = ["--python", sys.executable, "--target", str(base / "site")]
    subprocess.run([*uv, "pip", "install", "--quiet", "--no-deps", *target, wheel], check=True)
    (base / "elsewhere").mkdir()
    return Installed(frozenset(zipfile.ZipFile(wheel).namelist()), base / "site", base / "elsewhere")


def test_the_wheel_holds_the_package_its_config_files_and_nothing_else(installed: Installed) -> None:
    package = [path for path in (ROOT / "vision").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in package}
    expected |= {f"vision/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert {
        "vision/py.typed",
        "vision/reports/page.css",
        "vision/serving/page.html",
        "vision/configs/train.yaml",
    } <= expected
    assert {name for name in installed.names if ".dist-info/" not in name} == expected


def test_the_installed_package_is_the_one_that_runs(installed: Installed) -> None:
    assert installed.run(sys.executable, "-c", "import vision; print(vision.__file__)").startswith(
        str(installed.folder)
    )
    assert installed.vision("--version") == f"vision {PROJECT['version']}\n"
    assert "Usage: vision VERB" in installed.vision("--help")


def test_config_files_compose_outside_the_checkout(installed: Installed) -> None:
    composed = installed.vision("train", "experiment=quick", "hp.num_classes=7", "--cfg", "job")
    assert re.search(r"^algorithm: image_classification$", composed, re.MULTILINE)
    assert re.search(r"^  num_layers: 20$", composed, re.MULTILINE)
    assert re.search(r"^  num_classes: 7$", composed, re.MULTILINE)


def test_everything_imported_is_declared() -> None:
    extras = [name for group in PROJECT["optional-dependencies"].values() for name in group]
    declared = {re.split(r"[\[<>=!~ ]", text)[0].lower() for text in [*PROJECT["dependencies"], *extras]}
    known = {**packages_distributions(), **KNOWN_AS}
    undeclared = {}
    for path in (path for folder in ("vision", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")):
        for name in (
            _imported(path) - set(sys.stdlib_module_names) - {"vision", "tests", *WHERE_IT_RUNS, *BESIDE_THE_SCRIPT}
        ):
            candidates = {item.lower().replace("_", "-") for item in known.get(name, [name])}
            if not {PART_OF.get(item, item) for item in candidates} & declared:
                undeclared[name] = path.relative_to(ROOT)
    assert not undeclared


def _imported(path: Path) -> set[str]:
    """Top-level names of the packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
