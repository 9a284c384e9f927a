from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vision import algorithms
from vision.data.labels import Task
from vision.data.look import DataLook
from vision.recipes.recipe import Choice, choose, recipe_names
from vision.settings.config_folder import config_folder
from vision.settings.device import Machine
from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings

OURS = [config_folder() / "recipe"]
CPU, GPU = Machine(2, False), Machine(16, True)


def look(task: Task = "single", num_images: int = 300, size_px: tuple[int, int] = (640, 480)) -> DataLook:
    return DataLook(task, num_images, ("a", "b"), 2, np.array([size_px]), np.array([0.2, 0.3]), 12)


def values(choice: Choice) -> dict[str, str]:
    return {one.setting: one.value for one in choice.settings}


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.mark.parametrize("machine", [CPU, GPU])
@pytest.mark.parametrize("size_px", [(4000, 3000), (200, 150), (32, 32), (8, 8), (5000, 20)])
@pytest.mark.parametrize("num_images", [2, 300, 100_000])
@pytest.mark.parametrize("task", ["single", "multi", "boxes", "mask"])
def test_what_is_chosen_is_allowed(task: Task, num_images: int, size_px: tuple[int, int], machine: Machine) -> None:
    choice = choose(look(task, num_images, size_px), machine, "auto", OURS)
    facts = algorithms.facts_of(choice.algorithm)
    assert task in facts.label_tasks
    sections: dict[str, dict[str, object]] = {"hp": {"num_classes": 2, "num_training_samples": num_images}, "run": {}}
    for name, value in values(choice).items():
        section, _, setting = name.partition(".")
        sections[section][setting] = value
    assert facts.hyperparameters.parse(sections["hp"]).warnings() == []
    RunSettings.parse(sections["run"])
    assert choice.plan.gflops_per_image > 0
    assert all(one.reason for one in choice.settings)


@pytest.mark.parametrize(
    ("size_px", "depth", "side"),
    [((4000, 3000), "18", "128"), ((150, 100), "20", "32"), ((40, 20), "20", "32"), ((28, 28), "20", "28")],
)
def test_photos_are_seen_whole_and_small_ones_used(size_px: tuple[int, int], depth: str, side: str) -> None:
    found = values(choose(look(size_px=size_px), CPU, "auto", OURS))
    assert (found["hp.num_layers"], found["hp.image_shape"], found["hp.resize"]) == (depth, f"3,{side},{side}", side)


def test_weights_that_are_there_are_used(no_weights: Path) -> None:
    scratch = choose(look(), CPU, "auto", OURS)
    assert values(scratch)["hp.use_pretrained_model"] == "0"
    assert any("resnet18-f37072fd.pth" in sentence for sentence in scratch.plan.advice)
    (no_weights / "resnet18-f37072fd.pth").touch()
    found = choose(look(), replace(CPU, weights_folder=no_weights), "auto", OURS)
    assert found.plan.is_pretrained
    assert found.plan.advice == ()
    assert values(found)["hp.use_pretrained_model"] == "1"
    on_gpu = choose(look(size_px=(60, 50)), replace(GPU, weights_folder=no_weights), "auto", OURS)
    assert (values(on_gpu)["hp.num_layers"], values(on_gpu)["hp.image_shape"]) == ("18", "3,224,224")


