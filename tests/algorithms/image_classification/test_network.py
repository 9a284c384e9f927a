from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.network import (
    Architecture,
    architecture_for,
    build_network,
    is_head,
    load_pretrained,
    read_architecture,
)
from vision.nn.preact_resnet import PreactResNet, plan_for
from vision.nn.resnet import ResNet
from vision.settings.errors import UserError


def asked(**hyperparameters: object) -> Architecture:
    given = {"num_classes": 5, "num_training_samples": 100} | hyperparameters
    return architecture_for(ImageClassificationHyperparameters.parse(given))


def plan(**changes: object) -> dict[str, object]:
    """The plan of a ResNet-20 as a model folder holds it, with changes."""
    return json.loads(asked(num_layers=20, image_shape="3,28,28").model_dump_json()) | changes


@pytest.mark.parametrize(
    ("hyperparameters", "family", "stem", "units"),
    [
        ({"num_layers": 18}, "resnet", "7x7", ()),
        ({"num_layers": 200}, "resnet", "7x7", ()),
        ({"num_layers": 18, "image_shape": "3,33,33"}, "resnet", "7x7", ()),
        ({"num_layers": 18, "image_shape": "3,32,32"}, "resnet", "3x3", ()),
        ({"num_layers": 18, "image_shape": "3,32,32", "use_pretrained_model": 1}, "resnet", "7x7", ()),
        ({"num_layers": 20, "image_shape": "3,28,28"}, "preact_resnet", "3x3", (3, 3, 3)),
        ({"num_layers": 20, "image_shape": "1,32,32"}, "preact_resnet", "3x3", (3, 3, 3)),
        ({"num_layers": 110, "image_shape": "3,64,64"}, "preact_resnet", "7x7", (18, 18, 18)),
    ],
)
def test_hyperparameters_choose_the_network(hyperparameters, family, stem, units) -> None:  # type: ignore[no-untyped-def]
    architecture = asked(**hyperparameters)
    assert (architecture.family, architecture.stem, architecture.units) == (family, stem, units)
    assert architecture.depth == hyperparameters["num_layers"]
    assert architecture.num_classes == 5


@pytest.mark.parametrize("shape", ["3,28,28", "1,28,28", "3,40,72"])
@pytest.mark.parametrize("depth", [18, 20])
def test_pixels_to_float32_logits(shape: str, depth: int) -> None:
    architecture = asked(num_layers=depth, image_shape=shape)
    network = build_network(architecture).eval()
    images = torch.randint(0, 256, (2, 3, *architecture.image_shape[1:]), dtype=torch.uint8)
    logits = network(images)
    assert logits.shape == (2, 5)
    assert logits.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(images).dtype == torch.float32
    torch.testing.assert_close(network(images.float()), logits)


