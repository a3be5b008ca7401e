"""Instants at which networks wait for a decision: what is reported, and what is true.

They are lived by the batched emulator and not drawn, so that a report is as late and as wrong here
as it is in the seat. What is decided does not change them: the channel does not listen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from slotwise.emulator.clock import Emulator
from slotwise.emulator.objective import Objective
from slotwise.emulator.radio import from_db, from_dbm, rate
from slotwise.emulator.scenario import InputError, Scenario

__all__ = [
    "Instants",
    "check_promise",
    "check_slots",
    "instants",
    "life_slots",
    "per_full_power",
]

Array = NDArray[np.float64]

_APART = 4
"""Slots from one instant to the next of the same network, over which fading is mostly forgotten."""


_LIFE, _LONG_LIFE, _SETTLED = 20, 1000, 500
"""Slots of a life that is learned from, where nobody or somebody comes and goes, and slots until
whoever comes and goes has mostly done so."""


class Instants(NamedTuple):
    """Decisions of N networks, n in all; gains in units of noise at full power.

    Attributes
    ----------
    network : [n], int64
        Which network each is of.
    present : [n, M], bool
        Rows that hold a user.
    reported, true : [n, M, M], float64
        Gains that are reported, and that the decision meets, rows are receivers.
    expected : [n, M, M], float64 or None
        Mean of the true gains given the reported; None where they are the same, or nobody knows.
    sinr_cap : float
        Largest SINR that counts; infinite for none.
    objective : Objective
        What is lived for, with what full power costs in the place of what a watt does.
    """

    network: NDArray[np.int64]
    present: NDArray[np.bool_]
    reported: Array
    true: Array
    expected: Array | None
    sinr_cap: float
    objective: Objective

    @property
    def exact(self) -> bool:
        """Whether what is reported is what the decision meets."""
        return np.array_equal(self.reported, self.true)

    def sum_rates(self, fraction: Array) -> Array:
        """Sum rates [n] of powers [n, M], as fractions of the largest [bit/s/Hz]."""
        rates = rate(self.true, np.where(self.present, fraction, 0.0), 1.0, sinr_cap=self.sinr_cap)
        total: Array = rates.sum(-1)
        return total

    def merits(self, fraction: Array) -> Array:
        """What powers [n, M] are worth, as fractions of the largest, [n]; see `objective`."""
        sent = np.where(self.present, fraction, 0.0)
        return self.objective.value(
            self.true, sent, 1.0, sinr_cap=self.sinr_cap, present=self.present
        )

    def by_users(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Instants with as many users, [c], and the rows of their users, [c, K]."""
        users = self.present.sum(-1)
        for count in np.unique(users[users > 0]).tolist():
            chosen = np.flatnonzero(users == count)
            yield chosen, np.nonzero(self.present[chosen])[1].reshape(-1, count)


def check_slots(scenario: Scenario) -> None:
    """Refuse a scenario in which a decision is not in force for one whole slot.

    Raises
    ------
    InputError
        One line with the field and its value.
    """
    timing, csi = scenario.timing, scenario.csi
    where = f"{scenario.name}: a decision must hold for one whole slot to be learned from"
    if timing.mode == "measured" or timing.latency_s > 0.0:
        raise InputError(f"{where}: timing.mode = {timing.mode}: must be ideal")
    if csi.period_s is not None and round(csi.period_s / timing.slot_s) != 1:
        raise InputError(f"{where}: csi.period_s = {csi.period_s}: must be timing.slot_s")
    late = csi.delay_s / timing.slot_s
    if abs(late - round(late)) > 1e-6:
        raise InputError(
            f"{where}: csi.delay_s = {csi.delay_s}: must be a multiple of timing.slot_s = "
            f"{timing.slot_s}"
        )


def check_promise(scenario: Scenario) -> None:
    """Refuse a scenario that promises its users a rate: policies neither learn nor are judged so.

    Raises
    ------
    InputError
        One line with the field, its value, and what does.
    """
    least = scenario.radio.min_rate
    if least > 0.0:
        raise InputError(
            f"{scenario.name}: radio.min_rate = {least}: policies are trained and judged without "
            "promised rates, must be 0; promises are learned by slotwise train mlp --objective "
            f"unsupervised --set radio.min_rate={least}, and in environments with shortfall_price; "
            "slotwise compare judges them"
        )


def life_slots(scenario: Scenario) -> int:
    """Slots after which a network is drawn anew, for whoever learns from it."""
    return _LONG_LIFE if _open(scenario) else _LIFE


def _open(scenario: Scenario) -> bool:
    """Whether users come and go."""
    population = scenario.population
    return population.initial_users < population.capacity


def instants(scenario: Scenario, seed: int, networks: int, slots: int) -> Instants:
    """Live networks, and note what is reported and what is true, four slots apart.

    Parameters
    ----------
    scenario : Scenario
        What to live.
    seed : int
        Fixes the lives.
    networks : int
        N.
    slots : int
        Instants of each network.

    Raises
    ------
    InputError
        If a decision of the scenario does not hold for one whole slot, or a rate is promised.
    """
    check_slots(scenario)
    check_promise(scenario)
    emulator = Emulator(scenario, seed, networks=networks)
    network = emulator.network
    per_noise = network.p_max_w / network.noise_w
    silent = np.zeros(network.power.shape)
    share = _remembered(scenario)
    noted: dict[str, list[Any]] = {name: [] for name in ("present", "reported", "true", "mean")}
    first = _SETTLED if _open(scenario) else 0
    for number in range(-first, (slots - 1) * _APART + 1):
        report = emulator.advance()
        assert report is not None, "an emulator without a last slot goes on"
        if number >= 0 and number % _APART == 0:
            medium = network.medium
            present = report.user_id >= 0
            pairs = present[:, :, None] & present[:, None, :]
            noted["present"].append(present)
            noted["reported"].append(report.gain * per_noise)
            noted["true"].append(np.where(pairs, medium.gain * per_noise, 0.0))
            if share is not None:
                mean = medium.between_users(medium.mean) * per_noise
                noted["mean"].append(np.where(pairs, mean, 0.0))
        emulator.grant(silent)
    cap_db = scenario.radio.sinr_cap_db
    reported = np.concatenate(noted["reported"])
    expected = None
    if share is not None:
        expected = share * reported + (1.0 - share) * np.concatenate(noted["mean"])
    return Instants(
        network=np.tile(np.arange(networks), slots),
        present=np.concatenate(noted["present"]),
        reported=reported,
        true=np.concatenate(noted["true"]),
        expected=expected,
        sinr_cap=np.inf if cap_db is None else float(from_db(cap_db)),
        objective=per_full_power(scenario),
    )


def per_full_power(scenario: Scenario) -> Objective:
    """The objective of a scenario where powers are fractions of the largest."""
    objective = Objective.of(scenario)
    watts = float(from_dbm(scenario.radio.p_max_dbm))
    return objective._replace(amplifier_inefficiency=watts * objective.amplifier_inefficiency)


def _remembered(scenario: Scenario) -> float | None:
    """How much of a reported fading power is still there when it is handed over, rho²."""
    channel, late_s = scenario.channel, scenario.csi.delay_s
    doppler_hz = getattr(channel, "doppler_hz", None)
    exact = scenario.csi.error_nmse_db is None and scenario.csi.quantisation_bits is None
    if not (late_s > 0.0 and exact and channel.fading == "gauss-markov" and doppler_hz):
        return None
    slots = round(late_s / scenario.timing.slot_s)
    return float(j0(2.0 * np.pi * doppler_hz * scenario.timing.slot_s)) ** (2 * slots)
