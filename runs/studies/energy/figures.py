"""Figures of the study: bits per joule over the largest power, as such and of the best known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import GREY, Look, look
from slotwise.runs.studies.energy.found import Found
from slotwise.runs.studies.energy.setting import BEST, LEVELS_DBW, name_of

__all__ = ["draw_shares", "draw_sweeps"]

_PLACES = {
    "fractional": 0,
    "mlp-ee": 1,
    "unrolled-ee": 2,
    "fractional:starts=1": 5,
    "max": 3,
    "wmmse": 4,
}
"""Looks; who is not named comes after."""
_WORDS = {"max": "max: full power", "wmmse": "wmmse: largest rate"}
"""What the key calls some of them."""
_NEAR = ("fractional", "fractional:starts=1", "unrolled-ee", "mlp-ee")
"""Those who aim at bits per joule, and so at the best known."""


def _looks(found: Mapping[str, Found], among: tuple[str, ...] = ()) -> dict[str, Look]:
    names = dict.fromkeys(name_of(who) for one in found.values() for who in one.values)
    return {
        name: look(_PLACES.get(name, 6))
        for name in sorted(names, key=lambda name: _PLACES.get(name, 6))
        if not among or name in among
    }


def draw_sweeps(name: str, found: Mapping[str, Found]) -> Drawing:
    """Mean energy efficiency over the largest power, a panel for each place.

    Parameters
    ----------
    name : str
        Stem of the figure's files.
    found : mapping of str to Found
        By place.
    """
    from matplotlib.lines import Line2D

    chosen = _looks(found)
    told = {_WORDS.get(who, who): style for who, style in chosen.items()}
    figure = sheet(2.5 * len(found), [*told, BEST])
    best = Line2D([], [], color=GREY, linewidth=5.0, alpha=0.35)
    for panel, (place, one) in enumerate(found.items(), 1):
        axes = figure.add_subplot(len(found), 1, panel)
        top = [one.mean(one.best, level).value for level in range(len(LEVELS_DBW))]
        axes.plot(LEVELS_DBW, top, color=GREY, linewidth=5.0, alpha=0.35)
        for who, values in one.values.items():
            style = chosen[name_of(who)]
            means = [one.mean(values, level) for level in range(len(LEVELS_DBW))]
            low, high = [mean.low for mean in means], [mean.high for mean in means]
            axes.fill_between(LEVELS_DBW, low, high, color=style.colour, alpha=0.18, linewidth=0)
            middle = [mean.value for mean in means]
            axes.plot(
                LEVELS_DBW, middle, color=style.colour, linestyle=style.linestyle, linewidth=1.5
            )
        axes.set_title(place, fontsize=10)
        axes.set_ylim(0.0, 1.08 * max(top))
        axes.set_xlim(LEVELS_DBW[0] - 1, LEVELS_DBW[-1] + 1)
        axes.set_ylabel("energy efficiency [Mbit/J]")
        axes.set_xlabel("largest power of a user [dBW]" if panel == len(found) else "")
    keys(figure, told, extra=[(best, BEST)])
    caption = (
        "Mean energy efficiency over the largest power; 95% intervals over draws are shaded, and "
        "narrow. Who reaches the best known lies on its band."
    )
    label = "Line charts of energy efficiency in Mbit/J over the largest power in dBW."
    return finish(figure, name, "Energy efficiency over the largest power", caption, label)


def draw_shares(name: str, found: Mapping[str, Found]) -> Drawing:
    """What those who aim at bits per joule reach of the best known, in per cent.

    Parameters
    ----------
    name : str
        Stem of the figure's files.
    found : mapping of str to Found
        By place.
    """
    chosen = _looks(found, _NEAR)
    figure = sheet(2.2 * len(found), [*chosen])
    every = [
        one.of_means(who, level).low
        for one in found.values()
        for who in one.values
        if name_of(who) in chosen
        for level in range(len(LEVELS_DBW))
    ]
    lowest = min(99.9, *every) - 0.05  # one scale for all panels
    for panel, (place, one) in enumerate(found.items(), 1):
        axes = figure.add_subplot(len(found), 1, panel)
        axes.axhline(100.0, color=GREY, linewidth=0.8)
        for who in one.values:
            style = chosen.get(name_of(who))
            if style is None:
                continue
            ratios = [one.of_means(who, level) for level in range(len(LEVELS_DBW))]
            bounds = np.array([(ratio.low, ratio.high) for ratio in ratios]).T
            axes.fill_between(LEVELS_DBW, *bounds, color=style.colour, alpha=0.18, linewidth=0)
            axes.plot(
                LEVELS_DBW,
                [ratio.value for ratio in ratios],
                color=style.colour,
                linestyle=style.linestyle,
                marker=style.marker,
                markersize=3.5,
                linewidth=1.3,
            )
        axes.set_title(place, fontsize=10)
        axes.set_xlim(LEVELS_DBW[0] - 1, LEVELS_DBW[-1] + 1)
        axes.set_ylim(lowest, 100.0 + 0.05 * (100.0 - lowest))
        axes.set_ylabel("of the best known [%]")
        axes.set_xlabel("largest power of a user [dBW]" if panel == len(found) else "")
    keys(figure, chosen)
    caption = "The same relative to the best known, ratios of means, 95% intervals shaded."
    label = "Line charts of energy efficiency relative to the best known over the largest power."
    return finish(figure, name, "Energy efficiency relative to the best known", caption, label)