def test_a_network_that_the_user_names_is_fine_tuned() -> None:
    small, name = look(size_px=(32, 32)), "timm:convnext_tiny"
    own, named = choose(small, CPU, "auto", OURS), choose(small, CPU, "auto", OURS, given={"run.backbone": name})
    assert "hp.num_layers" not in values(named)
    assert values(named)["hp.use_pretrained_model"] == "1"
    assert values(named)["hp.image_shape"] == "3,224,224"
    assert float(values(named)["hp.learning_rate"]) < float(values(own)["hp.learning_rate"])
    assert name in " ".join(one.reason for one in named.settings)
    # That of a caller in Python has no weights but its own.
    brought = choose(small, CPU, "auto", OURS, given={"run.backbone": "own:Sequential"})
    assert values(brought)["hp.use_pretrained_model"] == "0"


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        # What is cut out of a scaled image must not be larger than it.
        ({"hp.image_shape": "3,224,200"}, {"hp.resize": "224", "hp.num_layers": "18"}),
        ({"hp.resize": "24"}, {"hp.image_shape": "3,24,24"}),
        ({"hp.image_shape": "3,32,32"}, {"hp.resize": "32", "hp.num_layers": "20"}),
        # The weights that are there are those of another network.
        ({"hp.num_layers": "50"}, {"hp.use_pretrained_model": "0", "hp.learning_rate": "0.003"}),
        ({"hp.num_layers": "18"}, {"hp.use_pretrained_model": "1", "hp.learning_rate": "0.003"}),
        # Trained weights without batch normalization are thrown off by such a rate.
        ({"run.backbone": "timm:resnet18"}, {"hp.use_pretrained_model": "1", "hp.learning_rate": "0.003"}),
        ({"run.backbone": "timm:convnext_tiny"}, {"hp.use_pretrained_model": "1", "hp.learning_rate": "0.0003"}),
        ({"hp.use_pretrained_model": "0"}, {"hp.learning_rate": "0.003"}),
    ],
)
def test_what_is_chosen_fits_what_the_user_states(
    given: dict[str, str], chosen: dict[str, str], no_weights: Path
) -> None:
    machine = CPU
    if "hp.image_shape" not in given:
        (no_weights / "resnet18-f37072fd.pth").touch()
        machine = replace(CPU, weights_folder=no_weights)
    found = values(choose(look(size_px=(120, 110)), machine, "auto", OURS, given=given))
    assert found | chosen == found


@pytest.mark.parametrize(
    ("size_px", "reason"),
    [((480, 360), "a part of the 360 pixels at a time, for speed"), ((200, 160), "most of the shorter side")],
)
def test_the_reason_of_a_crop_is_true(size_px: tuple[int, int], reason: str) -> None:
    settings = choose(look("mask", size_px=size_px), CPU, "auto", OURS).settings
    (crop,) = (one for one in settings if one.setting == "hp.crop_size")
    assert (crop.value, crop.reason) == ("160", reason)


def test_a_recipe_of_ones_own_stands_above_what_the_data_say(tmp_path: Path) -> None:
    text = (
        "image_classification:\n  always: {hp: {epochs: 3, lr_scheduler_step: [1, 2]}}\n  scratch: {run: {seed: 4}}\n"
    )
    (tmp_path / "mine.yaml").write_text(text + "  pretrained: {run: {seed: 5}}\n")
    found = values(choose(look(), CPU, "mine", [*OURS, tmp_path]))
    assert found | {"hp.epochs": "3", "hp.lr_scheduler_step": "1,2", "run.seed": "4"} == found
    assert recipe_names([*OURS, tmp_path]) == ("auto", "mine", "sagemaker")


def test_sagemakers_defaults_are_left_alone() -> None:
    assert choose(look("boxes"), CPU, "sagemaker", OURS).settings == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "Setting recipe is 'mine': known are auto, sagemaker"),
        ("image_clasification: {}", "did you mean image_classification"),
        ("image_classification: {allways: {}}", "did you mean always"),
        ("image_classification: {always: {hp: 3}}", "must hold names and values, but holds 3"),
        ("[", "cannot be read"),
        ("- 1", "must hold names and values"),
    ],
)
def test_faults_of_a_recipe_are_sentences(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=problem):
        choose(look(), CPU, "mine", [*OURS, tmp_path])


def test_the_given_algorithm_is_kept() -> None:
    assert choose(look("single"), CPU, "auto", OURS, "semantic_segmentation").algorithm == "semantic_segmentation"
    with pytest.raises(SettingsError, match="did you mean object_detection"):
        choose(look(), CPU, "auto", OURS, "object_detecton")
