"""Search in the clusters next to a query alone, by faiss (the extra ``faiss``): faster in large indexes, not exact.

The clusters are computed once and lie beside the index in ``clusters.safetensors``, arrays and no file of faiss, whose
reader is not made for the files of strangers. Legend: N rows, D the length of a vector, L clusters, Q queries.
"""

from __future__ import annotations

import logging
import math
from types import ModuleType
from typing import Protocol

import numpy as np
import safetensors.numpy

from vision.files.atomic_file import write_whole
from vision.files.write_error import WriteError
from vision.retrieval.image_index import ImageIndex
from vision.retrieval.nearest_images import Nearest
from vision.retrieval.stored_vectors import StoredVectors
from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

log = logging.getLogger(__name__)

CLUSTERS = "clusters.safetensors"
# Vectors for each cluster that k-means sees, as faiss advises.
_TRAINED_ON = 40
_ITERATIONS = 10
# More clusters are looked through until, for this many vectors of the index, this share of their nearest ones is found.
_PROBED, NEAREST, _LEAST_RECALL = 200, 10, 0.99
_MOST_BYTES = 2**32


class _Clusters(Protocol):
    """What is used of faiss's index; ``nprobe``: how many clusters are looked through."""

    nprobe: int

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]: ...


class ClusteredVectors:
    """Clusters of the vectors of an index. ``recall`` is the share of the 10 nearest that is found, as measured."""

    def __init__(self, index: ImageIndex, vectors: StoredVectors) -> None:
        """Read the clusters of the index, or compute them where they are missing or out of date. Raises UserError."""
        faiss = _faiss()
        arrays = _read(index, len(vectors))
        if arrays is None:
            log.info("computing clusters of %s vectors for faiss, once", f"{len(vectors):,}")
            arrays = _made(faiss, vectors) | {"state": index.state()}
            try:
                write_whole(index.folder / CLUSTERS, safetensors.numpy.save(arrays))
            except WriteError as error:
                # The index of somebody else can be searched all the same.
                log.warning("vision: the clusters are computed again next time: %s", error)
        self._clusters = _filled(faiss, vectors, arrays["centers"], arrays["cluster"])
        self._clusters.nprobe = int(arrays["probes"])
        self.recall = float(arrays["recall"])

    def nearest(self, queries: np.ndarray, count: int) -> Nearest:
        """Return the most similar images of each query float32 [Q, D] in the nearest clusters, ``count`` at most."""
        asked = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
        similarities, places = self._clusters.search(np.ascontiguousarray(asked, np.float32), count)
        return Nearest(places, similarities)


def _faiss() -> ModuleType:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UserError("engine=faiss needs faiss, which is not installed: pip install 'vision[faiss]'") from error
    found: ModuleType = faiss
    return found


def _read(index: ImageIndex, count: int) -> dict[str, np.ndarray] | None:
    """Return the arrays of ``CLUSTERS`` if they belong to the parts that the index has now, else None."""
    try:
        with open_regular(index.folder / CLUSTERS) as file:
            arrays: dict[str, np.ndarray] = safetensors.numpy.load(file.read(_MOST_BYTES))
        centers, cluster = arrays["centers"], arrays["cluster"]
        sound = (
            np.array_equal(arrays["state"], index.state())
            and cluster.dtype == np.int32
            and cluster.shape == (count,)
            and centers.dtype == np.float32
            and centers.shape[1:] == (index.description.dimension,)
            and cluster.max() < len(centers)
            and np.isfinite(centers).all()
            and 1 <= arrays["probes"] <= len(centers)
            and 0 <= arrays["recall"] <= 1
        )
    # Files that are missing, cut off or of other making raise many kinds of error: the clusters are computed again.
    except Exception:
        return None
    return arrays if sound else None


def _made(faiss: ModuleType, vectors: StoredVectors) -> dict[str, np.ndarray]:
    """Return ``centers`` float32 [L, D], ``cluster`` int32 [N] (-1: replaced), and how many to ``probe`` for what."""
    live = np.flatnonzero(vectors.live)
    number = max(1, min(len(live) // _TRAINED_ON, 2 * math.isqrt(len(live))))
    random = np.random.default_rng(0)
    trained_on = _rows(vectors, np.sort(random.permutation(live)[: _TRAINED_ON * number]))
    means = faiss.Kmeans(trained_on.shape[1], number, niter=_ITERATIONS, spherical=True, seed=0)
    means.train(trained_on)
    blocks = [means.index.search(block.numpy(), 1)[1][:, 0] for _, block in vectors.blocks()]
    cluster = np.where(vectors.live, np.concatenate(blocks), -1).astype(np.int32)
    clusters = _filled(faiss, vectors, means.centroids, cluster)
    places = np.sort(random.permutation(live)[:_PROBED])
    asked = _rows(vectors, places)
    # Each finds itself first, which says nothing.
    exact = vectors.nearest(asked, NEAREST + 1).places.tolist()
    true = [set(row) - {own} for row, own in zip(exact, places.tolist(), strict=True)]
    probes, recall = 1, 0.0
    while True:
        clusters.nprobe = probes
        found = clusters.search(asked, NEAREST + 1)[1].tolist()
        shares = [len(wanted.intersection(row)) / max(1, len(wanted)) for wanted, row in zip(true, found, strict=True)]
        recall = float(np.mean(shares))
        if recall >= _LEAST_RECALL or probes == number:
            break
        probes = min(2 * probes, number)
    return {
        "centers": np.asarray(means.centroids, np.float32).reshape(number, -1),
        "cluster": cluster,
        "probes": np.array(probes),
        "recall": np.array(recall),
    }


def _rows(vectors: StoredVectors, places: np.ndarray) -> np.ndarray:
    """Return the vectors float32 [n, D] at sorted places."""
    found = []
    for start, block in vectors.blocks():
        here = places[(places >= start) & (places < start + len(block))]
        found.append(block.numpy()[here - start])
    return np.concatenate(found)


def _filled(faiss: ModuleType, vectors: StoredVectors, centers: np.ndarray, cluster: np.ndarray) -> _Clusters:
    """Return faiss's index of float16 vectors in known clusters, each by its place."""
    quantizer = faiss.IndexFlatIP(centers.shape[1])
    quantizer.add(np.ascontiguousarray(centers))
    half = faiss.ScalarQuantizer.QT_fp16
    product = faiss.METRIC_INNER_PRODUCT
    clusters = faiss.IndexIVFScalarQuantizer(quantizer, centers.shape[1], len(centers), half, product, False)
    # Nothing is learned: the centers are there, and float16 needs no ranges.
    clusters.train(np.ascontiguousarray(centers))
    for start, block in vectors.blocks():
        rows, lists = block.numpy(), cluster[start : start + len(block)].astype(np.int64)
        # Takes the clusters as they are, where add() would search for them again.
        clusters.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(lists))
    made: _Clusters = clusters
    return made
