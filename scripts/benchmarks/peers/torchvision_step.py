"""Training steps of torchvision's ssd300_vgg16 as its reference loop takes them (references/detection/engine.py)."""

from __future__ import annotations

import math

import torch
import torchvision
from answering import Pipe, answer
from torchvision.models.detection import ssd300_vgg16
from work import job_of, ready_batch

pipe = Pipe()
job = job_of(pipe.job)
hp = job.hyperparameters
batch = ready_batch(job)
torch.manual_seed(0)
model = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=hp.num_classes + 1).train()
optimizer = torch.optim.SGD(model.parameters(), lr=hp.learning_rate, momentum=hp.momentum, weight_decay=hp.weight_decay)
side = batch.images.shape[-1]
# As its dataset gives them: float images in 0..1, boxes in pixels, labels from 1.
images = list((batch.images / 255).contiguous())
targets = [
    {"boxes": boxes[labels >= 0] * side, "labels": labels[labels >= 0] + 1}
    for boxes, labels in zip(batch.targets.boxes_xyxy_unit, batch.targets.labels, strict=True)
]


def step() -> None:
    losses = sum(model(images, targets).values())
    assert math.isfinite(losses.item())
    optimizer.zero_grad()
    losses.backward()
    optimizer.step()


step()
pipe.ready(torchvision=torchvision.__version__)
answer(pipe, step)
