from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vision.nn import pretrained
from vision.nn.pretrained import copy_weights, load_coco, load_imagenet
from vision.nn.weights_files import PUBLISHED, PUBLISHED_COCO, WeightsFile, find_imagenet
from vision.settings.errors import UserError

STATE = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache in a folder of the test, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pretrained, "_url", lambda network, known: (tmp_path / "nowhere.pth").as_uri())
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def publish(monkeypatch: pytest.MonkeyPatch, source: Path, network: str = "resnet50", place: int = 0) -> str:
    """Make ``source`` the published file of a network; returns the name that it must have."""
    stem = f"{network}-{hashlib.sha256(source.read_bytes()).hexdigest()[:8]}"
    known = list(PUBLISHED[network])
    known[place] = WeightsFile(known[place].variant, stem)
    monkeypatch.setitem(PUBLISHED, network, tuple(known))
    return f"{stem}.pth"


def saved(path: Path, value: object = None) -> Path:
    torch.save(STATE if value is None else value, path)
    return path


@pytest.mark.parametrize("network", [*PUBLISHED, *PUBLISHED_COCO])
def test_published_files_are_torchvisions(network: str) -> None:
    from torchvision.models import get_model_weights

    for known in (PUBLISHED | PUBLISHED_COCO)[network]:
        url = get_model_weights(network)[known.variant].url
        assert url.rpartition("/")[2] == f"{known.stem}.pth"


@pytest.mark.parametrize("place", ["folder", "cache"])
@pytest.mark.parametrize(("which", "variant"), [(0, "IMAGENET1K_V1"), (1, "IMAGENET1K_V2")])
def test_a_published_file_is_found_and_checked(place, which, variant, folder, cache, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    source = saved(folder / "made-up")
    name = publish(monkeypatch, source, place=which)
    target = source.rename((folder if place == "folder" else cache) / name)

    weights = load_imagenet("resnet50", folder)
    assert (weights.variant, weights.file) == (variant, target)
    assert find_imagenet("resnet50", folder) == target
    assert find_imagenet("resnet18", folder) is None
    assert str(weights) == f"ImageNet weights for resnet50 ({variant}) from {target}."
    assert all(torch.equal(weights.state_dict[key], value) for key, value in STATE.items())


def test_weights_that_were_never_trained_are_warned_of(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    norm = nn.BatchNorm2d(3)
    saved(folder / "resnet18.pth", norm.state_dict())
    load_imagenet("resnet18", folder)
    assert "resnet18.pth holds no trained weights: all running means" in caplog.text
    caplog.clear()
    norm.running_mean = torch.ones(3)
    saved(folder / "resnet18.pth", norm.state_dict())
    load_imagenet("resnet18", folder)
    assert not caplog.text


def test_the_first_recipe_is_preferred(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (1, 0):
        source = saved(folder / "made-up", {"place": torch.tensor(place)})
        source.rename(folder / publish(monkeypatch, source, place=place))
    assert load_imagenet("resnet50", folder).state_dict["place"] == 0


def test_a_plain_name_is_trusted_in_the_own_folder_only(folder: Path, cache: Path) -> None:
    saved(cache / "resnet18.pth")
    with pytest.raises(UserError, match=r"put resnet18-f37072fd\.pth into"):
        load_imagenet("resnet18", folder)
    saved(folder / "resnet18.pth")
    assert load_imagenet("resnet18", folder).variant == "as given"


@pytest.mark.parametrize("name", ["resnet18.safetensors", "resnet18-f37072fd.safetensors"])
def test_safetensors_of_the_same_stem(name: str, folder: Path) -> None:
    save_file(STATE, folder / name)
    assert torch.equal(load_imagenet("resnet18", folder).state_dict["bias"], STATE["bias"])


def test_a_file_that_is_not_what_its_name_says(folder: Path) -> None:
    path = saved(folder / "resnet18-f37072fd.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    message = f"{path} is damaged or another file: its SHA-256 starts with {digest}, not with f37072fd"
    with pytest.raises(UserError, match=message):
        load_imagenet("resnet18", folder)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('exploded').touch()",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as weights"),
        (b"\x00" * 100, "cannot be read as weights"),
        (b"PK\x03\x04" + b"\xff" * 60, "cannot be read as weights"),
        (pickle.dumps(_Bomb(), protocol=2), "cannot be read as weights"),
        ([1, 2], "holds a list that is no state dict"),
        ({"state_dict": STATE}, "holds a dict that is no state dict"),
    ],
)
def test_damaged_or_hostile_files_end_in_a_sentence(
    content: object, message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = folder / "resnet18.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        saved(path, content)
    with pytest.raises(UserError, match=message):
        load_imagenet("resnet18", folder)
    assert not (tmp_path / "exploded").exists()


def test_download_goes_to_torchs_cache_and_is_checked(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(folder / "remote")
    name = publish(monkeypatch, source)
    monkeypatch.setattr(pretrained, "_url", lambda network, known: source.as_uri())
    assert load_imagenet("resnet50", None).file == cache / name
    source.unlink()
    assert load_imagenet("resnet50", None).file == cache / name


def test_a_download_of_something_else_is_refused(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(folder / "remote")
    monkeypatch.setattr(pretrained, "_url", lambda network, known: source.as_uri())
    with pytest.raises(UserError, match="invalid hash value"):
        load_imagenet("resnet18", None)
    assert list(cache.iterdir()) == []


def test_offline_the_sentence_says_which_file_to_put_where(folder: Path, cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_imagenet("resnet50", folder)
    for part in (
        f"neither in {folder} and {cache} nor can they be downloaded",
        f"put resnet50-0676ba61.pth or resnet50-11ad3fa6.pth into {folder}",
        "run.weights_folder or VISION_WEIGHTS",
    ):
        assert part in str(caught.value)


def test_a_depth_without_weights() -> None:
    with pytest.raises(UserError, match="There are no ImageNet weights for resnet200; they exist for resnet18"):
        load_imagenet("resnet200", None)


def test_copy_weights_fills_the_network() -> None:
    layer = nn.Linear(2, 1)
    copy_weights(STATE, layer, Path("file.pth"))
    assert layer.weight.tolist() == [[1.0, 2.0]]


def test_copy_weights_forgives_a_missing_counter() -> None:
    layer = nn.BatchNorm2d(1)
    one = torch.ones(1)
    copy_weights({"weight": one, "bias": one, "running_mean": one, "running_var": one}, layer, Path("f"))
    assert layer.running_mean == 1


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": STATE["weight"]}, "bias is missing"),
        (STATE | {"weight": torch.zeros(1, 3)}, r"weight has shape \[1, 3\] instead of \[1, 2\]"),
        (STATE | {"extra": torch.zeros(1)}, "extra is not in the network"),
        (
            {f"x{i}": torch.zeros(1) for i in range(9)},
            r"bias is missing, x0 is not in the network and 8 more problems;",
        ),
    ],
)
def test_copy_weights_names_what_does_not_fit(state: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(UserError, match=r"file\.pth does not fit the network: .*" + message):
        copy_weights(state, nn.Linear(2, 1), Path("file.pth"))


def test_weights_of_coco_are_named_where_they_are_missing(folder: Path) -> None:
    with pytest.raises(UserError, match=r"^COCO weights for fcn_resnet50 are neither in .*fcn_resnet50_coco-1167a1af"):
        load_coco("fcn_resnet50", folder)
    with pytest.raises(UserError, match="There are no COCO weights for fcn_resnet18; they exist for fcn_resnet50, "):
        load_coco("fcn_resnet18", folder)
