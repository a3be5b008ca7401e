"""What a climb towards an objective works on: one problem, in units of noise at full power."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, user_is_valid
from slotwise.controllers.kernels.packs import BYTES, room_for
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["Problem", "Terms", "load", "room"]

Array = NDArray[np.float64]

# Parts of a problem's state, each with a number for every user and zeros after the last.
DIRECT, INVERSE, LIMIT, WEIGHT = 0, 1, 2, 3  # h_kk, 1 / h_kk, largest power, a
COST, OWN_COST = 4, 5  # of full power, to the network and to one's own efficiency
X, KEPT, TARGET = 6, 7, 8  # powers
HEARD, RATIO, C, PRICE = 9, 10, 11, 12  # interference and noise, SINR, what interference costs
GRADE, EXTRA = 13, 14  # A, and the price e of a power besides what the network consumes
_PARTS = 15

_SUM_RATE, _OWN_EFFICIENCIES = 0, 2  # places in slotwise.emulator.objective.Aim


class Problem(NamedTuple):
    """One problem of a batch.

    Attributes
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    flat : [N, K K], float64
        Gains of all problems.
    n : int
        Which of them this is.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W] and weight of every user.
    start : [1, K] or [0, K], float64
        Powers to start from [W], or none.
    """

    gain: Array
    flat: Array
    n: int
    noise_power: Array
    p_max: Array
    weight: Array
    start: Array


class Terms(NamedTuple):
    """What an objective is a ratio of.

    Attributes
    ----------
    own : bool
        Whether everyone's rate counts by the joules it consumes itself.
    circuit : float
        What the network consumes besides radiating [W]; one where that does not count.
    own_circuit : float
        What a user consumes besides radiating [W].
    scale : float
        Power at which a user consumes as much by radiating as besides [W]; infinity where energy
        does not count.
    """

    own: bool
    circuit: float
    own_circuit: float
    scale: float


@kernel(inline=True)
def room(users: int) -> tuple[Array, Array, Array, int]:
    """Memory for a problem: gains by transmitter and by receiver, state, and length of its parts.

    Two packs are the least that sums of rows are made of.
    """
    twice = BYTES // 4
    stride = max((users + twice - 1) // twice, 1) * twice
    square = stride * stride
    return room_for(square, 1.0), room_for(square, 1.0), room_for(_PARTS * stride, 1.0), stride


@kernel(reorder=True, inline=True)
def load(
    problem: Problem,
    heard: Array,
    cross: Array,
    state: Array,
    stride: int,
    aim: tuple[int, float, float],
) -> tuple[bool, Terms]:
    """Read a problem; whether it was in range, and what its objective is a ratio of."""
    place, inefficiency, circuit_w = aim
    users = len(problem.weight)
    valid = gains_are_valid(problem.flat, problem.n)
    own, counts = place == _OWN_EFFICIENCIES, place != _SUM_RATE
    for k in range(users):
        noise, full, weight = problem.noise_power[k], problem.p_max[k], problem.weight[k]
        valid &= user_is_valid(noise, full, weight)
        scale = 1.0 / noise
        for j in range(users):
            cross[k * stride + j] = problem.gain[k, j] * problem.p_max[j] * scale
        direct = cross[k * stride + k]
        cross[k * stride + k] = 0.0
        served = direct > 0.0 and weight > 0.0
        state[DIRECT * stride + k] = direct if served else 0.0
        state[INVERSE * stride + k] = 1.0 / direct if served else 0.0
        state[LIMIT * stride + k] = 1.0 if served else 0.0
        state[WEIGHT * stride + k] = state[GRADE * stride + k] = weight if served else 0.0
        cost = inefficiency * full if counts else 0.0
        state[COST * stride + k] = 0.0 if own else cost
        state[OWN_COST * stride + k] = cost if own else 0.0
        state[EXTRA * stride + k] = 0.0
    for k in range(users):
        for j in range(users):
            heard[j * stride + k] = cross[k * stride + j]
    shared = counts and not own
    return valid, Terms(
        own,
        users * circuit_w if shared else 1.0,
        circuit_w,
        circuit_w / inefficiency if counts and circuit_w * inefficiency > 0.0 else np.inf,
    )
