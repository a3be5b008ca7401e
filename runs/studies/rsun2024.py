"""The study `rsun2024`: WMMSE unrolled on a graph, more pairs than it was trained for.

R. Sun, N. Cheng, C. Li, F. Chen and W. Chen, "Knowledge-driven deep learning paradigms for wireless
network optimization in 6G", IEEE Network, 2024: the case study, Fig. 5 and Table I. The figure's
values are not in the text; what it says is that the unrolled network is above WMMSE at every size,
and that a plain graph network is above it below 50 pairs only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import looks
from slotwise.runs.studies import published
from slotwise.runs.studies.methods import CLASSICAL, NINE, OPTIMISER
from slotwise.runs.studies.part import Document, Part, Result
from slotwise.runs.studies.setting import Goal, Published, Scale, Setting
from slotwise.runs.studies.study import Study
from slotwise.runs.studies.tables import Specs, measured_unit, show_settings

__all__ = ["rsun2024"]

_TITLE = "Unrolled WMMSE on device pairs, measured again"
_WORDS = (
    "R. Sun et al., IEEE Network, 2024, the case study. Rates are relative to WMMSE from full "
    "power (500 iterations at most) on the same draws, with a paired 95% interval; *rounded* is on "
    "above half of the largest power and off below. Published are online times, of a desktop "
    "processor with a graphics card and of WMMSE in a language that is not told; ours are of one "
    "decision at a time, methods taking turns on one thread."
)
_SPARSE = "unrolled:polish=20,sparse=16"
_LONG = "wmmse:max_iterations=5000"
_MANY = (
    "wmmse",
    _LONG,
    "wmmse:sparse=16",
    "wmmse:starts=10",
    "wmmse:flip=true",
    "beam:width=4",
    "beam",
    "beam:sparse=16",
    "graph",
    "unrolled-tiny",
    "unrolled",
    "unrolled:sparse=16",
    _SPARSE,
)
_PER_KM2 = 50
_DRAWS = {
    "minutes": {50: 20, 100: 10, 200: 8, 500: 4, 1000: 3},
    "paper": {50: 1000, 100: 300, 200: 150, 500: 50, 1000: 20},
}
"""Draws by scale and pairs: the more pairs, the less one draw differs from the next."""
_DRAWN = ("wmmse", "wmmse:starts=10", "beam", "graph", "unrolled-tiny", "unrolled", NINE)


def rsun2024(scale: Scale, seed: int, specs: Specs, extra: Sequence[Part] = ()) -> Study:
    """The study, not yet run.

    Parameters
    ----------
    scale : Scale
        Draws and times.
    seed : int
        Fixes the draws.
    specs : callable
        Spec of a method's label.
    extra : sequence of Part
        More parts.
    """
    few, many = _few(scale), _many(scale)
    parts = (
        Part(
            "1",
            "Fig. 5 and Table I: 10 to 100 pairs",
            "Pairs in 1 km², direct links of 2 to 65 m, the setting of the paper's plain graph "
            "network; the text has no values of Fig. 5.",
            tuple(measured_unit("table-1", each, specs, scale, seed) for each in few),
            lambda results: _figure_5(few, results),
        ),
        Part(
            "1000",
            "On to 1,000 pairs",
            f"{_PER_KM2} pairs for each km², whatever their number. Not in the paper.",
            tuple(measured_unit("table-1000", each, specs, scale, seed) for each in many),
            lambda results: show_settings(many, results, times="decision"),
        ),
        *extra,
    )
    return Study("rsun2024", _TITLE, _WORDS, scale.name, seed, parts)


def _few(scale: Scale) -> list[Setting]:
    return [
        Setting(
            label=f"N = {pairs}",
            scenario="d2d",
            users=pairs,
            samples=max(1, (scale.samples if pairs <= 30 else scale.large_samples) // 2),
            methods=(*CLASSICAL, *OPTIMISER),
            published={
                "unrolled": Published(time=f"{1e3 * unrolled:g} ms"),
                "graph": Published(time=f"{1e3 * graph:g} ms"),
                "wmmse": Published(time=f"{wmmse:g} s"),
            },
        )
        for pairs, (unrolled, graph, wmmse) in published.D2D_SECONDS.items()
    ]


def _many(scale: Scale) -> list[Setting]:
    settings = []
    for pairs, draws in _DRAWS[scale.name].items():
        goals = [
            Goal(_SPARSE, "raw", 100.9, 101.3),
            Goal(_SPARSE, "raw", 100.3, None, _LONG),
        ]
        if pairs >= 200:
            goals.append(Goal(_SPARSE, "speed", 20.0, 80.0 if pairs == 1000 else None))
        settings.append(
            Setting(
                label=f"N = {pairs}",
                scenario="d2d",
                users=pairs,
                samples=draws,
                methods=_MANY,
                overrides=(f"layout.side_m={1000 * math.sqrt(pairs / _PER_KM2):.1f}",),
                goals=tuple(goals),
            )
        )
    return settings


def _figure_5(settings: Sequence[Setting], results: Sequence[Result]) -> Document:
    shown = show_settings(settings, results, times="decision")
    return Document(
        shown.grids,
        shown.details,
        shown.rows,
        shown.notes,
        lambda: [_draw(settings, results)],
    )


def _draw(settings: Sequence[Setting], results: Sequence[Result]) -> Drawing:
    """Sum rate relative to WMMSE over the number of pairs."""
    found: dict[str, list[tuple[int, float]]] = {}
    for setting, result in zip(settings, results, strict=True):
        for row in result["rows"]:
            if row["method"] in _DRAWN and row["relative_raw"] is not None:
                found.setdefault(row["method"], []).append(
                    (setting.users, 100 * row["relative_raw"])
                )
    chosen = looks([method for method in _DRAWN if method in found])
    figure = sheet(3.0, list(chosen))
    axes = figure.add_subplot()
    for method, look in chosen.items():
        users, relative = zip(*found[method], strict=True)
        axes.plot(
            users,
            relative,
            color=look.colour,
            linestyle=look.linestyle,
            marker=look.marker,
            markersize=4.5,
        )
    axes.set_xlabel("pairs")
    axes.set_ylabel("sum rate, WMMSE = 100 [%]")
    keys(figure, chosen)
    caption = "Mean sum rate over the number of pairs in 1 km², relative to WMMSE from full power."
    label = "Line chart of the sum rate relative to WMMSE over the number of pairs."
    return finish(figure, "figure-5", "Sum rate over the number of pairs", caption, label)
