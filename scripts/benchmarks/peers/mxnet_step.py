"""Training steps of the same network in MXNet: Module, SGD with momentum and decay, float32, on a ready batch."""

from __future__ import annotations

from answering import Pipe, answer

from tests.interop_mxnet.mxnet_shim import import_mxnet

mx = import_mxnet()
pipe = Pipe()
job = pipe.job
symbol, weights, statistics = mx.model.load_checkpoint(job["prefix"], job["epoch"])
side, batch_size = job["side_px"], job["batch"]
module = mx.mod.Module(symbol, context=mx.cpu())
module.bind([("data", (batch_size, 3, side, side))], [("softmax_label", (batch_size,))])
module.set_params(weights, statistics)
module.init_optimizer(
    kvstore=None,
    optimizer="sgd",
    optimizer_params={"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-4, "rescale_grad": 1 / batch_size},
)
images = mx.nd.random.uniform(-2, 2, (batch_size, 3, side, side))
labels = mx.nd.array([number % job["classes"] for number in range(batch_size)])
batch = mx.io.DataBatch([images], [labels])


def step() -> None:
    module.forward_backward(batch)
    module.update()


step()
mx.nd.waitall()
pipe.ready(mxnet=mx.__version__)
answer(pipe, step, mx.nd.waitall)
