"""What many candidate changes of one power are worth, side by side.

A change of one user's power adds h to what another user j hears, who hears I_j and receives s_j.
Its rate becomes log2(1 + s_j / (I_j + h)), and all rates together rise by the logarithm of::

    prod_j ((I_j + h + s_j) / (I_j + h)) / ((I_j + s_j) / I_j)

With equal weights the candidates of greatest product are those of greatest sum rate, so that no
logarithm is needed, and numerators and denominators are multiplied apart and divided seldom: a
division costs as much as eight products. How seldom is a bound that keeps them finite. Where
weights differ, or all are so weak that 1 + SINR would lose the SINR's digits, weighted logarithms
are summed. An SINR above the ceiling counts as the ceiling c: the numerator is then (1 + c)(I + h).

Candidates lie along rows, so that eight are computed at once; the others' rows are taken in four
at a time, so that a product is loaded and stored seldom.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.links import Links
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = [
    "Others",
    "groups_of_factors",
    "multiply_rates",
    "others_for",
    "sum_rates",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_GROUP = 4
_EXPONENTS = 900  # of 1023: binary exponents to which a product of factors may grow
_WEAK = 1e-3  # below this largest SNR, products of 1 + SINR are too coarse


class Others(NamedTuple):
    """The users that transmit, up to K: what each has before a candidate changes it.

    Attributes
    ----------
    row : [K + 4], int64
        Where what the candidates add to its interference stands: a row of `added`.
    interference, signal, weight : [K + 4], float64
        What it hears, noise included, what it receives from its own transmitter, and its weight.
    over, under : [padded(K)], float64
        Room for numerators and denominators; values of the candidates end up in `over`.
    """

    row: Index
    interference: Array
    signal: Array
    weight: Array
    over: Array
    under: Array


@kernel()
def others_for(users: int, candidates: int) -> Others:
    """Unfilled arrays for up to so many users and candidates, the latter a multiple of `STEP`."""
    size = users + _GROUP
    return Others(
        np.zeros(size, dtype=np.int64),
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(candidates),
        np.empty(candidates),
    )


@kernel(reorder=True)
def groups_of_factors(links: Links, count: int) -> int:
    """Groups of four others after which numerators are divided by denominators at the latest.

    No factor exceeds 1 + h nor falls below its inverse, and no h exceeds the sum of all, which
    takes a sum where the largest would take one comparison after another.

    Parameters
    ----------
    links : Links
        The problem.
    count : int
        Its users.

    Returns
    -------
    int
        At least one where products may stand for sums of logarithms, zero where they may not.
    """
    strongest, total = 0.0, 1.0
    for k in range(count):
        if links.weight[k] != links.weight[0]:
            return 0
        strongest = max(strongest, links.direct[k])
        for j in range(count):
            total += links.cross[k, j]
    if strongest < _WEAK:
        return 0
    return max(1, int(_EXPONENTS / (_GROUP * math.log2(1.0 + total))))


@kernel(reorder=True, inline=True)
def _counted(interference: float, signal: float, ceiling: float | None) -> float:
    """I (1 + min(SINR, ceiling)), what is received and counts."""
    total = interference + signal
    return total if ceiling is None else min(total, (1.0 + ceiling) * interference)


@kernel(reorder=True, inline=True)
def multiply_rates(
    added: Array, others: Others, size: int, ceiling: float | None, width: int, groups: int
) -> None:
    """Multiply the value of each candidate by the change of the others' prod (1 + SINR).

    Parameters
    ----------
    added : [:, width], float64
        What each candidate adds to interference, never taking it below the noise, which is one.
    others : Others
        Who transmits; `over` holds the values of the candidates so far.
    size : int
        How many transmit.
    ceiling : float or None
        Largest SINR that counts; None where all counts.
    width : int
        Candidates, padded to a multiple of `STEP`.
    groups : int
        See `groups_of_factors`; not zero.
    """
    for q in range(size, size + _GROUP):
        others.row[q] = 0
        others.interference[q] = 1.0
        others.signal[q] = 0.0
    for group in range((size + _GROUP - 1) // _GROUP):
        q = group * _GROUP
        r0, r1 = others.row[q], others.row[q + 1]
        r2, r3 = others.row[q + 2], others.row[q + 3]
        i0, i1 = others.interference[q], others.interference[q + 1]
        i2, i3 = others.interference[q + 2], others.interference[q + 3]
        s0, s1 = others.signal[q], others.signal[q + 1]
        s2, s3 = others.signal[q + 2], others.signal[q + 3]
        before = 1.0 / ((i0 * i1) * (i2 * i3))
        total = _counted(i0, s0, ceiling) * _counted(i1, s1, ceiling)
        total = 1.0 / (total * (_counted(i2, s2, ceiling) * _counted(i3, s3, ceiling)))
        for k in range(width):
            # What is left when a strong interferer goes may round to less than the noise alone.
            x0, x1 = max(i0 + added[r0, k], 1.0), max(i1 + added[r1, k], 1.0)
            x2, x3 = max(i2 + added[r2, k], 1.0), max(i3 + added[r3, k], 1.0)
            t0, t1 = _counted(x0, s0, ceiling), _counted(x1, s1, ceiling)
            t2, t3 = _counted(x2, s2, ceiling), _counted(x3, s3, ceiling)
            others.over[k] *= (t0 * t1) * (t2 * t3) * total
            others.under[k] *= (x0 * x1) * (x2 * x3) * before
        if (group + 1) % groups == 0:
            for k in range(width):
                others.over[k] /= others.under[k]
                others.under[k] = 1.0
    for k in range(width):
        others.over[k] /= others.under[k]


@kernel(reorder=True, inline=True)
def sum_rates(added: Array, others: Others, size: int, ceiling: float | None, width: int) -> None:
    """Add the others' weighted rates under each candidate to the values of the candidates.

    Parameters
    ----------
    added, others, size, ceiling, width
        As in `multiply_rates`.
    """
    for q in range(size):
        row, weight = others.row[q], others.weight[q]
        interference, signal = others.interference[q], others.signal[q]
        for k in range(width):
            sinr = signal / max(interference + added[row, k], 1.0)
            others.over[k] += weight * log2_1p(sinr if ceiling is None else min(sinr, ceiling))
