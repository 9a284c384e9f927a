from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vision.files.steady_file import FileChangedError, SteadyFile
from vision.settings.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(200)))
    return file


def test_slices_are_those_of_the_bytes(path: Path) -> None:
    file = SteadyFile(path, "a.bin")
    assert len(file) == 200
    assert file[10:13] == bytes((10, 11, 12))
    assert file[195:999] == bytes(range(195, 200))
    assert file[7:3] == b""
    assert file.read_many([0, 198], 4) == [bytes(range(4)), bytes((198, 199))]


def test_a_removed_file_goes_on_and_a_shrunk_one_is_a_sentence(path: Path) -> None:
    file, other = SteadyFile(path, "a.bin"), SteadyFile(path, "a.bin")
    again = path.with_name("b.bin")
    os.link(path, again)
    path.unlink()
    assert file[198:200] == bytes((198, 199))
    os.truncate(again, 100)
    for read in (lambda: file.read(50, 100), lambda: other.read_many([0], 4), file.check):
        with pytest.raises(FileChangedError, match=r"a\.bin had 200 bytes when it was opened and has 100 now"):
            read()


def test_another_process_refuses_a_file_of_another_size(path: Path) -> None:
    sent = pickle.dumps(SteadyFile(path, "a.bin"))
    assert pickle.loads(sent)[:2] == bytes((0, 1))
    path.write_bytes(b"new")
    with pytest.raises(FileChangedError, match=r"200 bytes .* has 3 now"):
        pickle.loads(sent)


def test_a_missing_file_is_a_sentence(path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        SteadyFile(path.with_name("none"), "none")


def check_for(file: SteadyFile, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        file.check()
        time.sleep(0.01)


def test_who_shortens_a_mapped_file_waits_until_that_is_seen(path: Path) -> None:
    file = SteadyFile(path, "a.bin")
    mapped = file.map(200)
    file.check()
    assert mapped[199] == 199
    command = "import os, sys; os.truncate(sys.argv[1], 100)"
    writer = subprocess.Popen([sys.executable, "-c", command, str(path)])
    with pytest.raises(FileChangedError, match="must not"):
        check_for(file, 100)
    mapped.close()
    del file
    assert writer.wait(100) == 0
    assert path.stat().st_size == 100
