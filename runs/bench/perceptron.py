"""A network of three hidden layers of 200, compiled: what WMMSE is said to be slower than.

Papers time a trained network against WMMSE in an interpreter. Here both are compiled, and both
decide one matrix of gains at a time. The weights are random, because time does not depend on them.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["Perceptron"]

Floats = NDArray[np.float32]

HIDDEN = (200, 200, 200)
"""The layers of Sun et al., IEEE Trans. Signal Process. 66(20), 2018, Section V."""


@kernel(reorder=True)
def _layer(values: Floats, weight: Floats, bias: Floats, out: Floats) -> None:
    """Outputs max(0, bias + sum_i values_i weight_i); a row of weights is one input's."""
    out[:] = bias
    for i in range(values.size):
        value = values[i]
        if value == 0.0:  # half of what a hidden layer passes on
            continue
        row = weight[i]
        for j in range(out.size):
            out[j] += value * row[j]
    for j in range(out.size):
        out[j] = max(out[j], np.float32(0.0))


@kernel(reorder=True)
def _forward(
    gain: Floats,
    weights: tuple[Floats, Floats, Floats, Floats],
    biases: tuple[Floats, Floats, Floats, Floats],
    rooms: tuple[Floats, Floats, Floats],
    power: Floats,
) -> None:
    """Gains in, powers out."""
    _layer(gain, weights[0], biases[0], rooms[0])
    _layer(rooms[0], weights[1], biases[1], rooms[1])
    _layer(rooms[1], weights[2], biases[2], rooms[2])
    _layer(rooms[2], weights[3], biases[3], power)
    for k in range(power.size):
        power[k] = min(power[k], np.float32(1.0))


class Perceptron:
    """A network K²–200–200–200–K with random weights, in single precision.

    Parameters
    ----------
    users : int
        K.
    seed : int
        Of the weights.
    """

    def __init__(self, users: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        sizes = (users**2, *HIDDEN, users)
        self.weights = tuple(
            (rng.standard_normal((fan_in, fan_out)) / fan_in**0.5).astype(np.float32)
            for fan_in, fan_out in itertools.pairwise(sizes)
        )
        self.biases = tuple(np.full(size, 0.1, np.float32) for size in sizes[1:])
        self._rooms = tuple(np.empty(size, np.float32) for size in HIDDEN)

    def decide(self, gain: Floats) -> Floats:
        """Powers for gains, shape (K, K) to (K,), float32."""
        power = np.empty(len(gain), np.float32)
        _forward(gain.ravel(), self.weights, self.biases, self._rooms, power)  # type: ignore[arg-type]
        return power
