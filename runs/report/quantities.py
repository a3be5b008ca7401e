"""How a report writes numbers: few digits, a unit, a true minus sign, a dash for what is missing.

Every table, sentence and figure writes through here, so that one quantity looks the same wherever
it is met.
"""

from __future__ import annotations

import math

__all__ = [
    "MISSING",
    "count",
    "duration",
    "factor",
    "number",
    "percent",
    "prefix",
    "quantity",
    "signed_percent",
    "superscript",
]

MISSING = "–"
"""What stands where there is no number."""


def number(value: float | None, digits: int = 3) -> str:
    """A number to ``digits`` significant digits, never fewer than its whole part.

    ``4.21``, ``0.0123``, ``1,235``, ``1.2×10⁻⁵``; `MISSING` for None, NaN and infinity. Below
    1e-15 it is ``0``: a rate of 1e-39 bit/s/Hz is a silent user and not a quantity.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) < 1e-15:
        return "0"
    power = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not -4 <= power <= 8:
        mantissa = _signed(f"{value / 10.0**power:.{digits - 1}f}")
        return f"{mantissa}×10{superscript(power)}"
    return _signed(f"{value:,.{max(0, digits - 1 - power)}f}")


def factor(value: float) -> str:
    """A factor without idle zeros: ``4``, ``2.5``."""
    return _short(value)


def count(value: float | None) -> str:
    """A whole number with thousands apart: ``12,000``."""
    return MISSING if value is None or not math.isfinite(value) else _signed(f"{round(value):,}")


def percent(share: float | None) -> str:
    """A share as per cent, to two digits and at least a tenth: ``3.1%``, ``12%``, ``0.02%``."""
    if share is None or not math.isfinite(share):
        return MISSING
    size = abs(share) * 100
    if 99.5 <= size < 100:
        return "over 99%"
    if size == 0 or size >= 9.95:
        return _signed(f"{share * 100:.0f}%")
    if size < 0.005:
        return "under 0.01%"
    return _signed(f"{share * 100:.{1 if size >= 0.095 else 2}f}%")


def signed_percent(share: float | None) -> str:
    """A difference as per cent with its sign and one decimal: ``+2.1%``, ``−0.3%``, ``0.0%``.

    From 1,000 per cent without one: ``+5,385%``.
    """
    if share is None or not math.isfinite(share):
        return MISSING
    decimals = 2 if 0 < abs(share) < 0.0005 else int(abs(share) < 9.9995)
    text = f"{share * 100:+,.{decimals}f}%"
    return "0.0%" if text in ("+0.0%", "-0.0%", "+0.00%", "-0.00%") else _signed(text)


def duration(seconds: float | None) -> str:
    """A time with its unit: ``0.41 ms``, ``12.3 µs``, ``1.5 s``; milliseconds from 0.1 to 1,000."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds == 0:
        return "0 s"
    if abs(seconds) >= 0.9995:
        return f"{_short(seconds)} s"
    if abs(seconds) >= 0.9995e-4:
        return f"{_short(seconds * 1e3)} ms"
    return f"{_short(seconds * 1e6)} µs"


def prefix(most: float, unit: str) -> tuple[str, float]:
    """Unit with the prefix that suits a value, and how much of the plain unit that is.

    Parameters
    ----------
    most : float
        The value, or the largest of several that share a unit.
    unit : str
        Without a prefix: ``J``, ``W``, ``bit/J``. There is no part of a bit.
    """
    sizes = [(name, size) for name, size in _PREFIXES if size >= 1.0 or "bit" not in unit]
    name, size = next((pair for pair in sizes if abs(most) >= 0.9995 * pair[1]), ("", 1.0))
    return f"{name}{unit}", size


_PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6))


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit and the prefix that suits it: ``1.23 kJ``, ``72.6 Mbit/J``."""
    if value is None or not math.isfinite(value):
        return MISSING
    name, size = prefix(value, unit)
    return f"{number(value / size)} {name}"


def superscript(power: int) -> str:
    """An exponent in raised digits: ``⁻⁵``."""
    return str(power).translate(_SUPERSCRIPT)


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _short(value: float) -> str:
    """Three significant digits without idle zeros."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def _signed(text: str) -> str:
    return text.replace("-", "−")
