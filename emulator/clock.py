"""The clock: every cause of change is an event, and a decision takes time.

A slot begins with a tick: the integrals are carried to this instant, users move and fade, and the
channel is measured. The report of a measurement arrives at once or later. When a report has
arrived and the processor is idle, the emulator hands the report over and waits for powers; they
come into force when they have been computed, at whatever instant that is. Joins and leaves happen
between ticks as they please. The emulator does not know who decides: it is asked to `advance` to
the next report and told what was decided.

>>> from slotwise.emulator.clock import Emulator
>>> from slotwise.emulator.scenario import load
>>> emulator = Emulator(load("gaussian-ic"), seed=1, slots=100)
>>> while (report := emulator.advance()) is not None:
...     emulator.grant(report.observation().p_max)
>>> emulator.journal.tally.decisions
100
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simpy

from slotwise.emulator.lessons import Lesson
from slotwise.emulator.measurement import Measurement
from slotwise.emulator.network import Network
from slotwise.emulator.observation import Report
from slotwise.emulator.processor import Processor
from slotwise.emulator.promise import Promise
from slotwise.emulator.scenario import Scenario
from slotwise.emulator.sections import Episode
from slotwise.emulator.stays import Stays
from slotwise.emulator.streams import Cause, Streams
from slotwise.emulator.trace import Journal

__all__ = ["Emulator"]


class Emulator:
    """Lives B networks of a scenario on one clock.

    Parameters
    ----------
    scenario : Scenario
        What to live.
    seed : int or sequence of int
        Fixes everything but measured time; one for all networks, or one for each.
    networks : int or sequence of int
        How many, or their numbers: network 3 lives the same life as ``[3]`` and among others.
    slots : int, optional
        When to end; left out: never.
    record : bool
        Keep a trace of each network in the journal.
    appraise : bool
        Keep account of `Network.worth`.

    Attributes
    ----------
    network : Network
        The state.
    journal : Journal
        Counts and traces so far.
    slot : int
        The slot that has begun last, -1 before the first.
    over : bool
        Whether the last slot has ended.

    Raises
    ------
    InputError
        If a file that the scenario names is unusable.
    ValueError
        If there is no network, a negative seed, no slot, or several networks under a measured time.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int | Sequence[int] = 0,
        *,
        networks: int | Sequence[int] = 1,
        slots: int | None = None,
        record: bool = False,
        appraise: bool = False,
    ) -> None:
        self.numbers = tuple(range(networks)) if isinstance(networks, int) else tuple(networks)
        if not self.numbers:
            raise ValueError(f"networks = {networks}: must be at least one")
        if slots is not None and slots < 1:
            raise ValueError(f"slots = {slots}: must be at least one")
        if scenario.timing.mode == "measured" and len(self.numbers) > 1:
            raise ValueError("timing.mode = measured: one processor decides for one network")
        self.scenario, self.slots = scenario, slots
        self._record, self._appraise = record, appraise
        self._slot_s = slot_s = scenario.timing.slot_s
        self._instant_s = 1e-9 * slot_s
        still = scenario.mobility.kind == "still"
        self._measure_every = _slots(scenario.csi.period_s, slot_s) or 1
        self._move_every = 0 if still else _slots(scenario.mobility.update_s, slot_s)
        self._redrop_every = _slots(scenario.mobility.redrop_s, slot_s)
        self._scene_changes = bool(scenario.episodes or self._redrop_every or self._move_every)
        csi = scenario.csi
        exact = csi.error_nmse_db is None and csi.quantisation_bits is None
        self._read_at_once = exact and csi.delay_s == 0 and scenario.timing.mode == "ideal"
        self.reset(seed)
        for episode in scenario.episodes:
            self.network.medium_of(episode, 0)  # a file that is missing is missed now

    def reset(self, seed: int | Sequence[int]) -> None:
        """Begin a new life: new clock, new streams, the users of time zero in place.

        Raises
        ------
        ValueError
            If a seed is negative, or there are more or fewer seeds than networks.
        """
        self._streams = Streams(seed, self.numbers)
        self._clock = simpy.Environment(initial_time=0.0)
        self._episodes = self._episode_starts()
        first = self._episodes.pop(0, None)
        self.network = Network(self.scenario, self._streams, first, appraise=self._appraise)
        self.journal = Journal(len(self.numbers), self._record)
        self._processor = Processor(
            self.scenario.timing, self.network, self.journal, self._now, self._after
        )
        erring = self.scenario.csi.error_nmse_db is not None
        self._estimation = [
            self._streams.network(Cause.CSI, b) for b in range(len(self.numbers) if erring else 0)
        ]
        self._stays = Stays(self.network, self._streams, self.journal, self._now, self._after)
        self._promise = Promise(self.network)
        self.slot, self.over, self._drop = -1, False, 0
        if first is not None:
            self.journal.note(0.0, "episode", cause=first.name)
        for b in range(len(self.numbers)):
            self._stays.begin(b)
        self._begin_slot_in(0.0)

    @property
    def now_s(self) -> float:
        """Network time [s]."""
        return self._now()

    def advance(self) -> Report | None:
        """Live until a report waits for a decision.

        Returns
        -------
        Report or None
            The freshest report, or None when the last slot has ended.

        Raises
        ------
        RuntimeError
            If the last report has not been answered by `grant`, `fail` or `skip`.
        """
        processor, clock = self._processor, self._clock
        if processor.waiting:
            raise RuntimeError("a report waits for its decision: call grant(), fail() or skip()")
        while not self.over and (not processor.ready or self._more_now()):
            clock.step()
        return None if self.over else processor.hand_over()

    def grant(self, power: Any, elapsed_s: float = 0.0, *, sound: bool = False) -> None:
        """Answer the report with powers.

        A power vector that is not finite, out of the box or of a wrong shape is a fault: it is
        counted and answered by ``timing.fallback``, in its own network alone.

        Parameters
        ----------
        power : array_like, shape (K,) for one network or (B, M)
            Powers [W], in the order of ``report.observation().user_id`` or of the report's rows.
        elapsed_s : float
            How long the decision took on this machine [s]; charged if ``timing.mode`` says so.
        sound : bool
            Powers are float64 of shape (B, M), in the box and zero for nobody: do not look again.

        Raises
        ------
        RuntimeError
            If no report waits.
        """
        self._processor.answer(power, elapsed_s, sound=sound)

    def fail(self, cause: str, elapsed_s: float = 0.0) -> None:
        """Answer the report with nothing, because deciding failed; ``timing.fallback`` answers.

        Parameters
        ----------
        cause : str
            What happened, for the trace.
        elapsed_s : float
            How long it took to fail [s].

        Raises
        ------
        RuntimeError
            If no report waits.
        """
        self._processor.fail(cause, elapsed_s)

    def learn(self, lesson: Lesson, elapsed_s: float, deploy: Callable[[], object]) -> None:
        """Charge what somebody learned; call before the next `advance`.

        It runs as ``timing.learning`` says, on a second core or on the one that decides, from now
        on or from when that one is free. In an ideal timing it takes no time.

        Parameters
        ----------
        lesson : Lesson
            What came of it, for the trace.
        elapsed_s : float
            How long it took on this machine [s]; charged if ``timing.mode`` says so.
        deploy : callable
            Called at the instant at which it has been computed; False if nothing decides by it
            after all, which counts as rejected.

        Raises
        ------
        RuntimeError
            If the last lesson has not been computed yet.
        """
        self._processor.learn(lesson, elapsed_s, deploy)

    @property
    def learning(self) -> bool:
        """Whether a lesson is being computed."""
        return self._processor.lessons.learning

    def skip(self) -> None:
        """Answer the report with nothing, because there is nobody to decide for.

        Raises
        ------
        RuntimeError
            If no report waits.
        """
        self._processor.skip()

    def _more_now(self) -> bool:
        """Whether something else happens at this instant: perhaps a fresher report arrives."""
        soonest_s: float = self._clock.peek()
        return soonest_s <= self._clock.now + self._instant_s

    def _now(self) -> float:
        return float(self._clock.now)

    def _after(self, delay_s: float, callback: Callable[[Any], None], value: Any = None) -> None:
        # A Python float, so that the clock's time stays one: NumPy's are several times slower.
        event = self._clock.timeout(max(float(delay_s), 0.0), value)
        event.callbacks.append(lambda event: callback(event.value))

    def _begin_slot_in(self, delay_s: float) -> None:
        # An event and nothing around it: the one that every slot has.
        self._clock.timeout(max(delay_s, 0.0)).callbacks.append(self._tick)

    def _tick(self, _: simpy.Event) -> None:
        now_s = self._now()
        if self.slot >= 0:
            self.network.end_slot(now_s)
            if self.journal.traces:
                self._close_slot()
        self.slot += 1
        if self.slot == self.slots:
            self._finish()
            return
        if self._scene_changes:
            self._change_scene()
        if self.journal.traces:
            self._promise.give()
        if self.slot % self._measure_every == 0:
            self._measure(now_s)
        # From the slot's number and not from the last tick: rounding never adds up.
        self._begin_slot_in((self.slot + 1) * self._slot_s - now_s)

    def _change_scene(self) -> None:
        """Episodes, new drops and movement happen at the beginning of a slot."""
        episode = self._episodes.get(self.slot)
        if episode is not None:
            self._drop += 1
            self.network.change(episode, self._drop, self._now())
            self.journal.note(self._now(), "episode", cause=episode.name)
        elif _due(self.slot, self._redrop_every):
            self._drop += 1
            self.network.redrop(self._drop, self._now())
        elif _due(self.slot, self._move_every):
            self._move()

    def _move(self) -> None:
        network = self.network
        for b, row in network.medium.move(self._now()):
            self.journal.tally.handovers += 1
            user, station = int(network.user_id[b, row]), int(network.medium.serving[b, row])
            self.journal.note(self._now(), "handover", b, user, f"to station {station}")

    def _measure(self, now_s: float) -> None:
        network, csi = self.network, self.scenario.csi
        if self._read_at_once:
            measurement = Measurement(network)
        else:
            measurement = Measurement.carried(network, csi, self._estimation)
        report = Report(
            slot=self.slot,
            measured_s=now_s,
            roster=network.roster,
            network=network,
            measurement=measurement,
        )
        if csi.delay_s > 0:
            self._after(csi.delay_s, self._processor.arrive, report)
        else:
            self._processor.arrive(report)

    def _close_slot(self) -> None:
        network = self.network
        totals = np.stack(
            [network.carried, network.radiated, network.consumed, network.own_efficiency]
        )
        users = np.count_nonzero(network.user_id >= 0, axis=1)
        self.journal.slot(self.slot, self._slot_s, totals, users, self._promise.kept(self._slot_s))

    def _finish(self) -> None:
        """The last slot has ended: account for whoever and whatever is still there."""
        self.over = True
        self._processor.finish()
        self._stays.finish()

    def _episode_starts(self) -> dict[int, Episode]:
        starts, time_s = {}, 0.0
        for episode in self.scenario.episodes:
            starts[round(time_s / self.scenario.timing.slot_s)] = episode
            time_s += episode.duration_s
        return starts


def _slots(duration_s: float | None, slot_s: float) -> int:
    """A duration in whole slots, at least one; 0 for None."""
    return 0 if duration_s is None else max(1, round(duration_s / slot_s))


def _due(slot: int, every: int) -> bool:
    return every > 0 and slot > 0 and slot % every == 0
