"""What a report compares by: the objective of the network, its words, and its course over slots.

Sentences, tables and figures say what the words here say, so that one page never compares by two
things. A network that is to deliver bits is compared by its sum rate; one that is to save joules by
bits per joule, its own or those of each user added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.objective import Aim
from slotwise.runs.merits import MERIT
from slotwise.runs.report.curves import moving_mean
from slotwise.runs.report.quantities import number, prefix, quantity

if TYPE_CHECKING:
    from slotwise.runs.report.recording import Cell

__all__ = ["MERITS", "Merit", "Series", "consumed_power", "divided"]

Array = NDArray[np.float64]


class Series(NamedTuple):
    """A quantity of one life, slot by slot: a column, or the ratio of two whose means count.

    Attributes
    ----------
    over : (N,) ndarray
        What is averaged over slots.
    per : (N,) ndarray, optional
        What its mean is divided by.
    """

    over: Array
    per: Array | None = None

    def each(self) -> Array:
        """Every slot's, NaN where there is nothing to divide by."""
        return self.over if self.per is None else divided(self.over, self.per)

    def mean(self, slots: slice) -> float:
        """Over some slots; NaN where there is nothing to divide by."""
        over = self.over[slots].mean()
        return float(over if self.per is None else divided(over, self.per[slots].mean()))

    def smoothed(self, slots: slice, width: int, points: int) -> tuple[NDArray[np.int64], Array]:
        """Where and what the moving mean is, or the ratio of two; see `moving_mean`."""
        index, over = moving_mean(self.over[slots], width, points)
        if self.per is None:
            return index, over
        return index, divided(over, moving_mean(self.per[slots], width, points)[1])


def divided(over: Array, per: Array) -> Array:
    """A ratio, NaN where there is nothing to divide by."""
    over, per = np.asarray(over, np.float64), np.asarray(per, np.float64)
    ratio: Array = np.divide(over, per, out=np.full(over.shape, np.nan), where=per > 0)
    return ratio


def consumed_power(cell: Cell) -> Series:
    """What the network consumed in each slot [W]."""
    return Series(cell.slots["energy_j"] / float(cell.run["scenario"]["timing"]["slot_s"]))


@dataclass(frozen=True, slots=True)
class Merit:
    """What a report compares by.

    Attributes
    ----------
    aim : str
        The objective.
    unit : str
        Without a prefix.
    mean, quantity : str
        What the figure is called, and the same of a slot or a while.
    title : str
        Its short name in a heading.
    article : str
        With an article.
    alone, most, same : str
        What a controller did to have it, to have most of it, and to have the same as others.
    highest : str
        A mean that is the largest.
    lost : str
        Of what deciding late costs a share.
    """

    aim: Aim
    unit: str
    mean: str
    quantity: str
    title: str
    article: str
    alone: str
    most: str
    same: str
    highest: str
    lost: str

    @property
    def name(self) -> str:
        """Figure of a summary that holds it."""
        return MERIT[self.aim]

    @property
    def head(self) -> str:
        """Head of its column."""
        return self.mean[0].upper() + self.mean[1:]

    def scale(self, most: float) -> tuple[str, float]:
        """Unit that suits values of which this is the largest, and how much that is."""
        return prefix(most, self.unit) if self.saves else (self.unit, 1.0)

    def written(self, value: float | None) -> str:
        """A value with its unit, as sentences have it."""
        return quantity(value, self.unit) if self.saves else f"{number(value)} {self.unit}"

    @property
    def saves(self) -> bool:
        """Whether it is about joules."""
        return self.aim != "sum-rate"

    def over_slots(self, cell: Cell) -> Series:
        """Its course in one life, in its unit."""
        if not self.saves:
            return Series(cell.slots["sum_rate"])
        bandwidth_hz = float(cell.run["scenario"]["radio"]["bandwidth_hz"])
        if self.aim == "weighted-energy-efficiency":
            return Series(cell.slots["own_efficiency"] * bandwidth_hz)
        return Series(cell.slots["sum_rate"] * bandwidth_hz, consumed_power(cell).over)


MERITS: Final[Mapping[Aim, Merit]] = {
    merit.aim: merit
    for merit in (
        Merit(
            aim="sum-rate",
            unit="bit/s/Hz",
            mean="mean sum rate",
            quantity="sum rate",
            title="throughput",
            article="a sum rate",
            alone="delivered",
            most="delivered the most",
            same="delivered the same",
            highest="the highest mean",
            lost="",
        ),
        Merit(
            aim="energy-efficiency",
            unit="bit/J",
            mean="energy efficiency",
            quantity="energy efficiency",
            title="energy efficiency",
            article="an energy efficiency",
            alone="carried",
            most="carried the most per joule",
            same="carried the same per joule",
            highest="the highest mean efficiency",
            lost=" of its efficiency",
        ),
        Merit(
            aim="weighted-energy-efficiency",
            unit="bit/J",
            mean="sum of users' efficiencies",
            quantity="sum of users' efficiencies",
            title="sum of users' efficiencies",
            article="a sum of users' efficiencies",
            alone="had a sum of users' efficiencies of",
            most="had the largest sum of users' efficiencies",
            same="had the same sum of users' efficiencies",
            highest="the largest mean sum of users' efficiencies",
            lost=" of its users' efficiencies",
        ),
    )
}
"""Of every objective."""
