"""One life with a witness: what a controller that learns decided before and after each deployment.

The witness knows the true gains and the controller does not. After every deployment it lets the
weights before and after decide on the same reports for a while, and compares the true sum rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.finetuned import Finetuned
from slotwise.controllers.learned import Learned
from slotwise.controllers.online.judging import Verdict, compare
from slotwise.controllers.registry import make
from slotwise.emulator.clock import Emulator
from slotwise.emulator.measurement import Measurement
from slotwise.emulator.observation import Observation, Report
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import Scenario

__all__ = ["Lived", "Update", "live"]

Array = NDArray[np.float64]

_FEWEST = 20


class Update(NamedTuple):
    """A deployment, looked at from outside.

    Attributes
    ----------
    slot : int
        In which it was learned.
    outcome : str
        ``deployed`` or ``rolled back``.
    verdict : Verdict
        How much better the weights after it did than those before it, on true gains of the slots
        that followed.
    """

    slot: int
    outcome: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a life.

    Attributes
    ----------
    sum_rate : ndarray, shape (slots,)
        Of each slot [bit/s/Hz].
    events : list of (float, str)
        When an episode or an hour began [s], and its name.
    lessons : dict of str to int
        Attempts to learn by outcome.
    updates : list of Update
        Deployments after which enough slots followed.
    unseen : int
        Deployments after which too few did.
    faults : int
        Decisions that failed.
    """

    sum_rate: Array
    events: list[tuple[float, str]]
    lessons: dict[str, int]
    updates: list[Update]
    unseen: int
    faults: int


@dataclass(slots=True)
class _Look:
    """Weights before and after a deployment, and what each would have carried since."""

    slot: int
    outcome: str
    before: Learned
    after: Learned
    earned: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


class _Witness:
    """Looks at each deployment for some slots, or until the next one or a change."""

    def __init__(self, held: int) -> None:
        self._held = held
        self._look: _Look | None = None
        self.updates: list[Update] = []
        self.unseen = 0

    def begin(self, slot: int, outcome: str, before: Learned, after: Learned) -> None:
        self.end()
        self._look = _Look(slot, outcome, before, after)

    def see(self, seen: Observation, true: Array) -> None:
        look = self._look
        if look is None:
            return
        for who, earned in zip((look.before, look.after), look.earned, strict=True):
            power = who.allocate(seen.gain, seen.noise_power, seen.p_max, seen.weight)
            earned.append(float(sum_rate(true, power, seen.noise_power, seen.weight)))
        if len(look.earned[0]) >= self._held:
            self.end()

    def end(self) -> None:
        look, self._look = self._look, None
        if look is None:
            return
        before, after = (np.array(earned) for earned in look.earned)
        if len(before) < min(_FEWEST, self._held):
            self.unseen += 1
            return
        self.updates.append(Update(look.slot, look.outcome, compare(after, before)))


def live(
    scenario: Scenario,
    spec: str,
    seed: int,
    slots: int,
    held: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Lived:
    """Let a controller decide, and learn if it does, in one network.

    Parameters
    ----------
    scenario : Scenario
        The network; its timing is ``ideal`` or ``fixed``.
    spec : str
        Who decides.
    seed : int
        Fixes the network.
    slots : int
        How long.
    held : int
        Slots on which a deployment is looked at.
    progress : callable
        Called now and then with the slots begun.
    """
    seat = make(spec, seed=seed)
    seat.reset(scenario, seed)
    emulator = Emulator(scenario, seed, slots=slots, record=True)
    witness = _Witness(held)
    changes = _changes(scenario)
    while (report := emulator.advance()) is not None:
        if report.slot % 100 == 0:
            progress(report.slot)
        if report.slot in changes:
            witness.end()
        seen = report.observation()
        if seen.user_id.size == 0:
            emulator.skip()
            continue
        witness.see(seen, _true_gain(report))
        _decide(emulator, seat, seen)
        if isinstance(seat, Finetuned):
            _learn(emulator, seat, seen, witness, report.slot)
    witness.end()
    trace = emulator.journal.traces[0]
    outcomes = trace.table("lessons")["outcome"]
    events = trace.table("events")
    times_kinds = zip(events["time_s"], events["kind"], events["cause"], strict=True)
    return Lived(
        sum_rate=np.asarray(trace.table("slots")["sum_rate"], np.float64),
        events=[(float(t), str(c)) for t, kind, c in times_kinds if kind in ("episode", "hour")],
        lessons={name: list(outcomes).count(name) for name in sorted(set(map(str, outcomes)))},
        updates=witness.updates,
        unseen=witness.unseen,
        faults=emulator.journal.tally.faults,
    )


def _changes(scenario: Scenario) -> set[int]:
    """Slots in which the network becomes another one."""
    lengths = [each.duration_s / scenario.timing.slot_s for each in scenario.episodes]
    return {round(start) for start in np.cumsum(lengths)}


def _true_gain(report: Report) -> Array:
    """Gains as they are now, among those who are told of."""
    return Measurement(report.network).among(0, report.roster.rows(0))


def _decide(emulator: Emulator, seat: Controller, seen: Observation) -> None:
    power: Any
    try:
        power = seat.decide(seen)
    except ValueError as error:
        emulator.fail(f"{type(error).__name__}: {error}")
    else:
        emulator.grant(power)


def _learn(
    emulator: Emulator, seat: Finetuned, seen: Observation, witness: _Witness, slot: int
) -> None:
    """Let it keep an observation, and charge a lesson if there is one."""
    seat.watch(seen)
    if emulator.learning:
        return
    lesson = seat.learn()
    if lesson is None:
        return

    def deploy() -> bool | None:
        before, stands = seat.deployed, seat.deploy()
        if stands:
            witness.begin(slot, lesson.outcome, before, seat.deployed)
        return stands

    emulator.learn(lesson, 0.0, deploy)
