from __future__ import annotations

from pathlib import Path

from vision.data.skipped import Skipped


def test_all_are_written_and_each_kind_is_shown_once(tmp_path: Path) -> None:
    skipped = Skipped()
    for number in range(12):
        skipped.add(f"line {number}", f"has no image 'x{number}.jpg' below /data/{number}")
    skipped.add("line 12", "is empty")
    file = tmp_path / "left-out.txt"
    skipped.write(file)
    assert file.read_text().splitlines()[11] == "line 11: has no image 'x11.jpg' below /data/11"
    assert skipped.summary("line", file) == [
        f"13 lines left out (all in {file}):",
        "  12 times, in line 0, line 1, line 2, ...: has no image 'x0.jpg' below /data/0",
        "  line 12: is empty",
    ]


def test_ten_kinds_are_shown_and_the_others_counted() -> None:
    skipped = Skipped((f"line {number}", f"is {chr(97 + number // 2)}") for number in range(30))
    lines = skipped.summary("lines")
    assert len(lines) == 12
    assert lines[10] == "  2 times, in line 18, line 19: is j"
    assert lines[11] == "  and 10 more"


def test_nothing_to_say_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "left-out.txt"
    file.touch()
    Skipped().write(file)
    assert not file.exists()
    assert Skipped().summary("lines") == []
