"""Checks of arguments of Python's functions, whose types an editor states but Python does not enforce."""

from __future__ import annotations

from numbers import Integral, Real

from vision.settings.errors import SettingsError


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise SettingsError if an argument is none of the texts that it may be."""
    if value not in allowed:
        raise SettingsError([f"Setting {name} is {value!r} but must be one of {', '.join(allowed)}."])


def check_count(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise SettingsError if an argument is no whole number from ``least`` to ``most``."""
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise SettingsError([f"Setting {name} is {value!r} but must be a whole number {allowed}."])


def check_share(name: str, value: object) -> None:
    """Raise SettingsError if an argument is no number from 0 to 1."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise SettingsError([f"Setting {name} is {value!r} but must be a number from 0 to 1."])
