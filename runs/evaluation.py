"""Controllers on frozen draws: how good a decision is, and how long one takes.

This is how papers evaluate: every controller answers the same gain matrices, which come from a
scenario or from the user's own measurements, and rates are averaged. Two times are kept apart,
because published tables mix them: the whole batch in one call, and one decision at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.controllers.aimed import Aimed
from slotwise.controllers.registry import canonical, make
from slotwise.emulator.drops import Drops
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.scenario import InputError
from slotwise.runs.frozen import Frozen
from slotwise.runs.intervals import ratio_of_means
from slotwise.runs.merits import Judged, Kept, judge, together
from slotwise.runs.progress import beyond, progress_bar
from slotwise.runs.quiet import single_threaded

if TYPE_CHECKING:
    from slotwise.controllers.base import Controller

__all__ = ["Evaluation", "evaluate", "make_all"]

Array = NDArray[np.float64]

_BLOCK = 2**24  # gains in one call of `allocate`: 128 MiB, so that solvers' copies of it fit too
_WARM_SAMPLES = 16
_WARM_DECISIONS = 20
_WARM_BUDGET_S = 1.0
_LATENCY_BUDGET_S = 10.0
_FEWEST_LATENCIES = 5
_BOX_TOLERANCE = 1e-9


class Evaluation(TypedDict):
    """One controller on frozen draws. Rates in bit/s/Hz, times in s, None where undefined.

    ``mean_merit`` is how well the objective was served [bit/s/Hz or bit/J/Hz]; `std_error` and
    `relative` are of it. ``promise`` is None where nothing is promised.
    """

    objective: Aim
    mean_merit: float | None
    mean_sum_rate: float | None
    std_error: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    seconds_batch: float
    latency_p50_s: float | None
    latency_p99_s: float | None
    samples: int
    latency_samples: int
    promise: Kept | None


def evaluate(
    draws: Drops | Frozen | ArrayLike,
    controllers: Sequence[str | Controller],
    *,
    noise_power: ArrayLike = 1.0,
    p_max: ArrayLike = 1.0,
    reference: str | None = None,
    latency_samples: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Evaluation]:
    """Give every controller the same draws; measure rates, the batch's time and one decision's.

    Parameters
    ----------
    draws : Drops, Frozen or array_like
        From `slotwise.emulator.drops.draw`, or gains of shape (n, K, K) or (K, K): linear power
        gains, rows are receivers.
    controllers : sequence of str or Controller
        Specs such as ``"wmmse:starts=10"``, or controllers themselves.
    noise_power, p_max : float or array_like, shape (K,)
        Noise and largest power [W] where ``draws`` is an array; for weights and a SINR cap make
        a `slotwise.runs.frozen.Frozen` of it.
    reference : str, optional
        Spec that the others are relative to; the first one by default.
    latency_samples : int
        Single decisions to time; fewer where they take longer than ten seconds together.
    seed : int
        Seed of controllers that draw random numbers.
    progress : bool
        Show a bar on standard error if it is a terminal.

    Returns
    -------
    dict of str to Evaluation
        By canonical spec (options sorted, defaults dropped), in the order given. `relative` is
        the ratio of the mean merits, with a paired 95 % interval. `seconds_batch` is one call
        on all draws after a small warm-up call (in blocks of 128 MiB where they are larger), with
        the threads that libraries take by themselves. The latencies are of single matrices after
        warm-up, with one thread.

    Raises
    ------
    InputError
        If a controller is unknown or named twice, refuses these draws, or answers with NaN, a
        wrong shape or a power out of the box.
    """
    frozen = _freeze(draws, noise_power, p_max)
    chosen = make_all(controllers, seed)
    _serve(chosen, frozen.objective)
    first = next(iter(chosen)) if reference is None else canonical(reference)
    if first not in chosen:
        raise InputError(f"reference {first!r} is not among the controllers {', '.join(chosen)}")
    for spec, controller in chosen.items():
        _answer(spec, controller, frozen, slice(0, _WARM_SAMPLES))
    judged: dict[str, Judged] = {}
    seconds: dict[str, float] = {}
    latencies: dict[str, Array] = {}
    samples = len(frozen.gain)
    with progress_bar("evaluate", samples * len(chosen), shown=progress) as done:
        for number, (spec, controller) in enumerate(chosen.items()):
            judged[spec], seconds[spec] = _batch(
                spec, controller, frozen, beyond(done, number * samples)
            )
            latencies[spec] = _latencies(controller, frozen, latency_samples)
    return {
        spec: _evaluation(judged[spec], judged[first].merit, seconds[spec], latencies[spec])
        for spec in chosen
    }


def _freeze(draws: Drops | Frozen | ArrayLike, noise_power: ArrayLike, p_max: ArrayLike) -> Frozen:
    if isinstance(draws, Frozen):
        return draws
    if isinstance(draws, Drops):
        rows = draws.noise_power, draws.p_max, draws.weight
        return Frozen.of(draws.gain, *rows, draws.sinr_cap, draws.objective)
    return Frozen.of(draws, noise_power, p_max)


def make_all(controllers: Sequence[str | Controller], seed: int = 0) -> dict[str, Controller]:
    """Build controllers by their canonical specs, each once.

    Raises
    ------
    InputError
        If one is unknown or named twice, or there is none.
    """
    chosen: dict[str, Controller] = {}
    for controller in controllers:
        spec = canonical(controller) if isinstance(controller, str) else controller.name
        if spec in chosen:
            raise InputError(f"controller {spec!r} is named twice")
        chosen[spec] = make(spec, seed) if isinstance(controller, str) else controller
    if not chosen:
        raise InputError("no controllers: name at least one, such as wmmse")
    return chosen


def _answer(spec: str, controller: Controller, frozen: Frozen, part: slice) -> tuple[Array, float]:
    """Powers for some of the draws, checked, and the seconds that they took.

    A controller's refusal, such as too many links for an exhaustive search, is the user's to read.
    """
    gain = frozen.gain[part]
    before = time.perf_counter()
    try:
        power = np.asarray(
            controller.allocate(gain, frozen.noise_power, frozen.p_max, frozen.weight)
        )
    except ValueError as error:
        raise InputError(f"controller {spec}: {' '.join(str(error).split())}") from error
    seconds = time.perf_counter() - before
    if power.shape != gain.shape[:-1]:
        raise InputError(
            f"controller {spec} answered with shape {power.shape} instead of {gain.shape[:-1]}"
        )
    slack = _BOX_TOLERANCE * frozen.p_max
    if not ((power >= -slack) & (power <= frozen.p_max + slack)).all():
        raise InputError(f"controller {spec} answered with NaN or a power outside [0, p_max]")
    return power, seconds


def _serve(controllers: Mapping[str, Controller], objective: Objective) -> None:
    """Let those who can serve the objective."""
    for controller in controllers.values():
        if isinstance(controller, Aimed):
            controller.serve(objective)


def _batch(
    spec: str, controller: Controller, frozen: Frozen, done: Callable[[int], None]
) -> tuple[Judged, float]:
    """What the powers of each draw are worth, and the time of `allocate` alone."""
    samples, users, _ = frozen.gain.shape
    block = max(1, _BLOCK // users**2)
    judged: list[Judged] = []
    seconds = 0.0
    for start in range(0, samples, block):
        part = slice(start, start + block)
        power, took = _answer(spec, controller, frozen, part)
        seconds += took
        judged.append(judge(frozen, part, power))
        done(min(start + block, samples))
    return together(judged), seconds


def _latencies(controller: Controller, frozen: Frozen, count: int) -> Array:
    """Time of single decisions on different draws, after warm-up, with one thread."""

    def times(most: int, budget_s: float, fewest: int) -> list[float]:
        taken: list[float] = []
        end = time.perf_counter() + budget_s
        for number in range(most):
            gain = frozen.gain[number % len(frozen.gain)]
            before = time.perf_counter()
            controller.allocate(gain, frozen.noise_power, frozen.p_max, frozen.weight)
            after = time.perf_counter()
            taken.append(after - before)
            if after > end and len(taken) >= fewest:
                break
        return taken

    with single_threaded():
        times(_WARM_DECISIONS, _WARM_BUDGET_S, 1)
        return np.array(times(count, _LATENCY_BUDGET_S, _FEWEST_LATENCIES))


def _evaluation(judged: Judged, reference: Array, seconds: float, latencies: Array) -> Evaluation:
    merit = judged.merit
    samples = len(merit)
    relative = ratio_of_means(merit, reference)
    p50, p99 = np.quantile(latencies, (0.5, 0.99)) if len(latencies) else (math.nan, math.nan)
    return Evaluation(
        objective=judged.objective.aim,
        mean_merit=_finite(float(merit.mean())),
        mean_sum_rate=_finite(float(judged.sum_rate.mean())),
        std_error=float(merit.std(ddof=1)) / math.sqrt(samples) if samples > 1 else None,
        relative=relative.value,
        relative_low=relative.low,
        relative_high=relative.high,
        seconds_batch=seconds,
        latency_p50_s=_finite(float(p50)),
        latency_p99_s=_finite(float(p99)),
        samples=samples,
        latency_samples=len(latencies),
        promise=judged.kept(),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
