"""The emulator: a scenario comes in, a network lives, reports go out and powers come back.

>>> from slotwise.emulator import Emulator, load
>>> emulator = Emulator(load("imac", ["layout.cells=7"]), seed=1, slots=10)
>>> emulator.advance().observation().gain.shape
(12, 12)

Names are imported when first used, so that reading a scenario does not wait for SciPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slotwise.emulator.clock import Emulator
    from slotwise.emulator.drops import Drops, draw
    from slotwise.emulator.observation import Observation, Report
    from slotwise.emulator.scenario import InputError, Scenario, builtin, load, source

__all__ = [
    "Drops",
    "Emulator",
    "InputError",
    "Observation",
    "Report",
    "Scenario",
    "builtin",
    "draw",
    "load",
    "source",
]

_ROOMS = {
    "Drops": "drops",
    "Emulator": "clock",
    "InputError": "scenario",
    "Observation": "observation",
    "Report": "observation",
    "Scenario": "scenario",
    "builtin": "scenario",
    "draw": "drops",
    "load": "scenario",
    "source": "scenario",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
