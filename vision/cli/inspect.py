"""``vision inspect``: report what a data set holds and what is wrong with it, before training."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from vision import algorithms
from vision.algorithms.plan import Recommendation
from vision.artifacts.model_place import is_published
from vision.cli.assignments import read_assignments
from vision.cli.composition import RECIPE, config_folder
from vision.cli.evaluate import model_problems
from vision.data.labels import TASK_NAMES
from vision.files.atomic_file import check_writable, write_whole
from vision.recipes.data_finder import find_channels
from vision.recipes.recipe import AUTO, choose
from vision.reports.formatting import printable
from vision.settings.channels import LABEL_MAP, Channel, parse_channels
from vision.settings.counted import counted
from vision.settings.device import this_machine, usable_cores
from vision.settings.errors import DataError, SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings
from vision.settings.table import SettingsTable

if TYPE_CHECKING:
    import numpy as np

    from vision.data.inspect.issues import ContentFindings, ContentInspector, InspectedChannel, Issue
    from vision.data.masks.label_map import LabelMap
    from vision.data.sample import Reader
    from vision.reports.inspection_report import ImageOf, MaskOf

ERRORS = 1
# Rows of a table on the terminal; the page and the JSON file have more.
_MOST_ROWS = 10
PAGE = "inspection.html"
HELP = """\
Usage: vision inspect PATH [PATH of validation] [channels.NAME=PATH] [name=value ...]

Reads every record and reports counts, balance of classes, image sizes and modes, broken images, copies and near copies
(also between training and validation), sizes and faults of boxes, and pixels and faults of masks. Prints the findings
and the command that trains on the data, and writes inspection.json and inspection.html with pictures. For Ground Truth
manifests of classes or boxes it also writes manifest_summary.json and the lines with the error codes of Rekognition
Custom Labels. Masks are read by the label maps in the folder channels.label_map, as in training.

With a model the images are also compared by what they show: copies that were cropped, mirrored or turned, labels that
most of the similar images contradict (of boxes by what each cuts out), and images that resemble no others.

  output    folder for the files (default: inspection)
  workers   processes (default: one for each processor)
  model     a model folder, a model.tar.gz or a run folder; imagenet (ResNet-50) and timm:NAME take published weights,
            classical measures shapes, colors and texture without any
  run       run settings for the model, for example run.weights_folder=weights (vision train --help lists them)

Exit status: 0 no errors (warnings do not count), 1 errors in the data, 2 not inspected.

Example: vision inspect photos/ model=imagenet"""


class InspectSettings(SettingsTable):
    """Settings of ``vision inspect``."""

    NOUN: ClassVar[str] = "Setting"

    output: str = Field("inspection", description="folder for the files")
    workers: int = Field(0, ge=0, le=256, description="processes")
    model: str | None = Field(None, description="what compares the contents of images; unset compares none")


def run(argv: Sequence[str]) -> int:
    """Inspect the channels. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    sections = ("channels", "run")
    given = read_assignments(argv, tuple(InspectSettings.model_fields), sections=sections, allow_files=True)
    settings = InspectSettings.parse(given.names)
    run_settings = RunSettings.parse(given.sections["run"])
    if settings.model and not is_published(settings.model) and (found := model_problems("model", settings.model)):
        raise SettingsError(found)
    paths = find_channels(list(map(local_path, given.files))).channels if given.files else {}
    channels = parse_channels({**paths, **given.sections["channels"]}, known=algorithms.channel_names())
    names = [name for name in ("train", "validation") if name in channels]
    if not names:
        raise SettingsError(
            ["Channel train or validation is required but missing: give the path of your images, for example photos/."]
        )
    folder = local_path(settings.output)
    check_writable(folder / PAGE)
    words = [word for word in argv if word.partition("=")[0] not in InspectSettings.model_fields]
    train = ["vision", "train", *words, *([] if given.files else [f"{RECIPE}={AUTO}"])]
    return _inspect(channels, names, folder, settings, run_settings, shlex.join(train))


