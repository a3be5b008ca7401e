"""What an objective is judged by: the figure that says how well it was served, and promised rates.

One objective, one figure, whether a network lives or stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.promise import beyond_reach, is_short, least_sinr
from slotwise.emulator.radio import rate
from slotwise.emulator.trace import Column
from slotwise.runs.frozen import Frozen

__all__ = ["MERIT", "Judged", "Kept", "judge", "kept_in", "together"]

Array = NDArray[np.float64]

MERIT: Final[Mapping[Aim, str]] = {
    "sum-rate": "mean_sum_rate",
    "energy-efficiency": "energy_efficiency_bit_per_joule",
    "weighted-energy-efficiency": "own_efficiency_bit_per_joule",
}
"""Figure of a life's summary that says how well an objective was served."""


class Kept(TypedDict):
    """What became of a promised rate, in slots and in users' slots.

    ``infeasible`` counts slots in which no powers could have kept it to all, ``broken`` the others
    in which it was not kept to all; ``short`` users' slots below it, of ``user_slots``. A draw
    counts as a slot.
    """

    min_rate: float
    slots: int
    infeasible: int
    broken: int
    user_slots: int
    short: int


class Judged(NamedTuple):
    """What powers are worth, one number for each of n draws of K users.

    Attributes
    ----------
    objective : Objective
        By which.
    users : int
        K.
    merit, sum_rate : [n], float64
        Value of the objective [bit/s/Hz or bit/J/Hz], and throughput [bit/s/Hz].
    short : [n], int64
        Users below the promised rate.
    infeasible : [n], bool
        Whether no powers could have kept it to all.
    """

    objective: Objective
    users: int
    merit: Array
    sum_rate: Array
    short: NDArray[np.int64]
    infeasible: NDArray[np.bool_]

    def kept(self) -> Kept | None:
        """What became of the promise; None where there is none."""
        users = np.full(self.short.shape, self.users)
        columns: dict[str, Column] = {"short": self.short, "infeasible": self.infeasible}
        return kept_in(columns | {"active": users}, self.objective.min_rate)


def judge(frozen: Frozen, part: slice, power: Array) -> Judged:
    """Judge powers for some of the draws.

    Parameters
    ----------
    frozen : Frozen
        The draws and their objective.
    part : slice
        Which of them.
    power : [n, K], float64
        Powers [W].
    """
    gain, noise_power, cap = frozen.gain[part], frozen.noise_power, frozen.sinr_cap
    objective = frozen.objective
    rates = rate(gain, power, noise_power, cap)
    infeasible = np.zeros(len(gain), np.bool_)
    if objective.min_rate > 0.0:
        target = np.full(power.shape, least_sinr(objective.min_rate))
        infeasible = beyond_reach(gain, noise_power, frozen.p_max, target, cap)
    return Judged(
        objective,
        power.shape[-1],
        objective.value(gain, power, noise_power, frozen.weight, cap),
        np.vecdot(frozen.weight, rates),
        np.sum(is_short(rates, objective.min_rate), axis=1),
        infeasible,
    )


def together(parts: Sequence[Judged]) -> Judged:
    """Judgements of several parts of the same draws as one."""
    first, columns = parts[0], zip(*(part[2:] for part in parts), strict=True)
    return Judged(first.objective, first.users, *(np.concatenate(each) for each in columns))


def kept_in(slots: Mapping[str, Column], min_rate: float) -> Kept | None:
    """What became of a promised rate.

    Parameters
    ----------
    slots : mapping of str to ndarray
        Columns ``short``, ``infeasible`` and ``active``, users who were there.
    min_rate : float
        The promise [bit/s/Hz].

    Returns
    -------
    Kept or None
        None where nothing is promised.
    """
    if min_rate <= 0.0:
        return None
    short, active = (np.asarray(slots[name], np.int64) for name in ("short", "active"))
    infeasible = np.asarray(slots["infeasible"], np.bool_)
    return Kept(
        min_rate=min_rate,
        slots=int(short.size),
        infeasible=int(np.count_nonzero(infeasible)),
        broken=int(np.count_nonzero((short > 0) & ~infeasible)),
        user_slots=int(active.sum()),
        short=int(short.sum()),
    )
