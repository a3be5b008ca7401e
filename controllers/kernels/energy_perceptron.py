"""The perceptron for bits per joule, compiled: users are placed, seen, and given powers.

Its layers are a pack or two wide, so a decision is a few hundred products of packs, and what it
sees takes longer to write than to decide by. Networks of a batch are decided one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.energy_inputs import RECEIVED, inputs_of, see
from slotwise.controllers.kernels.loading import row_of
from slotwise.controllers.kernels.packs import choose, each, put, room_for, spread, take
from slotwise.controllers.kernels.perceptron_inputs import DECIDED
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["packed", "perceive_energy"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]

Network = tuple[Index, Floats, Floats, tuple[float, float, float]]
"""What `packed` gives: layout, panels, standardisation and rule."""

_LANES = 16
_INPUTS, _PANELS, _AT = range(3)  # columns of a layout
_STEPS_ALONE = 60  # of Dinkelbach's method, which needs less than ten


def packed(
    layers: Sequence[tuple[Floats, Floats]],
    mean: Floats,
    scale: Floats,
    rule: tuple[float, float, float],
) -> Network:
    """Bring weights into the order in which they are read.

    Parameters
    ----------
    layers : sequence of ([out, in], [out]) float32
        Weights and biases.
    mean, scale : [inputs], float32
        What inputs are standardised by.
    rule : (float, float, float)
        What units pass on of what is negative, where inputs and where outputs are cut.

    Returns
    -------
    layout : [layers, 3], int64
        Sizes and places.
    flat : [...], float32
        Panels of 16 units: a row of biases, then a row of weights for each input.
    seen : [2, inputs], float32
        `mean`, and one over `scale`.
    rule : (float, float, float)
        As given.
    """
    layout = np.zeros((len(layers), 3), np.int64)
    parts, at = [], 0
    for number, (weight, bias) in enumerate(layers):
        outputs, inputs = weight.shape
        panels = -(-outputs // _LANES)
        layout[number] = inputs, panels, at
        table = np.zeros((inputs + 1, panels * _LANES), np.float32)
        table[0, :outputs], table[1:, :outputs] = bias, weight.T
        parts += [table[:, p * _LANES : (p + 1) * _LANES].ravel() for p in range(panels)]
        at += table.size
    flat: Floats = room_for(at, parts[0][0])
    np.concatenate(parts, out=flat)
    return layout, flat, np.stack([mean, 1.0 / scale]).astype(np.float32), rule


@kernel(inline=True)
def _layer(x: Floats, y: Floats, flat: Floats, layer: Index, slope: float) -> None:
    """One layer; four sums of every fourth input, because a sum waits for the one before."""
    inputs, at = layer[_INPUTS], layer[_AT]
    for panel in range(layer[_PANELS]):
        a = take(flat, at)
        b = c = d = spread(0.0, a)
        i = 0
        while i + 3 < inputs:
            row = at + (i + 1) * _LANES
            a = a + each(x, i) * take(flat, row)
            b = b + each(x, i + 1) * take(flat, row + _LANES)
            c = c + each(x, i + 2) * take(flat, row + 2 * _LANES)
            d = d + each(x, i + 3) * take(flat, row + 3 * _LANES)
            i += 4
        while i < inputs:
            a = a + each(x, i) * take(flat, at + (i + 1) * _LANES)
            i += 1
        z = (a + b) + (c + d)
        put(y, panel * _LANES, choose(z > spread(0.0, z), z, spread(slope, z) * z))
        at += (inputs + 1) * _LANES


@kernel(inline=True)
def _leave_empty(x: Floats, places: int, served: int) -> None:
    """Make standardised inputs of places that nobody takes what they are in the mean: zero.

    The network has never seen a place empty, and what is usual leads it least astray.
    """
    at = places
    for u in range(places):
        if u >= served:
            x[u] = 0.0
        for v in range(places):
            if v != u:
                if max(u, v) >= served:
                    x[at] = 0.0
                at += 1
    for each_kind in range(3):
        for u in range(served, places):
            x[at + each_kind * places + u] = 0.0


@kernel(inline=True)
def _alone(gain: float, limit: float, circuits: float) -> float:
    """Power of who alone can be served, in units: Dinkelbach's method."""
    power = min(limit, RECEIVED / gain)
    for _ in range(_STEPS_ALONE):
        worth = math.log1p(gain * power) / (power + circuits)
        better = min(max(1.0 / worth - 1.0 / gain, 0.0), limit) if worth > 0.0 else limit
        if abs(better - power) <= 1e-12 * power:
            break
        power = better
    return power


@kernel(inline=True)
def _stand(inputs: Array, seen: Floats, farthest: float, x: Floats) -> None:
    """Inputs less what is usual, over how far they usually stray."""
    for i in range(len(inputs)):
        z = (np.float32(inputs[i]) - seen[0, i]) * seen[1, i]
        x[i] = min(max(z, -farthest), farthest)


@kernel()
def perceive_energy(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    cost: tuple[float, float],
    network: Network,
    power: Array,
) -> int:
    """Decide n problems of k users.

    Parameters
    ----------
    gain : [n, k, k], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [n, k] or [1, k], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    cost : (float, float)
        Amplifier inefficiency and circuit power of a user [W].
    network : tuple
        From `packed`.
    power : [n, k], float64
        Written: powers [W].

    Returns
    -------
    int
        `DECIDED`, or why there are no powers.
    """
    samples, users = power.shape
    layout, flat, seen, (slope, farthest, largest) = network
    places = 0
    while inputs_of(places) < seen.shape[1]:
        places += 1
    flat_gain = gain.reshape(samples, users * users)
    who, limit, snr = np.empty(users, np.int64), np.empty(places), np.empty((places, places))
    inputs = np.empty(seen.shape[1])
    stride = (max(seen.shape[1], places, 2 * _LANES) // _LANES + 1) * _LANES
    room = room_for(2 * stride, flat[0])
    last = len(layout) - 1
    for n in range(samples if users > 0 else 0):
        problem = (
            gain[n],
            flat_gain,
            n,
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
        )
        x, y = room[:stride], room[stride:]
        status, served, _ = see(problem, places, cost, who, limit, snr, inputs)
        if status != DECIDED:
            return status
        _stand(inputs, seen, farthest, x)
        if served < places:
            _leave_empty(x, places, served)
        for number in range(last):
            _layer(x, y, flat, layout[number], slope)
            x, y = y, x
        _layer(x, y, flat, layout[last], 1.0)
        power[n] = 0.0
        full = problem[4]
        for u in range(served):
            wanted = min(max(np.float64(y[u]), -largest), largest)
            aimed = 2.0**wanted * (RECEIVED / snr[u, u])
            power[n, who[u]] = full[who[u]] * (aimed / (limit[u] + aimed))
        if served == 1:
            best = _alone(snr[0, 0], limit[0], np.float64(places))
            power[n, who[0]] = full[who[0]] * min(best / limit[0], 1.0)
    return DECIDED
