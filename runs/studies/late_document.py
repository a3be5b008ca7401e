"""What is written of the study of late reports: tables, goals and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from slotwise.runs.intervals import mean_of_ratios
from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import INK, looks
from slotwise.runs.report.quantities import MISSING, number
from slotwise.runs.studies.late_draws import Case
from slotwise.runs.studies.part import Document, Grid, Result

__all__ = ["frozen_document", "living_document"]

_STALE, _EXPECTED = "wmmse", "wmmse:csi=conditional-mean"
_LATE, _SAMPLED = "unrolled-late", "beam:csi=sampled"
_DRAWN = (
    _EXPECTED,
    "beam:csi=conditional-mean",
    "unrolled:csi=conditional-mean",
    _LATE,
    _SAMPLED,
)


class _Goal(NamedTuple):
    """What a controller should reach in a case, in per cent of another."""

    case: str
    against: str
    least: float | None
    aim: float | None = None


_GOALS = (
    _Goal("iid 10 dB, K = 10, ρ = .64", _STALE, 112.0),
    _Goal("iid 10 dB, K = 10, ρ = .64", _EXPECTED, 104.0),
    _Goal("iid 10 dB, K = 10, ρ = .64", _SAMPLED, None, 99.0),
    _Goal("iid 10 dB, K = 20, ρ = .64", _STALE, 112.0),
    _Goal("iid 10 dB, K = 20, ρ = .64", _EXPECTED, 104.0),
    _Goal("iid 10 dB, K = 20, ρ = .64", _SAMPLED, None, 99.0),
    _Goal("urban, K = 21, ρ = .64", _STALE, 102.5),
    _Goal("iid 0 dB, K = 10, ρ = .99, e = .1, Kalman", _STALE, 105.0),
)


class _Ratio(NamedTuple):
    """A ratio in per cent with its 95% interval over seeds."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 1) -> str:
        half = 0.5 * (self.high - self.low)
        return f"{self.value:.{digits}f} ± {half:.{digits}f}"


def _ratio(means: Sequence[float], reference: Sequence[float]) -> _Ratio:
    found = mean_of_ratios(np.array(means), np.array(reference))
    value = 100.0 * (found.value if found.value is not None else np.nan)
    low, high = (value if one is None else 100.0 * one for one in found[1:])
    return _Ratio(value, low, high)


def frozen_document(cases: Sequence[Case], results: Sequence[Result]) -> Document:
    """Controllers by cases, goals, and a figure.

    Parameters
    ----------
    cases : sequence of Case
        As they were measured.
    results : sequence of mapping
        Mean rates of each controller by seed, ``means``, in the same order.
    """
    labels = list(results[0]["means"])
    rows, lines = [], []
    for label in labels:
        cells = [label if " " in label else f"`{label}`"]
        for case, result in zip(cases, results, strict=True):
            ratio = _ratio(result["means"][label], result["means"][_STALE])
            cells.append(ratio.text())
            mean = float(np.mean(result["means"][label]))
            row = {"case": case.label, "controller": label, "mean_sum_rate": mean}
            rows.append(row | {"relative": ratio.value, "low": ratio.low, "high": ratio.high})
        lines.append(tuple(cells))
    grids = []
    for first in range(0, len(cases), 4):  # as many columns as a page is wide
        some = slice(1 + first, 1 + min(first + 4, len(cases)))
        heads = ("controller", *(case.label for case in cases[first : first + 4]))
        title = "relative to wmmse on the reports [%]" + (", further cases" if first else "")
        grids.append(Grid(title, heads, [(line[0], *line[some]) for line in lines]))
    grids.append(_goal_grid(cases, results))
    notes = _who_is_better(cases, results)
    return Document(grids, rows=rows, notes=notes, drawings=lambda: [_draw(cases, results)])


