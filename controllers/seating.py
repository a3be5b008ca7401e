"""Rows for users: what a policy with a fixed number of inputs is told of a network.

Such a policy knows users by their rows. So a user keeps its row for the whole of its stay, a
newcomer gets the first that is free, as in the emulator itself, and rows of nobody are masked.
Where a user comes and goes between two reports the emulator's rows and these may differ; whoever
is in them is the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, full_power_snr
from slotwise.emulator.encoding import GainScale
from slotwise.emulator.scenario import InputError

__all__ = ["Coded", "Seating", "coded"]

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Ids = NDArray[np.int64]


class Coded(NamedTuple):
    """What is told of N networks with M rows, in bounded numbers.

    Attributes
    ----------
    gain : [N, M, M], float32
        Codes of gains in [-1, 1]; -1 to and from nobody.
    weight, mask : [N, M], float32
        Weights as shares of the largest, and 1 where there is somebody; 0 for nobody.
    """

    gain: Codes
    weight: Codes
    mask: Codes


def coded(problem: Problem, scale: GainScale, row: Ids, rows: int) -> Coded:
    """Tell problems of K users in M rows.

    Parameters
    ----------
    problem : Problem
        With one leading axis, checked.
    scale : GainScale
        Of gains.
    row : [K], int64
        Row of each user.
    rows : int
        M, at least K.

    Returns
    -------
    Coded
        Whom no power can serve, for want of weight, power or direct gain, is nobody.
    """
    samples = len(problem.weight)
    snr = full_power_snr(problem)
    here = (np.diagonal(snr, axis1=-2, axis2=-1) > 0.0) & (problem.weight > 0.0)
    worth = np.where(here, problem.weight, 0.0)
    largest = worth.max(axis=-1, keepdims=True, initial=0.0)
    told = Coded(
        np.full((samples, rows, rows), -1.0, np.float32),
        np.zeros((samples, rows), np.float32),
        np.zeros((samples, rows), np.float32),
    )
    both = here[:, :, None] & here[:, None, :]
    told.gain[:, row[:, None], row] = np.where(both, scale.encode(snr), np.float32(-1.0))
    told.weight[:, row] = worth / np.where(largest > 0.0, largest, 1.0)
    told.mask[:, row] = here
    return told


class Seating:
    """Who sits in which of a policy's rows.

    Parameters
    ----------
    rows : int
        M, most users at once.
    whose : str
        Whose rows they are, for the error.
    """

    def __init__(self, rows: int, whose: str) -> None:
        self.rows = rows
        self._whose = whose
        self.user_id: Ids = np.full(rows, -1, np.int64)

    def reset(self) -> None:
        """Let everybody go."""
        self.user_id = np.full(self.rows, -1, np.int64)

    def refuse(self, users: int) -> None:
        """Refuse more users than there are rows.

        Raises
        ------
        InputError
            If there are more.
        """
        if users > self.rows:
            raise InputError(f"{users} users: {self._whose} is for at most {self.rows}")

    def of(self, user_id: Ids) -> Ids:
        """Rows of these users, shape (K,), who stay; all others go, and newcomers sit down.

        Raises
        ------
        InputError
            If there are more users than rows.
        """
        self.refuse(user_id.size)
        self.user_id = np.where(np.isin(self.user_id, user_id), self.user_id, -1)
        newcomers = user_id[~np.isin(user_id, self.user_id)]
        self.user_id[np.flatnonzero(self.user_id < 0)[: newcomers.size]] = newcomers
        order = np.argsort(self.user_id, kind="stable")
        row: Ids = order[np.searchsorted(self.user_id, user_id, sorter=order)]
        return row
