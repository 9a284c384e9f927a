"""The errors a user can cause. Each is one sentence (or a list of sentences) and never shows a traceback."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """An error that the user can correct: says what was received, where, what is allowed and how to fix it."""


class SettingsError(UserError):
    """One or more settings are wrong. ``problems`` holds a sentence for each, so all are seen at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


# Libraries below PyTorch, and its allocator on the CPU, say it in words alone.
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "cudaErrorMemoryAllocation")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is used up, a GPU's or the machine's.

    torch's own error is known by its name, because torch may not be imported yet.
    """
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _MEMORY_WORDS)


def problems_of(error: UserError) -> tuple[str, ...]:
    """Return the sentences of an error."""
    return error.problems if isinstance(error, SettingsError) else (str(error),)


class DataError(UserError):
    """A file, record or image that cannot be used.

    ``key`` names the record (``train.rec record 17 at byte 4096``) so that the user can find it;
    ``reason`` is the rest of the sentence.
    """

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(f"{key}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Loader processes send errors to the main process by pickle.
        return type(self), (self.key, self.reason)
