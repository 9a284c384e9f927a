from __future__ import annotations

from tests.api.conftest import channels, trained

__all__ = ["channels", "trained"]
