"""What policies are worth: in networks that none has met, beside those who need no training.

Policies answer what is reported, and everybody is paid by the true gains of the slot: in sum rate,
relative to that of WMMSE on the true gains, or where the network is for bits per joule in those,
relative to fractional programming. Because WMMSE knows nothing of an SINR cap, a coordinate ascent
that does stands beside it. Where reports are late or wrong, solvers are lines of
their own on the true gains, which nobody knows in time, and on the gains as reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import Aimed
from slotwise.controllers.base import Controller
from slotwise.controllers.registry import make
from slotwise.controllers.rl import Rl
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.intervals import ratio_of_means
from slotwise.runs.progress import progress_bar
from slotwise.runs.rl.instants import Instants, instants
from slotwise.runs.rl.validation import SOLVER

__all__ = ["JUDGED_SEED", "Line", "heads_of", "judge", "markdown", "median_of"]

Array = NDArray[np.float64]

JUDGED_SEED = 20180
"""Seed of the networks that policies are judged in."""

_REFERENCE = 2
"""Place among the lines of who solves the objective, on the true gains."""


class Line(TypedDict):
    """One line of a judgement: rates [bit/s/Hz], merit [bit/s/Hz or bit/J/Hz] of the objective.

    The others are per cent of the merit of the `solver` on the true gains.
    """

    who: str
    solver: str
    sum_rate: float
    merit: float
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
    """Compare policies with full and random power and those who solve.

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
        If a controller is unknown or must be told more than gains, a decision of the scenario does
        not hold for one whole slot, or a rate is promised.
    """
    chosen = [make(one, seed) if isinstance(one, str) else one for one in policies]
    for one in chosen:
        if isinstance(one, Rl) and not one.gains_only:
            raise InputError(
                f"{one.name}: was trained to be told powers, rates and ages of reports, too, which "
                "take a life: judge it with slotwise compare"
            )
    lived = instants(scenario, seed, networks, slots)
    solver = SOLVER[scenario.objective]
    solvers = ("wmmse", "wmmse:starts=8", "ascent") if solver == "wmmse" else (solver, "wmmse")
    deciders = [(name, make(spec, seed), gain) for name, spec, gain in _references(lived, solvers)]
    deciders += [(one.name, one, lived.reported) for one in chosen]
    for _, controller, _ in deciders:
        controller.reset(scenario, seed)
        if isinstance(controller, Aimed):
            controller.serve(lived.objective)
    rates: list[Array] = []
    merits: list[Array] = []
    with progress_bar("judge", len(deciders), shown=progress) as done:
        for number, (_, controller, gain) in enumerate(deciders):
            done(number)
            fraction = _decided(lived, controller, gain)
            for values, kept in ((lived.sum_rates, rates), (lived.merits, merits)):
                kept.append(np.bincount(lived.network, values(fraction), networks) / slots)
    names = [name for name, _, _ in deciders]
    every, reference = zip(names, rates, merits, strict=True), merits[_REFERENCE]
    return [_line((name, solver), rate, merit, reference) for name, rate, merit in every]


def median_of(lines: Sequence[Line]) -> str:
    """One line on several policies, such as those of several seeds."""
    each = sorted(line["relative"] for line in lines if line["relative"] is not None)
    if not each:
        return f"{len(lines)} policies: nothing is carried"
    middle = float(np.median(each))
    return f"median of {len(each)} policies: {middle:.1f}% ({each[0]:.1f} to {each[-1]:.1f})"


def markdown(lines: Sequence[Line], closing: str | None = None) -> str:
    """A judgement as a table in Markdown."""
    what, share_of = heads_of(lines)
    text = [f"| who decides | {what} | {share_of} | 95% |", "|---|---|---|---|"]
    for line in lines:
        shares = [line["relative"], line["low"], line["high"]]
        value, low, high = ("–" if share is None else f"{share:.1f}" for share in shares)
        text.append(f"| {line['who']} | {line['merit']:.2f} | {value} | {low} to {high} |")
    return "\n".join([*text, *(["", closing] if closing else []), ""])


def heads_of(lines: Sequence[Line]) -> tuple[str, str]:
    """What the lines are compared by, and whose share is said."""
    solver = lines[0]["solver"]
    if solver == "wmmse":
        return "sum rate [bit/s/Hz]", "% of WMMSE"
    return "energy efficiency [bit/J/Hz]", f"% of {solver}"


def _references(lived: Instants, solvers: Sequence[str]) -> list[tuple[str, str, Array]]:
    """Who needs no training: names, specs, and the gains that each answers."""
    exact = lived.exact
    found = [(name, name, lived.reported) for name in ("max", "random")]
    found += [(name if exact else f"{name}, true gains", name, lived.true) for name in solvers]
    others = [] if exact else [("as reported", lived.reported), ("mean gains", lived.expected)]
    for what, gain in others:
        if gain is not None:
            found += [(f"{name}, {what}", name, gain) for name in (solvers[0], solvers[-1])]
    return found


def _decided(lived: Instants, controller: Controller, gain: Array) -> Array:
    """Powers [n, M], as fractions of the largest; controllers see who is there alone."""
    allocate: Callable[..., Array] = controller.allocate
    fraction = np.zeros(lived.present.shape)
    for chosen, row in lived.by_users():
        among = gain[chosen[:, None, None], row[:, :, None], row[:, None, :]]
        fraction[chosen[:, None], row] = allocate(among, 1.0, 1.0)
    return fraction


def _line(names: tuple[str, str], rate: Array, merit: Array, reference: Array) -> Line:
    interval = ratio_of_means(merit, reference)
    percent = [None if value is None else round(100.0 * value, 4) for value in interval]
    return Line(
        who=names[0],
        solver=names[1],
        sum_rate=float(rate.mean()),
        merit=float(merit.mean()),
        relative=percent[0],
        low=percent[1],
        high=percent[2],
    )
