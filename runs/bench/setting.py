"""What the measurements of a benchmark share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.bench.compiled_c import CompiledC, Missing, compile_c
from slotwise.runs.bench.limits import Limits, measure_limits

__all__ = ["Setting", "rayleigh"]

Array = NDArray[np.float64]

_LIMITS_SHARE = 3.0  # the limits are of eleven figures, measured at once


@dataclass
class Setting:
    """How long to measure, and beside what.

    Attributes
    ----------
    seconds : float
        About how long one comparison may take [s].
    seed : int
        Of every draw.
    peers : bool
        Whether other simulators are timed too.
    """

    seconds: float = 1.0
    seed: int = 0
    peers: bool = False

    @cached_property
    def limits(self) -> Limits:
        """What the machine can do at most, measured when first asked for."""
        return measure_limits(_LIMITS_SHARE * self.seconds)

    @cached_property
    def c(self) -> CompiledC | Missing:
        """The C implementation, compiled when first asked for, or why there is none."""
        try:
            return compile_c()
        except Missing as missing:
            return missing

    def fewer(self, samples: int, least: int = 4) -> int:
        """Samples for a figure that takes `samples` at a second a comparison.

        Means are of fewer draws where less time is given, and never of more.
        """
        return max(least, min(samples, round(samples * self.seconds)))


def rayleigh(samples: int, users: int, snr_db: float = 0.0, seed: int = 0) -> Array:
    """Gaussian interference channels: |h|^2 of every link is exponential.

    Parameters
    ----------
    samples, users : int
        N and K.
    snr_db : float
        Mean gain, in units of the noise at full power [dB].
    seed : int
        Of the draws.

    Returns
    -------
    ndarray, shape (N, K, K), float64
        Power gains for noise and largest power of one.
    """
    rng = np.random.default_rng((seed, samples, users))
    gain = rng.exponential(10.0 ** (snr_db / 10.0), size=(samples, users, users))
    return np.asarray(gain)
