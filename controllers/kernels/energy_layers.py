"""A layer of the learned optimiser of energy efficiency, for sixteen users at a time.

The network is `slotwise.controllers.networks.energy.EnergyNetwork`; here is what its layers do to
users one by one, in float32. Numbers of users lie in packs, as in
`slotwise.controllers.kernels.unrolled_layers`, whose perceptron and messages these layers share:
what is seen besides the state, and what comes out, only have other lengths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels import unrolled_layers
from slotwise.controllers.kernels.packs import each, least, put, spread, take
from slotwise.controllers.kernels.unrolled_layers import Shape, layer_size
from slotwise.controllers.kernels.unrolled_packs import LANES, exp_of, log2_of, most, root_of
from slotwise.emulator.kernels.compilation import kernel

__all__ = [
    "FEATURES",
    "FLOOR",
    "HARM",
    "POWER",
    "ROWS",
    "SILENT",
    "START_FEATURES",
    "START_SPENT",
    "earn",
    "listen",
    "log_1p_of",
    "look",
    "lower",
    "move",
    "packed",
    "place_of",
    "radiate",
    "size_of",
    "suffer",
]

Array = NDArray[Any]
Tensors = Mapping[str, NDArray[np.float32]]

# Numbers of the torch network; a test holds them to it.
FEATURES = 12
"""Closed forms that a layer sees of a user."""

START_FEATURES = 9
"""What a user knows at the start besides what sets do."""

START_SPENT = 0.4
"""Users start at the power that costs so much of their circuit power."""

FLOOR, SILENT = 1e-4, 1.6e-4
"""Least power, and the least that is no silence, by the one that anybody would notice."""

_LEAST, _LEAST_MESSAGE = 1e-30, 1e-2
_RANGE, _RATIO_RANGE, _STEP_RANGE = 20.0, 10.0, 6.0
_SCALE, _SHIFT = 4.0, 4.0
_NORM = 1e-5
_LN2 = math.log(2.0)

# What is known of a user, by rows: given, as it was worked out before the layers, and as it is now.
OWN, COST, WEIGHT, LOG_OWN, LOG_COST, LOG_WEIGHT, LEAST_POWER, LEAST_AT = range(8)
AT, POWER, INTERFERENCE, SPENT, RATE, ALPHA, BILL, HARM, PRICE, LEVEL = range(8, 18)
ROWS = 18


def packed(tensors: Tensors, layers: int, state: int, hidden: int, channels: int) -> Array:
    """Weights of a network in the order in which they are read.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        The torch network's, by its names.
    layers, state, hidden, channels : int
        Its sizes.

    Returns
    -------
    [...], float32
        In a pack of their own the sizes of a network of
        `slotwise.controllers.kernels.unrolled_layers` whose layers have as many inputs and outputs:
        one more number in the state, because of the gate, and so one other input less. Then of each
        of the start's outputs the bias and weights, and the layers, as that module orders them.

    Raises
    ------
    KeyError
        If tensors are missing.
    """
    late = FEATURES - unrolled_layers.FEATURES - 1
    start = tensors["start.weight"]
    chain = (start.shape[1] - START_FEATURES) // 2
    sizes = np.array([layers, state + 1, hidden, channels, chain, late])
    parts: list[Array] = [np.pad(sizes, (0, LANES - len(sizes)))]
    parts.append(np.c_[tensors["start.bias"], start])
    for layer in range(layers):
        place = f"layers.{layer}"
        if channels:
            name = f"{place}.message"
            parts += _tiles(4, tensors[f"{name}.bias"][None], tensors[f"{name}.weight"].T)
        inner, bias = tensors[f"{place}.inner.weight"], tensors[f"{place}.inner.bias"]
        parts.append(tensors[f"{place}.outer.bias"])
        parts += _tiles(8, bias[None], inner.T, tensors[f"{place}.outer.weight"])
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def _tiles(size: int, *rows: Array) -> list[Array]:
    """Columns of matrices, so many at a time, one matrix below the other; the last are zeros."""
    every = np.concatenate(rows)
    every = np.pad(every, ((0, 0), (0, -every.shape[1] % size)))
    return [every[:, first : first + size] for first in range(0, every.shape[1], size)]


@kernel(inline=True)
def size_of(shape: Shape) -> tuple[int, int]:
    """Inputs of a layer's perceptron, and its outputs."""
    return FEATURES + shape.state - 1 + 2 * shape.channels, shape.state + 1


@kernel(inline=True)
def place_of(shape: Shape, layer: int) -> tuple[int, int]:
    """Where the weights of a layer's messages begin, and those of the rest of it."""
    sent, rest = layer_size(shape)
    start = LANES + shape.state * (1 + START_FEATURES + 2 * shape.chain)
    first = start + layer * (sent + rest)
    return first, first + sent


