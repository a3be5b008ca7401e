"""Promised rates: how often nobody could keep them, whether they are kept, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.promised import constrained
from slotwise.emulator.promise import beyond_reach, is_short, least_sinr
from slotwise.emulator.radio import rate
from slotwise.runs.studies.energy.measuring import serving
from slotwise.runs.studies.energy.setting import Draws, Place, drawn

__all__ = ["LEVELS", "RATES", "SEARCH", "promises"]

Array = NDArray[np.float64]

RATES = (0.5, 1.0)
"""Promised to every user [bit/s/Hz]."""

LEVELS = (-20, 0)
"""Largest powers [dBW]."""

SEARCH = "search among powers that keep the promise"


def promises(
    place: Place, specs: Sequence[str], samples: int, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    """Promise rates in a place, and see who keeps them.

    Parameters
    ----------
    place : Place
        Where.
    specs : sequence of str
        Who decides; all of them serve objectives.
    samples, seed : int
        Draws.
    done : callable
        Takes the number of answers so far.

    Returns
    -------
    dict
        ``rows``, one for each promise, level and controller: draws that are ``infeasible`` and
        ``feasible``; of the latter those in which the promise was ``broken`` and the largest
        ``shortfall`` [bit/s/Hz]; mean energy efficiency in them, with the promise, without it, and
        that of a search that keeps it [bit/J/Hz].
    """
    draws = drawn(place, "sweep", samples, seed)
    rows, steps = [], 0
    for level in LEVELS:
        one = draws._replace(limit=np.full((1, samples), 10.0 ** (level / 10.0)))
        free = {spec: _answer(spec, one) for spec in specs}
        for promised in RATES:
            bound = one._replace(objective=one.objective._replace(min_rate=promised))
            fine = ~_infeasible(bound)
            kept = {spec: _answer(spec, bound) for spec in specs}
            kept[SEARCH] = _searched(bound)
            for spec, power in kept.items():
                row = {"place": place.label, "level_dbw": level, "min_rate": promised}
                row |= {"controller": spec, "draws": samples, "infeasible": int(np.sum(~fine))}
                rows.append(row | _judged(bound, power, free.get(spec), kept[SEARCH], fine))
                done(steps := steps + 1)
    return {"rows": rows}


def _answer(spec: str, draws: Draws) -> Array:
    controller = serving(spec, draws.objective)
    assert controller is not None
    return controller.allocate(draws.gain, draws.noise_power, draws.p_max(0))


def _infeasible(draws: Draws) -> NDArray[np.bool_]:
    objective = draws.objective
    target = np.full(draws.gain.shape[:-1], least_sinr(objective.min_rate))
    rest = draws.noise_power, draws.p_max(0), target, objective.sinr_cap
    return beyond_reach(draws.gain, *rest)


def _searched(draws: Draws) -> Array:
    gamma = least_sinr(draws.objective.min_rate)
    return constrained(draws.gain, draws.noise_power, draws.p_max(0), None, draws.objective, gamma)


def _judged(
    draws: Draws, power: Array, free: Array | None, best: Array, fine: NDArray[np.bool_]
) -> dict[str, Any]:
    rates = np.asarray(rate(draws.gain, power, draws.noise_power))[fine]
    promised = draws.objective.min_rate
    short = promised - rates.min(axis=1, initial=np.inf)

    def mean(powers: Array | None) -> float | None:
        return None if powers is None or not fine.any() else float(draws.value(powers)[fine].mean())

    return {
        "feasible": int(fine.sum()),
        "broken": int(np.sum(is_short(rates, promised).any(axis=1))),
        "shortfall": float(short.max(initial=0.0)),
        "value": mean(power),
        "free_value": mean(free),
        "search_value": mean(best),
    }
