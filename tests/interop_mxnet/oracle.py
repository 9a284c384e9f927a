"""Runs in the environment of the real MXNet: ``oracle.py TASK FOLDER`` reads job.json there.

It knows MXNet and nothing of this package, but for the shim that makes MXNet importable.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.interop_mxnet.mxnet_shim import import_mxnet

mx = import_mxnet()


def random_checkpoint(folder: Path, job: dict[str, Any]) -> None:
    """Random weights for a symbol, saved as ``save_checkpoint`` does, and what the network answers to images.npy."""
    random = np.random.default_rng(job["seed"])
    symbol = mx.sym.load(job["symbol"])
    shapes = {name: tuple(shape) for name, shape in job["shapes"].items()}
    argument_shapes, _, auxiliary_shapes = symbol.infer_shape(**shapes)
    arguments = dict(zip(symbol.list_arguments(), argument_shapes, strict=True))
    auxiliary = dict(zip(symbol.list_auxiliary_states(), auxiliary_shapes, strict=True))
    weights = {name: weight(name, shape, random) for name, shape in arguments.items() if name not in shapes}
    for name in weights:
        # Keeps the scores of SSD off 1 and its boxes off the border.
        if name.endswith("_pred_conv_weight"):
            weights[name] *= np.float32(job["head_scale"] if "_cls_" in name else job["head_scale"] / 3)
    statistics = {name: weight(name, shape, random) for name, shape in auxiliary.items()}
    weights.pop("softmax_label", None)
    prefix = str(folder / job["prefix"])
    saved = mx.sym.load(job["saved_symbol"]) if "saved_symbol" in job else symbol
    mx.model.save_checkpoint(prefix, job["epoch"], saved, as_mx(weights), as_mx(statistics))
    answer(folder, job, symbol, weights, statistics)


def weight(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Values of a scale that keeps activations in range; running statistics of raw RGB for ``bn_data``."""
    if name == "bn_data_moving_mean":
        return np.array([123, 117, 104], np.float32) + random.normal(0, 3, shape).astype(np.float32)
    if name == "bn_data_moving_var":
        return random.uniform(3000, 4000, shape).astype(np.float32)
    if name.endswith("_scale"):
        return random.uniform(15, 25, shape).astype(np.float32)
    if name.endswith(("_gamma", "_moving_var")):
        return random.uniform(0.5, 0.9, shape).astype(np.float32)
    if name.endswith(("_bias", "_beta", "_moving_mean")):
        return random.normal(0, 0.1, shape).astype(np.float32)
    return random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)


def answer_checkpoint(folder: Path, job: dict[str, Any]) -> None:
    """What a checkpoint written by others answers, loaded and bound by Module as an old stack does."""
    symbol, weights, statistics = mx.model.load_checkpoint(str(folder / job["prefix"]), job["epoch"])
    images = np.load(folder / "images.npy").astype(np.float32)
    labels = [(name, tuple(shape)) for name, shape in job["labels"]]
    module = mx.mod.Module(symbol, label_names=[name for name, _ in labels], context=mx.cpu())
    module.bind([("data", images.shape)], labels, for_training=False)
    module.set_params(weights, statistics)
    # -1: no objects, so that the training graph of SSD can run.
    batch = mx.io.DataBatch([mx.nd.array(images)], [mx.nd.full(shape, -1) for _, shape in labels])
    module.forward(batch, is_train=False)
    outputs = {name: array.asnumpy() for name, array in zip(symbol.list_outputs(), module.get_outputs(), strict=True)}
    np.savez(folder / "answer.npz", **outputs)


def train_step(folder: Path, job: dict[str, Any]) -> None:
    """Outputs, gradients and running statistics after one forward and backward pass of a checkpoint."""
    symbol, weights, statistics = mx.model.load_checkpoint(str(folder / job["prefix"]), job["epoch"])
    images = np.load(folder / "images.npy").astype(np.float32)
    labels = np.load(folder / "labels.npy").astype(np.float32)
    bound = symbol.simple_bind(mx.cpu(), data=images.shape, softmax_label=labels.shape, grad_req="write")
    bound.copy_params_from(weights, statistics)
    output = bound.forward(is_train=True, data=images, softmax_label=labels)[0]
    bound.backward()
    results = {f"grad:{name}": bound.grad_dict[name].asnumpy() for name in weights}
    results |= {f"aux:{name}": array.asnumpy() for name, array in bound.aux_dict.items()}
    np.savez(folder / "answer.npz", output=output.asnumpy(), **results)


def answer(folder: Path, job: dict[str, Any], symbol: Any, weights: dict, statistics: dict) -> None:
    internals = symbol.get_internals()
    group = mx.sym.Group([internals[name] for name in job["outputs"]])
    images = np.load(folder / "images.npy").astype(np.float32)
    bound = group.simple_bind(mx.cpu(), data=images.shape, grad_req="null")
    bound.copy_params_from(as_mx(weights), as_mx(statistics), allow_extra_params=True)
    outputs = bound.forward(is_train=False, data=images)
    arrays = {name: array.asnumpy() for name, array in zip(job["outputs"], outputs, strict=True)}
    np.savez(folder / "answer.npz", **arrays)


