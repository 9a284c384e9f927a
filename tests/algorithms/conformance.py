"""What every algorithm must do, inherited by ``<name>/test_conformance.py``; one trained model serves all checks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch

import vision
from tests.serving.asgi import Answered, post, whole
from vision import algorithms
from vision.api import evaluate_model
from vision.cli.main import main
from vision.data.readers.open import open_channel
from vision.interop.mxnet_export import EXPORTERS
from vision.nn.stages import is_in
from vision.python.results import TrainingResult
from vision.settings.channels import parse_channels
from vision.settings.errors import UserError
from vision.settings.run import RunSettings

Channels = dict[str, dict[str, str]]
RUN = {"device": "cpu", "workers": 0, "progress": "none", "seed": 3}
# What depends on the clock.
TIMES = ("seconds", "images_per_second", "data_wait_share")


class Conformance:
    """Subclasses say which algorithm, which small network, and how eight images of it look."""

    name: ClassVar[str]
    hyperparameters: ClassVar[Mapping[str, object]]
    """A network that learns eight images by heart in seconds, with the epochs that it needs."""
    good: ClassVar[float] = 0.95
    """What the objective reaches then."""
    shared: ClassVar[str] = ""
    """What the names of the figures begin with that do not depend on how a batch is divided, as dropout's do."""
    formats: ClassVar[Mapping[str, str]]
    """Data set formats by the suffix of their path: those that its labels survive, there and back."""

    @classmethod
    def prepare(cls, patch: pytest.MonkeyPatch) -> None:
        """Make the algorithm ready, in every process that works with it."""

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        """Write ``count`` images with labels into ``folder`` and return the paths by what they are.

        "" is the channel itself, another key such as "_annotation" the channel with that ending.
        """
        raise NotImplementedError

    # The trained model ---------------------------------------------------------------------------------------------

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _prepared(cls) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            cls.prepare(patch)
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def channels(cls, _prepared: None, tmp_path_factory: pytest.TempPathFactory) -> Channels:
        """Eight images to train with, and the same to validate."""
        folder = tmp_path_factory.mktemp("images")
        paths = cls.write_images(folder, 8)
        return {f"{channel}{end}": {"path": path} for channel in ("train", "validation") for end, path in paths.items()}

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, channels: Channels, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
        """A model that knows eight images by heart, from images that were not changed at random, with its report."""
        kind = type(algorithms.get(cls.name))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "training_transform", lambda self, hp, run: self.transform(hp, "validation"))
            return vision.fit(
                cls.name,
                channels,
                run={**RUN, "output": tmp_path_factory.mktemp("runs") / "trained"},
                **cls.hyperparameters,
            )

    @pytest.fixture(scope="class")
    @classmethod
    def two_epochs(cls, channels: Channels, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
        """A run of two epochs without a cache."""
        return cls.run(channels, tmp_path_factory.mktemp("runs") / "two", {"cache": "none"}, epochs=2)

    @classmethod
    def run(
        cls, channels: Channels, output: Path, run: Mapping[str, object] | None = None, **hyperparameters: object
    ) -> TrainingResult:
        settings = {**RUN, "report": False, "output": output, **(run or {})}
        return vision.fit(cls.name, channels, run=settings, **{**cls.hyperparameters, **hyperparameters})

    def words(self, channels: Channels, **hyperparameters: object) -> list[str]:
        """Return the job as words of ``vision train``."""
        given = {**self.hyperparameters, **hyperparameters}
        return [
            f"algorithm={self.name}",
            *(f"hp.{name}={value}" for name, value in given.items()),
            *(f"channels.{name}.{key}={value}" for name, held in channels.items() for key, value in held.items()),
            *(f"run.{name}={value}" for name, value in RUN.items()),
        ]

    def process(self, *words: str, **environment: str) -> None:
        """Run a front door in a process of its own; its failure fails the test with what it said."""
        command = [sys.executable, "-m", "tests.algorithms.front_door", type(self).__module__, type(self).__name__]
        done = subprocess.run(
            [*command, *words],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    # Settings and declarations -------------------------------------------------------------------------------------

    def test_settings_survive_as_strings(self) -> None:
        table = algorithms.facts_of(self.name).hyperparameters
        given = table.parse({"num_classes": 2, "num_training_samples": 8, **self.hyperparameters})
        assert table.parse(given.to_strings()) == given

    def test_declarations_name_what_is_there(self, trained: TrainingResult) -> None:
        facts = algorithms.facts_of(self.name)
        assert facts is algorithms.get(self.name).facts
        assert facts.name == self.name
        assert facts.objective.metric in trained.metrics
        fields = facts.hyperparameters.model_fields
        assert {*facts.must_match, *facts.head_settings, *facts.measured_by} <= set(fields)
        assert {"train", "validation"} <= {channel.name for channel in facts.channels if channel.required}
        columns = {name for row in trained.history for name in row} - {"epoch", "learning_rate", *TIMES}
        undeclared = [name for name in sorted({*trained.metrics, *columns}) if facts.metric(name) is None]
        assert not undeclared, undeclared

    # Training ------------------------------------------------------------------------------------------------------

    def test_learns_eight_images_by_heart(self, trained: TrainingResult) -> None:
        assert trained.metrics[algorithms.facts_of(self.name).objective.metric] > self.good
        assert trained.history[-1]["train_loss"] < 0.5 * trained.history[0]["train_loss"]

    def test_a_resumed_run_is_the_whole_one(
        self, channels: Channels, two_epochs: TrainingResult, tmp_path: Path
    ) -> None:
        self.run(channels, tmp_path / "parts", {"cache": "none"}, epochs=1)
        parts = self.run(channels, tmp_path / "parts", {"cache": "none", "resume": True}, epochs=2)
        assert timeless(parts) == timeless(two_epochs)
        assert_same_weights(parts.folder.path, two_epochs.folder.path)

    def test_a_frozen_base_keeps_its_bits_while_the_head_learns(self, channels: Channels, tmp_path: Path) -> None:
        algorithm = algorithms.get(self.name)
        given = {"freeze": "base", "decay_weights_only": True, "base_rate_factor": 0.1, "schedule": "cosine"}
        start = self.run(channels, tmp_path / "start", epochs=1)
        network = vision.load(start.folder.path, run={"device": "cpu"}).network
        stages = algorithm.stages(network)
        more = {**channels, "model": {"path": str(start.folder.model)}}
        if not stages:
            with pytest.raises(UserError, match="no base network apart from its head"):
                self.run(more, tmp_path / "more", given, epochs=1)
            return
        names = [name for name, _ in network.named_parameters()]
        assert all(any(name.startswith(stage) for name in names) for stage in stages)
        self.run(more, tmp_path / "more", given, epochs=2)
        before, after = (
            vision.load(tmp_path / path, run={"device": "cpu"}).network.state_dict() for path in ("start", "more")
        )
        for name, value in before.items():
            assert torch.equal(value, after[name]) or not is_in(name, stages), name
        head = [name for name in names if not is_in(name, stages)]
        assert head
        assert any(not torch.equal(before[name], after[name]) for name in head)

    def test_frozen_batch_norm_of_the_base_keeps_its_bits_while_all_else_learns(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path
    ) -> None:
        """Also after a resume, in averaged weights, and where other statistics are measured before validation."""
        before = trained.model.network.state_dict()
        stages = algorithms.get(self.name).stages(trained.model.network)
        norms = [name.removesuffix("running_mean") for name in before if name.endswith("running_mean")]
        held = tuple(name for name in norms if is_in(name, stages))
        given = {"freeze_batch_norm": True, "ema_decay": 0.9, "batch_norm_batches": 1, "cache": "none"}
        with pytest.raises(UserError, match="is untrained" if held else "has no batch normalization"):
            self.run(channels, tmp_path / "new", given, epochs=1)
        if not held:
            return
        more = {**channels, "model": {"path": str(trained.folder.model)}}
        self.run(more, tmp_path / "more", given, epochs=1)
        found = self.run(more, tmp_path / "more", {**given, "resume": True}, epochs=2)
        after = vision.load(found.folder.path, run={"device": "cpu"}).network.state_dict()
        changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
        assert not [name for name in changed if name.startswith(held)]
        assert any(is_in(name, stages) for name in changed)
        assert any(not is_in(name, stages) for name in changed)

    def test_a_cache_changes_nothing_or_is_refused(
        self, channels: Channels, two_epochs: TrainingResult, tmp_path: Path
    ) -> None:
        if algorithms.facts_of(self.name).capabilities.decoded_cache:
            cached = self.run(channels, tmp_path / "cached", {"cache": "memory"}, epochs=2)
            assert timeless(cached) == timeless(two_epochs)
            assert_same_weights(cached.folder.path, two_epochs.folder.path)
        else:
            with pytest.raises(UserError, match=r"run\.cache"):
                self.run(channels, tmp_path / "cached", {"cache": "memory"}, epochs=1)
            assert not (tmp_path / "cached" / "metrics.csv").exists()

    def test_augmentation_of_the_run_settings_follows_the_seed_in_any_process(
        self, channels: Channels, tmp_path: Path
    ) -> None:
        flip = {"__class_fullname__": "Affine", "translate_percent": [-0.2, 0.2], "p": 0.7}
        given = {"random_resized_crop": 0.5, "auto_augment": "trivial", "random_erasing": 0.5, "augmentation": flip}
        whole = self.run(channels, tmp_path / "whole", given, epochs=2)
        self.run(channels, tmp_path / "parts", {**given, "cache": "none", "workers": 2}, epochs=1)
        parts = self.run(channels, tmp_path / "parts", {**given, "cache": "none", "resume": True}, epochs=2)
        assert timeless(parts) == timeless(whole)
        assert_same_weights(parts.folder.path, whole.folder.path)
        with pytest.raises(UserError, match=r"run\.random_erasing is 0\.0, but the run .* began with 0\.5"):
            self.run(channels, tmp_path / "parts", {**given, "random_erasing": 0, "resume": True}, epochs=2)

    def test_mixing_and_balancing_work_as_declared_and_go_on_after_a_resume(
        self, channels: Channels, tmp_path: Path
    ) -> None:
        declared = algorithms.facts_of(self.name).capabilities
        given = {}
        for name, value, can in (
            ("mixup", 0.4, declared.mixing),
            ("cutmix", 1.0, declared.mixing),
            ("balanced_sampling", True, declared.balanced_sampling),
        ):
            if can:
                given[name] = value
            else:
                with pytest.raises(UserError, match=rf"run\.{name} does not work with .*, as {self.name} has"):
                    self.run(channels, tmp_path / name, {name: value}, epochs=1)
        if given:
            whole = self.run(channels, tmp_path / "whole", given, epochs=2)
            self.run(channels, tmp_path / "parts", {**given, "cache": "none"}, epochs=1)
            parts = self.run(channels, tmp_path / "parts", {**given, "cache": "none", "resume": True}, epochs=2)
            assert timeless(parts) == timeless(whole)
            assert_same_weights(parts.folder.path, whole.folder.path)

    def test_dali_is_refused_where_it_would_lose_targets(self, channels: Channels, tmp_path: Path) -> None:
        if algorithms.facts_of(self.name).capabilities.dali:
            pytest.skip("the tests of DALI train with it")
        with pytest.raises(UserError, match=r"run\.loader"):
            self.run(channels, tmp_path / "dali", {"loader": "dali"}, epochs=1)
        assert not (tmp_path / "dali" / "metrics.csv").exists()

    def test_settings_of_the_loss_work_or_are_refused(
        self, channels: Channels, two_epochs: TrainingResult, tmp_path: Path
    ) -> None:
        facts, hp = algorithms.facts_of(self.name), two_epochs.job.hyperparameters
        works = {"label_smoothing": facts.capabilities.label_smoothing}
        works["class_weights"] = hp.class_weighing == "run.class_weights"
        for name, value in (("label_smoothing", "0.2"), ("class_weights", "balanced")):
            given = {name: value, "cache": "none"}
            if not works[name]:
                with pytest.raises(UserError, match=rf"Setting run\.{name} "):
                    self.run(channels, tmp_path / name, given, epochs=1)
                continue
            found = self.run(channels, tmp_path / name, given, epochs=1)
            assert found.history[0]["train_loss"] != two_epochs.history[0]["train_loss"], name

    def test_the_best_model_is_the_best_by_a_declared_objective(
        self, channels: Channels, two_epochs: TrainingResult, tmp_path: Path
    ) -> None:
        facts = algorithms.facts_of(self.name)
        choices = two_epochs.job.hyperparameters.objectives or (facts.objective.metric,)
        assert facts.objective.metric == choices[0]
        for name in choices:
            assert name in two_epochs.metrics
            declared = facts.metric(name)
            assert declared is not None
            assert declared.higher_is_better
        found = self.run(
            channels, tmp_path / "best", {"objective": choices[-1], "patience": 1, "cache": "none"}, epochs=2
        )
        values = [row[f"validation_{choices[-1]}"] for row in found.history]
        assert read(found.folder.path / "model")["epoch"] == 1 + values.index(max(values))
        with pytest.raises(UserError, match=rf"run\.objective is 'loss', .* the best by {choices[0]}"):
            self.run(channels, tmp_path / "other", {"objective": "loss"}, epochs=1)

    def test_two_processes_measure_what_one_does(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path
    ) -> None:
        """From the trained weights, which so small a rate leaves as they are."""
        given = {**channels, "model": {"path": str(trained.folder.model)}}
        words = self.words(given, epochs=1, learning_rate=1e-9)
        for count in ("1", "2"):
            self.process("train", *words, f"run.devices={count}", f"run.output={tmp_path / count}", "run.report=false")
        one, two = (
            {name: value for name, value in read_history(tmp_path / count).items() if name.startswith(self.shared)}
            for count in ("1", "2")
        )
        assert one
        assert one == pytest.approx(two, rel=1e-3, abs=1e-4)

    # The model -----------------------------------------------------------------------------------------------------

    def test_evaluation_says_what_training_said(self, channels: Channels, trained: TrainingResult) -> None:
        given = {name: held for name, held in channels.items() if name.startswith("validation")}
        found = vision.evaluate(trained.folder.archive, given, run={"device": "cpu"})
        assert found.metrics == trained.metrics
        assert found.tables == trained.evaluation.tables
        # In plain words too, of the figure that decides.
        verdict, objective = found.verdict, algorithms.facts_of(trained.job.algorithm).objective.metric
        assert verdict is not None
        assert verdict.interval.value == pytest.approx(found.metrics[objective], abs=1e-9)
        assert verdict.interval.low <= verdict.interval.value <= verdict.interval.high
        assert trained.verdict[: len(verdict.sentences())] == verdict.sentences() != ()
        assert found.num_images == 8

    def test_a_model_compared_with_itself_is_no_better(
        self, channels: Channels, trained: TrainingResult, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = {name: held for name, held in channels.items() if name.startswith("validation")}
        path = trained.folder.path
        compared = vision.compare(path, path, given, run={"device": "cpu"}, resamples=100)
        assert compared.decisive.difference.value == 0

    def test_folder_and_archive_answer_alike(self, channels: Channels, trained: TrainingResult) -> None:
        image = self.image(channels)
        folder, archive = (
            vision.load(path, run={"device": "cpu"}) for path in (trained.folder.path, trained.folder.archive)
        )
        first, second = (model.predict(image)[0].description for model in (folder, archive))
        assert first == second
        assert json.loads(json.dumps(first, allow_nan=False)) == first

    def test_results_can_be_looked_at(self, channels: Channels, trained: TrainingResult) -> None:
        found = trained.model.predict(self.image(channels))[0]
        assert {one.label for one in found.findings} <= set(trained.model.class_names)
        assert [one.score for one in found.findings] == sorted((one.score for one in found.findings), reverse=True)
        assert found.plot().size == found.size_px
        assert len(found.to_pandas()) == len(found.findings)
        for shown in (found, trained, trained.evaluation, trained.report):
            assert shown._repr_html_()

    def test_an_export_answers_as_the_network(self, trained: TrainingResult, tmp_path: Path) -> None:
        path = tmp_path / "model.pt2"
        assert main(["export", f"model={trained.folder.path}", "format=torch_export", f"output={path}"]) == 0
        model = vision.load(trained.folder.path, run={"device": "cpu"})
        heads = model.algorithm.export_heads(model.network, model.hyperparameters)
        images = torch.randint(0, 256, (2, *heads.image_shape), dtype=torch.uint8)
        with torch.inference_mode():
            expected = heads.module(images)
        exported = torch.export.load(path).module()(images)
        assert [output.name for output in heads.outputs] == [one["name"] for one in read(tmp_path)["outputs"]]
        for ours, theirs in zip(expected, exported, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)

    def test_exports_are_offered_as_declared(
        self, trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        declared = algorithms.facts_of(self.name).capabilities
        assert declared.mxnet_export == (self.name in EXPORTERS)
        model = vision.load(trained.folder.path, run={"device": "cpu"})
        heads = model.algorithm.export_heads(model.network, model.hyperparameters)
        assert declared.onnx_pipeline == (heads.append_pipeline is not None)
        refused = []
        if not declared.mxnet_export:
            refused.append((["format=mxnet"], "MXNet has no"))
        if not declared.onnx_pipeline:
            refused.append((["format=onnx", "nms=true"], "Setting nms is true"))
        for words, sentence in refused:
            assert main(["export", f"model={trained.folder.path}", *words, f"output={tmp_path / 'x'}"]) == 2
            assert sentence in capsys.readouterr().err
            assert not (tmp_path / "x").exists()

    def test_report_and_card_are_made(self, trained: TrainingResult) -> None:
        facts = algorithms.facts_of(self.name)
        page = (trained.folder.path / "report" / "report.html").read_text()
        card = trained.folder.card.read_text()
        assert facts.title in card
        objective = facts.metric(facts.objective.metric)
        assert objective is not None
        assert objective.title in page
        for table in trained.evaluation.tables:
            # An empty one is left out.
            assert (table.title in page) == bool(table.rows), table.title
        assert read(trained.folder.path / "report", "evaluation.json")["metrics"] == trained.metrics

    # Answers -------------------------------------------------------------------------------------------------------

    def test_every_answer_form_is_served(self, channels: Channels, trained: TrainingResult) -> None:
        image = self.image(channels)
        for form in algorithms.facts_of(self.name).answer_forms:
            answered = served(trained.folder.path, image, accept=form)
            assert answered.status == 200, answered.body
            assert answered.headers["content-type"].split(";")[0] == form.split(";")[0]
            self.check_answer(form, answered.body, image)

    def check_answer(self, form: str, body: bytes, image: bytes) -> None:
        """Check one answer; an algorithm with other forms adds them."""
        if form.startswith("image/"):
            decoded = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
            original = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
            assert decoded.shape[:2] == original.shape[:2]
        else:
            assert json.loads(body)
            assert ("lines" in form) is body.endswith(b"\n")

    def test_what_is_no_answer_form_is_refused(self, channels: Channels, trained: TrainingResult) -> None:
        answered = served(trained.folder.path, self.image(channels), accept="text/html")
        assert answered.status == 406
        assert algorithms.facts_of(self.name).answer_forms[0] in answered.error

    # Front doors ---------------------------------------------------------------------------------------------------

    def test_predict_says_something_of_every_image(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "one.png").write_bytes(self.image(channels))
        output, drawn = tmp_path / "answers.jsonl", tmp_path / "drawn"
        words = [f"model={trained.folder.path}", str(tmp_path / "one.png"), f"output={output}", f"draw={drawn}"]
        assert main(["predict", *words, "run.device=cpu"]) == 0
        assert json.loads(output.read_text())
        assert len(list(drawn.iterdir())) == 1

    def test_images_to_label_are_chosen_as_declared(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for number in range(2):
            (tmp_path / f"{number}.png").write_bytes(self.image(channels))
        words = [f"model={trained.folder.path}", f"output={tmp_path / 'out'}", "count=1", "run.device=cpu"]
        is_offered = algorithms.facts_of(self.name).capabilities.uncertainty
        assert main(["label", "select", str(tmp_path), *words]) == (0 if is_offered else 2)
        if not is_offered:
            assert "vision: " in capsys.readouterr().err
            return
        (task,) = json.loads((tmp_path / "out" / "label_studio.json").read_text())
        assert 0 <= task["predictions"][0]["score"] <= 1

    def test_images_are_searchable_as_declared(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = tmp_path / "image.png"
        image.write_bytes(self.image(channels))
        words = ["index", str(image), f"model={trained.folder.path}", f"output={tmp_path / 'index'}", "run.device=cpu"]
        is_offered = algorithms.facts_of(self.name).capabilities.embedding
        assert main(words) == (0 if is_offered else 2)
        if not is_offered:
            assert "makes no vectors" in capsys.readouterr().err
            return
        capsys.readouterr()
        assert main(["search", str(tmp_path / "index"), str(image), "run.device=cpu"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["found"]
        assert found["file"] == str(image)
        assert found["similarity"] == pytest.approx(1, abs=1e-3)

    def test_a_video_is_watched_as_declared(self, channels: Channels, trained: TrainingResult, tmp_path: Path) -> None:
        image = cv2.imdecode(np.frombuffer(self.image(channels), np.uint8), cv2.IMREAD_COLOR)
        clip, out = tmp_path / "clip.avi", tmp_path / "out"
        writer = cv2.VideoWriter(str(clip), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
        for _ in range(3):
            writer.write(cv2.resize(image, (64, 48)))
        writer.release()
        assert main(["video", str(clip), f"model={trained.folder.path}", f"output={out}", "run.device=cpu"]) == 0
        lines = [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]
        assert [(line["frame"], line["seconds"]) for line in lines] == [(0, 0.0), (1, 0.2), (2, 0.4)]
        assert (out / "annotated.mp4").stat().st_size
        declared = algorithms.facts_of(self.name).capabilities
        assert (out / "worth_labeling").exists() == (declared.uncertainty and declared.embedding)

    def test_a_recipe_holds_out_a_part_of_the_channel_which_evaluation_finds_again(
        self, channels: Channels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [word for word in self.words(channels) if not word.startswith("channels.validation")]
        run = [f"run.output={tmp_path / 'run'}", "run.report=false", "hp.epochs=1"]
        assert main(["train", *words, "recipe=auto", *run]) == 0
        held_out = read(tmp_path / "run", "held_out.json")["indices"]
        assert 0 < len(held_out) < 8
        assert main(["evaluate", str(tmp_path / "run"), "run.device=cpu", f"output={tmp_path / 'again.json'}"]) == 0
        assert read(tmp_path, "again.json")["num_images"] == len(held_out)
        # A report compares mistakes with what the model learned from, and with nothing of what it is measured on.
        training = evaluate_model(tmp_path / "run", {}, RunSettings(device="cpu")).open_training()
        assert training is not None
        assert len(training) == 8 - len(held_out)

    def test_check_finds_the_job_sound(self, channels: Channels, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check", *self.words(channels)]) == 0
        assert "8 images" in capsys.readouterr().out

    def test_check_finds_what_training_would_refuse(
        self, channels: Channels, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if algorithms.facts_of(self.name).capabilities.dali:
            pytest.skip("nothing is refused")
        assert main(["check", *self.words(channels), "run.loader=dali"]) != 0
        shown = capsys.readouterr()
        assert "run.loader is dali" in shown.out + shown.err

    def test_inspect_reads_the_channel(
        self, channels: Channels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [word for word in self.words(channels) if word.startswith("channels.train")]
        assert main(["inspect", *words, f"output={tmp_path / 'found'}", "workers=1"]) == 0
        assert read(tmp_path / "found", "inspection.json")["channels"]["train"]["records"] == 8

    def test_inspect_compares_contents_where_the_algorithm_makes_vectors(
        self, channels: Channels, trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [word for word in self.words(channels) if word.startswith("channels.train")]
        words += [f"output={tmp_path / 'found'}", "workers=1", f"model={trained.folder.path}", "run.device=cpu"]
        is_offered = algorithms.facts_of(self.name).capabilities.embedding
        assert main(["inspect", *words]) == (0 if is_offered else 1)
        codes = {issue["code"] for issue in read(tmp_path / "found", "inspection.json")["findings"]}
        assert ("contents_not_compared" in codes) != is_offered

    def test_a_sweep_has_a_space(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sweep", "--space", f"algorithm={self.name}"]) == 0
        assert "hp.learning_rate" in capsys.readouterr().out

    def test_help_shows_every_setting_and_channel(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["train", "--help", f"algorithm={self.name}"]) == 0
        shown = capsys.readouterr().out
        facts = algorithms.facts_of(self.name)
        for name in (*facts.hyperparameters.model_fields, *(channel.name for channel in facts.channels)):
            assert f"\n  {name} " in shown

    def test_the_container_trains_below_a_prefix(self, channels: Channels, tmp_path: Path) -> None:
        prefix = tmp_path / "ml"
        given = {
            "num_training_samples": 8,
            **self.hyperparameters,
            "epochs": 1,
            **{f"run.{k}": v for k, v in RUN.items()},
        }
        given.pop("run.progress")
        config = prefix / "input" / "config"
        config.mkdir(parents=True)
        for name, held in channels.items():
            source, place = Path(held["path"]), prefix / "input" / "data" / name
            place.parent.mkdir(exist_ok=True, parents=True)
            if source.is_dir():
                place.symlink_to(source)
            else:
                place.mkdir()
                (place / source.name).symlink_to(source)
        inputs = {name: {"TrainingInputMode": "File", "RecordWrapperType": "None"} for name in channels}
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        for name, value in (
            ("hyperparameters", {name: str(value) for name, value in given.items()}),
            ("inputdataconfig", inputs),
            ("resourceconfig", hosts),
        ):
            (config / f"{name}.json").write_text(json.dumps(value))
        self.process("container", "--prefix", str(prefix), VISION_ALGORITHM=self.name.replace("_", "-"))
        assert vision.load(prefix / "model", run={"device": "cpu"}).algorithm.facts.name == self.name

    def test_data_sets_survive_there_and_back(self, channels: Channels, tmp_path: Path) -> None:
        """Through every format to the one that the images came in."""
        if not self.formats:
            pytest.skip("no format that converts holds its labels")
        source, last = channels["train"]["path"], "recordio"
        for name, suffix in self.formats.items():
            output = tmp_path / name / f"data{suffix}"
            words = [f"from={last}", f"to={name}", f"input={source}", f"output={output}"]
            assert main(["convert", *words, "workers=1"]) == 0
            source, last = str(output), name
        before, after = (labelled_images({"train": path}) for path in (channels["train"]["path"], source))
        assert before.keys() == after.keys()
        for image, target in before.items():
            np.testing.assert_allclose(after[image], target, atol=1e-3)

    def image(self, channels: Channels) -> bytes:
        """Return the first training image."""
        folder = Path(channels["train"]["path"])
        if folder.is_dir():
            return min(path for path in folder.rglob("*") if path.is_file()).read_bytes()
        return bytes(open_channel(parse_channels(channels), "train")[0].encoded)


def served(model: Path, body: bytes, **headers: str) -> Answered:
    """What an endpoint of the model answers."""
    from vision.serving.app import build_app
    from vision.serving.metrics import Metrics
    from vision.serving.service import Service
    from vision.serving.settings import ServingSettings

    settings = ServingSettings.parse({"model": model, "device": "cpu", "prepack": "false"})
    return asyncio.run(post(build_app(Service(settings, Metrics())), whole(body), **headers))


def labelled_images(paths: Mapping[str, str]) -> dict[bytes, Any]:
    """Return the labels of a channel by their encoded images, whose order a format need not keep."""
    reader = open_channel(parse_channels(paths), "train")
    return {bytes(sample.encoded): sample.target for sample in (reader[index] for index in range(len(reader)))}


def timeless(result: TrainingResult) -> list[dict[str, Any]]:
    """Return the history without what depends on the clock."""
    return [{name: value for name, value in row.items() if name not in TIMES} for row in result.history]


def assert_same_weights(one: Path, other: Path) -> None:
    """Check that two run folders hold bit-equal weights."""
    first, second = (vision.load(path, run={"device": "cpu"}).network.state_dict() for path in (one, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def read_history(folder: Path) -> dict[str, float]:
    """Return the last row of a run's metrics.csv without what depends on the clock."""
    names, *rows = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return {name: float(value) for name, value in zip(names, rows[-1], strict=True) if name not in TIMES}


def read(folder: Path, name: str = "model.json") -> Any:
    """Return a JSON file."""
    return json.loads((folder / name).read_text())
