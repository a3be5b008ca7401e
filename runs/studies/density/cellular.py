"""A cellular network that is planned: what a station reaches, delivers and consumes.

All that the two site processes, Poisson and square grid, have in common. A station that serves
nobody is idle: silent, at a lower power. A user is covered if it hears its station at all (received
power over noise above one threshold) and above the others (power over interference above another).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.radio import from_dbm

__all__ = ["HIGHEST_LOG", "LOWEST_LOG", "NETWORK", "Array", "Cellular", "densest"]

Array = NDArray[np.float64]

_LIGHT_M_PER_S = 299_792_458.0
LOWEST_LOG, HIGHEST_LOG = -8.5, -2.5
"""Decimal logarithms of the densities that are searched [1/m²]: 0.003 to 3,162 per km²."""

_COARSE_STEPS = 120
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_GOLDEN_STEPS = 24
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Cellular:
    """Constants of the network, by default those of Di Renzo et al. (see `poisson`).

    Attributes
    ----------
    exponent : float
        Of the path loss, β.
    carrier_hz, bandwidth_hz : float
        Carrier frequency, bandwidth [Hz].
    noise_dbm_per_hz : float
        Power density of the noise [dBm/Hz].
    threshold_db : float
        Of both ratios, γ_D and γ_A [dB].
    users_per_m2 : float
        Density of users, λ_MT [1/m²].
    static_dbm, idle_dbm : float
        Power of a station beside what it transmits, and of an idle one [dBm].
    """

    exponent: float = 3.5
    carrier_hz: float = 2.1e9
    bandwidth_hz: float = 20e6
    noise_dbm_per_hz: float = -174.0
    threshold_db: float = 5.0
    users_per_m2: float = 121e-6
    static_dbm: float = 51.14
    idle_dbm: float = 48.75

    @property
    def threshold(self) -> float:
        """Both thresholds as a ratio, γ."""
        return float(10.0 ** (self.threshold_db / 10.0))

    @property
    def static_w(self) -> float:
        """Static power [W]."""
        return float(from_dbm(self.static_dbm))

    @property
    def idle_w(self) -> float:
        """Idle power [W]."""
        return float(from_dbm(self.idle_dbm))

    def reach_m(self, transmit_w: Array) -> Array:
        """Largest distance at which a station is heard above the noise [m].

        Parameters
        ----------
        transmit_w : float64
            Transmit power [W].

        Returns
        -------
        float64
            (P / (κ σ² γ_A))^(1/β) with κ = (4π f_c / c)².
        """
        loss = (4.0 * math.pi * self.carrier_hz / _LIGHT_M_PER_S) ** 2
        noise_w = float(from_dbm(self.noise_dbm_per_hz)) * self.bandwidth_hz
        reach: Array = (transmit_w / (loss * noise_w * self.threshold)) ** (1.0 / self.exponent)
        return reach

    def efficiency(
        self, active: Array, covered: Array, transmit_w: Array, static_w: Array, idle_w: Array
    ) -> Array:
        """Energy efficiency [bit/J].

        Parameters
        ----------
        active : float64
            Share of stations that serve somebody, L.
        covered : float64
            Share of scheduled users that are covered.
        transmit_w, static_w, idle_w : float64
            Powers [W].

        Returns
        -------
        float64
            B log2(1 + γ_D) L P_cov / ((P + P_circ) L + P_idle (1 − L)): the density of stations
            stands above and below the line.
        """
        rate = self.bandwidth_hz * math.log2(1.0 + self.threshold)
        power = (transmit_w + static_w) * active + idle_w * (1.0 - active)
        delivered: Array = rate * active * covered / power
        return delivered


NETWORK = Cellular()
"""The network that everything here is about."""


def densest(efficiency: Callable[..., Array], *powers: Array) -> Array:
    """The density that is best for each of several networks.

    The best of 121 densities, then golden sections between its neighbours: one narrow maximum
    could be missed, and the curves here have one broad one.

    Parameters
    ----------
    efficiency : callable
        Takes densities [n, m] or [1, m] in 1/m² and powers [n, 1] in W, gives [n, m].
    powers : [n], float64
        What the networks differ in [W].

    Returns
    -------
    [n], float64
        Decimal logarithm of the best density [1/m²], to 1e-6.
    """
    parts = [np.empty(0)]
    for start in range(0, powers[0].size, _CHUNK):  # all at a time would take gigabytes
        few = [each[start : start + _CHUNK, None] for each in powers]
        parts.append(_densest(partial(_at, efficiency, few), len(few[0])))
    return np.concatenate(parts)


def _at(efficiency: Callable[..., Array], powers: list[Array], log_density: Array) -> Array:
    return efficiency(10.0**log_density, *powers)


def _densest(efficiency: Callable[[Array], Array], samples: int) -> Array:
    coarse = np.linspace(LOWEST_LOG, HIGHEST_LOG, _COARSE_STEPS + 1)
    best = np.broadcast_to(efficiency(coarse[None]), (samples, coarse.size)).argmax(axis=1)
    low = coarse[np.maximum(best - 1, 0)]
    high = coarse[np.minimum(best + 1, _COARSE_STEPS)]
    for _ in range(_GOLDEN_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        value = efficiency(np.stack([left, right], axis=1))
        below = value[:, 0] > value[:, 1]
        low, high = np.where(below, low, left), np.where(below, right, high)
    middle: Array = (low + high) / 2.0
    return middle
