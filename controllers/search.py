"""Searches over who is on: at the optimum almost every user is silent or at full power.

Under i.i.d. Rayleigh fading the best powers are on/off in all but a few draws in a thousand, so
the power-control problem is nearly one of choosing a set. One search grows sets from nothing, one
user at a time; another starts from any powers and moves one user at a time to either end. Both are
compiled (`slotwise.controllers.kernels`); here they meet arrays with any leading axes.
"""

from __future__ import annotations

import functools
import math
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.kernels.beam import best_sets
from slotwise.controllers.kernels.flip import flip
from slotwise.controllers.kernels.links import best_of as best_of_each

__all__ = ["best_of", "flat", "flipped", "grown", "keys_of", "one_flip", "problem_of", "refuse"]

Array = NDArray[np.float64]


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
    every = flat(problem)
    choices = np.empty((len(powers), *every.weight.shape))
    for choice, power in zip(choices, powers, strict=True):
        choice[...] = power.reshape(choice.shape)
    best = best_of_each(every.gain, every.noise_power, every.weight, choices)
    return best.reshape(problem.weight.shape)


def flipped(problem: Problem, power: Array) -> Array:
    """Best of given powers and where single switches lead from them, as they are and rounded.

    Users are switched to silence or full power, the best switch first, until none helps: once from
    the powers themselves and once from the powers rounded at half.

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
    every = flat(problem)
    moved = flip(*every, _plain(power, every.weight.shape), 2)
    return moved.reshape(problem.weight.shape)


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
    one = np.ones(weight.shape)
    return flip(*flat(Problem(snr, one, one, weight)), _plain(fraction, weight.shape), 1)


def grown(problem: Problem, width: int, depth: int | None = None, patience: int = 0) -> Array:
    """Best set that a beam search meets, everyone in it at full power.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    width : int
        Sets kept at every step. With one and no patience, this is the greedy search: add the user
        that raises the weighted sum rate most, until none does.
    depth : int, optional
        Most users in a set; left out: all.
    patience : int
        Steps without a better set before the search ends.

    Returns
    -------
    [..., K], float64
        Powers [W], zero or `p_max`.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """
    users = problem.weight.shape[-1]
    most = users if depth is None else min(depth, users)
    every = flat(problem)
    power = np.empty(every.weight.shape)
    if best_sets(*every, keys_of(users), width, most, patience, power) >= 0:
        refuse(problem)
    return power.reshape(problem.weight.shape)


def refuse(problem: Problem) -> NoReturn:
    """Say what a kernel has found to be out of its range.

    Raises
    ------
    ValueError
        Always.
    """
    broadcast(*problem)
    raise ValueError("gain, noise_power, p_max or weight is out of its range")


def problem_of(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
) -> Problem:
    """As `slotwise.controllers.base.broadcast`, but ranges are left to kernels that check them.

    To read a batch once more than needed costs as much as a search of few users.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    gain = np.asarray(gain)
    if (
        isinstance(noise_power, np.ndarray)
        and isinstance(p_max, np.ndarray)
        and isinstance(weight, np.ndarray)
        and gain.dtype == noise_power.dtype == p_max.dtype == weight.dtype == np.float64
        and gain.shape[:-1] == noise_power.shape == p_max.shape == weight.shape
        and gain.shape[-2:] == 2 * gain.shape[-1:]
    ):
        return Problem(gain, noise_power, p_max, weight)
    return broadcast(gain, noise_power, p_max, weight)


def flat(problem: Problem) -> Problem:
    """The problems one after another, as kernels read them: one leading axis, C-contiguous.

    Returns
    -------
    Problem
        Gains [N, K, K] and rows [N, K]; copies only where kernels could not read the input.
    """
    *lead, users = problem.weight.shape
    samples = math.prod(lead)
    rows = (_plain(row, (samples, users)) for row in problem[1:])
    return Problem(_plain(problem.gain, (samples, users, users)), *rows)


def _plain(array: Array, shape: tuple[int, ...]) -> Array:
    """An array of this shape that is contiguous and not read-only.

    Kernels are compiled for each kind of memory that they meet, and read-only is a kind.
    """
    flags = array.flags
    if not (flags.c_contiguous and flags.writeable):
        array = array.copy()
    return array.reshape(shape)


@functools.lru_cache(maxsize=64)
def keys_of(users: int) -> NDArray[np.uint64]:
    """Random numbers by which sets of users are known; the same in every process.

    The number of a set is the exclusive or of its members', as of a position in chess (Zobrist,
    1970).

    Parameters
    ----------
    users : int
        K.

    Returns
    -------
    [K], uint64
    """
    rng = np.random.default_rng(users)
    return rng.integers(2**64, size=users, dtype=np.uint64)
