"""Diagonal stripes in several colours inside a rectangle: what ties look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from slotwise.runs.sweep.drawing.shades import mixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BANDS", "Piece", "draw_pieces", "striped"]

Piece = tuple[list[tuple[float, float]], str]

_STRENGTHS = (0.36, 0.62)
_MOST = 4
BANDS = 5
"""Stripes of a tile that is large enough for them."""
_FIRST = 0.62  # of each band is the first colour's


def striped(
    corner: tuple[float, float],
    size: tuple[float, float],
    colours: Sequence[str],
    bands: int = BANDS,
) -> Iterator[Piece]:
    """A rectangle of a pale colour, striped from its upper left to its lower right, in pieces.

    Parameters
    ----------
    corner, size : (float, float)
        Lower left corner, width and height.
    colours : sequence of str
        The ground, and the stripes in turn; no more than four are shown.
    bands : int
        How many stripes.

    Yields
    ------
    (list of (float, float), str)
        Corners and fill, what lies above later.
    """
    (x, y), (wide, high) = corner, size
    ground = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
    yield ground, mixed(colours[0], _STRENGTHS[0])
    others = [mixed(colour, _STRENGTHS[1]) for colour in colours[1:_MOST]]
    bands = max(bands, len(others))
    bands += len(others) == 2 and bands % 2
    for band in range(bands):
        low, high_at = 2.0 * (band + _FIRST / 2) / bands, 2.0 * (band + 1 - _FIRST / 2) / bands
        corners = [(x + u * wide, y + v * high) for u, v in _band(low, high_at)]
        yield corners, others[band % len(others)]


def draw_pieces(axes: Axes, pieces: Iterable[Piece]) -> None:
    """Fill polygons all at once: one by one, thousands take minutes."""
    from matplotlib.collections import PolyCollection

    corners, fills = zip(*pieces, strict=True)
    axes.add_collection(
        PolyCollection(list(corners), facecolors=list(fills), linewidths=0), autolim=False
    )


def _band(low: float, high: float) -> list[tuple[float, float]]:
    """Corners of the part of the unit square in which low <= u + v <= high."""

    def crossing(level: float) -> tuple[tuple[float, float], tuple[float, float]]:
        if level <= 1.0:
            return (0.0, level), (level, 0.0)
        return (level - 1.0, 1.0), (1.0, level - 1.0)

    (first, second), (third, fourth) = crossing(low), crossing(high)
    corners = [first, second]
    if low < 1.0 < high:
        corners.append((1.0, 0.0))
    corners += [fourth, third]
    if low < 1.0 < high:
        corners.append((0.0, 1.0))
    return corners