def write_records(folder: Path, job: dict[str, Any]) -> None:
    """A .rec and .idx of the encoded images in encoded.npz, with label vectors of any length."""
    encoded = np.load(folder / "encoded.npz")
    writer = mx.recordio.MXIndexedRecordIO(str(folder / "theirs.idx"), str(folder / "theirs.rec"), "w")
    for number, label in enumerate(job["labels"]):
        header = mx.recordio.IRHeader(0, label[0] if len(label) == 1 else label, number, 0)
        writer.write_idx(number, mx.recordio.pack(header, encoded[str(number)].tobytes()))
    writer.close()


def read_records(folder: Path, job: dict[str, Any]) -> None:
    """Images and labels of ours.rec as MXNet's iterators give them."""
    shared = {"path_imgrec": str(folder / "ours.rec"), "data_shape": tuple(job["data_shape"]), "shuffle": False}
    make = mx.io.ImageDetRecordIter if job["detection"] else mx.io.ImageRecordIter
    extra = {"label_pad_width": job["label_width"], "label_width": -1} if job["detection"] else {}
    records = make(**shared, **extra, batch_size=job["count"], preprocess_threads=1)
    batch = next(iter(records))
    np.savez(folder / "answer.npz", data=batch.data[0].asnumpy(), label=batch.label[0].asnumpy())


def im2rec(folder: Path, job: dict[str, Any]) -> None:
    """MXNet's own tool with the words of a command line, run in ``folder``."""
    os.chdir(folder)
    sys.argv = ["im2rec.py", *job["words"]]
    runpy.run_path(str(Path(mx.__file__).parent / "tools" / "im2rec.py"), run_name="__main__")


def gluon_export(folder: Path, job: dict[str, Any]) -> None:
    """A network of Gluon's model zoo with random weights, exported, and its answer."""
    mx.random.seed(job["seed"])
    network = mx.gluon.model_zoo.vision.get_model(job["name"], classes=7)
    network.initialize(mx.init.MSRAPrelu())
    network.hybridize()
    images = mx.nd.array(np.load(folder / "images.npy").astype(np.float32))
    logits = network(images)
    network.export(str(folder / job["prefix"]), epoch=3)
    np.savez(folder / "answer.npz", logits=logits.asnumpy())


def update_weights(folder: Path, job: dict[str, Any]) -> None:
    """The weights after each update of an optimizer by gradients.npy, from weights.npy: float32 [updates, weights]."""
    answers: dict[str, list[np.ndarray]] = {}
    for name, case in job["cases"].items():
        given = dict(case["settings"])
        if case["steps"]:
            schedule = mx.lr_scheduler.MultiFactorScheduler(case["steps"], 0.1, given["learning_rate"])
            given["lr_scheduler"] = schedule
        # The updater takes an index for a name; "_weight" is what MXNet decays.
        optimizer = mx.optimizer.create(case["optimizer"], param_idx2name={0: "fc_weight"}, **given)
        update = mx.optimizer.get_updater(optimizer)
        weights = mx.nd.array(np.load(folder / "weights.npy"))
        answers[name] = []
        for gradient in np.load(folder / "gradients.npy"):
            update(0, mx.nd.array(gradient), weights)
            answers[name].append(weights.asnumpy())
    np.savez_compressed(folder / "answer.npz", **{name: np.stack(rows) for name, rows in answers.items()})


def sdk_records(folder: Path, job: dict[str, Any]) -> None:
    """The arrays in answer.bin, a probability answer, by the code of AWS's notebook and the reader of SageMaker's SDK.

    The SDK is installed without what it requires, so that its reader is imported without the package around it.
    """
    package = str(distribution("sagemaker").locate_file("sagemaker"))
    for name, contents in (("sagemaker", {"__path__": [package]}), ("sagemaker.utils", {"DeferredError": object})):
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(contents)
    from sagemaker.serializer_utils import read_records as read_sdk_records

    with (folder / "answer.bin").open("rb") as file:
        (record,) = read_sdk_records(file)
    values = np.array(record.features["target"].float32_tensor.values, np.float32)
    shape = np.squeeze(np.array(record.features["shape"].int32_tensor.values))
    np.savez_compressed(folder / "answer.npz", probabilities=values.reshape(shape))


def as_mx(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}


TASKS = {
    task.__name__: task
    for task in (
        random_checkpoint,
        answer_checkpoint,
        train_step,
        write_records,
        read_records,
        gluon_export,
        update_weights,
        sdk_records,
        im2rec,
    )
}

if __name__ == "__main__":
    where = Path(sys.argv[2])
    TASKS[sys.argv[1]](where, json.loads((where / "job.json").read_text()))
