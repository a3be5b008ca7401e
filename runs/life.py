"""A life: what one controller did in one network, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slotwise.emulator.trace import Column

__all__ = ["Life"]


@dataclass(frozen=True, slots=True)
class Life:
    """What one controller did in one network.

    Attributes
    ----------
    info : mapping
        The resolved scenario, controller, seed, versions: all that it takes to repeat the life.
    summary : mapping
        Figures of merit, see `slotwise.runs.summary.summarise`.
    tables : mapping of str to mapping of str to column
        ``slots``, ``events``, ``users``, ``decisions``, ``lessons``; columns as in
        `slotwise.emulator.trace.COLUMNS`.
    """

    info: Mapping[str, Any]
    summary: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Column]] = field(repr=False)
