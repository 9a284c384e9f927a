from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vision.retrieval import image_index, searching, stored_vectors
from vision.retrieval.clustered_vectors import CLUSTERS
from vision.retrieval.found_images import ImageSearch
from vision.retrieval.image_index import ImageIndex, IndexDescription, IndexEntries
from vision.settings.errors import UserError

DIMENSION = 16
MADE_BY = IndexDescription(model="runs/x", model_sha256="a" * 64, dimension=DIMENSION)


def vectors(seed: int, count: int) -> np.ndarray:
    """Return float16 [count, 16] of length 1, around twelve centers."""
    generator = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(12, DIMENSION))
    found = centers[generator.integers(0, 12, count)] + 0.3 * generator.normal(size=(count, DIMENSION))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)


def add(index: ImageIndex, seed: int, names: list[str]) -> None:
    digests = np.full((len(names), 32), seed, np.uint8)
    index.add(IndexEntries(tuple(names), digests, vectors(seed, len(names))))


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    """Three parts, the last of which replaces some images of the first."""
    made = ImageIndex.open_or_make(tmp_path / "index", MADE_BY)
    add(made, 1, [f"{number}" for number in range(300)])
    add(made, 2, [f"{number}" for number in range(300, 500)])
    add(made, 3, ["7", "8", "9"])
    return made


def notes_and_search(index: ImageIndex, engine: searching.Engine) -> tuple[list[str], searching.Search]:
    notes: list[str] = []
    return notes, searching.open_search(index, whiten=False, engine=engine, on_note=notes.append)


def test_vectors_on_disk_give_the_results_of_those_in_memory(
    index: ImageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = vectors(5, 40).astype(np.float32)
    monkeypatch.setattr(stored_vectors, "_BLOCK", 64)
    assert notes_and_search(index, "exact")[0] == []
    monkeypatch.setattr(image_index, "MOST_VALUES_IN_MEMORY", 503 * DIMENSION)
    notes, search = notes_and_search(index, "exact")
    assert notes == ["503 images: engine=faiss answers sooner, but may miss some of the nearest."]
    expected = ImageSearch(index.entries()).nearest(queries, 10)
    found = search.nearest(queries, 10)
    assert [[one.name for one in row] for row in found] == [[one.name for one in row] for row in expected]
    assert found[0][0].similarity == pytest.approx(expected[0][0].similarity, abs=1e-6)
    assert len(search.nearest(queries[:1], 1000)[0]) == 500


@pytest.mark.parametrize("cut", [4, 40, -100])
def test_a_part_that_is_cut_off_is_named(index: ImageIndex, cut: int) -> None:
    path = index.folder / "part-000002.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"part-000002\.safetensors is damaged"):
        index.stored_vectors()


def test_faiss_that_is_not_installed_is_named(index: ImageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"engine=faiss needs faiss, which is not installed: pip install"):
        notes_and_search(index, "faiss")


def test_faiss_refuses_whitening(index: ImageIndex) -> None:
    with pytest.raises(UserError, match="whiten=true needs engine=exact"):
        searching.open_search(index, whiten=True, engine="faiss", on_note=print)


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_an_empty_index_holds_nothing_like_an_image(tmp_path: Path, engine: searching.Engine) -> None:
    notes, search = notes_and_search(ImageIndex.open_or_make(tmp_path / "empty", MADE_BY), engine)
    assert notes == []
    assert search.nearest(vectors(5, 2).astype(np.float32), 10) == [[], []]


class TestFaiss:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("faiss")

    def test_it_finds_nearly_all_and_says_so(self, index: ImageIndex) -> None:
        notes, search = notes_and_search(index, "faiss")
        assert notes[0].startswith("Of the 10 images nearest to one of this index, faiss finds 9")
        queries = vectors(5, 40).astype(np.float32)
        expected = ImageSearch(index.entries()).nearest(queries, 10)
        found = search.nearest(queries, 10)
        common = [
            len({one.name for one in row} & {one.name for one in true})
            for row, true in zip(found, expected, strict=True)
        ]
        assert sum(common) >= 380
        assert found[0][0].similarity == pytest.approx(expected[0][0].similarity, abs=1e-3)

    def test_clusters_are_kept_until_the_index_changes(self, index: ImageIndex) -> None:
        notes_and_search(index, "faiss")
        path = index.folder / CLUSTERS
        first = path.stat().st_mtime_ns
        notes_and_search(index, "faiss")
        assert path.stat().st_mtime_ns == first
        add(index, 8, ["new"])
        _, search = notes_and_search(index, "faiss")
        assert path.stat().st_mtime_ns != first
        assert search.nearest(vectors(8, 1).astype(np.float32), 1)[0][0].name == "new"

    def test_damaged_clusters_are_computed_again(self, index: ImageIndex) -> None:
        notes_and_search(index, "faiss")
        path = index.folder / CLUSTERS
        sound = path.read_bytes()
        path.write_bytes(sound[: len(sound) // 2])
        notes_and_search(index, "faiss")
        assert path.read_bytes() == sound

    def test_an_index_that_cannot_be_written_is_searched(
        self, index: ImageIndex, caplog: pytest.LogCaptureFixture
    ) -> None:
        (index.folder / CLUSTERS / "taken").mkdir(parents=True)
        _, search = notes_and_search(index, "faiss")
        assert search.nearest(vectors(5, 1).astype(np.float32), 1)[0]
        assert "the clusters are computed again next time" in caplog.text
