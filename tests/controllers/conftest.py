"""What several of these tests need: observations of networks that nobody lives in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.observation import Observation

Observe = Callable[..., Observation]


@pytest.fixture(scope="session")
def observe() -> Observe:
    def build(
        gain: NDArray[np.float64],
        user_id: Sequence[int] | None = None,
        noise_power: float = 1.0,
        p_max: float = 1.0,
    ) -> Observation:
        users = len(gain)
        return Observation(
            slot=0,
            time_s=0.0,
            measured_s=0.0,
            user_id=np.array(range(users) if user_id is None else user_id, dtype=np.int64),
            gain=gain,
            mean_gain=gain,
            noise_power=np.full(users, noise_power),
            p_max=np.full(users, p_max),
            weight=np.ones(users),
            power=np.zeros(users),
            serving=np.arange(users),
        )

    return build
