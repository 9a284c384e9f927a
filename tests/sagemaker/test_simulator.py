from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vision.sagemaker.simulator import Simulator, main, read


def test_the_config_files_are_the_platforms(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.rec").write_bytes(b"records")
    platform = Simulator(tmp_path / "ml", host="algo-2", hosts=("algo-1", "algo-2"))
    channels = {
        "train": {"path": data, "content_type": "application/x-recordio"},
        "validation": {"path": data / "a.rec", "mode": "FastFile"},
    }
    platform.write({"epochs": 3, "use_pretrained_model": 1}, channels)
    read = {path.name: json.loads(path.read_text()) for path in platform.prefix.config.iterdir()}
    assert read["hyperparameters.json"] == {"epochs": "3", "use_pretrained_model": "1"}
    # Contract 7.3.
    assert read["inputdataconfig.json"] == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "application/x-recordio",
        },
        "validation": {
            "TrainingInputMode": "FastFile",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        },
    }
    assert read["resourceconfig.json"]["current_host"] == "algo-2"
    assert read["resourceconfig.json"]["hosts"] == ["algo-1", "algo-2"]
    assert (platform.prefix.data / "train" / "a.rec").read_bytes() == b"records"
    assert (platform.prefix.data / "validation" / "a.rec").read_bytes() == b"records"


SLEEPER = """
import os, signal, sys, time
def end(*_):
    # The signal may come while "ready" is still being written, when print would be refused.
    os.write(1, f"saved in {os.environ['SAGEMAKER_BASE_DIR']}\\n".encode())
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(100)
"""


def test_a_stop_is_sigterm_and_gives_status_and_output(tmp_path: Path) -> None:
    platform = Simulator(tmp_path)
    process = platform.start((sys.executable, "-c", SLEEPER))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert platform.stop() == (143, f"saved in {tmp_path}\n")


def test_what_lies_beside_a_record_file_comes_along(tmp_path: Path) -> None:
    for name in ("train.rec", "train.idx", "train.lst", "other.idx", "classes.txt"):
        (tmp_path / name).write_text(name)
    platform = Simulator(tmp_path / "ml")
    platform.write({}, {"train": {"path": tmp_path / "train.rec"}, "train_lst": {"path": tmp_path / "train.lst"}})
    data = tmp_path / "ml/input/data"
    assert {path.name: path.read_text() for path in (data / "train").iterdir()} == {
        name: name for name in ("train.rec", "train.idx", "classes.txt")
    }
    assert sorted(path.name for path in (data / "train_lst").iterdir()) == ["classes.txt", "train.lst"]


WRONG = [
    (["mode"], "'mode' is no setting: write NAME=VALUE."),
    (["mod=File"], "Setting 'mod' is unknown: did you mean mode?"),
    (["channels.train=/no/such"], "Channel train is /no/such, which does not exist."),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_a_mistake_is_a_sentence(
    tmp_path: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_manifest_in_a_pipe_needs_attributes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "a.manifest"
    manifest.write_text("{}\n")
    assert main([str(tmp_path), "mode=Pipe", f"channels.train={manifest}"]) == 2
    assert "needs attributes: give for example attributes=source-ref,class" in capsys.readouterr().err


def test_settings_are_sorted_into_their_places(tmp_path: Path) -> None:
    words = ["hp.epochs=2", "run.seed=1", f"channels.train={tmp_path}", "mode=Pipe", "hp.image_shape=3,8,8"]
    assert read(words) == (
        {"epochs": "2", "run.seed": "1", "image_shape": "3,8,8"},
        {"train": str(tmp_path)},
        {"mode": "Pipe"},
    )


def test_the_status_is_the_jobs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISION_ALGORITHM", "image-classification")
    folder = tmp_path / "ml"
    assert main([str(folder), "hp.epochs=0"]) == 2
    assert "epochs is '0' but must be" in (folder / "output" / "failure").read_text()
    assert "epochs is '0' but must be" in capfd.readouterr().out
    assert json.loads((folder / "input/config/hyperparameters.json").read_text()) == {"epochs": "0"}
    assert main([str(folder), "hp.epochs=1"]) == 2
    assert "already holds a job's input" in capfd.readouterr().err
