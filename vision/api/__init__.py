"""The one path that all front doors take."""

from vision.api.evaluate import evaluate
from vision.api.model import Model, load
from vision.api.train import RunResult, train

__all__ = ["Model", "RunResult", "evaluate", "load", "train"]
