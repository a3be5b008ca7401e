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

from slotwise.emulator.kernels.reports import lay_out, lay_out_present
from slotwise.emulator.lessons import Lesson, Lessons
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

    Attributes
    ----------
    lessons : Lessons
        What is learned on it or beside it.
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
        self.lessons = Lessons(timing, journal, now, schedule)
        self._instant_s = 1e-9 * timing.slot_s  # what counts as the same instant: rounding of sums
        self._deadline_s = timing.deadline
        self._ideal = timing.mode == "ideal"
        self._unsound = np.empty(len(network.user_id), np.bool_)
        self._fresh: Report | None = None
        self._handed: Report | None = None
        self._computing: _Decision | None = None
        self._ready_s = 0.0  # since when the processor has been idle and a report has waited
        self._decided_slot = -1  # of the newest measurement that a decision in force was made from
        self._in_force_s = -np.inf  # since when it has been

    @property
    def ready(self) -> bool:
        """Whether the processor is idle and a report waits for it."""
        return self._fresh is not None and self._computing is None and not self.lessons.blocking

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
        if self._computing is None:
            self._ready_s = report.arrived_s
        if not self._ideal and self._timing.fallback != "hold":
            self._schedule(self._deadline_s, self._overdue, report)

    def hand_over(self) -> Report:
        """Give the freshest report to whoever decides; call only when `ready`."""
        report, self._fresh = self._fresh, None
        assert report is not None
        # Not the clock's time, which events of other networks may have moved on by a rounding.
        report.hand_over(max(self._ready_s, self.lessons.free_s))
        self._handed = report
        return report

    def answer(self, power: Any, elapsed_s: float, *, sound: bool = False) -> None:
        """Powers for the report in hand; a faulty vector is counted and replaced."""
        report, network = self._take(), self._network
        latency_s = 0.0 if self._ideal else self._latency_s(elapsed_s)
        if sound and latency_s == 0.0 and report.roster is network.roster:
            network.catch_up(report.time_s)
            np.copyto(network.power, power)
            self._conclude(report, elapsed_s, "")
        elif latency_s > 0:
            rows = self._network.power.copy()
            fault = self._lay_out(power, report, rows)
            self._compute(report, rows, elapsed_s, latency_s, fault)
        else:
            self._network.catch_up(report.time_s)
            fault = self._lay_out(power, report, self._network.power)
            self._conclude(report, elapsed_s, fault)

    def fail(self, cause: str, elapsed_s: float) -> None:
        """No powers for the report in hand, because deciding failed."""
        report = self._take()
        self._fault(report, len(report.user_id))
        latency_s = self._latency_s(elapsed_s)
        fallback = self._fallback(report)
        if latency_s > 0:
            self._compute(report, fallback, elapsed_s, latency_s, cause)
        else:
            self._put_in_force(fallback, report, report.time_s)
            self._conclude(report, elapsed_s, cause)

    def skip(self) -> None:
        """No powers for the report in hand, because there is nobody to decide for."""
        self._settle(self._take())

    def learn(self, lesson: Lesson, elapsed_s: float, deploy: Callable[[], object]) -> None:
        """Compute a lesson beside decisions or between them; see `Emulator.learn`."""
        computing = self._computing
        slot = self._decided_slot if computing is None else computing.report.slot
        free_s = self._now() if computing is None else computing.due_s
        self.lessons.begin(lesson, elapsed_s, deploy, slot, free_s)

    def finish(self) -> None:
        """The last slot has ended: account for what is unfinished."""
        now_s = self._now()
        self.lessons.finish()
        if self._computing is not None:
            self._record(self._computing, now_s)
        if self._fresh is not None and self._late(self._fresh, now_s):
            self._miss(self._fresh, "no decision before the end")

    def _take(self) -> Report:
        if self._handed is None:
            raise RuntimeError("no report waits for a decision: call advance() first")
        report, self._handed = self._handed, None
        report.measurement.expire()
        return report

    def _latency_s(self, elapsed_s: float) -> float:
        match self._timing.mode:
            case "fixed":
                return self._timing.latency_s
            case "measured":
                return elapsed_s * self._timing.slowdown
        return 0.0

    def _compute(
        self, report: Report, power: Array | None, elapsed_s: float, latency_s: float, fault: str
    ) -> None:
        """Put a decision in force after its latency; None is no decision."""
        due_s = report.time_s + latency_s
        self._computing = _Decision(report, power, elapsed_s, latency_s, due_s, fault)
        self._schedule(due_s - self._now(), self._effect, self._computing)
        self._count(fault)

    def _effect(self, decision: _Decision) -> None:
        self._computing = None
        self._ready_s = self._in_force_s = decision.due_s
        self._put_in_force(decision.power, decision.report, decision.due_s)
        self._settle(decision.report)
        self._record(decision, decision.due_s)

    def _conclude(self, report: Report, elapsed_s: float, fault: str) -> None:
        """A decision that took no time is in force."""
        self._count(fault)
        self._settle(report)
        if not self._ideal or self._journal.traces:
            now_s = report.time_s
            self._record(_Decision(report, None, elapsed_s, 0.0, now_s, fault), now_s)

    def _count(self, fault: str) -> None:
        self._journal.tally.decisions += 1
        if fault:
            self._journal.note(self._now(), "fault", cause=fault)

    def _record(self, decision: _Decision, now_s: float) -> None:
        report = decision.report
        missed = self._late(report, now_s)
        if missed:
            delay_s = now_s - report.arrived_s
            self._miss(report, f"in force {delay_s:.3g} s after its report")
        traces = self._journal.traces
        for users, trace in zip(report.users if traces else (), traces, strict=True):
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
        if report.slot > self._decided_slot:  # a fresher one may have been settled before
            self._decided_slot = report.slot

    def _overdue(self, report: Report) -> None:
        """A deadline has come: the fallback answers unless a decision as fresh is in force.

        A decision that comes into force at this very instant stays, however old its report is.
        """
        now_s, coming = self._now(), self._computing
        coming_now = coming is not None and coming.due_s <= now_s + self._instant_s
        just_come = now_s - self._in_force_s <= self._instant_s
        if self._decided_slot < report.slot and not (coming_now or just_come):
            self._fall_back(report)
            self._put_in_force(self._fallback(report), report, self._now())

    def _late(self, report: Report, now_s: float) -> bool:
        return bool(now_s - report.arrived_s - self._deadline_s > self._instant_s)

    def _miss(self, report: Report, cause: str) -> None:
        self._journal.tally.missed_deadlines += 1
        if self._timing.fallback == "hold":
            self._fall_back(report)
        self._journal.note(self._now(), "missed", cause=cause)

    def _put_in_force(self, power: Array | None, report: Report, now_s: float) -> None:
        if power is not None:
            self._network.grant(power, report.user_id, now_s)

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

    def _lay_out(self, power: Any, report: Report, rows: Array) -> str:
        """Powers for the users of a report, faulty networks on the fallback; what was wrong."""
        user_id, unsound = report.user_id, self._unsound
        most_w = report.p_max_w * (1.0 + _POWER_TOLERANCE)
        try:
            given = _as_powers(power, user_id)
            place = lay_out if given.ndim == 2 else lay_out_present
            count = place(given, user_id, self._network.user_id, most_w, rows, unsound)
            if count == 0:
                return ""
            fault = _fault_in(given, user_id, most_w, report.p_max_w)
        except (TypeError, ValueError) as error:
            unsound[:], count, fault = True, len(user_id), str(error)
        self._fault(report, count)
        fallback = self._fallback(report)
        if fallback is not None:
            there = (user_id == self._network.user_id) & (user_id >= 0)
            np.copyto(rows, fallback, where=there & unsound[:, None])
        return fault


