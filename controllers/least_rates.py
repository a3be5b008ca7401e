"""Promised rates: can all be kept, whose are where not, and powers changed so that they are.

A rate r_min is an SINR gamma = 2^r_min - 1. That all users reach theirs is a set of linear
inequalities A p >= b in the powers, A = I - diag(gamma) F, F_kj = g_kj / g_kk for j != k,
b_k = gamma_k noise_k / g_kk. They have a solution p >= 0 if and only if the spectral radius of
diag(gamma) F is below one; then A^-1 >= 0, and p* = A^-1 b is the least of all of them, user by
user (J. Zander, IEEE Trans. Veh. Technol. 41(1), 1992; G. J. Foschini and Z. Miljanic, IEEE Trans.
Veh. Technol. 42(4), 1993). So all promises can be kept if and only if p* <= p_max.

Where they cannot, as many as possible are kept, as far as a greedy rule finds them: first those
who could not be served even alone lose theirs, then one user at a time is chosen as in Zander's
stepwise removal, until the others can be served; in the end each of the removed is tried again.
Those without a promise are served as well as the objective wants, and may be silent.

`slotwise.emulator.promise` solves the same equations for whole recordings at once, and knows
nothing of controllers; decisions need the factors as well, in microseconds, and so are compiled.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast
from slotwise.controllers.batch import Batch, batch_of
from slotwise.controllers.kernels import least_rates

__all__ = ["Feasibility", "Promises", "feasible", "guaranteed", "promised"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_DOUBLE: np.dtype[np.float64] = np.dtype(np.float64)


class Feasibility(NamedTuple):
    """Whether promised rates can be kept, and what it takes.

    Attributes
    ----------
    feasible : [...], bool
        Whether some powers within their limits keep all promises.
    power : [..., K], float64
        The least powers that do [W]. Where those exceed a limit, they are given all the same; they
        are infinite for whoever has a promise where no powers at all would do.
    """

    feasible: Flags
    power: Array


class Promises(NamedTuple):
    """Whose promises are kept.

    Attributes
    ----------
    gamma : [..., K], float64
        SINRs that are kept, linear; zero for users without a promise, or who have lost it.
    kept : [...], bool
        Whether nobody has lost one: the problem is feasible.
    """

    gamma: Array
    kept: Flags


def feasible(
    gain: Array, noise_power: Array | float, p_max: Array | float, gamma: Array | float
) -> Feasibility:
    """Decide whether promised SINRs can be reached by all, and with which least powers.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    gamma : [..., K] or scalar, float
        Promised SINRs, linear, see `slotwise.emulator.promise.least_sinr`; zero: none.

    Returns
    -------
    Feasibility
        A limit that is exceeded by less than 1e-9, relative, counts as kept, and is.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    batch = _batch(gain, noise_power, p_max, gamma, None)
    power, fits = np.empty((len(batch.gain), batch.shape[-1])), np.empty(len(batch.gain), bool)
    if least_rates.least(*batch[:4], power, fits) >= 0:
        _refuse(gain, noise_power, p_max, gamma)
    return Feasibility(fits.reshape(batch.shape[:-1]), power.reshape(batch.shape))


def promised(
    gain: Array, noise_power: Array | float, p_max: Array | float, gamma: Array | float
) -> Promises:
    """Decide whose promises are kept: everyone's where that is feasible, else a largest set's.

    No further promise could be kept beside those that are; a set with more members may exist. Ties
    are broken by the order of users, nothing else depends on it.

    Parameters
    ----------
    gain, noise_power, p_max, gamma
        As of `feasible`.

    Returns
    -------
    Promises

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    batch = _batch(gain, noise_power, p_max, gamma, None)
    found = _held(batch)
    if found is None:
        _refuse(gain, noise_power, p_max, gamma)
    _, member, kept = found
    sinr = np.where(member, batch.weight, 0.0)
    return Promises(sinr.reshape(batch.shape), kept.reshape(batch.shape[:-1]))


def guaranteed(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    power: Array | float,
    gamma: Array | float,
) -> Array:
    """Change powers so that promises are kept, everyone's where that is feasible.

    Powers that keep them already are returned as they are. Else what each has beyond its promise,
    s = max(A power - b, 0), is granted again on top of the least powers, as far as there is room
    for: p = p* + t A^-1 s, with the largest t in [0, 1] that no power limit forbids. A^-1 >= 0, so
    that A p = b + t s >= b: all are served, whatever the powers were.

    Parameters
    ----------
    gain, noise_power, p_max, gamma
        As of `feasible`.
    power : [..., K] or scalar, float
        Powers to change [W]; cut to [0, `p_max`] first.

    Returns
    -------
    [..., K], float64
        Powers [W]. Promises are kept to rounding: SINRs are aimed 1e-9 above the promised.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.

    Notes
    -----
    `slotwise.controllers.training.guarantee` is the same in torch, to be trained through.
    """
    batch = _batch(gain, noise_power, p_max, gamma, power)
    found = _held(batch)
    if found is None:
        _refuse(gain, noise_power, p_max, gamma)
    return found[0].reshape(batch.shape)


def _batch(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    gamma: Array | float,
    power: Array | float | None,
) -> Batch:
    """A batch with SINRs in the place of weights; kernels find what is out of its range."""
    batch = batch_of(gain, noise_power, p_max, gamma, power, _DOUBLE)
    if batch.gain.flags.writeable:
        return batch
    return batch._replace(gain=batch.gain.copy())  # kernels are compiled for each kind of memory


def _refuse(
    gain: Array, noise_power: Array | float, p_max: Array | float, gamma: Array | float
) -> NoReturn:
    """Say what is out of its range."""
    broadcast(gain, noise_power, p_max)
    raise ValueError(f"gamma = {gamma}: must be non-negative and finite")


def _held(batch: Batch) -> tuple[Array, Flags, Flags] | None:
    """Powers, whose promises are kept, and whether all are; None: a value is out of its range."""
    problems, users = len(batch.gain), batch.shape[-1]
    power = np.empty((problems, users))
    member, kept = np.empty((problems, users), dtype=bool), np.empty(problems, dtype=bool)
    arrays = batch.gain, batch.noise_power, batch.p_max, batch.weight, batch.start
    if least_rates.hold(*arrays, power, member, kept) >= 0:
        return None
    return power, member, kept
