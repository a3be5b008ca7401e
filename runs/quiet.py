"""Quiet for measurements: what must be still while a decision is timed.

A decision's time is a result, so nothing else of ours may run beside it: libraries get one thread
each, and first calls (imports, allocations, compiled code, caches) have happened in a network that
is thrown away.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from slotwise.controllers import make
from slotwise.emulator.scenario import Scenario

__all__ = ["quiet", "single_threaded", "warm_up"]

_WARM_SLOTS = 300
_WARM_SEED = 2**31 - 1  # a network that nobody asks for
_WARM_BUDGET_S = 2.0

# Read by a library when it is loaded; one that is loaded inside the quiet starts with one thread.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextmanager
def quiet(scenario: Scenario, controllers: Sequence[str]) -> Iterator[None]:
    """Make this process fit for measuring, if the scenario measures; do nothing otherwise.

    Parameters
    ----------
    scenario : Scenario
        Measures where ``timing.mode = measured``.
    controllers : sequence of str
        Specs of those who will decide; each is warmed up.
    """
    if scenario.timing.mode != "measured":
        yield
        return
    for spec in controllers:
        warm_up(scenario, spec)
    with single_threaded():  # after the warm-up, which has loaded whatever has threads
        yield


class _Warm(Exception):
    """The warm-up has lasted long enough."""


def warm_up(scenario: Scenario, controller: str) -> None:
    """Let a controller take a few hundred decisions in a network that is thrown away.

    It lasts two seconds at most, and at least one decision.
    """
    from slotwise.runs.simulation import simulate

    end = time.perf_counter() + _WARM_BUDGET_S

    def enough(slots: int) -> None:
        if slots > 0 and time.perf_counter() > end:
            raise _Warm

    understudy = make(controller, seed=_WARM_SEED)
    understudy.rehearsing = True
    with suppress(_Warm):
        simulate(scenario, understudy, slots=_WARM_SLOTS, seed=_WARM_SEED, progress=enough)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Give BLAS, OpenMP and torch one thread each in this process, and back what they had.

    Libraries that are loaded already are limited by threadpoolctl, torch (whose pool of its own
    threadpoolctl does not know) by its own call, libraries that are loaded later by the
    environment.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in _VARIABLES}
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    if torch is not None:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        if torch is not None and threads is not None:
            torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
