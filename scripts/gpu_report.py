"""The parts of scripts/gpu_report.sh: each a process with a time limit; a JSON after each, and a table."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUDGET_S = 525.0
# Name -> (default, meaning is in gpu_report.sh).
DEFAULTS = {"output": "runs/gpu-report", "wheels": "", "size": "full", "cifar": "", "epochs": "30", "only": ""}
NEEDED = (
    *("torch", "torchvision", "pytorch_lightning", "torchmetrics", "albumentations", "hydra", "omegaconf", "pydantic"),
    *("faster_coco_eval", "cv2", "numpy", "starlette", "uvicorn", "httptools", "safetensors", "rich", "yaml"),
    *("pytest", "pytest_timeout"),
)


@dataclass(frozen=True)
class Part:
    """``needs`` names a module without which it is left out."""

    name: str
    command: list[str]
    limit_s: float
    needs: str = ""


def parts(number: int, given: dict[str, str], output: Path) -> list[Part]:
    """The most valuable first."""
    tiny = given["size"] == "tiny"
    python = sys.executable
    benchmark = [python, "scripts/benchmark.py"]
    few = ["rounds=1", "seconds=0.2", "batch=2", "pictures=4"] if tiny else ["rounds=3", "seconds=2"]
    tests = ["bash", "scripts/test.sh", "gpu", *(["tests/gpu/test_choice.py", "-k", "why"] if tiny else [])]

    def feed(name: str, only: str, *more: str) -> Part:
        words = [f"only={only}", "peers=", f"output={output / (name + '.json')}", *few, *more]
        return Part(name, [*benchmark, "feed", *words], 150)

    if number == 1:
        return [
            Part("tests", tests, 220),
            feed("feed-resnet-50", "ResNet-50"),
            feed("feed-ssd-300", "SSD-300"),
        ]
    device = "cuda" if has_gpu() else "cpu"
    load = ["rounds=1", "seconds=0.5", "clients=2"] if tiny else ["rounds=2", "seconds=8"]
    serve = [*benchmark, "serve", f"device={device}", "peers=", f"output={output / 'serve.json'}", *load]
    dali = feed("feed-dali", "ResNet-50", "loader=dali")
    segments = feed("feed-fcn", "FCN")
    found = [
        Part("serve", serve, 110),
        Part(segments.name, segments.command, 90),
        Part(dali.name, dali.command, 100, needs="nvidia.dali"),
    ]
    if given["cifar"]:
        found.append(Part("cifar-10", cifar(given, output, device), BUDGET_S))
    return found


def cifar(given: dict[str, str], output: Path, device: str) -> list[str]:
    """ResNet-20 on the records of CIFAR-10, with the rate falling at a half and three quarters of the epochs."""
    folder, epochs = Path(given["cifar"]), int(given["epochs"])
    steps = f"{max(1, epochs // 2)},{max(2, epochs * 3 // 4)}" if epochs > 2 else ""
    words = ["num_layers=20", "image_shape=3,28,28", "num_classes=10", "mini_batch_size=128", "learning_rate=0.1"]
    words += [f"epochs={epochs}", "augmentation_type=crop", *([f"lr_scheduler_step={steps}"] if steps else [])]
    run = [f"output={output / 'cifar-10'}", f"device={device}", "devices=1", "report=false", "progress=plain"]
    channels = [f"channels.{name}={folder / f'{name}.rec'}" for name in ("train", "validation")]
    hyperparameters, settings = [f"hp.{word}" for word in words], [f"run.{word}" for word in run]
    return [
        sys.executable,
        "-m",
        "vision",
        "train",
        "algorithm=image_classification",
        *channels,
        *hyperparameters,
        *settings,
    ]


def run(part: Part, limit_s: float, log: Path) -> tuple[str, float]:
    """How it ended, and the seconds. What it prints goes into ``log``."""
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            part.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
        try:
            status = process.wait(limit_s)
            ended = "done" if status == 0 else f"ended with status {status}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after its {limit_s:.0f} s"
        finally:
            # Its own processes too, such as servers and loaders.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return ended, time.monotonic() - started


def figures(part: Part, output: Path, log: Path) -> dict[str, Any]:
    """What a part has found, as far as it came."""
    found: dict[str, Any] = {}
    text = log.read_text(encoding="utf-8", errors="replace")
    result = output / f"{part.name}.json"
    if result.exists():
        for row in json.loads(result.read_text(encoding="utf-8"))["rows"]:
            ours, theirs = row["ours"]["median"], row["theirs"]["median"]
            found[row["work"]] = f"{ours:g} {row['unit']}, {row['ratio_of_medians']} of {row['peer']} ({theirs:g})"
    if part.name == "tests":
        found |= {kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|skipped|error)", text)}
        found["failures"] = re.findall(r"^(?:FAILED|ERROR) (.*)$", text, re.MULTILINE)
    table = output / "cifar-10" / "metrics.csv"
    if part.name == "cifar-10" and table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if rows:
            best = max(float(row["validation_accuracy"]) for row in rows)
            seconds = re.findall(r"(?:time|Time cost)\D{0,3}([0-9.]+)", text)
            found = {"epochs": len(rows), "best validation accuracy": best, "last row": rows[-1]}
            found |= {"seconds an epoch, as logged": seconds[-3:]} if seconds else {}
    return found


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def machine() -> dict[str, Any]:
    """Card, driver and versions."""
    import torch

    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if has_gpu() else []
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "cuda": torch.version.cuda}
    return {"cards": cards or "none: the CPU was tried", "cores": os.cpu_count(), **versions}


def main(words: list[str]) -> int:
    number, given = int(words[0]), dict(DEFAULTS)
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals or name not in given:
            raise SystemExit(f"{word!r} is no setting of gpu_report.sh: give name=value with one of {', '.join(given)}")
        given[name] = value
    output = Path(given["output"]).absolute()
    output.mkdir(parents=True, exist_ok=True)
    report_path = output / "report.json"
    report: dict[str, Any] = json.loads(report_path.read_text()) if report_path.exists() else {"parts": {}}
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"missing here: {', '.join(missing)}; parts that need them will fail", flush=True)
    report |= {"machine": machine(), "missing": missing}
    ends = time.monotonic() + BUDGET_S
    for part in parts(number, given, output):
        if given["only"] not in part.name:
            continue
        log, left = output / f"{part.name}.log", ends - time.monotonic()
        if part.needs and not _is_there(part.needs):
            outcome: dict[str, Any] = {"ended": f"left out: {part.needs} is not installed"}
        elif left < 5:
            outcome = {"ended": "left out: no time was left"}
        else:
            print(f"== {part.name}: {' '.join(part.command)}", flush=True)
            ended, seconds = run(part, min(part.limit_s, left), log)
            outcome = {"ended": ended, "seconds": round(seconds, 1), "found": figures(part, output, log)}
            if ended != "done":
                print("\n".join(log.read_text(errors="replace").splitlines()[-15:]), flush=True)
        report["parts"][part.name] = outcome
        report_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(f"{part.name}: {outcome['ended']} {json.dumps(outcome.get('found', {}))}", flush=True)
    print(f"\n{json.dumps(report['machine'])}\n\n| part | ended | s | found |\n|---|---|---|---|")
    for name, outcome in report["parts"].items():
        found = "; ".join(f"{key}: {value}" for key, value in outcome.get("found", {}).items())
        print(f"| {name} | {outcome['ended']} | {outcome.get('seconds', '')} | {found} |")
    print(f"\n{report_path}")
    return 0


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
