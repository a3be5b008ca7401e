"""WMMSE's answers to a batch: powers to imitate, and rates to divide by."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.radio import sum_rate

__all__ = ["solved"]

_LEAST_RATE = 1e-3  # [bit/s/Hz]: nothing is divided by less


def solved(snr: Tensor, weight: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """WMMSE from full power, in double precision.

    Parameters
    ----------
    snr : Tensor, shape (n, K, K), float32
        Gains in units of noise at full power; rows are receivers.
    weight : Tensor, shape (n, K), float32
        Weights of the rates.
    iterations : int
        After so many it ends.

    Returns
    -------
    fraction : Tensor, shape (n, K), float32
        Powers as fractions of the largest.
    rate : Tensor, shape (n,), float32
        Their weighted sum rates, at least 0.001 [bit/s/Hz].
    """
    gain, alpha = snr.double().numpy(), weight.double().numpy()
    power = wmmse(gain, 1.0, 1.0, alpha, max_iterations=iterations)[0]
    rate = np.maximum(sum_rate(gain, power, 1.0, alpha), _LEAST_RATE)
    return torch.from_numpy(power).float(), torch.from_numpy(rate).float()
