"""What the project's files say of each other: versions that fit, and the same checks everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# They need versions of their own, and dev needs none: it holds tools.
WITHOUT_CONSTRAINTS = {"hydra-sweep", "mxnet", "dev"}
# Extras that only name other extras.
OWN = "vision["
CONSTRAINED = [
    *PROJECT["dependencies"],
    *(text for name in EXTRAS.keys() - WITHOUT_CONSTRAINTS for text in EXTRAS[name] if not text.startswith(OWN)),
]
LINES = (ROOT / "docker" / "constraints.txt").read_text().splitlines()
PINNED = dict(line.split("==") for line in LINES if line and not line.startswith("#"))


@pytest.mark.parametrize("text", sorted(CONSTRAINED))
def test_the_constraints_pin_each_dependency_to_a_version_that_it_allows(text: str) -> None:
    requirement = Requirement(text)
    assert requirement.specifier.contains(PINNED[requirement.name])


@pytest.mark.parametrize("path", ["README.md", ".github/SPEED.md"])
def test_speeds_name_the_versions_of_the_constraints(path: str) -> None:
    text = (ROOT / path).read_text()
    for name in ("torch", "torchvision"):
        assert f"{name} {PINNED[name]}" in text


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\d\S+)", (ROOT / ".github" / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["version"]
    assert versions == sorted(versions, key=Version, reverse=True)


def test_a_commit_is_checked_as_the_test_script_checks() -> None:
    script = (ROOT / "scripts" / "test.sh").read_text()
    checks = re.findall(r"^check (.+)$", script, re.MULTILINE)
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"] for hook in repository["hooks"]]
    assert [check.replace("same_tests_twice", "scripts/test.sh names") for check in checks] == hooks


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:vision|tests|configs|scripts)/[\w./<>-]+)`", text))
    assert len(paths) > 20
    # What is written for every algorithm or format exists for one at least.
    missing = [path for path in sorted(paths) if not list(ROOT.glob(re.sub(r"<\w+>", "*", path)))]
    assert not missing
