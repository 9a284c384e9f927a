"""What the scripts do before they install anything."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The folder's name may hold blanks.
SCRIPTS = shlex.quote(str(ROOT / "scripts"))


def bash(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def stub(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ({"python3": "exit 0"}, "python3"),
        # An old default, and a stub that knows no such version.
        ({"python3": "exit 1", "python3.13": "exit 127", "python3.12": "exit 0", "python3.11": "exit 0"}, "python3.12"),
        ({"python": "exit 0"}, "python"),
    ],
)
def test_a_python_that_is_new_enough_is_found(commands: dict[str, str], found: str, tmp_path: Path) -> None:
    for name, text in commands.items():
        stub(tmp_path / "bin", name, text)
    done = bash(f"source {SCRIPTS}/environment.sh; PATH={tmp_path}/bin; find_python")
    assert done.stdout == f"{found}\n", done.stderr


def test_without_such_a_python_one_sentence_says_so(tmp_path: Path) -> None:
    stub(tmp_path / "bin", "python3", 'if [[ $1 == --version ]]; then echo "Python 3.9.2"; else exit 1; fi')
    done = bash(f"source {SCRIPTS}/environment.sh; PATH={tmp_path}/bin; find_python")
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or later is needed, but python3 is Python 3.9.2: install Python 3.11")


def test_an_environment_that_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    install = f"source {SCRIPTS}/environment.sh; install_vision quickstart"
    venv = tmp_path / "venv"
    venv.mkdir()
    wanted = bash(f'source {SCRIPTS}/environment.sh; echo "$root $(cksum <"$root/pyproject.toml")"').stdout
    (venv / ".vision-dev").write_text(wanted)
    done = bash(install, VISION_VENV=str(venv))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in venv.iterdir()] == [".vision-dev"]


def test_another_python_is_skipped_in_a_sentence_where_it_cannot_be_had(tmp_path: Path) -> None:
    stub(tmp_path / "venv" / "bin", "python", "exit 1")
    command = f"source {SCRIPTS}/environment.sh; source {SCRIPTS}/python_environment.sh; run_fast_tests 3.99"
    done = bash(command, VISION_VENV=str(tmp_path / "venv"), PYENV_ROOT=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "== skipped: none of Python 3.99 is on this machine or can be downloaded by uv\n"


def test_pyenvs_python_is_found(tmp_path: Path) -> None:
    stub(tmp_path / "venv" / "bin", "python", "exit 1")
    stub(tmp_path / "versions" / "3.99.1" / "bin", "python", "exit 0")
    command = f"source {SCRIPTS}/environment.sh; source {SCRIPTS}/python_environment.sh; find_version 3.99"
    done = bash(command, VISION_VENV=str(tmp_path / "venv"), PYENV_ROOT=str(tmp_path))
    assert done.stdout == f"{tmp_path}/versions/3.99.1/bin/python\n"


def test_the_quickstart_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    done = bash(f"{SCRIPTS}/quickstart.sh regression", VISION_VENV=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "was given 'regression'" in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_gpu_report_tells_what_its_parts_found(tmp_path: Path) -> None:
    """On the CPU and with one part, the shortest there is."""
    words = f"output={tmp_path} size=tiny only=tests"
    done = bash(f"{SCRIPTS}/gpu_report.sh 1 {words}", VISION_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parts"]["tests"]["ended"] == "done", done.stdout
    assert report["parts"]["tests"]["found"]["passed"] > 0
    assert "| tests | done |" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"), [("3", "give 1, then 2"), ("1 outptu=x", "is no setting of gpu_report")]
)
def test_the_gpu_report_refuses_what_it_does_not_know(words: str, sentence: str, tmp_path: Path) -> None:
    done = bash(f"{SCRIPTS}/gpu_report.sh {words} output={tmp_path}", VISION_PYTHON=sys.executable)
    assert done.returncode != 0
    assert sentence in done.stderr
