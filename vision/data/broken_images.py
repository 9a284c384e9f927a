"""Images of a channel that cannot be used: what takes their place, and when they are too many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sized
from typing import TypeAlias, TypeVar

from vision.data.problems import NAMED, EqualProblems
from vision.settings.errors import DataError, UserError

log = logging.getLogger(__name__)

SHOWN = 10
MAX_REPLACEMENTS = 100

# The number of an image in its channel, and what is wrong with it.
Broken: TypeAlias = tuple[int, str]
T = TypeVar("T")


def first_usable(
    first: int, count: int, read: Callable[[int], T], broken: list[Broken], replace_broken: bool = True
) -> T | None:
    """Return what ``read`` gives for the image ``first``, else for the next of ``count`` that can be read.

    Those that raise DataError are added to ``broken``. None if there is none, or if ``first`` is broken and must not
    be replaced.
    """
    for attempt in range(min(count, MAX_REPLACEMENTS) if replace_broken else 1):
        index = (first + attempt) % count
        try:
            return read(index)
        except DataError as error:
            broken.append((index, str(error)))
    return None


class BrokenImages:
    """The unusable images of one channel.

    ``max_share`` (0..1) of ``num_images`` may be broken; one image more fails the run with a sentence. In place of
    their number a stream may be given, whose length is known after a pass.
    """

    def __init__(self, channel: str, num_images: int | Sized, max_share: float) -> None:
        self.channel = channel
        self._source = num_images
        self.max_share = max_share
        self.reasons: dict[int, str] = {}
        self._kinds = EqualProblems()

    @property
    def num_images(self) -> int:
        """Images of the channel, as far as is known by now."""
        return self._source if isinstance(self._source, int) else len(self._source)

    def note(self, broken: tuple[Broken, ...]) -> None:
        """Add images by index. An image that is met again in a later epoch counts once."""
        for index, reason in broken:
            if index in self.reasons:
                continue
            self.reasons[index] = reason
            if self._kinds.add_sentence(reason) <= NAMED and len(self.reasons) <= SHOWN:
                log.warning("image that cannot be used: %s", reason)
        if broken and len(self.reasons) > self.max_share * self.num_images:
            raise UserError(
                f"channel {self.channel!r}: {len(self.reasons)} of {self.num_images} images cannot be used, more than "
                f"run.max_broken={self.max_share:g} allows; mend or remove them, or raise run.max_broken. "
                f"First: {'; '.join(self._kinds.lines(NAMED))}"
            )

    def summary(self) -> str | None:
        """Return one sentence for reports, or None if every image was usable."""
        if not self.reasons:
            return None
        return (
            f"channel {self.channel!r}: {len(self.reasons)} of {self.num_images} images could not be used: "
            f"{'; '.join(self._kinds.lines(SHOWN))}"
        )
