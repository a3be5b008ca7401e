"""What was measured in a place, put together from its units: values, references, ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.intervals import mean_of_ratios, ratio_of_means
from slotwise.runs.studies.energy.setting import LEVELS_DBW, MBIT

__all__ = ["Estimate", "Found"]

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number with its 95% interval, and the 5th percentile over draws where that is asked for."""

    value: float
    low: float
    high: float
    fifth: float = float("nan")

    def text(self, digits: int = 2) -> str:
        """As a table shows it: ``98.31 ± 0.40``."""
        return f"{self.value:.{digits}f} ± {0.5 * (self.high - self.low):.{digits}f}"


@dataclass(frozen=True, slots=True)
class Found:
    """Values of everyone on the same draws.

    Attributes
    ----------
    values : mapping of str to [L, n], float64
        By controller [bit/J/Hz].
    twenty : [L, n], float64
        The best of twenty starts.
    certificate : mapping, optional
        What `certificates` gave for the first draws.
    """

    values: Mapping[str, Array]
    twenty: Array
    certificate: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        values: Mapping[str, Mapping[str, Any]],
        twenty: Mapping[str, Any],
        certificate: Mapping[str, Any] | None = None,
    ) -> Found:
        """From what units gave; who did not serve the objective is left out."""
        served = {who: one["value"] for who, one in values.items() if one["value"] is not None}
        arrays = {who: np.array(value) for who, value in served.items()}
        return cls(arrays, np.array(twenty["value"]), certificate)

    def beside(self, single: Mapping[str, Mapping[str, Any]]) -> Found:
        """The same with climbs from single starts."""
        more = {f"one climb from {name}": np.array(one["value"]) for name, one in single.items()}
        return replace(self, values={**self.values, **more})

    @property
    def best(self) -> Array:
        """The best known: of twenty starts, and certified."""
        best = self.twenty.copy()
        if self.certificate is not None:
            certified = np.array(self.certificate["value"])
            first = best[:, : certified.shape[1]]
            np.maximum(first, certified, out=first)
        return best

    def mean(self, values: Array, level: int) -> Estimate:
        """Mean at a level [Mbit/J]."""
        return _estimate(ratio_of_means(MBIT * values[level], np.ones(values.shape[1])))

    def of_means(self, who: str, level: int) -> Estimate:
        """Ratio of mean values at a level, to the best known [%]."""
        return _estimate(ratio_of_means(100.0 * self.values[who][level], self.best[level]))

    def share(self, who: str, of: Array | None = None) -> Estimate:
        """Mean over draws of the ratio to the best known, or to another [%]."""
        reference = self.best[0] if of is None else of
        value = 100.0 * self.values[who][0][: reference.size]
        fifth = float(np.quantile(value / reference, 0.05))
        return _estimate(mean_of_ratios(value, reference))._replace(fifth=fifth)

    def proved(self) -> dict[str, float] | None:
        """What certificates say; None where nothing was certified.

        ``samples``, ``closed`` share, ``mean_gap`` and ``largest_gap`` of the open ones relative to
        the best known, ``missed`` share of draws where twenty starts were more than 0.1% below
        what was certified, ``lost`` by twenty starts on average, and ``seconds`` of one.
        """
        if self.certificate is None:
            return None
        value, bound = (np.array(self.certificate[name]) for name in ("value", "bound"))
        closed = np.array(self.certificate["closed"], dtype=bool)
        samples = value.shape[1]
        best, twenty = self.best[:, :samples], self.twenty[:, :samples]
        gap = np.maximum(bound / best - 1.0, 0.0)
        fine = closed | (gap <= 1.001e-3)
        return {
            "samples": samples,
            "closed": float(fine.mean()),
            "mean_gap": float(gap[~fine].mean()) if not fine.all() else 0.0,
            "largest_gap": float(gap.max()),
            "missed": float((twenty < 0.999 * value).mean()),
            "lost": float((1.0 - twenty / best).mean()),
            "seconds": float(self.certificate["seconds"]),
        }

    def certified(self) -> Array:
        """Certified values of the first draws at the first level; not a number where open."""
        assert self.certificate is not None
        closed = np.array(self.certificate["closed"][0], dtype=bool)
        return np.where(closed, np.array(self.certificate["value"][0]), np.nan)

    def knee(self) -> int:
        """First level whose mean is within 1% of the largest."""
        mean = self.best.mean(axis=1)
        return int(np.argmax(mean >= 0.99 * mean.max()))

    def at(self, level_dbw: int) -> int:
        """Place of a level."""
        return LEVELS_DBW.index(level_dbw)


def _estimate(interval: Any) -> Estimate:
    value = interval.value if interval.value is not None else float("nan")
    low, high = (value if bound is None else bound for bound in interval[1:])
    return Estimate(value, low, high)
