"""A layer of the unrolled network, for sixteen users at a time.

The network is `slotwise.controllers.networks.unrolled.UnrolledNetwork`; here is what its layers do
to users one by one, in float32. How users reach each other, along all links or some, is the
business of those who call. Numbers of users lie in packs, one number of sixteen users, so that
every weight is read once for sixteen.

Logarithms here are to base two and nothing is divided by three: `packed` puts such factors into the
weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import each, least, put, spread, take
from slotwise.controllers.kernels.unrolled_packs import (
    LANES,
    exp_of,
    log2_1p_exp_of,
    log2_of,
    most,
    root_of,
)
from slotwise.emulator.kernels.compilation import kernel

__all__ = [
    "FEATURES",
    "HARM",
    "INTERFERENCE",
    "LOGIT",
    "MOST_SNR",
    "OWN",
    "POWER",
    "PRICE",
    "ROWS",
    "START_LOGIT",
    "WEIGHT",
    "Shape",
    "answer",
    "begin",
    "harm",
    "layer_size",
    "look",
    "move",
    "packed",
    "send",
    "shape_of",
    "write_heard",
]

Array = NDArray[Any]
Tensors = Mapping[str, NDArray[np.float32]]

# Numbers of the torch network; a test holds them to it.
FEATURES = 8
"""Closed forms that a layer sees of a user."""

START_LOGIT = 2.0
"""Where users start."""

MOST_SNR = 1e18
"""Greatest gain in units of noise: its square is still a number in float32."""

_LEAST, _LEAST_PRICE, _LEAST_STEP, _LEAST_HEARD, _LEAST_FELT = 1e-6, 1e-4, 1e-8, 0.1, 1e-3
_LOG_RANGE, _STEP_RANGE, _GAP_RANGE, _LOGIT_RANGE = 24.0, 8.0, 8.0, 10.0
_NORM = 1e-5

_LN2 = math.log(2.0)
_PULL_RANGE = 1e15  # far beyond the step's range, and its square still a number

# What is known of a user, by rows: given, as it was worked out before the layers, and as it is now.
OWN, WEIGHT, _WORTH, _LOG_WORTH, LOGIT, POWER, INTERFERENCE, HARM, PRICE = range(9)
ROWS = 9

_UNITS = 8  # of the perceptron that are worked out together
_SENT = 4  # messages that are


class Shape(NamedTuple):
    """Sizes of a network.

    Attributes
    ----------
    layers, state, hidden, channels, chain, late : int
        As `slotwise.controllers.networks.unrolled.Sizes` has them.
    """

    layers: int
    state: int
    hidden: int
    channels: int
    chain: int
    late: int = 0


def packed(tensors: Tensors, shape: Shape) -> NDArray[np.float32]:
    """Weights of a network in the order in which they are read.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        The torch network's, by its names.
    shape : Shape
        Its sizes.

    Returns
    -------
    [...], float32
        The sizes, in a pack of their own: to hand over a tuple would take as long as the small
        network takes for ten users. The first state's: of each of its numbers the bias and weights.
        Then for each layer, where there are messages, those of four messages at a time: biases, and
        for each input four weights; the biases of the outputs; and for eight hidden units at a
        time: biases, for each input eight weights, and for each output eight weights.

    Raises
    ------
    KeyError, ValueError
        If tensors are missing or do not have these sizes.
    """
    told = FEATURES + shape.late + shape.state
    seen = np.full(told + 2 * shape.channels, _LN2 / 3.0)
    seen[FEATURES - 1] = 0.25
    seen[FEATURES:told] = 1.0
    chain = shape.chain
    known = np.r_[_LN2 / 4.0, _LN2, np.full(chain, _LN2 / 3.0), np.ones(max(chain - 1, 0))]
    weight, bias = _linear(tensors, "start", known, shape.state)
    parts = [np.array([*shape, *[0] * (LANES - len(shape))]), np.c_[bias, weight]]
    for layer in range(shape.layers):
        place = f"layers.{layer}"
        if shape.channels:
            weight, bias = _linear(tensors, f"{place}.message", seen[:told], 2 * shape.channels)
            parts += _tiles(_SENT, bias[None], weight.T)
        inner, inner_bias = _linear(tensors, f"{place}.inner", seen, shape.hidden)
        one = np.ones(shape.hidden)
        outer, outer_bias = _linear(tensors, f"{place}.outer", one, shape.state + 1)
        parts += [outer_bias, *_tiles(_UNITS, inner_bias[None], inner.T, outer)]
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


@kernel(inline=True)
def shape_of(net: Array) -> Shape:
    """Sizes of a packed network."""
    return Shape(int(net[0]), int(net[1]), int(net[2]), int(net[3]), int(net[4]), int(net[5]))


def _linear(tensors: Tensors, name: str, factor: Array, outputs: int) -> tuple[Array, Array]:
    """Weights [outputs, inputs] and biases of one linear map, whose inputs come without factors."""
    weight = tensors[f"{name}.weight"].astype(np.float64)
    bias = tensors[f"{name}.bias"].astype(np.float64)
    if weight.shape != (outputs, len(factor)) or bias.shape != (outputs,):
        raise ValueError(
            f"{name} has shapes {weight.shape} and {bias.shape}: must be "
            f"({outputs}, {len(factor)}) and ({outputs},)"
        )
    return weight * factor, bias


def _tiles(size: int, *rows: Array) -> list[Array]:
    """Columns of matrices, so many at a time, one matrix below the other; the last are zeros."""
    every = np.concatenate(rows)
    width = -(-every.shape[1] // size) * size
    every = np.pad(every, ((0, 0), (0, width - every.shape[1])))
    return [every[:, first : first + size] for first in range(0, width, size)]


@kernel(inline=True)
def layer_size(shape: Shape) -> tuple[int, int]:
    """Weights of a layer's messages, and of the rest of it."""
    seen = FEATURES + shape.late + shape.state
    sent = (2 * shape.channels + _SENT - 1) // _SENT * _SENT * (seen + 1)
    tiles = (shape.hidden + _UNITS - 1) // _UNITS * _UNITS
    outputs = shape.state + 1
    return sent, outputs + tiles * (1 + seen + 2 * shape.channels + outputs)


