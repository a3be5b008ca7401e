"""Frozen draws of late and wrong reports: what is reported, what is believed, what may be true.

A draw is a network with mean gains, a report of it, and what the report leaves of every gain, a
known and an unknown part. Whoever decides is scored by the mean of the true rate over fresh draws
of what the gains may be, which is exact: given the report, that is their law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.posterior import Belief, from_gain
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import from_db, sum_rate
from slotwise.emulator.scenario import load

__all__ = ["Case", "Reported", "rates", "report", "true_gains"]

Array = NDArray[np.float64]

_PURPOSE = 0x1A7E  # sets these draws apart from those of other studies and of training


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of late reports.

    Attributes
    ----------
    label : str
        What tables call it.
    users : int
        K.
    rho : float
        Correlation between the report and the time that is decided for.
    snr_db : float
        Mean gain of every link in units of noise; of a scenario nothing.
    error : float
        Power of the estimation error over the mean gain.
    scenario : str
        Where mean gains are drawn from; empty: all links are alike.
    reports : int
        Reports a slot apart that a Kalman filter has had; one: no filter.
    """

    label: str
    users: int
    rho: float
    snr_db: float = 0.0
    error: float = 0.0
    scenario: str = ""
    reports: int = 1


@dataclass(frozen=True, slots=True)
class Reported:
    """Draws of a case, gains in units of noise at full power.

    Attributes
    ----------
    gain : ndarray, shape (n, K, K)
        As they are reported.
    belief : Belief
        Known and unknown parts, [n, K, K], and who is received by one antenna, [n, K].
    """

    gain: Array
    belief: Belief


def report(case: Case, draws: int, seed: int, group: int) -> Reported:
    """Draw networks and reports.

    Parameters
    ----------
    case : Case
        Of which kind.
    draws : int
        n.
    seed, group : int
        Fix them: groups of one seed are as independent as seeds.
    """
    rng = np.random.default_rng([_PURPOSE, seed, group])
    mean, shared = _means(case, draws, seed, group)
    if case.reports == 1:
        channel = _normal(shared, rng) * math.sqrt(1.0 + case.error)
        gain = mean * np.abs(channel) ** 2
        ahead = case.rho, case.rho * case.rho
        belief = from_gain(gain, mean, ahead, error=case.error)
        return Reported(gain, belief._replace(receiver=shared))
    keep, fresh = case.rho, math.sqrt(1.0 - case.rho**2)
    channel, guess, doubt = _normal(shared, rng), np.zeros(mean.shape, complex), 1.0
    seen = channel
    for number in range(case.reports):
        if number:
            channel = keep * channel + fresh * _normal(shared, rng)
            guess, doubt = keep * guess, keep * keep * doubt + fresh * fresh
        seen = channel + math.sqrt(case.error) * _normal(shared, rng)
        trust = doubt / (doubt + case.error)
        guess, doubt = guess + trust * (seen - guess), (1.0 - trust) * doubt
    known = mean * np.abs(keep * guess) ** 2
    unknown = mean * (keep * keep * doubt + fresh * fresh)
    return Reported(mean * np.abs(seen) ** 2, Belief(known, unknown, shared))


def true_gains(belief: Belief, rng: np.random.Generator) -> Array:
    """Draw what the gains may be, [n, K, K]; receivers with one antenna hear the same."""
    assert belief.receiver is not None
    unit = _normal(belief.receiver, rng)
    gain: Array = np.square(np.sqrt(belief.known) + np.sqrt(belief.unknown) * unit.real)
    gain += belief.unknown * np.square(unit.imag)
    return gain


def rates(gain: Array, fraction: Array) -> Array:
    """Sum rates of many answers to the same gains, [m, n] for fractions [m, n, K]."""
    every = [sum_rate(gain, one, np.float64(1.0)) for one in fraction]
    return np.array(every)


def _means(case: Case, draws: int, seed: int, group: int) -> tuple[Array, NDArray[np.int64]]:
    """Mean gains [n, K, K], and for every receiver the first with the same antenna [n, K]."""
    shape = draws, case.users, case.users
    if not case.scenario:
        own = np.tile(np.arange(case.users), (draws, 1))
        return np.full(shape, from_db(case.snr_db)), own
    number = int(np.random.SeedSequence([_PURPOSE, seed, group]).generate_state(1)[0])
    drops = draw(load(case.scenario, ["channel.fading=none"]), draws, number, case.users)
    mean = drops.gain * drops.p_max / drops.noise_power[:, None]
    same = (mean[:, :, None] == mean[:, None]).all(-1)
    return mean, same.argmax(-1)


def _normal(shared: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.complex128]:
    """Draws of CN(0, 1) for every link, the same for receivers with one antenna."""
    draws, users = shared.shape
    real, imaginary = math.sqrt(0.5) * rng.standard_normal((2, draws, users, users))
    every: NDArray[np.complex128] = real + 1j * imaginary
    drawn: NDArray[np.complex128] = np.take_along_axis(every, shared[:, :, None], axis=1)
    return drawn
