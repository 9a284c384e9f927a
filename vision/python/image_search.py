"""Makes images searchable in Python, finds what looks like a photo, and copies."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from vision.data.given_images import find_images
from vision.progress_bar import progress_bar
from vision.python.arguments import check_choice, check_count, check_share
from vision.python.keywords import RunKeywords
from vision.python.notebook import data_frame
from vision.retrieval.copies import SIMILARITY, Copies, find_copies
from vision.retrieval.embedding_model import EmbeddingModel, contents_of
from vision.retrieval.found_images import FoundImage, pixels_of_file
from vision.retrieval.image_index import ImageIndex
from vision.retrieval.indexing import index_images
from vision.retrieval.searching import MOST_SHOWN, Engine, Rerank, answers, open_search
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexResult:
    """The ``folder`` of an index, how many images were ``added`` to it, and how many were ``known`` before.

    ``problems`` has a sentence on each image that could not be read.
    """

    folder: Path
    added: int
    known: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class SearchResult:
    """What was ``found`` for the image at ``path``, the most similar first."""

    path: str
    found: tuple[FoundImage, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each image found. Needs pandas."""
        rows = [(one.name, one.similarity, one.agreeing) for one in self.found]
        return data_frame(("name", "similarity", "agreeing"), rows)


def index(
    images: str | Path | Iterable[str | Path],
    *,
    model: str | Path,
    output: str | Path,
    run: RunKeywords | Mapping[str, object] | None = None,
) -> IndexResult:
    """Make a vector of each image in the index ``output``, by which ``search`` finds it: ``vision index``.

    ``images`` are files, folders, globs or .rec files; ``model`` is a model folder, archive or run folder,
    ``"imagenet"`` or ``"timm:NAME"``. What the index holds already with the same bytes is passed over.

    >>> vision.index("photos", model="runs/flowers", output="index").added
    """
    settings, folder = RunSettings.parse(run or {}), local_path(output)
    paths = find_images(words_of(images))
    problems: list[str] = []
    with progress_bar("indexing", len(paths)) as advance:
        embedding = EmbeddingModel.open(str(model), settings)
        found = index_images(folder, embedding, contents_of(paths, advance), problems.append)
    return IndexResult(folder, found.added, found.known, tuple(problems))


def search(
    index: str | Path,
    images: str | Path | Iterable[str | Path],
    *,
    top: int = 10,
    rerank: Rerank = "none",
    whiten: bool = False,
    engine: Engine = "exact",
    model: str | Path | None = None,
    run: RunKeywords | Mapping[str, object] | None = None,
) -> list[SearchResult]:
    """Return for each image the ``top`` images of an index that look the most like it: ``vision search``.

    ``rerank="geometry"`` puts those first that show the same object or scene; ``whiten`` lets all directions in which
    the vectors vary count alike; ``engine="faiss"`` is faster in indexes of half a million images and more, but may
    miss some. ``model`` is needed where that of the index lies elsewhere now. Raises UserError, also for an image that
    cannot be read.

    >>> vision.search("index", "photo.jpg", top=5)[0].found[0].name
    """
    check_count("top", top, 1, MOST_SHOWN)
    check_choice("rerank", rerank, get_args(Rerank))
    check_choice("engine", engine, get_args(Engine))
    settings = RunSettings.parse(run or {})
    paths = find_images(words_of(images))
    opened = ImageIndex.open(local_path(index))
    embedding = EmbeddingModel.open(str(model or opened.description.model), settings)
    opened.check(embedding.sha256, embedding.name)
    entries = open_search(opened, whiten=whiten, engine=engine, on_note=log.info)
    results = []
    for answer in answers(entries, embedding, contents_of(paths), top, rerank):
        if isinstance(answer.found, str):
            raise UserError(answer.found)
        results.append(SearchResult(answer.name, answer.found))
    return results


def duplicates(index: str | Path, *, similarity: float = SIMILARITY) -> Copies:
    """Return the copies among the images of an index, also re-encoded, cropped, turned or mirrored ones.

    Pairs whose vectors are at least as similar as ``similarity``, 0..1, are compared, and each image with its nearest.

    >>> vision.duplicates("index").near
    """
    check_share("similarity", similarity)
    return find_copies(ImageIndex.open(local_path(index)).entries(), pixels_of_file, similarity)


def words_of(images: str | Path | Iterable[str | Path]) -> list[str]:
    """Return the paths of images as texts. Raises SettingsError for images that are no paths."""
    words = list(images) if isinstance(images, Iterable) and not isinstance(images, str | bytes) else [images]
    for one in words:
        if not isinstance(one, str | Path):
            raise SettingsError([f"Images are paths here, but {type(one).__name__} was given: save the image first."])
    return [str(one) for one in words]
