"""Sweep settings: how many trials, how they are drawn, and when a hopeless one ends."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from vision.settings.hyperparameters import HyperparameterRow, table_rows
from vision.settings.table import SettingsTable


class SweepSettings(SettingsTable):
    """The table ``sweep.<name>``."""

    NOUN: ClassVar[str] = "Sweep setting"

    trials: int = Field(default=20, ge=1, le=100_000, description="runs in all, of a resumed sweep too")
    output: Path | None = Field(
        default=None, description="sweep folder; unset is runs/sweeps/<date-time>", examples=["runs/sweeps/first"]
    )
    resume: bool = Field(default=False, description="go on with the sweep in the sweep folder, with its settings")
    space: Path | None = Field(
        default=None, description="YAML file with ranges, in the form of configs/sweep", examples=["space.yaml"]
    )
    parallel: int | None = Field(
        default=None, ge=1, le=256, description="trials at a time; unset is one for each GPU, or one", examples=[2]
    )
    sampler: Literal["tpe", "random"] = Field(
        default="tpe", description="how values are drawn; tpe learns from the trials so far"
    )
    pruner: Literal["median", "hyperband", "none"] = Field(
        default="median", description="which trials end early: those below the median, or by successive halving"
    )
    startup_trials: int = Field(
        default=5, ge=0, description="trials drawn at random, and run to their end, before the sweep judges"
    )
    startup_epochs: int = Field(default=2, ge=1, description="epochs that every trial runs")
    seed: int = Field(default=0, ge=0, lt=2**32, description="where the drawing of values starts")
    max_failures: int = Field(default=3, ge=1, description="failed trials in a row that end the sweep")
    grace_s: float = Field(
        default=120.0, gt=0, description="seconds that a trial has to end by itself before it is killed"
    )
    trial_reports: bool = Field(default=False, description="draw the report of every trial")
    keep_checkpoints: bool = Field(
        default=False, description="keep the checkpoints of ended trials, to train them for longer"
    )

    @classmethod
    def rows(cls) -> tuple[HyperparameterRow, ...]:
        """Return the settings in the order of their declaration."""
        return tuple(table_rows(cls))
