"""One transform job at work: links the objects, lets ``vision transform`` answer them, and stores the answers."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.aws.child_process import ask_to_end, start_child
from vision.aws.s3.buckets import split_uri
from vision.aws.sagemaker.channel_data import link_files
from vision.aws.sagemaker.output_filter import OutputFilter
from vision.aws.sagemaker.transform_request import TransformRequest
from vision.aws.workplace import Workplace
from vision.data.recordio.record import MAGIC_BYTES
from vision.serving.media_types import JOINING, read_media_type

KIND = "transform-job"
LOG_GROUP = "/aws/sagemaker/TransformJobs"
_MB = 1 << 20
_SUFFIX = ".out"
_SETTING = "VISION_SERVE_"
# Serving settings that say how answers are computed; the others are the job's own or a server's.
_SETTINGS = frozenset({"device", "threads", "decode_threads", "max_batch", "max_pixels", "max_archive_gb"})
_SOME_FAILED = 1
_LONGEST_REASON = 1024


@dataclass(eq=False)
class TransformRun:
    """A job from its input to its answers. ``stop`` may be called from any thread.

    ``files`` are the objects by their key below the input's prefix, ``form`` is the media type of the answers.
    """

    workplace: Workplace
    request: TransformRequest
    model: Path
    environment: dict[str, str]
    files: Sequence[tuple[str, Path]]
    form: str
    kind: str = KIND
    _stopping: threading.Event = field(default_factory=threading.Event)
    _child: subprocess.Popen[str] | None = None
    _failures: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.request.transform_job_name

    @property
    def _folder(self) -> Path:
        return transforms_folder(self.workplace) / self.name

    def run(self, variables: Mapping[str, str]) -> None:
        """Answer all objects. Never raises: what goes wrong is the job's FailureReason."""
        log = self.workplace.logs.writer(LOG_GROUP, f"{self.name}/{int(time.time())}")
        try:
            if self._stopping.is_set():
                self._end("Stopped")
                return
            self.workplace.registry.update(KIND, self.name, started_s=time.time())
            status = self._transform(log.write, variables)
            self._store(log.write)
            if self._stopping.is_set():
                self._end("Stopped")
            elif status or self._failures:
                first = self._failures[0] if self._failures else "see the job's log"
                self._end("Failed", f"ClientError: not every object could be answered, the others are: {first}")
            else:
                self._end("Completed")
        except Exception as error:
            log.write(f"the job cannot be finished: {error}")
            self._end("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            log.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Ask the job to end, as StopTransformJob does; answers so far are kept."""
        self._stopping.set()
        ask_to_end(self._child)

    def _transform(self, write_log: Callable[[str], None], variables: Mapping[str, str]) -> int:
        """Run the process to its end and return its exit status."""
        shutil.rmtree(self._folder, ignore_errors=True)
        source = self._folder / "input"
        source.mkdir(parents=True)
        small = [(name, path) for name, path in self.files if self._fits(name, path, write_log)]
        if not small:
            return _SOME_FAILED
        link_files(small, source)
        words = [f"model={self.model}", f"input={source}", f"output={self._folder / 'output'}", f"accept={self.form}"]
        for variable, value in self.environment.items():
            setting = variable.removeprefix(_SETTING).lower()
            if variable.startswith(_SETTING) and setting in _SETTINGS:
                words.append(f"{setting}={value}")
        self._child = child = start_child("vision", ["transform", *words], variables)
        if self._stopping.is_set():
            self.stop()
        assert child.stdout is not None
        for line in child.stdout:
            write_log(line)
            if line.startswith("vision: "):
                self._failures.append(line.removeprefix("vision: ").strip())
        return child.wait()

    def _fits(self, name: str, path: Path, write_log: Callable[[str], None]) -> bool:
        """Return whether an object is small enough to be one request; one of records is several."""
        most = self.request.max_payload_in_mb
        if not most or self.request.transform_input.split_type != "None" or path.stat().st_size <= most * _MB:
            return True
        self._failures.append(f"{name} has more than the {most} MB that MaxPayloadInMB allows")
        write_log(self._failures[-1])
        return False

    def _store(self, write_log: Callable[[str], None]) -> None:
        """Put the answers into the bucket, each under its object's key."""
        bucket, prefix = split_uri(self.request.transform_output.s3_output_path)
        path_filter = OutputFilter.read(self.request.data_processing.output_filter)
        for name, path in self.files:
            answer = self._folder / "output" / f"{name}{_SUFFIX}"
            if not answer.is_file():
                continue
            with self.workplace.storage.staged() as staged:
                try:
                    with path.open("rb") as file:
                        is_records = file.read(len(MAGIC_BYTES)) == MAGIC_BYTES
                    with staged.open("wb") as file:
                        file.writelines(self._assembled(answer, is_records, path_filter))
                except ValueError as error:
                    self._failures.append(f"{name}: DataProcessing.OutputFilter: {error}")
                    write_log(self._failures[-1])
                    continue
                key = f"{prefix.rstrip('/')}/{name}{_SUFFIX}".lstrip("/")
                self.workplace.storage.store(staged, bucket, key)

    def _assembled(self, answer: Path, is_records: bool, path_filter: OutputFilter) -> Iterator[bytes]:
        """Yield the answer to an object as SageMaker puts it together. Raises ValueError."""
        joining = read_media_type(self.form).joining
        with answer.open("rb") as file:
            if joining is None:
                while piece := file.read(_MB):
                    yield piece
                return
            # Answers to records are lines already, and one of JSON has no line breaks inside.
            lines = (line.rstrip(b"\n") for line in file)
            parts = (path_filter.apply(line) for line in lines if line)
            is_line = joining.always or self.request.transform_output.assemble_with == "Line"
            if is_line:
                yield from (part + b"\n" for part in parts)
            elif is_records and self.request.transform_input.split_type == "None":
                # One request of many images has one answer.
                own = JOINING["application/json"]
                yield own.start
                first = next(parts, b"")
                yield first
                yield from itertools.chain.from_iterable((own.between, part) for part in parts)
                yield own.end
            else:
                yield from parts

    def _end(self, status: str, reason: str | None = None) -> None:
        changes: dict[str, Any] = {} if reason is None else {"failure": reason[:_LONGEST_REASON]}
        self.workplace.registry.update(KIND, self.name, status=status, ended_s=time.time(), **changes)


def transforms_folder(workplace: Workplace) -> Path:
    """Return the folder in which jobs have theirs while they work."""
    return workplace.own_folder / "transforms"