@kernel(inline=True)
def _log(x: Array) -> Array:
    """Natural logarithm of what is not negative, and of `_LEAST` where it is zero."""
    value: Array = log2_of(x + spread(_LEAST, x)) * spread(_LN2, x)
    return value


@kernel(inline=True)
def log_1p_of(x: Array) -> Array:
    """Natural logarithm of 1 + x, exact to the last places however small x is.

    Not to be reordered: what rounding takes from 1 + x is put back.
    """
    one = spread(1.0, x)
    total = one + x
    lost = x - (total - one)
    value: Array = log2_of(total) * spread(_LN2, x) + lost / total
    return value


@kernel(inline=True)
def _within(x: Array, largest: float) -> Array:
    """Cut to a range around zero."""
    return most(least(x, spread(largest, x)), spread(-largest, x))


@kernel(reorder=True, inline=True)
def _sum(matrix: Array, stride: int, users: int, k: int, values: Array, first: int) -> Array:
    """Sum of the rows of a matrix, each times a value, in columns k and the next."""
    even = spread(0.0, take(matrix, k))
    odd = even
    for j in range(0, users, 2):
        row = j * stride + k
        even = even + take(matrix, row) * each(values, first + j)
        odd = odd + take(matrix, row + stride) * each(values, first + j + 1)
    total: Array = even + odd
    return total


@kernel(reorder=True, inline=True)
def lower(state: Array, stride: int, k: int, at: Array) -> None:
    """Put sixteen users to these logarithms of powers, or as near as their range allows."""
    at = most(least(at, spread(0.0, at)), take(state, LEAST_AT * stride + k))
    put(state, AT * stride + k, at)
    put(state, POWER * stride + k, exp_of(at))


@kernel(reorder=True, inline=True)
def radiate(back: Array, state: Array, stride: int, users: int, k: int) -> None:
    """Interference, rates and consumption of sixteen users at their powers."""
    power = take(state, POWER * stride + k)
    one = spread(1.0, power)
    i = one + _sum(back, stride, users, k, state, POWER * stride)
    put(state, INTERFERENCE * stride + k, i)
    put(state, SPENT * stride + k, one + take(state, COST * stride + k) * power)
    put(state, RATE * stride + k, log_1p_of(take(state, OWN * stride + k) * power / i))


@kernel(reorder=True, inline=True)
def earn(state: Array, stride: int, k: int, apart: bool, efficiency: float) -> None:
    """What a bit of sixteen users is worth, what a watt costs them, and what harms them.

    Parameters
    ----------
    state : [ROWS stride], float32
        Rows of users.
    stride : int
        Length of a row.
    k : int
        First of the sixteen users.
    apart : bool
        Whether everyone's bits count per joule of its own.
    efficiency : float
        Of all, where they do not.
    """
    weight, cost = take(state, WEIGHT * stride + k), take(state, COST * stride + k)
    alpha, bill = weight, cost * spread(efficiency, cost)
    if apart:
        spent = take(state, SPENT * stride + k)
        alpha = weight / spent
        bill = alpha * cost * take(state, RATE * stride + k) / spent
    i = take(state, INTERFERENCE * stride + k)
    signal = take(state, OWN * stride + k) * take(state, POWER * stride + k)
    put(state, ALPHA * stride + k, alpha)
    put(state, BILL * stride + k, bill)
    put(state, HARM * stride + k, alpha * signal / (i * (i + signal)))


@kernel(reorder=True, inline=True)
def suffer(cross: Array, state: Array, stride: int, users: int, k: int) -> None:
    """What sixteen users are to pay for their power, and the level that it makes them fill."""
    price = _sum(cross, stride, users, k, state, HARM * stride)
    paid = price + take(state, BILL * stride + k)
    alpha, i = take(state, ALPHA * stride + k), take(state, INTERFERENCE * stride + k)
    level = alpha / (paid + spread(_LEAST, paid)) - i / take(state, OWN * stride + k)
    level = most(level, take(state, LEAST_POWER * stride + k))
    put(state, PRICE * stride + k, price)
    put(state, LEVEL * stride + k, _log(least(level, spread(1.0, level))))


@kernel(inline=True)
def _see(seen: Array, at: int, feature: Array) -> None:
    """Write what is seen, as the network is given it."""
    put(seen, at, _within(feature, _RANGE) * spread(1.0 / _SCALE, feature))