def _as_powers(power: Any, user_id: NDArray[np.int64]) -> Array:
    """Powers as an array, (K,) for the users of one network or (B, M)."""
    try:
        given = np.asarray(power)
    except Exception as error:  # whatever an object does that is asked for its numbers
        raise TypeError(f"powers are no array: {error}") from error
    if given.dtype != np.float64 or not given.flags.c_contiguous:
        if given.dtype.kind == "c":
            raise TypeError("powers are complex")
        given = np.ascontiguousarray(given, dtype=np.float64)
    if given.shape != user_id.shape and (given.ndim != 1 or len(user_id) != 1):
        raise _wrong_shape(given, user_id)
    return given


def _wrong_shape(given: Array, user_id: NDArray[np.int64]) -> ValueError:
    users = int(np.count_nonzero(user_id >= 0))
    wanted = f"({users},)" if len(user_id) == 1 else str(user_id.shape)
    return ValueError(f"powers of shape {given.shape}, expected {wanted}")


def _fault_in(given: Array, user_id: NDArray[np.int64], most_w: float, p_max_w: float) -> str:
    """Which power of somebody is not in the box; raises where powers are too many or too few."""
    if given.ndim == 1 and given.size != np.count_nonzero(user_id >= 0):
        raise _wrong_shape(given, user_id)
    meant = given[user_id >= 0] if given.ndim == 2 else given
    wrong = meant[~((meant >= 0.0) & (meant <= most_w))]
    return f"power {wrong[0]:g} W outside [0, {p_max_w:g}] W"
