"""One pass of the unrolled network in which each receiver hears its neighbours alone.

As `slotwise.controllers.kernels.unrolled`, with sums over lists of neighbours. Between the sums,
users lie side by side in packs; for the messages along links they are turned, so that a pack holds
what one user sends in all channels, and one entry of a list moves all of it. Of small sets users
are told nothing: to look for them among a thousand would take longer than all layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import put, room_for, spread, take
from slotwise.controllers.kernels.sparse import Graph
from slotwise.controllers.kernels.unrolled_layers import (
    FEATURES,
    HARM,
    INTERFERENCE,
    LOGIT,
    MOST_SNR,
    OWN,
    POWER,
    PRICE,
    ROWS,
    START_LOGIT,
    WEIGHT,
    Shape,
    answer,
    begin,
    harm,
    layer_size,
    look,
    move,
    send,
    shape_of,
    write_heard,
)
from slotwise.controllers.kernels.unrolled_packs import LANES, turn
from slotwise.controllers.kernels.unrolled_start import remember, start_size
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["pass_among"]

Array = NDArray[Any]


class _Lists(NamedTuple):
    """Neighbours of receiver k from `most` k to `most` (k + 1): who, and with which gain."""

    most: int
    near: NDArray[np.uint32]
    cross: NDArray[np.float32]


@kernel()
def _load(graph: Graph, state: Array, stride: int) -> _Lists:
    """Read a network; links of those whom no power can serve count for nothing."""
    users, most = graph.near.shape
    lists = _Lists(most, np.empty(users * most, np.uint32), np.empty(users * most, np.float32))
    greatest = 0.0
    for k in range(users):
        if graph.direct[k] > 0.0:
            greatest = max(greatest, graph.weight[k])
    for k in range(users):
        served = graph.direct[k] * graph.weight[k] > 0.0
        state[OWN * stride + k] = min(graph.direct[k], MOST_SNR) if served else 0.0
        state[WEIGHT * stride + k] = graph.weight[k] / greatest if served else 0.0
    for k in range(users, stride):
        state[OWN * stride + k] = state[WEIGHT * stride + k] = 0.0
    for k in range(users):
        served = state[WEIGHT * stride + k] > 0.0
        for e in range(most):
            j = np.uint32(graph.near[k, e])
            lists.near[k * most + e] = j
            heard = served and state[WEIGHT * stride + j] > 0.0
            lists.cross[k * most + e] = min(graph.cross[k, e], MOST_SNR) if heard else 0.0
    return lists


@kernel(reorder=True)
def _hear(lists: _Lists, power: Array, interference: Array, users: int) -> None:
    """Interference, and noise, which is one."""
    most = lists.most
    one = np.float32(1.0)
    for k in range(users):
        near, cross = lists.near[k * most : k * most + most], lists.cross[k * most :]
        total = one
        for e in range(most):
            total += cross[e] * power[near[e]]
        interference[k] = total


@kernel()
def _charge(lists: _Lists, cost: Array, price: Array, users: int) -> None:
    """What everybody's interference costs those who hear it."""
    most = lists.most
    for k in range(len(price)):
        price[k] = 0.0
    for k in range(users):
        near, cross = lists.near[k * most : k * most + most], lists.cross[k * most :]
        its = cost[k]
        for e in range(most):
            price[near[e]] += cross[e] * its


@kernel(reorder=True)
def _listen(lists: _Lists, sent: Array, heard: Array, felt: Array, packs: int, users: int) -> None:
    """Sum messages along links in both directions, all channels of a user at once.

    Parameters
    ----------
    sent : [16 packs users], float32
        Messages of user k from ``16 packs k``.
    heard, felt : [16 packs users], float32
        Written: sums over those whom user k hears, and over those who hear it.
    """
    most, row = lists.most, packs * LANES
    zero = spread(0.0, take(sent, 0))
    for k in range(0, users * row, LANES):
        put(felt, k, zero)
    for k in range(users):
        for c in range(0, row, LANES):
            own = take(sent, k * row + c)
            total = zero
            for e in range(k * most, k * most + most):
                j: Any = np.int64(lists.near[e]) * row + c
                gain = spread(lists.cross[e], zero)
                total = total + gain * take(sent, j)
                put(felt, j, take(felt, j) + gain * own)
            put(heard, k * row + c, total)


