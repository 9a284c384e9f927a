"""File and class names: which are legal, how messages show them, and paths as users write them.

The operating system refuses nothing in a name but NUL. Names that are not UTF-8 can be opened, but JSON, CSV, HTML and
a terminal cannot show them, so they are refused on input.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

# What Linux and macOS allow a file or folder.
MAX_NAME_BYTES = 255
# What separates columns and lines. The spaces of other scripts are letters of a name.
BLANKS = " \t\r\n"
_LONGEST_SHOWN = 100


def local_path(text: str | Path) -> Path:
    """Return the path, with ``~`` replaced by the home folder; names that only begin with ``~`` stay."""
    return Path(os.path.expanduser(text))


def name_problem(name: str) -> str | None:
    """Return half a sentence, to follow ``shown_name``, if no file or class can have this name; else None."""
    if "\0" in name:
        return "holds a NUL character, which no name can have"
    try:
        name.encode()
    except UnicodeEncodeError:
        return (
            "is not UTF-8; rename it (convmv -f latin1 -t utf8 -r --notest FOLDER renames all that came from an old "
            "Windows)"
        )
    return None


def line_problem(name: str) -> str | None:
    """Return ``name_problem`` of a name that must also fit into a line of a text file with tab-separated columns."""
    problem = name_problem(name)
    if problem is None and any(mark in name for mark in "\t\r\n"):
        return "holds a tab or a line break, which a line of a text file cannot hold; rename it"
    if problem is None and name != strip_blanks(name):
        return "begins or ends with a blank, which a line of a text file cannot hold; rename it"
    return problem


def strip_blanks(text: str) -> str:
    """Return the text without surrounding blanks and line ends."""
    return text.strip(BLANKS)


def shown_name(name: str) -> str:
    """Return a name as messages quote it: bytes that are not UTF-8 as ``\\xe9``, and a long one cut."""
    try:
        text = repr(os.fsencode(name).decode("utf-8", "backslashreplace")).replace("\\\\x", "\\x")
    except UnicodeEncodeError:
        text = repr(name)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 4]}...'"


def same_letters(name: str) -> str:
    """Return a form that is equal for names that look alike: macOS stores accents as separate marks (NFD)."""
    return unicodedata.normalize("NFC", name)
