"""The canonical observation: what is told of a network of M user rows, in bounded numbers.

All of it stands side by side in one row of float32 numbers, whose parts are the entries of a
dictionary and whose beginning is the flat observation. A user keeps its row for the whole of its
stay; rows of nobody are masked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

__all__ = ["Canonical", "Entry"]

Codes = NDArray[np.float32]


class Entry(NamedTuple):
    """One entry of the canonical observation.

    Attributes
    ----------
    shape : tuple of int
        Without the axis of networks.
    low, high : float
        Bounds.
    unit : str
        What one is.
    meaning : str
        One sentence.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    unit: str
    meaning: str


class Canonical:
    """Where everything that is told of a network stands.

    Parameters
    ----------
    rows : int
        M, most users at once.

    Attributes
    ----------
    entries : dict of str to Entry
        In their order.
    flat_width : int
        Numbers without the users' ids, which are the flat observation.
    width : int
        Numbers of everything.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        one = (rows,)
        self.entries: Mapping[str, Entry] = {
            "gain": Entry(
                (rows, rows),
                -1.0,
                1.0,
                "scale of gains",
                "reported gain to the receiver of row k from the transmitter of row j; -1 is none",
            ),
            "power": Entry(
                one,
                0.0,
                1.0,
                "scale of powers",
                "power in force when the report is handed over; 0 is silent",
            ),
            "rate": Entry(one, 0.0, 1.0, "largest rate", "mean rate since the last report"),
            "weight": Entry(one, 0.0, 1.0, "largest weight", "weight of the rate in the reward"),
            "mask": Entry(one, 0.0, 1.0, "1", "1 where the row holds a user"),
            "csi_age": Entry((1,), 0.0, 1.0, "10 slots", "age of the report, at most ten slots"),
            "user_id": Entry(
                one, -1.0, 2.0**24, "1", "number of the user, -1 for nobody; never used twice"
            ),
        }
        self._square = (rows, rows)
        self._places: list[tuple[str, slice]] = []
        begin = 0
        for name, entry in self.entries.items():
            end = begin + math.prod(entry.shape)
            self._places.append((name, slice(begin, end)))
            begin = end
        self._one = tuple(place for _, place in self._places)
        self.width = begin
        self.flat_width = begin - rows

    def space(self) -> spaces.Dict:
        """Space of the dictionary of one network."""
        return spaces.Dict(
            {
                name: spaces.Box(entry.low, entry.high, entry.shape, np.float32)
                for name, entry in self.entries.items()
            }
        )

    def views(self, told: Codes) -> dict[str, Codes]:
        """The dictionary, as views of what is told.

        Parameters
        ----------
        told : [width] or [B, width], float32
            Of one network or several.

        Returns
        -------
        dict of str to [...] or [B, ...]
        """
        if (
            told.ndim == 1
        ):  # what one environment does in every step: a loop would take twice as long
            gain, power, rate, weight, mask, csi_age, user_id = self._one
            return {
                "gain": told[gain].reshape(self._square),
                "power": told[power],
                "rate": told[rate],
                "weight": told[weight],
                "mask": told[mask],
                "csi_age": told[csi_age],
                "user_id": told[user_id],
            }
        entries = {name: told[..., place] for name, place in self._places}
        entries["gain"] = entries["gain"].reshape(*told.shape[:-1], *self._square)
        return entries
