"""Codes of gains, compiled: the arithmetic of `slotwise.emulator.encoding.GainScale`."""

from __future__ import annotations

import numpy as np

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_single

__all__ = ["code_line", "code_of"]

_LOG10_OF_2 = 0.30102999566398120
_NONE, _MOST = np.float32(-1.0), np.float32(1.0)


@kernel(inline=True)
def code_line(low_db: float, high_db: float) -> tuple[np.float32, np.float32, np.float32]:
    """Floor, slope and offset of the codes of a scale.

    Parameters
    ----------
    low_db, high_db : float
        Ends of the scale [dB].

    Returns
    -------
    float32, float32, float32
        What is added to a gain, and the line that its logarithm to base two is put on.
    """
    span_db = high_db - low_db
    floor, slope = 10.0 ** (low_db / 10.0), 20.0 * _LOG10_OF_2 / span_db
    return np.float32(floor), np.float32(slope), np.float32(-2.0 * low_db / span_db - 1.0)


@kernel(inline=True)
def code_of(level: np.float32, slope: np.float32, offset: np.float32) -> np.float32:
    """Code of a gain.

    Parameters
    ----------
    level : float32
        Gain in units of noise at full power, and the floor.
    slope, offset : float32
        Of `code_line`.

    Returns
    -------
    float32
        In [-1, 1].
    """
    return min(max(slope * log2_single(level) + offset, _NONE), _MOST)
