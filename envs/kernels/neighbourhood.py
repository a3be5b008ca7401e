"""What a link sees of its neighbourhood, compiled: who disturbs it most, and whom it disturbs most.

Everything is made of the canonical observation and of nothing else, so that an environment and a
wrapper around one tell the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_of

__all__ = ["IN", "OUT", "OWN", "look_around"]

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Ids = NDArray[np.int64]

OWN, IN, OUT = 7, 5, 6
"""Numbers that are told of a link itself, of each interferer, and of each victim."""

_LOG10_OF_2 = 0.30102999566398120
_FRACTION_BITS = np.int64(52)
_BIAS = np.int64(1023)
_ROUNDING = 1.5 * 2.0**52

_ZERO = np.float32(0.0)  # which makes -0.0 equal to it
_MAGNITUDE = np.int32(0x7FFFFFFF)
_ROW_BITS = np.int64(16)
_LAST_ROW = 0xFFFF
_NOBODY = -(2**63)

# Taylor's series of 2^f = exp(f ln 2): the next term is below 6e-9 for |f| up to a half.
_E1 = 6.931471805599453e-01
_E2 = 2.402265069591007e-01
_E3 = 5.550410866482158e-02
_E4 = 9.618129107628477e-03
_E5 = 1.333355814642844e-03
_E6 = 1.540353039338161e-04
_E7 = 1.525273380405984e-05


@kernel(inline=True)
def _two_to(x: float) -> float:
    """2 to the power of x, to eight places, for |x| below 1000; arithmetic that vectorises."""
    shifted = x + _ROUNDING  # the last bits of which are the whole number nearest to x
    f = x - (shifted - _ROUNDING)
    scale = np.int64((np.float64(shifted).view(np.int64) + _BIAS) << _FRACTION_BITS)
    high = _E4 + f * (_E5 + f * (_E6 + f * _E7))
    return scale.view(np.float64) * (1.0 + f * (_E1 + f * (_E2 + f * (_E3 + f * high))))


@kernel(reorder=True)
def _hear(
    gain: Codes, power: Codes, low_db: float, high_db: float, range_db: float, heard: Array
) -> None:
    """Codes of the total interference that each link hears, on the scale of gains."""
    rows = power.size
    per_db = 0.1 / _LOG10_OF_2
    floor = 10.0 ** (low_db / 10.0)
    half = 0.5 * (high_db - low_db) * per_db
    middle = 0.5 * (high_db + low_db) * per_db
    sent = np.empty(rows)
    for j in range(rows):
        code = np.float64(power[j])
        sent[j] = _two_to(range_db * per_db * (code - 1.0)) if code > 0.0 else 0.0
    for k in range(rows):
        own = sent[k]
        sent[k] = 0.0  # so that one loop sums over all the others
        total = 0.0
        for j in range(rows):
            snr = _two_to(half * np.float64(gain[k, j]) + middle) - floor
            total += max(snr, 0.0) * sent[j]
        sent[k] = own
        heard[k] = min(max((log2_of(total + floor) - middle) / half, -1.0), 1.0)


@kernel()
def _rank(gain: Codes, mask: Codes, best: Ids) -> None:
    """Keys of the largest gains[j, k] of every k, from the largest down; see `_row_of`.

    All k are sorted side by side, by exchanges without a branch: what is random is not predicted.
    """
    most, rows = best.shape
    best[:] = _NOBODY
    key = np.empty(rows, np.int64)
    for j in range(rows):
        if mask[j] == 0.0:
            continue
        for k in range(rows):
            # The bits of a float in the order of its value; equal gains in the order of rows.
            bits = np.float32(gain[j, k] + _ZERO).view(np.int32)
            order = bits ^ ((bits >> np.int32(31)) & _MAGNITUDE)
            key[k] = (np.int64(order) << _ROW_BITS) + (_LAST_ROW - j)
        key[j] = _NOBODY
        for n in range(most):
            for k in range(rows):
                here, new = best[n, k], key[k]
                best[n, k], key[k] = max(here, new), min(here, new)


@kernel(inline=True)
def _row_of(key: int) -> int:
    """The row that a key is of."""
    return _LAST_ROW - (key & _LAST_ROW)


@kernel(inline=True)
def _tell_link(
    k: int, here: bool, gain: Codes, state: Codes, age: float, heard: Array, row: Codes
) -> None:
    """Tell of the link itself."""
    row[0] = gain[k, k] if here else -1.0
    for place in range(4):
        row[1 + place] = state[place, k] if here else 0.0
    row[5] = age if here else 0.0
    row[6] = heard[k] if here else -1.0


@kernel(inline=True)
def _tell_other(key: int, code: Codes, gain: Codes, state: Codes, block: Codes) -> None:
    """Tell of a neighbour, code[j] being the gain from or to row j."""
    if key == _NOBODY:
        block[0] = block[1] = -1.0
        block[2] = block[3] = block[4] = 0.0
    else:
        j = _row_of(key)
        block[0], block[1] = code[j], gain[j, j]
        block[2], block[3], block[4] = state[0, j], state[1, j], state[2, j]


@kernel()
def look_around(
    told: Codes, low_db: float, high_db: float, range_db: float, neighbours: int, local: Codes
) -> None:
    """Tell every user of B networks of its own link, its interferers and its victims.

    Parameters
    ----------
    told : [B, N], float32
        Canonical observations: gains, powers, rates, weights, mask, age, and perhaps more.
    low_db, high_db : float
        Of the scale of gains.
    range_db : float
        How far below the largest power the scale of powers begins [dB].
    neighbours : int
        n, interferers and victims that are told of.
    local : [B, M, OWN + n (IN + OUT)], float32
        Written to: of the link itself gain, power, rate, weight, mask, age and interference heard;
        of each interferer the gain from it, its own gain, power, rate and weight; of each victim
        the gain to it, its own gain, power, rate, weight and the interference that it hears. Gains
        and interference of nobody are -1, and everything else 0.
    """
    networks, rows = local.shape[0], local.shape[1]
    square = rows * rows
    heard = np.empty(rows)
    turned = np.empty((rows, rows), np.float32)
    interferers = np.empty((neighbours, rows), np.int64)
    victims = np.empty((neighbours, rows), np.int64)
    for b in range(networks):
        gain = told[b, :square].reshape(rows, rows)
        state = told[b, square : square + 4 * rows].reshape(4, rows)
        age = told[b, square + 4 * rows]
        _hear(gain, state[0], low_db, high_db, range_db, heard)
        for k in range(rows):
            for j in range(rows):
                turned[j, k] = gain[k, j]
        _rank(turned, state[3], interferers)
        _rank(gain, state[3], victims)
        for k in range(rows):
            row = local[b, k]
            here = state[3, k] > 0.0
            _tell_link(k, here, gain, state, age, heard, row)
            place = OWN
            for n in range(neighbours):
                key = interferers[n, k] if here else _NOBODY
                _tell_other(key, turned[:, k], gain, state, row[place : place + IN])
                place += IN
            for n in range(neighbours):
                key = victims[n, k] if here else _NOBODY
                _tell_other(key, gain[:, k], gain, state, row[place : place + IN])
                row[place + IN] = heard[_row_of(key)] if key != _NOBODY else -1.0
                place += OUT