def _who_is_better(cases: Sequence[Case], results: Sequence[Result]) -> list[str]:
    """Where somebody with the same reports does better than the network, and by how much."""
    notes = []
    for case, result in zip(cases, results, strict=True):
        told = {name: means for name, means in result["means"].items() if " " not in name}
        best = max(told, key=lambda name: float(np.mean(told[name])))
        ratio = _ratio(told[best], told[_LATE])
        if best != _LATE and ratio.low > 100.0:
            notes.append(
                f"{case.label}: the best is `{best}`, {ratio.text(2)}% of the rate of `{_LATE}`."
            )
    return notes


def _goal_grid(cases: Sequence[Case], results: Sequence[Result]) -> Grid:
    found = {case.label: result["means"] for case, result in zip(cases, results, strict=True)}
    lines = []
    for goal in _GOALS:
        means = found.get(goal.case)
        if means is None:
            continue
        ratio = _ratio(means[_LATE], means[goal.against])
        least = goal.least if goal.least is not None else goal.aim
        assert least is not None
        reached = "reached" if ratio.value >= least else "missed"
        lines.append(
            (
                goal.case,
                f"`{_LATE}`",
                f"`{goal.against}`",
                MISSING if goal.least is None else f"{goal.least:g}",
                MISSING if goal.aim is None else f"{goal.aim:g}",
                ratio.text(2),
                reached,
            )
        )
    heads = ("case", "controller", "in per cent of", "at least", "aim", "measured", "")
    return Grid("Goals", heads, lines)


def _draw(cases: Sequence[Case], results: Sequence[Result]) -> Drawing:
    """Rates relative to WMMSE on the reports, a line for every case."""
    chosen = looks(list(_DRAWN))
    figure = sheet(0.6 + 0.4 * len(cases), list(chosen))
    axes = figure.add_subplot()
    for place, result in enumerate(results):
        for step, (label, look) in enumerate(chosen.items()):
            ratio = _ratio(result["means"][label], result["means"][_STALE])
            at = place + 0.15 * (step - 2)
            axes.plot([ratio.low, ratio.high], [at, at], color=look.colour, linewidth=1.2)
            axes.plot([ratio.value], [at], color=look.colour, marker=look.marker, markersize=4.5)
    texts = [case.label.replace(", ", "\n", 1) for case in cases]
    axes.set_yticks(range(len(cases)), texts, fontsize=7.0)
    axes.axvline(100.0, color=INK, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("wmmse on the reports = 100 [%]")
    keys(figure, chosen, markers=True)
    caption = (
        "Mean true sum rate on late and wrong reports, relative to WMMSE that takes them for the "
        "truth; bars are 95% intervals over seeds."
    )
    label = "Dot plot of true sum rates relative to WMMSE on the reports, by case and controller."
    return finish(figure, "figure-1", "What knowing how late a report is pays", caption, label)


def living_document(results: Sequence[Result]) -> Document:
    """Controllers by rate and decision time.

    Parameters
    ----------
    results : sequence of mapping
        Summaries of each controller's life, ``lives``, by seed.
    """
    lives: list[Mapping[str, Any]] = [result["lives"] for result in results]
    reference = [life[_STALE]["mean_sum_rate"] for life in lives]
    rows, lines = [], []
    for label in lives[0]:
        rate = [life[label]["mean_sum_rate"] for life in lives]
        ratio = _ratio(rate, reference)
        middle, late = (
            float(np.median([life[label][name] for life in lives]))
            for name in ("latency_p50_s", "latency_p99_s")
        )
        faults = sum(life[label]["faults"] for life in lives)
        lines.append(
            (
                label if " " in label else f"`{label}`",
                number(float(np.mean(rate)), 4),
                ratio.text(),
                f"{1e6 * middle:.0f} / {1e6 * late:.0f}",
            )
        )
        row = {"controller": label, "mean_sum_rate": float(np.mean(rate)), "faults": faults}
        rows.append(
            row
            | {"relative": ratio.value, "low": ratio.low, "high": ratio.high}
            | {"latency_p50_s": middle, "latency_p99_s": late}
        )
    heads = ("controller", "sum rate [bit/s/Hz]", "relative [%]", "decision, p50 / p99 [µs]")
    return Document([Grid("", heads, lines)], rows=rows)
