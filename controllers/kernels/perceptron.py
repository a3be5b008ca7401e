"""A perceptron from gains to powers, compiled: one decision, and batches by the same arithmetic.

A layer is cut into panels of 64 units, and what is left into panels of 16. A panel of 64 for four
networks at a time is sixteen sums in registers, to each of which every input adds a product: matrix
products get no faster. For one network alone, weights come from the second cache, and that takes
longer than the arithmetic; so inputs that are zero, as half of what rectified units pass on, are
skipped together with their weights.

Every sum runs over the inputs in order, from the bias on. So a network's powers are the same
numbers whether it is decided alone or in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import row_of
from slotwise.controllers.kernels.packs import choose, each, put, room_for, spread, take
from slotwise.controllers.kernels.perceptron_inputs import (
    DECIDED,
    OUT_OF_RANGE,
    Problem,
    can_be_served,
    read_inputs,
)
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["packed", "perceive", "perceive_one"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]

_LANES = 16
_WIDE = 4 * _LANES
_TILE = 4  # networks in registers together
_BLOCK = 64  # networks whose activations are in the cache together
_LEAST_LOGIT = -80.0  # a fraction of 1e-35
_NO_FLOOR = -3e38

# Columns of a layout: of its first row after those of the inputs, and of the rows of layers.
_SIGMOID, _ROUNDED = 4, 5
_INPUTS, _WIDE_PANELS, _NARROW_PANELS, _AT = range(4)


def packed(
    layers: Sequence[tuple[Floats, Floats]],
    stations: int,
    floor: float,
    *,
    log: bool,
    strongest: bool,
    sigmoid: bool,
    rounded: bool,
) -> tuple[Index, Floats]:
    """Bring weights into the order in which they are read.

    Parameters
    ----------
    layers : sequence of ([out, in], [out]) float32
        Weights and biases.
    stations : int
        Receivers N; the last layer's units are the users K, the first layer's inputs N K.
    floor : float
        Least gain whose logarithm is taken.
    log : bool
        Inputs are logarithms of gains to base two, not their square roots.
    strongest : bool
        Users take places in the order of their own gains, the largest first.
    sigmoid : bool
        The output is a sigmoid, not min(max(x, 0), 6) / 6.
    rounded : bool
        Powers above half the largest become the largest, others zero.

    Returns
    -------
    layout : [layers + 1, 6], int64
        Sizes and places.
    flat : [...], float32
        `floor`, and from multiples of 16 on the panels: a row of biases, then a row of weights for
        each input.
    """
    layout = np.zeros((len(layers) + 1, 6), np.int64)
    layout[0] = len(layers[-1][1]), stations, log, strongest, sigmoid, rounded
    parts = [np.full(_LANES, floor, np.float32)]
    at = _LANES
    for number, (weight, bias) in enumerate(layers, 1):
        outputs, inputs = weight.shape
        wide, rest = divmod(outputs, _WIDE)
        narrow = -(-rest // _LANES)
        layout[number, :4] = inputs, wide, narrow, at
        table = np.zeros((inputs + 1, wide * _WIDE + narrow * _LANES), np.float32)
        table[0, :outputs], table[1:, :outputs] = bias, weight.T
        first = 0
        for width in [_WIDE] * wide + [_LANES] * narrow:
            parts.append(table[:, first : first + width].ravel())
            first += width
        at += table.size
    flat: Floats = room_for(at, parts[0][0])
    np.concatenate(parts, out=flat)
    return layout, flat


@kernel(inline=True)
def _four(array: Floats, at: int) -> tuple[Any, Any, Any, Any]:
    """Sixty-four numbers from index `at`."""
    return (
        take(array, at),
        take(array, at + _LANES),
        take(array, at + 2 * _LANES),
        take(array, at + 3 * _LANES),
    )


@kernel(inline=True)
def _more(
    total: tuple[Any, Any, Any, Any], value: Any, row: tuple[Any, Any, Any, Any]
) -> tuple[Any, Any, Any, Any]:
    """Add a value times a row of weights to 64 sums."""
    return (
        total[0] + value * row[0],
        total[1] + value * row[1],
        total[2] + value * row[2],
        total[3] + value * row[3],
    )


@kernel(inline=True)
def _leave(y: Floats, at: int, total: tuple[Any, Any, Any, Any], floor: Any) -> None:
    """Write 64 sums, none below the floor."""
    put(y, at, choose(total[0] > floor, total[0], floor))
    put(y, at + _LANES, choose(total[1] > floor, total[1], floor))
    put(y, at + 2 * _LANES, choose(total[2] > floor, total[2], floor))
    put(y, at + 3 * _LANES, choose(total[3] > floor, total[3], floor))


@kernel(inline=True)
def _floor(layout: Index, number: int) -> float:
    """Least value that a layer may give: hidden units are rectified."""
    return _NO_FLOOR if number == len(layout) - 1 else 0.0


@kernel(inline=True)
def _tiles(
    x: Floats, y: Floats, room: tuple[int, int], flat: Floats, layer: Index, least: float
) -> None:
    """One layer for a multiple of four networks: `room` is networks, and numbers kept for each."""
    networks, stride = room
    inputs, at = layer[_INPUTS], layer[_AT]
    floor = spread(least, take(flat, 0))
    for panel in range(layer[_WIDE_PANELS]):
        for n in range(0, networks, _TILE):
            r = n * stride
            q = at
            a = _four(flat, q)
            b = c = d = a
            for i in range(inputs):
                q += _WIDE
                row = _four(flat, q)
                a = _more(a, each(x, r + i), row)
                b = _more(b, each(x, r + stride + i), row)
                c = _more(c, each(x, r + 2 * stride + i), row)
                d = _more(d, each(x, r + 3 * stride + i), row)
            r += panel * _WIDE
            _leave(y, r, a, floor)
            _leave(y, r + stride, b, floor)
            _leave(y, r + 2 * stride, c, floor)
            _leave(y, r + 3 * stride, d, floor)
        at += (inputs + 1) * _WIDE
    done = layer[_WIDE_PANELS] * _WIDE
    for panel in range(layer[_NARROW_PANELS]):
        for n in range(0, networks, _TILE):
            r = n * stride
            q = at
            e = take(flat, q)
            f = g = h = e
            for i in range(inputs):
                q += _LANES
                one = take(flat, q)
                e = e + each(x, r + i) * one
                f = f + each(x, r + stride + i) * one
                g = g + each(x, r + 2 * stride + i) * one
                h = h + each(x, r + 3 * stride + i) * one
            r += done + panel * _LANES
            put(y, r, choose(e > floor, e, floor))
            put(y, r + stride, choose(f > floor, f, floor))
            put(y, r + 2 * stride, choose(g > floor, g, floor))
            put(y, r + 3 * stride, choose(h > floor, h, floor))
        at += (inputs + 1) * _LANES


@kernel(inline=True)
def _alone(x: Floats, y: Floats, flat: Floats, layer: Index, least: float, felt: Index) -> None:
    """One layer for one network. `felt` is room for the inputs that are not zero."""
    inputs, at = layer[_INPUTS], layer[_AT]
    floor = spread(least, take(flat, 0))
    count = 0
    for i in range(inputs):
        felt[count] = i
        count += x[i] != 0.0
    for panel in range(layer[_WIDE_PANELS]):
        a = _four(flat, at)
        for f in range(count):
            i = felt[f]
            a = _more(a, each(x, i), _four(flat, at + (i + 1) * _WIDE))
        _leave(y, panel * _WIDE, a, floor)
        at += (inputs + 1) * _WIDE
    done = layer[_WIDE_PANELS] * _WIDE
    for panel in range(layer[_NARROW_PANELS]):
        e = take(flat, at)
        for f in range(count):
            i = felt[f]
            e = e + each(x, i) * take(flat, at + (i + 1) * _LANES)
        put(y, done + panel * _LANES, choose(e > floor, e, floor))
        at += (inputs + 1) * _LANES


@kernel(inline=True)
def _answer(problem: Problem, head: Index, seat: Index, y: Floats, at: int, power: Array) -> None:
    """Bend what the last layer gave, from `at` on, into powers of one problem."""
    gain, _, _, _, p_max, weight = problem
    served = 0
    for k in range(len(power)):
        served += can_be_served(gain, p_max, weight, k)
    for k in range(len(power)):
        z = np.float64(y[at + seat[k]])
        if head[_SIGMOID]:
            fraction = 1.0 / (1.0 + math.exp(-max(z, _LEAST_LOGIT)))
        else:
            fraction = min(max(z, 0.0), 6.0) / 6.0
        if head[_ROUNDED]:
            fraction = 1.0 if fraction > 0.5 else 0.0
        if served == 1:
            fraction = 1.0
        able = can_be_served(gain, p_max, weight, k)
        power[k] = fraction * p_max[k] if able else 0.0


@kernel(inline=True)
def _stride(layout: Index) -> int:
    """Numbers that are kept for a network between two layers."""
    widest = 0
    for number in range(1, len(layout)):
        layer = layout[number]
        units = layer[_WIDE_PANELS] * _WIDE + layer[_NARROW_PANELS] * _LANES
        widest = max(widest, units, layer[_INPUTS])
    return (widest + _LANES - 1) // _LANES * _LANES


@kernel()
def perceive(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    layout: Index,
    flat: Floats,
    power: Array,
) -> int:
    """Decide n problems of k users.

    Parameters
    ----------
    gain : [n, k, k], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [n, k] or [1, k], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    layout, flat
        From `packed`.
    power : [n, k], float64
        Written: powers [W].

    Returns
    -------
    int
        `DECIDED`, or why there are no powers.
    """
    samples, users = power.shape
    if users == 0:
        return DECIDED
    flat_gain = gain.reshape(samples, users * users)
    stride = _stride(layout)
    room = room_for(2 * _BLOCK * stride, flat[0])
    x, y = room[: _BLOCK * stride], room[_BLOCK * stride :]
    seat = np.empty((_BLOCK, users), np.int64)
    for start in range(0, samples, _BLOCK):
        count = min(samples - start, _BLOCK)
        for b in range(count):
            n = start + b
            problem = (
                gain[n],
                flat_gain,
                n,
                noise_power[row_of(noise_power, n)],
                p_max[row_of(p_max, n)],
                weight[row_of(weight, n)],
            )
            status = read_inputs(problem, layout, flat[0], seat[b], x, b * stride)
            if status != DECIDED:
                return status
        full = (count + _TILE - 1) // _TILE * _TILE
        for number in range(1, len(layout)):
            _tiles(x, y, (full, stride), flat, layout[number], _floor(layout, number))
            x, y = y, x
        for b in range(count):
            n = start + b
            problem = (
                gain[n],
                flat_gain,
                n,
                noise_power[row_of(noise_power, n)],
                p_max[row_of(p_max, n)],
                weight[row_of(weight, n)],
            )
            _answer(problem, layout[0], seat[b], x, b * stride, power[n])
    return DECIDED


@kernel()
def perceive_one(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    layout: Index,
    flat: Floats,
    power: Array,
) -> int:
    """Decide one problem of k users.

    Parameters
    ----------
    gain : [k, k], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [k], float64
        Noise and largest power [W] and weight of every user.
    layout, flat
        From `packed`.
    power : [k], float64
        Written: powers [W].

    Returns
    -------
    int
        `DECIDED`, or why there are no powers; `OUT_OF_RANGE` where lengths differ.
    """
    users = len(power)
    if not len(gain) == gain.shape[1] == len(noise_power) == len(p_max) == len(weight) == users:
        return OUT_OF_RANGE
    if users == 0:
        return DECIDED
    stride = _stride(layout)
    room = room_for(2 * stride, flat[0])
    x, y = room[:stride], room[stride:]
    seat, felt = np.empty(users, np.int64), np.empty(stride + 1, np.int64)
    problem = gain, gain.reshape(1, users * users), 0, noise_power, p_max, weight
    status = read_inputs(problem, layout, flat[0], seat, x, 0)
    if status != DECIDED:
        return status
    for number in range(1, len(layout)):
        _alone(x, y, flat, layout[number], _floor(layout, number), felt)
        x, y = y, x
    _answer(problem, layout[0], seat, x, 0, power)
    return DECIDED
