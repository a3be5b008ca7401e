"""Colours of a sweep's maps: one for each controller, in four strengths.

A map tells controllers by hue and margins by strength, so pale blue must not be mistaken for sky
blue: the palette's sky blue and grey come last here, after black.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.palette import COLOURS, INK, Look, look

__all__ = [
    "ALONE",
    "STRENGTHS",
    "TWICE",
    "UNOPPOSED",
    "edges",
    "hatch_of",
    "label_of",
    "looks_of",
    "mixed",
    "on",
    "shortened",
    "width_pt",
    "wrapped",
]

STRENGTHS = (0.28, 0.52, 0.77, 1.0)
"""How much of a controller's colour there is, the rest being white."""

TWICE = 99.5
"""Margin [%] from which on a factor is written."""

ALONE, UNOPPOSED = "alone", "unopposed"
"""Of a winner whose rivals lived and yield nothing, and of one whose rivals all failed."""

_ORDER = (0, 1, 2, 3, 4, 6, 5, 7)
_BLACK = "#3A3A3A"  # whose pale shades are greys
_SCALES = ((0.3, 1.0, 3.0), (1.0, 3.0, 10.0), (3.0, 10.0, 30.0), (10.0, 30.0, 100.0))
_DISTINCT = 6
_MARKERS = ("o", "s", "^", "D", "v", "X", "P", "h", "*", "<", ">", "p", "d")
_HATCHES = ("...", "xx", "oo", "++")
_FONT = "DejaVu Sans"


def looks_of(controllers: Sequence[str]) -> dict[str, Look]:
    """Look of each controller of a plan, in its order; thirteen have a marker of their own."""
    found = {}
    for position, spec in enumerate(controllers):
        turn, at = divmod(position, len(COLOURS))
        own = look(turn * len(COLOURS) + _ORDER[at])
        colour = _BLACK if own.colour == "#000000" else own.colour
        found[spec] = replace(own, colour=colour, marker=_MARKERS[position % len(_MARKERS)])
    return found


def hatch_of(position: int) -> str:
    """Pattern over the colour of those past the six whose colours are distinct in all strengths."""
    if position < _DISTINCT:
        return ""
    return _HATCHES[position // len(COLOURS) % len(_HATCHES)]


def edges(lead_percent: NDArray[np.float64]) -> tuple[float, float, float]:
    """Margins between the four strengths [%] that tell those of a map apart best.

    Of some round scales, the one whose four strengths are used most evenly (largest entropy); of
    several that are, the one whose middle is nearest the median margin by ratio.
    """
    known = lead_percent[np.isfinite(lead_percent)]
    if not known.size:
        return _SCALES[1]
    median = max(float(np.median(known)), 1e-9)

    def worth(scale: tuple[float, float, float]) -> tuple[float, float]:
        share = np.bincount(np.searchsorted(scale, known, "right"), minlength=4) / known.size
        evenness = float(-np.sum(share[share > 0.0] * np.log(share[share > 0.0])))
        return round(evenness, 9), -abs(math.log(median / scale[1]))

    return max(_SCALES, key=worth)


def mixed(colour: str, strength: float) -> str:
    """A colour thinned with white; ``#RRGGBB``."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + strength * (part - 255)):02X}" for part in parts)


def on(colour: str) -> str:
    """White or ink, whichever is read more easily on a colour (WCAG 2.1, contrast ratio)."""
    part = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.061 else INK


@lru_cache(maxsize=4096)
def width_pt(text: str, size_pt: float, bold: bool = False) -> float:
    """Width of the longest line of a text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_FONT, size=size_pt, weight="bold" if bold else "normal")
    lines = text.split("\n")
    return max(text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines)


def shortened(text: str, room_pt: float, size_pt: float, bold: bool = False) -> str:
    """A text that fits, its middle left out where it does not: ends of specs tell them apart."""
    if width_pt(text, size_pt, bold) <= room_pt:
        return text
    for length in range(len(text) - 1, 1, -1):
        head = (length + 1) // 2
        cut = f"{text[:head]}…{text[len(text) - (length - head) :]}"
        if width_pt(cut, size_pt, bold) <= room_pt:
            return cut
    return "…"


def label_of(lead: float) -> str:
    """A margin [%] for a tile: ``+0.4%``, ``+12%``, ``×2.6``, ``alone``, ``unopposed``.

    From +100% on it says how many times the runner-up's, ``alone`` of an infinite one, and
    ``unopposed`` of NaN, without a runner-up.
    """
    if np.isnan(lead):
        return UNOPPOSED
    if np.isinf(lead):
        return ALONE
    times = 1.0 + lead / 100.0
    if times >= 999.5:
        return ">×999"
    if lead >= TWICE:
        return f"×{times:.{1 if times < 9.95 else 0}f}"
    return f"+{lead:.{0 if lead >= 0.95 else 1 if lead >= 0.095 else 2}f}%"


def wrapped(text: str, room_pt: float, size_pt: float, bold: bool = False) -> list[str]:
    """A text on as many lines as it needs, broken at its spaces."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_pt(longer, size_pt, bold) > room_pt:
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, room_pt, size_pt, bold) for line in lines]
