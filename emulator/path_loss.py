"""Path loss: how much a signal weakens on its way, as a function of distance.

Each function is one published law: distance in metres in, loss in dB out, for arrays of any shape.
Nothing here is random. Where a standard makes the line of sight a matter of chance, the chance
is one function (``umi_los_probability``), the loss of a given state another (``umi_db``), and
:mod:`slotwise.emulator.propagation` brings them together with shadowing.

The laws are evaluated wherever they are defined, also outside the range of distances over which
they were fitted (stated in each docstring): a scenario keeps to the range by its minimum distance.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "bounded_db",
    "log_distance_db",
    "macro_db",
    "p1411_db",
    "power_law_db",
    "uma_db",
    "uma_los_probability",
    "uma_shadowing_db",
    "umi_db",
    "umi_los_probability",
    "umi_shadowing_db",
]

Array = NDArray[np.float64]

_TR38901_LIGHT_MPS = 3.0e8  # the value that the note under Table 7.4.1-1 prescribes
_TR38901_ENVIRONMENT_M = 1.0  # effective environment height h_E
_LIGHT_MPS = 299_792_458.0


# --- laws of one slope -----------------------------------------------------------------------


def power_law_db(distance_m: ArrayLike, reference_m: float, exponent: float) -> Array:
    """Loss of the gain (reference / d)^exponent, which is negative below the reference.

    With ``reference_m = 200`` and ``exponent = 3`` this is the interfering multiple-access channel
    of H. Sun et al., "Learning to optimize: training deep neural networks for interference
    management", IEEE Trans. Signal Process. 66(20), 2018.

    Parameters
    ----------
    distance_m : [...], float
        Distance, positive [m].
    reference_m : float
        Distance of unit gain [m].
    exponent : float
        Path-loss exponent on power [1].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    return np.asarray(10.0 * exponent * np.log10(np.divide(distance_m, reference_m)))


def bounded_db(
    distance_m: ArrayLike, exponent: float, reference_m: float = 1.0, gain_db: float = 0.0
) -> Array:
    """Loss 10 log10(1 + (d / d0)^exponent) - G: no singularity, -G dB at zero distance.

    The bounded law of stochastic geometry (M. Haenggi and R. K. Ganti, "Interference in large
    wireless networks", 2009), there with d0 = 1 m and G = 0 dB.

    Parameters
    ----------
    distance_m : [...], float
        Distance, not negative [m].
    exponent : float
        Path-loss exponent on power [1].
    reference_m : float
        Distance d0 at which half of the gain at zero distance is left [m].
    gain_db : float
        Gain G at zero distance [dB].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    ratio = np.divide(distance_m, reference_m)
    return np.asarray(10.0 * np.log10(1.0 + np.power(ratio, exponent)) - gain_db)


def log_distance_db(
    distance_m: ArrayLike, reference_loss_db: float, reference_m: float, exponent: float
) -> Array:
    """Loss L0 + 10 n log10(d / d0): T. S. Rappaport, "Wireless Communications", 2nd ed., eq. 4.68.

    Parameters
    ----------
    distance_m : [...], float
        Distance, positive [m].
    reference_loss_db : float
        Loss L0 at the reference distance [dB].
    reference_m : float
        Reference distance d0 [m].
    exponent : float
        Path-loss exponent n [1].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    return reference_loss_db + power_law_db(distance_m, reference_m, exponent)


