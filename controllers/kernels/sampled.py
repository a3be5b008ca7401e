"""Searches for powers whose sum rate is best on average over draws of uncertain gains.

Draws lie innermost, so that a user is added to a set, or a power changed, in all draws at once. In
float32: draws are noise, and what tells two sets apart is a thousandth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_single

__all__ = [
    "average_rate",
    "best_set_on_average",
    "draw_gains",
    "iterate_on_average",
    "same_antenna",
]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]
Keys = NDArray[np.uint64]

_MOST_SNR = 1e18
_ONE = np.float32(1.0)
_RISE = 1e-6  # a smaller relative gain is rounding


class _Sets(NamedTuple):
    """Sets: members in order of joining, interference and noise in every draw, mean rate, name."""

    member: Index
    interference: Floats
    value: Array
    fingerprint: Keys


@kernel(inline=True)
def _alike(a: Array, b: Array) -> bool:
    """Whether all numbers of two rows are the same; mostly the first tells."""
    same = 0
    while same < a.size and a[same] == b[same]:
        same += 1
    return same == a.size


@kernel()
def same_antenna(gain: Array, serving: Index, receiver: Index, transmitter: Index) -> None:
    """Who has an antenna together, told by the reported gains.

    Users of one station whose gains from all others are the same to the last digit are received by
    one antenna; by the gains to all others they are sent to by one. Users of one station with
    antennas of their own fade apart.

    Parameters
    ----------
    gain : [K, K], float64
        As reported; rows are receivers.
    serving : [K], int64
        Station of each user.
    receiver, transmitter : [K], int64
        Written: for every user the first who receives, or is sent to, by the same antenna.
    """
    for a in range(len(serving)):
        receiver[a] = transmitter[a] = a
        for b in range(a - 1, -1, -1):
            if serving[a] == serving[b]:
                if _alike(gain[a], gain[b]):
                    receiver[a] = b
                if _alike(gain[:, a], gain[:, b]):
                    transmitter[a] = b


@kernel()
def draw_gains(
    known: Array,
    unknown: Array,
    receiver: Index,
    transmitter: Index,
    noise_power: Array,
    p_max: Array,
    unit: Floats,
    gain: Floats,
) -> None:
    """Gains in units of noise at full power, |sqrt(known) + sqrt(unknown) e|^2.

    Parameters
    ----------
    known, unknown : [K, K], float64
        As of `slotwise.controllers.posterior.Belief`.
    receiver, transmitter : [K], int64
        As of `same_antenna`: links between the same antennas share every draw of e.
    noise_power, p_max : [K], float64
        Noise and largest power [W].
    unit : [2, K, K, D], float32
        Real and imaginary parts of e ~ CN(0, 1).
    gain : [K, K, D], float32
        Written.
    """
    users, draws = gain.shape[0], gain.shape[2]
    for k in range(users):
        for j in range(users):
            scale = p_max[j] / noise_power[k]
            sure = np.float32(np.sqrt(min(known[k, j] * scale, _MOST_SNR)))
            spread = np.float32(np.sqrt(min(unknown[k, j] * scale, _MOST_SNR)))
            a, b = receiver[k], transmitter[j]
            x, y = unit[0, a, b], unit[1, a, b]
            out = gain[k, j]
            for d in range(draws):
                real = sure + spread * x[d]
                imaginary = spread * y[d]
                out[d] = real * real + imaginary * imaginary


@kernel(reorder=True, inline=True)
def _rate(signal: Floats, interference: Floats, extra: Floats) -> float:
    """Mean of log2(1 + SINR) of one user over all draws, with more interference."""
    total = np.float32(0.0)
    for d in range(signal.size):
        heard = interference[d] + extra[d]
        total += log2_single(_ONE + signal[d] / heard)
    return float(total)


@kernel(reorder=True)
def average_rate(gain: Floats, weight: Array, fraction: Array) -> float:
    """Weighted sum rate on average over draws [bit/s/Hz].

    Parameters
    ----------
    gain : [K, K, D], float32
        In units of noise at full power.
    weight, fraction : [K], float64
        Weights; powers as fractions of the largest.
    """
    users, draws = gain.shape[0], gain.shape[2]
    heard, signal = np.empty(draws, np.float32), np.empty(draws, np.float32)
    none = np.zeros(draws, np.float32)
    value: float = 0.0
    for k in range(users):
        if fraction[k] <= 0.0 or weight[k] <= 0.0:
            continue
        _hear(gain, fraction, k, heard, signal)
        value += weight[k] * _rate(signal, heard, none)
    mean: float = value / draws
    return mean


@kernel(reorder=True, inline=True)
def _hear(gain: Floats, power: Array, k: int, heard: Floats, signal: Floats) -> None:
    """Interference and noise, and signal, of one user in every draw."""
    own = np.float32(power[k])
    for d in range(heard.size):
        heard[d] = _ONE
        signal[d] = gain[k, k, d] * own
    for j in range(len(power)):
        if j != k and power[j] > 0.0:
            p = np.float32(power[j])
            for d in range(heard.size):
                heard[d] += gain[k, j, d] * p


@kernel(inline=True)
def _no_sets(width: int, users: int, draws: int) -> _Sets:
    return _Sets(
        np.empty((width, users), np.int64),
        np.empty((width, users, draws), np.float32),
        np.empty(width),
        np.zeros(width, np.uint64),
    )


@kernel(reorder=True, inline=True)
def _value_with(
    gain: Floats, weight: Array, sets: _Sets, w: int, size: int, k: int, none: Floats
) -> float:
    """Rate of a set with one more user, summed over draws."""
    value: float = weight[k] * _rate(gain[k, k], sets.interference[w, k], none)
    for q in range(size):
        j = sets.member[w, q]
        value += weight[j] * _rate(gain[j, j], sets.interference[w, j], gain[j, k])
    return value


@kernel(inline=True)
def _offer(
    value: float, w: int, k: int, fingerprint: Any, best: Array, chosen: Index, names: Keys
) -> None:
    """Put a candidate among the best, best first, unless its set is there or it is too bad."""
    last = best.size - 1
    if value <= best[last]:
        return
    for q in range(last + 1):
        if names[q] == fingerprint and best[q] > 0.0:
            return
    q = last
    while q > 0 and best[q - 1] < value:
        best[q], names[q] = best[q - 1], names[q - 1]
        chosen[q, 0], chosen[q, 1] = chosen[q - 1, 0], chosen[q - 1, 1]
        q -= 1
    best[q], names[q] = value, fingerprint
    chosen[q, 0], chosen[q, 1] = w, k


@kernel(reorder=True, inline=True)
def _grow(
    gain: Floats, sets: _Sets, size: int, best: Array, chosen: Index, names: Keys, grown: _Sets
) -> int:
    """The best candidates as sets; how many they are."""
    count = 0
    while count < best.size and best[count] > 0.0:
        w, k = chosen[count]
        for q in range(size):
            grown.member[count, q] = sets.member[w, q]
        grown.member[count, size] = k
        before, after = sets.interference[w], grown.interference[count]
        for j in range(gain.shape[0]):
            for d in range(gain.shape[2]):
                after[j, d] = before[j, d] + (gain[j, k, d] if j != k else np.float32(0.0))
        grown.value[count], grown.fingerprint[count] = best[count], names[count]
        count += 1
    return count


@kernel()
def best_set_on_average(
    gain: Floats,
    weight: Array,
    key: Keys,
    width: int,
    depth: int,
    patience: int,
    fraction: Array,
) -> None:
    """Beam search over who is on, by the mean rate over draws, as `kernels.beam` for one draw.

    Parameters
    ----------
    gain : [K, K, D], float32
        In units of noise at full power.
    weight : [K], float64
        Weights; who has none is never on.
    key : [K], uint64
        Random numbers. A set is known by the exclusive or of its members'.
    width, depth, patience : int
        Sets kept; most members; steps without a better set before the search ends.
    fraction : [K], float64
        Written: one for members of the best set, else zero.
    """
    users, draws = gain.shape[0], gain.shape[2]
    sets, grown = _no_sets(width, users, draws), _no_sets(width, users, draws)
    sets.interference[0] = _ONE
    best, chosen = np.empty(width), np.empty((width, 2), np.int64)
    names, none = np.empty(width, np.uint64), np.zeros(draws, np.float32)
    fraction[:] = 0.0
    count, most, waited = 1, 0.0, 0
    for size in range(min(depth, users)):
        best[:] = 0.0
        for w in range(count):
            for k in range(users):
                taken = weight[k] <= 0.0
                for q in range(size):
                    taken |= sets.member[w, q] == k
                if not taken:
                    value = _value_with(gain, weight, sets, w, size, k, none)
                    _offer(value, w, k, sets.fingerprint[w] ^ key[k], best, chosen, names)
        count = _grow(gain, sets, size, best, chosen, names, grown)
        sets, grown = grown, sets
        if count == 0:
            break
        if sets.value[0] > most * (1.0 + _RISE):
            most, waited = sets.value[0], 0
            fraction[:] = 0.0
            for q in range(size + 1):
                fraction[sets.member[0, q]] = 1.0
        else:
            waited += 1
            if waited > patience:
                break


@kernel(reorder=True)
def iterate_on_average(
    gain: Floats, weight: Array, tolerance: float, most: int, fraction: Array
) -> int:
    """WMMSE of the mean rate over draws: receive filters and error weights of every draw.

    The iteration of `slotwise.controllers.wmmse`, whose amplitudes are found from sums over draws;
    the mean rate never falls (M. Razaviyayn, M. Sanjabi and Z.-Q. Luo, "A stochastic successive
    minimization method for nonsmooth nonconvex optimization", Math. Program. 157, 2016).

    Parameters
    ----------
    gain : [K, K, D], float32
        In units of noise at full power.
    weight : [K], float64
        Weights.
    tolerance : float
        Stop when the mean rate rises by less [bit/s/Hz].
    most : int
        Stop after so many iterations.
    fraction : [K], float64
        Powers to start from as fractions of the largest; overwritten.

    Returns
    -------
    int
        Iterations made.
    """
    users, draws = gain.shape[0], gain.shape[2]
    heard, signal = np.empty(draws, np.float32), np.empty(draws, np.float32)
    cost, pull, price = np.empty(draws, np.float32), np.empty(users), np.empty(users)
    last, count = -np.inf, 0
    while True:
        value = 0.0
        price[:] = 0.0
        for k in range(users):
            pull[k] = 0.0
            if fraction[k] > 0.0 and weight[k] > 0.0:
                _hear(gain, fraction, k, heard, signal)
                value += weight[k] * _ask(gain, k, weight[k], heard, signal, cost, pull, price)
        value /= draws
        if count >= most or value - last < tolerance:
            return count
        last = value
        count += 1
        for k in range(users):
            v = 0.0
            if pull[k] > 0.0:
                # The pull lacks a factor v, the amplitude before.
                v = min(1.0, np.sqrt(fraction[k]) * pull[k] / price[k])
            fraction[k] = v * v if v > 1e-12 else 0.0


@kernel(reorder=True, inline=True)
def _ask(
    gain: Floats,
    k: int,
    weight: float,
    heard: Floats,
    signal: Floats,
    cost: Floats,
    pull: Array,
    price: Array,
) -> float:
    """One user's sums over draws: its pull, what it costs everybody; its rate summed over draws."""
    total, asked = np.float32(0.0), np.float32(0.0)
    for d in range(heard.size):
        all_heard = heard[d] + signal[d]
        total += log2_single(all_heard / heard[d])
        asked += gain[k, k, d] / heard[d]
        cost[d] = signal[d] / (heard[d] * all_heard)
    pull[k] = weight * asked
    for j in range(price.size):
        added = np.float32(0.0)
        for d in range(heard.size):
            added += gain[k, j, d] * cost[d]
        price[j] += weight * added
    return float(total)
