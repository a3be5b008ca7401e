"""Distribution functions: how the sum rates of slots and the mean rates of users spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import cumulative
from slotwise.runs.report.palette import Look
from slotwise.runs.report.quantities import count, number
from slotwise.runs.report.recording import Recording

__all__ = ["draw_slot_rates", "draw_user_rates"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]


def draw_slot_rates(recording: Recording, chosen: Looks) -> Drawing | None:
    """How the network's sum rate spreads over slots."""
    samples = {spec: recording.pooled(spec, "slots", "sum_rate") for spec in chosen}
    return _distribution(
        samples,
        chosen,
        words=("slot-rates", "How the network's slots spread", "slots", "sum rate of a slot"),
        pooled=len(recording.each_seed()),
    )


def draw_user_rates(recording: Recording, chosen: Looks) -> Drawing | None:
    """How the mean rates of users' stays spread over users."""
    samples = {spec: recording.pooled(spec, "users", "rate") for spec in chosen}
    return _distribution(
        samples,
        chosen,
        words=("user-rates", "How the users' rates spread", "users", "mean rate of a user's stay"),
        pooled=len(recording.each_seed()),
    )


def _distribution(
    samples: Mapping[str, Array], chosen: Looks, words: tuple[str, str, str, str], pooled: int
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
    axes.set_xlabel(f"{quantity} [bit/s/Hz]")
    axes.set_ylabel(f"share of {things}")
    keys(figure, chosen)
    sizes = sorted({len(sample) for sample in samples.values()})
    amount = count(sizes[0]) + (f" to {count(sizes[-1])}" if len(sizes) > 1 else "")
    caption = (
        f"Share of {things} whose {quantity.replace(' of a slot', '')} is at most the value below: "
        f"{amount} {things} for each controller"
        + (f", {pooled} seeds together." if pooled > 1 else ".")
        + (f" The axis leaves out the largest, up to {number(most)} bit/s/Hz." if cut else "")
    )
    label = f"Cumulative distribution of the {quantity} in bit/s/Hz, one curve per controller."
    return finish(figure, name, title, caption, label)
