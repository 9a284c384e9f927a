"""XML of annotation files, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

from vision.settings.errors import DataError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular

Element: TypeAlias = ElementTree.Element
MAX_BYTES = 16 << 20
# Real annotations have a depth of 4 or 5, and some ten elements for each object.
MAX_DEPTH, MAX_ELEMENTS = 64, 100_000


def read_xml(path: Path, key: str) -> Element:
    """The ``annotation`` element of a file. Raises DataError."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(key, f"cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise DataError(key, f"has more than {MAX_BYTES} bytes, the most that an annotation may have")
    try:
        root = _parse(content)
    except _ForbiddenError as error:
        raise DataError(key, str(error)) from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataError(key, f"is not XML: {error}") from None
    if root.tag != "annotation":
        raise DataError(key, f"begins with <{root.tag[:40]}>, where VOC's <annotation> is expected")
    return root


class _ForbiddenError(Exception):
    """Half a sentence."""


def _parse(content: bytes) -> Element:
    """The root of a document that declares nothing and is neither deep nor made of very many elements.

    expat itself says what it meets, in whatever encoding the bytes are; searching the bytes for words misses UTF-16.
    """
    builder, depth, count = ElementTree.TreeBuilder(), 0, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise _ForbiddenError(
                f"nests more than {MAX_DEPTH} elements, or has more than {MAX_ELEMENTS}, which no annotation needs"
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*declared: object) -> NoReturn:
        # Entities could expand to any size, and a DOCTYPE can name other files.
        raise _ForbiddenError("declares a DOCTYPE or entities, which annotations do not need; remove them")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.Parse(content, True)
    return builder.close()


def text_of(element: Element, path: str) -> str:
    """Text of the element at ``path`` without blanks around it, empty if there is none."""
    return strip_blanks(element.findtext(path) or "")
