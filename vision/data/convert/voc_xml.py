"""XML of annotation files, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

from vision.settings.errors import DataError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular

Element: TypeAlias = ElementTree.Element
MAX_BYTES = 16 << 20


def read_xml(path: Path, key: str) -> Element:
    """The ``annotation`` element of a file. Raises DataError."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(key, f"cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise DataError(key, f"has more than {MAX_BYTES} bytes, the most that an annotation may have")
    # Entities could expand to any size.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DataError(key, "declares a DOCTYPE or entities, which annotations do not need; remove them")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(key, f"is not XML: {error}") from None
    if root.tag != "annotation":
        raise DataError(key, f"begins with <{root.tag[:40]}>, where VOC's <annotation> is expected")
    return root


def text_of(element: Element, path: str) -> str:
    """Text of the element at ``path`` without blanks around it, empty if there is none."""
    return strip_blanks(element.findtext(path) or "")
