"""What a sweep shows while it runs: a live table on a terminal, a line for each event elsewhere."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vision.sweeps.study import TrialRecord, best_record, summary_counts

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

MOST_ROWS = 20
MARKS = {"running": "running", "complete": "done", "pruned": "pruned", "failed": "failed"}


class SweepDisplay:
    """Prints a line for each event. ``metric`` is the objective's name."""

    def __init__(self, metric: str, trials: int) -> None:
        self.metric, self.trials = metric, trials
        self.best: tuple[int, float] | None = None
        self.last_failure = ""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the display open for the block."""
        yield

    def show(self, records: Sequence[TrialRecord]) -> None:
        """Show the state of all trials. Called several times a second."""

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, flush=True)

    def started(self, number: int, settings: Mapping[str, str], resumed: bool) -> None:
        shown = " ".join(f"hp.{name}={value}" for name, value in settings.items())
        self.say(f"trial {number} {'goes on' if resumed else 'starts'}: {shown}")

    def reported(self, number: int, epoch: int, value: float) -> None:
        self.say(f"trial {number}: epoch {epoch}, validation {self.metric} {value:.4f}")

    def completed(self, number: int, value: float) -> None:
        is_best = self.best is None or value > self.best[1]
        if is_best:
            self.best = (number, value)
        self.say(
            f"trial {number} is done: validation {self.metric} {value:.4f}{', the best so far' if is_best else ''}"
        )

    def pruned(self, number: int, epoch: int, value: float) -> None:
        self.say(f"trial {number} was pruned after epoch {epoch}: validation {self.metric} {value:.4f}")

    def failed(self, number: int, status: int, last_line: str) -> None:
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self.last_failure = f"trial {number}, which ended {how}: {last_line}"
        self.say(f"failed: {self.last_failure}")


class LiveSweepDisplay(SweepDisplay):
    """A table of the latest trials that is redrawn in place; only failures are printed as lines."""

    def __init__(self, metric: str, trials: int) -> None:
        super().__init__(metric, trials)
        self._live: Live | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        from rich.live import Live

        with Live(refresh_per_second=4) as self._live:
            yield
        self._live = None

    def say(self, text: str) -> None:
        if text.startswith("failed:") and self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)

    def show(self, records: Sequence[TrialRecord]) -> None:
        if self._live is not None:
            self._live.update(trial_table(records, self.metric, self.trials))


def sweep_display(metric: str, trials: int) -> SweepDisplay:
    """Return a live table for a terminal, lines for anything else."""
    return LiveSweepDisplay(metric, trials) if sys.stdout.isatty() else SweepDisplay(metric, trials)


def trial_table(records: Sequence[TrialRecord], metric: str, trials: int) -> Table:
    """Return a table of the latest trials and the best one, with the values that each drew."""
    from rich.table import Table as RichTable
    from rich.text import Text

    counts = summary_counts(records)
    title = f"{len(records)} of {trials} trials: " + ", ".join(f"{n} {MARKS[s]}" for s, n in counts.items() if n)
    table = RichTable(title=Text(title), title_justify="left")
    names = list(dict.fromkeys(name for record in records for name in record.settings))
    for column in ("trial", "state", "epoch", f"validation {metric}", *names):
        table.add_column(Text(column), justify="left" if column in ("state", "optimizer") else "right")
    best = best_record(records)
    shown = list(records[-MOST_ROWS:])
    if best is not None and best not in shown:
        shown.insert(0, best)
    styles = {"running": "cyan", "pruned": "dim", "failed": "red", "complete": ""}
    for record in shown:
        last = max(record.values, default=0)
        value = record.value if record.state == "complete" else record.values.get(last)
        table.add_row(
            Text(f"{record.number}{' *' if record is best else ''}"),
            Text(MARKS[record.state]),
            Text(str(last)),
            Text("-" if value is None else f"{value:.4f}"),
            *(Text(record.settings.get(name, "-")) for name in names),
            style="bold green" if record is best else styles[record.state],
        )
    return table
