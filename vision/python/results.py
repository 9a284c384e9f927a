"""What ``vision.fit``, ``evaluate``, ``compare`` and ``cross_validate`` return: numbers that a notebook shows."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from torch import nn

from vision.api import CrossValidation, RunResult
from vision.metrics.bootstrap import Comparison
from vision.metrics.evaluation import Evaluation
from vision.python.model import Model, load
from vision.python.notebook import data_frame, metrics_table, picture_html, tables_html
from vision.recipes.proposal import Proposal
from vision.reports import comparison as comparison_words
from vision.reports.figures import class_bars, heat_map, learning_curves
from vision.reports.formatting import metric_label, metric_text
from vision.settings.counted import counted
from vision.settings.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_FIGURE_SIDE_PX = 900


@dataclass(frozen=True)
class Report:
    """The page of a report, which a notebook shows whole; ``path`` is its file."""

    path: Path

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 45em; border: 0"></iframe>'


@dataclass(frozen=True, repr=False)
class EvaluationResult(Evaluation):
    """An evaluation that can be looked at."""

    def __repr__(self) -> str:
        return f"<EvaluationResult of {counted(self.num_images, 'image')}: {_shown(self.metrics)}>"

    def to_pandas(self, table: str | None = None) -> pd.DataFrame:
        """Return a data frame of the metrics, or of the table with that title. Needs pandas."""
        if table is None:
            return data_frame(("metric", "value"), list(self.metrics.items()))
        found = next((one for one in self.tables if one.title == table), None)
        if found is None:
            titles = ", ".join(repr(one.title) for one in self.tables)
            raise UserError(f"There is no table {table!r}; there are {titles}.")
        return data_frame(found.columns, found.rows)

    def plot(self) -> Image.Image:
        """Return the confusion matrix, or bars by class where there is none. Raises UserError without either."""
        if self.matrices:
            return Image.open(io.BytesIO(heat_map(self.matrices[0])))
        picture = next((png for table in self.tables if (png := class_bars(table)) is not None), None)
        if picture is None:
            raise UserError("This evaluation has neither a confusion matrix nor figures by class to plot.")
        return Image.open(io.BytesIO(picture))

    def _repr_html_(self) -> str:
        short = [table for table in self.tables if table.rows and not table.is_long]
        pictures = [picture_html(self.plot(), side_px=_FIGURE_SIDE_PX)] if self.matrices else []
        words = () if self.verdict is None else self.verdict.sentences()
        return "".join([tables_html([metrics_table(self.metrics), *short], (*words, *self.notes)), *pictures])


@dataclass(frozen=True, repr=False)
class TrainingResult(RunResult):
    """A finished run: its folder, its history by epoch, the evaluation of the model that was kept, and that model."""

    evaluation: EvaluationResult
    network: nn.Module | None = None
    """The network that was given to ``fit``, as it was before training."""
    proposal: Proposal | None = None
    """What a recipe found in the data and chose for them; None where none was used."""

    def __repr__(self) -> str:
        return f"<TrainingResult {self.folder.path}: {counted(len(self.history), 'epoch')}, {_shown(self.metrics)}>"

    @cached_property
    def model(self) -> Model:
        """The model that was kept, ready to ``predict``."""
        return load(self.folder.path, run={"device": self.job.run.device}, network=self.network)

    @property
    def report(self) -> Report:
        """The page of the run's report. Raises UserError where none was made."""
        path = self.folder.report / "report.html"
        if not path.is_file():
            raise UserError(f"{self.folder.path} has no report: train with run={{'report': True}}")
        return Report(path)

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each epoch. Needs pandas."""
        names = list(dict.fromkeys(name for row in self.history for name in row))
        return data_frame(names, [[row.get(name) for name in names] for row in self.history])

    def plot(self) -> Image.Image:
        """Return the learning curves. Raises UserError where the run had no epoch left to train."""
        curves = learning_curves(self.history)
        if curves is None:
            raise UserError(f"The run in {self.folder.path} has no epoch to plot.")
        return Image.open(io.BytesIO(curves))

    def _repr_html_(self) -> str:
        curves = picture_html(self.plot(), str(self.folder.path), _FIGURE_SIDE_PX) if self.history else ""
        return tables_html([metrics_table(self.metrics)], (*self.verdict, *self.evaluation.notes)) + curves


@dataclass(frozen=True)
class ComparisonResult(Comparison):
    """Two models measured on the same images."""

    def __repr__(self) -> str:
        return f"<ComparisonResult: {self.verdict}>"

    @property
    def verdict(self) -> str:
        """Which model is better, and how sure that is, in one sentence."""
        return comparison_words.verdict(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame of all figures, over all classes and of each class, 0..1. Needs pandas."""
        rows = [
            (
                one.name,
                one.intervals.model.value,
                one.intervals.other.value,
                *dataclasses.astuple(one.intervals.difference),
            )
            for one in (*self.metrics, *self.classes)
        ]
        return data_frame(("name", "model", "other", "difference", "low", "high"), rows)

    def _repr_html_(self) -> str:
        return tables_html(comparison_words.tables(self), (self.verdict, *self.notes))


@dataclass(frozen=True)
class CrossValidationResult(CrossValidation):
    """The runs of all folds."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{metric_label(n)} {metric_text(n, self.mean(n))}" for n in self.names[:3])
        return f"<CrossValidationResult of {len(self.metrics)} folds: {shown}>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each metric: mean, spread, and each fold. Needs pandas."""
        return data_frame(self.table().columns, self.table().rows)

    def _repr_html_(self) -> str:
        return tables_html([self.table()])


def _shown(metrics: dict[str, float]) -> str:
    return ", ".join(f"{metric_label(name)} {metric_text(name, value)}" for name, value in list(metrics.items())[:3])
