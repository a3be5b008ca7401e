"""What a step tells, compiled: observations, rewards and figures of B networks from their state.

Everything that is told of a network stands in one row of float32 numbers, so that a step allocates
once; `slotwise.envs.canonical` knows where in it each observation begins. What has been told is
noted in an account, from which the next step takes differences: integrals that the emulator keeps
become means over the time between two reports.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.encoding import code_line, code_of
from slotwise.emulator.kernels.logarithm import log2_of
from slotwise.emulator.kernels.slot import (
    CARRIED,
    CONSUMED,
    DELIVERED,
    OWN_EFFICIENCY,
    POWER,
    TIME,
    WORTH,
    Air,
    AirValues,
    Ledger,
    LedgerValues,
)

__all__ = [
    "ENERGY",
    "FIGURES",
    "NOTES",
    "REWARD",
    "SHORTFALL",
    "SUM_RATE",
    "Telling",
    "tell",
]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Codes = NDArray[np.float32]

USERS, NOTES = 5, 6
"""Places in an account, after the ledger's totals; then come four rows of M: ids, delivered, worth
and mean rates."""

REWARD, SUM_RATE, ENERGY, SHORTFALL, FIGURES = 0, 1, 2, 3, 4
"""Places in the figures, before their two rows of M: rates and rewards of users."""

_LOG10_OF_2 = 0.30102999566398120
_NONE = np.float32(-1.0)
_LEAST_MEAN = 0.01  # [bit/s/Hz]: what a mean rate counts as at least, so that no weight is endless
_SUM_RATE, _DIFFERENCE, _EFFICIENCY, _FAIRNESS, _OWN_EFFICIENCY = 0, 1, 2, 3, 4


class Telling(NamedTuple):
    """How numbers are bounded, and what is rewarded.

    Attributes
    ----------
    per_noise : float
        Largest power over noise power [1].
    low_db, high_db : float
        Of the scale of gains.
    per_rate : float
        One over the rate that becomes 1 [s Hz/bit].
    per_watt : float
        One over the largest power [1/W].
    range_db : float
        How far below the largest power the scale of powers begins [dB].
    reward : int
        0 sum rate, 1 difference, 2 energy efficiency, 3 proportional fairness, 4 weighted energy
        efficiency.
    per_user : bool
        Whether the reward is divided by the number of users.
    memory_s : float
        Over how long mean rates are taken [s].
    min_rate : float
        That every user is promised [bit/s/Hz].
    shortfall_price : float
        What the reward loses for each bit/s/Hz that is missing to it.
    """

    per_noise: float
    low_db: float
    high_db: float
    per_rate: float
    per_watt: float
    range_db: float
    reward: int
    per_user: bool
    memory_s: float
    min_rate: float = 0.0
    shortfall_price: float = 0.0

    def values(self) -> Array:
        """The same in one array, which reaches a kernel sooner than as many numbers."""
        return np.array(self, np.float64)


@kernel(reorder=True)
def _tell_gains(b: int, user_id: Ids, downlink: bool, how: Telling, air: Air, told: Codes) -> None:
    """Codes of the reported gains of one network, [k, j] from transmitter j to receiver k."""
    rows = user_id.shape[1]
    floor, slope, offset = code_line(how.low_db, how.high_db)
    code = told[b]
    for i in range(rows):
        s = air.antenna[b, i]
        mean, fade = air.mean[b, s], air.fading[b, s]
        if downlink:
            for n in range(rows):
                code[n * rows + i] = np.float32(mean[n] * fade[n] * how.per_noise) + floor
        else:
            row = code[i * rows : (i + 1) * rows]
            for n in range(rows):
                row[n] = np.float32(mean[n] * fade[n] * how.per_noise) + floor
    for place in range(rows * rows):  # all of them in one loop, which vectorises
        code[place] = code_of(code[place], slope, offset)
    for m in range(rows):
        if user_id[b, m] < 0:  # somebody of whom there is no report may be there by now
            for n in range(rows):
                code[m * rows + n] = _NONE
                code[n * rows + m] = _NONE


@kernel()
def _tell_of_users(
    b: int,
    elapsed_s: float,
    per_s: float,
    how: Telling,
    ledger: Ledger,
    account: Array,
    figures: Array,
) -> float:
    """Mean rates of users since the last report, and what they add up to where that is rewarded."""
    rows = ledger.user_id.shape[1]
    ids, delivered = account[b, NOTES : NOTES + rows], account[b, NOTES + rows :]
    worth, mean_rate = account[b, NOTES + 2 * rows :], account[b, NOTES + 3 * rows :]
    share = min(1.0, elapsed_s / how.memory_s)
    total = 0.0
    figures[b, SHORTFALL] = 0.0
    for m in range(rows):
        here = ledger.user_id[b, m] >= 0
        same = ids[m] == ledger.user_id[b, m]
        before = delivered[m] if same else 0.0
        rate = (ledger.users[DELIVERED, b, m] - before) * per_s if here else 0.0
        figures[b, FIGURES + m] = rate
        short = max(how.min_rate - rate, 0.0) if here and same and elapsed_s > 0.0 else 0.0
        figures[b, SHORTFALL] += short
        if how.reward == _DIFFERENCE:  # of whoever was there, even if it has left by now
            own = (ledger.users[WORTH, b, m] - worth[m]) * per_s - how.shortfall_price * short
            figures[b, FIGURES + rows + m] = own
            total += own
            worth[m] = ledger.users[WORTH, b, m]
        elif how.reward == _FAIRNESS and here and same:
            total += rate / max(mean_rate[m], _LEAST_MEAN)
            # Whoever has just been granted its first power has no past to be measured by.
            mean_rate[m] = (1.0 - share) * mean_rate[m] + share * rate if mean_rate[m] else rate
        else:
            mean_rate[m] = 0.0
        ids[m] = ledger.user_id[b, m]
        delivered[m] = ledger.users[DELIVERED, b, m]
    return total


@kernel()
def _account_for(b: int, how: Telling, ledger: Ledger, account: Array, figures: Array) -> None:
    """Means since the last report, and the reward; then note what the integrals are now."""
    rows = ledger.user_id.shape[1]
    noted = account[b, TIME] >= 0.0
    elapsed_s = ledger.totals[TIME, b] - account[b, TIME] if noted else 0.0
    per_s = 1.0 / elapsed_s if elapsed_s > 0.0 else 0.0
    carried = ledger.totals[CARRIED, b] - account[b, CARRIED] if noted else 0.0
    consumed = ledger.totals[CONSUMED, b] - account[b, CONSUMED] if noted else 0.0
    reward = _tell_of_users(b, elapsed_s, per_s, how, ledger, account, figures)
    if how.reward == _SUM_RATE:
        reward = carried * per_s
    elif how.reward == _EFFICIENCY:
        reward = carried / consumed if consumed > 0.0 else 0.0
    elif how.reward == _OWN_EFFICIENCY:
        own = ledger.totals[OWN_EFFICIENCY, b] - account[b, OWN_EFFICIENCY] if noted else 0.0
        reward = own * per_s
    if how.reward != _DIFFERENCE:
        reward -= how.shortfall_price * figures[b, SHORTFALL]
    if how.per_user:
        reward /= max(account[b, USERS], 1.0)
    if how.reward != _DIFFERENCE:
        for m in range(rows):
            figures[b, FIGURES + rows + m] = reward
    figures[b, REWARD], figures[b, SUM_RATE], figures[b, ENERGY] = reward, carried * per_s, consumed
    for which in range(USERS):
        account[b, which] = ledger.totals[which, b]


@kernel(inline=True)
def _named(how: Array) -> Telling:
    """What `Telling.values` holds."""
    bounds = how[0], how[1], how[2], how[3], how[4], how[5]
    return Telling(*bounds, int(how[6]), how[7] > 0.0, how[8], how[9], how[10])


@kernel()
def tell(
    user_id: Ids,
    moment: tuple[bool, float],
    how: Array,
    air: AirValues,
    ledger: LedgerValues,
    account: Array,
    told: Codes,
    figures: Array,
) -> None:
    """Tell what B networks report, and what became of the last decision.

    Parameters
    ----------
    user_id : [B, M], int64
        Of whom there is a report, -1 for nobody.
    moment : (bool, float)
        Whether antennas transmit, and the age of the report as it is told, in [0, 1].
    how, air, ledger
        Values of `Telling`, and of `Air` as it was measured and `Ledger` as it is now.
    account : [B, NOTES + 4 M], float64
        What was noted at the last report, written to; where its time is negative there was none,
        and nothing has become of anything yet.
    told : [B, N], float32
        Observations, written to: gains, powers, rates, weights, mask, age, and ids if there is room
        for them.
    figures : [B, FIGURES + 2 M], float64
        Reward, sum rate [bit/s/Hz], energy [J] and what is missing to promised rates [bit/s/Hz]
        since the last report, then rates [bit/s/Hz] and rewards of users; written to.
    """
    downlink, age = moment
    links, book = Air(*air), Ledger(*ledger)
    terms = _named(how)
    networks, rows = user_id.shape
    power, rate = rows * rows, rows * rows + rows
    weight, mask = rate + rows, rate + 2 * rows
    with_ids = told.shape[1] > mask + rows + 1
    fair = terms.reward == _FAIRNESS
    per_bit = 10.0 * _LOG10_OF_2 / terms.range_db
    for b in range(networks):
        _account_for(b, terms, book, account, figures)
        _tell_gains(b, user_id, downlink, terms, links, told)
        mean_rate = account[b, NOTES + 3 * rows :]
        least = np.inf
        users = 0
        for m in range(rows):
            if user_id[b, m] >= 0:
                users += 1
                least = min(least, max(mean_rate[m], _LEAST_MEAN))
        account[b, USERS] = users
        for m in range(rows):
            here = user_id[b, m] >= 0
            fraction = book.users[POWER, b, m] * terms.per_watt if here else 0.0
            share = 0.0
            if fraction > 0.0:
                share = min(max(1.0 + per_bit * log2_of(fraction), 0.025), 1.0)
            told[b, power + m] = share
            gone = figures[b, FIGURES + m] * terms.per_rate if here else 0.0
            told[b, rate + m] = min(gone, 1.0)
            worthy = least / max(mean_rate[m], _LEAST_MEAN) if fair else 1.0
            told[b, weight + m] = worthy if here else 0.0
            told[b, mask + m] = 1.0 if here else 0.0
            if with_ids:
                told[b, mask + rows + 1 + m] = user_id[b, m]
        told[b, mask + rows] = age
