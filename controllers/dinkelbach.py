"""The best energy efficiency there is, by branch and bound, with a proof.

Dinkelbach (Management Science 13(7), 1967) asks of a ratio of rate to cost not how large it can
be but whether it can exceed some L, that is, whether rate - L cost can be positive. Branch and
bound answers that for the weighted sum rate: L is put a little above what is known to be reached,
and either nothing exceeds it, which is the proof, or what does is reached from then on.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.branching import surpass
from slotwise.emulator.objective import Objective

__all__ = ["alone", "prove", "vanishing"]

Array = NDArray[np.float64]

_LN2 = math.log(2.0)
_NOTHING = np.finfo(float).tiny
_ITERATIONS, _SETTLED = 100, 1e-13
_WIDER = 4.0  # times the gap, where the nodes do not suffice: a proof of less is one, too


def prove(
    problem: Problem, objective: Objective, power: Array, gap: float, nodes: int
) -> tuple[Array, NDArray[np.int64]]:
    """Bound the energy efficiency of networks; better powers take the place of those given.

    Parameters
    ----------
    problem : Problem
        With one leading axis.
    objective : Objective
        Energy efficiency, with circuits that consume something, and no cap on the SINR.
    power : [N, K], float64
        Powers [W] to start from, the better the sooner it is done.
    gap : float
        What may be missing of the efficiency, relative to what is reached.
    nodes : int
        Most boxes to look at in each problem. Half of them go to the gap that is asked for, half
        of the rest to one four times as wide, and so on.

    Returns
    -------
    bound : [N], float64
        No powers reach more [bit/J/Hz].
    nodes : [N], int64
        Boxes looked at.
    """
    samples = len(power)
    bound, seen = np.zeros(samples), np.zeros(samples, dtype=np.int64)
    for n in range(samples):
        one = Problem(*(row[n] for row in problem))
        bound[n], seen[n] = _prove_one(one, objective, power[n], gap, nodes)
    return bound, seen


def _prove_one(
    problem: Problem, objective: Objective, power: Array, gap: float, nodes: int
) -> tuple[float, int]:
    """Bound and nodes of one problem."""
    gain, noise_power, p_max, weight = problem
    circuit = objective.circuit_power_w * weight.size
    price = objective.amplifier_inefficiency * p_max / circuit
    value = _value(problem, objective, power)
    if value <= 0.0:
        return 0.0, 0
    trial = np.empty_like(power)
    bound, seen, allowed = np.inf, 0, gap
    while seen < nodes:
        # Relative to what is reached, and to the power of the circuits: nothing has a scale.
        unit, target = weight / (value * circuit), 1.0 + allowed
        budget = max((nodes - seen) // 2, 1)
        reached, ratio, looked = surpass(
            gain, noise_power, p_max, unit, target * price, target, budget, trial
        )
        seen += looked
        if reached > target:
            power[:] = _climbed(problem, objective, trial)
            value = _value(problem, objective, power)
            allowed = gap
            continue
        bound = min(bound, value * ratio)
        if bound <= value * target * (1.0 + 1e-12):
            break
        allowed *= _WIDER
    return bound, seen


def _climbed(problem: Problem, objective: Objective, power: Array) -> Array:
    """Powers, or where they lead uphill."""
    climbed = fractional(*problem, objective=objective, start=power)[0]
    return max(climbed, power, key=lambda p: _value(problem, objective, p))


def _value(problem: Problem, objective: Objective, power: Array) -> float:
    return float(objective.value(problem.gain, power, problem.noise_power, problem.weight))


def vanishing(problem: Problem, objective: Objective, gap: float) -> tuple[Array, Array]:
    """Powers and bound where circuits consume nothing, and every bit is cheapest sent slowly.

    The fewer watts, the more bits per joule, up to h / (mu ln 2) on the best link if that is the
    only one in use; no powers reach it.

    Parameters
    ----------
    problem : Problem
        With one leading axis.
    objective : Objective
        Energy efficiency.
    gap : float
        What may be missing, relative to the bound.

    Returns
    -------
    power : [N, K], float64
        Powers [W].
    bound : [N], float64
        What they come close to [bit/J/Hz].
    """
    own = np.einsum("nkk->nk", problem.gain) / problem.noise_power
    worth = np.where(problem.p_max > 0.0, own * problem.weight, 0.0)
    most = worth.max(axis=1, initial=0.0)
    on = np.zeros(worth.shape, dtype=bool)
    if worth.shape[1]:
        on[np.arange(len(on)), worth.argmax(axis=1)] = most > 0.0
    # At an SNR of x, a rate is within x / 2 of linear, relative to itself.
    limit = 0.5 * gap / np.where(on, own, 1.0)
    power = np.where(on, np.minimum(problem.p_max, limit), 0.0)
    return power, most / (objective.amplifier_inefficiency * np.log(2.0))


def alone(problem: Problem, objective: Objective) -> Array:
    """What users would be worth without interference, where SINR counts up to a cap.

    No powers of the network reach more. Everyone then needs no more power than what reaches the
    cap, and an efficiency is a ratio of a concave sum to a linear one, whose maximum Dinkelbach's
    iterations find from below.

    Parameters
    ----------
    problem : Problem
        With one leading axis.
    objective : Objective
        Sum rate or energy efficiency, with a cap.

    Returns
    -------
    [N], float64
        Bound [bit/s/Hz] or [bit/J/Hz].
    """
    gain, noise_power, p_max, weight = problem
    snr = np.einsum("nkk->nk", gain) / noise_power
    served = (snr > 0.0) & (weight > 0.0)
    cap = math.inf if objective.sinr_cap is None else objective.sinr_cap
    full = np.where(served, np.minimum(p_max, cap / np.where(served, snr, 1.0)), 0.0)
    rates: Array = np.sum(weight * np.log1p(snr * full), axis=1) / _LN2
    if objective.aim == "sum-rate":
        return rates
    inefficiency, circuit = objective.amplifier_inefficiency, objective.circuit_power_w
    if circuit == 0.0:
        steepest: Array = np.max(np.where(served, weight * snr, 0.0), axis=1, initial=0.0)
        return steepest / (inefficiency * _LN2)
    power, worth = full, np.zeros(len(rates))
    for _ in range(_ITERATIONS):
        rates = np.sum(weight * np.log1p(snr * power), axis=1) / _LN2
        risen = rates / np.sum(inefficiency * power + circuit, axis=1, initial=_NOTHING)
        if not (risen > worth * (1.0 + _SETTLED)).any():
            break
        worth = np.maximum(worth, risen)
        price = _LN2 * inefficiency * np.maximum(worth, _NOTHING)[:, None]
        level = weight / price - 1.0 / np.where(served, snr, 1.0)
        power = np.where(served, np.clip(level, 0.0, full), 0.0)
    bound: Array = worth * (1.0 + 1e-9)
    return bound