def _inspect(
    channels: dict[str, Channel],
    names: Sequence[str],
    folder: Path,
    settings: InspectSettings,
    run_settings: RunSettings,
    train: str,
) -> int:
    """Inspect the channels ``names`` and write what was found. ``train`` is the command that trains on them."""
    from vision.data.inspect.inspection import inspect, to_json
    from vision.data.masks.label_map import MOST_CLASSES, read_label_map
    from vision.data.readers.folder import class_folders
    from vision.data.readers.manifest import ManifestReader
    from vision.data.readers.open import open_channel
    from vision.progress_bar import progress_bar
    from vision.reports.inspection_report import write_inspection_page

    folder_of_maps = channels[LABEL_MAP].path if LABEL_MAP in channels else None
    label_maps: dict[str, LabelMap] = {}
    readers: dict[str, Reader] = {}
    unreadable: list[DataError] = []
    for name in names:
        try:
            label_maps[name] = read_label_map(folder_of_maps, name, MOST_CLASSES)
            readers[name] = open_channel(channels, name)
        except DataError as error:
            unreadable.append(error)
            with suppress(UserError):
                # An empty class folder stops training, but does not hide what is in the others.
                readers[name] = open_channel(channels, name, class_folders(channels[name].path))
    # Custom Labels takes no masks.
    masked = [name for name, reader in readers.items() if isinstance(reader, ManifestReader) and reader.has_masks]
    _check_manifests({name: channels[name].path for name in names if name not in masked}, folder)
    errors = len(unreadable)
    document: dict[str, Any] = {"errors": errors, "unreadable": [str(problem) for problem in unreadable]}
    for problem in unreadable:
        print(f"error: {problem}", file=sys.stderr)
    if readers:
        with progress_bar("inspecting", sum(map(len, readers.values()))) as advance:
            by_content = None if settings.model is None else _content_inspector(settings.model, run_settings, readers)
            inspection = inspect(readers, settings.workers or usable_cores(), advance, label_maps, by_content)
        document |= to_json(inspection)
        document["errors"] = errors = errors + inspection.errors
        title = f"Inspection of {', '.join(str(channels[name].path) for name in readers)}"
        # First to the terminal: what was found is not lost where a file cannot be written.
        _show(inspection.issues)
        chosen = _chosen(inspection.channels[0]) if "train" in readers else ()
        document["settings"] = [one._asdict() for one in chosen]
        images, masks = _image_reader(readers), _mask_reader(readers, label_maps)
        write_inspection_page(folder / PAGE, inspection, chosen, title, images, masks)
    text = json.dumps(document, indent=1, allow_nan=False)
    write_whole(folder / "inspection.json", text)
    print(f"{folder}: {counted(errors, 'error')}{'; see inspection.html' if readers else ''}")
    if "train" in readers:
        print(f"train with{', once the errors are mended' if errors else ''}:")
        print(f"  {train}")
    return ERRORS if errors else 0


def _content_inspector(model: str, settings: RunSettings, readers: dict[str, Reader]) -> ContentInspector:
    """Return what compares the contents of images. The model is loaded after the records were read.

    Worker processes are forked for the reading, which a process with threads of its own must not be.
    """

    def inspect_contents(channels: Sequence[InspectedChannel]) -> ContentFindings:
        import numpy as np

        from vision.data.inspect.issues import ContentFindings, Issue
        from vision.retrieval.content_inspection import ContentInspection
        from vision.retrieval.embedding_model import EmbeddingModel

        try:
            embedding = EmbeddingModel.open(model, settings)
        except UserError as error:
            # What was read by now is not lost for want of weights.
            problem = Issue("contents_not_compared", "error", f"contents were not compared: {error}", 1)
            return ContentFindings(np.zeros((0, 2), np.int64), [problem])
        return ContentInspection(embedding, readers)(channels)

    return inspect_contents


def _chosen(train: InspectedChannel) -> tuple[Recommendation, ...]:
    """Return what `vision train` would choose for the channel."""
    machine = this_machine(weights_folder=RunSettings().weights_folder)
    choice = choose(train.look(), machine, AUTO, [config_folder() / RECIPE])
    reason = f"labels are {TASK_NAMES[train.label_task]}"
    return (Recommendation("algorithm", choice.algorithm, reason), *choice.settings)


def _check_manifests(paths: dict[str, Path], folder: Path) -> None:
    """Check Ground Truth manifests by the rules of Custom Labels, which are stricter than SageMaker's."""
    from vision.data.convert.formats import FORMATS
    from vision.data.inspect.ground_truth import check_manifest, manifest_summary
    from vision.data.readers.image_reference import ImageReferences

    checks = {}
    for name, path in paths.items():
        if path.is_file() and path.name.lower().endswith(FORMATS["manifest"].suffixes):
            references = ImageReferences(path.parent)
            checks[name] = check_manifest(path, references.path, folder / f"{name}.validated.manifest")
    if not checks:
        return
    summary = manifest_summary(checks.get("train"), checks.get("validation"))
    write_whole(folder / "manifest_summary.json", json.dumps(summary, indent=1))
    for name, check in checks.items():
        print(f"{name}: {check.valid} valid, {check.invalid} invalid, {check.ignored} ignored lines for Custom Labels")
        for code, count in sorted(check.codes.items()):
            print(f"  {code}: {count}, first {check.first[code]}")
        for code, message in check.errors():
            print(f"  {code}: {message}")


def _image_reader(readers: dict[str, Reader]) -> ImageOf:
    from vision.data.image_codec import decode_rgb

    def image_of(channel: str, index: int) -> np.ndarray | None:
        try:
            sample = readers[channel][index]
            return decode_rgb(sample.encoded, sample.key)
        except DataError:
            return None

    return image_of


def _mask_reader(readers: dict[str, Reader], label_maps: dict[str, LabelMap]) -> MaskOf:
    from vision.data.inspect.scan import mask_decoder

    def mask_of(channel: str, index: int) -> np.ndarray | None:
        decode = mask_decoder(readers[channel], label_maps[channel])
        try:
            sample = readers[channel][index]
            if not isinstance(sample.target, bytes):
                return None
            return decode.in_frame(decode(sample.target, sample.key), sample.encoded, sample.key)
        except DataError:
            return None

    return mask_of


def _show(issues: Sequence[Issue]) -> None:
    for issue in issues:
        stream = sys.stderr if issue.severity == "error" else sys.stdout
        print(f"{issue.severity}: {printable(issue.sentence)}", file=stream)
        if issue.rows:
            # Its parts load what draws tables, which most inspections do without.
            from vision.cli.terminal import print_table
            from vision.reports.inspection_report import rows_table

            print_table(rows_table(issue), _MOST_ROWS, cut_words=False)
