"""Distributions of the sum rate over draws, as in Figs. 7 and 8.

Curves are drawn from evenly spaced quantiles that a measurement keeps, so that a figure can be made
again without the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import looks
from slotwise.runs.report.quantities import MISSING, number
from slotwise.runs.studies.part import Document, Grid, Result
from slotwise.runs.studies.setting import Setting

__all__ = ["draw_distributions"]

_NETWORK = "mlp, rounded"
_SHARES = (0.05, 0.5, 0.95)


def draw_distributions(
    name: str,
    chosen: Sequence[tuple[Setting, str]],
    results: Sequence[Result],
    methods: Sequence[str],
) -> Document:
    """One panel for each setting: cumulative distributions of the sum rate.

    Parameters
    ----------
    name : str
        Stem of the figure's files.
    chosen : sequence of (Setting, str)
        Settings with the label of the network that was trained for each.
    results : sequence of mapping
        Their `Measurement` as JSON, in the same order.
    methods : sequence of str
        Labels of what is drawn; empty for the setting's network, which is rounded.
    """
    panels = [
        (_where(setting), _curves(result, network, methods))
        for (setting, network), result in zip(chosen, results, strict=True)
    ]
    rows: list[dict[str, Any]] = [
        {
            "setting": where,
            "controller": label,
            **{
                f"quantile_{share:g}": float(np.quantile(curve, share))  # of evenly spaced ones
                for share in _SHARES
            },
        }
        for where, curves in panels
        for label, curve in curves.items()
    ]
    heads = ("network", "controller", *(f"{100 * share:g}% of draws below" for share in _SHARES))
    cells = [
        (
            row["setting"],
            row["controller"],
            *(number(row[f"quantile_{share:g}"], 4) for share in _SHARES),
        )
        for row in rows
    ]
    title = "Sum rate [bit/s/Hz]"
    return Document(
        [Grid(title, heads, cells or [(MISSING,) * len(heads)])],
        rows=rows,
        drawings=lambda: [_draw(name, panels)],
    )


def _where(setting: Setting) -> str:
    return f"{setting.scenario}, {setting.label}"


def _curves(result: Result, network: str, methods: Sequence[str]) -> dict[str, list[float]]:
    """Quantiles by what the key calls them; who did not take part is left out."""
    curves = {}
    for method in methods:
        kept = result["quantiles"].get(method or network)
        if kept is not None:
            curves[method or _NETWORK] = kept["raw" if method else "rounded"]
    return curves


def _draw(name: str, panels: Sequence[tuple[str, dict[str, list[float]]]]) -> Drawing:
    labels = list(dict.fromkeys(label for _, curves in panels for label in curves))
    chosen = looks(labels)
    figure = sheet(2.2 * len(panels), labels)
    for place, (where, curves) in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, place)
        for label, curve in curves.items():
            look = chosen[label]
            shares = np.linspace(0.0, 1.0, len(curve))
            axes.plot(curve, shares, color=look.colour, linestyle=look.linestyle)
        axes.set_title(where, fontsize=10)
        axes.set_ylim(0.0, 1.02)
        axes.set_ylabel("share of draws")
        axes.set_xlabel("sum rate [bit/s/Hz]" if place == len(panels) else "")
    keys(figure, chosen)
    caption = "Share of the draws whose sum rate is at most the value below."
    label = "Cumulative distributions of the sum rate in bit/s/Hz over draws."
    return finish(figure, name, "Distribution of the sum rate", caption, label)
