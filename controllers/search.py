"""Searches over who is on: at the optimum almost every user is silent or at full power.

Under i.i.d. Rayleigh fading the best powers are on/off in all but a few draws in a thousand, so
the power-control problem is nearly one of choosing a set. One search grows the set from nothing,
one user at a time; the other starts from any powers and moves one user at a time to either end.
Both know the change of everyone's interference without summing it anew, a difference that is only
trusted until the true objective confirms it.

They work in the units of `slotwise.controllers.base.full_power_snr`, where every noise and every
largest power is one, on N problems of K users.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, full_power_snr
from slotwise.emulator.radio import sum_rate

__all__ = ["best_of", "blocks", "flipped", "grow", "one_flip"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_RISE = 1.0 + 1e-12  # a smaller relative gain is rounding, and could be taken back for ever
_BLOCK_VALUES = 2**18  # numbers in a temporary array, so that it stays in the cache


def best_of(problem: Problem, *powers: Array) -> Array:
    """Of several power vectors, the one with the highest weighted sum rate; among equals the first.

    Parameters
    ----------
    problem : Problem
        Gains, noise and weights with any leading axes.
    *powers : [..., K], float
        Powers [W], at least one.

    Returns
    -------
    [..., K], float64
        Powers [W].
    """
    if len(powers) == 1:
        return powers[0]
    every = np.stack(powers)
    value = sum_rate(problem.gain, every, problem.noise_power, problem.weight)
    best = value.argmax(axis=0)
    chosen: Array = np.take_along_axis(every, best[None, ..., None], axis=0)[0]
    return chosen


def flipped(problem: Problem, power: Array) -> Array:
    """Best of given powers and what `one_flip` makes of them, as they are and rounded at half.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    power : [..., K], float
        Powers [W].

    Returns
    -------
    [..., K], float64
        Powers [W], of no lower weighted sum rate.
    """
    users = power.shape[-1]
    p_max = problem.p_max
    fraction = np.divide(power, p_max, out=np.zeros_like(p_max), where=p_max > 0.0)
    flat = fraction.reshape(math.prod(fraction.shape[:-1]), users)
    raw, rounded = np.empty((2, *flat.shape))
    for which, snr, weight in blocks(problem, users**2):
        raw[which] = one_flip(snr, weight, flat[which])
        rounded[which] = one_flip(snr, weight, np.rint(flat[which]))
    ends = (moved.reshape(power.shape) * p_max for moved in (raw, rounded))
    return best_of(problem, power, *ends)


def blocks(problem: Problem, values: int) -> Iterator[tuple[slice, Array, Array]]:
    """Walk through many problems a block at a time, in units of full power.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    values : int
        Numbers that the caller keeps in memory for one problem, at least.

    Yields
    ------
    which : slice
        The problems of the block, counted along the flattened leading axes.
    snr : [n, K, K], float64
        `full_power_snr` of the block.
    weight : [n, K], float64
        Weights of the block.
    """
    users = problem.weight.shape[-1]
    if users == 0:
        return
    gain = problem.gain.reshape(-1, users, users)
    noise_power, p_max, weight = (row.reshape(-1, users) for row in problem[1:])
    step = max(1, _BLOCK_VALUES // max(values, 1))
    for first in range(0, len(weight), step):
        which = slice(first, first + step)
        part = Problem(gain[which], noise_power[which], p_max[which], weight[which])
        yield which, full_power_snr(part), part.weight


def grow(snr: Array, weight: Array) -> Array:
    """Greedy set: add the user that raises the weighted sum rate most, until none does.

    Step s costs s K logarithms a problem: the rates of the s members under each candidate.

    Parameters
    ----------
    snr : [N, K, K], float64
        Gains in units of noise at full power.
    weight : [N, K], float64
        Weights of the rates.

    Returns
    -------
    [N, K], float64
        Powers as fractions of the largest: zeros and ones.
    """
    samples, users = weight.shape
    active = np.zeros((samples, users))
    interference = np.ones((samples, users))
    best = np.zeros(samples)
    member = np.empty((samples, 0), dtype=np.int64)
    open_ = np.arange(samples)
    for _ in range(users):
        value = _values_of_adding(snr, weight, interference, open_, member)
        value[active[open_] > 0.0] = -np.inf
        chosen = value.argmax(axis=1)
        reached = value[np.arange(open_.size), chosen]
        rises = reached > best[open_] * _RISE
        open_, chosen, member = open_[rises], chosen[rises], member[rises]
        if open_.size == 0:
            break
        best[open_] = reached[rises]
        active[open_, chosen] = 1.0
        own = interference[open_, chosen]
        interference[open_] += snr[open_, :, chosen]
        interference[open_, chosen] = own
        member = np.concatenate([member, chosen[:, None]], axis=1)
    return active


def one_flip(snr: Array, weight: Array, fraction: Array) -> Array:
    """Switch single users to silence or full power, the best switch first, until none helps.

    Parameters
    ----------
    snr : [N, K, K], float64
        Gains in units of noise at full power.
    weight : [N, K], float64
        Weights of the rates.
    fraction : [N, K], float64
        Powers to start from, as fractions of the largest.

    Returns
    -------
    [N, K], float64
        Powers as fractions of the largest, of no lower weighted sum rate than the start's.
    """
    fraction = fraction.copy()
    unit = np.ones_like(fraction)
    best = sum_rate(snr, fraction, unit, weight)
    open_ = np.arange(len(fraction))
    while open_.size:
        part, power, scale = snr[open_], fraction[open_], weight[open_]
        ends = [_values_of_setting(part, scale, power, end) for end in (0.0, 1.0)]
        value = np.concatenate(ends, axis=1)
        users = power.shape[1]
        chosen = value.argmax(axis=1)
        power[np.arange(open_.size), chosen % users] = chosen // users
        reached = sum_rate(part, power, unit[open_], scale)
        rises = reached > best[open_] * _RISE
        open_ = open_[rises]
        fraction[open_] = power[rises]
        best[open_] = reached[rises]
    return fraction


def _values_of_adding(
    snr: Array, weight: Array, interference: Array, which: Index, member: Index
) -> Array:
    """Weighted sum of log(1 + SINR) with each user added to the set of members: [n, K]."""
    direct = np.einsum("nkk->nk", snr)[which]
    value: Array = weight[which] * np.log1p(direct / interference[which])
    if member.shape[1]:
        row = which[:, None]
        seen = snr[row, member]
        seen += interference[row, member][:, :, None]
        signal = snr[row, member, member][:, :, None]
        rate = np.log1p(np.divide(signal, seen, out=seen), out=seen)
        value += np.matmul(weight[row, member][:, None, :], rate)[:, 0, :]
    return value


def _values_of_setting(snr: Array, weight: Array, power: Array, end: float) -> Array:
    """Weighted sum of log(1 + SINR) with each user's power set to one end: [n, K]."""
    direct = np.einsum("nkk->nk", snr)
    signal = direct * power
    cross = snr.copy()
    np.einsum("nkk->nk", cross)[...] = 0.0
    interference = np.matmul(cross, power[:, :, None])
    interference += 1.0
    cross *= (end - power)[:, None, :]
    cross += interference
    # What is left when the strongest interferer goes may round to less than the noise alone.
    np.maximum(cross, 1.0, out=cross)
    sinr = np.divide(signal[:, :, None], cross, out=cross)
    np.einsum("nkk->nk", sinr)[...] = direct * end / interference[:, :, 0]
    value: Array = np.matmul(weight[:, None, :], np.log1p(sinr, out=sinr))[:, 0, :]
    return value
