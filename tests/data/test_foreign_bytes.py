from __future__ import annotations

import pytest

from vision.data.foreign_bytes import describe_bytes, why_unreadable


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"\0" * 1000, "nothing but zeros in its first 256 bytes"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"\x1f\x8b\x08", "gzip-compressed data"),
        (b"\x0a\x23\xd7\xce\x10\0\0\0", "a RecordIO record"),
        (b"\0\0\0\x1cftypmp42", "an MP4 or QuickTime video"),
        (b"\0\0\0\x1cftypheic", "an HEIC image"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (b"\x1aE\xdf\xa3\x01", "a Matroska or WebM video"),
        (b"\n\n<!DOCTYPE HTML>", "an HTML page, perhaps the error page of a download"),
        (b"<html><body>", "an HTML page, perhaps the error page of a download"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error>", "an XML document"),
        (
            b"version https://git-lfs.github.com/spec/v1",
            "a Git LFS pointer, whose content was not downloaded",
        ),
        (b"/9j/4AAQSkZJRg", "a JPEG image in base64, which must be decoded first"),
        (b"Not Found", "text beginning 'Not Found'"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "unknown data beginning 01 02 03 04 05 06 07 08"),
    ],
)
def test_describe_bytes(data: bytes, words: str) -> None:
    assert describe_bytes(data) == words
    assert describe_bytes(memoryview(data)) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a Canon CR3 raw image"),
        (b"8BPS\0\1", "a Photoshop image (PSD)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"FUJIFILMCCD-RAW 0201", "a Fujifilm RAF raw image"),
        (b"IIU\0\x18", "a Panasonic RW2 raw image"),
    ],
)
def test_pictures_of_other_formats_are_named_with_the_way_out(data: bytes, words: str) -> None:
    assert why_unreadable(data) == f"{words}, which is not read here; save it as JPEG or PNG"
