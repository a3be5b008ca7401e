"""Channel state information: what a controller learns of the gains or of the complex channels.

A report begins as the true coupling. A receiver estimates each channel from pilots, which adds an
error; it sends the result back in a few bits, which rounds it. Delay and period of reports are the
clock's affair. Perfect information, the default, passes through unchanged and draws no random
number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.radio import from_db, to_db
from slotwise.emulator.sections import Csi

__all__ = ["estimate", "estimate_channel", "quantise"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]


def estimate(csi: Csi, coupling: Array, mean: Array, rngs: Sequence[np.random.Generator]) -> Array:
    r"""Gains as reported: estimated with an error, then quantised.

    The estimate of a channel :math:`h` is :math:`\hat h = h + \sqrt{\nu m}\, e` with
    :math:`e \sim \mathcal{CN}(0, 1)`, where :math:`m` is the mean power gain of the channel and
    :math:`\nu` the normalised mean square error, :math:`\nu = E|\hat h - h|^2 / E|h|^2`: the usual
    model of pilot-aided estimation, e.g. T. Yoo and A. Goldsmith, "Capacity and power allocation
    for fading MIMO channels with channel estimation error", IEEE Trans. Inf. Theory 52(5), 2006.
    Only :math:`|\hat h|^2` is reported. Because the phase of :math:`e` is uniform, its law does
    not depend on the phase of :math:`h`, and :math:`|\sqrt g + \sqrt{\nu m}\, e|^2` is exact.

    The reported gain is larger than the true one by :math:`\nu m` in the mean; no estimator's
    shrinkage is applied. Errors are independent between links and between reports.

    Parameters
    ----------
    csi : Csi
        ``error_nmse_db``, ``quantisation_bits``, ``quantisation_min_db`` and
        ``quantisation_max_db`` are used.
    coupling : [B, S, M], float
        True linear power gain of each station and user [1].
    mean : [B, S, M], float
        Its mean over fading [1].
    rngs : sequence of B generators
        Network b draws 2 S M normals from its own, and none without an estimation error.

    Returns
    -------
    [B, S, M], float
        Reported linear power gain, always a new array; what is 0 in both inputs stays 0 [1].
    """
    reported = coupling.copy()
    if csi.error_nmse_db is not None:
        error = _errors(csi.error_nmse_db, mean, rngs)
        error[:, 0] += np.sqrt(coupling)
        reported = np.square(error[:, 0]) + np.square(error[:, 1])
    if csi.quantisation_bits is not None:
        reported = quantise(
            reported, csi.quantisation_bits, csi.quantisation_min_db, csi.quantisation_max_db
        )
    return reported


def estimate_channel(
    csi: Csi, channel: Channels, mean: Array, rngs: Sequence[np.random.Generator]
) -> Channels:
    r"""Complex channels as reported: :math:`\hat h = h + \sqrt{\nu m}\, e`, as of `estimate`.

    The same errors as of the gains, from the same numbers. A report of phases tells a filter how a
    channel moves, which gains alone do not.

    Parameters
    ----------
    csi : Csi
        ``error_nmse_db`` is used.
    channel : [B, S, M], complex
        True channel of each station and user, whose squared magnitude is the power gain [1].
    mean : [B, S, M], float
        Mean power gain over fading [1].
    rngs : sequence of B generators
        As of `estimate`.

    Returns
    -------
    [B, S, M], complex
        Reported channel, always a new array [1].
    """
    reported = channel.copy()
    if csi.error_nmse_db is not None:
        error = _errors(csi.error_nmse_db, mean, rngs)
        reported.real += error[:, 0]
        reported.imag += error[:, 1]
    return reported


def _errors(nmse_db: float, mean: Array, rngs: Sequence[np.random.Generator]) -> Array:
    """Real and imaginary parts of estimation errors, [B, 2, S, M]: half of the power in each."""
    error = np.empty((len(rngs), 2, *mean.shape[1:]))
    for rng, part in zip(rngs, error, strict=True):
        rng.standard_normal(out=part)
    error *= np.sqrt(0.5 * from_db(nmse_db) * mean)[:, None]
    return error


def quantise(gain: Array, bits: int, min_db: float, max_db: float) -> Array:
    """Gains rounded to the nearest of 2^bits levels, equally spaced in dB.

    The lowest level is ``min_db`` and the highest ``max_db``; gains beyond are reported as these.
    A gain of zero is an absent link, of which there is no report: it stays zero.

    Parameters
    ----------
    gain : [...], float
        Linear power gain, not negative [1].
    bits : int
        Bits for one gain, at least 1 [count].
    min_db, max_db : float
        Lowest and highest level [dB].

    Returns
    -------
    [...], float
        Quantised linear power gain [1].
    """
    top = 2**bits - 1
    step_db = (max_db - min_db) / top
    present = gain > 0.0
    level_db = to_db(np.where(present, gain, 1.0))
    index = np.clip(np.rint((level_db - min_db) / step_db), 0, top)
    return np.where(present, from_db(min_db + index * step_db), 0.0)
