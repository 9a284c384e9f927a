"""Whatever the bytes of a model are: it loads, or there is one sentence."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vision.artifacts.model_folder import load_model, pack_model
from vision.settings.errors import UserError

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load(path: Path) -> bool:
    """Whether it loads. Any error but UserError fails the test."""
    try:
        load_model(path, max_bytes=10**7).state_dict()
    except UserError:
        return False
    return True


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[int, bytes, int]]:
    """Places in thousandths of the length, bytes to put there, and how many bytes they replace."""
    place, data, length = st.integers(0, 999), st.binary(max_size=12), st.integers(0, 12)
    return draw(st.lists(st.tuples(place, data, length), min_size=1, max_size=4))


def mutate(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for place, inserted, removed in changes:
        start = place * len(data) // 1000
        data = data[:start] + inserted + data[start + removed :]
    return data


@FUZZ
@given(mutations())
def test_mutated_gzip(tmp_path: Path, model_folder: Path, changes: list[tuple[int, bytes, int]]) -> None:
    pack_model(model_folder, tmp_path / "good.tar.gz")
    (tmp_path / "bad.tar.gz").write_bytes(mutate((tmp_path / "good.tar.gz").read_bytes(), changes))
    load(tmp_path / "bad.tar.gz")


@FUZZ
@given(mutations())
def test_mutated_tar(tmp_path: Path, model_folder: Path, changes: list[tuple[int, bytes, int]]) -> None:
    pack_model(model_folder, tmp_path / "good.tar.gz")
    data = gzip.decompress((tmp_path / "good.tar.gz").read_bytes())[:3584]
    (tmp_path / "bad.tar.gz").write_bytes(gzip.compress(mutate(data, changes), 1))
    load(tmp_path / "bad.tar.gz")


@FUZZ
@given(mutations())
def test_mutated_model_json(tmp_path: Path, model_folder: Path, changes: list[tuple[int, bytes, int]]) -> None:
    path = model_folder / "model.json"
    good = path.read_bytes()
    path.write_bytes(mutate(good, changes))
    load(model_folder)
    path.write_bytes(good)
    assert load(model_folder)


@FUZZ
@given(mutations())
def test_mutated_weights_with_a_matching_digest(
    tmp_path: Path, model_folder: Path, changes: list[tuple[int, bytes, int]]
) -> None:
    weights, description = model_folder / "weights-0001.safetensors", model_folder / "model.json"
    good, good_json = weights.read_bytes(), description.read_bytes()
    bad = mutate(good, changes)
    values = json.loads(good_json)
    values["weights"]["sha256"] = hashlib.sha256(bad).hexdigest()
    weights.write_bytes(bad)
    description.write_text(json.dumps(values))
    load(model_folder)
    weights.write_bytes(good)
    description.write_bytes(good_json)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(st.data())
def test_any_json_in_any_field(model_folder: Path, data: st.DataObject) -> None:
    path = model_folder / "model.json"
    good = path.read_bytes()
    values = json.loads(good)
    values[data.draw(st.sampled_from(sorted(values)))] = data.draw(JSON)
    path.write_text(json.dumps(values))
    load(model_folder)
    path.write_bytes(good)


@FUZZ
@given(st.binary(max_size=2000), st.booleans(), st.booleans())
def test_any_bytes(tmp_path: Path, data: bytes, is_gzip: bool, is_member: bool) -> None:
    if is_member:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo("model.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        data = buffer.getvalue()
    (tmp_path / "any.tar.gz").write_bytes(gzip.compress(data, 1) if is_gzip else data)
    assert not load(tmp_path / "any.tar.gz")


def test_the_unchanged_model_loads(tmp_path: Path, model_folder: Path) -> None:
    pack_model(model_folder, tmp_path / "good.tar.gz")
    assert load(tmp_path / "good.tar.gz")


@pytest.mark.parametrize("name", ["model.json", "weights-0001.safetensors"])
def test_an_archive_with_half_of_a_model(tmp_path: Path, model_folder: Path, name: str) -> None:
    with tarfile.open(tmp_path / "half.tar.gz", "w:gz") as archive:
        archive.add(model_folder / name, name)
    assert not load(tmp_path / "half.tar.gz")
