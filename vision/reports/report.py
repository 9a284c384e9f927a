"""Writes the report of a run or an evaluation from its result: pictures, a page to look at, and the numbers as JSON."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vision import algorithms
from vision.api import EvaluatedModel, RunResult, load
from vision.api.model import Model, model_of
from vision.data.image_codec import decode_rgb
from vision.data.sample import Reader
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.metrics.evaluation import Evaluation, Gallery
from vision.reports import page as html
from vision.reports.contact_sheet import contact_sheet, make_thumbnail, thumbnail_side_px
from vision.reports.custom_labels_files import run_name, write_evaluation_files, write_run_files
from vision.reports.drawing import jpeg_bytes
from vision.reports.evaluation_json import write_evaluation
from vision.reports.figures import class_bars, curves_figure, heat_map, learning_curves, learning_panels
from vision.reports.formatting import duration_text, file_stem, metric_label, metric_text
from vision.reports.nearest_training import mistakes_of, nearest_training
from vision.retrieval.embedding_model import EmbeddingModel
from vision.retrieval.training_neighbors import TrainingImages
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError
from vision.training.accelerator import choose_device

log = logging.getLogger(__name__)

MOST_METRIC_TILES = 6
MOST_CLASSES_IN_NARROW_MATRIX = 12
MOST_CLASSES_OF_SLIDER = 50

History = Sequence[Mapping[str, float | int]]


def write_report(
    folder: Path,
    *,
    title: str,
    evaluation: Evaluation,
    history: History,
    settings: Mapping[str, str],
    image_of: Callable[[int], np.ndarray | None],
    verdict: Sequence[str] = (),
    training: TrainingImages | None = None,
) -> Path:
    """Write ``report.html``, its pictures as PNG and ``evaluation.json``; returns the page's path.

    ``history`` holds the rows of metrics.csv, empty for an evaluation alone. ``image_of`` gives the image of
    an example by its index, uint8 [H,W,3] RGB, or None if it cannot be read. ``verdict`` is what to read first.
    ``training`` are images of which those that resemble the mistakes are shown.
    """
    make_folder(folder)
    nearest = None if training is None else nearest_training(evaluation, image_of, training)
    if nearest is not None:
        tables, notes = (*evaluation.tables, nearest.table), (*evaluation.notes, *nearest.notes)
        evaluation = replace(evaluation, tables=tables, notes=notes)
    pictures = _Pictures(folder)
    sections = [
        *_training_section(history, pictures),
        *_matrix_sections(evaluation, pictures),
        *_table_sections(evaluation, pictures),
        *_curve_sections(evaluation, pictures),
        *_look_up_section(evaluation),
        *(_gallery_section(gallery, image_of, pictures) for gallery in evaluation.galleries),
        *([] if nearest is None else [nearest.section]),
    ]
    if settings:
        sections.append(html.Section("Settings", html.settings_html(settings)))
    document = html.page(
        title=title,
        subtitle=f"{counted(evaluation.num_images, 'image')}, {counted(len(evaluation.class_names), 'class')}",
        tiles=_tiles(evaluation, history),
        notes=evaluation.notes,
        sections=sections,
        verdict=verdict,
    )
    write_evaluation(folder / "evaluation.json", evaluation)
    path = folder / "report.html"
    write_whole(path, document.encode(errors="replace"))
    return path


class _Pictures:
    """Writes PNG files, each under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def write(self, title: str, png: bytes) -> None:
        stem = name = file_stem(title)
        number = 1
        while name in self.names:
            number += 1
            name = f"{stem}_{number}"
        self.names.add(name)
        write_whole(self.folder / f"{name}.png", png)


def _training_section(history: History, pictures: _Pictures) -> list[html.Section]:
    """One picture in the folder; on the page one for each panel, whose letters keep their size on a phone."""
    panels = learning_panels(history)
    curves = learning_curves(history)
    if curves is not None:
        pictures.write("curves", curves)
    body = "".join(html.picture_html(png, title) for title, png in panels.items())
    return [html.Section("Learning curves", f'<div class="panels">{body}</div>')] if panels else []


def _matrix_sections(evaluation: Evaluation, pictures: _Pictures) -> list[html.Section]:
    sections = []
    for matrix in evaluation.matrices:
        png = heat_map(matrix)
        pictures.write(matrix.title, png)
        narrow = max(matrix.counts.shape) <= MOST_CLASSES_IN_NARROW_MATRIX
        sections.append(html.Section(matrix.title, html.picture_html(png, matrix.title), narrow))
    return sections


def _table_sections(evaluation: Evaluation, pictures: _Pictures) -> list[html.Section]:
    sections = []
    for table in evaluation.tables:
        if table.is_long or not table.rows:
            continue
        body = html.table_html(table)
        png = class_bars(table)
        if png is not None:
            pictures.write(table.title, png)
            body = html.picture_html(png, table.title) + html.folded_html("All values", body)
        sections.append(html.Section(table.title, body, narrow=png is None))
    return sections


