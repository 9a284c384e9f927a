from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.interop.models import FIXTURES, RESNET20, SSD_RESNET, SSD_VGG
from vision import algorithms
from vision.algorithms.image_classification.network import architecture_for
from vision.algorithms.object_detection.architecture import standard_architecture
from vision.interop.mxnet_export import classifier_for_mxnet, detector_for_mxnet
from vision.interop.mxnet_import import import_mxnet
from vision.interop.mxnet_params import read_params
from vision.interop.mxnet_ssd_graph import SuppressionSettings, ssd_graph
from vision.interop.mxnet_symbol import read_symbol
from vision.settings.errors import UserError


@pytest.mark.parametrize("folder", [RESNET20, SSD_VGG, SSD_RESNET], ids=lambda folder: folder.name)
def test_what_was_imported_goes_back_as_it_was(tmp_path: Path, folder: Path) -> None:
    imported = import_mxnet(folder)
    algorithm = algorithms.get(imported.description.algorithm)
    network = algorithm.build_network(algorithm.read_architecture(imported.description.architecture))
    network.load_state_dict(imported.state_dict)
    if folder is RESNET20:
        exported = classifier_for_mxnet(network, multi_label=False, epoch=0)
    else:
        exported = detector_for_mxnet(network, SuppressionSettings(), {})
    exported.save(tmp_path)
    theirs = read_params(next(folder.glob("*.params")))
    ours = read_params(next(tmp_path.glob("*.params")))
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        # MXNet takes it for 1, whatever the file holds.
        expected = array * 0 + 1 if name == "arg:bn_data_gamma" else array
        assert (ours[name] == expected).all(), name


@pytest.mark.parametrize(("base", "mxnet_name", "side"), [("vgg-16", "vgg16", 300), ("resnet-50", "resnet50", 300)])
@pytest.mark.parametrize("training", [True, False])
def test_graphs_have_the_operators_of_mxnet_s_own(base: str, mxnet_name: str, side: int, training: bool) -> None:
    plan = standard_architecture(base, side, 20, is_mxnet=True)
    graph, _ = ssd_graph(plan, SuppressionSettings(), training=training)
    kind = "train" if training else "deploy"
    theirs = read_symbol(FIXTURES / "full_symbols" / f"ssd_{mxnet_name}_300_20cls-{kind}-symbol.json")
    assert set(graph.arguments) == set(theirs.arguments)
    assert set(graph.auxiliary) == set(theirs.auxiliary)
    assert sorted(node.op for node in graph.nodes) == sorted(node.op for node in theirs.nodes)
    assert [graph.nodes[head.node].name for head in graph.heads] == [
        theirs.nodes[head.node].name for head in theirs.heads
    ]


def test_the_resnet_of_torchvision_comes_back(tmp_path: Path) -> None:
    algorithm = algorithms.get("image_classification")
    values = {"num_classes": 3, "num_training_samples": 1, "num_layers": 18, "image_shape": "3,64,64"}
    network = algorithm.build_network(architecture_for(algorithm.facts.hyperparameters.parse(values)))
    classifier_for_mxnet(network, multi_label=False, epoch=2).save(tmp_path)
    imported = import_mxnet(tmp_path)
    assert imported.description.architecture["family"] == "resnet"
    for key, tensor in network.state_dict().items():
        assert torch.equal(imported.state_dict[key], tensor), key


def test_ssd_on_torchvision_s_resnet_is_none_of_mxnet_s() -> None:
    network = algorithms.get("object_detection").build_network(standard_architecture("resnet-18", 300, 2))
    with pytest.raises(UserError, match="use format=onnx"):
        detector_for_mxnet(network, SuppressionSettings(), {})
