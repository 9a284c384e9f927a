"""Writes a network in formats that need no part of this package, and checks on the spot that they answer alike."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vision.files.atomic_file import write_whole
from vision.settings.errors import UserError

OPSET = 18
# float32 engines sum in different orders; a wrong layer is off by far more.
RELATIVE_TOLERANCE = 1e-3
# None of them is the traced batch, so that a size that got fixed is noticed.
TRACED_BATCH, CHECKED_BATCHES = 2, (1, 3)
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "torchscript": ".pt"}

Runner = Callable[[Tensor], Sequence[np.ndarray]]
INPUT = "images"
# Lengths that are free.
BATCH, HEIGHT, WIDTH = "batch", "height", "width"


@dataclass(frozen=True)
class Difference:
    """How far an exported output is from the network's own: at most, and relative to the greatest value."""

    output: str
    absolute: float
    relative: float


def export_network(heads: ExportHeads, format: str, path: Path, *, pipeline: bool = False) -> tuple[Difference, ...]:
    """Export the network to ``path``; nothing is written unless the export answers like the network.

    ``format`` is a key of SUFFIXES. ``pipeline`` (ONNX only) goes on to the final answer; what is checked are the
    raw heads before it. Raises UserError.
    """
    images = _images(heads, TRACED_BATCH)
    # In memory until it is checked: on a full disk torch's own writers of files end the process.
    with torch.no_grad(), warnings.catch_warnings():
        # Tracers warn of shapes that are constant here on purpose, and of their own future.
        warnings.simplefilter("ignore")
        exported, run = _EXPORTERS[format](heads, images)
        differences = _compare(heads, run)
        if pipeline:
            exported = _append_pipeline(heads, exported)
    write_whole(path, exported)
    return differences


def write_sidecar(
    path: Path, heads: ExportHeads, outputs: Sequence[HeadOutput], facts: Mapping[str, object], *, exported: str = ""
) -> None:
    """Write the JSON file beside an export: its input, its outputs, and ``facts`` such as preprocessing and classes.

    ``exported`` is the name of an ONNX file, for which an example in Python is added.
    """
    values: dict[str, object] = {
        **facts,
        "input": _described_input(heads),
        "outputs": [asdict(output) for output in outputs],
    }
    if exported:
        values["example"] = _example(heads, exported)
    write_whole(path, json.dumps(values, indent=2) + "\n")


def _described_input(heads: ExportHeads) -> dict[str, object]:
    """How to make the input from an image file, for programs in any language."""
    channels, height, width = heads.image_shape
    smallest = heads.smallest_side_px
    resize = (
        f"resize to height {height} and width {width}, whatever the proportions were: bilinear from the four"
        " nearest pixels, without antialiasing where it gets smaller, between the centres of pixels (row y of the"
        " result is row (y + 0.5) * old height / new height - 0.5 of the image, and columns alike, held at the"
        " border), rounded"
    )
    keep = f"leave the size as it is, if no side is below {smallest} pixels; images of one batch have one size"
    colors = "red, green, blue" if channels == 3 else "grey: 0.299 red + 0.587 green + 0.114 blue, rounded"
    return {
        "name": INPUT,
        "shape": [BATCH, channels, *((height, width) if smallest is None else (HEIGHT, WIDTH))],
        "dtype": "uint8",
        "meaning": "RGB pixels, 0..255" if channels == 3 else "grey pixels, 0..255",
        "axes": ["image", "channel", "row from the top (height)", "column from the left (width)"],
        "channels": colors,
        "values": "0..255 as decoded: the network itself subtracts the mean and divides by the deviation",
        "preparation": [
            "decode to 8 bits a channel; turn the image as its EXIF orientation says; repeat the one channel of a grey"
            " image three times, and leave out transparency",
            resize if smallest is None else keep,
            "order the values as channel, row, column",
        ],
    }


def _example(heads: ExportHeads, exported: str) -> list[str]:
    """Lines of Python that ask the network about one image; they need numpy, opencv-python and onnxruntime."""
    channels, height, width = heads.image_shape
    resize = f"image = cv2.resize(image, ({width}, {height}), interpolation=cv2.INTER_LINEAR)  # width, height"
    grey = ["image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None]"] if channels == 1 else []
    return [
        "import cv2, numpy, onnxruntime",
        'image = cv2.imread("image.jpg", cv2.IMREAD_COLOR)  # 8 bits, turned by EXIF; blue, green, red',
        *([resize] if heads.smallest_side_px is None else []),
        *grey,
        "images = numpy.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1)[None])  # red, green, blue",
        f"session = onnxruntime.InferenceSession({exported!r})",
        f'outputs = session.run(None, {{"{INPUT}": images}})',
    ]


def _images(heads: ExportHeads, count: int) -> Tensor:
    """Return that number of images, of a size that depends on it where the size is free."""
    generator = torch.Generator().manual_seed(count)
    channels, *sides = heads.image_shape
    if heads.smallest_side_px is not None and count != TRACED_BATCH:
        sides = [max(side + count * step, heads.smallest_side_px) for side, step in zip(sides, (7, -5), strict=True)]
    return torch.randint(0, 256, (count, channels, *sides), dtype=torch.uint8, generator=generator)


def _free_lengths(heads: ExportHeads) -> dict[str, dict[int, Any]]:
    lengths = {0: torch.export.Dim(BATCH)}
    if heads.smallest_side_px is not None:
        lengths |= {2: torch.export.Dim(HEIGHT, min=heads.smallest_side_px)}
        lengths |= {3: torch.export.Dim(WIDTH, min=heads.smallest_side_px)}
    return {INPUT: lengths}


