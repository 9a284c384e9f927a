"""Measure this package beside its peers, in one run: python scripts/benchmark.py SUBJECT [name=value ...]"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from comparison import Comparison, table
from contestant import ContestantFailedError
from environments import Environments
from measure import machine
from settings import COMMON, Settings

# Each is a module of scripts/benchmarks with ``SETTINGS``, which are its own, and ``compare``, which gives the rows.
SUBJECTS = {
    "loader": "images per second that come out of a .rec, beside MXNet's and DALI's loaders",
    "serve": "requests per second of the server, beside a plain handler of the same network",
    "records": "RecordIO without decoding beside a memory copy, and an index of ten million records",
    "train": "training steps of image classification, beside MXNet's and a bare PyTorch loop",
    "detection": "SSD's losses, NMS and training step, beside torchvision's",
    "segmentation": "images with masks that come out of folders, and FCN's training step, beside torchvision's",
    "search": "exact search beside a plain matrix product, and indexing beside predicting",
    "video": "frames of a video with a model's predictions, beside a loop written by hand and decoding alone",
    "feed": "training fed from a .rec, on a GPU where there is one, beside the same steps on a ready batch",
}


def main(words: list[str]) -> None:
    if not words or words[0] in ("help", "--help", "-h"):
        print(usage())
        return
    subject, *rest = words
    if subject not in (*SUBJECTS, "all"):
        raise SystemExit(f"{subject!r} is no subject: give {', '.join(SUBJECTS)} or all")
    modules = {name: importlib.import_module(name) for name in (SUBJECTS if subject == "all" else (subject,))}
    # What only one subject knows is not asked of all.
    settings = Settings(rest, {} if subject == "all" else modules[subject].SETTINGS)
    report = {"subject": subject, "machine": machine(), "settings": settings.as_json()}
    environments = Environments(settings.peers)
    rows: list[Comparison] = []
    failed: list[str] = []
    for module in modules.values():
        own = settings if subject != "all" else Settings(rest, module.SETTINGS)
        try:
            for row in module.compare(own, environments):
                print(f"{row.work}, {row.peer}: {row.ratio_of_medians:.2f} times as fast", file=sys.stderr)
                rows.append(row)
        except ContestantFailedError as error:
            failed.append(f"{module.__name__} was not measured to its end: {error}")
    print(table(rows))
    report["load_average_after"] = machine()["load_average"]
    versions = {name: version for row in rows for name, version in row.versions.items()}
    shown = report["machine"] | versions
    print("\n" + ", ".join(f"{name} {value}" for name, value in shown.items()))
    if settings.output is not None:
        report["rows"] = [row.as_json() for row in rows]
        settings.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if failed:
        raise SystemExit("\n".join(failed))


def usage() -> str:
    """The subjects and settings."""
    lines = [
        __doc__,
        "",
        *(f"  {name:12} {meaning}" for name, meaning in SUBJECTS.items()),
        "  all          all of them",
    ]
    lines += ["", *(f"  {name + '=' + str(default):22} {meaning}" for name, (default, meaning) in COMMON.items())]
    for name in SUBJECTS:
        own = importlib.import_module(name).SETTINGS
        lines += [f"  {key + '=' + str(default):22} {name}: {meaning}" for key, (default, meaning) in own.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
