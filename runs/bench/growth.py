"""Rows about growth: what more slots, networks and users cost, in time and in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.bench.slots import slots_of
from slotwise.runs.bench.timing import interleaved

__all__ = ["memory", "time"]

_SLOTS, _SLOTS_USERS = (100, 300, 1000, 3000), 10
_NETWORKS, _NETWORKS_USERS = (16, 64, 256, 1024, 4096), 10
_USERS = (50, 100, 200, 500, 1000)
_SLACK = 0.15  # of an exponent: caches are small, and a call has a price of its own

# Users and networks, most memory [MB].
_MEMORY = {(1000, 1): 300.0, (10, 4096): 1000.0}
_MEMORY_SLOTS = 20
_PATIENCE_S = 120.0

# Peak memory of a fresh process. Where the system tells only the peak of a process and what it was
# forked from (ru_maxrss of Linux does), it would be this one's; hence /proc first.
_PROGRAM = """
import re, resource, sys
from slotwise.runs.bench.slots import slots_of
def peak_mb():
    try:
        with open("/proc/self/status") as status:
            return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) * 1024e-6
    except (OSError, TypeError):
        unit = 1e-6 if sys.platform == "darwin" else 1024e-6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
users, networks, slots = map(int, sys.argv[1:])
step = slots_of(networks, users)
for _ in range(slots):
    step()
print(peak_mb())
"""


def time(setting: Setting) -> Iterator[Row | Skipped]:
    """Exponents: 1 where time is in proportion, 2 where it goes with the square."""
    one = slots_of(1, _SLOTS_USERS, setting.seed)
    yield _exponent(
        setting, f"slots of {_SLOTS_USERS} users, {_SLOTS[0]:,} to {_SLOTS[-1]:,}", 1.0,
        {slots: _repeated(one, slots) for slots in _SLOTS},
    )  # fmt: skip
    yield _exponent(
        setting, f"networks of {_NETWORKS_USERS} users, {_NETWORKS[0]} to {_NETWORKS[-1]:,}", 1.0,
        {count: slots_of(count, _NETWORKS_USERS, setting.seed) for count in _NETWORKS},
    )  # fmt: skip
    yield _exponent(
        setting, f"users of one network, {_USERS[0]} to {_USERS[-1]:,}", 2.0,
        {users: slots_of(1, users, setting.seed) for users in _USERS},
    )  # fmt: skip


def _repeated(step: Callable[[], None], slots: int) -> Callable[[], None]:
    def live() -> None:
        for _ in range(slots):
            step()

    return live


def _exponent(
    setting: Setting, what: str, exact: float, doings: Mapping[int, Callable[[], None]]
) -> Row:
    """Slope of log time over log size, by least squares."""
    times = interleaved({f"{size}": do for size, do in doings.items()}, setting.seconds)
    sizes = np.log([float(name) for name in times.seconds])
    slopes = [
        float(np.polyfit(sizes, np.log(taken), 1)[0])
        for taken in np.array(list(times.seconds.values())).T
    ]
    low, median, high = (float(value) for value in np.quantile(slopes, (0.25, 0.5, 0.75)))
    return Row(
        "growth", f"time with {what}", median, "exponent", low, high, exact + _SLACK, exact,
        "at most", times.medians(),
    )  # fmt: skip


def memory(setting: Setting) -> Iterator[Row | Skipped]:
    """Peak memory of a process of its own, libraries included."""
    del setting  # nothing is timed
    for (users, networks), most in _MEMORY.items():
        plural = "s" if networks > 1 else ""
        what = f"{networks:,} network{plural} of {users:,} users"
        arguments = [str(number) for number in (users, networks, _MEMORY_SLOTS)]
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, on the program above
                [sys.executable, "-c", _PROGRAM, *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=_PATIENCE_S,
            )
        except subprocess.SubprocessError as error:
            yield Skipped("memory", what, type(error).__name__)
        else:
            peak = float(done.stdout.split()[-1])
            yield Row("memory", what, peak, "MB", goal=most, sense="at most")
