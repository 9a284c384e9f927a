"""Finds a learning rate in Python."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from vision import api
from vision.files.atomic_file import check_writable
from vision.files.write_error import WriteError
from vision.python.job import augmentation_of, job_of
from vision.python.model import become
from vision.python.notebook import data_frame, picture_html, tables_html
from vision.reports.rate_page import PAGE, explain, rate_figure, write_rate_curve
from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.training.rate_range import RateCurve

if TYPE_CHECKING:
    import albumentations as A
    import pandas as pd

_FIGURE_SIDE_PX = 900


@dataclass(frozen=True, repr=False)
class RateResult(RateCurve):
    """The loss at each rate that was tried; ``suggestion`` is the one to train with, None if the loss falls nowhere."""

    def __repr__(self) -> str:
        return f"<RateResult of {len(self.rates)} rates: {explain(self)}>"

    def plot(self) -> Image.Image:
        """Return the curve as a picture."""
        return Image.open(io.BytesIO(rate_figure(self)))

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each rate. Needs pandas."""
        columns = ("learning_rate", "loss", "smooth_loss")
        return data_frame(columns, list(zip(self.rates, self.losses, self.smooth_losses, strict=True)))

    def _repr_html_(self) -> str:
        return tables_html([], [explain(self)]) + picture_html(self.plot(), "loss by learning rate", _FIGURE_SIDE_PX)


def find_rate(
    data: str | Path,
    channels: Mapping[str, object] | str | Path | None = None,
    /,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    updates: int = 100,
    output: str | Path | None = None,
    recipe: str | Path | None = None,
    hyperparameters: Mapping[str, object] | None = None,
    run: Mapping[str, object] | None = None,
    transform: A.BasicTransform | A.BaseCompose | None = None,
    **keywords: object,
) -> RateResult:
    """Try learning rates from ``low`` to ``high`` in one short training of so many ``updates``: ``vision find-rate``.

    The curve is written into the folder ``output``, or ``run``'s, if one is given. The other arguments and the errors
    are those of ``fit``.

    >>> curve = vision.find_rate("photos")
    >>> vision.fit("photos", learning_rate=curve.suggestion)
    """
    given = dict(run or {})
    own = augmentation_of(transform, given)
    job, _ = job_of(data, channels, recipe, {**(hyperparameters or {}), **keywords}, given, own, "find_rate")
    folder = local_path(output) if output is not None else job.run.output
    try:
        if folder is not None:
            check_writable(folder / PAGE)
        curve = become(RateResult, api.find_rate(job, low=low, high=high, updates=updates))
        if folder is not None:
            write_rate_curve(folder, curve, f"Learning rate of {job.algorithm} on {job.channels['train'].path}")
    except WriteError as error:
        raise UserError(str(error)) from error
    return curve
