"""HOTA (Luiten and others 2021), MOTA (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani and others 2016), in short.

``scripts/test.sh tracking`` compares them with TrackEval, the reference of all three.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from vision.box_iou import iou_matrix

_LEAST_IOU = 0.5


class Found(NamedTuple):
    """Of one frame, the true ``ids`` [M] and ``boxes`` [M, 4], and those of the tracker, [N] and [N, 4]."""

    ids: np.ndarray
    boxes: np.ndarray
    tracked_ids: np.ndarray
    tracked_boxes: np.ndarray


class Quality(NamedTuple):
    """Shares, 1 is without error."""

    hota: float
    mota: float
    idf1: float


def quality(frames: list[Found]) -> Quality:
    true_ids = np.unique(np.concatenate([frame.ids for frame in frames]))
    tracks = np.unique(np.concatenate([frame.tracked_ids for frame in frames]))
    rows = [np.searchsorted(true_ids, frame.ids) for frame in frames]
    columns = [np.searchsorted(tracks, frame.tracked_ids) for frame in frames]
    ious = [iou_matrix(frame.boxes, frame.tracked_boxes) for frame in frames]
    together, overlaps, shape = [], np.zeros((len(true_ids), len(tracks))), (len(true_ids), len(tracks))
    lengths = np.bincount(np.concatenate(rows), minlength=shape[0])
    track_lengths = np.bincount(np.concatenate(columns), minlength=shape[1])
    for row, column, iou in zip(rows, columns, ious, strict=True):
        overlaps[np.ix_(row, column)] += iou >= _LEAST_IOU
        share = iou.sum(axis=0) + iou.sum(axis=1, keepdims=True) - iou
        together.append(np.divide(iou, share, out=np.zeros_like(iou), where=share > 0))
    # HOTA matches pairs that go together over the whole video.
    alike = np.zeros(shape)
    for row, column, shares in zip(rows, columns, together, strict=True):
        alike[np.ix_(row, column)] += shares
    alike /= np.maximum(1, lengths[:, None] + track_lengths - alike)
    total, total_tracked = int(lengths.sum()), int(track_lengths.sum())
    matched_rows, matched_columns = linear_sum_assignment(overlaps, maximize=True)
    idf1 = 2 * overlaps[matched_rows, matched_columns].sum() / (total + total_tracked)
    hota = np.mean([_hota(rows, columns, ious, alike, lengths, track_lengths, i / 20) for i in range(1, 20)])
    return Quality(float(hota), _mota(rows, columns, ious, total, total_tracked), float(idf1))


def _hota(
    rows: list[np.ndarray],
    columns: list[np.ndarray],
    ious: list[np.ndarray],
    alike: np.ndarray,
    lengths: np.ndarray,
    track_lengths: np.ndarray,
    least_iou: float,
) -> float:
    pairs = np.zeros_like(alike)
    for row, column, iou in zip(rows, columns, ious, strict=True):
        first, second = linear_sum_assignment(alike[np.ix_(row, column)] * iou, maximize=True)
        kept = iou[first, second] >= least_iou - 1e-12
        pairs[row[first[kept]], column[second[kept]]] += 1
    hits = pairs.sum()
    association = pairs / np.maximum(1, lengths[:, None] + track_lengths - pairs)
    return float(np.sqrt((pairs * association).sum() / (lengths.sum() + track_lengths.sum() - hits)))


def _mota(
    rows: list[np.ndarray], columns: list[np.ndarray], ious: list[np.ndarray], total: int, total_tracked: int
) -> float:
    hits = switches = 0
    latest: dict[int, int] = {}
    before: dict[int, int] = {}
    for row, column, iou in zip(rows, columns, ious, strict=True):
        # Pairs of the frame before stay together where they can.
        stays = np.array([[before.get(int(i)) == j for j in column] for i in row]).reshape(iou.shape)
        score = np.where(iou >= _LEAST_IOU - 1e-12, 1000 * stays + iou, 0.0)
        first, second = linear_sum_assignment(score, maximize=True)
        kept = score[first, second] > 0
        before = {int(row[i]): int(column[j]) for i, j in zip(first[kept], second[kept], strict=True)}
        switches += sum(latest.get(true, track) != track for true, track in before.items())
        latest |= before
        hits += len(before)
    return 1 - (total - hits + total_tracked - hits + switches) / total
