"""What people do with networks and controllers: run, compare, evaluate, report.

Names are imported when first used, so that ``import slotwise.runs`` and the command line's help
cost nothing; the work behind them brings NumPy, SciPy, SimPy and pyarrow with it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slotwise.runs.compare import compare
    from slotwise.runs.directory import is_run, read_run, write_run
    from slotwise.runs.evaluate import evaluate
    from slotwise.runs.report import write_report
    from slotwise.runs.simulate import simulate

__all__ = [
    "compare",
    "evaluate",
    "is_run",
    "read_run",
    "simulate",
    "write_report",
    "write_run",
]

_MODULES = {
    "compare": "compare",
    "evaluate": "evaluate",
    "is_run": "directory",
    "read_run": "directory",
    "simulate": "simulate",
    "write_report": "report",
    "write_run": "directory",
}


class _Package(ModuleType):
    """Finds the functions by name, whichever of its modules was imported first.

    ``compare``, ``evaluate`` and ``simulate`` are called like their modules. Importing a module
    binds it in its package under that name, which would hide the function.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _MODULES and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
