"""Rows about other simulators, timed beside the same number of users here.

They model other things: these rows say what a step costs, not which model is the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from typing import Any

import numpy as np

from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.bench.slots import Seat
from slotwise.runs.bench.timing import interleaved

__all__ = ["STATIONS", "mobile_env", "peers"]

STATIONS = 7
"""Of the mobile-env that is timed."""

_USERS = (10, 20, 50)
_ACTIONS = 100  # as many steps as an episode has
_STATION_RADIUS_M = 60.0
_AREA_M = 200.0


def peers(setting: Setting) -> Iterator[Row | Skipped]:
    """mobile-env (Schneider et al., NOMS 2022) with seven stations, at random actions."""
    if not setting.peers:
        return
    if find_spec("mobile_env") is None:
        yield Skipped("peers", "mobile-env", "not installed: pip install 'slotwise[peers]'")
        return
    for users in _USERS:
        seat = Seat(users, setting.seed)
        power = np.full(users, 0.5)
        times = interleaved(
            {"here": _stepping(seat, power), "mobile-env": mobile_env(users, setting.seed)},
            setting.seconds,
        )
        what = f"mobile-env, {STATIONS} stations, {users} users"
        median, low, high = times.ratio("mobile-env", "here")
        rate = 1.0 / times.median("mobile-env")
        yield Row("peers", f"{what}: its own pace", rate, "steps/s")
        yield Row("peers", f"{what}: a step", median, "×", low, high, times_s=times.medians())


def _stepping(seat: Seat, power: Any) -> Callable[[], object]:
    return lambda: seat.step(power)


def mobile_env(users: int, seed: int) -> Callable[[], object]:
    """A step of mobile-env with random actions, drawn beforehand; episodes follow each other.

    Parameters
    ----------
    users : int
        How many there are.
    seed : int
        Of actions and episodes.
    """
    core = import_module("mobile_env.core.base").MComCore
    entities = import_module("mobile_env.core.entities")
    config = core.default_config()
    config.update(seed=seed, width=_AREA_M, height=_AREA_M)
    angle = 2.0 * np.pi * np.arange(STATIONS - 1) / (STATIONS - 1)
    centre = _AREA_M / 2.0
    places = [(centre, centre)] + [
        (centre + _STATION_RADIUS_M * np.cos(turn), centre + _STATION_RADIUS_M * np.sin(turn))
        for turn in angle
    ]
    stations = [entities.BaseStation(n, place, **config["bs"]) for n, place in enumerate(places)]
    devices = [entities.UserEquipment(n, **config["ue"]) for n in range(1, users + 1)]
    environment = core(stations, devices, config)
    environment.reset(seed=seed)
    environment.action_space.seed(seed)
    actions = cycle([environment.action_space.sample() for _ in range(_ACTIONS)])

    def step() -> None:
        *_, terminated, truncated, _ = environment.step(next(actions))
        if terminated or truncated:
            environment.reset()

    return step
