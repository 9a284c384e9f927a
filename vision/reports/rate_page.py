"""The curve of a search for the learning rate, as a picture, a page and a table."""

from __future__ import annotations

from pathlib import Path

from vision.files.atomic_file import write_whole
from vision.reports import page as html
from vision.reports.drawing import FAINT, colors, legend, new_figure, png
from vision.training.rate_range import RateCurve

PICTURE, PAGE, TABLE = "rate_curve.png", "rate_curve.html", "rate_curve.csv"


def write_rate_curve(folder: Path, curve: RateCurve, title: str) -> None:
    """Write the three files into ``folder``."""
    picture = rate_figure(curve)
    rows = zip(curve.rates, curve.losses, curve.smooth_losses, strict=True)
    lines = [f"{rate:.6g},{loss:.6g},{smooth:.6g}" for rate, loss, smooth in rows]
    write_whole(folder / TABLE, "\n".join(["learning_rate,loss,smooth_loss", *lines]) + "\n")
    write_whole(folder / PICTURE, picture)
    document = html.page(
        title=title,
        subtitle="The loss of single batches while the learning rate rises from update to update, and its average.",
        tiles=[html.Tile("suggested hp.learning_rate", _shown(curve.suggestion))],
        notes=[explain(curve)],
        sections=[html.Section("Loss by learning rate", html.picture_html(picture, "loss by learning rate"))],
    )
    write_whole(folder / PAGE, document)


def explain(curve: RateCurve) -> str:
    """Return a sentence on what the curve says."""
    if curve.suggestion is None:
        return (
            "The loss does not fall clearly at any of these rates, so none is suggested: try a wider range, more"
            " updates or larger batches."
        )
    return (
        f"At {curve.suggestion:g} the loss is in the middle of its longest fall. That is a starting point: a rate three"
        " times as high or as low may be as good."
    )


def rate_figure(curve: RateCurve) -> bytes:
    """Draw the losses over the rate, which rises in equal ratios, and a line where the suggestion is."""
    figure, (axes,) = new_figure(8.0, 4.2)
    light, strong = colors(2)
    axes.plot(curve.rates, curve.losses, color=light, lw=0.8, alpha=0.5)
    axes.plot(curve.rates, curve.smooth_losses, color=strong, lw=1.8)
    names = ["loss of a batch", "average"]
    if curve.suggestion is not None:
        axes.axvline(curve.suggestion, color=FAINT, lw=1, ls=(0, (4, 3)))
        names.append(f"suggestion {curve.suggestion:g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", color=FAINT)
    axes.set_ylabel("loss", color=FAINT)
    # What rises beyond all bounds at the end would press the rest flat.
    low, first = float(curve.losses.min()), float(curve.losses[0])
    axes.set_ylim(
        low - 0.1 * abs(first - low), max(first, float(curve.losses[: len(curve.losses) // 2 + 1].max())) * 1.1
    )
    legend(axes, names, outside=False)
    return png(figure)


def _shown(suggestion: float | None) -> str:
    return "none" if suggestion is None else f"{suggestion:g}"
