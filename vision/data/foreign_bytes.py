"""Says in words what bytes look like that are not the image or file that was expected."""

from __future__ import annotations

import string

from vision.data.containers import heif

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ", "xz-compressed data"),
    (b"Rar!", "a RAR archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x00\x00\x01\xba", "an MPEG video"),
    (b"\x00\x00\x01\xb3", "an MPEG video"),
    (b"FLV", "a Flash video"),
    (b"\x0a\x23\xd7\xce", "a RecordIO record"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, whose content was not downloaded"),
    (b"/9j/", "a JPEG image in base64, which must be decoded first"),
    (b"iVBORw0KGgo", "a PNG image in base64, which must be decoded first"),
    (b"data:image/", "a data: URI, whose base64 part must be decoded first"),
)
# Pictures, but in no format that is read here.
_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"8BPS", "a Photoshop image (PSD)"),
    (b"gimp xcf", "a GIMP image (XCF)"),
    (b"IIU\0", "a Panasonic RW2 raw image"),
    (b"IIRO", "an Olympus ORF raw image"),
    (b"IIRS", "an Olympus ORF raw image"),
    (b"MMOR", "an Olympus ORF raw image"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm RAF raw image"),
    (b"FOVb", "a Sigma X3F raw image"),
    (b"%!PS", "a PostScript document"),
    (b"\x00\x00\x01\x00", "a Windows icon (ICO)"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"II+\0", "a BigTIFF image"),
    (b"MM\0+", "a BigTIFF image"),
)
_PRINTABLE = frozenset(string.printable.encode())


def why_unreadable(data: bytes | memoryview) -> str:
    """Return half a sentence on bytes that are no image that is read here: what they are, and the way out."""
    picture = _foreign_picture(bytes(data[:256]))
    if picture is not None:
        return f"{picture}, which is not read here; save it as JPEG or PNG"
    return (
        f"not an image but {describe_bytes(data)}; JPEG and PNG are expected "
        "(GIF, WebP, BMP, TIFF, AVIF and HEIC are read too)"
    )


def _foreign_picture(start: bytes) -> str | None:
    for signature, name in _PICTURES:
        if start.startswith(signature):
            return name
    if start[4:12] == b"ftypcrx ":
        return "a Canon CR3 raw image"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "an SVG drawing" if text[:1] == b"<" and b"<svg" in text else None


def describe_bytes(data: bytes | memoryview) -> str:
    """Return a noun phrase: ``an HTML page``, ``text beginning 'cats'``, ``unknown data beginning 00 01 02``."""
    if len(data) == 0:
        return "empty (0 bytes)"
    start = bytes(data[:256])
    if not any(start):
        return f"nothing but zeros in its first {len(start)} bytes"
    picture = _foreign_picture(start)
    if picture is not None:
        return picture
    for signature, name in _STARTS:
        if start.startswith(signature):
            return name
    if start[4:8] == b"ftyp":
        form = heif.format_of(start)
        return "an MP4 or QuickTime video" if form is None else f"an {form} image"
    if start[:4] == b"RIFF":
        return "an AVI video" if start[8:12] == b"AVI " else "a RIFF file"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:9].lower() == b"<!doctype" or text[:5].lower() == b"<html":
        return "an HTML page, perhaps the error page of a download"
    if text[:5] == b"<?xml" or text[:6] == b"<Error":
        return "an XML document"
    if set(start) <= _PRINTABLE:
        return f"text beginning {text[:32].decode('ascii')!r}"
    return f"unknown data beginning {start[:8].hex(' ')}"