@pytest.mark.parametrize("depth", [18, 20])
def test_a_grey_network_sees_luma_only(depth: int) -> None:
    network = build_network(asked(num_layers=depth, image_shape="1,28,28")).eval()
    images = torch.zeros(1, 3, 28, 28, dtype=torch.uint8)
    images[:, 0] = 100
    luma = torch.full((1, 1, 28, 28), 29.9)  # 0.299 * 100
    torch.testing.assert_close(network(images), network(luma))
    torch.testing.assert_close(network(images), network(luma.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("depth", [20, 56])
def test_small_images_get_mxnets_network_on_raw_pixels(depth: int) -> None:
    """The reference is held against MXNet's results in tests/nn/test_preact_resnet.py."""
    network = build_network(asked(num_layers=depth, image_shape="3,28,28")).eval()
    reference = PreactResNet(plan_for(depth, "3x3"), 5).eval()
    reference.load_state_dict(network.resnet.state_dict())
    images = torch.randint(0, 256, (2, 3, 28, 28), dtype=torch.uint8)
    assert torch.equal(network(images), reference(images.float()))


def test_large_images_get_torchvisions_network_on_normalised_pixels() -> None:
    network = build_network(asked(num_layers=18, image_shape="3,64,64")).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
    expected = network.resnet((images / 255 - mean) / std)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hyperparameters", [{"num_layers": 50}, {"num_layers": 20, "image_shape": "1,28,28"}])
def test_a_plan_survives_the_model_folder(hyperparameters: dict[str, object]) -> None:
    architecture = asked(**hyperparameters)
    assert read_architecture(json.loads(architecture.model_dump_json())) == architecture


def test_an_imported_plan_of_any_depth_is_taken() -> None:
    units, filters = [3, 30, 48, 8], [64, 256, 512, 1024, 2048]
    changes = {"depth": 269, "units": units, "filters": filters, "bottleneck": True, "stem": "7x7"}
    assert read_architecture(plan(**changes, image_shape=[3, 224, 224])).depth == 269


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "vgg"}, "family"),
        ({"__class__": "os.system"}, "__class__"),
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": 10**12}, "num_classes"),
        ({"image_shape": [3, 10**6, 10]}, "image_shape"),
        ({"image_shape": [2, 28, 28]}, "image_shape"),
        ({"image_shape": [3, 28]}, "image_shape"),
        ({"depth": 21}, "depth is 21, which is not the number of layers"),
        ({"units": [3, 3]}, "filters must have one value for the stem"),
        ({"units": []}, "filters must have one value for the stem"),
        ({"units": [3, 3, 10**9]}, "units"),
        ({"units": [1] * 10_000}, "units"),
        ({"units": [200, 200, 200]}, "more than 400 units"),
        ({"filters": [16, 16, 32, 10**9]}, "filters"),
        ({"filters": [16, 16, 32, 8192]}, "weights"),
        ({"filters": [16, 16, 32, 30], "bottleneck": True}, "multiples of 4"),
        ({"mean": [0.0]}, "mean and std must have 3 values"),
        ({"std": [1.0, 0.0, 1.0]}, "std"),
        ({"std": [1.0, float("nan"), 1.0]}, "std"),
        ({"bn_eps": float("inf")}, "bn_eps"),
        ({"family": "resnet"}, "depth is 20 but the family resnet has 18"),
        ({"family": "resnet", "depth": 50}, "do not belong to the family resnet"),
    ],
)
def test_a_damaged_or_hostile_plan_is_refused_in_a_sentence(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match="plan of its network is damaged") as caught:
        read_architecture(plan(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_impossible_request_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"impossible network .*image_shape"):
        asked(num_layers=18, image_shape="3,100000,100000")


@pytest.mark.parametrize("depth", [18, 20])
def test_initialised_as_mxnets_example(depth: int) -> None:
    torch.manual_seed(0)
    network = build_network(asked(num_layers=depth, image_shape="3,28,28"))
    convs = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    widest = max(convs, key=lambda w: w.numel())
    assert widest.std().item() == pytest.approx((2 / widest[0].numel()) ** 0.5, rel=0.02)
    head = getattr(network.resnet, network.resnet.HEAD)
    assert head.bias.abs().sum() == 0


def test_image_net_weights_go_below_a_fresh_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = ResNet(18, 1000)
    torch.save(published.state_dict(), tmp_path / "resnet18.pth")
    network = build_network(asked(num_layers=18, image_shape="3,32,32", use_pretrained_model=1))
    before = {key: value.clone() for key, value in network.state_dict().items()}

    sentence = load_pretrained(network, tmp_path)
    assert sentence == f"ImageNet weights for resnet18 (as given) from {tmp_path / 'resnet18.pth'}."
    for key, value in network.state_dict().items():
        head = is_head(key, network.architecture)
        expected = before[key] if head else published.state_dict()[key.removeprefix("resnet.")]
        assert torch.equal(value, expected)


def test_no_image_net_weights_for_depth_200() -> None:
    with torch.device("meta"):
        network = build_network(asked(num_layers=200))
    with pytest.raises(UserError, match="no ImageNet weights for resnet200"):
        load_pretrained(network, None)