@kernel(reorder=True, inline=True)
def _powers(logit: Array) -> Array:
    """Powers as fractions of the largest."""
    one = spread(1.0, logit)
    power: Array = one / (one + exp_of(spread(0.0, logit) - logit))
    return power


@kernel(reorder=True, inline=True)
def begin(state: Array, stride: int, k: int, logit: Array, seen: Array, at: int) -> None:
    """Work out what stays the same in all layers, and the powers to start from.

    Parameters
    ----------
    state : [ROWS stride], float32
        Rows of users; `OWN` and `WEIGHT` are read.
    stride : int
        Length of a row.
    k : int
        First of the sixteen users.
    logit : pack
        To start from.
    seen : float32
        What the layers see of these users, from index `at`: a pack for every input.
    """
    tiny = spread(_LEAST, logit)
    own = take(state, OWN * stride + k) + tiny
    worth = (take(state, WEIGHT * stride + k) + tiny) * own
    put(state, _WORTH * stride + k, worth)
    put(state, _LOG_WORTH * stride + k, log2_of(worth))
    put(state, LOGIT * stride + k, logit)
    put(state, POWER * stride + k, _powers(logit))
    put(seen, at, least(log2_of(own), spread(_LOG_RANGE / _LN2, own)))


@kernel(reorder=True, inline=True)
def harm(state: Array, stride: int, k: int) -> None:
    """What a unit of interference costs sixteen receivers at the interference they hear."""
    i = take(state, INTERFERENCE * stride + k)
    signal = take(state, OWN * stride + k) * take(state, POWER * stride + k)
    cost = take(state, WEIGHT * stride + k) * signal / (i * (i + signal))
    put(state, HARM * stride + k, cost)


