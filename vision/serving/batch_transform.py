"""SageMaker's batch transform on this machine: a folder of images to a folder of answers.

Every file is one request and gets one answer, called ``NAME.out``; a bad file gets none and does not affect the others.
Answers from an earlier run of the same model are kept.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision.data.readers.file_table import MAX_FILE_BYTES, walk_files
from vision.data.recordio.record import MAGIC_BYTES, iter_records, unpack
from vision.files.atomic_file import AtomicFile, write_whole
from vision.files.write_error import WriteError, make_below, make_folder, writing
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import Answer
from vision.serving.media_types import read_media_type
from vision.serving.request_body import EncodedImage
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular
from vision.settings.strict_json import read_json

OUT_SUFFIX = ".out"
# Records the model and the form of the answers in the folder.
ORIGIN_FILE = ".transform.json"

_RECORDS_AT_ONCE = 64


@dataclass(frozen=True)
class TransformResult:
    """What a batch transform did.

    ``failed`` has each file without an answer and the reason; ``kept`` counts answers from an earlier run.
    ``passed_over`` has each entry of the folder that was skipped and what it is.
    """

    done: int
    kept: int
    failed: tuple[tuple[str, str], ...]
    passed_over: tuple[tuple[str, str], ...]


class BatchTransform:
    """Answers the files below ``source`` into ``target`` in the media type ``form``.

    ``report`` is called with a sentence about each file that is skipped or has failed. With a ``suffix`` such as .png
    the answer to a.jpg is called a.png, not a.jpg.out.
    """

    def __init__(
        self,
        model: HostedModel,
        source: Path,
        target: Path,
        form: str,
        report: Callable[[str], None] = lambda text: None,
        suffix: str | None = None,
    ) -> None:
        self._model = model
        self._source = source
        self._target = target
        self._form = form
        self._report = report
        self._suffix = suffix
        self._passed_over: list[tuple[str, str]] = []
        inner, outer = target.resolve(), source.resolve()
        # Where the answers go below the folder of images, "." for beside them, None for elsewhere.
        self._own_folder = inner.relative_to(outer).as_posix() if inner.is_relative_to(outer) else None

    def run(self, at_once: int) -> TransformResult:
        """Answer all files, ``at_once`` of them at the same time. Raises UserError."""
        names = self._names()
        self._check_suffix(names)
        self._claim_target()
        waiting = [name for name in names if not self._is_done(name)]
        failed = asyncio.run(self._transform_all(iter(waiting), at_once))
        return TransformResult(
            len(waiting) - len(failed), len(names) - len(waiting), tuple(sorted(failed)), tuple(self._passed_over)
        )

    def _names(self) -> list[str]:
        if not self._source.is_dir():
            raise UserError(f"Setting input is {str(self._source)!r}, which is not a folder: give a folder of images.")
        names = [name for name in walk_files(self._source, self._pass_over) if not self._is_answer(name)]
        if not names:
            raise UserError(f"Setting input is {str(self._source)!r}, which has no files to transform.")
        return names

    def _check_suffix(self, names: Sequence[str]) -> None:
        if self._suffix is None:
            return
        if self._own_folder == ".":
            raise UserError(
                f"Setting suffix is {self._suffix!r}, but output is the folder of the images: give another folder."
            )
        image_of: dict[Path, str] = {}
        for name in names:
            other = image_of.setdefault(self._out(name), name)
            if other != name:
                raise UserError(
                    f"Setting suffix is {self._suffix!r}, but {other} and {name} would have the same answer: leave it "
                    "out, or rename one of them."
                )

    def _is_answer(self, name: str) -> bool:
        """Return whether a file is an answer of this command, one of ours or one by its name."""
        if not name.endswith(OUT_SUFFIX):
            return self._is_ours(name)
        self._pass_over(name, f"an answer of this command by its ending {OUT_SUFFIX}")
        return True

    def _pass_over(self, name: str, kind: str) -> None:
        if not self._is_ours(name):
            self._passed_over.append((name, kind))
            self._report(f"{name} is passed over: it is {kind}")

    def _is_ours(self, name: str) -> bool:
        """Return whether this command has put the file below the folder of images."""
        if self._own_folder == ".":
            image = self._source / name.removesuffix(OUT_SUFFIX)
            return name == ORIGIN_FILE or (name.endswith(OUT_SUFFIX) and image.is_file())
        return self._own_folder is not None and name.startswith(f"{self._own_folder}/")

    def _claim_target(self) -> None:
        """Refuse a folder with another model's answers, else note whose they are."""
        origin = {"weights": self._model.model.stored.weights.sha256, "accept": self._form}
        path = self._target / ORIGIN_FILE
        try:
            make_folder(self._target)
            if path.exists():
                if read_json(path) != origin:
                    raise UserError(
                        f"Setting output is {str(self._target)!r}, which holds answers of another model or in"
                        " another form: give another folder, or remove that one."
                    )
                return
            write_whole(path, json.dumps(origin) + "\n")
        except (OSError, ValueError) as error:
            raise UserError(f"Setting output is {str(self._target)!r}, which cannot be used: {error}.") from error

    def _is_done(self, name: str) -> bool:
        """Return whether there is a complete answer that is newer than the file."""
        try:
            answer = self._out(name).stat()
            return answer.st_size > 0 and answer.st_mtime_ns >= (self._source / name).stat().st_mtime_ns
        except OSError:
            return False

    def _out(self, name: str) -> Path:
        return self._target / (name + OUT_SUFFIX if self._suffix is None else os.path.splitext(name)[0] + self._suffix)

    async def _transform_all(self, names: Iterator[str], at_once: int) -> list[tuple[str, str]]:
        failed: list[tuple[str, str]] = []

        async def work() -> None:
            for name in names:
                try:
                    await self._transform(name)
                except DataError as error:
                    failed.append((name, str(error)))
                    self._report(str(error))

        await asyncio.gather(*(work() for _ in range(at_once)))
        return failed

    async def _transform(self, name: str) -> None:
        """Answer one file. Raises DataError."""
        path = self._source / name
        out = self._out(name)
        try:
            is_records, portions = await asyncio.to_thread(_open, path, name)
            if is_records and read_media_type(self._form).joining is None:
                raise DataError(name, f"is a file of records, but an answer as {self._form} is that of one image")
            with writing(out):
                make_below(self._target, out.parent)
            with AtomicFile(out) as file:
                for images in portions:
                    for answer in await self._answer(images):
                        file.write(self._body(answer, is_records))
        except WriteError as error:
            # A name that is too long concerns this file alone; a full disk concerns all files.
            if error.errno == errno.ENAMETOOLONG:
                raise DataError(name, f"has no answer, since {error}") from error
            raise
        except OSError as error:
            raise DataError(name, f"cannot be read ({error.strerror})") from error

    async def _answer(self, images: Sequence[EncodedImage]) -> list[Answer]:
        answers = await self._model.answer(images, self._form)
        for image, answer in zip(images, answers, strict=True):
            if answer.problem is not None:
                raise DataError(image.key, answer.problem.removeprefix(f"{image.key}: "))
        return answers

    def _body(self, answer: Answer, is_record: bool) -> bytes:
        """Return a line for a record or where every answer is one, else what the endpoint would send."""
        joining = read_media_type(self._form).joining
        return answer.body + b"\n" if is_record or (joining is not None and joining.always) else answer.body


def _open(path: Path, name: str) -> tuple[bool, Iterator[list[EncodedImage]]]:
    """Return whether a file holds records, and its images in portions. Raises DataError and OSError."""
    with open_regular(path) as file:
        content = file.read(len(MAGIC_BYTES))
        if content != MAGIC_BYTES:
            content += file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise DataError(name, f"has more than the {MAX_FILE_BYTES} bytes that a file may have")
            return False, iter(([EncodedImage(content, name)],))
    return True, _record_portions(path, name)


def _record_portions(path: Path, name: str) -> Iterator[list[EncodedImage]]:
    with open_regular(path) as file:
        records = enumerate(iter_records(file, name))
        while portion := list(itertools.islice(records, _RECORDS_AT_ONCE)):
            yield [
                EncodedImage(unpack(payload, key).encoded, key)
                for number, payload in portion
                for key in (f"{name} record {number}",)
            ]
