"""What users type for ``vision train``, turned into Hydra's overrides: names checked, values quoted as they need."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from vision import algorithms
from vision.cli.assignments import is_value, meant_by_option, put
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.form import Form
from vision.settings.nearest import did_you_mean, nearest, shown
from vision.settings.run import RunSettings

SECTIONS = ("hp", "channels", "run")
_FLAGS = ("--multirun", "-m", "--cfg", "-c", "--resolve", "--info", "-i", "--config-dir", "-cd", "--package", "-p")
FLAGS_WITH_VALUE = frozenset({"--cfg", "-c", "--info", "-i", "--config-dir", "-cd", "--package", "-p"})
_MULTIRUN = frozenset({"-m", "--multirun"})
_PRINTING = frozenset({"--cfg", "-c", "--info", "-i"})
# Texts that arrive unchanged through Hydra's grammar, which would read 1_000 as a number.
_PLAIN = re.compile(r"(?!.*[0-9]_[0-9])[A-Za-z0-9_./:@%+-]+")
_HYDRA_VALUE = re.compile(r"""['"\[{]|(?i:null)$|.*\$\{""", re.DOTALL)
_HYDRA_PATH = re.compile(r"""(['"]).*\1$|.*\$\{""", re.DOTALL)
_FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool)\(")


class Settings(TypedDict):
    """The composed settings of a job, not yet parsed: texts, or values of YAML."""

    algorithm: str | None
    hp: dict[str, object]
    channels: dict[str, object]
    run: dict[str, object]


@dataclass(frozen=True)
class Overrides:
    """A checked command line: Hydra's own ``flags``, ``values`` in Hydra's grammar, and ``problems`` with the rest."""

    flags: tuple[str, ...]
    values: tuple[str, ...]
    multirun: bool
    problems: tuple[str, ...]


def read_overrides(argv: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Overrides:
    """Check names and quote values. ``groups`` are the config groups and their options."""
    problems: list[str] = []
    flags, assignments = _split_flags(argv, groups, problems)
    multirun = bool(_MULTIRUN.intersection(flags))
    if multirun and _PRINTING.intersection(flags):
        problems.append("Option -m runs and --cfg and --info print instead: leave one of them out.")
    forms = _forms(assignments)
    values = []
    for text in assignments:
        try:
            values.append(_override(_with_keys(text, assignments), groups, forms, multirun))
        except SettingsError as error:
            problems += error.problems
    return Overrides(tuple(flags), tuple(values), multirun, tuple(problems))


def plain_settings(argv: Sequence[str]) -> Settings | None:
    """Return all settings as plain texts if the command line alone states them; None if Hydra must compose them."""
    algorithm: str | None = None
    found: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for text in argv:
        name, equals, value = text.partition("=")
        section, dot, rest = name.partition(".")
        if not equals or is_hydra_value(value, names_path(name)):
            return None
        if name == "algorithm":
            algorithm = value
        elif section in SECTIONS and dot:
            put(found[section], rest, value)
        else:
            return None
    return Settings(algorithm=algorithm, hp=found["hp"], channels=found["channels"], run=found["run"])


def _split_flags(
    argv: Sequence[str], groups: Mapping[str, Sequence[str]], problems: list[str]
) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    assignments: list[str] = []
    known = [*groups, *_forms(argv), *(f"channels.{name}" for name in algorithms.channel_names())]
    waiting = iter(itertools.zip_longest(argv, argv[1:]))
    for text, following in waiting:
        if not text.startswith("-"):
            assignments.append(text)
        elif text.partition("=")[0] in _FLAGS:
            flags.append(text)
            if text in FLAGS_WITH_VALUE and following is not None:
                flags.append(following)
                next(waiting)
        elif (meant := meant_by_option(text, following, known)) is not None:
            problems.append(f"Option {shown(text.partition('=')[0])} is written as a setting: {meant}")
            if "=" not in text and is_value(following):
                next(waiting)
        else:
            problems.append(f"Option {shown(text)} is unknown: {did_you_mean(text, ('--help', *_FLAGS))}")
    return flags, assignments


def _forms(assignments: Sequence[str]) -> dict[str, Form]:
    """Return the forms of hp.* and run.*; those of all algorithms if the words do not name a known one."""
    named = [text.partition("=")[2] for text in assignments if text.startswith("algorithm=")]
    known = algorithms.names()
    chosen = [name.replace("-", "_") for name in named if name.replace("-", "_") in known] or known
    found = {f"run.{name}": form for name, form in RunSettings.forms().items()}
    for algorithm in chosen:
        for name, form in algorithms.facts_of(algorithm).hyperparameters.forms().items():
            found.setdefault(f"hp.{name}", form)
    return found


def _override(text: str, groups: Mapping[str, Sequence[str]], forms: Mapping[str, Form], multirun: bool) -> str:
    name, equals, value = text.partition("=")
    plain = name.lstrip("+~")
    head = re.split(r"[.@/]", plain)[0]
    if head in SECTIONS:
        if not equals and not name.startswith("~"):
            raise SettingsError([f"Setting {shown(text)} has no value: write {text}=VALUE."])
        if name.startswith("~") or plain == head:
            return text
        return _section_override(plain, value, forms.get(plain), multirun)
    if head == "hydra":
        return text
    if head not in groups:
        raise SettingsError([_unknown(plain, text, groups, forms)])
    if not equals:
        if name.startswith("~"):
            return text
        raise SettingsError([f"Setting {shown(text)} has no value: write {text}=NAME."])
    if head == "algorithm" and plain == head:
        value = value.replace("-", "_")
    if multirun or value in ("null", ""):
        return f"{name}={value or 'null'}"
    if value not in groups[head] and re.fullmatch(r"[\w-]+", value):
        raise SettingsError([f"Setting {head} has no choice {shown(value)}: {did_you_mean(value, groups[head])}"])
    if value not in groups[head] and "," in value:
        raise SettingsError([_several(name, value)])
    return f"{name}={value}"


def _with_keys(text: str, assignments: Sequence[str]) -> str:
    """Return channels.NAME=PATH as channels.NAME.path=PATH if other keys of that channel are given, too."""
    name, equals, value = text.partition("=")
    has_keys = any(other.startswith(f"{name}.") for other in assignments)
    return f"{name}.path={value}" if equals and has_keys and name.startswith("channels.") else text


def _section_override(name: str, value: str, form: Form | None, multirun: bool) -> str:
    if names_path(name):
        swept = multirun and is_sweep(value, is_path=True)
        return f"++{name}={hydra_paths(value) if swept else hydra_path(value)}"
    is_list = form is not None and form.kind in ("integers", "shape", "names")
    is_single = form is not None and form.kind in ("flag", "number", "choice")
    if is_single and not multirun and "," in value and not is_hydra_value(value):
        raise SettingsError([_several(name, value)])
    if multirun and not is_list and is_sweep(value):
        return f"++{name}={value}"
    is_text = form is not None and form.kind in ("text", "names") and not is_hydra_value(value)
    return f"++{name}={hydra_text(value.strip()) if is_text else hydra_value(value)}"


def _several(name: str, value: str) -> str:
    return f"Setting {name} has several values, {shown(value)}: give one, or add -m to run once with each."


def _unknown(name: str, text: str, groups: Mapping[str, Sequence[str]], forms: Mapping[str, Form]) -> str:
    """Return the sentence for a name without a section; most often the user forgot ``hp.`` or ``run.``."""
    if "=" not in text:
        return (
            f"Argument {shown(text)} is neither a path that exists nor a setting: give the path of your images, or"
            " name=value, for example hp.epochs=10."
        )
    full = {
        **{known.partition(".")[2]: known for known in forms},
        **{c: f"channels.{c}" for c in algorithms.channel_names()},
    }
    known = [*groups, *SECTIONS, *full]
    close = nearest(name, known)
    if close is None:
        return f"Setting {shown(name)} is unknown: {did_you_mean(name, [*groups, 'hp.*', 'channels.*', 'run.*'])}"
    # A hyperparameter may have the name of a config group, such as algorithm.
    meant = close if close in groups else full.get(close, close)
    return f"Setting {shown(name)} is unknown: did you mean {meant}?"


def names_path(name: str) -> bool:
    """Return whether the setting ``name``, with its section, holds a path, as channels and some of ``run`` do."""
    section, _, rest = name.lstrip("+").partition(".")
    if section == "channels":
        return rest.partition(".")[2] in ("", "path")
    form = RunSettings.forms().get(rest) if section == "run" else None
    return form is not None and form.kind == "path"


def is_hydra_value(value: str, is_path: bool = False) -> bool:
    """Return whether a value is written in Hydra's grammar: quotes, a list, a mapping, null or an interpolation.

    A path is in that grammar only if it is quoted or interpolated and does not exist: ``[a]`` may be a folder.
    """
    if is_path:
        return bool(_HYDRA_PATH.match(value)) and not _exists(value)
    return bool(_HYDRA_VALUE.match(value.strip()))


def is_sweep(value: str, is_path: bool = False) -> bool:
    """Return whether the value means several values when -m is given."""
    if is_path and _exists(value):
        return False
    return "," in value or bool(_FUNCTION.match(value.strip()))


def hydra_value(value: str) -> str:
    """Return the value, in quotes if Hydra would otherwise misread or refuse it."""
    text = value.strip()
    return text if is_hydra_value(text) or _PLAIN.fullmatch(text) else hydra_text(text)


def hydra_path(value: str) -> str:
    """Return a path in quotes, so that ``2024.10`` and ``true`` stay text."""
    return value if is_hydra_value(value, is_path=True) else hydra_text(value)


def hydra_paths(value: str) -> str:
    """Return the paths, separated by commas and each in quotes; a value in Hydra's grammar stays as it is."""
    if is_hydra_value(value) or _FUNCTION.match(value.strip()):
        return value
    return ",".join(map(hydra_text, value.split(",")))


def hydra_text(text: str) -> str:
    """Return any text in Hydra's quotes."""
    # An interpolation is escaped by a backslash, and those before it are doubled.
    text = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
    # In Hydra's quotes a backslash counts only before a quote, or at the end.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"


def _exists(path: str) -> bool:
    return os.path.exists(local_path(path))
