"""What a step takes, compiled: powers of B networks from actions in bounded numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["ROUNDING", "choose_codes", "choose_levels"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

ROUNDING = 1e-6
"""A code this far outside [-1, 1] is rounding and not a mistake."""


@kernel()
def choose_levels(action: Ids, level: Array, user_id: Ids, power: Array) -> int:
    """Powers from numbers of levels.

    Parameters
    ----------
    action : [B, M], int64
        Numbers of levels; those of nobody are ignored.
    level : [L], float64
        Power of each level [W].
    user_id : [B, M], int64
        -1 for nobody.
    power : [B, M], float64
        Powers [W], written to; zero for nobody.

    Returns
    -------
    int
        Place b M + m of the first number of somebody that is no level; -1 if there is none.
    """
    networks, rows = action.shape
    for b in range(networks):
        for m in range(rows):
            power[b, m] = 0.0
            if user_id[b, m] >= 0:
                number = action[b, m]
                if number < 0 or number >= level.size:
                    return int(b * rows + m)
                power[b, m] = level[number]
    return -1


@kernel()
def choose_codes(
    action: NDArray[np.float32],
    range_db: float,
    off_below: float,
    p_max_w: float,
    user_id: Ids,
    power: Array,
) -> int:
    """Powers from codes in [-1, 1].

    Parameters
    ----------
    action : [B, M], float32
        Codes; those of nobody are ignored.
    range_db : float
        Decibels between the ends of the scale; 0: evenly in watts.
    off_below : float
        Share of the scale in dB below which a user is silent.
    p_max_w : float
        Largest power [W].
    user_id : [B, M], int64
        -1 for nobody.
    power : [B, M], float64
        Powers [W], written to; zero for nobody.

    Returns
    -------
    int
        Place b M + m of the first code of somebody that is outside [-1, 1] or NaN; -1 if none is.
    """
    networks, rows = action.shape
    for b in range(networks):
        for m in range(rows):
            power[b, m] = 0.0
            if user_id[b, m] >= 0:
                code = np.float64(action[b, m])
                if not (-1.0 - ROUNDING <= code <= 1.0 + ROUNDING):
                    return int(b * rows + m)
                share = min(max(0.5 * (code + 1.0), 0.0), 1.0)
                if range_db == 0.0:
                    power[b, m] = share * p_max_w
                elif share >= off_below:
                    power[b, m] = 10.0 ** (range_db / 10.0 * (share - 1.0)) * p_max_w
    return -1
