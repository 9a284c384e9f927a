from __future__ import annotations

import json
from pathlib import Path

import pytest

from vision.sagemaker.prefix import Prefix
from vision.settings.errors import UserError

CHOICES = [
    (None, {}, "/opt/ml"),
    (None, {"SAGEMAKER_BASE_DIR": "/a"}, "/a"),
    ("/b", {"SAGEMAKER_BASE_DIR": "/a"}, "/b"),
]


@pytest.mark.parametrize(("argument", "environ", "path"), CHOICES)
def test_the_folder_is_opt_ml_unless_told_otherwise(argument: str | None, environ: dict[str, str], path: str) -> None:
    assert Prefix.choose(argument, environ).path == Path(path)


CHECKPOINTS = [
    (None, "checkpoints"),
    ({"S3Uri": "s3://b/c"}, "checkpoints"),
    ({"LocalPath": "/opt/ml/checkpoints/"}, "checkpoints"),
    ({"LocalPath": "/opt/ml/saved"}, "saved"),
    ({"LocalPath": "/elsewhere"}, "/elsewhere"),
]


@pytest.mark.parametrize(("config", "folder"), CHECKPOINTS)
def test_the_checkpoint_folder_is_the_jobs(tmp_path: Path, config: object, folder: str) -> None:
    prefix = Prefix(tmp_path)
    prefix.config.mkdir(parents=True)
    if config is not None:
        (prefix.config / "checkpointconfig.json").write_text(json.dumps(config))
    assert prefix.checkpoints == tmp_path / folder


WRONG = [
    "",
    "[]",
    '"x"',
    "{",
    "[" * 100_000,
    '{"a":' * 500 + "1" + "}" * 500,
    "\xff\xfe",
    '{"a": NaN}',
    "{}" + " " * (10 << 20),
]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    prefix = Prefix(tmp_path)
    prefix.config.mkdir(parents=True)
    (prefix.config / "resourceconfig.json").write_bytes(b'\xef\xbb\xbf{"current_host": "algo-1"}')
    assert prefix.read_config("resourceconfig.json") == {"current_host": "algo-1"}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_config_file_that_is_no_object_is_a_sentence(tmp_path: Path, text: str) -> None:
    prefix = Prefix(tmp_path)
    prefix.config.mkdir(parents=True)
    (prefix.config / "hyperparameters.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"hyperparameters.json must hold one JSON object"):
        prefix.read_config("hyperparameters.json")
    assert prefix.read_config("resourceconfig.json") == {}