@kernel(reorder=True, inline=True)
def look(state: Array, stride: int, k: int, seen: Array, at: int) -> None:
    """Closed forms of sixteen users: all but their own gain's logarithm, which stays."""
    i = take(state, INTERFERENCE * stride + k)
    own = take(state, OWN * stride + k)
    power = take(state, POWER * stride + k)
    price = take(state, PRICE * stride + k)
    top = spread(_LOG_RANGE / _LN2, i)
    bottom = spread(0.0, i) - top
    log_i, log_total = log2_of(i), log2_of(i + own * power)
    log_price = log2_of(price + spread(_LEAST_PRICE, i))
    left = take(state, _LOG_WORTH * stride + k) - log_total - log_price
    put(seen, at + LANES, least(log_i, top))
    put(seen, at + 2 * LANES, least(log_total - log_i, top))
    put(seen, at + 3 * LANES, least(log2_of(i + own) - log_i, top))
    put(seen, at + 4 * LANES, least(log_price, top))
    put(seen, at + 5 * LANES, most(least(left, top), bottom))
    # WMMSE's next amplitude, worth sqrt(power) / (i paid): squared, one logarithm does it.
    paid = own * take(state, HARM * stride + k) + price + spread(_LEAST_STEP, i)
    pull = take(state, _WORTH * stride + k) / (i * paid)
    pull = most(least(pull, spread(_PULL_RANGE, i)), spread(1.0 / _PULL_RANGE, i))
    step = spread(0.5, i) * log2_of(pull * pull * power)
    high = spread(_STEP_RANGE / _LN2, i)
    put(seen, at + 6 * LANES, most(least(step, high), spread(0.0, i) - high))
    put(seen, at + 7 * LANES, take(state, LOGIT * stride + k))


@kernel(reorder=True, inline=True)
def send(
    net: Array, at: int, shape: Shape, seen: Array, first: int, messages: Array, stride: int, k: int
) -> None:
    """Messages of sixteen users, in units of ln 2.

    Parameters
    ----------
    net : float32
        Weights; those of this layer's messages begin at `at`.
    shape : Shape
        Sizes.
    seen : float32
        What is seen of these users, from index `first`.
    messages : float32
        Written: the message of user k in channel c at ``c stride + k``. Channels are padded to a
        multiple of four.
    """
    inputs = FEATURES + shape.late + shape.state
    for m in range(0, 2 * shape.channels, _SENT):
        s0, s1, s2, s3 = each(net, at), each(net, at + 1), each(net, at + 2), each(net, at + 3)
        at += _SENT
        for i in range(inputs):
            x = take(seen, first + i * LANES)
            s0 = s0 + x * each(net, at)
            s1 = s1 + x * each(net, at + 1)
            s2 = s2 + x * each(net, at + 2)
            s3 = s3 + x * each(net, at + 3)
            at += _SENT
        put(messages, m * stride + k, log2_1p_exp_of(s0))
        put(messages, (m + 1) * stride + k, log2_1p_exp_of(s1))
        put(messages, (m + 2) * stride + k, log2_1p_exp_of(s2))
        put(messages, (m + 3) * stride + k, log2_1p_exp_of(s3))


@kernel(reorder=True, inline=True)
def write_heard(seen: Array, at: int, heard: Array, felt: Array, channels: int) -> None:
    """Put sums of messages, in units of ln 2, to what sixteen users see of one channel.

    Parameters
    ----------
    seen : float32
        What is seen of these users; the channel of what is heard lies at `at`.
    heard, felt : pack
        Sums of what those send who are heard, and of what those send who hear these users.
    channels : int
        Of each direction.
    """
    ln2 = spread(_LN2, heard)
    put(seen, at, log2_of(heard * ln2 + spread(_LEAST_HEARD, heard)))
    put(seen, at + channels * LANES, log2_of(felt * ln2 + spread(_LEAST_FELT, felt)))


