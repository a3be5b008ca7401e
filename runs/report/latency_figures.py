"""Figures about time: merit against latency, how long decisions took, what lateness cost.

Latencies are drawn in milliseconds on a logarithmic axis, with the slot and the deadline as
labelled lines, because a decision's worth turns on which side of them it falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import cumulative
from slotwise.runs.report.palette import GREY, INK, Look
from slotwise.runs.report.quantities import count, duration, factor, signed_percent
from slotwise.runs.report.recording import Recording, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_latency", "draw_lateness", "draw_trade_off", "latency_axis", "lateness_cost"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]


# --- merit against latency -------------------------------------------------------------------


def draw_trade_off(recording: Recording, chosen: Looks) -> Drawing | None:
    """One marker for each controller: its sum rate or efficiency above its median latency."""
    merit = recording.merit
    shown = {
        spec: look
        for spec, look in chosen.items()
        if (recording.value(spec, "latency_p50_s") or 0) > 0
        and recording.value(spec, merit.name) is not None
    }
    if len(shown) < 2:
        return None
    unit, size = merit.scale(max(recording.value(spec, merit.name) or 0.0 for spec in shown))
    figure = sheet(2.9, list(shown))
    axes = figure.add_subplot()
    latencies: list[float] = []
    slowdown = recording.slowdown
    for spec, look in shown.items():
        middle = 1e3 * slowdown * (recording.value(spec, "latency_p50_s") or 0)
        late = max(middle, 1e3 * slowdown * (recording.value(spec, "latency_p99_s") or 0))
        mean = (recording.value(spec, merit.name) or 0.0) / size
        low, high = (bound / size for bound in _interval(recording, spec, mean * size))
        axes.plot([middle, late], [mean, mean], color=look.colour, linewidth=1.3)
        axes.plot([late], [mean], color=look.colour, marker="|", markersize=7)
        axes.plot([middle, middle], [low, high], color=look.colour, linewidth=1.3)
        axes.plot([middle], [mean], color=look.colour, marker=look.marker, markersize=8)
        latencies += [middle, late]
    axes.margins(y=0.12)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # an interval may reach below, no mean can
    latency_axis(axes, recording, np.array(latencies))
    axes.set_ylabel(f"{merit.mean} [{unit}]")
    keys(figure, shown, markers=True)
    several = any(recording.value(spec, "relative_low") is not None for spec in shown)
    caption = (
        "Up and to the left is better. A marker stands at the median latency of a decision and the "
        f"{merit.mean}; the line to its right ends at the 99th percentile of the latency"
        + (
            "; the upright line is the paired 95% interval of the difference to "
            f"`{recording.controllers[0]}`."
            if several
            else "."
        )
        + (
            f" Latencies are this machine's times {factor(slowdown)}, as charged to the network."
            if slowdown != 1
            else ""
        )
    )
    label = f"Scatter chart of {merit.mean} in {unit} over decision latency in milliseconds."
    title = f"{merit.title.capitalize()} against decision latency"
    return finish(figure, "trade-off", title, caption, label)


def _interval(recording: Recording, spec: str, mean: float) -> tuple[float, float]:
    """A mean with the paired interval of its difference to the reference around it."""
    names = ("relative", "relative_low", "relative_high")
    middle, low, high = (recording.value(spec, name) for name in names)
    base = recording.value(recording.controllers[0], recording.merit.name)
    if middle is None or low is None or high is None or base is None:
        return mean, mean
    return mean + (low - middle) * base, mean + (high - middle) * base


# --- how long decisions took -----------------------------------------------------------------


def draw_latency(recording: Recording, chosen: Looks) -> Drawing | None:
    """Distribution of decision latency, measured and, where it differs, charged."""
    measured = {spec: recording.pooled(spec, "decisions", "elapsed_s") for spec in chosen}
    charged = {spec: recording.pooled(spec, "decisions", "latency_s") for spec in chosen}
    measured = {spec: 1e3 * sample[sample > 0] for spec, sample in measured.items()}
    everything = np.concatenate(list(measured.values()))
    if len(everything) == 0:
        return None
    fixed, curved = _charging(recording, measured, charged)
    extra = ["measured on this machine", "charged to the network"] if curved else []
    figure = sheet(2.9, [*chosen, *extra])
    axes = figure.add_subplot()
    spread = [everything]
    for spec, look in chosen.items():
        _ecdf(axes, measured[spec], look, width=1.8)
        if curved:
            _ecdf(axes, charged[spec] * 1e3, look, width=0.8)
            spread.append(charged[spec][charged[spec] > 0] * 1e3)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of decisions")
    latency_axis(axes, recording, np.concatenate(spread), fixed)
    _latency_keys(figure, chosen, extra)
    sizes = sorted(len(sample) for sample in measured.values())
    amount = count(sizes[0]) + (f" to {count(sizes[-1])}" if sizes[-1] > sizes[0] else "")
    caption = (
        "Share of decisions that took at most the time below, by this machine's clock around one "
        f"decision: {amount} decisions for each controller."
        + _charging_words(recording, fixed, bool(curved))
    )
    label = "Cumulative distribution of decision latency in milliseconds on a logarithmic axis."
    return finish(figure, "latency", "Decision latency", caption, label)


def _charging(
    recording: Recording, measured: Mapping[str, Array], charged: Mapping[str, Array]
) -> tuple[float | None, bool]:
    """The one latency [ms] that was charged to all, or whether charged curves differ."""
    if recording.timing["mode"] == "ideal":
        return None, False
    amounts = np.concatenate(list(charged.values()))
    if len(amounts) and np.ptp(amounts) <= 1e-9 * float(amounts.max()):
        return 1e3 * float(amounts[0]), False
    differs = any(
        len(charged[spec])
        and len(sample)
        and abs(1e3 * float(np.median(charged[spec])) / float(np.median(sample)) - 1) > 0.005
        for spec, sample in measured.items()
    )
    return None, bool(differs)


def _charging_words(recording: Recording, fixed: float | None, curved: bool) -> str:
    if recording.timing["mode"] == "ideal":
        return " Timing was ideal: none of it was charged to the network."
    if fixed is not None:
        return f" Every decision was charged {duration(fixed / 1e3)}, whatever it took."
    if curved and recording.slowdown != 1:
        return (
            f" Thin lines: the same times {factor(recording.slowdown)}, as charged to the "
            "network for the processor that would run it."
        )
    if curved:
        return " Thin lines: what was charged to the network."
    return " The network was charged the same."


def _latency_keys(figure: Figure, chosen: Looks, extra: list[str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=GREY, linewidth=width) for width in (1.8, 0.8)]
    keys(figure, chosen, extra=list(zip(lines, extra, strict=False)))


def _ecdf(axes: Axes, milliseconds: Array, look: Look, width: float) -> None:
    value, share = cumulative(milliseconds[milliseconds > 0])
    if len(value):
        axes.step(
            np.append(value[0], value),
            np.append(0.0, share),
            where="post",
            color=look.colour,
            linestyle=look.linestyle,
            linewidth=width,
        )


def latency_axis(
    axes: Axes, recording: Recording, milliseconds: Array, charged: float | None = None
) -> None:
    """Logarithmic axis that holds the data, the slot and the deadline, each labelled.

    Parameters
    ----------
    axes : Axes
        Its horizontal axis.
    recording : Recording
        With the slot and the deadline.
    milliseconds : (N,) ndarray
        What is drawn [ms].
    charged : float, optional
        A latency that was charged to all [ms], labelled as well.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    slot = 1e3 * float(recording.timing["slot_s"])
    deadline = 1e3 * float(recording.timing["deadline_s"])
    if slot == deadline:
        lines = [(slot, f"slot = deadline {duration(slot / 1e3)}")]
    else:
        lines = sorted(
            [
                (slot, f"slot {duration(slot / 1e3)}"),
                (deadline, f"deadline {duration(deadline / 1e3)}"),
            ]
        )
    edges = [*milliseconds[milliseconds > 0], slot, deadline]
    edges += [charged] if charged else []
    low, high = min(edges) / 1.6, max(edges) * 1.6
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    for place, (value, text) in enumerate(lines):
        _upright(axes, value, text, "left" if place == 1 else "right", row=0)
    if charged:
        _upright(axes, charged, f"charged {duration(charged / 1e3)}", "right", row=1)
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("decision latency [ms]")


