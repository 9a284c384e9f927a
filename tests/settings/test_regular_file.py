from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from vision.settings.regular_file import irregular_kind, open_regular, open_regular_text


@pytest.mark.parametrize("name", ["file", "link"])
def test_files_and_links_to_them_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbf\xc3\xa4\r\n")
    (tmp_path / "link").symlink_to("file")
    assert irregular_kind(tmp_path / name) is None
    with open_regular(tmp_path / name) as file:
        assert file.read() == b"\xef\xbb\xbf\xc3\xa4\r\n"
    with open_regular_text(tmp_path / name) as text:
        assert text.read() == "ä\n"
    with open_regular_text(tmp_path / name, newline="\n") as text:
        assert text.read() == "ä\r\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pipe", "a named pipe"),
        ("link to a pipe", "a named pipe"),
        ("socket", "a socket"),
        ("/dev/null", "a device"),
        ("folder", "a folder"),
        ("dead link", "a link to nothing"),
    ],
)
def test_nothing_else_is_opened(tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dead link").symlink_to("nothing")
    # The path of a socket may not be long.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert irregular_kind(tmp_path / name) == kind
        with pytest.raises(OSError, match="No such file" if name == "dead link" else f"it is {kind}, not a file"):
            open_regular(tmp_path / name)
