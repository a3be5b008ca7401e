"""The roster: who is in which row, as long as nobody comes or goes."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Roster"]

Ids = NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)


class Roster:
    """Users in the rows of B networks.

    Parameters
    ----------
    user_id : ndarray, shape (B, M), int64
        -1 for an empty row; becomes read-only.
    """

    def __init__(self, user_id: Ids) -> None:
        user_id.flags.writeable = False
        self.user_id = user_id
        self._rows: dict[int, Ids] = {}

    def rows(self, network: int) -> Ids:
        """Rows of a network that hold a user, shape (K,); the same array every time."""
        row = self._rows.get(network)
        if row is None:
            row = self._rows[network] = np.flatnonzero(self.user_id[network] >= 0)
        return row

    def of(self, values: NDArray[Number], network: int) -> NDArray[Number]:
        """Values of the users of one network, from an array of shape (B, M)."""
        row = self.rows(network)
        one: NDArray[Number] = values[network]
        return one if row.size == one.size else one[row]