@kernel(reorder=True, inline=True)
def _exchange(
    lists: _Lists,
    shape: Shape,
    state: Array,
    stride: int,
    users: int,
    messages: Array,
    turned: Array,
    seen: Array,
) -> None:
    """Send all messages, and put their sums to what users see."""
    channels = shape.channels
    inputs = FEATURES + shape.late + shape.state + 2 * channels
    packs = (2 * channels + LANES - 1) // LANES
    row = packs * LANES
    size = stride * row
    sent, heard, felt = turned[:size], turned[size : 2 * size], turned[2 * size : 3 * size]
    tile = turned[3 * size :]
    for k in range(0, users, LANES):
        i = take(state, INTERFERENCE * stride + k)
        for c in range(channels, 2 * channels):
            put(messages, c * stride + k, take(messages, c * stride + k) / i)
        for c in range(0, row, LANES):
            turn(messages, c * stride + k, stride, sent, k * row + c, row)
    _listen(lists, sent, heard, felt, packs, users)
    for k in range(0, users, LANES):
        for c in range(0, row, LANES):
            turn(heard, k * row + c, row, tile, c * LANES, LANES)
            turn(felt, k * row + c, row, tile, (row + c) * LANES, LANES)
        first = k * inputs + (FEATURES + shape.late + shape.state) * LANES
        for c in range(channels):
            here, there = take(tile, c * LANES), take(tile, (row + channels + c) * LANES)
            write_heard(seen, first + c * LANES, here, there, channels)


@kernel(reorder=True)
def _run(  # noqa: PLR0913 - weights, lists, users, room
    net: Array,
    shape: Shape,
    lists: _Lists,
    state: Array,
    stride: int,
    users: int,
    messages: Array,
    turned: Array,
    seen: Array,
    out: Array,
) -> None:
    """All layers."""
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    sent, rest = layer_size(shape)
    outputs = shape.state + 1
    at = LANES + start_size(shape)
    rows = state.reshape(ROWS, stride)
    for _ in range(shape.layers):
        _hear(lists, rows[POWER], rows[INTERFERENCE], users)
        for k in range(0, users, LANES):
            harm(state, stride, k)
        _charge(lists, rows[HARM], rows[PRICE], users)
        for k in range(0, users, LANES):
            look(state, stride, k, seen, k * inputs)
            if shape.channels > 0:
                send(net, at, shape, seen, k * inputs, messages, stride, k)
        if shape.channels > 0:
            _exchange(lists, shape, state, stride, users, messages, turned, seen)
        at += sent
        for k in range(0, users, LANES):
            answer(net, at, shape, seen, k * inputs, out, k * outputs)
        for k in range(0, users, LANES):
            move(shape, state, stride, k, seen, k * inputs, out, k * outputs)
        at += rest


@kernel()
def pass_among(graph: Graph, net: Array, logits: Array, fraction: NDArray[np.float64]) -> None:
    """Powers of one network in which receivers hear their neighbours.

    Parameters
    ----------
    graph : Graph
        Gains in units of noise, and weights.
    net : float32
        Weights as `slotwise.controllers.kernels.unrolled_layers.packed` orders them.
    logits : [S - 1, K], float32
        Logits of the second and further starts; the first is the network's own.
    fraction : [S, K], float64
        Written: powers from every start as fractions of the largest.
    """
    users = len(graph.weight)
    if users == 0:
        return
    shape = shape_of(net)
    one: Any = np.float32(1.0)
    stride = (users + LANES - 1) // LANES * LANES
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    row = (2 * shape.channels + LANES - 1) // LANES * LANES
    state, seen = room_for(ROWS * stride, one), room_for(inputs * stride, one)
    messages = room_for(row * stride, one)
    turned = room_for(3 * row * stride + 2 * row * LANES, one)
    out = room_for((shape.state + 1) * stride, one)
    lists = _load(graph, state, stride)
    for k in range(stride):
        state[INTERFERENCE * stride + k] = one
    for s in range(len(fraction)):
        for k in range(0, users, LANES):
            for a in range(k, min(k + LANES, users)):
                state[LOGIT * stride + a] = logits[s - 1, a] if s > 0 else START_LOGIT
            begin(state, stride, k, take(state, LOGIT * stride + k), seen, k * inputs)
            remember(net, shape, state, stride, k, out, False, 0.0, seen, k * inputs)
        _run(net, shape, lists, state, stride, users, messages, turned, seen, out)
        served = 0
        for k in range(users):
            serves = state[WEIGHT * stride + k] > 0.0
            fraction[s, k] = state[POWER * stride + k] if serves else 0.0
            served += serves
        for k in range(users if served == 1 else 0):  # who is alone
            fraction[s, k] = 1.0 if fraction[s, k] > 0.0 else 0.0
