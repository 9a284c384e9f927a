"""The evaluation of a classifier, from the probabilities of all images: figures, tables, curves, mistakes.

N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vision.metrics.calibration import reliability_diagram
from vision.metrics.confusion import (
    DECISION_THRESHOLD,
    DecisionCounts,
    confusion_counts,
    correct_in_top_k,
    predicted_classes,
    share,
)
from vision.metrics.evaluation import Curves, Evaluation, Example, Gallery, Matrix, Table
from vision.metrics.galleries import label_galleries, listed
from vision.metrics.label_evaluation import evaluate_image_labels
from vision.metrics.label_tables import with_labels
from vision.metrics.score_curve import average_precision, mean_log_loss, precision_recall
from vision.settings.counted import counted

MOST_CURVES = 20
MOST_CURVE_POINTS = 200
MISTAKES = "Mistakes"
MOST_MISTAKES = 64
MOST_CONFUSED_PAIRS = 20


def evaluation_of_classification(
    probabilities: np.ndarray,
    targets: np.ndarray,
    class_names: Sequence[str],
    *,
    top_k: int | None,
    multi_label: bool,
    keys: Callable[[int], str],
    indices: np.ndarray | None = None,
    thresholds: Sequence[float | None] | None = None,
) -> Evaluation:
    """Evaluate probabilities float32 [N,K] against the truth, image by image in the reader's order.

    ``targets`` are class ids int64 [N], or multi-hot [N,K] if ``multi_label``; ``keys`` names an image by its
    index; ``indices`` int64 [N] are the rows' indices where broken images were left out. ``thresholds``
    of the classes take the place of those of best F1. Macro averages run over the classes that have images here.
    """
    num_images, num_classes = probabilities.shape
    indices = np.arange(num_images) if indices is None else indices
    assert len(class_names) == num_classes, (len(class_names), num_classes)
    assert targets.shape == ((num_images, num_classes) if multi_label else (num_images,)), targets.shape
    names = tuple(class_names)
    if multi_label:
        truth = targets > 0.5
        found = _multi_label(probabilities, truth, names, keys, indices)
    else:
        assert num_images == 0 or (targets.min() >= 0 and targets.max() < num_classes)
        truth = targets[:, None] == np.arange(num_classes)
        found = _single_label(probabilities, targets.astype(np.int64), names, top_k, keys, indices)
    labels = evaluate_image_labels(probabilities, truth, names, indices, thresholds)
    return with_labels(replace(found, galleries=(*found.galleries, *label_galleries(labels, keys))), labels)


def _single_label(
    probabilities: np.ndarray,
    targets: np.ndarray,
    names: tuple[str, ...],
    top_k: int | None,
    keys: Callable[[int], str],
    indices: np.ndarray,
) -> Evaluation:
    num_images, num_classes = probabilities.shape
    predicted = predicted_classes(probabilities)
    right = predicted == targets
    confidence = probabilities[np.arange(num_images), predicted]
    confusion = confusion_counts(predicted, targets, num_classes)
    counts = DecisionCounts.of_confusion(confusion)
    reliability, calibration_error = reliability_diagram(
        confidence, right, "confidence of the predicted class", "share that is right"
    )

    metrics = {"accuracy": share(int(np.count_nonzero(right)), num_images)}
    if top_k is not None:
        correct = correct_in_top_k(probabilities, targets, top_k)
        metrics[f"top_k_accuracy_{top_k}"] = share(correct, num_images)
    of_truth = probabilities[np.arange(num_images), targets]
    metrics |= _macro_metrics(counts) | {"calibration_error": calibration_error, "loss": mean_log_loss(of_truth)}

    wrong = np.flatnonzero(~right)
    worst = wrong[np.argsort(-np.nan_to_num(confidence[wrong]), kind="stable")][:MOST_MISTAKES]
    mistakes = tuple(
        Example(
            int(indices[i]),
            keys(int(indices[i])),
            f"truth {names[targets[i]]} / predicted {names[predicted[i]]} {confidence[i]:.2f}",
            truth_and_prediction=(int(targets[i]), int(predicted[i])),
        )
        for i in worst
    )
    curves = [reliability]
    if num_classes <= MOST_CURVES:
        curves.insert(0, _pr_curves(probabilities, targets[:, None] == np.arange(num_classes), names))
    return Evaluation(
        num_images=num_images,
        metrics=metrics,
        class_names=names,
        tables=(_most_confused(confusion, names), _per_class_table(counts, names, None)),
        matrices=(Matrix("Confusion", names, names, confusion),),
        curves=tuple(curves),
        galleries=(Gallery(MISTAKES, mistakes, of_mistakes=True),),
        notes=_notes(counts, probabilities),
    )


def _multi_label(
    probabilities: np.ndarray,
    truth: np.ndarray,
    names: tuple[str, ...],
    keys: Callable[[int], str],
    indices: np.ndarray,
) -> Evaluation:
    num_images, num_classes = probabilities.shape
    counts = DecisionCounts.of_multi_label(probabilities, truth)
    scores = np.nan_to_num(probabilities, nan=-1.0)
    ap = np.array([average_precision(scores[:, c], truth[:, c]) for c in range(num_classes)])
    reliability, calibration_error = reliability_diagram(
        probabilities.ravel(), truth.ravel(), "predicted probability", "share that is true"
    )

    yes = probabilities > DECISION_THRESHOLD
    error = np.where(yes != truth, np.abs(np.nan_to_num(probabilities) - truth), 0.0).max(axis=1, initial=0.0)
    wrong = np.flatnonzero((yes != truth).any(axis=1))
    worst = wrong[np.argsort(-error[wrong], kind="stable")][:MOST_MISTAKES]
    mistakes = tuple(
        Example(
            int(indices[i]),
            keys(int(indices[i])),
            f"truth {listed([names[c] for c in np.flatnonzero(truth[i])])} / "
            f"predicted {listed(_with_probabilities(probabilities[i], names))}",
        )
        for i in worst
    )
    curves = [reliability]
    if num_classes <= MOST_CURVES:
        curves.insert(0, _pr_curves(scores, truth, names))
    return Evaluation(
        num_images=num_images,
        metrics={
            "accuracy": counts.averaged_accuracy(),
            "mAP": float(np.nanmean(ap)) if not np.isnan(ap).all() else float("nan"),
            "micro_f1": counts.micro_f1(),
            **_macro_metrics(counts),
            "calibration_error": calibration_error,
            "loss": mean_log_loss(np.where(truth, probabilities, 1 - probabilities)),
        },
        class_names=names,
        tables=(_per_class_table(counts, names, ap),),
        curves=tuple(curves),
        galleries=(Gallery(MISTAKES, mistakes, of_mistakes=True),),
        notes=(
            f"A class counts as predicted when its probability is above {DECISION_THRESHOLD}; accuracy is "
            "the share of right yes/no decisions over images x classes.",
            *_notes(counts, probabilities),
        ),
    )


def _macro_metrics(counts: DecisionCounts) -> dict[str, float]:
    return {
        "macro_f1": counts.macro(counts.f1()),
        "macro_precision": counts.macro(counts.precision()),
        "macro_recall": counts.macro(counts.recall()),
    }


def _per_class_table(counts: DecisionCounts, names: tuple[str, ...], ap: np.ndarray | None) -> Table:
    ratios = {"precision": counts.precision(), "recall": counts.recall(), "F1": counts.f1()}
    numbers = {"images": counts.support}
    if ap is not None:
        ratios = {"AP": ap} | ratios
        numbers |= {"false positives": counts.false_positives, "false negatives": counts.false_negatives}
    rows = tuple(
        (
            name,
            *(None if np.isnan(ratio[c]) else float(ratio[c]) for ratio in ratios.values()),
            *(int(number[c]) for number in numbers.values()),
        )
        for c, name in enumerate(names)
    )
    return Table("Per class", ("class", *ratios, *numbers), rows, shares=tuple(ratios))


def _most_confused(confusion: np.ndarray, names: tuple[str, ...]) -> Table:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED_PAIRS]
    pairs = [(int(cell) // len(names), int(cell) % len(names)) for cell in order]
    images = confusion.sum(axis=1)
    rows = tuple(
        (names[t], names[p], int(wrong[t, p]), float(wrong[t, p] / images[t])) for t, p in pairs if wrong[t, p]
    )
    return Table("Most confused", ("truth", "predicted", "images", "share of truth"), rows, shares=("share of truth",))


def _pr_curves(scores: np.ndarray, truth: np.ndarray, names: tuple[str, ...]) -> Curves:
    series = {}
    for c, name in enumerate(names):
        precision, recall = precision_recall(np.nan_to_num(scores[:, c], nan=-1.0), truth[:, c])
        if len(recall):
            kept = np.unique(np.linspace(0, len(recall) - 1, MOST_CURVE_POINTS).round().astype(np.int64))
            series[name] = (recall[kept], precision[kept])
    return Curves("PR curves", "recall", "precision", series)


def _with_probabilities(row: np.ndarray, names: tuple[str, ...]) -> list[str]:
    chosen = np.flatnonzero(row > DECISION_THRESHOLD)
    return [f"{names[c]} {row[c]:.2f}" for c in chosen[np.argsort(-row[chosen], kind="stable")]]


def _notes(counts: DecisionCounts, probabilities: np.ndarray) -> tuple[str, ...]:
    notes = []
    absent = int(np.count_nonzero(counts.support == 0))
    if absent:
        notes.append(
            f"{absent} of {len(counts.support)} classes have no image here; averages over classes leave them out."
        )
    undefined = int(np.count_nonzero(np.isnan(probabilities).any(axis=1)))
    if undefined:
        notes.append(f"{counted(undefined, 'image')} with probabilities that are not numbers: the training diverged.")
    return tuple(notes)
