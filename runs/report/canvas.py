"""Paper, pens and legend: what all figures of a report share, and how one becomes a file.

A figure is drawn inside `style`, on paper of one width whose text stays readable when a phone or a
column of print makes it narrow, and ends as a `Drawing`: vector and pixels with the words that
belong to it. Nothing of pyplot's global state is touched, and the same input gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.palette import INK, Look

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["WIDTH_IN", "Drawing", "finish", "inline", "keys", "sheet", "style"]

WIDTH_IN = 4.6
"""Width of every figure [in]: 10 pt text is 11 px high on a phone 390 px wide."""

_FONT = "DejaVu Sans"
_TEXT_PT = 10.0
_KEY_PT = 9.5
_KEY_ROW_IN = 0.2
_KEY_SAMPLE_PT = 46.0
_SETTINGS: dict[str, object] = {
    "font.family": _FONT,
    "font.size": _TEXT_PT,
    "axes.labelsize": _TEXT_PT,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": _KEY_PT,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 6),
    "axes.formatter.use_mathtext": False,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.7,
    "lines.dash_capstyle": "butt",
    "legend.frameon": False,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "slotwise",
    "path.simplify": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished figure with its words.

    Attributes
    ----------
    name : str
        File name without suffix, and prefix of its ids in the page.
    title, caption, label : str
        Heading, what is drawn and how (controllers between backticks), and the short text for who
        cannot see it.
    svg : str
        A whole SVG document.
    png : bytes
        The same at 200 dots per inch.
    """

    name: str
    title: str
    caption: str
    label: str
    svg: str
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this: the report's look, whatever matplotlib was set to before and after."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]
        yield


def sheet(height_in: float = 3.0, key: Sequence[str] = ()) -> Figure:
    """An empty figure of the common width.

    Parameters
    ----------
    height_in : float
        Height without the key [in].
    key : sequence of str
        Texts of the key that will be drawn above; the paper grows by its rows.
    """
    from matplotlib.figure import Figure

    rows = _key_layout(key)[2] if key else 0
    return Figure(figsize=(WIDTH_IN, height_in + _KEY_ROW_IN * rows), layout="constrained")


def keys(
    figure: Figure,
    looks: Mapping[str, Look],
    *,
    markers: bool = False,
    extra: Sequence[tuple[Artist, str]] = (),
) -> None:
    """Draw the key of controllers above everything else.

    Parameters
    ----------
    figure : Figure
        Made by `sheet` with the same texts.
    looks : mapping of str to Look
        Controllers in order.
    markers : bool
        Whether the figure shows controllers as markers rather than lines.
    extra : sequence of (Artist, str)
        Further entries, such as a line for the slot.
    """
    from matplotlib.lines import Line2D

    handles: list[Artist] = [
        Line2D(
            [],
            [],
            color=look.colour,
            linestyle="none" if markers else look.linestyle,
            marker=look.marker if markers else "",
            markersize=7,
        )
        for look in looks.values()
    ]
    texts, columns, _ = _key_layout([*looks, *(text for _, text in extra)])
    figure.legend(
        [*handles, *(artist for artist, _ in extra)],
        texts,
        loc="outside upper left",
        ncols=columns,
        handlelength=1.2 if markers else 2.6,
        columnspacing=1.2,
        labelspacing=0.3,
        borderaxespad=0.1,
        borderpad=0.1,
    )


def finish(figure: Figure, name: str, title: str, caption: str, label: str) -> Drawing:
    """Write a figure as vector and as pixels.

    Parameters
    ----------
    figure : Figure
        Complete.
    name, title, caption, label : str
        See `Drawing`.
    """
    vector, pixels = io.StringIO(), io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(vector, format="svg", metadata=nothing)
    figure.set_layout_engine("none")  # it has been laid out
    figure.savefig(pixels, format="png", metadata={"Software": None})
    svg = re.sub(r'(?<= d=")[^"]+', _shorter, vector.getvalue())
    return Drawing(name, title, caption, label, svg, pixels.getvalue())


def inline(drawing: Drawing) -> str:
    """The figure as an element of an HTML page, as wide as its container.

    Every id gets the drawing's name in front, so that several figures share a page; the width, the
    height, the comments and the style sheet, which would reach the whole page, are left out.
    """
    body = drawing.svg[drawing.svg.index("<svg") :]
    head, rest = body.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', head)
    rest = re.sub(
        r"<style\b.*?</style>|<metadata\b.*?</metadata>|<!--.*?-->", "", rest, flags=re.DOTALL
    )
    rest = re.sub(r'\bid="', f'id="{drawing.name}-', rest)
    rest = re.sub(r'xlink:href="#', f'xlink:href="#{drawing.name}-', rest)
    rest = re.sub(r"url\(#", f"url(#{drawing.name}-", rest)
    return (
        f'<svg class="plot" role="img" aria-label="{escape(drawing.label)}" '
        f'{view.group() if view else ""} xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{rest}'
    )


def _key_layout(texts: Sequence[str]) -> tuple[list[str], int, int]:
    """Texts of a key, broken where they are too long; its columns; and its height in rows."""
    room = WIDTH_IN * 72.0 - 10.0
    fitted = [_broken(text, room - _KEY_SAMPLE_PT) for text in texts]
    for columns in range(len(fitted), 0, -1):
        stacks = np.array_split(np.array(fitted, dtype=object), columns)  # as a legend does
        widths = [max(map(_width_pt, stack)) + _KEY_SAMPLE_PT for stack in stacks]
        if sum(widths) <= room or columns == 1:
            rows = max(sum(text.count("\n") + 1 for text in stack) for stack in stacks)
            return fitted, columns, rows
    return [], 1, 0


def _broken(text: str, room_pt: float) -> str:
    """A controller's spec on as many lines as it needs, broken after colons and commas."""
    lines = [""]
    for part in re.findall(r"[^:,]*[:,]?", text):
        if lines[-1] and _width_pt(lines[-1] + part) > room_pt:
            lines.append("")
        lines[-1] += part
    return "\n".join(_shortened(line, room_pt) for line in lines)


def _shortened(line: str, room_pt: float) -> str:
    """A line that fits, with an ellipsis for what does not."""
    if _width_pt(line) <= room_pt:
        return line
    return next(
        (cut for n in range(len(line) - 1, 0, -1) if _width_pt(cut := line[:n] + "…") <= room_pt),
        "…",
    )


@lru_cache(maxsize=1024)
def _width_pt(text: str) -> float:
    """Width of the longest line of a text in the key."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family=_FONT, size=_KEY_PT)
    lines = [line for line in text.split("\n") if line.strip()]
    return max(
        (float(TextPath((0, 0), line, prop=font).get_extents().x1) for line in lines), default=0.0
    )


def _shorter(path: re.Match[str]) -> str:
    """A path's numbers to a hundredth of a point, which no eye can tell from a millionth."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", path.group())