@kernel(reorder=True, inline=True)
def look(state: Array, stride: int, k: int, apart: bool, seen: Array, first: int) -> None:
    """Closed forms of sixteen users, a pack for each, from index `first` of what is seen."""
    at, level = take(state, AT * stride + k), take(state, LEVEL * stride + k)
    price, bill = take(state, PRICE * stride + k), take(state, BILL * stride + k)
    rate = take(state, RATE * stride + k)
    log_own, log_cost = take(state, LOG_OWN * stride + k), take(state, LOG_COST * stride + k)
    log_alpha, log_bill = _log(take(state, ALPHA * stride + k)), _log(bill)
    log_i = _log(take(state, INTERFERENCE * stride + k))
    raised = _log(rate) + log_alpha - log_bill - at
    _see(seen, first, log_alpha + log_own - log_i - _log(price + bill))
    _see(seen, first + LANES, log_i)
    _see(seen, first + 2 * LANES, rate)
    _see(seen, first + 3 * LANES, log_bill - log_alpha)
    _see(seen, first + 4 * LANES, _within(_log(price) - log_bill, _RATIO_RANGE))
    _see(seen, first + 5 * LANES, _within(level - at, _RATIO_RANGE))
    _see(seen, first + 6 * LANES, at)
    _see(seen, first + 7 * LANES, log_cost)
    _see(seen, first + 8 * LANES, log_own)
    _see(seen, first + 9 * LANES, take(state, LOG_WEIGHT * stride + k) * spread(3.0, at))
    _see(seen, first + 10 * LANES, _within(raised, _RATIO_RANGE))
    _see(seen, first + 11 * LANES, spread(_SCALE if apart else -_SCALE, at))


@kernel(reorder=True, inline=True)
def listen(  # noqa: PLR0913 - gains both ways, messages, where to
    links: tuple[Array, Array],
    state: Array,
    stride: int,
    users: int,
    k: int,
    messages: Array,
    channels: int,
    seen: Array,
    at: int,
) -> None:
    """Sum messages to sixteen users, along links in both directions.

    Parameters
    ----------
    links : (array, array)
        Gains between users, and the same transposed.
    state : [ROWS stride], float32
        Rows of users.
    stride, users, k : int
        Length of a row, users in it, and the first of the sixteen.
    messages : [2 channels stride], float32
        Messages in units of ln 2, times power in the first half and harm in the second.
    channels : int
        Of each direction.
    seen : float32
        Written: what is heard and felt, from index `at`.
    """
    cross, back = links
    paid = take(state, PRICE * stride + k) + take(state, BILL * stride + k)
    hearing = spread(_LN2, paid) / take(state, INTERFERENCE * stride + k)
    feeling = spread(_LN2, paid) / (paid + spread(_LEAST, paid))
    tiny, third = spread(_LEAST_MESSAGE, paid), spread(_LN2 / 3.0, paid)
    for c in range(channels):
        heard = _sum(back, stride, users, k, messages, c * stride) * hearing
        felt = _sum(cross, stride, users, k, messages, (channels + c) * stride) * feeling
        put(seen, at + c * LANES, log2_of(heard + tiny) * third)
        put(seen, at + (channels + c) * LANES, log2_of(felt + tiny) * third)


@kernel(reorder=True, inline=True)
def move(
    shape: Shape, state: Array, stride: int, k: int, seen: Array, first: int, out: Array, at: int
) -> None:
    """Change what sixteen users remember, and their powers, as the perceptron answers.

    Parameters
    ----------
    shape : Shape
        Sizes, as `packed` tells them.
    state : [ROWS stride], float32
        Rows of users.
    seen : float32
        What is seen of these users, from index `first`; what they remember is in it.
    out : float32
        Outputs of the perceptron, from index `at`: gate, shift and state; overwritten.
    """
    memory, change, size = first + FEATURES * LANES, at + 2 * LANES, shape.state - 1
    total = spread(0.0, take(out, at))
    for s in range(size):
        value = take(seen, memory + s * LANES) + take(out, change + s * LANES)
        put(out, change + s * LANES, value)
        total = total + value
    share, one = spread(1.0 / size, total), spread(1.0, total)
    mean = total * share
    square = spread(0.0, total)
    for s in range(size):
        away = take(out, change + s * LANES) - mean
        square = square + away * away
    scale = one / root_of(square * share + spread(_NORM, mean))
    for s in range(size):
        put(seen, memory + s * LANES, (take(out, change + s * LANES) - mean) * scale)
    gate = one / (one + exp_of(spread(-1.0, one) - take(out, at)))
    before = take(state, AT * stride + k)
    step = _within(take(state, LEVEL * stride + k) - before, _STEP_RANGE)
    shift = spread(_SHIFT, one) * take(out, at + LANES)
    lower(state, stride, k, before + gate * step + shift)
