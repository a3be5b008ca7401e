"""Bounded numbers: gains and powers as those who learn are told them, and tell them.

A gain in watts per watt spans ten decades, and a network that reads it sees the strongest link
alone; so gains are logarithms, scaled to [-1, 1]. A power that is worth deciding about spans three
decades, so powers are decided in decibels below the largest, or as one of a few levels. Both know
silence: no gain at all is -1, and no power is off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator.network import noise_power_w
from slotwise.emulator.radio import from_db, from_dbm, to_db
from slotwise.emulator.scenario import Scenario

__all__ = [
    "LONG_AGO_SLOTS",
    "OFF_BELOW",
    "POWER_RANGE_DB",
    "GainScale",
    "fraction_of_db",
    "fraction_of_linear",
    "gain_scale",
    "level_fractions",
    "power_code",
    "rate_scale",
]

Array = NDArray[np.float64]
Codes = NDArray[np.float32]

POWER_RANGE_DB = 33.0
"""How far below the largest power the lowest level lies [dB]: 5 and 38 dBm, as Nasir and Guo."""

LONG_AGO_SLOTS = 10.0
"""Age of a report that counts as 1, and no older report as more [slots]."""

OFF_BELOW = 0.025
"""Where silence begins on the scale of powers from 0 to 1."""


@dataclass(frozen=True, slots=True)
class GainScale:
    """Gains in units of noise at full power, as numbers in [-1, 1].

    ``code = 2 (10 log10(snr + 10^(low_db / 10)) - low_db) / (high_db - low_db) - 1``, at most 1;
    what is far below `low_db` fades smoothly into -1, which is no gain at all.

    Parameters
    ----------
    low_db, high_db : float
        Where the logarithm bends towards -1, and what becomes 1 [dB]; low below high.

    Raises
    ------
    ValueError
        If they are not finite, or not in order.
    """

    low_db: float
    high_db: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low_db) and math.isfinite(self.high_db)):
            raise ValueError(f"gain range {self.low_db}, {self.high_db} dB: must be finite")
        if self.low_db >= self.high_db:
            raise ValueError(f"gain range {self.low_db}, {self.high_db} dB: low must be below high")

    def encode(self, snr: ArrayLike) -> Codes:
        """Numbers in [-1, 1], float32, from gains in units of noise at full power, any shape."""
        level_db = 10.0 * np.log10(np.asarray(snr, np.float64) + from_db(self.low_db))
        code = 2.0 * (level_db - self.low_db) / (self.high_db - self.low_db) - 1.0
        return np.clip(code, -1.0, 1.0).astype(np.float32)

    def decode(self, code: ArrayLike) -> Array:
        """Gains in units of noise at full power from their codes, any shape; never negative.

        What is 20 dB below `low_db` comes back to a thousandth of what is at `low_db`, no better.
        """
        share = 0.5 * (np.asarray(code, np.float64) + 1.0)
        level_db = self.low_db + (self.high_db - self.low_db) * share
        return np.maximum(10.0 ** (level_db / 10.0) - from_db(self.low_db), 0.0)


def gain_scale(scenario: Scenario) -> GainScale:
    """The scale that suits a scenario.

    Without places every mean gain is one, and only fading is to be told: from 20 dB below to 10 dB
    above the mean SNR at full power. With places, from the noise to 80 dB above it; pairs may be a
    few metres apart, and go to 120 dB.
    """
    if scenario.layout.kind != "links":
        return GainScale(0.0, 120.0 if scenario.layout.kind == "pairs" else 80.0)
    radio = scenario.radio
    mean_db = float(to_db(from_dbm(radio.p_max_dbm) / noise_power_w(radio)))
    return GainScale(mean_db - 20.0, mean_db + 10.0)


def rate_scale(scenario: Scenario, scale: GainScale) -> float:
    """Rate that becomes 1 [bit/s/Hz]: that of the SINR cap, or of the strongest gain told."""
    cap_db = scenario.radio.sinr_cap_db
    return math.log2(1.0 + from_db(scale.high_db if cap_db is None else cap_db))


def level_fractions(levels: int) -> Array:
    """Powers to choose from, as fractions of the largest: off, then evenly in dB up to one.

    Parameters
    ----------
    levels : int
        At least two; two are off and full power.

    Returns
    -------
    [levels], float64

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    if levels < 2:
        raise ValueError(f"levels = {levels}: must be at least 2, off and full power")
    steps_db = np.linspace(-POWER_RANGE_DB, 0.0, levels - 1) if levels > 2 else np.zeros(1)
    return np.concatenate([[0.0], 10.0 ** (steps_db / 10.0)])


def fraction_of_db(code: ArrayLike) -> Array:
    """Fractions of the largest power from codes in [-1, 1], evenly in dB; the lowest are off."""
    share = 0.5 * (np.asarray(code, np.float64) + 1.0)
    fraction = 10.0 ** (POWER_RANGE_DB / 10.0 * (share - 1.0))
    return np.where(share < OFF_BELOW, 0.0, fraction)


def fraction_of_linear(code: ArrayLike) -> Array:
    """Fractions of the largest power from codes in [-1, 1], evenly in watts."""
    return 0.5 * (np.asarray(code, np.float64) + 1.0)


def power_code(fraction: ArrayLike) -> Codes:
    """Numbers in [0, 1] from fractions of the largest power: evenly in dB, 0 is off.

    What `fraction_of_db` makes of ``2 code - 1`` is the fraction again, down to the lowest level.
    """
    given = np.asarray(fraction, np.float64)
    with np.errstate(divide="ignore"):
        share = 1.0 + 10.0 * np.log10(given) / POWER_RANGE_DB
    return np.where(given > 0.0, np.clip(share, OFF_BELOW, 1.0), 0.0).astype(np.float32)
