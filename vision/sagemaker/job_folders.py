"""The run folder of a training container, with its parts where the platform restores and fetches them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vision.api.run_folder import RunFolder
from vision.files.atomic_file import atomic_file
from vision.files.write_error import WriteError, make_folder

MODEL_JSON = "model.json"


@dataclass(frozen=True)
class JobFolders(RunFolder):
    """``path`` is ``output/data``: history, logger files and the report.

    After a spot interruption the platform restores the checkpoint folder and nothing else, so the best model so far is
    kept there too; ``published`` gets a copy, which the platform packs into the job's model.tar.gz.
    """

    checkpoint_folder: Path
    published: Path
    job_name: str
    machine: str

    @property
    def name(self) -> str:
        return self.job_name

    @property
    def host(self) -> str:
        return self.machine

    @property
    def settings(self) -> Path:
        return self.checkpoint_folder / "settings.json"

    @property
    def checkpoints(self) -> Path:
        return self.checkpoint_folder

    @property
    def model(self) -> Path:
        return self.checkpoint_folder / "model"

    @property
    def archive(self) -> Path:
        raise AssertionError("the platform packs the model")

    def model_changed(self) -> None:
        """Copy the model to ``published``; after a stop at any moment there is a whole model there."""
        if not (self.model / MODEL_JSON).exists():
            return
        try:
            make_folder(self.published)
            sources = {entry.name: entry for entry in self.model.iterdir() if not entry.name.startswith(".")}
            description = sources.pop(MODEL_JSON)
            # Weights never change under their name; the description comes last and makes the copy valid.
            new = [source for source in sources.values() if not (self.published / source.name).exists()]
            for source in [*new, description]:
                with source.open("rb") as from_file, atomic_file(self.published / source.name) as to_file:
                    shutil.copyfileobj(from_file, to_file, 1 << 20)
            for entry in list(self.published.glob("weights-*")):
                if entry.name not in sources:
                    entry.unlink()
        except OSError as error:
            raise WriteError(self.published, error) from error

    def pack(self) -> None:
        """Copy the newest model; the platform does the packing."""
        self.model_changed()
