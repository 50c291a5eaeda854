"""What tests of limits stand on."""

from collections.abc import Callable
from typing import Any

import pytest

from models import clock
from tests.limited import NOW, World


@pytest.fixture
def world(app: Any) -> World:
    """The accounts, sessions and codes that limited requests are about."""
    return World()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the directory's clock; it stands still."""

    def set_clock(seconds: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: seconds)

    set_clock(NOW)
    return set_clock
