"""Training steps of torchvision's fcn_resnet50 as its reference loop takes them (references/segmentation/train.py)."""

from __future__ import annotations

import torch
import torchvision
from answering import Pipe, answer
from torchvision.models.segmentation import fcn_resnet50
from work import job_of, ready_batch

pipe = Pipe()
job = job_of(pipe.job)
hp = job.hyperparameters
batch = ready_batch(job)
torch.manual_seed(0)
model = fcn_resnet50(weights=None, weights_backbone=None, num_classes=hp.num_classes, aux_loss=True).train()
groups = [
    {"params": [*model.backbone.parameters(), *model.classifier.parameters()]},
    {"params": model.aux_classifier.parameters(), "lr": 10 * hp.learning_rate},
]
optimizer = torch.optim.SGD(groups, lr=hp.learning_rate, momentum=hp.momentum, weight_decay=hp.weight_decay)
# As its dataset gives them: normalized floats, and ids in int64.
images = torchvision.transforms.functional.normalize(
    (batch.images / 255).contiguous(), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
masks = batch.targets.long()


def step() -> None:
    losses = {
        name: torch.nn.functional.cross_entropy(logits, masks, ignore_index=255)
        for name, logits in model(images).items()
    }
    loss = losses["out"] + 0.5 * losses["aux"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert loss.item() == loss.item()


step()
pipe.ready(torchvision=torchvision.__version__)
answer(pipe, step)
