"""Hydra: find the config files, compose them with the overrides, and run once or once for each of several."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from vision import algorithms
from vision.cli.overrides import Overrides, Settings, plain_settings
from vision.settings.config_folder import config_folder
from vision.settings.errors import SettingsError, UserError
from vision.settings.nearest import did_you_mean, shown

ROOT = "train"
RECIPE = "recipe"
KEYS = ("algorithm", "hp", "channels", "run")


def config_folders(flags: Sequence[str] = ()) -> list[Path]:
    """Return our folder of config files and those given by --config-dir."""
    given = [Path(value) for flag, value in itertools.pairwise(flags) if flag in ("--config-dir", "-cd")]
    return [config_folder(), *given]


def config_groups(flags: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the options of each config group, from our folder and the one given by --config-dir."""
    found: dict[str, list[str]] = {}
    for folder in config_folders(flags):
        for path in sorted(folder.glob("*/*.yaml")):
            # Recipes are not composed: words are made of them.
            if path.parent.name != RECIPE:
                found.setdefault(path.parent.name, []).append(path.stem)
    # An algorithm needs a config file only if Hydra composes the settings.
    found["algorithm"] = sorted({*found["algorithm"], *algorithms.names()})
    return found


def compose_settings(overrides: Overrides, words: Sequence[str]) -> Settings:
    """Return the settings of a single run. Hydra, which takes long to import, is used only if ``words`` need it."""
    plain = plain_settings(words)
    return compose_once(overrides) if plain is None else plain


def compose_once(overrides: Overrides) -> Settings:
    """Let Hydra compose the settings of a single run."""
    from hydra import compose, initialize_config_dir

    with _hydra_errors(), initialize_config_dir(version_base="1.3", config_dir=str(config_folder().resolve())):
        return _plain(compose(ROOT, list(overrides.values)))


def run_hydra(overrides: Overrides, run: Callable[[Settings], float]) -> None:
    """Let Hydra do what its flags ask for: several runs, or printing the settings.

    ``run`` returns the objective of a run, which some of Hydra's sweepers learn from.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    def one(config: Any) -> float:
        settings = _plain(config)
        hydra_config = HydraConfig.get()
        if hydra_config.mode == RunMode.MULTIRUN:
            # Each of several runs gets a folder of its own below the sweep's.
            settings["run"] = {**settings["run"], "output": hydra_config.runtime.output_dir}
        return run(settings)

    values = list(overrides.values)
    if overrides.multirun:
        outputs = [text.partition("=")[2] for text in values if text.startswith("++run.output=")]
        values += [f"hydra.sweep.dir={output}" for output in outputs]
    program = hydra.main(version_base="1.3", config_path=str(config_folder().resolve()), config_name=ROOT)(one)
    # Hydra reads the command line itself, and shows errors itself unless asked to raise them.
    command = mock.patch.object(sys, "argv", ["vision train", *overrides.flags, *values])
    with command, mock.patch.dict(os.environ, {"HYDRA_FULL_ERROR": "1"}), _hydra_errors():
        try:
            program()
        finally:
            GlobalHydra.instance().clear()


def _plain(config: Any) -> Settings:
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    unknown = [str(key) for key in values if key not in KEYS]
    if unknown:
        raise SettingsError([f"Setting {shown(key)} is unknown: {did_you_mean(key, KEYS)}" for key in unknown])
    wrong = [key for key in KEYS[1:] if not isinstance(values.get(key) or {}, dict)]
    if wrong:
        raise SettingsError([f"Setting {key} must hold names and values: write {key}.NAME=VALUE." for key in wrong])
    return Settings(
        algorithm=values.get("algorithm") or None,
        hp=values.get("hp") or {},
        channels=values.get("channels") or {},
        run=values.get("run") or {},
    )


@contextmanager
def _hydra_errors() -> Iterator[None]:
    """Raise UserError in place of Hydra's errors about config files and overrides."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        cause = f" ({_first_lines(error.__cause__)})" if error.__cause__ else ""
        raise UserError(f"The settings do not compose: {_first_lines(error)}{cause}") from error


def _first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4]) or type(error).__name__
