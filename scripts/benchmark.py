"""Measure this package beside its peers, in one run and in alternation: python scripts/benchmark.py SUBJECT.

  detection  SSD's target assignment, losses, NMS and training step beside torchvision's
  loader     the loader's images per second beside the step's that it feeds
  train      an epoch of training beside a bare PyTorch loop

Prints JSON: medians and spreads, ratios, versions and the machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import torch

SUBJECTS = ("detection", "loader", "train")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--batch", type=int, default=None, help="images of a step (detection 32, train 128)")
    parser.add_argument("--objects", type=int, default=30, help="detection: most objects of an image")
    parser.add_argument("--repetitions", type=int, default=15, help="detection: of each part")
    parser.add_argument("--steps", type=int, default=3, help="detection: of the whole step; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3, help="loader, train: repetitions of everything")
    parser.add_argument("--batches", type=int, default=20, help="loader: batches of one measurement")
    parser.add_argument("--images", type=int, default=3840, help="train: images of an epoch")
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="detection, cpu: time of this process alone"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, help="file for the JSON; standard output if not given")
    arguments = parser.parse_args()
    if arguments.batch is None:
        arguments.batch = 32 if arguments.subject == "detection" else 128
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
    text = json.dumps(importlib.import_module(arguments.subject).run(arguments), indent=2)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
