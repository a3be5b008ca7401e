"""What policies are worth: in networks that none has met, beside those who need no training.

Policies answer what is reported, and everybody is paid by the true gains of the slot. Sum rates
are relative to those of WMMSE on the true gains; because WMMSE knows nothing of an SINR cap, a
coordinate ascent that does stands beside it. Where reports are late or wrong, solvers are lines of
their own on the true gains, which nobody knows in time, and on the gains as reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.registry import make
from slotwise.controllers.rl import Rl
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.intervals import ratio_of_means
from slotwise.runs.progress import progress_bar
from slotwise.runs.rl.instants import Instants, instants

__all__ = ["JUDGED_SEED", "Line", "judge", "markdown", "median_of"]

Array = NDArray[np.float64]

JUDGED_SEED = 20180
"""Seed of the networks that policies are judged in."""

_REFERENCE = 2
"""Place among the lines of WMMSE on the true gains."""


class Line(TypedDict):
    """One line of a judgement: rates [bit/s/Hz], the others [% of WMMSE on the true gains]."""

    who: str
    sum_rate: float
    relative: float | None
    low: float | None
    high: float | None


def judge(
    scenario: Scenario,
    policies: Sequence[str | Controller] = (),
    *,
    networks: int = 400,
    slots: int = 5,
    seed: int = JUDGED_SEED,
    progress: bool = False,
) -> list[Line]:
    """Compare policies with full and random power, WMMSE and coordinate ascent.

    Parameters
    ----------
    scenario : Scenario
        What is lived.
    policies : sequence of str or Controller
        Specs of controllers, such as ``rl:mine.safetensors``.
    networks, slots : int
        How many networks, and decisions of each, four slots apart.
    seed : int
        Fixes the networks.
    progress : bool
        Show a bar.

    Returns
    -------
    list of Line
        References first, then the policies in their order. Intervals are paired 95 % intervals
        over networks.

    Raises
    ------
    InputError
        If a controller is unknown or must be told more than gains, or a decision of the scenario
        does not hold for one whole slot.
    """
    chosen = [make(one, seed) if isinstance(one, str) else one for one in policies]
    for one in chosen:
        if isinstance(one, Rl) and not one.gains_only:
            raise InputError(
                f"{one.name}: was trained to be told powers, rates and ages of reports, too, which "
                "take a life: judge it with slotwise compare"
            )
    lived = instants(scenario, seed, networks, slots)
    deciders = [(name, make(spec, seed), gain) for name, spec, gain in _references(lived)]
    deciders += [(one.name, one, lived.reported) for one in chosen]
    for _, controller, _ in deciders:
        controller.reset(scenario, seed)
    rates: list[Array] = []
    with progress_bar("judge", len(deciders), shown=progress) as done:
        for number, (_, controller, gain) in enumerate(deciders):
            done(number)
            rate = lived.sum_rates(_decided(lived, controller, gain))
            rates.append(np.bincount(lived.network, rate, networks) / slots)
    names = [name for name, _, _ in deciders]
    reference = rates[_REFERENCE]
    return [_line(name, rate, reference) for name, rate in zip(names, rates, strict=True)]


def median_of(lines: Sequence[Line]) -> str:
    """One line on several policies, such as those of several seeds."""
    each = sorted(line["relative"] for line in lines if line["relative"] is not None)
    if not each:
        return f"{len(lines)} policies: nothing is carried"
    middle = float(np.median(each))
    return f"median of {len(each)} policies: {middle:.1f}% ({each[0]:.1f} to {each[-1]:.1f})"


def markdown(lines: Sequence[Line], closing: str | None = None) -> str:
    """A judgement as a table in Markdown."""
    text = ["| who decides | sum rate [bit/s/Hz] | % of WMMSE | 95% |", "|---|---|---|---|"]
    for line in lines:
        shares = [line["relative"], line["low"], line["high"]]
        value, low, high = ("–" if share is None else f"{share:.1f}" for share in shares)
        text.append(f"| {line['who']} | {line['sum_rate']:.2f} | {value} | {low} to {high} |")
    return "\n".join([*text, *(["", closing] if closing else []), ""])


def _references(lived: Instants) -> list[tuple[str, str, Array]]:
    """Who needs no training: names, specs, and the gains that each answers."""
    exact = lived.exact
    found = [(name, name, lived.reported) for name in ("max", "random")]
    solvers = ("wmmse", "wmmse:starts=8", "ascent")
    found += [(name if exact else f"{name}, true gains", name, lived.true) for name in solvers]
    others = [] if exact else [("as reported", lived.reported), ("mean gains", lived.expected)]
    for what, gain in others:
        if gain is not None:
            found += [(f"{name}, {what}", name, gain) for name in ("wmmse", "ascent")]
    return found


def _decided(lived: Instants, controller: Controller, gain: Array) -> Array:
    """Powers [n, M], as fractions of the largest; controllers see who is there alone."""
    allocate: Callable[..., Array] = controller.allocate
    fraction = np.zeros(lived.present.shape)
    for chosen, row in lived.by_users():
        among = gain[chosen[:, None, None], row[:, :, None], row[:, None, :]]
        fraction[chosen[:, None], row] = allocate(among, 1.0, 1.0)
    return fraction


def _line(name: str, rate: Array, reference: Array) -> Line:
    interval = ratio_of_means(rate, reference)
    percent = [None if value is None else round(100.0 * value, 4) for value in interval]
    return Line(
        who=name,
        sum_rate=float(rate.mean()),
        relative=percent[0],
        low=percent[1],
        high=percent[2],
    )
