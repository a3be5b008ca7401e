"""Where a climb towards an objective begins: a few different powers, the best end of which is kept.

Maxima differ in who transmits. So two starts come from sets that are grown one user at a time by
the objective itself, at equal powers and at powers that are received equally, and two are the ends
of the scale: little for everyone, and as little as possible.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.fractional_state import (
    COST,
    DIRECT,
    INVERSE,
    LIMIT,
    OWN_COST,
    WEIGHT,
    C,
    Problem,
    Terms,
    X,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_single

__all__ = ["HIGH", "STARTS", "begin"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Index = NDArray[np.int64]

STARTS = 4
"""Number of starts there are."""

HIGH = 0.4
"""Power relative to that at which a user consumes as much by radiating as besides, P_c / mu."""

_LOW = 0.004  # in the same unit: 1 mW where P_c = 1 W and mu = 4
_QUIET, _LOUD = 10.0, 300.0  # SNR where all are received equally
_OTHERS = 1e-3  # power of those who are not in a set, by what it would be in it, at most
_DISTURBED = 10.0  # what each of them adds at most to what a member hears, relative to that
_FIRSTS, _SIZE = 8, 4  # sets that are grown, and users in the largest

# Numba widens what is not said to be single.
_NONE, _ONE, _NEVER = np.float32(0.0), np.float32(1.0), np.float32(-1.0)
_LEAST = np.float32(1e-37)
_PER_NATURAL = np.float32(1.4426950408889634)


@kernel(reorder=True)
def begin(
    kind: int,
    problem: Problem,
    heard: Array,
    cross: Array,
    state: Array,
    stride: int,
    terms: Terms,
) -> None:
    """Write the powers of a start, as fractions of the largest.

    Parameters
    ----------
    kind : int
        -1: the problem's own start. 0: the best set found at powers of 0.4 P_c / mu. 1: powers that
        are received 10 times as strong as noise. 2: 0.004 P_c / mu for everyone. 3: the best set
        found at powers that are received 300 times as strong as noise. Where energy does not count,
        powers relative to P_c / mu are full, and the others are raised until one is.
    """
    users = len(problem.weight)
    for k in range(users):
        full, x = problem.p_max[k], 0.0
        if state[LIMIT * stride + k] > 0.0:
            if kind < 0:
                x = problem.start[0, k] / full
            elif kind == 0:
                x = HIGH * terms.scale / full
            elif kind == 2:
                x = _LOW * terms.scale / full
            else:
                x = (_QUIET if kind == 1 else _LOUD) * state[INVERSE * stride + k]
        state[X * stride + k] = min(max(x, 0.0), 1.0)
    if kind > 0 and terms.scale == np.inf:
        # Where energy does not count, someone's power is full: raising all of them loses nothing.
        largest = 0.0
        for k in range(users):
            largest = max(largest, state[X * stride + k])
        for k in range(users):
            state[X * stride + k] /= max(largest, 1e-300)
    if kind in (0, 3):
        _gather(heard, cross, state, stride, users, terms)


class _Field(NamedTuple):
    """Where sets are grown, in single precision: what is found is only a start.

    Attributes
    ----------
    signal, cost, grade : [stride], float32
        What each user would be received with, what it would consume, and what a bit of it is worth;
        zeros after the last.
    added : [stride, stride], float32
        Row m: interference at the receiver of user m, were each user in the set.
    heard : [stride], float32
        Interference and noise at each receiver from the set.
    total : [stride], float32
        The objective of the set with each user added.
    """

    signal: Single
    cost: Single
    grade: Single
    added: Single
    heard: Single
    total: Single


@kernel(reorder=True)
def _gather(
    heard: Array, cross: Array, state: Array, stride: int, users: int, terms: Terms
) -> None:
    """Leave the powers of the best set found as they are, and make those of all others small.

    Sets grow from those users who alone are worth most, each by whoever raises the objective most.
    """
    known = np.zeros((users + 3) * stride, np.float32)
    field = _Field(
        known[:stride],
        known[stride : 2 * stride],
        known[2 * stride : 3 * stride],
        known[3 * stride :],
        np.ones(stride, np.float32),
        np.zeros(stride, np.float32),
    )
    for k in range(users):
        level = state[X * stride + k]
        consumed = state[OWN_COST * stride + k] * level + terms.own_circuit if terms.own else 1.0
        field.signal[k] = state[DIRECT * stride + k] * level
        field.cost[k] = state[COST * stride + k] * level
        field.grade[k] = state[WEIGHT * stride + k] / consumed if consumed > 0.0 else 0.0
        for j in range(stride):
            field.added[k * stride + j] = cross[k * stride + j] * state[X * stride + j]
    places = np.empty(2 * _SIZE, np.int64)
    member, best = places[:_SIZE], places[_SIZE:]
    circuit = np.float32(terms.circuit)
    _judge(field, stride, member[:0], circuit)
    alone = field.total.copy()
    most, largest = np.float32(0.0), 0
    for _ in range(min(_FIRSTS, users)):
        member[0] = _highest(alone, users)
        value = alone[member[0]]
        alone[member[0]] = _NEVER
        value, size = _grow(heard, state, field, stride, users, member, value, circuit)
        if value > most:
            most, largest = value, size
            best[:] = member
    _silence(cross, state, stride, users, best[:largest])


@kernel(reorder=True, inline=True)
def _silence(cross: Array, state: Array, stride: int, users: int, member: Index) -> None:
    """Make the powers of all but the members small, and so small that members stay what they are.

    Users whose interference overwhelms the members would not be priced out again: it is the
    members whom the first step would silence.
    """
    for k in range(users):
        state[C * stride + k] = 1.0
    for m in member:
        heard = 1.0
        for n in member:
            heard += cross[m * stride + n] * state[X * stride + n]
        part = 1.0 / heard
        for k in range(users):
            added = cross[m * stride + k] * state[X * stride + k] * part
            state[C * stride + k] = max(state[C * stride + k], added)
    for m in member:
        state[C * stride + m] = 0.0
    for k in range(users):
        if state[C * stride + k] > 0.0:
            state[X * stride + k] *= min(_OTHERS, _DISTURBED / state[C * stride + k])


@kernel(reorder=True, inline=True)
def _grow(
    heard: Array,
    state: Array,
    field: _Field,
    stride: int,
    users: int,
    member: Index,
    value: np.float32,
    consumed: np.float32,
) -> tuple[np.float32, int]:
    """Add users to one that is worth `value` alone, while that helps; value and size of the set."""
    field.heard[:] = _ONE
    for size in range(1, len(member)):
        last = member[size - 1]
        level = state[X * stride + last]
        consumed += field.cost[last]
        for k in range(stride):
            field.heard[k] += np.float32(heard[last * stride + k] * level)
        _judge(field, stride, member[:size], consumed)
        for m in member[:size]:
            field.total[m] = _NEVER
        new = _highest(field.total, users)
        if not field.total[new] > value:
            return value, size
        value, member[size] = field.total[new], new
    return value, len(member)


@kernel(reorder=True, inline=True)
def _judge(field: _Field, stride: int, member: Index, consumed: np.float32) -> None:
    """Objective of a set with each user added to it.

    Loops are as long as registers, not as there are users: they are never done one by one.
    """
    signal, cost, grade, added, heard, total = field
    for k in range(stride):
        total[k] = grade[k] * _bits(signal[k] / heard[k])
    for m in member:
        for k in range(stride):
            total[k] += grade[m] * _bits(signal[m] / (heard[m] + added[m * stride + k]))
    for k in range(stride):
        total[k] /= max(consumed + cost[k], _LEAST)


@kernel(inline=True)
def _bits(ratio: np.float32) -> np.float32:
    """Logarithm of 1 + SINR to base two; what rounding takes from a small one is put back."""
    total = _ONE + ratio
    lost = ratio - (total - _ONE)
    return log2_single(total) + _PER_NATURAL * (lost if ratio < _ONE else _NONE)


@kernel(inline=True)
def _highest(values: Single, users: int) -> int:
    """User with the highest of some values; the first of equals."""
    highest = 0
    for k in range(1, users):
        if values[k] > values[highest]:
            highest = k
    return highest
