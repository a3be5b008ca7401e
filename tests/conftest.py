"""What all tests share: how many examples hypothesis tries, and a terminal that never varies."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# No deadline: a first call compiles, imports and waits for a busy core. In CI the same examples
# every time, so that a red run is about the change; at a desk new ones, so that bugs are found.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(autouse=True)
def _same_terminal_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Width, colours and figures do not depend on who runs the tests, and where."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "MPLBACKEND": "agg",
    }.items():
        monkeypatch.setenv(name, value)
