from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

from vision.cli import main as cli
from vision.settings.errors import DataError, SettingsError, UserError

HEAVY = {"torch", "numpy", "pydantic", "hydra", "omegaconf", "rich"}


def modules_after(*argv: str) -> tuple[int, set[str], str]:
    """Exit status, imported modules and stderr of ``vision`` with these arguments, in a process of its own."""
    script = (
        "import json, sys\nfrom vision.cli.main import main\nstatus = main(sys.argv[1:])\n"
        "print()\nprint(json.dumps([status, list(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules), done.stderr


def test_help_imports_nothing_heavy() -> None:
    status, modules, _ = modules_after("--help")
    assert status == 0
    assert not HEAVY & modules


def test_a_wrong_hyperparameter_answers_before_hydra_and_torch() -> None:
    status, modules, errors = modules_after("train", "algorithm=image_classification", "hp.epoch=3")
    assert status == 2
    assert "vision: Hyperparameter 'epoch' is unknown: did you mean epochs?\n" in errors
    assert not modules & {"torch", "numpy", "hydra", "albumentations"}


def test_settings_of_config_files_are_checked_before_torch() -> None:
    status, modules, errors = modules_after("train", "experiment=quick", "hp.num_layers=19")
    assert status == 2
    assert "Hyperparameter num_layers is 19" in errors
    assert "hydra" in modules
    assert not modules & {"torch", "numpy", "albumentations"}


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, verb in cli.VERBS.items():
        assert f"  {name} " in text
        assert verb.summary in text


def test_nothing_to_do_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "Usage: vision VERB" in capsys.readouterr().out


def test_unknown_verb_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evalute"]) == 2
    assert capsys.readouterr().err == "vision: Verb 'evalute' is unknown: did you mean evaluate?\n"


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: vision {verb} ")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UserError("mend it."), 2, "vision: mend it.\n"),
        (SettingsError(["one.", "two."]), 2, "vision: one.\nvision: two.\n"),
        (DataError("a.rec record 3", "is damaged"), 2, "vision: a.rec record 3: is damaged\n"),
        (KeyboardInterrupt(), 130, "vision: interrupted\n"),
    ],
)
def test_errors_are_sentences(
    error: BaseException,
    status: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert cli.main(["train"]) == status
    assert capsys.readouterr().err == text


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> int:
        raise AssertionError("ours")

    monkeypatch.setattr(cli, "_dispatch", fail)
    with pytest.raises(AssertionError, match="ours"):
        cli.main(["train"])


def test_a_reader_that_has_enough_is_no_error() -> None:
    script = "from vision.cli.main import main; raise SystemExit(max(main(['--help']) for _ in range(5000)))"
    command = f'{shlex.quote(sys.executable)} -c "{script}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_version(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert capsys.readouterr().out.startswith("vision 0.")


def test_help_of_a_verb_has_two_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "export"]) == cli.main(["export", "--help"]) == 0
    first, second = capsys.readouterr().out.split("Usage: ")[1:]
    assert first == second


HELP = """\
Usage: vision x model=PATH [threshold=NUMBER]

This text is so long that it does not fit into fifty columns,
and goes on.

  model      a folder
  threshold  from which score a label counts, and words
             that go on here

Example:
  vision x \\
      model=runs/first threshold=0.5 threshold=0.5 out \\
      b
"""


def test_help_fits_the_terminal() -> None:
    assert cli.wrapped(HELP, 100) == HELP
    assert (
        cli.wrapped(HELP, 50)
        == """\
Usage: vision x model=PATH [threshold=NUMBER]

This text is so long that it does not fit into
fifty columns, and goes on.

  model      a folder
  threshold  from which score a label counts, and
             words that go on here

Example:
  vision x \\
      model=runs/first threshold=0.5 threshold=0.5 out \\
      b
"""
    )


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_no_help_is_wider_than_the_terminal(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["help", verb]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 and " " in line.strip() and not line.endswith("\\")] == []
