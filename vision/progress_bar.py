"""A progress bar on a terminal, drawn by the first process of a run; nothing elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REDRAW_SECONDS = 0.2


@contextmanager
def progress_bar(description: str, total: int | None, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with the number of items done since its last call. ``total`` None: unknown."""
    if not shown or not sys.stderr.isatty() or os.environ.get("LOCAL_RANK", "0") != "0":
        yield lambda count: None
        return
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class RateColumn(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f}/s")

    # Drawn by hand: a thread of its own must not run while worker processes are forked.
    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        RateColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
    task = bar.add_task(description, total=total)
    drawn = 0.0

    def advance(count: int) -> None:
        nonlocal drawn
        bar.advance(task, count)
        if time.monotonic() - drawn > REDRAW_SECONDS:
            drawn = time.monotonic()
            bar.refresh()

    with bar:
        yield advance
