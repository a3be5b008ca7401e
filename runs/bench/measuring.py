"""The benchmark as a whole: groups of rows, one after another, in one quiet process."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slotwise.emulator.scenario import InputError
from slotwise.runs.bench import environments, growth, learned, peers, rivals, slots, solvers
from slotwise.runs.bench.compiled_c import FLAGS, CompiledC
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.quiet import single_threaded

__all__ = ["GROUPS", "Benchmark", "measure"]

Group = Callable[[Setting], Iterator[Row | Skipped]]


def _limits(setting: Setting) -> Iterator[Row | Skipped]:
    yield from setting.limits.rows()


GROUPS: dict[str, Group] = {
    "limits": _limits,
    "wmmse": solvers.batches,
    "accuracy": solvers.accuracy,
    "decision": solvers.decisions,
    "cells": solvers.shared_receivers,
    "beam": rivals.beam,
    "sparse": rivals.sparse,
    "learned": learned.learned,
    "slots": slots.single_slots,
    "batches": slots.batched_slots,
    "envs": environments.environments,
    "growth": growth.time,
    "memory": growth.memory,
    "peers": peers.peers,
}
"""What there is to measure, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was measured, and where.

    Attributes
    ----------
    machine : dict of str to str
        Processor, system, versions.
    rows : list of Row
        One figure each.
    skipped : list of Skipped
        What could not be measured here.
    """

    machine: dict[str, str]
    rows: list[Row]
    skipped: list[Skipped]

    @property
    def missed(self) -> list[Row]:
        """Rows whose goal was not reached."""
        return [row for row in self.rows if row.reached is False]

    def to_dict(self) -> dict[str, Any]:
        """The benchmark as a program reads it."""
        return {
            "machine": self.machine,
            "goals": {
                "reached": sum(row.reached is True for row in self.rows),
                "missed": len(self.missed),
            },
            "rows": [row.to_dict() for row in self.rows],
            "skipped": [
                {"group": one.group, "what": one.what, "why": one.why} for one in self.skipped
            ],
        }


def measure(
    setting: Setting,
    groups: Sequence[str] | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Benchmark:
    """Measure groups of rows, one thread each.

    Parameters
    ----------
    setting : Setting
        How long, and beside what.
    groups : sequence of str, optional
        Some of `GROUPS`; left out: all.
    done : callable
        Told how many groups are done.

    Raises
    ------
    InputError
        If there is no such group.
    """
    chosen = list(GROUPS) if groups is None else list(dict.fromkeys(groups))
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: no such group; there are {', '.join(GROUPS)}")
    found: list[Row | Skipped] = []
    with single_threaded():
        for number, name in enumerate(chosen):
            for one in GROUPS[name](setting):
                found.append(one)
                done(number)  # a bar that nobody else redraws
            done(number + 1)
    return Benchmark(
        machine=_machine(setting),
        rows=[one for one in found if isinstance(one, Row)],
        skipped=[one for one in found if isinstance(one, Skipped)],
    )


def _machine(setting: Setting) -> dict[str, str]:
    """Where it was measured."""
    versions = {name: version(name) for name in ("slotwise", "numpy", "numba", "simpy")}
    c = setting.c
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
        "c": f"{c.compiler} {' '.join(FLAGS)}" if isinstance(c, CompiledC) else str(c),
    }


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