def _upright(axes: Axes, value: float, text: str, align: str, row: int) -> None:
    """A vertical line with its name above the axes, where no curve can hide it."""
    axes.axvline(value, color=GREY, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.annotate(
        text,
        (value, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(3 if align == "right" else -3, 2 + 11 * row),
        textcoords="offset points",
        ha=align,
        fontsize=9,
        color=INK,
    )


# --- what lateness cost ----------------------------------------------------------------------


def lateness_cost(recording: Recording, controller: str) -> float | None:
    """Share of what it is compared by that a controller lost by deciding late.

    Returns
    -------
    float or None
        Mean over seeds of 1 − lived / ideal; None where no cell was run with ideal timing.
    """
    pairs = [(lived, ideal) for lived, ideal in _paired(recording, controller) if ideal > 0]
    return float(np.mean([1 - lived / ideal for lived, ideal in pairs])) if pairs else None


def _paired(recording: Recording, controller: str) -> list[tuple[float, float]]:
    """Merits as lived and with ideal timing, of the seeds in which both are defined."""
    name = recording.merit.name
    pairs = [
        (
            finite(cell.summary[name]),
            finite(recording.ideal[controller, cell.seed].summary[name]),
        )
        for cell in recording.of(controller)
        if (controller, cell.seed) in recording.ideal
    ]
    return [(lived, ideal) for lived, ideal in pairs if lived is not None and ideal is not None]


def draw_lateness(recording: Recording, chosen: Looks) -> Drawing | None:
    """Merit with ideal timing and as lived, a pair of bars for each controller."""
    pairs = {spec: np.array(_paired(recording, spec)) for spec in chosen}
    pairs = {spec: pair for spec, pair in pairs.items() if len(pair)}
    if not pairs:
        return None
    figure = sheet(0.85 + 0.62 * len(pairs))
    axes = figure.add_subplot()
    merit = recording.merit
    unit, size = merit.scale(max(float(pair.mean(axis=0).max()) for pair in pairs.values()))
    pairs = {spec: pair / size for spec, pair in pairs.items()}
    longest = max(float(pair.mean(axis=0).max()) for pair in pairs.values())
    for row, (spec, pair) in enumerate(pairs.items()):
        lived, ideal = pair.mean(axis=0)
        colour = chosen[spec].colour
        axes.barh(row + 0.16, ideal, 0.26, facecolor="white", edgecolor=colour, linewidth=1.3)
        axes.barh(row - 0.12 + 0.54, lived, 0.26, facecolor=colour, edgecolor=colour, linewidth=1.3)
        cost = lateness_cost(recording, spec)
        name = spec if len(spec) <= 48 else f"{spec[:47]}…"
        axes.text(0, row - 0.04, name, va="bottom", fontsize=9.5)
        axes.text(
            max(lived, ideal) + 0.02 * longest,
            row + 0.42,
            signed_percent(None if cost is None else -cost),
            va="center",
            fontsize=9.5,
        )
    axes.set_ylim(len(pairs) - 0.3, -0.42)
    axes.set_xlim(0, 1.2 * longest)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{merit.mean} [{unit}]")
    seeds = max(len(pair) for pair in pairs.values())
    caption = (
        "Upper bar, outlined: every decision in force at once (ideal timing). Lower bar, filled: "
        "as lived, with each decision in force only when it was ready. The figure beside it is the "
        "change" + (f", averaged over {seeds} seeds." if seeds > 1 else ".")
    )
    label = f"Bar chart of {merit.mean} in {unit} with ideal timing and as lived."
    return finish(figure, "lateness", "What lateness cost", caption, label)
