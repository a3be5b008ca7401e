"""The map of a network: where its stations stand and where its users joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import WIDTH_IN, Drawing, finish, sheet
from slotwise.runs.report.palette import INK, Look
from slotwise.runs.report.quantities import count
from slotwise.runs.report.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_map"]

Array = NDArray[np.float64]

_MOST_USERS = 600
_MOST_NAMES = 25
_CHARACTER_PT = 5.4  # mean width of a character at 9 pt
_BESIDE = ((7, -4, "left"), (-7, -4, "right"), (0, 7, "center"), (0, -16, "center"))
"""Where a name may stand, from its station [pt], in order of preference."""


def draw_map(recording: Recording, chosen: Mapping[str, Look]) -> Drawing | None:
    """Stations as triangles, users where they joined in the colour of their mean rate.

    Rates are those under whoever served the objective best, as the finding says.
    """
    spec = max(chosen, key=lambda name: recording.value(name, recording.merit.name) or 0.0)
    cells = recording.of(spec) or recording.each_seed()
    cell = cells[0]
    stations = cell.stations
    users = cell.users
    placed = np.isfinite(users["x_m"]) & np.isfinite(users["y_m"]) & np.isfinite(users["rate"])
    x, y, rate = (users[name][placed] for name in ("x_m", "y_m", "rate"))
    if not stations and len(x) == 0:
        return None
    total = len(x)
    kept = np.unique(np.linspace(0, total - 1, min(total, _MOST_USERS)).astype(int))
    x, y, rate = x[kept], y[kept], rate[kept]

    places = np.array([[a, b] for a, b, _ in stations]).reshape(-1, 2)
    box = _frame(np.concatenate([places, np.column_stack([x, y])]))
    shape = (box[3] - box[2]) / (box[1] - box[0])
    figure = sheet(float(np.clip(0.6 + 0.62 * WIDTH_IN * shape, 2.4, 4.9)))
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.set_xlim(box[0], box[1])
    axes.set_ylim(box[2], box[3])
    if total:
        _draw_users(figure, axes, x, y, rate)
    _draw_stations(figure, axes, places, [name for *_, name in stations])
    axes.set_xlabel("east [m]" if _on_earth(recording) else "x [m]")
    axes.set_ylabel("north [m]" if _on_earth(recording) else "y [m]")
    caption = _caption(len(stations), total, len(kept), cell.controller, cell.seed)
    label = f"Map of {len(stations)} stations and {total} users, axes in metres."
    return finish(figure, "map", "Sites and users", caption, label)


def _on_earth(recording: Recording) -> bool:
    return (recording.scenario.get("layout") or {}).get("kind") == "sites"


def _frame(points: Array) -> tuple[float, float, float, float]:
    """Left, right, bottom, top around all points, not too slim: names need room beside them."""
    low, high = points.min(axis=0), points.max(axis=0)
    wide, high_m = high - low
    size = np.array([max(wide, high_m / 1.25, 1.0), max(high_m, wide / 2.2, 1.0)])
    middle = (low + high) / 2
    low, high = middle - 0.54 * size, middle + 0.54 * size
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _draw_users(figure: Figure, axes: Axes, x: Array, y: Array, rate: Array) -> None:
    """Dots in the colours of cividis, which are in one order for any colour vision."""
    top = float(np.quantile(rate, 0.98))
    order = np.argsort(rate)
    dots = axes.scatter(
        x[order],
        y[order],
        c=rate[order],
        s=20 if len(x) <= 200 else 11,
        cmap="cividis",
        vmin=0.0,
        vmax=top if top > 0 else 1.0,
        linewidths=0.3,
        edgecolors="white",
    )
    bar = figure.colorbar(
        dots, ax=axes, shrink=0.85, pad=0.02, extend="max" if rate.max() > top else "neither"
    )
    bar.set_label("user's mean rate [bit/s/Hz]")
    bar.outline.set_linewidth(0.6)


def _draw_stations(figure: Figure, axes: Axes, places: Array, names: list[str]) -> None:
    if len(places) == 0:
        return
    few = len(places) <= 60
    axes.scatter(
        places[:, 0],
        places[:, 1],
        marker="^",
        s=64 if few else 22,
        facecolor="#D55E00",
        edgecolor="white",
        linewidths=0.7,
        zorder=3,
    )
    if len(places) <= _MOST_NAMES and any(names):
        figure.draw_without_rendering()  # lays the axes out, so that names can be fitted
        _draw_names(axes, places, names)


def _draw_names(axes: Axes, places: Array, names: list[str]) -> None:
    """Names beside their stations, where they cover neither another name nor another station."""
    from matplotlib.patheffects import Normal, Stroke

    pixels = axes.transData.transform(places)
    scale = axes.figure.dpi / 72.0
    frame = axes.get_window_extent()
    taken = [(px - 5 * scale, py - 5 * scale, px + 5 * scale, py + 5 * scale) for px, py in pixels]
    for place, (px, py), name in zip(places, pixels, names, strict=True):
        short = name if len(name) <= 24 else name[:23].rstrip() + "…"
        wide, high = len(short) * _CHARACTER_PT * scale, 11 * scale
        for dx, dy, align in _BESIDE:
            left = px + dx * scale - {"left": 0.0, "right": wide, "center": wide / 2}[align]
            box = (left, py + dy * scale, left + wide, py + dy * scale + high)
            fits = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1]
            own = [t for t in taken if not (t[0] < px < t[2] and t[1] < py < t[3])]
            if short and fits and not any(_overlap(box, other) for other in own):
                axes.annotate(
                    short,
                    (float(place[0]), float(place[1])),
                    xytext=(dx, dy),
                    textcoords="offset points",
                    ha=align,
                    fontsize=9,
                    color=INK,
                    path_effects=[Stroke(linewidth=2.2, foreground="white"), Normal()],
                    zorder=4,
                )
                taken.append(box)
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _caption(stations: int, users: int, drawn: int, controller: str, seed: int) -> str:
    words = []
    if stations:
        words.append(f"Triangles: {count(stations)} stations, named where there is room.")
    if users:
        words.append(
            f"Dots: {count(users)} users where they joined, coloured by the mean rate of their "
            f"stay under `{controller}` in seed {seed}."
        )
    if drawn < users:
        words.append(f"Only {count(drawn)} of them, evenly chosen, are drawn.")
    return " ".join(words)