@kernel(reorder=True, inline=True)
def answer(net: Array, at: int, shape: Shape, seen: Array, first: int, out: Array, to: int) -> None:
    """Outputs of a layer's perceptron for sixteen users.

    Hidden units never leave the registers: eight are summed up, and added to all outputs at once.

    Parameters
    ----------
    net : float32
        Weights; those of this layer's perceptron begin at `at`.
    shape : Shape
        Sizes.
    seen : float32
        All inputs of these users, from index `first`.
    out : float32
        Written: a pack for every output, from index `to`.
    """
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    outputs = shape.state + 1
    for o in range(outputs):
        put(out, to + o * LANES, each(net, at + o))
    at += outputs
    for _ in range(0, shape.hidden, _UNITS):
        h0, h1, h2, h3 = each(net, at), each(net, at + 1), each(net, at + 2), each(net, at + 3)
        h4, h5, h6, h7 = each(net, at + 4), each(net, at + 5), each(net, at + 6), each(net, at + 7)
        at += _UNITS
        for i in range(inputs):
            x = take(seen, first + i * LANES)
            h0 = h0 + x * each(net, at)
            h1 = h1 + x * each(net, at + 1)
            h2 = h2 + x * each(net, at + 2)
            h3 = h3 + x * each(net, at + 3)
            h4 = h4 + x * each(net, at + 4)
            h5 = h5 + x * each(net, at + 5)
            h6 = h6 + x * each(net, at + 6)
            h7 = h7 + x * each(net, at + 7)
            at += _UNITS
        zero = spread(0.0, h0)
        h0, h1, h2, h3 = most(h0, zero), most(h1, zero), most(h2, zero), most(h3, zero)
        h4, h5, h6, h7 = most(h4, zero), most(h5, zero), most(h6, zero), most(h7, zero)
        for o in range(outputs):
            even = take(out, to + o * LANES) + h0 * each(net, at)
            odd = h1 * each(net, at + 1)
            even = even + h2 * each(net, at + 2)
            odd = odd + h3 * each(net, at + 3)
            even = even + h4 * each(net, at + 4)
            odd = odd + h5 * each(net, at + 5)
            even = even + h6 * each(net, at + 6)
            odd = odd + h7 * each(net, at + 7)
            put(out, to + o * LANES, even + odd)
            at += _UNITS


@kernel(reorder=True, inline=True)
def move(
    shape: Shape, state: Array, stride: int, k: int, seen: Array, first: int, out: Array, at: int
) -> None:
    """Change what sixteen users remember, their logits and powers, as the perceptron answers.

    Parameters
    ----------
    shape : Shape
        Sizes.
    state : [ROWS stride], float32
        Rows of users.
    seen : float32
        What is seen of these users, from index `first`; what they remember is in it.
    out : float32
        Outputs of `answer`, from index `at`; overwritten.
    """
    memory = first + (FEATURES + shape.late) * LANES
    total = spread(0.0, take(out, at))
    for s in range(shape.state):
        value = take(seen, memory + s * LANES) + take(out, at + s * LANES)
        put(out, at + s * LANES, value)
        total = total + value
    share = spread(1.0 / max(shape.state, 1), total)
    mean = total * share
    square = spread(0.0, total)
    for s in range(shape.state):
        away = take(out, at + s * LANES) - mean
        square = square + away * away
    scale = spread(1.0, mean) / root_of(square * share + spread(_NORM, mean))
    for s in range(shape.state):
        put(seen, memory + s * LANES, (take(out, at + s * LANES) - mean) * scale)
    moved = take(state, LOGIT * stride + k)
    moved = moved + spread(4.0, moved) * take(out, at + shape.state * LANES)
    one = spread(1.0, moved)
    turned = exp_of(moved * spread(2.0 / _LOGIT_RANGE, moved))
    logit = spread(_LOGIT_RANGE, moved) * (one - spread(2.0, moved) / (one + turned))
    put(state, LOGIT * stride + k, logit)
    put(state, POWER * stride + k, _powers(logit))
