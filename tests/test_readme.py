"""The commands and Python of the README and its pages run as they stand, in order, so that they stay true.

Blocks whose first line says ``# not run in tests: why`` are left out. Everything else is run on few small pictures
and for one epoch.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.settings_tables import SETTINGS, settings_tables
from tests.video.clips import write_clip
from vision.cli.main import main
from vision.data.sample_data import digits

README = Path(__file__).parents[1] / "README.md"
PAGES = [README, *(README.parent / ".github" / name for name in ("RECIPES.md", "AWS.md"))]
TEXT = README.read_text(encoding="utf-8")
NOT_RUN = re.compile(r"# not run in tests: \S.*")
NUM_PHOTOS = 12
NUM_DIGITS = 200
# Numbers of epochs and scenes that would take minutes, and those that tests use.
SHORTER = {
    r"\bepochs=\d+": "epochs=1",
    "train photos/": "train photos/ hp.epochs=1",
    r" train=\d+": " train=8",
    r" validation=\d+": " validation=4",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and text."""

    language: str
    text: str

    def __str__(self) -> str:
        return self.text.splitlines()[0]


FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [Block(*found) for page in PAGES for found in FENCED.findall(page.read_text(encoding="utf-8"))]
RUN = [block for block in BLOCKS if not NOT_RUN.match(block.text)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README starts from: photos/<class>/<number>.jpg, and clip.mp4."""
    folder = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    for class_id, name in enumerate(("daisy", "rose")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(NUM_PHOTOS):
            image = rng.integers(0, 120, (90, 120, 3)) + np.array([0, 0, 120 * class_id])
            cv2.imwrite(str(folder / "photos" / name / f"{number}.jpg"), image.astype(np.uint8))
    write_clip(folder / "clip.mp4")
    return folder


@pytest.mark.parametrize("block", RUN, ids=str)
def test_the_readme_says_what_works(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    few = digits.load_digits().take(np.arange(NUM_DIGITS))
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    text = block.text
    for long, short in SHORTER.items():
        text = re.sub(long, short, text)
    if block.language == "python":
        exec(compile(text, "README.md", "exec"), {})
        return
    assert block.language == "bash"
    for words in commands(text):
        assert words[0] == "vision", f"only vision's own commands are run here: {shlex.join(words)}"
        assert main(words[1:]) == 0, shlex.join(words)


def commands(text: str) -> list[list[str]]:
    """The words of each command of a shell block."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_results_lie_where_the_readme_says(workplace: Path) -> None:
    run = workplace / "runs" / "digits"
    paths = [
        "settings.json",
        "metrics.csv",
        "checkpoints/",
        "model/",
        "model.json",
        "model.tar.gz",
        "report/report.html",
    ]
    for path in paths:
        assert f"`{path}`" in TEXT
        assert (run / path).exists() or (run / "model" / path).exists()
    assert list((run / "model").glob("*.safetensors"))
    for folder in ("report", "test"):
        assert list((run / folder).glob("EvaluationSummary-*-digits.json"))
        assert list((run / folder).glob("EvaluationManifest-*-digits.manifest"))
    assert len((workplace / "digits.jsonl").read_text().splitlines()) == NUM_DIGITS / 5


def test_blocks_that_are_not_run_say_why() -> None:
    left_out = [block for block in BLOCKS if block not in RUN]
    assert [str(block) for block in left_out] == [
        "# not run in tests: installs PyTorch and trains for a minute",
        "# not run in tests: answers until it is stopped",
        "# not run in tests: goes on until it is stopped",
        "# not run in tests: needs the extra sweep, and trains a dozen times",
        "# not run in tests: needs ImageNet weights",
        "# not run in tests: goes on until it is stopped, and needs curl",
        "# not run in tests: needs a server, vision aws serve root=aws, and s3://my-bucket/cells.manifest",
        "# not run in tests: needs a server, vision aws serve root=aws search_model=imagenet, and photos in s3://my-bucket",
        "# not run in tests: needs a server, vision aws serve root=aws label_model=runs/cells, and s3://my-bucket/clip.mp4",
        "# not run in tests: needs a server, vision serve runs/flowers",
        "# not run in tests: writes below a prefix of its own and trains as the platform would",
    ]
    assert len(RUN) >= 8


def test_the_listed_settings_are_those_of_the_code() -> None:
    assert SETTINGS.read_text(encoding="utf-8") == settings_tables(), "run python -m tests.settings_tables"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, place = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {anchor(heading) for heading in headings}, target


def anchor(heading: str) -> str:
    """The name by which a link leads to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
