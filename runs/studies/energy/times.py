"""Decision times beside compiled WMMSE's: one decision at a time, and per draw of a whole batch.

WMMSE iterates on some draws much longer than on most, so that its mean is far above its median.
Everyone decides in turns within one process, on one thread, so that a busy machine is busy for all
alike; ratios are taken within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.runs.quiet import single_threaded
from slotwise.runs.studies.energy.measuring import serving
from slotwise.runs.studies.energy.setting import Place, drawn

__all__ = ["LEVELS", "WMMSE", "times"]

Array = NDArray[np.float64]

LEVELS = (-20, 0, 20)
"""Largest powers [dBW] at which decisions are timed; WMMSE's iterations depend on it."""

WMMSE = "wmmse"
_TURN_S = 4e-3
_MOST = 50  # decisions in a turn
_BATCHES = 7
_BATCH_GAINS = 100_000
_WARM = 5


def times(
    place: Place, specs: Sequence[str], rounds: int, seed: int, done: Callable[[int], None]
) -> dict[str, Any]:
    """Time everyone in a place.

    Parameters
    ----------
    place : Place
        Where.
    specs : sequence of str
        Who decides besides WMMSE.
    rounds : int
        Of single decisions.
    seed : int
        Fixes the draws.
    done : callable
        Takes the number of levels so far.

    Returns
    -------
    dict
        ``rows``, one for each controller and level: median and 99th percentile of one decision,
        ``mean_s``, its mean processor time, ``batch_s``, median per draw of a batch; each relative
        to WMMSE's in the same round, medians over rounds with quartiles.
    """
    samples = max(20, _BATCH_GAINS // place.users**2)
    draws = drawn(place, "uniform", samples, seed)
    who: dict[str, Controller] = {}
    for spec in (WMMSE, *specs):
        made = serving(spec, draws.objective)
        if made is not None:
            who[spec] = made
    rows = []
    with single_threaded():
        for count, level in enumerate(LEVELS, 1):
            p_max = np.full(place.users, 10.0 ** (level / 10.0))
            problem = draws.gain, draws.noise_power, p_max
            each, middle, mean = _singly(who, *problem, rounds)
            batch = _at_once(who, *problem)
            for spec in who:
                row = {"place": place.label, "users": place.users, "level_dbw": level}
                row |= {"controller": spec, "decisions": len(each[spec])}
                row["latency_p50_s"] = float(np.median(each[spec]))
                row["latency_p99_s"] = float(np.quantile(each[spec], 0.99))
                row |= _relative("latency", middle[spec] / middle[WMMSE])
                row["mean_s"] = float(np.mean(mean[spec]))
                row |= _relative("mean", mean[spec] / mean[WMMSE])
                row["batch_s"] = float(np.median(batch[spec])) / samples
                row |= _relative("batch", batch[spec] / batch[WMMSE]) | {"batch": samples}
                rows.append(row)
            done(count)
    return {"rows": rows}


def _relative(name: str, ratio: Array) -> dict[str, float]:
    quartiles = np.quantile(ratio, (0.25, 0.5, 0.75)).tolist()
    keys = (f"{name}_ratio_low", f"{name}_ratio", f"{name}_ratio_high")
    return dict(zip(keys, quartiles, strict=True))


def _singly(
    who: dict[str, Controller], gain: Array, noise: Array, p_max: Array, rounds: int
) -> tuple[dict[str, Array], ...]:
    """Times of single decisions, their median in each round, and mean processor time there."""
    turn = {}
    for spec, controller in who.items():
        for one in gain[:_WARM]:
            controller.allocate(one, noise, p_max)
        before = time.perf_counter()
        controller.allocate(gain[0], noise, p_max)
        turn[spec] = int(np.clip(_TURN_S / (time.perf_counter() - before), 1, _MOST))
    each: dict[str, list[float]] = {spec: [] for spec in who}
    middle: dict[str, list[float]] = {spec: [] for spec in who}
    mean: dict[str, list[float]] = {spec: [] for spec in who}
    for number in range(rounds):
        # The same draws for all: iterations of a solver depend on the draw.
        for spec, controller in who.items():
            taken = []
            started = time.process_time()
            for step in range(turn[spec]):
                one = gain[(number * _MOST + step) % len(gain)]
                before = time.perf_counter()
                controller.allocate(one, noise, p_max)
                taken.append(time.perf_counter() - before)
            mean[spec].append((time.process_time() - started) / turn[spec])
            middle[spec].append(float(np.median(taken)))
            each[spec] += taken
    return tuple(
        {spec: np.array(values) for spec, values in found.items()} for found in (each, middle, mean)
    )


def _at_once(
    who: dict[str, Controller], gain: Array, noise: Array, p_max: Array
) -> dict[str, Array]:
    """Processor times of one call on all draws."""
    for controller in who.values():
        controller.allocate(gain, noise, p_max)
    taken: dict[str, list[float]] = {spec: [] for spec in who}
    for _ in range(_BATCHES):
        for spec, controller in who.items():
            before = time.process_time()
            controller.allocate(gain, noise, p_max)
            taken[spec].append(time.process_time() - before)
    return {spec: np.array(values) for spec, values in taken.items()}
