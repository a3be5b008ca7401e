"""Networks whose every gain and visit is given, so that a history can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.scenario import Scenario, parse


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., Scenario]:
    """Make a scenario of one-second slots and 1 W of noise and power from gains and visits."""

    def scenario(
        gains: NDArray[np.float64], visits: Sequence[dict[str, float]], **sections: Any
    ) -> Scenario:
        path = tmp_path / "gains.npy"
        np.save(path, gains)
        table = {
            "name": "by hand",
            "channel": {"fading": "replay", "replay_path": str(path)},
            "population": {
                "initial_users": 0,
                "max_users": gains.shape[-1],
                "trace": list(visits),
            },
            "radio": {"bandwidth_hz": 1.0, "p_max_dbm": 30.0, "noise_dbm": 30.0},
            "timing": {"slot_s": 1.0},
        }
        return parse(table | sections)

    return scenario
