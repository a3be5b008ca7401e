"""Distribution functions: how slots and the mean rates of users spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import cumulative
from slotwise.runs.report.palette import Look
from slotwise.runs.report.quantities import count, number
from slotwise.runs.report.recording import Recording

__all__ = ["draw_slots", "draw_user_rates"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]


def draw_slots(recording: Recording, chosen: Looks) -> Drawing | None:
    """How what controllers are compared by spreads over the network's slots."""
    merit = recording.merit
    samples = {
        spec: _finite([merit.over_slots(cell).each() for cell in recording.of(spec)])
        for spec in chosen
    }
    unit, size = merit.scale(max(recording.value(spec, merit.name) or 0.0 for spec in chosen))
    return _distribution(
        {spec: sample / size for spec, sample in samples.items()},
        chosen,
        _Words("slots", "How the network's slots spread", "slots", f"{merit.quantity} of a slot"),
        unit,
        pooled=len(recording.each_seed()),
    )


def draw_user_rates(recording: Recording, chosen: Looks) -> Drawing | None:
    """How the mean rates of users' stays spread over users."""
    return _distribution(
        {spec: recording.pooled(spec, "users", "rate") for spec in chosen},
        chosen,
        _Words("user-rates", "How the users' rates spread", "users", "mean rate of a user's stay"),
        "bit/s/Hz",
        pooled=len(recording.each_seed()),
    )


def _finite(parts: list[Array]) -> Array:
    values: Array = np.concatenate([np.empty(0), *parts])
    return values[np.isfinite(values)]


class _Words(NamedTuple):
    """Name and title of a figure, what is counted, and what of it is shown."""

    name: str
    title: str
    things: str
    quantity: str


def _distribution(
    samples: Mapping[str, Array], chosen: Looks, words: _Words, unit: str, pooled: int
) -> Drawing | None:
    """Empirical distribution functions of one quantity, a curve for each controller."""
    name, title, things, quantity = words
    everything = np.concatenate(list(samples.values()))
    if len(everything) == 0:
        return None
    figure = sheet(2.8, list(chosen))
    axes = figure.add_subplot()
    for spec, look in chosen.items():
        value, share = cumulative(samples[spec])
        if len(value):
            axes.step(
                np.append(value[0], value),
                np.append(0.0, share),
                where="post",
                color=look.colour,
                linestyle=look.linestyle,
            )
    top, most = float(np.quantile(everything, 0.995)), float(everything.max())
    cut = 0 < 1.6 * top < most
    right = 1.15 * top if cut else most * 1.02
    right = right if right > 0 else 1.0
    axes.set_xlim(-0.01 * right, right)  # a share at zero is seen beside the axis
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"{quantity} [{unit}]")
    axes.set_ylabel(f"share of {things}")
    keys(figure, chosen)
    sizes = sorted({len(sample) for sample in samples.values()})
    amount = count(sizes[0]) + (f" to {count(sizes[-1])}" if len(sizes) > 1 else "")
    caption = (
        f"Share of {things} whose {quantity.replace(' of a slot', '')} is at most the value below: "
        f"{amount} {things} for each controller"
        + (f", {pooled} seeds together." if pooled > 1 else ".")
        + (f" The axis leaves out the largest, up to {number(most)} {unit}." if cut else "")
    )
    label = f"Cumulative distribution of the {quantity} in {unit}, one curve per controller."
    return finish(figure, name, title, caption, label)
