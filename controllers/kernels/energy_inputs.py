"""What the perceptron for bits per joule sees of a problem: users in an order, gains in a unit.

Powers are in units of U = C / (mu K), where C is the circuit power of all users and K the number
that the network was made for, and gains such that noise is one. In these units energy efficiency is
sum_k r_k / (sum_k p_k + K) whatever a joule costs, and with fewer users than K too.

Users take places in the order in which greedy admission would let them in: next comes the one whose
transmission, of at most 0.4 U, adds the most to the sum rate of those before it. Each of the three
strongest is tried as the first, and the order whose best beginning carries the most bits per joule
is taken. So permuting users permutes their powers, and silent ones tend to be the last. A place
sees logarithms of its user's own gain, of what it hears of every other relative to that one's own
gain, and, where all are received ten times as strongly as noise, of the interference that it hears,
of the price of the interference that it makes, and of the water-filling point between the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, user_is_valid
from slotwise.controllers.kernels.perceptron_inputs import (
    DECIDED,
    OUT_OF_RANGE,
    TOO_MANY_USERS,
    can_be_served,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p, log2_of

__all__ = ["RECEIVED", "inputs_of", "see", "see_all"]

Array = NDArray[Any]
Index = NDArray[np.int64]

Problem = tuple[Array, Array, int, Array, Array, Array]
"""Gains [k, k]; gains of all problems [n, k k] and the number of this; noise, p_max, weight [k]."""

RECEIVED = 10.0
"""Signal to noise of everyone at the point that prices are computed at."""

_ADMITTED = 0.4  # greedy admission, in units U: 0.1 W where circuits take 1 W and mu is 4
_FIRSTS = 3
_BETTER = 1.0 + 1e-9
_LEAST_CROSS = 2.0**-13
_LEAST_PRICE = 1e-3
_LEAST_FILL = 2.0**-10
_LEAST_GAIN, _MOST_GAIN = 1e-30, 1e30
_LEAST_LIMIT = 1e-30
_LEAST_UNIT = 1e-9  # of the largest power, where circuits take nothing
_PER_BIT = 0.6931471805599453


@kernel(inline=True)
def inputs_of(places: int) -> int:
    """Number of inputs of a network for so many users: K² + 3 K + 1."""
    return places * places + 3 * places + 1


@kernel(inline=True)
def _units(
    problem: Problem, places: int, cost: tuple[float, float], gain: Array, full: Array
) -> float:
    """Write gains and largest powers of whom can be served, in units; return U [W].

    Parameters
    ----------
    problem : tuple
        See `Problem`.
    places : int
        Users K of the network.
    cost : (float, float)
        Amplifier inefficiency and circuit power of one user [W].
    gain : [k, k], float64
        Written: gains times U over noise; zero of and to whom cannot be served.
    full : [k], float64
        Written: largest powers over U; zero of whom cannot be served.
    """
    given, _, _, noise_power, p_max, weight = problem
    users = len(given)
    largest = 0.0
    for k in range(users):
        largest = max(largest, p_max[k])
    unit = max(users * cost[1] / (cost[0] * places), _LEAST_UNIT * largest, _LEAST_LIMIT)
    for k in range(users):
        able = can_be_served(given, p_max, weight, k)
        full[k] = min(p_max[k] / unit, _MOST_GAIN) if able else 0.0
    for k in range(users):
        scale = unit / noise_power[k] if full[k] > 0.0 else 0.0
        for j in range(users):
            heard = given[k, j] * scale if full[j] > 0.0 else 0.0
            gain[k, j] = min(heard, _MOST_GAIN)
        if full[k] > 0.0:
            gain[k, k] = max(gain[k, k], _LEAST_GAIN)
    return unit


@kernel(inline=True)
def _alone_worth(gain: Array, full: Array, k: int) -> float:
    """Signal to noise of a user that is admitted first."""
    strength: float = gain[k, k] * min(full[k], _ADMITTED)
    return strength


@kernel()
def _admit_after(gain: Array, full: Array, who: Index, heard: Array, circuits: float) -> float:
    """Put users behind the first in the order of greedy admission.

    Parameters
    ----------
    gain, full
        From `_units`.
    who : [served], int64
        Users who can be served; all but the first are put in order.
    heard : [k], float64
        Room for interference and noise of each user.
    circuits : float
        What the circuits of all take, in units.

    Returns
    -------
    float
        Energy efficiency, in bits and units, of the best beginning of the order.
    """
    served = len(who)
    heard[:] = 1.0
    most, rate, spent = 0.0, 0.0, circuits
    for place in range(served):
        best, rise, ahead = place, -1.0, -1.0
        for candidate in range(place, served if place else 1):
            k = who[candidate]
            power = min(full[k], _ADMITTED)
            # What the sum rate rises by is the logarithm of this product.
            factor = 1.0 + gain[k, k] * power / heard[k]
            for before in range(place):
                j = who[before]
                louder = heard[j] + gain[j, k] * power
                signal = gain[j, j] * min(full[j], _ADMITTED)
                factor *= heard[j] * (louder + signal) / (louder * (heard[j] + signal))
            if factor > rise or (factor == rise and gain[k, k] > ahead):
                best, rise, ahead = candidate, factor, gain[k, k]
        chosen = who[best]
        who[best] = who[place]
        who[place] = chosen
        power = min(full[chosen], _ADMITTED)
        rate += log2_of(rise)
        spent += power
        most = max(most, rate / spent)
        for k in range(len(full)):
            if k != chosen:
                heard[k] += gain[k, chosen] * power
    return most


@kernel(inline=True)
def _admit(gain: Array, full: Array, who: Index, circuits: float) -> int:
    """Write the users who can be served in the best order of admission; return how many.

    Parameters
    ----------
    gain, full
        From `_units`.
    who : [k], int64
        Written: user in each place, from the first on.
    circuits : float
        What the circuits of all take, in units.
    """
    users = len(full)
    served = 0
    for k in range(users):
        if full[k] > 0.0:
            at = served
            while at > 0 and _alone_worth(gain, full, who[at - 1]) < _alone_worth(gain, full, k):
                who[at] = who[at - 1]
                at -= 1
            who[at] = k
            served += 1
    heard = np.empty(users)
    by_worth, tried = who[:served].copy(), np.empty(served, np.int64)
    best = 0.0
    for first in range(min(served, _FIRSTS)):
        tried[:] = by_worth
        tried[0], tried[first] = by_worth[first], by_worth[0]
        worth = _admit_after(gain, full, tried, heard, circuits)
        # Many orders begin with the same users: rounding is not to choose among them.
        if worth > best * _BETTER:
            best = worth
            who[:served] = tried
    return served


@kernel(inline=True)
def _price(snr: Array, limit: Array, x: Array, at: int) -> None:
    """Write interference, price and water-filling point where all are received alike.

    Parameters
    ----------
    snr : [K, K], float64
        Gains in units, place by place; zero of places that are empty.
    limit : [K], float64
        Largest powers in units.
    x : [...], float64
        Written from `at` on: 3 K numbers whose logarithms are inputs.
    at : int
        See there.
    """
    places = len(limit)
    power, heard, rise = np.zeros(places), np.ones(places), np.zeros(places)
    total, rate = float(places), 0.0
    for u in range(places):
        if limit[u] > 0.0:
            power[u] = min(limit[u], RECEIVED / snr[u, u])
            total += power[u]
    for u in range(places):
        for v in range(places):
            if v != u:
                heard[u] += snr[u, v] * power[v]
        signal = snr[u, u] * power[u]
        rise[u] = signal / (heard[u] * (heard[u] + signal))
        rate += _PER_BIT * log2_1p(signal / heard[u])
    worth = max(rate / total, _LEAST_LIMIT)
    for u in range(places):
        price = 0.0
        for v in range(places):
            if v != u:
                price += snr[v, u] * rise[v]
        x[at + u] = heard[u]
        x[at + places + u] = price / worth + _LEAST_PRICE
        x[at + 2 * places + u] = max(snr[u, u] / (price + worth) - heard[u], _LEAST_FILL)


@kernel()
def see(
    problem: Problem,
    places: int,
    cost: tuple[float, float],
    who: Index,
    limit: Array,
    snr: Array,
    x: Array,
) -> tuple[int, int, float]:
    """Check one problem, give users places, and write what the network sees.

    Parameters
    ----------
    problem : tuple
        See `Problem`; k users, at least one.
    places : int
        Users K of the network.
    cost : (float, float)
        Amplifier inefficiency and circuit power of one user [W].
    who : [k], int64
        Written: user in each place that is taken.
    limit : [K], float64
        Written: largest powers in units of U, place by place; zero where nobody is.
    snr : [K, K], float64
        Written: gains in these units.
    x : [inputs], float64
        Written: inputs, neither standardised nor clipped.

    Returns
    -------
    status, served : int
        `DECIDED` or why there are no inputs, and how many places are taken.
    unit : float
        U [W].
    """
    given, flat_gain, n, noise_power, p_max, weight = problem
    users = len(given)
    if users > places:
        return TOO_MANY_USERS, 0, 0.0
    valid = gains_are_valid(flat_gain, n)
    for k in range(users):
        valid &= user_is_valid(noise_power[k], p_max[k], weight[k])
    if not valid:
        return OUT_OF_RANGE, 0, 0.0
    gain, full = np.empty((users, users)), np.empty(users)
    unit = _units(problem, places, cost, gain, full)
    served = _admit(gain, full, who, float(places))
    snr[:] = 0.0
    limit[:] = 0.0
    most = _LEAST_LIMIT
    for u in range(served):
        limit[u] = full[who[u]]
        most = max(most, limit[u])
        for v in range(served):
            snr[u, v] = gain[who[u], who[v]]
    at = places
    for u in range(places):
        x[u] = max(snr[u, u], _LEAST_GAIN)
        for v in range(places):
            if v != u:
                x[at] = snr[u, v] / max(snr[v, v], _LEAST_GAIN) + _LEAST_CROSS
                at += 1
    _price(snr, limit, x, at)
    x[len(x) - 1] = most
    for i in range(len(x)):
        x[i] = log2_of(x[i])
    return DECIDED, served, unit


@kernel()
def see_all(gain: Array, limit: Array, order: Index, snr: Array, full: Array, x: Array) -> int:
    """What the network sees of n problems in which everyone can be served, to learn from.

    Parameters
    ----------
    gain : [n, K, K], float64
        Gains in units: noise is one, and so is what mu and circuits make of a user's power.
    limit : [n, K], float64
        Largest powers in these units.
    order : [n, K], int64
        Written: user in each place.
    snr, full : [n, K, K] and [n, K], float32
        Written: the same, place by place.
    x : [n, K² + 3 K + 1], float32
        Written: inputs.

    Returns
    -------
    int
        `DECIDED`, or why there are no inputs.
    """
    samples, places = limit.shape
    flat_gain = gain.reshape(samples, places * places)
    one = np.ones(places)
    place_limit, place_snr = np.empty(places), np.empty((places, places))
    seen = np.empty(inputs_of(places))
    for n in range(samples):
        problem = gain[n], flat_gain, n, one, limit[n], one
        status, _, _ = see(problem, places, (1.0, 1.0), order[n], place_limit, place_snr, seen)
        if status != DECIDED:
            return status
        snr[n] = place_snr
        full[n] = place_limit
        x[n] = seen
    return DECIDED
