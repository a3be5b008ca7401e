"""Who wins at each point of a sweep, by how much, and who cannot be told from the winner.

The winner has the largest mean merit over the networks that all have lived. Everybody else is
compared with it by the ratio of the means over these networks, with the paired 95% interval of
`slotwise.runs.intervals.ratio_of_means`: whose interval reaches 100% is *tied* with the winner. A
winner nobody is tied with *wins*. Who failed in a network that others lived is not ranked at that
point: half a controller's networks say nothing fair of it. Where nobody's merit is positive there
is nothing to win, and nobody is ranked.

The winner is chosen by looking, which its intervals do not know; what they are asked makes up for
it. Simulated, 20,000 points each, 3 to 20 networks, merits normal around a common factor of each
network: of two controllers of equal worth one is said to win in 5.6 to 6.0% of points, of six in at
most 0.2%, for nobody else may be tied. Where merits scatter by 2% and one of them is better by
2%, another is said to win in at most 0.3%.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.sweeps.outcomes import Outcomes
from slotwise.runs.sweeps.paired import Bounds, mean_and_half, ratio_of_means

__all__ = ["Contest", "contest"]

Array = NDArray[np.float64]


class Contest(NamedTuple):
    """Standings at every point.

    Attributes
    ----------
    rank : [points, controllers], int64
        1 for the winner; 0 for who is not ranked, and where cells have not been lived yet.
    of_best : Bounds
        Merit relative to the winner's [1], of [points, controllers]; NaN where nobody wins.
    tied : [points, controllers], bool
        Cannot be told from the winner; the winner itself: somebody is tied with it.
    networks : [points], int64
        In which all who are ranked were compared.
    """

    rank: NDArray[np.int64]
    of_best: Bounds
    tied: NDArray[np.bool_]
    networks: NDArray[np.int64]

    def lead(self) -> Bounds:
        """By how much the winner exceeds the runner-up [1], of [points].

        NaN without a runner-up, or where its merit is not positive; the bounds are those of
        ``of_best`` the other way round.
        """
        second = self.rank == 2
        value, low, high = (
            np.where(second.any(axis=1), np.where(second, each, 0.0).sum(axis=1), np.nan)
            for each in self.of_best
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            turned = [np.where(each > 0.0, 1.0 / each - 1.0, np.nan) for each in (value, high, low)]
        return Bounds(*turned)


def contest(outcome: Outcomes) -> Contest:
    """Rank controllers at every point.

    Parameters
    ----------
    outcome : Outcomes
        Merits of all cells.
    """
    merit, failed = outcome
    there = np.isfinite(merit)
    anybody = there.any(axis=2, keepdims=True)
    dropped = np.asarray((failed & anybody).any(axis=1), np.bool_)
    lived = np.asarray(there.any(axis=1), np.bool_)
    waiting = ~(lived | dropped)
    ready = ~np.asarray(waiting.any(axis=1), np.bool_)[:, None]
    ranked = lived & ~dropped & ready
    everybody = np.asarray((there | ~ranked[:, None]).all(axis=2), np.bool_)
    common = everybody[..., None] & ranked[:, None]
    shared = np.where(common, merit, np.nan)
    mean, _ = mean_and_half(shared)
    ranked &= np.isfinite(mean) & (np.where(ranked, mean, 0.0) > 0.0).any(axis=1, keepdims=True)
    order = np.argsort(np.where(ranked, -mean, np.inf), axis=1, kind="stable")
    rank: NDArray[np.int64] = np.empty(order.shape, np.int64)
    np.put_along_axis(rank, order, np.arange(1, order.shape[1] + 1)[None], axis=1)
    rank[~ranked] = 0
    best = np.take_along_axis(shared, order[:, None, :1], axis=2)
    of_best = ratio_of_means(shared, best)
    tied = (rank > 1) & (of_best.high >= 1.0)
    tied |= (rank == 1) & tied.any(axis=1, keepdims=True)
    return Contest(rank, of_best, tied, common.any(axis=2).sum(axis=1))
