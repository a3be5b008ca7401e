"""Stays: users join, live in a row of their network, and leave, at any instant.

Who comes and when is `slotwise.emulator.population`; here it happens, and is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from slotwise.emulator.network import Network
from slotwise.emulator.population import Arrival, arrivals, draw_lifetime, hour_starts, read_profile
from slotwise.emulator.streams import Cause, Streams
from slotwise.emulator.trace import Journal

__all__ = ["Stays"]

Schedule = Callable[[float, Callable[[Any], None], Any], None]
_Coming = Iterator[tuple[int, Arrival]]


@dataclass(frozen=True, slots=True)
class _Stay:
    """A user in its row, and where and when it joined."""

    network: int
    row: int
    user: int
    join_s: float
    x_m: float
    y_m: float
    station: int


class Stays:
    """Everybody's coming and going in B networks.

    Parameters
    ----------
    network : Network
        The state.
    streams : Streams
        Of the B networks.
    journal : Journal
        Where to count and record.
    now : callable
        Network time [s].
    schedule : callable
        ``schedule(delay_s, callback, value)`` calls ``callback(value)`` later.
    """

    def __init__(
        self,
        network: Network,
        streams: Streams,
        journal: Journal,
        now: Callable[[], float],
        schedule: Schedule,
    ) -> None:
        self._network, self._streams, self._journal = network, streams, journal
        self._now, self._schedule = now, schedule
        self._population = network.scenario.population
        self._here: dict[tuple[int, int], _Stay] = {}

    def begin(self, network: int) -> None:
        """Let in the users of time zero, and schedule the first of those to come."""
        population, medium = self._population, self._network.medium
        users = population.initial_users
        self._network.populate(network, users, self._now())
        for user in range(users):
            self._begin_stay(network, user, user, None)
        counts = None
        if population.profile is not None:
            counts = read_profile(population.profile, medium.places[network].name)
            for start_s, label in hour_starts(counts):
                self._schedule(start_s, self._begin_hour, (network, label))
        if counts is not None or population.trace or population.arrivals_per_s > 0.0:
            stream = self._streams.network(Cause.ARRIVALS, network)
            coming = arrivals(population, counts, stream)
            self._expect(network, enumerate(coming, users))

    def finish(self) -> None:
        """The last slot has ended: account for whoever is still there."""
        for (b, row), stay in self._here.items():
            self._record(stay, float(self._network.delivered[b, row]), left=False)

    def _begin_hour(self, hour: tuple[int, str]) -> None:
        network, label = hour
        self._journal.note(self._now(), "hour", network, cause=label)

    def _expect(self, network: int, coming: _Coming) -> None:
        """Let in who is due now, and schedule the next to come, who does the same."""
        for user, arrival in coming:
            delay_s = arrival.time_s - self._now()
            if delay_s > 0:
                self._schedule(delay_s, self._come, (network, user, arrival, coming))
                return
            self._join(network, user, arrival.home, arrival.lifetime_s)

    def _come(self, following: tuple[int, int, Arrival, _Coming]) -> None:
        network, user, arrival, coming = following
        self._join(network, user, arrival.home, arrival.lifetime_s)
        self._expect(network, coming)

    def _join(self, network: int, user: int, home: int | None, lifetime_s: float | None) -> None:
        now_s = self._now()
        row = self._network.join(network, user, home, now_s)
        if row is None:
            self._journal.tally.blocked += 1
            self._journal.note(now_s, "blocked", network, user)
        else:
            self._begin_stay(network, row, user, lifetime_s)

    def _begin_stay(self, network: int, row: int, user: int, lifetime_s: float | None) -> None:
        """Note who has joined, and schedule its leaving."""
        now_s, medium = self._now(), self._network.medium
        self._journal.tally.joins += 1
        self._journal.note(now_s, "join", network, user)
        x_m, y_m = (float(axis) for axis in medium.motion.position[network, row])
        station = int(medium.serving[network, row])
        self._here[network, row] = _Stay(network, row, user, now_s, x_m, y_m, station)
        if lifetime_s is None and self._population.lifetime.kind == "forever":
            return
        if lifetime_s is None:
            stream = self._streams.user(Cause.LIFETIME, network, user)
            lifetime_s = draw_lifetime(self._population.lifetime, stream)
        if np.isfinite(lifetime_s):
            self._schedule(lifetime_s, self._leave, (network, row))

    def _leave(self, place: tuple[int, int]) -> None:
        stay = self._here.pop(place)
        delivered = self._network.leave(*place, self._now())
        self._journal.tally.leaves += 1
        self._journal.note(self._now(), "leave", stay.network, stay.user)
        self._record(stay, delivered, left=True)

    def _record(self, stay: _Stay, delivered: float, *, left: bool) -> None:
        now_s = self._now()
        rate = delivered / (now_s - stay.join_s) if now_s > stay.join_s else 0.0
        for trace in self._journal.traces[stay.network : stay.network + 1]:
            place = (stay.x_m, stay.y_m, stay.station)
            trace.add("users", stay.user, stay.join_s, now_s, *place, rate, left)
