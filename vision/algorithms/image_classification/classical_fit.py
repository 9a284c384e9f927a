"""Trains the classical ways with scikit-learn (the extra ``baseline``) and keeps the best of them.

Each kind of features alone and all together meet a linear SVM and a random forest; cross-validation within the training
images decides. Legend: N images, D features, K classes.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from vision.algorithms.image_classification.classical_features import FEATURES, Kind, local_descriptors, words
from vision.algorithms.image_classification.classical_network import (
    MOST_DEPTH,
    ClassicalArchitecture,
    ClassicalClassifier,
)
from vision.metrics.evaluation import Table
from vision.settings.device import usable_cores
from vision.settings.errors import UserError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

KINDS: tuple[Kind, ...] = ("hog", "color", "texture", "edges", "words")
TITLE = "Classical ways"
_SCORE = "accuracy in cross-validation"
_NUM_WORDS = 200
_MOST_DESCRIPTORS = 50_000
_TREES = 200
_MOST_FOLDS = 3
_PENALTIES = (0.0003, 0.003, 0.03)
_TEMPERATURES = np.geomspace(0.1, 20, 40)

Method = Literal["linear", "forest"]


@dataclass(frozen=True)
class _Way:
    """One way: the kinds of features, the classifier, its penalty (linear) and its score in cross-validation."""

    kinds: tuple[Kind, ...]
    classifier: Method
    penalty: float
    accuracy: float
    decisions: np.ndarray
    seconds: float

    @property
    def name(self) -> str:
        """What the table calls it."""
        features = "all features" if len(self.kinds) > 1 else self.kinds[0]
        return f"{features}, {'linear SVM' if self.classifier == 'linear' else 'random forest'}"


def fit_classical(
    images: np.ndarray, targets: np.ndarray, num_classes: int, seed: int
) -> tuple[ClassicalClassifier, Table]:
    """Return the best way for images uint8 [N, H, W, 3] and class ids int64 [N], and a table of all ways.

    Raises UserError where scikit-learn is missing or the images do not show two classes.
    """
    try:
        import sklearn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            "A baseline needs scikit-learn, which is not installed: pip install 'vision[baseline]'"
        ) from error
    if len(np.unique(targets)) < 2:
        raise UserError("A baseline needs images of at least two classes in channel 'train'")
    with ThreadPoolExecutor(usable_cores()) as pool:
        described = {kind: np.stack(list(pool.map(FEATURES[kind], images))) for kind in FEATURES}
        codebook = _codebook(list(pool.map(local_descriptors, images)), seed)
        described["words"] = np.stack(list(pool.map(partial(words, codebook=codebook), images)))
    ways = []
    methods: tuple[Method, ...] = ("linear", "forest")
    for kinds, classifier in itertools.product([*((kind,) for kind in KINDS), KINDS], methods):
        features = np.concatenate([described[kind] for kind in kinds], axis=1)
        ways.append(_try(kinds, classifier, features, targets, num_classes, seed))
    best = max(ways, key=lambda way: way.accuracy)
    features = np.concatenate([described[kind] for kind in best.kinds], axis=1)
    rows = tuple((way.name, way.accuracy, way.seconds) for way in sorted(ways, key=lambda way: -way.accuracy))
    table = Table(
        TITLE, ("way", "accuracy in cross-validation", "seconds"), rows, shares=("accuracy in cross-validation",)
    )
    return _network(best, features, targets, num_classes, codebook, seed), table


def _codebook(descriptors: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """Return the centers float32 [k, 128] of k-means over local descriptors: the visual words."""
    from sklearn.cluster import MiniBatchKMeans

    found = np.concatenate(descriptors)
    if len(found) > _MOST_DESCRIPTORS:
        found = found[np.random.default_rng(seed).choice(len(found), _MOST_DESCRIPTORS, replace=False)]
    if len(found) <= _NUM_WORDS:
        # Images without any structure: one word that they all share.
        return found[:1] if len(found) else np.zeros((1, 128), np.float32)
    means = MiniBatchKMeans(_NUM_WORDS, random_state=seed, n_init=1, batch_size=4096, max_iter=20).fit(found)
    centers: np.ndarray = means.cluster_centers_
    return centers.astype(np.float32)


def _try(
    kinds: tuple[Kind, ...],
    classifier: Method,
    features: np.ndarray,
    targets: np.ndarray,
    num_classes: int,
    seed: int,
) -> _Way:
    """Return a way with its accuracy in cross-validation, of the best penalty."""
    started = time.perf_counter()
    tried = []
    for penalty in _PENALTIES if classifier == "linear" else _PENALTIES[:1]:
        decide: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
        if classifier == "linear":
            decide = partial(_linear_decisions, penalty=penalty, num_classes=num_classes, seed=seed)
        else:
            decide = partial(_forest_decisions, num_classes=num_classes, seed=seed)
        decisions = np.zeros((len(targets), num_classes))
        fold_of = _folds(targets, seed)
        for fold in range(fold_of.max() + 1):
            held = fold_of == fold
            decisions[held] = decide(features[~held], targets[~held], features[held])
        tried.append((float((decisions.argmax(axis=1) == targets).mean()), penalty, decisions))
    accuracy, penalty, decisions = max(tried, key=lambda one: one[0])
    return _Way(kinds, classifier, penalty, accuracy, decisions, time.perf_counter() - started)


def _folds(targets: np.ndarray, seed: int) -> np.ndarray:
    """Return the fold of each image, int64 [N]: every class is spread evenly over two or three."""
    order = np.random.default_rng(seed).permutation(len(targets))
    fold_of = np.zeros(len(targets), np.int64)
    fold_of[order[np.argsort(targets[order], kind="stable")]] = np.arange(len(targets)) % min(_MOST_FOLDS, len(targets))
    return fold_of


def _linear(
    features: np.ndarray, targets: np.ndarray, penalty: float, num_classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight float64 [K, D] and bias float64 [K] of a linear SVM on standardized features."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    spread[spread < 1e-6] = np.inf
    with warnings.catch_warnings():
        # A few steps short of the optimum is good enough for a yardstick.
        warnings.simplefilter("ignore", ConvergenceWarning)
        svm = LinearSVC(C=penalty, dual=True, random_state=seed).fit((features - mean) / spread, targets)
    found, offsets = svm.coef_, svm.intercept_
    if len(found) == 1:
        # Of two classes scikit-learn gives the second against the first.
        found, offsets = np.concatenate([-found, found]), np.concatenate([-offsets, offsets])
    # A class without images is never chosen.
    weight, bias = np.zeros((num_classes, features.shape[1])), np.full(num_classes, -10.0)
    weight[svm.classes_] = found / spread
    bias[svm.classes_] = offsets - (found / spread) @ mean
    return weight, bias


def _linear_decisions(
    features: np.ndarray, targets: np.ndarray, held: np.ndarray, *, penalty: float, num_classes: int, seed: int
) -> np.ndarray:
    weight, bias = _linear(features, targets, penalty, num_classes, seed)
    return held @ weight.T + bias


def _forest(features: np.ndarray, targets: np.ndarray, seed: int) -> RandomForestClassifier:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(_TREES, max_depth=MOST_DEPTH, random_state=seed, n_jobs=usable_cores())
    return forest.fit(features, targets)


def _forest_decisions(
    features: np.ndarray, targets: np.ndarray, held: np.ndarray, *, num_classes: int, seed: int
) -> np.ndarray:
    forest = _forest(features, targets, seed)
    decisions = np.zeros((len(held), num_classes))
    decisions[:, forest.classes_] = forest.predict_proba(held)
    return decisions


def _network(
    way: _Way, features: np.ndarray, targets: np.ndarray, num_classes: int, codebook: np.ndarray, seed: int
) -> ClassicalClassifier:
    """Return the way, trained on all images, as a network."""
    used = codebook if "words" in way.kinds else codebook[:0]
    common = {"num_classes": num_classes, "kinds": way.kinds, "num_words": len(used), "num_features": features.shape[1]}
    if way.classifier == "linear":
        network = ClassicalClassifier(ClassicalArchitecture(**common, classifier="linear"))
        temperature = _temperature(way.decisions, targets)
        weight, bias = _linear(features, targets, way.penalty, num_classes, seed)
        _fill(network, codebook=used, weight=weight * temperature, bias=bias * temperature)
        return network
    forest = _forest(features, targets, seed)
    trees = [tree.tree_ for tree in forest.estimators_]
    nodes = max(tree.node_count for tree in trees)
    plan = ClassicalArchitecture(**common, classifier="forest", trees=len(trees), nodes=nodes)
    network = ClassicalClassifier(plan)
    arrays = {
        "left": np.tile(np.arange(nodes, dtype=np.int32), (len(trees), 1)),
        "feature": np.zeros((len(trees), nodes), np.int32),
        "threshold": np.full((len(trees), nodes), np.inf),
        "shares": np.zeros((len(trees), nodes, num_classes), np.float32),
    }
    arrays["right"] = arrays["left"].copy()
    for number, tree in enumerate(trees):
        inner = np.flatnonzero(tree.children_left >= 0)
        arrays["left"][number, inner], arrays["right"][number, inner] = (
            tree.children_left[inner],
            tree.children_right[inner],
        )
        arrays["feature"][number, inner], arrays["threshold"][number, inner] = (
            tree.feature[inner],
            tree.threshold[inner],
        )
        shares = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
        arrays["shares"][number, : tree.node_count][:, forest.classes_] = shares
    _fill(network, codebook=used, **arrays)
    return network


def _fill(network: ClassicalClassifier, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        network.get_buffer(name).copy_(torch.from_numpy(array))


def _temperature(decisions: np.ndarray, targets: np.ndarray) -> float:
    """Return the factor that makes the softmax of held out decisions most likely (Guo et al. 2017)."""
    scaled = torch.from_numpy(decisions[None] * _TEMPERATURES[:, None, None]).log_softmax(dim=2)
    chances = scaled[:, torch.arange(len(targets)), torch.from_numpy(targets)].mean(dim=1)
    return float(_TEMPERATURES[int(chances.argmax())])
