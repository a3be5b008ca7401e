"""One look for each controller: the same colour, dashes and marker in every figure and table.

A look belongs to a position in the comparison, so adding a controller at the end changes nobody
else's. The colours are those of Okabe and Ito ("Color universal design", 2008), told apart with any
colour vision; their yellow, too faint for a line on white, gives way to a grey. Dashes and markers
repeat the distinction for a print without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["COLOURS", "GREY", "INK", "Look", "look", "looks"]

COLOURS = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#7A7A7A",  # grey, for their yellow
)
INK = "#1C1C1C"
"""Text and axes."""
GREY = "#6A6A6A"
"""Marks that belong to no controller."""

_DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (5.0, 1.6),
    (1.2, 1.4),
    (6.0, 1.6, 1.2, 1.6),
    (3.0, 1.2),
    (9.0, 2.0),
    (6.0, 1.6, 1.2, 1.6, 1.2, 1.6),
    (1.2, 3.0),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


@dataclass(frozen=True, slots=True)
class Look:
    """How one controller is drawn.

    Attributes
    ----------
    colour : str
        ``#RRGGBB``.
    dashes : tuple of float
        Lengths on and off in multiples of the line width; empty for a solid line.
    marker : str
        Marker in matplotlib's letters.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str

    @property
    def linestyle(self) -> tuple[float, tuple[float, ...]] | Literal["solid"]:
        """The dashes as matplotlib takes them."""
        return (0.0, self.dashes) if self.dashes else "solid"


def look(position: int) -> Look:
    """Look of the controller at a position of the comparison.

    Past eight the colours come round again with the next dashes and the next marker, so that up to
    64 controllers are distinct.

    Parameters
    ----------
    position : int
        0 for the reference.
    """
    turn, place = divmod(position, len(COLOURS))
    other = (place + turn) % len(_DASHES)
    return Look(COLOURS[place], _DASHES[other], _MARKERS[other])


def looks(controllers: Sequence[str]) -> dict[str, Look]:
    """Look of every controller of a comparison, by its spec."""
    return {spec: look(position) for position, spec in enumerate(controllers)}
