"""The best powers among those that keep promised rates, for any objective.

Promises are linear in the powers (`slotwise.controllers.least_rates`), so that sequential convex
approximation stays within them: every step solves a concave problem over the same polytope. It ends
at a point where no first-order change helps, from each of a few starts, and the best is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast
from slotwise.controllers.batch import batch_of
from slotwise.controllers.kernels.promised import EFFICIENCY, OWN_EFFICIENCY, RATE, maximise

if TYPE_CHECKING:
    from slotwise.emulator.objective import Aim, Objective

__all__ = ["constrained"]

Array = NDArray[np.float64]

_NUMBER: dict[Aim, int] = {
    "sum-rate": RATE,
    "energy-efficiency": EFFICIENCY,
    "weighted-energy-efficiency": OWN_EFFICIENCY,
}


def constrained(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None,
    objective: Objective,
    gamma: Array | float,
    start: Array | float | None = None,
    max_steps: int = 200,
) -> Array:
    """Maximise an objective while promised rates are kept.

    Starts are the least powers that keep all promises, full power, powers at which amplifiers
    consume 0.4 and 0.004 of what circuits do, and `start`, each changed by
    `slotwise.controllers.least_rates.guaranteed` first. From each the objective never falls.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights of the rates; None: one.
    objective : Objective
        What is maximised; of its `min_rate`, nothing is read.
    gamma : [..., K] or scalar, float
        Promised SINRs, linear; zero: none. Where not all can be kept, those of
        `slotwise.controllers.least_rates.promised` are, and the objective decides about the rest.
    start : [..., K] or scalar, float, optional
        Powers to start from as well [W].
    max_steps : int
        Most steps from each start.

    Returns
    -------
    [..., K], float64
        Powers [W].

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    problem = broadcast(gain, noise_power, p_max, weight)
    asked = np.asarray(gamma, dtype=np.float64)
    if not (asked.min(initial=0.0) >= 0.0 and asked.max(initial=0.0) < np.inf):
        raise ValueError(f"gamma = {gamma}: must be non-negative and finite")
    batch = batch_of(*problem, start, np.dtype(np.float64))
    gains = batch.gain if batch.gain.flags.writeable else batch.gain.copy()
    promise = np.ascontiguousarray(np.broadcast_to(asked, batch.shape)).copy()
    power = np.empty((len(gains), batch.shape[-1]))
    terms = _NUMBER[objective.aim], objective.amplifier_inefficiency, objective.circuit_power_w
    maximise(
        gains,
        batch.noise_power,
        batch.p_max,
        batch.weight,
        promise.reshape(power.shape),
        batch.start,
        (terms[0], float(terms[1]), float(terms[2])),
        int(max_steps),
        power,
    )
    return power.reshape(batch.shape)
