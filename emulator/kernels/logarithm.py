"""Logarithms to base two that vectorise.

A loop that calls the C library's logarithm is done one element after another. These are arithmetic
alone, without branch or table, so that the compiler puts as many side by side as a register holds.
"""

from __future__ import annotations

import numpy as np

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["log2_1p", "log2_of", "log2_single"]

# The method and the polynomial are those of fdlibm's e_log.c (Sun Microsystems, 1993): with
# x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), and s = f / (2 + f),
# log(1 + f) = log((1 + s) / (1 - s)) = 2 (s + s^3/3 + ...) = f - f^2/2 + s (f^2/2 + R(s^2)),
# where the last form keeps f itself exact, and so the relative error small where x is near one.
_R1 = 6.666666666666735130e-01
_R2 = 3.999999999940941908e-01
_R3 = 2.857142874366239149e-01
_R4 = 2.222219843214978396e-01
_R5 = 1.818357216161805012e-01
_R6 = 1.531383769920937332e-01
_R7 = 1.479819860511658591e-01

_PER_NATURAL = 1.4426950408889634  # 1 / ln 2
_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # bits of sqrt(1/2)
_FRACTION_BITS = np.int64(52)
_LEAST_NORMAL = 2.2250738585072014e-308

_PER_S = np.float32(2.8853900817779268)  # 2 / ln 2
_ROOT_HALF_SINGLE = np.int32(0x3F3504F3)
_FRACTION_BITS_SINGLE = np.int32(23)
_ONE, _TWO = np.float32(1.0), np.float32(2.0)
_S3, _S5, _S7 = np.float32(1.0 / 3.0), np.float32(0.2), np.float32(1.0 / 7.0)


@kernel(inline=True)
def _split(x: float) -> tuple[float, float]:
    """Exponent e and fraction f of x = 2^e (1 + f), from the bits of x."""
    bits = np.float64(x).view(np.int64)
    # Measured from sqrt(1/2), the exponent's bits change where 1 + f wraps from sqrt(2).
    exponent = (bits - _ROOT_HALF) >> _FRACTION_BITS
    mantissa = np.int64(bits - (exponent << _FRACTION_BITS)).view(np.float64)
    return np.float64(exponent), mantissa - 1.0


@kernel(inline=True)
def _log_1p(f: float, lost: float) -> float:
    """Natural logarithm of 1 + f plus a small number, for 1 + f in [sqrt(1/2), sqrt(2))."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    # Even and odd powers apart: two short chains of products instead of a long one.
    series = w * (_R2 + w * (_R4 + w * _R6)) + z * (_R1 + w * (_R3 + w * (_R5 + w * _R7)))
    half_square = 0.5 * f * f
    return f - (half_square - (s * (half_square + series) + lost))


@kernel(inline=True)
def log2_of(x: float) -> float:
    """Logarithm of x to base two.

    Parameters
    ----------
    x : float64
        A number that is not negative.

    Returns
    -------
    float64
        log2(x) to 2 units in the last place; -inf below the least normal number (2.2e-308), inf of
        inf, NaN of NaN.
    """
    exponent, f = _split(x)
    value = exponent + _PER_NATURAL * _log_1p(f, 0.0)
    if x < _LEAST_NORMAL:
        value = -np.inf
    return value if x < np.inf else x


@kernel(inline=True)
def log2_1p(x: float) -> float:
    """Logarithm of 1 + x to base two, exact to the last places however small x is.

    Parameters
    ----------
    x : float64
        A number that is not negative, such as an SINR.

    Returns
    -------
    float64
        log2(1 + x) to 2 units in the last place; inf of inf, NaN of NaN.
    """
    total = 1.0 + x
    exponent, f = _split(total)
    # What rounding took from 1 + x is put back to first order: log(t + c) = log(t) + c / t.
    lost = x - (total - 1.0)
    value = exponent + _PER_NATURAL * _log_1p(f, lost / total)
    return value if x < np.inf else x


@kernel(inline=True)
def log2_single(x: np.float32) -> np.float32:
    """Logarithm of x to base two in single precision.

    Parameters
    ----------
    x : float32
        A positive, finite, normal number.

    Returns
    -------
    float32
        log2(x), to a millionth where |log2(x)| is below 8.
    """
    bits = np.float32(x).view(np.int32)
    # Numba widens sums of 32 bits to 64, and half as many of those fit side by side.
    exponent = np.int32(np.int32(bits - _ROOT_HALF_SINGLE) >> _FRACTION_BITS_SINGLE)
    whole = np.int32(exponent << _FRACTION_BITS_SINGLE)
    f = np.int32(bits - whole).view(np.float32) - _ONE
    s = f / (_TWO + f)
    z = s * s
    # log(1 + f) = 2 (s + s^3/3 + s^5/5 + s^7/7 + ...), where s is at most 0.172.
    return np.float32(exponent) + _PER_S * s * (_ONE + z * (_S3 + z * (_S5 + z * _S7)))
