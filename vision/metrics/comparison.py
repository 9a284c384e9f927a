"""Two models side by side on the same images, in neutral parts that any report can show."""

from __future__ import annotations

from dataclasses import dataclass

from vision.metrics.bootstrap import PairedIntervals


@dataclass(frozen=True)
class Compared:
    """One figure of both models; ``name`` is the metric's, or the class's for a figure of one class."""

    name: str
    intervals: PairedIntervals


@dataclass(frozen=True)
class Comparison:
    """``model`` and ``other`` name the two; ``objective`` is the metric that decides.

    ``classes`` have the figure ``class_metric`` of each class.
    """

    model: str
    other: str
    num_images: int
    resamples: int
    objective: str
    metrics: tuple[Compared, ...]
    class_metric: str
    classes: tuple[Compared, ...]
    notes: tuple[str, ...] = ()

    @property
    def decisive(self) -> PairedIntervals:
        """The objective's intervals."""
        return next(compared.intervals for compared in self.metrics if compared.name == self.objective)
