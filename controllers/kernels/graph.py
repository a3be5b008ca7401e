"""Message passing between users, compiled: sixteen receivers side by side.

The network is that of `slotwise.controllers.networks.graph`. A lane of a pack is a receiver, and
what runs is the place in its list of those it listens to; so the largest message is a comparison of
packs, and nothing is ever folded across lanes. Everyone listens to as many others, all of them or
the strongest few. Problems of few users are put one after another, for to a lane it is all the same
whose user it has.

Almost all time goes into the product of hidden units and weights of messages: eight sums at a time
stay in registers, a pack of hidden units is multiplied by eight weights that memory gives to all
lanes at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import row_of, user_is_valid
from slotwise.controllers.kernels.packs import choose, each, put, room_for, spread, take
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_of

__all__ = ["AT_ONCE", "Weights", "pass_messages"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Index = NDArray[np.int32]

Weights = tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats]
"""Of edges, messages, inner and outer units, each with its bias, stacked layer upon layer.

Shapes: [L, H, 5], [L, H], [L, H, M] (unlike torch's: units before messages), [L, M], [L, U, 3 + M],
[L, U], [L, 1, U], [L, 1]. M is a multiple of `AT_ONCE`. L is one where all layers share.
"""

AT_ONCE = 8
"""Numbers of a message that are summed up at a time."""

_LANES = 16
_FLOOR = 1e-3  # as of the network
_MOST = 3e38  # of single precision

# Numbers of a user, and of a sender: direct gain, weight, power. Numbers of a pair: what a receiver
# hears of a sender, and the sender of the receiver.
_DIRECT, _WEIGHT, _POWER, _KNOWN = 0, 1, 2, 3
_HEARD, _FELT, _PAIR = 0, 1, 2

_ABSENT, _PRESENT, _ALONE = 0, 1, 2

_USERS = 256
"""Users that problems of few are put together to: what is read of them stays in the cache."""


@kernel(reorder=True)
def _take_logarithms(values: Floats) -> None:
    """Logarithms to base two of gains, in place."""
    for i in range(values.size):
        values[i] = np.float32(log2_of(np.float64(values[i]) + _FLOOR))


@kernel()
def _meet(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    n: int,
    first: int,
    user: Floats,
    presence: Index,
) -> bool:
    """Read the users of a problem, numbered from `first`; whether they were in range.

    Written are direct gains in units of noise at full power, and weights, [3, padded], and who is
    present: whom no power can serve is not.
    """
    noises, limits, weights = row_of(noise_power, n), row_of(p_max, n), row_of(weight, n)
    padded = user.size // _KNOWN
    largest, valid = 1e-300, True
    for k in range(gain.shape[1]):
        if gain[n, k, k] * p_max[limits, k] > 0.0:
            largest = max(largest, weight[weights, k])
    for k in range(gain.shape[1]):
        noise, full, a = noise_power[noises, k], p_max[limits, k], weight[weights, k]
        direct = gain[n, k, k] * full / noise
        # Beyond single precision there is no gain to make a logarithm of.
        valid &= user_is_valid(noise, full, a) & (direct >= 0.0) & (direct < _MOST)
        user[_DIRECT * padded + first + k] = direct
        user[_WEIGHT * padded + first + k] = a / largest
        presence[first + k] = _PRESENT if direct > 0.0 and a > 0.0 else _ABSENT
    return valid


@kernel()
def _link(  # noqa: PLR0913 - a batch, and what is made of it
    gain: Array,
    noise_power: Array,
    p_max: Array,
    near: Index,
    n: int,
    first: int,
    presence: Index,
    pair: Floats,
    sender: Index,
) -> bool:
    """Read the links between users of a problem; whether they were in range.

    Written are gains in units of noise at full power, [blocks, E, 2, 16], and who sends,
    [blocks, E, 16].
    """
    noises, limits, lists = row_of(noise_power, n), row_of(p_max, n), row_of(near, n)
    users, listened = near.shape[1], near.shape[2]
    valid = True
    for k in range(users):
        block, lane = (first + k) // _LANES, (first + k) % _LANES
        begin = block * listened
        met = 0
        for e in range(listened):
            j = near[lists, k, e]
            heard = gain[n, k, j] * p_max[limits, j] / noise_power[noises, k]
            felt = gain[n, j, k] * p_max[limits, k] / noise_power[noises, j]
            valid &= (heard >= 0.0) & (felt >= 0.0) & (heard < _MOST) & (felt < _MOST)
            if presence[first + j] == _ABSENT:
                continue
            sender[(begin + met) * _LANES + lane] = first + j
            pair[((begin + met) * _PAIR + _HEARD) * _LANES + lane] = heard
            pair[((begin + met) * _PAIR + _FELT) * _LANES + lane] = felt
            met += 1
        if met == 0 and presence[first + k] == _PRESENT:
            presence[first + k] = _ALONE
        # To hear the same message twice changes nothing.
        for place in range(begin + met, begin + listened):
            sender[place * _LANES + lane] = sender[begin * _LANES + lane]
            for kind in range(_PAIR):
                again = pair[(begin * _PAIR + kind) * _LANES + lane]
                pair[(place * _PAIR + kind) * _LANES + lane] = again
    return valid


@kernel()
def _tell(user: Floats, sender: Index, number: int, sent: Floats) -> None:
    """Copy a number of users to wherever they send, [blocks, E, 3, 16]."""
    own = user[number * (user.size // _KNOWN) :]
    for place in range(sender.size // _LANES):
        to = (place * _KNOWN + number) * _LANES
        for lane in range(_LANES):
            sent[to + lane] = own[sender[place * _LANES + lane]]


@kernel(reorder=True, inline=True)
def _keep_larger(heard: Floats, number: int, message: Array) -> None:
    before = take(heard, number * _LANES)
    put(heard, number * _LANES, choose(message > before, message, before))


@kernel(reorder=True)
def _hide(
    sent: Floats, pair: Floats, place: int, weight: Floats, bias: Floats, hidden: Floats
) -> None:
    """Hidden units between what is known of sixteen pairs and their messages."""
    known, links = place * _KNOWN * _LANES, place * _PAIR * _LANES
    direct, worth = take(sent, known), take(sent, known + _WEIGHT * _LANES)
    power = take(sent, known + _POWER * _LANES)
    forth, back = take(pair, links), take(pair, links + _FELT * _LANES)
    zero = spread(0.0, direct)
    for i in range(bias.size):
        w = i * (_KNOWN + _PAIR)
        a = each(bias, i) + each(weight, w) * direct + each(weight, w + 1) * worth
        b = each(weight, w + 2) * power + each(weight, w + 3) * forth
        h = a + (b + each(weight, w + 4) * back)
        put(hidden, i * _LANES, choose(h > zero, h, zero))


@kernel(reorder=True)
def _hear(hidden: Floats, weight: Floats, bias: Floats, heard: Floats) -> None:
    """Messages of hidden units, of which receivers keep the largest numbers."""
    width = bias.size
    units = weight.size // width
    for o in range(0, width, AT_ONCE):
        s0, s1, s2, s3 = each(bias, o), each(bias, o + 1), each(bias, o + 2), each(bias, o + 3)
        s4, s5, s6, s7 = each(bias, o + 4), each(bias, o + 5), each(bias, o + 6), each(bias, o + 7)
        for i in range(units):
            h = take(hidden, i * _LANES)
            w = i * width + o
            s0, s1 = s0 + each(weight, w) * h, s1 + each(weight, w + 1) * h
            s2, s3 = s2 + each(weight, w + 2) * h, s3 + each(weight, w + 3) * h
            s4, s5 = s4 + each(weight, w + 4) * h, s5 + each(weight, w + 5) * h
            s6, s7 = s6 + each(weight, w + 6) * h, s7 + each(weight, w + 7) * h
        _keep_larger(heard, o, s0)
        _keep_larger(heard, o + 1, s1)
        _keep_larger(heard, o + 2, s2)
        _keep_larger(heard, o + 3, s3)
        _keep_larger(heard, o + 4, s4)
        _keep_larger(heard, o + 5, s5)
        _keep_larger(heard, o + 6, s6)
        _keep_larger(heard, o + 7, s7)


@kernel(reorder=True, inline=True)
def _answer(user: Floats, at: int, heard: Floats, layer: int, weights: Weights) -> Array:
    """Logits of the new powers of sixteen users."""
    padded = user.size // _KNOWN
    units, seen = weights[4].shape[1], weights[4].shape[2]
    weight, bias = weights[4][layer].reshape(units * seen), weights[5][layer]
    last, last_bias = weights[6][layer, 0], weights[7][layer]
    direct, worth = take(user, at), take(user, at + _WEIGHT * padded)
    power = take(user, at + _POWER * padded)
    zero = spread(0.0, direct)
    logit = each(last_bias, 0)
    for i in range(units):
        w = i * seen
        a = each(bias, i) + each(weight, w) * direct + each(weight, w + 1) * worth
        b = each(weight, w + 2) * power
        for o in range(0, seen - _KNOWN, 2):
            a = a + each(weight, w + 3 + o) * take(heard, o * _LANES)
            b = b + each(weight, w + 4 + o) * take(heard, (o + 1) * _LANES)
        a = a + b
        logit = logit + each(last, i) * choose(a > zero, a, zero)
    return logit


@kernel()
def _turn(
    user: Floats, sent: Floats, pair: Floats, layer: int, weights: Weights, room: Floats
) -> None:
    """Pass messages once, and take the powers that come of it."""
    first, first_bias, second, second_bias = weights[0], weights[1], weights[2], weights[3]
    units, width = second.shape[1], second.shape[2]
    to_hidden = first[layer].reshape(units * (_KNOWN + _PAIR))
    to_message = second[layer].reshape(units * width)
    hidden, heard = room[: units * _LANES], room[units * _LANES :]
    padded = user.size // _KNOWN
    blocks = padded // _LANES
    listened = pair.size // (_PAIR * padded)
    power = user[_POWER * padded :]
    for block in range(blocks):
        heard[:] = 0.0  # no message is below it
        for place in range(block * listened, (block + 1) * listened):
            _hide(sent, pair, place, to_hidden, first_bias[layer], hidden)
            _hear(hidden, to_message, second_bias[layer], heard)
        put(power, block * _LANES, _answer(user, block * _LANES, heard, layer, weights))
    for i in range(padded):
        power[i] = 1.0 / (1.0 + np.exp(-power[i]))


@kernel()
def _decide(user: Floats, presence: Index, p_max: Array, n: int, first: int, power: Array) -> None:
    """Write the powers of a problem down [W]."""
    fraction = user[_POWER * (user.size // _KNOWN) :]
    limits = row_of(p_max, n)
    for k in range(power.shape[1]):
        known = presence[first + k]
        share = (
            np.float64(fraction[first + k]) if known == _PRESENT else np.float64(known == _ALONE)
        )
        power[n, k] = share * p_max[limits, k]


@kernel()
def pass_messages(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    near: Index,
    layers: int,
    weights: Weights,
    power: Array,
) -> int:
    """Decide N problems of K users.

    Whom no power can serve, for want of weight, power or direct gain, is silent and heard by
    nobody; who hears nobody is at full power.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise [W], largest power [W], weight.
    near : [N, K, E] or [1, K, E], int32
        To whom each receiver listens.
    layers : int
        Times that messages are passed.
    weights
        See `Weights`.
    power : [N, K], float64
        Written: powers [W].

    Returns
    -------
    int
        -1, or a problem in which something is out of its range.
    """
    samples, users, listened = gain.shape[0], gain.shape[1], near.shape[2]
    together = max(1, min(_USERS // users, samples))
    padded = (together * users + _LANES - 1) // _LANES * _LANES
    one: Any = np.float32(1.0)
    user = room_for(_KNOWN * padded, one)
    sent = room_for(_KNOWN * padded * listened, one)
    pair = room_for(_PAIR * padded * listened, one)
    sender, presence = np.zeros(padded * listened, np.int32), np.zeros(padded, np.int32)
    room = room_for((weights[2].shape[1] + weights[2].shape[2]) * _LANES, one)
    for begin in range(0, samples, together):
        end = min(begin + together, samples)
        for n in range(begin, end):
            first = (n - begin) * users
            if not _meet(gain, noise_power, p_max, weight, n, first, user, presence):
                return n
            if not _link(gain, noise_power, p_max, near, n, first, presence, pair, sender):
                return n
        _take_logarithms(pair)
        _take_logarithms(user[:padded])
        user[_POWER * padded :] = one
        _tell(user, sender, _DIRECT, sent)
        _tell(user, sender, _WEIGHT, sent)
        for turn in range(layers):
            _tell(user, sender, _POWER, sent)
            _turn(user, sent, pair, turn % len(weights[0]), weights, room)
        for n in range(begin, end):
            _decide(user, presence, p_max, n, (n - begin) * users, power)
    return -1