def _look_up_section(evaluation: Evaluation) -> list[html.Section]:
    """The slider over thresholds, and every table in which one looks things up, folded."""
    labels = evaluation.labels
    body = ""
    if labels is not None and len(labels.class_names) <= MOST_CLASSES_OF_SLIDER:
        counts = (
            (step.true_positives.tolist(), step.false_positives.tolist(), step.false_negatives.tolist())
            for step in labels.by_step
        )
        body = html.slider_html(labels.class_names, [list(zip(*columns, strict=True)) for columns in counts])
    body += "".join(
        html.folded_html(table.title, html.table_html(table))
        for table in evaluation.tables
        if table.is_long and table.rows
    )
    return [html.Section("Thresholds" if labels is not None else "Further tables", body)] if body else []


def _curve_sections(evaluation: Evaluation, pictures: _Pictures) -> list[html.Section]:
    sections = []
    for curves in evaluation.curves:
        png = curves_figure(curves)
        pictures.write(curves.title, png)
        sections.append(html.Section(curves.title, html.picture_html(png, curves.title), narrow=True))
    return sections


def _gallery_section(
    gallery: Gallery, image_of: Callable[[int], np.ndarray | None], pictures: _Pictures
) -> html.Section:
    if not gallery.examples:
        return html.Section(gallery.title, html.gallery_html(gallery, []), narrow=True)
    side = thumbnail_side_px(gallery)
    thumbnails = [make_thumbnail(example, image_of(example.index), side) for example in gallery.examples]
    pictures.write(gallery.title, contact_sheet(gallery, thumbnails))
    jpegs = [None if picture is None else jpeg_bytes(picture) for picture in thumbnails]
    return html.Section(gallery.title, html.gallery_html(gallery, jpegs))


def _tiles(evaluation: Evaluation, history: History) -> list[html.Tile]:
    tiles = [
        html.Tile(metric_label(name), metric_text(name, value))
        for name, value in list(evaluation.metrics.items())[:MOST_METRIC_TILES]
    ]
    if history:
        tiles.append(html.Tile("epochs", str(len(history))))
    seconds = [float(row["seconds"]) for row in history if row.get("seconds") is not None]
    if seconds:
        tiles.append(html.Tile("training time", duration_text(sum(seconds))))
    speeds = [float(row["images_per_second"]) for row in history if row.get("images_per_second") is not None]
    if speeds:
        tiles.append(html.Tile("images per second", f"{statistics.median(speeds):,.0f}"))
    waits = [float(row["data_wait_share"]) for row in history if row.get("data_wait_share") is not None]
    if waits:
        tiles.append(html.Tile("waiting for data", f"{100 * statistics.median(waits):.1f} %"))
    return tiles


def write_run_report(result: RunResult) -> Path:
    """Draw the report of a run into its ``report`` folder, with the files of Custom Labels; returns the page's path."""
    algorithm = algorithms.get(result.job.algorithm)
    settings = {
        "algorithm": result.job.algorithm,
        **{f"channels.{name}": str(channel.path) for name, channel in result.job.channels.items()},
        **{f"hp.{name}": value for name, value in result.job.hyperparameters.to_strings().items()},
        **{f"run.{name}": value for name, value in result.job.run.to_strings().items()},
    }
    image_of = image_reader(result.validation)
    model = load(result.folder.model, result.job.run)
    page = write_report(
        result.folder.report,
        title=f"{algorithm.facts.title}: {result.folder.name}",
        evaluation=model.explain(result.evaluation, image_of),
        history=result.history,
        settings=settings,
        image_of=image_of,
        verdict=result.verdict,
        training=_training_images(model, result.evaluation, lambda: result.training),
    )
    write_run_files(result.folder.report, result)
    return page


def write_evaluation_report(folder: Path, evaluated: EvaluatedModel, model: Path) -> Path:
    """Write the report of an evaluation of the model at path ``model``, and return the path of its page."""
    answering = model_of(evaluated.stored, str(model), choose_device(evaluated.run))
    image_of = image_reader(evaluated.validation)
    page = write_report(
        folder,
        title=f"{answering.algorithm.facts.title}: {run_name(model)}",
        evaluation=answering.explain(evaluated.evaluation, image_of),
        history=[],
        settings={"model": str(model)},
        image_of=image_of,
        verdict=() if evaluated.evaluation.verdict is None else evaluated.evaluation.verdict.sentences(),
        training=_training_images(answering, evaluated.evaluation, evaluated.open_training),
    )
    write_evaluation_files(folder, evaluated, model)
    return page


def _training_images(
    model: Model, evaluation: Evaluation, open_training: Callable[[], Reader | None]
) -> TrainingImages | None:
    """Return the images that the model learned from, to be compared with its mistakes; None where that cannot be."""
    if not model.algorithm.facts.capabilities.embedding or not mistakes_of(evaluation):
        return None
    reader = open_training()
    if reader is None or not len(reader):
        return None
    try:
        embedding = EmbeddingModel(model.algorithm, model.network, model.transform, model.device, "the model")
        return TrainingImages(embedding, reader, evaluation.class_names)
    except UserError as error:
        # A network of the user's own may have no base whose vectors could be compared.
        log.info("mistakes were not compared with training images: %s", error)
        return None


def image_reader(reader: Reader) -> Callable[[int], np.ndarray | None]:
    """Return the function index -> image uint8 [H, W, 3] RGB, or None where it cannot be read."""

    def image_of(index: int) -> np.ndarray | None:
        try:
            sample = reader[index]
            return decode_rgb(sample.encoded, sample.key)
        except DataError:
            return None

    return image_of
