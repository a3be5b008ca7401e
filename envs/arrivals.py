"""How many users an episode can have, which is known before anybody has come."""

from __future__ import annotations

import math

import numpy as np

from slotwise.emulator.network import Network
from slotwise.emulator.population import read_profile
from slotwise.emulator.scenario import Scenario

__all__ = ["joins_later", "most_users"]

_RARE = math.log(1e-12)


def joins_later(scenario: Scenario) -> bool:
    """Whether anybody joins after time zero."""
    population = scenario.population
    return bool(
        population.arrivals_per_s > 0.0 or population.profile is not None or population.trace
    )


def most_users(network: Network, steps: int) -> int:
    """How many users an episode has at most, the blocked ones included.

    Exact where nobody joins after time zero. Else the users of time zero, the visits of the trace
    that begin in time, and so many arrivals that more of them have a probability of 1e-12 at most.

    Parameters
    ----------
    network : Network
        At time zero.
    steps : int
        Reports of an episode.

    Raises
    ------
    InputError
        If the counts that the scenario names are unusable.
    """
    population = network.scenario.population
    if not joins_later(network.scenario):
        return population.initial_users
    horizon_s = _longest_s(network.scenario, steps)
    expected = population.arrivals_per_s * horizon_s
    if population.profile is not None:
        counts = read_profile(population.profile, network.medium.places[0].name)
        start_s = counts.sample_s * np.arange(len(counts.rate_per_s))
        lived_s = np.clip(horizon_s - start_s, 0.0, counts.sample_s)
        expected = float(np.sum(counts.rate_per_s * lived_s[:, None]))
    visits = sum(visit.join_s <= horizon_s for visit in population.trace)
    return population.initial_users + visits + _at_most(expected)


def _longest_s(scenario: Scenario, steps: int) -> float:
    """Network time in which an episode is over [s]."""
    timing, csi = scenario.timing, scenario.csi
    slots = 1 if csi.period_s is None else max(1, round(csi.period_s / timing.slot_s))
    # Whoever decides for longer than a period waits for no report, but may just miss one.
    late_s = timing.latency_s if timing.mode == "fixed" else 0.0
    return csi.delay_s + (steps + 1) * (slots * timing.slot_s + late_s)


def _at_most(mean: float) -> int:
    """What a Poisson number exceeds with a probability of 1e-12 at most.

    By Chernoff's bound, P(N >= n) <= exp(n - mean - n ln(n / mean)).
    """
    if mean <= 0.0:
        return 0
    number = math.ceil(mean)
    while number - mean - number * math.log(number / mean) > _RARE:
        number += 1
    return number
