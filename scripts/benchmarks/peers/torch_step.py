"""The loop that one would write by hand, over the same network: no trainer, no sums, no progress."""

from __future__ import annotations

import torch
from answering import Pipe, answer
from work import job_of, network_of, ready_batch

pipe = Pipe()
job = job_of(pipe.job)
hp = job.hyperparameters
network = network_of(pipe.job).to(memory_format=torch.channels_last).train()
optimizer = torch.optim.SGD(
    network.parameters(), lr=hp.learning_rate, momentum=hp.momentum, weight_decay=hp.weight_decay, fused=True
)
batch = ready_batch(job)


def step() -> None:
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(network(batch.images), batch.targets).backward()
    optimizer.step()


step()
pipe.ready(torch=torch.__version__)
answer(pipe, step)
