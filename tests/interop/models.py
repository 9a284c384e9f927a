"""Models of MXNet to import: the fixtures, and small ones built from a plan."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np

from vision.interop.mxnet_builder import symbol_json
from vision.interop.mxnet_params import write_params
from vision.interop.mxnet_resnet_graph import preact_classifier
from vision.interop.mxnet_symbol import Graph
from vision.nn.mxnet_names import mxnet_names
from vision.nn.preact_resnet import PreactPlan, PreactResNet

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mxnet"
RESNET20 = FIXTURES / "model_resnet20"
SSD_VGG = FIXTURES / "model_ssd300_vgg16_narrow"
SSD_RESNET = FIXTURES / "model_ssd300_resnet50_narrow"
SMALL_PLAN = PreactPlan(units=(3, 3, 3), filters=(4, 4, 8, 12), bottleneck=False, stem="3x3")


def write_model(
    folder: Path, plan: PreactPlan = SMALL_PLAN, num_classes: int = 3, *, multi_label: bool = False
) -> Graph:
    """A classifier with fresh weights as SageMaker saves it, epoch 4; statistics as of raw pixels."""
    graph, _ = preact_classifier(plan, num_classes, multi_label)
    network = PreactResNet(plan, num_classes)
    state = network.state_dict()
    state["bn_data.running_mean"][:] = 120.0
    state["bn_data.running_var"][:] = 3500.0
    names = mxnet_names(network)
    arrays = {f"arg:{name}": state[key].numpy() for key, name in names.items() if "moving" not in name}
    arrays |= {f"aux:{name}": state[key].numpy() for key, name in names.items() if "moving" in name}
    arrays["arg:bn_data_gamma"] = np.ones(plan.input_channels, np.float32)
    write_files(folder, graph, arrays)
    return graph


def write_files(folder: Path, graph: Graph, arrays: dict[str, np.ndarray], epoch: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image-classification-symbol.json").write_bytes(symbol_json(graph))
    write_params(folder / f"image-classification-{epoch:04d}.params", arrays)


def write_shapes(folder: Path, shape: tuple[int, ...]) -> None:
    (folder / "model-shapes.json").write_text(json.dumps([{"name": "data", "shape": list(shape)}]))


def pack(folder: Path, archive: Path) -> Path:
    """All files of a folder at the root of a model.tar.gz."""
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return archive
