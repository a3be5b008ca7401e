"""Propagation: the mean gain of a link, and how it changes while a user moves.

A link has a distance and two random numbers of its own, drawn once when its user appears: a
level that decides whether it is in line of sight, and a standard normal that decides how deep in
the shadow of buildings it lies. Together with the path-loss law they give its mean gain, which
fading then multiplies. While the user moves, the distance changes, the level stays and the shadow
drifts with the metres travelled.

Not modelled: correlation of shadows or of lines of sight between the links of one user to
different stations or between neighbouring users; indoor users; antenna patterns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator import path_loss
from slotwise.emulator.radio import from_db
from slotwise.emulator.sections import (
    BoundedLaw,
    Channel,
    LogDistance,
    Macro,
    PowerLaw,
    Uma,
    Umi,
    UnitLoss,
)

__all__ = ["mean_gain", "move_shadow"]

Array = NDArray[np.float64]

# A distance of exactly zero is singular in most laws; a micrometre is not, and nobody is nearer.
_NEAREST_M = 1e-6


def mean_gain(channel: Channel, distance_m: Array, los_level: Array, shadow: Array) -> Array:
    """Linear mean gain of links: path loss, shadowing and antennas together.

    A link of a UMi or UMa channel is in line of sight while ``los_level < P_LOS(d)``. A uniform
    level gives each distance the right share of such links. That a link keeps its level while its
    user moves is a simplification of the spatially consistent states of 3GPP TR 38.901, section
    7.6.3.3: the state changes at most once on a way straight to or from the station, not back and
    forth with the buildings passed. The other laws take no notice of it.

    Parameters
    ----------
    channel : Channel
        ``path_loss``, ``carrier_hz``, ``antenna_gain_dbi``, ``min_distance_m`` and
        ``shadowing_db`` are used; ``shadowing_db = None`` stands for the deviations of TR 38.901
        in each state.
    distance_m : [...], float
        Distance on the ground, NaN where there is no such link [m].
    los_level : [...], float
        Uniform on [0, 1), one of each link [1].
    shadow : [...], float
        Standard normal, one of each link, positive for a stronger signal [1].

    Returns
    -------
    [...], float
        Linear power gain, 0 where the distance is NaN [1].
    """
    distance = np.maximum(distance_m, max(channel.min_distance_m, _NEAREST_M))
    loss_db, deviation_db = _loss_and_deviation(channel, distance, los_level)
    gain = from_db(channel.antenna_gain_dbi - loss_db + deviation_db * shadow)
    return np.where(np.isnan(distance_m), 0.0, gain)


def _loss_and_deviation(
    channel: Channel, distance: Array, los_level: Array
) -> tuple[Array, float | Array]:
    """Path loss [dB] and standard deviation of the shadowing [dB], both of a link's state."""
    deviation: float | Array = 0.0 if channel.shadowing_db is None else channel.shadowing_db
    law = channel.path_loss
    match law:
        case UnitLoss():
            loss = np.zeros_like(distance)
        case PowerLaw():
            loss = path_loss.power_law_db(distance, law.reference_m, law.exponent)
        case BoundedLaw():
            loss = path_loss.bounded_db(distance, law.exponent, law.reference_m, law.gain_db)
        case LogDistance():
            loss = path_loss.log_distance_db(
                distance, law.reference_loss_db, law.reference_m, law.exponent
            )
        case Macro():
            loss = path_loss.macro_db(distance)
        case Umi():
            los = los_level < path_loss.umi_los_probability(distance)
            heights = law.station_height_m, law.user_height_m
            loss = path_loss.umi_db(distance, los, channel.carrier_hz, *heights)
            if channel.shadowing_db is None:
                deviation = path_loss.umi_shadowing_db(los)
        case Uma():
            los = los_level < path_loss.uma_los_probability(distance, law.user_height_m)
            heights = law.station_height_m, law.user_height_m
            loss = path_loss.uma_db(distance, los, channel.carrier_hz, *heights)
            if channel.shadowing_db is None:
                deviation = path_loss.uma_shadowing_db(los)
        case _:
            heights = law.transmitter_height_m, law.receiver_height_m
            slant = np.hypot(distance, heights[0] - heights[1])
            loss = path_loss.p1411_db(slant, channel.carrier_hz, *heights)
    return loss, deviation


def move_shadow(
    shadow: Array, moved_m: ArrayLike, decorrelation_m: float, innovation: Array
) -> Array:
    r"""Shadow of links whose user has moved on: first-order autoregression in distance.

    .. math:: s' = \rho s + \sqrt{1 - \rho^2}\, e, \qquad \rho = e^{-\Delta x / d_\mathrm{cor}}

    The shadows along a way are then a stationary Gaussian process of unit variance whose
    correlation is exponential in the distance, M. Gudmundson, "Correlation model for shadow fading
    in mobile radio systems", Electron. Lett. 27(23), 1991, and 3GPP TR 38.901, eq. 7.4-5. The
    correlation is along the way travelled: a user who returns does not find the old shadow again.

    Parameters
    ----------
    shadow : [...], float
        Standard normal before the move [1].
    moved_m : [...], float
        Metres travelled since, not negative [m].
    decorrelation_m : float
        Distance over which the correlation falls to 1/e [m].
    innovation : [...], float
        Fresh standard normals [1].

    Returns
    -------
    [...], float
        Standard normal after the move [1].
    """
    moves = np.divide(moved_m, decorrelation_m)
    # expm1, because 1 - rho^2 loses its digits over steps of centimetres.
    return np.asarray(np.exp(-moves) * shadow + np.sqrt(-np.expm1(-2.0 * moves)) * innovation)
