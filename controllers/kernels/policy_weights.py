"""Weights of a graph policy, in the order in which its kernel reads them.

A matrix is cut into panels of 32 units, each a row of biases and then a row of weights for every
number that goes in. Widths are filled up to whole panels with zeros, which change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import room_for

__all__ = ["AGGREGATE", "OWN", "PANEL", "Packed", "packed"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Packed = tuple[NDArray[np.int64], Floats, NDArray[np.float64], NDArray[np.float64]]
"""Layout [5]: layers, padded width, padded hidden units, padded levels, levels; then all weights,
ends of the scale of gains [dB], and powers of the levels as fractions of the largest."""

AGGREGATE = 0.25
"""What the sum of messages is multiplied by."""

OWN = 2
"""Numbers that a user has of its own: code of its direct gain, weight."""

PANEL = 32
"""Units of a panel: two packs."""


def packed(tensors: Mapping[str, Floats], low_db: float, high_db: float, fraction: Array) -> Packed:
    """Bring weights into the order in which they are read.

    Parameters
    ----------
    tensors : mapping of str to float32
        See `slotwise.controllers.policies.GraphPolicySizes`.
    low_db, high_db : float
        Of the scale of gains.
    fraction : [A], float64
        Powers of the levels as fractions of the largest.

    Returns
    -------
    Packed
        Constant factors of the network are in the weights.
    """
    layers, hidden, double = tensors["hidden.weight"].shape
    units = double // 2
    levels = len(tensors["logit.weight"])
    width, hidden_width, level_width = _padded(units), _padded(hidden), _padded(levels)
    # Codes and sums of messages come with factors of two and a quarter: exact in any precision.
    twice = np.array([2.0, 1.0], np.float32)
    state = [*range(units), *range(width, width + units)]
    embed, head = tensors["embed.weight"] * twice, tensors["head.weight"].copy()
    head[:, units:] *= twice
    parts = [_panels(embed, tensors["embed.bias"], range(OWN), (OWN, width))]
    for n in range(layers):
        pair = np.zeros((2, width, units), np.float32)
        pair[:, :units] = tensors["pair.weight"][n].reshape(2, units, units)
        bias = np.zeros((2, width), np.float32)
        bias[:, :units] = tensors["pair.bias"][n].reshape(2, units)
        edge = np.zeros((2, width), np.float32)
        edge[:, :units] = 2.0 * tensors["edge"][n]
        inner = tensors["hidden.weight"][n].copy()
        inner[:, units:] *= np.float32(AGGREGATE)
        update, shift = tensors["update.weight"][n], tensors["update.bias"][n]
        parts += [
            _panels(pair.reshape(-1, units), bias.ravel(), range(units), (width, 2 * width)),
            edge.ravel(),
            _panels(inner, tensors["hidden.bias"][n], state, (2 * width, hidden_width)),
            _panels(update, shift, range(hidden), (hidden_width, width)),
        ]
    last = [*range(units), width, width + 1]
    logit, offset = tensors["logit.weight"], tensors["logit.bias"]
    parts += [
        _panels(head, tensors["head.bias"], last, (width + OWN, width)),
        _panels(logit, offset, range(units), (width, level_width)),
    ]
    one: Any = np.float32(1.0)
    flat: Floats = room_for(sum(part.size for part in parts), one)
    np.concatenate(parts, out=flat)
    layout = np.array([layers, width, hidden_width, level_width, levels], np.int64)
    return layout, flat, np.array([low_db, high_db]), np.array(fraction, np.float64)


def _padded(count: int) -> int:
    return -(-count // PANEL) * PANEL


def _panels(weight: Floats, bias: Floats, places: Sequence[int], size: tuple[int, int]) -> Floats:
    """Panels of 32 units: a row of biases, then a row of weights for each number that goes in.

    `places` are where in a row the columns of the weights belong, `size` is inputs and outputs.
    """
    inputs, outputs = size
    table = np.zeros((inputs + 1, outputs), np.float32)
    table[0, : len(bias)] = bias
    table[1:][list(places), : len(bias)] = weight.T
    return np.concatenate([table[:, at : at + PANEL].ravel() for at in range(0, outputs, PANEL)])
