from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import ClassVar

import cv2
import pytest

import vision
from tests.algorithms.conformance import RUN, Channels, Conformance, timeless
from tests.algorithms.mask_images import write_mask_images
from vision import algorithms
from vision.sagemaker.pipe_feeder import PipeFeeder, manifest_records
from vision.settings.errors import UserError


class TestToy(Conformance):
    name = "toy"
    hyperparameters: ClassVar = {"num_classes": 2, "epochs": 20}
    formats: ClassVar = {}

    @classmethod
    def prepare(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(algorithms, "__path__", [*algorithms.__path__, str(Path(__file__).parent)])

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        return write_mask_images(folder, count, (20, 24), (9, 12), (0, 10))

    def test_masks_train_as_the_platform_lays_them_out(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Folders train and train_annotation, the former with a copy of the latter that its S3 prefix fetched."""
        given = self.four_folders(tmp_path)
        shutil.copytree(tmp_path / "train_annotation", tmp_path / "train" / "train_annotation")
        result = self.run(given, tmp_path / "run", epochs=1)
        assert len(result.history) == 1
        assert "1 folders in" in caplog.text
        (tmp_path / "train_annotation" / "3.png").unlink()
        with pytest.raises(UserError, match=r"1 of 8 images in .* have no mask here: 3\.png; give each a PNG"):
            self.run(given, tmp_path / "other", epochs=1)

    def test_masks_train_through_pipes(self, tmp_path: Path) -> None:
        given = self.four_folders(tmp_path)
        feeders = []
        for name in ("train", "validation"):
            lines = [{"source-ref": f"{name}/{i}.png", "mask-ref": f"{name}_annotation/{i}.png"} for i in range(8)]
            manifest = tmp_path / f"{name}.manifest"
            manifest.write_text("\n".join(map(json.dumps, lines)))
            feeders.append(
                PipeFeeder(tmp_path / "pipes" / name, manifest_records(manifest, ("source-ref", "mask-ref")))
            )
            given[name] = {"path": str(tmp_path / "pipes" / name), "input_mode": "Pipe"}
            del given[f"{name}_annotation"]
        (tmp_path / "pipes").mkdir()
        for feeder in feeders:
            feeder.start()
        piped = self.run(given, tmp_path / "piped", {"stall_timeout_s": 20}, epochs=2, num_training_samples=8)
        for feeder in feeders:
            feeder.stop()
        assert piped.history[-1]["train_loss"] < piped.history[0]["train_loss"]
        assert piped.evaluation.num_images == 8

    def test_a_channel_of_its_own_reaches_the_labels(self, tmp_path: Path) -> None:
        """Pixels of 3 are class 1 where the label map says so, in training as in every fold."""
        given = self.four_folders(tmp_path)
        before = self.run(given, tmp_path / "before", epochs=1)
        for path in tmp_path.glob("*_annotation/*.png"):
            cv2.imwrite(str(path), 3 * cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        with pytest.raises(UserError, match="class ids below 2"):
            self.run(given, tmp_path / "refused", epochs=1)
        (tmp_path / "label_map").mkdir()
        for name in ("train", "validation"):
            (tmp_path / "label_map" / f"{name}_label_map.json").write_text('{"scale": 3}')
        given["label_map"] = {"path": str(tmp_path / "label_map")}
        assert timeless(self.run(given, tmp_path / "mapped", epochs=1)) == timeless(before)
        (tmp_path / "label_map" / "validation_label_map.json").unlink()
        folds = vision.cross_validate(
            self.name,
            given,
            folds=2,
            run={**RUN, "output": tmp_path / "folds"},
            **{**self.hyperparameters, "epochs": 1},
        )
        assert len(folds.metrics) == 2

    def four_folders(self, root: Path) -> Channels:
        """Return the channels train and validation, with theirs of masks, written to folders of these names."""
        channels = {}
        for name in ("train", "validation"):
            (root / "written").mkdir()
            for end, path in self.write_images(root / "written", 8).items():
                channels[f"{name}{end}"] = {"path": str(Path(path).rename(root / f"{name}{end}"))}
            (root / "written").rmdir()
        return channels
