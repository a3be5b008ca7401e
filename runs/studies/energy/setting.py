"""Networks of the study of energy efficiency, who decides for them, and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.drops import draw
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.scenario import load

__all__ = [
    "AMOUNTS",
    "BEST",
    "LEVELS_DBW",
    "MBIT",
    "PLACES",
    "Amount",
    "Draws",
    "Place",
    "Sample",
    "controllers",
    "drawn",
    "draws_seed",
    "name_of",
]

Array = NDArray[np.float64]
Sample = Literal["sweep", "uniform"]
"""Every draw at each of `LEVELS_DBW`, or each at one level of its own, uniform in dB over them."""

LEVELS_DBW = tuple(range(-30, 21, 5))
"""Largest powers that are swept [dBW]."""

MBIT = 0.18
"""Mbit/J of one bit/J/Hz at the scenarios' 180 kHz."""

BEST = "best known"

_PURPOSE = 0xEE3201  # sets these draws apart from those of other studies and of training


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of network.

    Attributes
    ----------
    label : str
        ``S1``, or users times antennas.
    scenario : str
        Name of a built-in scenario.
    users, antennas : int
        Users; antennas of a station.
    network : str
        Spec of the perceptron that was trained for it; empty: none.
    """

    label: str
    scenario: str
    users: int
    antennas: int
    network: str = ""

    @property
    def overrides(self) -> list[str]:
        """Fields of the scenario that are set."""
        return [f"layout.station_antennas={self.antennas}"]


PLACES = {
    place.label: place
    for place in (
        Place("S1", "four-cells", 4, 4, "mlp-ee:four-cells"),
        Place("4×16", "wide-cell", 4, 16),
        Place("10×8", "wide-cell", 10, 8, "mlp-ee:wide-cell-8"),
        Place("10×50", "wide-cell", 10, 50, "mlp-ee:wide-cell-50"),
        Place("20×16", "wide-cell", 20, 16),
        Place("50×100", "wide-cell", 50, 100),
    )
}
"""By label."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes
    ----------
    name : str
        ``minutes`` or ``paper``.
    samples, large_samples : int
        Draws; of 50 users.
    swept, certified : mapping of str to int
        Draws whose optimum is certified, of the sweep and of those at levels of their own, by
        place; a place that is not named has none.
    nodes : int
        Most boxes that a certificate takes.
    promised : int
        Draws that promises are made in.
    rounds : int
        Of timing, each with some decisions of everyone.
    """

    name: str
    samples: int
    large_samples: int
    swept: dict[str, int]
    certified: dict[str, int]
    nodes: int
    promised: int
    rounds: int

    def draws(self, place: Place) -> int:
        """Draws of a place."""
        return self.samples if place.users < 50 else self.large_samples


AMOUNTS = {
    "minutes": Amount(
        "minutes",
        samples=1_000,
        large_samples=200,
        swept={"S1": 1_000, "10×8": 200, "10×50": 20},
        certified={"S1": 1_000, "4×16": 1_000, "10×8": 1_000, "10×50": 100},
        nodes=500_000,
        promised=1_000,
        rounds=40,
    ),
    "paper": Amount(
        "paper",
        samples=10_000,
        large_samples=2_000,
        swept={"S1": 10_000, "10×8": 1_000, "10×50": 100},
        certified={"S1": 10_000, "4×16": 10_000, "10×8": 10_000, "10×50": 500},
        nodes=1_000_000,
        promised=10_000,
        rounds=200,
    ),
}
"""Both by name."""


class Draws(NamedTuple):
    """Frozen networks, each at one largest power or at several.

    Attributes
    ----------
    gain : [n, K, K], float64
        Power gains.
    noise_power : [K], float64
        Noise [W].
    limit : [L, n], float64
        Largest powers, everyone's in a draw alike, ascending along the first axis [W].
    objective : Objective
        The scenario's.
    """

    gain: Array
    noise_power: Array
    limit: Array
    objective: Objective

    def p_max(self, level: int) -> Array:
        """Largest power of every user at a level: [n, K]."""
        return np.repeat(self.limit[level][:, None], self.gain.shape[-1], axis=1)

    def value(self, power: Array) -> Array:
        """What powers of shape [n, K] are worth."""
        value: Array = np.asarray(self.objective.value(self.gain, power, self.noise_power))
        return value


def controllers(place: Place) -> tuple[str, ...]:
    """Specs of everyone who decides in a place."""
    own = (place.network,) if place.network else ()
    return ("fractional", "fractional:starts=1", "unrolled-ee", *own, "max", "wmmse")


def name_of(spec: str) -> str:
    """What tables and figures of several places call a controller."""
    return "mlp-ee" if spec.startswith("mlp-ee") else spec


def draws_seed(place: Place, sample: str, seed: int) -> int:
    """Seed of a place's draws, hashed with a number that nothing else uses."""
    entropy = [_PURPOSE, seed, list(PLACES).index(place.label), len(sample)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def drawn(
    place: Place, sample: Sample, samples: int, seed: int, aim: Aim = "energy-efficiency"
) -> Draws:
    """Draw networks of a place.

    Parameters
    ----------
    place : Place
        Of which kind.
    sample : {"sweep", "uniform"}
        At which largest powers.
    samples, seed : int
        How many, and what fixes them.
    aim : str
        What powers are for; what a watt costs is the scenario's.
    """
    number = draws_seed(place, sample, seed)
    drops = draw(load(place.scenario, place.overrides), samples, number, place.users)
    if sample == "sweep":
        level = np.repeat(np.array(LEVELS_DBW, dtype=np.float64)[:, None], samples, axis=1)
    else:
        # One in each part of the range, so that chance does not choose the powers.
        rng = np.random.default_rng((_PURPOSE, number))
        share = (rng.permutation(samples) + rng.random(samples)) / samples
        level = (LEVELS_DBW[0] + (LEVELS_DBW[-1] - LEVELS_DBW[0]) * share)[None]
    objective = drops.objective._replace(aim=aim)
    return Draws(drops.gain, drops.noise_power, 10.0 ** (level / 10.0), objective)
