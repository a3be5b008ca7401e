"""The processor: where reports arrive and decisions are computed, one at a time.

A report arrives and waits. When the processor is idle the freshest one is handed over; what was
decided comes into force when it has been computed. A report that a fresher one overtakes, or whose
decision is not in force by its deadline, is a missed deadline, and while a decision is overdue or
after one failed the fallback answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.network import Network
from slotwise.emulator.observation import Report
from slotwise.emulator.sections import Timing
from slotwise.emulator.trace import Journal

__all__ = ["Processor"]

Array = NDArray[np.float64]
Schedule = Callable[[float, Callable[[Any], None], Any], None]

_POWER_TOLERANCE = 1e-9  # a power this much above p_max, relatively, is rounding and not a fault


@dataclass(slots=True, eq=False)
class _Decision:
    report: Report
    power: Array | None
    elapsed_s: float
    latency_s: float
    due_s: float
    fault: str


class Processor:
    """Takes reports to decisions, and decisions to powers in force.

    Parameters
    ----------
    timing : Timing
        How long a decision takes, its deadline and its fallback.
    network : Network
        Whose powers are decided.
    journal : Journal
        Where to count and record.
    now : callable
        Network time [s].
    schedule : callable
        ``schedule(delay_s, callback, value)`` calls ``callback(value)`` later.
    """

    def __init__(
        self,
        timing: Timing,
        network: Network,
        journal: Journal,
        now: Callable[[], float],
        schedule: Schedule,
    ) -> None:
        self._timing, self._network, self._journal = timing, network, journal
        self._now, self._schedule = now, schedule
        self._fresh: Report | None = None
        self._handed: Report | None = None
        self._computing: _Decision | None = None
        self._decided_slot = -1  # of the newest measurement that a decision in force was made from

    @property
    def ready(self) -> bool:
        """Whether the processor is idle and a report waits for it."""
        return self._fresh is not None and self._computing is None

    @property
    def waiting(self) -> bool:
        """Whether a report has been handed over and not been answered."""
        return self._handed is not None

    def arrive(self, report: Report) -> None:
        """A report arrives; it replaces one that still waits."""
        if self._fresh is not None:
            self._miss(self._fresh, "overtaken by a fresher report while the processor was busy")
        report.arrived_s = self._now()
        self._journal.tally.reports += 1
        self._fresh = report
        if self._timing.mode != "ideal" and self._timing.fallback != "hold":
            self._schedule(self._timing.deadline, self._overdue, report)

    def hand_over(self) -> Report:
        """Give the freshest report to whoever decides; call only when `ready`."""
        report, self._fresh = self._fresh, None
        assert report is not None
        network = self._network
        report.time_s = self._now()
        report.keep_only(report.user_id == network.user_id)
        report.power = network.power.copy()
        report.serving = network.medium.serving.copy()
        self._handed = report
        return report

    def answer(self, power: Any, elapsed_s: float) -> None:
        """Powers for the report in hand; a faulty vector is counted and replaced."""
        report = self._take()
        rows, fault = self._checked(power, report)
        self._charge(self._decision(report, rows, elapsed_s, fault))

    def fail(self, cause: str, elapsed_s: float) -> None:
        """No powers for the report in hand, because deciding failed."""
        report = self._take()
        self._fault(report, len(report.user_id))
        self._charge(self._decision(report, self._fallback(report), elapsed_s, cause))

    def skip(self) -> None:
        """No powers for the report in hand, because there is nobody to decide for."""
        self._settle(self._take())

    def finish(self) -> None:
        """The last slot has ended: account for what is unfinished."""
        if self._computing is not None:
            self._record(self._computing)
        if self._fresh is not None and self._late(self._fresh):
            self._miss(self._fresh, "no decision before the end")

    def _take(self) -> Report:
        if self._handed is None:
            raise RuntimeError("no report waits for a decision: call advance() first")
        report, self._handed = self._handed, None
        return report

    def _decision(
        self, report: Report, power: Array | None, elapsed_s: float, fault: str
    ) -> _Decision:
        latency_s = self._latency_s(elapsed_s)
        return _Decision(report, power, elapsed_s, latency_s, self._now() + latency_s, fault)

    def _latency_s(self, elapsed_s: float) -> float:
        match self._timing.mode:
            case "fixed":
                return self._timing.latency_s
            case "measured":
                return elapsed_s * self._timing.slowdown
        return 0.0

    def _charge(self, decision: _Decision) -> None:
        """Put a decision in force after its latency."""
        self._journal.tally.decisions += 1
        if decision.fault:
            self._journal.note(self._now(), "fault", cause=decision.fault)
        if decision.latency_s > 0:
            self._computing = decision
            self._schedule(decision.latency_s, self._effect, decision)
        else:
            self._effect(decision)

    def _effect(self, decision: _Decision) -> None:
        self._computing = None
        self._settle(decision.report)
        self._put_in_force(decision.power, decision.report)
        self._record(decision)

    def _record(self, decision: _Decision) -> None:
        report = decision.report
        missed = self._late(report)
        if missed:
            delay_s = self._now() - report.arrived_s
            self._miss(report, f"in force {delay_s:.3g} s after its report")
        for users, trace in zip(report.users, self._journal.traces, strict=False):
            trace.add(
                "decisions",
                report.slot,
                report.time_s,
                decision.elapsed_s,
                decision.latency_s,
                int(users),
                missed,
                decision.fault,
            )

    def _settle(self, report: Report) -> None:
        self._decided_slot = max(self._decided_slot, report.slot)

    def _overdue(self, report: Report) -> None:
        """A deadline has come: the fallback answers unless a decision as fresh is in force."""
        newest, coming = self._decided_slot, self._computing
        if coming is not None and coming.due_s <= self._now() + self._instant_s:
            newest = max(newest, coming.report.slot)  # comes into force at this very instant
        if newest < report.slot:
            self._fall_back(report)
            self._put_in_force(self._fallback(report), report)

    @property
    def _instant_s(self) -> float:
        """What counts as the same instant: rounding of sums of times [s]."""
        return 1e-9 * self._timing.slot_s

    def _late(self, report: Report) -> bool:
        overdue_s = self._now() - report.arrived_s - self._timing.deadline
        return overdue_s > self._instant_s

    def _miss(self, report: Report, cause: str) -> None:
        self._journal.tally.missed_deadlines += 1
        if self._timing.fallback == "hold":
            self._fall_back(report)
        self._journal.note(self._now(), "missed", cause=cause)

    def _put_in_force(self, power: Array | None, report: Report) -> None:
        if power is not None:
            self._network.grant(power, report.user_id, self._now())

    def _fault(self, report: Report, networks: int) -> None:
        self._journal.tally.faults += networks
        self._fall_back(report, networks)

    def _fall_back(self, report: Report, networks: int = 1) -> None:
        """Count the fallback once for a report, however many reasons there are for it."""
        if not report.fell_back:
            report.fell_back = True
            self._journal.tally.fallbacks += networks

    def _fallback(self, report: Report) -> Array | None:
        """Powers that stand in for a decision; None holds the last ones."""
        match self._timing.fallback:
            case "max":
                return np.full(report.user_id.shape, report.p_max_w)
            case "silent":
                return np.zeros(report.user_id.shape)
        return None

    def _checked(self, power: Any, report: Report) -> tuple[Array | None, str]:
        """Powers in the rows of the state, faulty networks on the fallback, and what was wrong."""
        present = report.user_id >= 0
        try:
            rows = _in_rows(power, present)
        except (TypeError, ValueError) as error:
            self._fault(report, len(present))
            return self._fallback(report), str(error)
        most_w = report.p_max_w * (1.0 + _POWER_TOLERANCE)
        good = np.logical_and(rows >= 0.0, rows <= most_w)
        sound = np.all(good, axis=1, keepdims=True)
        if np.all(sound):
            return rows, ""
        self._fault(report, int(np.count_nonzero(np.logical_not(sound))))
        fallback = self._fallback(report)
        held = self._network.power if fallback is None else fallback
        fault = f"power {rows[~good][0]:g} W outside [0, {report.p_max_w:g}] W"
        return np.where(sound, rows, held), fault


def _in_rows(power: Any, present: NDArray[np.bool_]) -> Array:
    """Spread powers of present users, (K,) for one network or (B, M), over the rows."""
    if np.iscomplexobj(power):
        raise TypeError("powers are complex")
    given = np.asarray(power, dtype=np.float64)
    if given.shape == present.shape:
        return np.where(present, given, 0.0)
    users = int(np.count_nonzero(present))
    if len(present) != 1 or given.shape != (users,):
        wanted = f"({users},)" if len(present) == 1 else str(present.shape)
        raise ValueError(f"powers of shape {given.shape}, expected {wanted}")
    rows = np.zeros(present.shape)
    rows[present] = given
    return rows
