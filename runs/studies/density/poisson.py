"""The model: stations in a Poisson process, whose energy efficiency has a closed form.

M. Di Renzo, A. Zappone, T. T. Lam and M. Debbah, "System-level modeling and optimization of the
energy efficiency in cellular networks: A stochastic geometry framework", IEEE Trans. Wireless
Commun. 17(4), 2018. Two things in it are approximate: how many stations have a user, and that those
that have one lie as if they had been chosen at random.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import hyp2f1

from slotwise.runs.studies.density.cellular import NETWORK, Array, Cellular, densest

__all__ = ["active_share", "best_log_density", "coverage", "efficiency"]

_CELL_SHAPE = 3.5  # of the gamma distribution that cell areas nearly have


def active_share(density: Array, network: Cellular = NETWORK) -> Array:
    """Share of stations with a user, L(λ_MT / λ) = 1 − (1 + α/3.5)^−3.5.

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    network : Cellular
        Constants.
    """
    users = network.users_per_m2 / density
    share: Array = 1.0 - (1.0 + users / _CELL_SHAPE) ** -_CELL_SHAPE
    return share


def coverage(density: Array, transmit_w: Array, network: Cellular = NETWORK) -> Array:
    """Probability that a scheduled user is covered.

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    transmit_w : float64
        Transmit power [W].
    network : Cellular
        Constants.

    Returns
    -------
    float64
        (1 − exp(−πλ r² (1 + ΥL))) / (1 + ΥL), where r is the reach and
        Υ = ₂F₁(−2/β, 1; 1 − 2/β; −γ_D) − 1.
    """
    order = 2.0 / network.exponent
    disturbed = hyp2f1(-order, 1.0, 1.0 - order, -network.threshold) - 1.0
    crowd = 1.0 + disturbed * active_share(density, network)
    cells = math.pi * density * network.reach_m(transmit_w) ** 2
    share: Array = -np.expm1(-cells * crowd) / crowd
    return share


def efficiency(
    density: Array,
    transmit_w: Array,
    static_w: Array | None = None,
    idle_w: Array | None = None,
    network: Cellular = NETWORK,
) -> Array:
    """Energy efficiency of a Poisson network [bit/J].

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    transmit_w, static_w, idle_w : float64
        Powers [W]; left out: the network's.
    network : Cellular
        Constants.
    """
    return network.efficiency(
        active_share(density, network),
        coverage(density, transmit_w, network),
        transmit_w,
        np.asarray(network.static_w) if static_w is None else static_w,
        np.asarray(network.idle_w) if idle_w is None else idle_w,
    )


def best_log_density(
    transmit_w: Array,
    static_w: Array | None = None,
    idle_w: Array | None = None,
    network: Cellular = NETWORK,
) -> Array:
    """Decimal logarithm of the density with the largest energy efficiency.

    Parameters
    ----------
    transmit_w, static_w, idle_w : [n], float64
        Powers [W]; left out: the network's.
    network : Cellular
        Constants.

    Returns
    -------
    [n], float64
        Of 1/m², to 1e-6.
    """
    static = np.broadcast_to(network.static_w if static_w is None else static_w, transmit_w.shape)
    idle = np.broadcast_to(network.idle_w if idle_w is None else idle_w, transmit_w.shape)

    def value(density: Array, power: Array, static: Array, idle: Array) -> Array:
        return efficiency(density, power, static, idle, network)

    return densest(value, transmit_w, static, idle)
