"""``vision export``: a model in a format that does not need this package, compared with the model before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import check
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown
from vision.settings.run import RunSettings

HELP = """\
Usage: vision export MODEL [OUTPUT] format=onnx|torch_export|torchscript|mxnet [nms=true] [size=WxH]

  model   a model folder, a model.tar.gz (SageMaker's own too) or a run folder
  format  onnx (needs the extra: pip install 'vision[export]'), torch_export, torchscript; mxnet writes the files
          of SageMaker's containers, which MXNet loads
  output  the file to write, beside which a .json says input, preprocessing and outputs; a new folder for mxnet.
          Without it onnx/model.onnx, torch_export/model.pt2, torchscript/model.pt or mxnet/
  nms     true: a detector's ONNX file gives detections instead of raw heads
  size    width and height of all images, such as 640x480, for a network that takes any size; without it both are free

Images enter as uint8 [N, 3, H, W], RGB, as the .json says; N is free. The exported network is run beside
the model, and nothing is written if they differ.

Example: vision export runs/first first.onnx format=onnx"""

_DEFAULT_OUTPUTS = {
    "onnx": "onnx/model.onnx",
    "torch_export": "torch_export/model.pt2",
    "torchscript": "torchscript/model.pt",
    "mxnet": "mxnet",
}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def run(argv: Sequence[str]) -> int:
    """Export and print what was written and how exactly it answers. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    names = ("model", "format", "output", "nms", "size")
    given = fill_places(read_assignments(argv, names, sections=("run",), allow_files=True), ("model", "output"))
    format = given.names.get("format", "")
    nms = _FLAGS.get(given.names.get("nms", "false").lower())
    problems = []
    if format not in _DEFAULT_OUTPUTS:
        allowed = ", ".join(_DEFAULT_OUTPUTS)
        problems.append(f"Setting format is {shown(format)} but must be one of {allowed}: give format=onnx, say.")
    if nms is None:
        problems.append(f"Setting nms is {shown(given.names['nms'])} but must be true or false.")
    size_px = _size_px(given.names.get("size", ""))
    if size_px is None and given.names.get("size"):
        problems.append(f"Setting size is {shown(given.names['size'])}: give width and height, such as size=640x480.")
    try:
        model, _, settings = check(given, required_channels=())
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from None
    if problems:
        raise SettingsError(problems)
    output = local_path(given.names.get("output") or _DEFAULT_OUTPUTS[format])
    _export(model, format, output, bool(nms), size_px, settings)
    return 0


def _size_px(text: str) -> tuple[int, int] | None:
    """Return width and height as in "640x480"; None if the text is none."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(text) <= 11 and int(width) and int(height)):
        return None
    return int(width), int(height)


def _export(
    model: Path, format: str, output: Path, nms: bool, size_px: tuple[int, int] | None, settings: RunSettings
) -> None:
    from vision.api.export import export

    exported = export(model, format, output, nms=nms, size_px=size_px, run=settings)
    for path in exported.files:
        print(f"Wrote {path}")
    for difference in exported.differences:
        print(
            f"{difference.output}: differs from the model by at most {difference.absolute:.2g}"
            f" ({difference.relative:.1g} of the largest value)"
        )