def _compare(heads: ExportHeads, run: Runner) -> tuple[Difference, ...]:
    found = [Difference(output.name, 0.0, 0.0) for output in heads.outputs]
    for count in CHECKED_BATCHES:
        images = _images(heads, count)
        expected = [tensor.numpy() for tensor in heads.module(images)]
        for index, (ours, theirs) in enumerate(zip(expected, run(images), strict=True)):
            name = heads.outputs[index].name
            if ours.shape != theirs.shape:
                raise UserError(
                    f"The exported network answers {count} images with {name} of shape {list(theirs.shape)} instead of"
                    f" {list(ours.shape)}, so nothing was written; use another format"
                )
            absolute = float(np.abs(ours - theirs).max(initial=0.0))
            relative = absolute / max(float(np.abs(ours).max(initial=0.0)), 1e-12)
            found[index] = max(found[index], Difference(name, absolute, relative), key=lambda item: item.relative)
    # The negation also catches NaN.
    wrong = next((item for item in found if not item.relative <= RELATIVE_TOLERANCE), None)
    if wrong is not None:
        raise UserError(
            f"The exported network differs from the model: {wrong.output} by {wrong.absolute:.3g}"
            f" ({wrong.relative:.2g} of its largest value), so nothing was written; use another format"
        )
    return tuple(found)


def _onnx(heads: ExportHeads, images: Tensor) -> tuple[bytes, Runner]:
    runtime = _need("onnxruntime")
    _need("onnxscript")
    program = torch.onnx.export(
        heads.module,
        (images,),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=_free_lengths(heads),
        input_names=[INPUT],
        output_names=[output.name for output in heads.outputs],
        verbose=False,
    )
    assert program is not None
    exported = program.model_proto.SerializeToString()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    return exported, lambda batch: session.run(None, {INPUT: batch.numpy()})


def _torch_export(heads: ExportHeads, images: Tensor) -> tuple[bytes, Runner]:
    file = io.BytesIO()
    torch.export.save(torch.export.export(heads.module, (images,), dynamic_shapes=_free_lengths(heads)), file)
    exported = file.getvalue()
    loaded = torch.export.load(io.BytesIO(exported)).module()
    return exported, lambda batch: [tensor.numpy() for tensor in loaded(batch)]


def _torchscript(heads: ExportHeads, images: Tensor) -> tuple[bytes, Runner]:
    exported = torch.jit.trace(heads.module, images, check_trace=False).save_to_buffer()
    loaded = torch.jit.load(io.BytesIO(exported), map_location="cpu")
    return exported, lambda batch: [tensor.numpy() for tensor in loaded(batch)]


_EXPORTERS = {"onnx": _onnx, "torch_export": _torch_export, "torchscript": _torchscript}


def _append_pipeline(heads: ExportHeads, exported: bytes) -> bytes:
    onnx = _need("onnx")
    assert heads.append_pipeline is not None
    model = heads.append_pipeline(onnx.load_from_string(exported))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _need(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"format=onnx needs the package {package}: pip install 'vision[export]'") from error


@dataclass(frozen=True)
class HeadOutput:
    """``shape`` has "batch", "height" and "width" for lengths that are free; ``meaning`` is a sentence."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class ExportHeads:
    """``module``: images uint8 [N, C, H, W] of ``image_shape`` (C, H, W) -> a tuple of tensors, as ``outputs`` says.

    ``append_pipeline`` returns an ONNX model that continues to the final answer, ``pipeline_outputs``; None if the
    algorithm has no such thing.
    ``smallest_side_px``: height and width are free from there on, ``image_shape`` is an example; None: not free.
    """

    module: nn.Module
    image_shape: tuple[int, int, int]
    outputs: tuple[HeadOutput, ...]
    append_pipeline: Callable[[Any], Any] | None = None
    pipeline_outputs: tuple[HeadOutput, ...] = ()
    smallest_side_px: int | None = None

    def of_size(self, width_px: int, height_px: int) -> ExportHeads:
        """Return the same for images of one size only. Raises UserError if that is not the network's."""
        channels, height, width = self.image_shape
        if self.smallest_side_px is None and (width_px, height_px) != (width, height):
            raise UserError(
                f"Setting size is {width_px}x{height_px}, but this network takes images of {width}x{height} pixels"
                " alone: leave size out"
            )
        if min(width_px, height_px) < (self.smallest_side_px or 1):
            raise UserError(
                f"Setting size is {width_px}x{height_px}, but sides have at least {self.smallest_side_px} pixels: give"
                f" size={max(width_px, self.smallest_side_px or 1)}x{max(height_px, self.smallest_side_px or 1)}"
            )
        lengths: dict[int | str, int] = {HEIGHT: height_px, WIDTH: width_px}
        outputs = tuple(
            replace(output, shape=tuple(lengths.get(length, length) for length in output.shape))
            for output in self.outputs
        )
        shape = (channels, height_px, width_px)
        return replace(self, image_shape=shape, outputs=outputs, smallest_side_px=None)


class Heads(nn.Module):
    """Gives a network's answer as a plain tuple, with tensors that never change at the end."""

    def __init__(self, network: nn.Module, constants: tuple[Tensor, ...] = ()) -> None:
        super().__init__()
        self.network = network
        for index, constant in enumerate(constants):
            self.register_buffer(f"constant_{index}", constant, persistent=False)
        self.constant_names = [f"constant_{index}" for index in range(len(constants))]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(images)
        tensors = (answer,) if isinstance(answer, Tensor) else tuple(answer)
        return (*tensors, *(getattr(self, name) for name in self.constant_names))
