"""How results look in a notebook: HTML of tables and pictures, data frames, a progress bar."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from PIL import Image
from rich.console import Console

from vision.metrics.evaluation import Table
from vision.reports.drawing import jpeg_bytes
from vision.reports.formatting import metric_label, metric_text
from vision.reports.page import table_html
from vision.settings.errors import UserError
from vision.training.progress_display import BarDisplay, Position

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import DisplayHandle

_PICTURE_SIDE_PX = 480
_LINE_WIDTH = 120


def is_notebook() -> bool:
    """Return whether this code runs in the kernel of a notebook."""
    # A notebook's kernel has imported both before any code of the user runs.
    return "ipykernel" in sys.modules and sys.modules["IPython"].get_ipython() is not None


class NotebookDisplay(BarDisplay):
    """One line of the notebook that follows the run, and a line for each finished epoch."""

    def __init__(self, every_batches: int) -> None:
        # The bar of a terminal shows nothing here; lines are printed below this one.
        super().__init__(Console(force_jupyter=False, force_terminal=False, width=_LINE_WIDTH), every_batches)
        self._line: DisplayHandle | None = None

    def run_ended(self) -> None:
        super().run_ended()
        self._show("")

    def _draw(self, position: Position, state: str) -> None:
        super()._draw(position, state)
        share = position.batch / max(1, position.batches)
        text = f"epoch {position.epoch + 1}/{position.epochs}"
        self._show(f'{text} <progress value="{share:.3f}" max="1"></progress> {escape(state)}')

    def _show(self, html: str) -> None:
        from IPython.display import HTML, display

        if self._line is None:
            self._line = display(HTML(html), display_id=True)
        else:
            self._line.update(HTML(html))


def data_frame(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> pd.DataFrame:
    """Return a data frame of these rows. Raises UserError where pandas is not installed."""
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise UserError("to_pandas() needs pandas, which is not installed: pip install pandas") from error
    return pd.DataFrame([list(row) for row in rows], columns=list(columns))


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """Return a table of metrics as people read them."""
    return Table(
        "Metrics", ("metric", "value"), tuple((metric_label(n), metric_text(n, v)) for n, v in metrics.items())
    )


def tables_html(tables: Sequence[Table], notes: Sequence[str] = ()) -> str:
    """Return tables under their titles, and notes, as HTML."""
    shown = "".join(f"<h4>{escape(table.title)}</h4>{table_html(table)}" for table in tables)
    return shown + "".join(f"<p>{escape(note)}</p>" for note in notes)


def picture_html(picture: Image.Image, caption: str = "", side_px: int = _PICTURE_SIDE_PX) -> str:
    """Return a picture as HTML, its longer side at most ``side_px``, over its caption."""
    small = picture.convert("RGB")
    small.thumbnail((side_px, side_px))
    source = base64.b64encode(jpeg_bytes(small)).decode("ascii")
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/jpeg;base64,{source}"><figcaption>{text}</figcaption></figure>'
