"""What people do with networks and controllers: run, compare, sweep, evaluate, report.

>>> from slotwise.runs import compare
>>> result = compare("gaussian-ic", ["max", "wmmse"], out="first", seeds=3)  # doctest: +SKIP

Names are imported when first used, so that the command line's help costs nothing; the work behind
them brings NumPy, SciPy, SimPy and pyarrow with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slotwise.runs.comparison import Comparison, compare
    from slotwise.runs.directory import is_run, read_run, write_run
    from slotwise.runs.evaluation import Evaluation, evaluate
    from slotwise.runs.life import Life
    from slotwise.runs.report import write_report
    from slotwise.runs.simulation import simulate
    from slotwise.runs.sweeps.sweep import Swept, sweep
    from slotwise.runs.workers import Workers

__all__ = [
    "Comparison",
    "Evaluation",
    "Life",
    "Swept",
    "Workers",
    "compare",
    "evaluate",
    "is_run",
    "read_run",
    "simulate",
    "sweep",
    "write_report",
    "write_run",
]

_ROOMS = {
    "Comparison": "comparison",
    "Evaluation": "evaluation",
    "Life": "life",
    "Swept": "sweeps.sweep",
    "Workers": "workers",
    "compare": "comparison",
    "evaluate": "evaluation",
    "is_run": "directory",
    "read_run": "directory",
    "simulate": "simulation",
    "sweep": "sweeps.sweep",
    "write_report": "report",
    "write_run": "directory",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
