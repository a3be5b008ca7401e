"""Samples of the two cases: what a network is told, the density that it should answer.

B: told the transmit power; the model is a Poisson network, the truth a square grid. C: told
transmit, static and idle power; both are Poisson networks, but the model draws static and idle
power from uniform distributions, the truth from normal ones of the same mean and variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from slotwise.emulator.radio import from_dbm
from slotwise.runs.studies.density import grid, poisson
from slotwise.runs.studies.density.cellular import NETWORK, Array

__all__ = ["CASES", "SPREAD", "B", "C", "Case", "Draws", "log_density", "lost_efficiency"]

_LOWEST_DBM, _HIGHEST_DBM = -10.0, 60.0
SPREAD = 0.05
"""Standard deviation of static and idle power over their mean: so small that an idle station hardly
ever consumes nearly as much as an active one, where the best density falls as from a cliff."""
_UNIFORM_SPAN = 3.0**0.5  # half the width of a uniform distribution of variance one
_FLOOR = 0.05  # of the mean: no power is negative, not even once in a billion draws

_CENTRE, _SCALE = -3.9, 0.4
"""Of the logarithms of densities, for the networks' outputs."""


class Draws(NamedTuple):
    """Networks that are planned, as drawn.

    Attributes
    ----------
    power_w : [n, 3], float64
        Transmit, static and idle power [W].
    inputs : [n, inputs], float64
        What a network is told, about one in size.
    best : [n], float64
        Decimal logarithm of the best density [1/m²].
    """

    power_w: Array
    inputs: Array
    best: Array

    @property
    def output(self) -> Array:
        """What a network should answer, about one in size."""
        return (self.best - _CENTRE) / _SCALE


@dataclass(frozen=True, slots=True)
class Case:
    """One of the two cases.

    Attributes
    ----------
    name : str
        ``B`` or ``C``, the paper's sections.
    inputs : int
        Numbers that a network is told.
    """

    name: Literal["B", "C"]
    inputs: int

    def model(self, rng: np.random.Generator, samples: int) -> Draws:
        """Samples of the model, of which there may be any number."""
        power, inputs = self._powers(rng, samples, uniform=True)
        return Draws(power, inputs, poisson.best_log_density(*power.T))

    def truth(self, rng: np.random.Generator, samples: int) -> Draws:
        """Samples of the true network with exact optima."""
        power, inputs = self._powers(rng, samples, uniform=False)
        if self.name == "B":
            return Draws(power, inputs, grid.best_log_density(power[:, 0]))
        return Draws(power, inputs, poisson.best_log_density(*power.T))

    def levels(self, rng: np.random.Generator, samples: int) -> Array:
        """Transmit powers as both model and truth draw them [dBm]."""
        return rng.uniform(_LOWEST_DBM, _HIGHEST_DBM, samples)

    def searched(self, level_dbm: Array, best: Array) -> Draws:
        """Samples of case B with optima that somebody searched.

        Parameters
        ----------
        level_dbm, best : [n], float64
            Transmit powers [dBm], decimal logarithms of the densities found [1/m²].
        """
        half = (_HIGHEST_DBM - _LOWEST_DBM) / 2.0
        told = (level_dbm - _LOWEST_DBM - half) * (_UNIFORM_SPAN / half)
        power = np.tile(from_dbm(level_dbm)[:, None], 3)
        power[:, 1:] = NETWORK.static_w, NETWORK.idle_w
        return Draws(power, told[:, None], best)

    def _powers(
        self, rng: np.random.Generator, samples: int, *, uniform: bool
    ) -> tuple[Array, Array]:
        level = self.levels(rng, samples)
        half = (_HIGHEST_DBM - _LOWEST_DBM) / 2.0
        told = (level - _LOWEST_DBM - half) * (_UNIFORM_SPAN / half)
        away = np.zeros((samples, 2))
        if self.name == "C":
            away = (
                rng.uniform(-_UNIFORM_SPAN, _UNIFORM_SPAN, (samples, 2))
                if uniform
                else np.maximum(rng.normal(size=(samples, 2)), (_FLOOR - 1.0) / SPREAD)
            )
        ratio = 1.0 + SPREAD * away
        hardware = np.array([NETWORK.static_w, NETWORK.idle_w]) * ratio
        inputs = np.column_stack([told, np.log(ratio) / SPREAD])[:, : self.inputs]
        return np.column_stack([from_dbm(level), hardware]), inputs


B = Case("B", 1)
"""The site process is not known."""
C = Case("C", 3)
"""The power consumption is not known."""
CASES: dict[str, Case] = {case.name: case for case in (B, C)}
"""Both by name."""


def log_density(output: Array) -> Array:
    """Decimal logarithm of the density that a network answers [1/m²]."""
    return _CENTRE + _SCALE * output


def lost_efficiency(case: Case, power_w: Array, answered: Array, best: Array) -> Array:
    """Share of the largest energy efficiency that answers lose.

    Parameters
    ----------
    case : Case
        Its truth is asked.
    power_w : [n, 3], float64
        As in `Draws`.
    answered : [..., n], float64
        Decimal logarithms of the densities answered [1/m²].
    best : [n], float64
        Those of the best ones.

    Returns
    -------
    [...], float64
        Mean over the n networks.
    """
    # A dead network may answer anything; no density outside these bounds is built.
    density = 10.0 ** np.clip(answered, -9.5, -1.5)
    transmit, static, idle = power_w.T
    if case.name == "B":
        share = grid.efficiency(density, transmit) / grid.efficiency(10.0**best, transmit)
    else:
        share = poisson.efficiency(density, transmit, static, idle) / poisson.efficiency(
            10.0**best, transmit, static, idle
        )
    lost: Array = np.mean(1.0 - share, axis=-1)
    return lost
