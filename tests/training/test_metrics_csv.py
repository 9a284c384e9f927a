from __future__ import annotations

import math
from pathlib import Path

from vision.training.metrics_csv import read_rows, write_rows


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_rows(path, [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": math.nan, "accuracy": 1 / 3}])
    assert path.read_text() == "epoch,loss,accuracy\n1,0.1,\n2,nan,0.3333333333333333\n"
    first, second = read_rows(path)
    assert first == {"epoch": 1.0, "loss": 0.1}
    assert math.isnan(second["loss"])
    assert second["accuracy"] == 1 / 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.csv"]
