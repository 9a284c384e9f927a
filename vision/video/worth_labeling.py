"""The frames of videos that are worth a label: doubtful ones that differ from each other, for a labeling tool.

Of each second, or of some frames if that is less, the most doubtful frame is a candidate; when there are more than
enough, of the two most alike the less doubtful one goes. So the images on disk and their vectors in memory stay few,
however long the video.

Legend: N candidates, D the length of a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vision.api.model import Model
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.labeling.selection import SHORTLIST, select
from vision.labeling.task_files import ChosenImage, write_tasks
from vision.reports.drawing import jpeg_bytes
from vision.retrieval.embedding_model import EmbeddingModel
from vision.settings.errors import UserError
from vision.video.predicted_frames import PredictedFrame

# Twice those of which different ones are chosen.
_POOL_OF_WANTED = 2 * SHORTLIST
# One frame of at most this many becomes a candidate: those between are almost the same, and its vector takes time.
_LONGEST_WINDOW = 8
# Cosines from which frames are near-equal: those of the same tracks or the same stretch of a label, and any others.
_ALIKE, _SAME = 0.99, 0.9995
_QUALITY = 95


@dataclass(eq=False)
class _Candidate:
    image: ChosenImage
    # The clip, and what is seen in it.
    scene: tuple[str, frozenset[int]]
    vector: np.ndarray
    # The candidate most like it, and their cosine: comparing all with all for each frame would take seconds.
    twin: _Candidate | None = None
    similarity: float = -math.inf

    def meet(self, other: _Candidate, similarity: float) -> None:
        """Note the other as the twin if none so far is more alike."""
        if similarity > self.similarity:
            self.twin, self.similarity = other, similarity


class WorthLabeling:
    """Gathers candidates into ``folder``/images; ``write`` keeps ``count`` of them and writes the task files.

    ``model_name`` is what labeling tools show as the origin of proposals. Raises UserError for a model that cannot say
    which frames it doubts or which are alike.
    """

    def __init__(self, model: Model, folder: Path, count: int, model_name: str) -> None:
        if not model.algorithm.facts.capabilities.uncertainty:
            raise UserError(f"A model of {model.algorithm.facts.name} does not say how sure it is: give label=0.")
        self._model = model
        self._embedding = EmbeddingModel(model.algorithm, model.network, model.transform, model.device, model_name)
        self._folder, self._count, self._model_name = folder, count, model_name
        self._candidates: list[_Candidate] = []
        self._clip, self._window = "", 1
        # Of the frames offered since the last candidate, the most doubtful, with its doubt and tracks.
        self._best: tuple[float, PredictedFrame, frozenset[int]] | None = None
        self._offered = 0
        # Asked for at once, since some networks have none.
        assert self._embedding.dimension

    def begin(self, clip: str, rate: float) -> None:
        """Take frames of the ``clip`` from now on, of which ``rate`` a second are looked at."""
        self._look()
        self._clip = clip
        self._window = min(max(1, round(rate)), _LONGEST_WINDOW)

    def offer(self, frame: PredictedFrame, seen: frozenset[int]) -> None:
        """Take the next frame of the clip; ``seen``: the numbers of the tracks that it shows."""
        doubt = self._model.algorithm.uncertainty(frame.prediction)
        if self._best is None or doubt > self._best[0]:
            self._best = doubt, frame, seen
        self._offered += 1
        if self._offered == self._window:
            self._look()

    def write(self) -> list[Path]:
        """Choose frames, remove the others, and return the files written."""
        self._look()
        if not self._candidates:
            return []
        doubts = np.array([one.image.uncertainty for one in self._candidates])
        vectors = np.stack([one.vector for one in self._candidates])
        places = select(doubts, vectors, self._count, "mixed").tolist()
        for place in set(range(len(self._candidates))).difference(places):
            self._candidates[place].image.file.unlink(missing_ok=True)
        chosen = [self._candidates[place].image for place in places]
        task = self._model.algorithm.label_task(self._model.hyperparameters)
        return write_tasks(self._folder, chosen, task, self._model.class_names, self._model_name, "keep")

    def _look(self) -> None:
        """Consider the most doubtful of the frames since the last time."""
        if self._best is not None:
            doubt, frame, seen = self._best
            self._consider(frame, doubt, (self._clip, seen), self._embedding.vectors([frame.prepared.pixels])[0])
        self._best, self._offered = None, 0

    def _consider(
        self, frame: PredictedFrame, doubt: float, scene: tuple[str, frozenset[int]], vector: np.ndarray
    ) -> None:
        similar = self._similarities(vector)
        same_scene = np.array([one.scene == scene for one in self._candidates], bool)
        near = np.flatnonzero(similar >= np.where(same_scene, _ALIKE, _SAME)).tolist()
        if any(self._candidates[place].image.uncertainty >= doubt for place in near):
            return
        for place in reversed(near):
            self._remove(self._candidates[place])
        found = _Candidate(self._stored(frame, doubt), scene, vector)
        for other, cosine in zip(self._candidates, np.delete(similar, near).tolist(), strict=True):
            other.meet(found, cosine)
            found.meet(other, cosine)
        self._candidates.append(found)
        if len(self._candidates) > _POOL_OF_WANTED * self._count:
            self._remove(self._most_expendable())

    def _similarities(self, vector: np.ndarray) -> np.ndarray:
        """Return the cosine of each candidate with a vector, float32 [N]."""
        return np.array([one.vector @ vector for one in self._candidates], np.float32)

    def _most_expendable(self) -> _Candidate:
        """Return the less doubtful of the two candidates most alike."""
        one = max(self._candidates, key=lambda candidate: candidate.similarity)
        assert one.twin is not None
        return min(one, one.twin, key=lambda candidate: candidate.image.uncertainty)

    def _remove(self, gone: _Candidate) -> None:
        self._candidates.remove(gone)
        gone.image.file.unlink(missing_ok=True)
        for left in self._candidates:
            if left.twin is gone:
                left.twin, left.similarity = None, -math.inf
                for other, cosine in zip(self._candidates, self._similarities(left.vector).tolist(), strict=True):
                    if other is not left:
                        left.meet(other, cosine)

    def _stored(self, frame: PredictedFrame, doubt: float) -> ChosenImage:
        name = f"{self._clip}_{frame.number:08d}.jpg"
        path = self._folder / "images" / name
        # Made only now: where no video could be opened, the same command may be given again.
        make_folder(path.parent)
        write_whole(path, jpeg_bytes(Image.fromarray(frame.rgb), quality=_QUALITY), durable=False)
        proposals = self._model.algorithm.proposed_labels(frame.prediction)
        return ChosenImage(path, f"images/{name}", frame.prepared.size_px, doubt, proposals)
