"""What everybody's powers are worth on the same draws, beside the best that is known.

The best known is the best end of `fractional` from twenty starts, its own four and sixteen at
random, and from the best of the neighbouring levels: whatever fits below a lower limit fits below
a higher one, so that it never falls. Certificates say how much more there can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import Aimed
from slotwise.controllers.base import Controller
from slotwise.controllers.fractional import fractional
from slotwise.controllers.optimum import certify
from slotwise.controllers.registry import make
from slotwise.emulator.objective import Objective
from slotwise.emulator.scenario import InputError
from slotwise.runs.studies.energy.setting import Draws

__all__ = ["GAP", "STARTS", "best_known", "certificates", "decided", "serving", "single_starts"]

Array = NDArray[np.float64]
Done = Callable[[int], None]

STARTS = 20
"""Starts of the best known, at every level."""

GAP = 1e-3
"""Relative gap at which a certificate closes."""

_OWN_STARTS = 4
_RANDOM_W, _DECADES = 1.0, 4.0  # random starts are at most so large, and so many decades smaller
_LADDER = (0.01, 0.1)  # of a single level: levels below it to come from
_BLOCK = 50  # problems between two steps of a progress bar
_BOX_TOLERANCE = 1e-9


def serving(spec: str, objective: Objective) -> Controller | None:
    """A controller that serves an objective, or does not ask for one.

    Returns
    -------
    Controller or None
        None if it serves other objectives alone.

    Raises
    ------
    InputError
        If there is no such controller, or no such weights.
    """
    controller = make(spec)
    if isinstance(controller, Aimed):
        if objective.aim not in controller.aims:
            return None
        controller.serve(objective)
    return controller


def decided(spec: str, draws: Draws, done: Done = lambda _: None) -> dict[str, Any]:
    """What a controller's powers are worth.

    Parameters
    ----------
    spec : str
        Who decides.
    draws : Draws
        About what.
    done : callable
        Takes the number of levels so far.

    Returns
    -------
    dict
        ``value``, [L][n], in the objective's unit; None where the objective is not served.

    Raises
    ------
    InputError
        If a power is no number or out of the box.
    """
    controller = serving(spec, draws.objective)
    if controller is None:
        return {"value": None}
    values = []
    for level in range(len(draws.limit)):
        p_max = draws.p_max(level)
        power = controller.allocate(draws.gain, draws.noise_power, p_max)
        if not ((power >= 0.0) & (power <= p_max * (1.0 + _BOX_TOLERANCE))).all():
            raise InputError(f"{spec} answered with NaN or a power outside [0, p_max]")
        values.append(_plain(draws.value(power)))
        done(level + 1)
    return {"value": values}


def best_known(draws: Draws, seed: int, done: Done = lambda _: None) -> dict[str, Any]:
    """The best that twenty starts find at every level, and those of its neighbours.

    Parameters
    ----------
    draws : Draws
        Any objective.
    seed : int
        Of the random starts.
    done : callable
        Takes the number of draws times levels so far.

    Returns
    -------
    dict
        ``value``, [L][n].
    """
    limits = draws.limit
    if len(limits) == 1:
        limits = np.concatenate([*(part * limits for part in _LADDER), limits])
    values = np.zeros(limits.shape)
    for first in range(0, limits.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        rng = np.random.default_rng((seed, first))
        few = draws._replace(gain=draws.gain[part], limit=limits[:, part])
        values[:, part] = _climbed(few, rng)
        done(len(limits) * min(first + _BLOCK, limits.shape[1]))
    return {"value": [_plain(value) for value in values[-len(draws.limit) :]]}


def _climbed(draws: Draws, rng: np.random.Generator) -> Array:
    """Values of a few draws at all levels, up the levels and down again."""
    levels = [draws.p_max(level) for level in range(len(draws.limit))]
    powers: list[Array] = []
    for p_max in levels:
        power = _ends(draws, p_max, None)
        starts = [
            np.minimum(p_max, _RANDOM_W) * 10.0 ** (-_DECADES * rng.random(p_max.shape))
            for _ in range(STARTS - _OWN_STARTS)
        ]
        for start in (*starts, *powers[-1:]):
            power = _better(draws, power, _ends(draws, p_max, start))
        powers.append(power)
    for level in range(len(levels) - 2, -1, -1):
        start = np.minimum(powers[level + 1], levels[level])
        end = _ends(draws, levels[level], start)
        powers[level] = _better(draws, powers[level], end)
    for level in range(1, len(levels)):  # what fits below a limit fits below a higher one
        powers[level] = _better(draws, powers[level], powers[level - 1])
    return np.array([draws.value(power) for power in powers])


def _ends(draws: Draws, p_max: Array, start: Array | None) -> Array:
    """Where climbs end, from the starts of `fractional` or from one that is given."""
    return fractional(draws.gain, draws.noise_power, p_max, objective=draws.objective, start=start)[
        0
    ]


def _better(draws: Draws, one: Array, other: Array) -> Array:
    return np.where((draws.value(other) > draws.value(one))[:, None], other, one)


def single_starts(draws: Draws, done: Done = lambda _: None) -> dict[str, Any]:
    """Where climbs end from one start that is the same for all networks.

    Parameters
    ----------
    draws : Draws
        At one level.
    done : callable
        Takes the number of starts so far.

    Returns
    -------
    dict
        ``value``, [1][n], by the start's name.
    """
    p_max = draws.p_max(0)
    own = np.diagonal(draws.gain, axis1=1, axis2=2)
    starts = {
        "full power": p_max,
        "0.1 W": np.minimum(p_max, 0.1),
        "1 mW": np.minimum(p_max, 1e-3),
        "an SNR of 10": np.minimum(p_max, 10.0 * draws.noise_power / own),
    }
    found = {}
    for count, (name, start) in enumerate(starts.items(), 1):
        found[name] = {"value": [_plain(draws.value(_ends(draws, p_max, start)))]}
        done(count)
    return found


def certificates(
    draws: Draws, samples: int, nodes: int, done: Done = lambda _: None
) -> dict[str, Any]:
    """Certified values of the first draws at all levels.

    Parameters
    ----------
    draws : Draws
        Whose objective is energy efficiency.
    samples, nodes : int
        How many draws; most boxes that each takes.
    done : callable
        Takes the number of draws times levels so far.

    Returns
    -------
    dict
        ``value``, ``bound`` and ``closed``, [L][samples], and ``seconds``, processor time of one.
    """
    found: dict[str, list[list[float]]] = {"value": [], "bound": [], "closed": []}
    seconds = 0.0
    certify(draws.gain[0], draws.noise_power, draws.p_max(0)[0], nodes=1, objective=draws.objective)
    for level in range(len(draws.limit)):
        columns: dict[str, list[float]] = {name: [] for name in found}
        p_max = draws.p_max(level)
        for first in range(0, samples, _BLOCK):
            part = slice(first, min(first + _BLOCK, samples))
            before = time.process_time()
            one = certify(
                draws.gain[part],
                draws.noise_power,
                p_max[part],
                nodes=nodes,
                objective=draws.objective,
                relative_gap=GAP,
            )
            seconds += time.process_time() - before
            columns["value"] += _plain(one.value)
            columns["bound"] += _plain(one.bound)
            columns["closed"] += one.closed.tolist()
            done(samples * level + part.stop)
        for name, column in columns.items():
            found[name].append(column)
    return {**found, "seconds": seconds / (samples * len(draws.limit))}


def _plain(values: Array) -> list[float]:
    """Numbers to nine digits, which is more than any figure shows and half the file."""
    return [float(f"{value:.9g}") for value in values]
