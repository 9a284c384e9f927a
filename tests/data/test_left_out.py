from __future__ import annotations

from pathlib import Path

from vision.data.left_out import LeftOut


def test_all_are_written_and_ten_are_shown(tmp_path: Path) -> None:
    left_out = LeftOut()
    for number in range(12):
        left_out.add(f"line {number}", "is empty")
    file = tmp_path / "left-out.txt"
    left_out.write(file)
    assert file.read_text().splitlines()[11] == "line 11: is empty"
    lines = left_out.summary("lines", file)
    assert lines[0] == f"12 lines left out (all in {file}):"
    assert lines[1:11] == [f"  line {number}: is empty" for number in range(10)]
    assert lines[11] == "  and 2 more"


def test_nothing_to_say_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "left-out.txt"
    file.touch()
    LeftOut().write(file)
    assert not file.exists()
    assert LeftOut().summary("lines") == []