def macro_db(distance_m: ArrayLike) -> Array:
    """Loss 128.1 + 37.6 log10(d_km), the macro cell of 3GPP TR 36.942, section 4.5.2.

    The general law there, 40 (1 - 0.004 H) log10 d_km - 18 log10 H + 21 log10 f_MHz + 80, with the
    antenna H = 15 m above the roofs and f = 2000 MHz. The carrier of the scenario does not enter.

    Parameters
    ----------
    distance_m : [...], float
        Distance, positive; simulations with this law keep users 35 m away or more [m].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    return log_distance_db(distance_m, 128.1, 1000.0, 3.76)


# --- 3GPP TR 38.901 --------------------------------------------------------------------------


def umi_los_probability(distance_2d_m: ArrayLike) -> Array:
    """Probability of line of sight in a UMi street canyon: 3GPP TR 38.901, Table 7.4.2-1.

    P = 1 up to 18 m, beyond it 18/d + exp(-d/36) (1 - 18/d), for an outdoor user.

    Parameters
    ----------
    distance_2d_m : [...], float
        Distance on the ground [m].

    Returns
    -------
    [...], float
        Probability [1].
    """
    return _los_probability(distance_2d_m, 36.0)


def uma_los_probability(distance_2d_m: ArrayLike, user_height_m: float = 1.5) -> Array:
    """Probability of line of sight in an urban macro cell: 3GPP TR 38.901, Table 7.4.2-1.

    P = 1 up to 18 m, beyond it

        [18/d + exp(-d/63) (1 - 18/d)] [1 + C' 5/4 (d/100)^3 exp(-d/150)],

    C' = 0 for users up to 13 m high, ((h - 13)/10)^1.5 for users from there to 23 m. Just beyond
    18 m the product exceeds one for high users (by less than 0.7%); it is cut to one.

    Parameters
    ----------
    distance_2d_m : [...], float
        Distance on the ground [m].
    user_height_m : float
        Height of the user's antenna, at most 23 m [m].

    Returns
    -------
    [...], float
        Probability [1].

    Raises
    ------
    ValueError
        The user is higher than the table goes.
    """
    if user_height_m > 23.0:
        raise ValueError(f"user_height_m = {user_height_m} must be at most 23 for the UMa table")
    low = _los_probability(distance_2d_m, 63.0)
    if user_height_m <= 13.0:
        return low
    distance = np.asarray(distance_2d_m, dtype=np.float64)
    height_term = ((user_height_m - 13.0) / 10.0) ** 1.5
    lift = height_term * 1.25 * (distance / 100.0) ** 3 * np.exp(-distance / 150.0)
    return np.asarray(np.minimum(low * (1.0 + lift), 1.0))


def _los_probability(distance_2d_m: ArrayLike, decay_m: float) -> Array:
    # From 18 m inwards the ratio is held at one, which makes the probability exactly one.
    ratio = 18.0 / np.maximum(distance_2d_m, 18.0)
    return np.asarray(ratio + np.exp(-np.divide(distance_2d_m, decay_m)) * (1.0 - ratio))


def umi_db(
    distance_2d_m: ArrayLike,
    los: ArrayLike,
    carrier_hz: float,
    station_height_m: float = 10.0,
    user_height_m: float = 1.5,
) -> Array:
    """Loss in a UMi street canyon: 3GPP TR 38.901, Table 7.4.1-1.

    With f in GHz, d3 the distance between the antennas and d'_BP the breakpoint distance,

        PL1  = 32.4 + 21 log10 d3 + 20 log10 f                                   d <= d'_BP
        PL2  = 32.4 + 40 log10 d3 + 20 log10 f - 9.5 log10(d'_BP^2 + (h_BS - h_UT)^2)  beyond
        NLOS = max(PL_LOS, 35.3 log10 d3 + 22.4 + 21.3 log10 f - 0.3 (h_UT - 1.5)).

    d'_BP = 4 (h_BS - h_E) (h_UT - h_E) f_c / c, where h_E = 1 m and c = 3e8 m/s. Indoor users
    (O2I penetration) are not modelled.

    Parameters
    ----------
    distance_2d_m : [...], float
        Distance on the ground; the table holds from 10 m to 5 km [m].
    los : [...], bool
        Whether the link is in line of sight.
    carrier_hz : float
        Carrier frequency, 0.5 to 100 GHz [Hz].
    station_height_m : float
        Height of the station's antenna, 10 m in the table [m].
    user_height_m : float
        Height of the user's antenna, 1.5 to 22.5 m [m].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    carrier_db = 10.0 * math.log10(carrier_hz / 1e9)
    slant = np.hypot(distance_2d_m, station_height_m - user_height_m)
    breakpoint_m = _breakpoint_m(carrier_hz, station_height_m, user_height_m)
    breakpoint_slant = math.hypot(breakpoint_m, station_height_m - user_height_m)
    near = 32.4 + 21.0 * np.log10(slant) + 2.0 * carrier_db
    far = 32.4 + 40.0 * np.log10(slant) + 2.0 * carrier_db - 19.0 * math.log10(breakpoint_slant)
    sight = np.where(np.asarray(distance_2d_m) <= breakpoint_m, near, far)
    hidden = 22.4 + 35.3 * np.log10(slant) + 2.13 * carrier_db - 0.3 * (user_height_m - 1.5)
    return np.where(los, sight, np.maximum(sight, hidden))


def uma_db(
    distance_2d_m: ArrayLike,
    los: ArrayLike,
    carrier_hz: float,
    station_height_m: float = 25.0,
    user_height_m: float = 1.5,
) -> Array:
    """Loss in an urban macro cell: 3GPP TR 38.901, Table 7.4.1-1.

    With f in GHz, d3 the distance between the antennas and d'_BP the breakpoint distance,

        PL1  = 28.0 + 22 log10 d3 + 20 log10 f                                   d <= d'_BP
        PL2  = 28.0 + 40 log10 d3 + 20 log10 f - 9 log10(d'_BP^2 + (h_BS - h_UT)^2)    beyond
        NLOS = max(PL_LOS, 13.54 + 39.08 log10 d3 + 20 log10 f - 0.6 (h_UT - 1.5)).

    d'_BP = 4 (h_BS - h_E) (h_UT - h_E) f_c / c with c = 3e8 m/s. For users below 13 m the note
    under the table gives h_E = 1 m with certainty; for higher ones it draws h_E at random, and here
    1 m is kept. Indoor users (O2I penetration) are not modelled.

    Parameters
    ----------
    distance_2d_m : [...], float
        Distance on the ground; the table holds from 10 m to 5 km [m].
    los : [...], bool
        Whether the link is in line of sight.
    carrier_hz : float
        Carrier frequency, 0.5 to 100 GHz [Hz].
    station_height_m : float
        Height of the station's antenna, 25 m in the table [m].
    user_height_m : float
        Height of the user's antenna, 1.5 to 22.5 m [m].

    Returns
    -------
    [...], float
        Loss [dB].
    """
    carrier_db = 10.0 * math.log10(carrier_hz / 1e9)
    slant = np.hypot(distance_2d_m, station_height_m - user_height_m)
    breakpoint_m = _breakpoint_m(carrier_hz, station_height_m, user_height_m)
    breakpoint_slant = math.hypot(breakpoint_m, station_height_m - user_height_m)
    near = 28.0 + 22.0 * np.log10(slant) + 2.0 * carrier_db
    far = 28.0 + 40.0 * np.log10(slant) + 2.0 * carrier_db - 18.0 * math.log10(breakpoint_slant)
    sight = np.where(np.asarray(distance_2d_m) <= breakpoint_m, near, far)
    hidden = 13.54 + 39.08 * np.log10(slant) + 2.0 * carrier_db - 0.6 * (user_height_m - 1.5)
    return np.where(los, sight, np.maximum(sight, hidden))


def _breakpoint_m(carrier_hz: float, station_height_m: float, user_height_m: float) -> float:
    station = station_height_m - _TR38901_ENVIRONMENT_M
    user = user_height_m - _TR38901_ENVIRONMENT_M
    return 4.0 * station * user * carrier_hz / _TR38901_LIGHT_MPS


def umi_shadowing_db(los: ArrayLike) -> Array:
    """Standard deviation of UMi shadowing: 4 dB in line of sight, 7.82 dB without.

    Source: 3GPP TR 38.901, Table 7.4.1-1.

    Parameters
    ----------
    los : [...], bool
        Whether the link is in line of sight.

    Returns
    -------
    [...], float
        Standard deviation [dB].
    """
    return np.where(los, 4.0, 7.82)


def uma_shadowing_db(los: ArrayLike) -> Array:
    """Standard deviation of UMa shadowing: 4 dB in line of sight, 6 dB without.

    Source: 3GPP TR 38.901, Table 7.4.1-1.

    Parameters
    ----------
    los : [...], bool
        Whether the link is in line of sight.

    Returns
    -------
    [...], float
        Standard deviation [dB].
    """
    return np.where(los, 4.0, 6.0)


# --- ITU-R P.1411 ----------------------------------------------------------------------------


def p1411_db(
    distance_m: ArrayLike,
    carrier_hz: float,
    transmitter_height_m: float,
    receiver_height_m: float,
    value: Literal["lower", "median", "upper"] = "median",
) -> Array:
    """Loss in line of sight along a street canyon at UHF: Recommendation ITU-R P.1411, section 4.1.

    Two slopes meet at R_bp = 4 h1 h2 / λ, where the loss is at least
    L_bp = abs(20 log10(λ^2 / (8 π h1 h2))). With x = log10(d / R_bp),

        value     d <= R_bp              beyond
        lower     L_bp + 20 x            L_bp + 40 x
        median    L_bp + 6 + 20 x        L_bp + 6 + 40 x
        upper     L_bp + 20 + 25 x       L_bp + 20 + 40 x.

    The bounds stand in the early editions of the Recommendation (P.1411-1, 2001); later ones, such
    as P.1411-9 (2017), where the section is 4.1.2, "site-specific model", also give the median.
    The formulas are those that the literature on device-to-device links evaluates; whether the
    newest edition still words them so has not been verified.

    Parameters
    ----------
    distance_m : [...], float
        Distance between the antennas, positive; meant for paths up to about 1 km [m].
    carrier_hz : float
        Carrier frequency, in the Recommendation 300 MHz to 3 GHz [Hz].
    transmitter_height_m, receiver_height_m : float
        Heights of the antennas above the street [m].
    value : {"lower", "median", "upper"}
        Which of the three curves.

    Returns
    -------
    [...], float
        Loss [dB].
    """
    wavelength = _LIGHT_MPS / carrier_hz
    heights = transmitter_height_m * receiver_height_m
    breakpoint_m = 4.0 * heights / wavelength
    breakpoint_db = abs(20.0 * math.log10(wavelength**2 / (8.0 * math.pi * heights)))
    offset_db = {"lower": 0.0, "median": 6.0, "upper": 20.0}[value]
    slope = 25.0 if value == "upper" else 20.0
    decades = np.log10(np.divide(distance_m, breakpoint_m))
    return np.asarray(breakpoint_db + offset_db + np.where(decades <= 0.0, slope, 40.0) * decades)
