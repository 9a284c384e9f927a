from __future__ import annotations

from pathlib import Path

import pytest

from vision.settings.errors import SettingsError
from vision.settings.run import RunSettings

DEFAULTS = {
    "output": None,
    "resume": False,
    "seed": 0,
    "device": "auto",
    "devices": None,
    "precision": "auto",
    "workers": None,
    "loader": "standard",
    "cache": "auto",
    "cache_folder": None,
    "scaled_decode": None,
    "channels_last": True,
    "compile": False,
    "deterministic": False,
    "accumulate": 1,
    "fit_memory": False,
    "folds": None,
    "validation_share": None,
    "max_broken": 0.01,
    "bad_boxes": "clip",
    "weights_folder": None,
    "backbone": None,
    "new_head": False,
    "checkpoint_every_steps": None,
    "stall_timeout_s": 600.0,
    "log_every_steps": 20,
    "progress": "auto",
    "loggers": ("csv",),
    "class_names": None,
    "report": True,
    "max_archive_gb": 8.0,
    "warmup_epochs": 0.0,
    "schedule": "auto",
    "momentum_correction": True,
    "decay_weights_only": False,
    "base_rate_factor": 1.0,
    "freeze": None,
    "freeze_epochs": None,
    "freeze_batch_norm": False,
    "batch_norm_batches": 0,
    "ema_decay": None,
    "clip_gradient_norm": None,
    "label_smoothing": 0.0,
    "class_weights": None,
    "objective": None,
    "patience": None,
    "augmentation": None,
    "random_resized_crop": None,
    "auto_augment": None,
    "random_erasing": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "balanced_sampling": False,
    "enlarge_small_images": False,
}


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISION_WEIGHTS", raising=False)
    assert RunSettings.parse({}).model_dump() == DEFAULTS
    assert [row.name for row in RunSettings.rows()] == list(DEFAULTS)
    assert all(row.description and row.valid for row in RunSettings.rows())


ACCEPTED = [
    ("output", "runs/x", Path("runs/x")),
    ("resume", "true", True),
    ("seed", "4294967295", 2**32 - 1),
    ("devices", "2", 2),
    ("precision", "bfloat16", "bfloat16"),
    ("workers", "0", 0),
    ("loader", "dali", "dali"),
    ("cache", "disk", "disk"),
    ("scaled_decode", "true", True),
    ("cache_folder", "decoded", Path("decoded")),
    ("accumulate", 4, 4),
    ("warmup_epochs", "0.5", 0.5),
    ("schedule", "cosine", "cosine"),
    ("freeze", 2, "2"),
    ("class_weights", "balanced", "balanced"),
    ("class_weights", "0,1.5", "0,1.5"),
    ("freeze", "base", "base"),
    ("max_broken", "0", 0.0),
    ("max_broken", 1, 1.0),
    ("bad_boxes", "fail", "fail"),
    ("checkpoint_every_steps", "5", 5),
    ("loggers", "csv, tensorboard", ("csv", "tensorboard")),
    ("loggers", ["tensorboard"], ("tensorboard",)),
    ("class_names", "cat, dog", ("cat", "dog")),
    ("class_names", ["cat", "wild dog"], ("cat", "wild dog")),
    ("class_names", "cat", ("cat",)),
    ("max_archive_gb", "0.5", 0.5),
]


@pytest.mark.parametrize(("name", "given", "expected"), ACCEPTED)
def test_accepts(name: str, given: object, expected: object) -> None:
    assert getattr(RunSettings.parse({name: given}), name) == expected


REJECTED = [
    ("seed", "-1", "an integer of at least 0 and below"),
    ("device", "gpu", "auto, cpu, cuda or a GPU by its number, such as cuda:1"),
    ("device", "cuda:one", "auto, cpu, cuda or a GPU by its number, such as cuda:1"),
    ("devices", "0", "of at least 1"),
    ("precision", "bfloat", "did you mean precision=bfloat16?"),
    ("accumulate", "0", "of at least 1"),
    ("max_broken", "5", "from 0 to 1"),
    ("loggers", "cvs", "csv, tensorboard, mlflow or wandb"),
    ("class_names", "cat,,dog", "has an empty name"),
    ("class_names", "cat,dog,cat", "has 'cat' twice"),
    ("weights_folder", "/no/such/folder", "is not a folder"),
    ("bad_boxes", "skip", "clip, drop or fail"),
    ("max_archive_gb", "0", "above 0"),
    ("class_weights", "1,-1", "must be balanced or a number of at least 0 for each class"),
    ("class_weights", "many", "must be balanced or a number"),
    ("freeze", "0", "which freezes nothing: give base, a number of stages"),
    ("freeze", "-1", "which freezes nothing"),
    ("freeze", "layer(", "is no regular expression"),
    ("freeze_epochs", "2", "but nothing is frozen"),
    ("base_rate_factor", "0", "above 0 and at most 1"),
    ("ouput", "x", "did you mean output?"),
]


@pytest.mark.parametrize(("name", "given", "part"), REJECTED)
def test_rejects_in_one_sentence(name: str, given: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RunSettings.parse({name: given})
    (problem,) = caught.value.problems
    assert problem.startswith("Run setting ")
    assert part in problem


def test_class_names_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffcat\r\nwild dog, grey\n\n".encode())
    settings = RunSettings.parse({"class_names": str(path)})
    assert settings.class_names == ("cat", "wild dog, grey")
    assert RunSettings.parse(settings.to_strings()) == settings
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="no UTF-8 text of one name a line"):
        RunSettings.parse({"class_names": str(path)})


def test_weights_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISION_WEIGHTS", str(tmp_path))
    assert RunSettings.parse({}).weights_folder == tmp_path
    other = tmp_path / "other"
    other.mkdir()
    assert RunSettings.parse({"weights_folder": str(other)}).weights_folder == other


def test_output_must_not_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SettingsError, match="which is a file: give a folder"):
        RunSettings.parse({"output": path})
