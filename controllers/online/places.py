"""Places: where a user's gains go into a network that tells users apart by their place.

Observations name the users present and move up where one has left. A perceptron that has learned
the user in its fourth place must go on to find it there.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["Places"]

Ids = NDArray[np.int64]


class Places:
    """Places of users, kept from their first observation to their last.

    Parameters
    ----------
    most : int
        How many there are. Users beyond are given places that do not exist, and are moved to some
        that do as soon as there is room.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._place: dict[int, int] = {}
        self._ids = b""
        self._of: Ids | None = None

    def of(self, user_id: Ids) -> Ids | None:
        """Places of the users present.

        Who comes takes the first free place; who has gone frees one.

        Parameters
        ----------
        user_id : ndarray, shape (K,), int64
            Who is there.

        Returns
        -------
        ndarray, shape (K,), int64, or None
            Their places; None where everyone's place is its row.
        """
        ids = user_id.tobytes()  # the fastest comparison that there is
        if ids == self._ids:
            return self._of
        present = [int(user) for user in user_id]
        self._place = {
            user: self._place[user]
            for user in present
            if self._place.get(user, self._most) < self._most
        }
        taken = set(self._place.values())
        free = (place for place in itertools.count() if place not in taken)
        for user in present:
            if user not in self._place:
                self._place[user] = next(free)
        of = np.array([self._place[user] for user in present], np.int64)
        self._ids = ids
        self._of = None if np.array_equal(of, np.arange(len(of))) else of
        return self._of
