"""The model card: what a model is, what it was trained on and how well it does, as Markdown from stored facts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision.artifacts.model_description import ModelDescription
from vision.settings.counted import counted

MOST_CLASSES = 50
LONGEST_TEXT = 120
# What would be read as Markdown or HTML in a name or path.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


@dataclass(frozen=True)
class CardFacts:
    """What the description of a model does not say.

    ``title`` of the algorithm; ``data`` and ``images`` by channel (path, number of images); ``class_counts`` labels in
    the training data by class; ``metrics`` of the kept model on the validation channel.
    """

    title: str
    data: Mapping[str, str]
    images: Mapping[str, int]
    class_counts: tuple[float, ...] | None
    metrics: Mapping[str, float]


def model_card(name: str, model: ModelDescription, facts: CardFacts) -> str:
    """Return the card, as Markdown, of the model of a run called ``name``."""
    trained = f" The weights are those after {counted(model.epoch, 'epoch')}." if model.epoch else ""
    parts = [
        f"# Model card: {_plain(name)}",
        f"{facts.title} with {counted(len(model.class_names), 'class')}.{trained}",
        _section("Use", _use(model)),
        _section("Results", _results(model, facts)),
        _section("Data", _data(model, facts)),
        _section("Input", _mapping(model.preprocessing)),
        _section("Network", _mapping(model.architecture)),
        _section("Training", _mapping(model.hyperparameters)),
        _section("Made with", _mapping(model.versions)),
    ]
    return "\n\n".join(parts) + "\n"


def _use(model: ModelDescription) -> str:
    return (
        "```bash\nvision predict model=model.tar.gz IMAGE...\nvision serve model=model.tar.gz\n```\n\n"
        "It answers for images like those that it was trained on, with one of its classes even where none fits. How it"
        " does on other images, or on groups among them, the results below do not say: measure it with"
        " `vision evaluate model=model.tar.gz channels.validation=PATH`."
    )


def _results(model: ModelDescription, facts: CardFacts) -> str:
    if not facts.metrics:
        return "None were measured."
    number = facts.images.get("validation")
    measured = f"On the {counted(number, 'image')} of the validation channel" if number else "On the validation channel"
    rows = [(_plain(name), _number(value)) for name, value in facts.metrics.items()]
    note = ", by which the best epoch was chosen: on images that took no part in any choice expect a little less"
    return f"{measured}{note if model.epoch else ''}.\n\n{_table(('metric', 'value'), rows)}"


def _data(model: ModelDescription, facts: CardFacts) -> str:
    sources = [(_plain(name), _plain(path), str(facts.images.get(name, ""))) for name, path in facts.data.items()]
    text = _table(("channel", "path", "images"), sources)
    counts = facts.class_counts or ("",) * len(model.class_names)
    shown = list(zip(model.class_names, counts, strict=True))
    rows = [(str(i), _plain(n), f"{c:g}" if c != "" else "") for i, (n, c) in enumerate(shown[:MOST_CLASSES])]
    text += "\n\n" + _table(("id", "class", "labels in training"), rows)
    left = len(shown) - MOST_CLASSES
    return text + (f"\n\nand {left} more classes; model.json has them all" if left > 0 else "")


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _mapping(values: Mapping[str, object]) -> str:
    return _table(("name", "value"), [(_plain(name), _plain(str(value))) for name, value in values.items()])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "undefined"


def _plain(text: str) -> str:
    """Text on one line that Markdown shows as it is; long ones are cut."""
    line = "".join(" " if c.isspace() else c if c.isprintable() else "\ufffd" for c in text)
    line = line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}\u2026"
    return _SPECIAL.sub(r"\\\1", line)
