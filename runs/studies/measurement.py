"""Measuring methods on frozen draws: rates raw and rounded, a batch's time and one decision's.

Every method answers the same draws, made in blocks so that ten thousand draws of eighty users need
no more memory than one block. A learned power is near on or off where the optimum is, and how much
of a published figure rounding makes is part of the figure; so every answer is rated as it is,
rounded at half the largest power, and as the better of the two in each draw. Single decisions are
timed in turns, a few of each method at a time, so that a busy machine is busy for all alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.registry import make
from slotwise.emulator.drops import Drops, draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.frozen import Frozen
from slotwise.runs.intervals import ratio_of_means
from slotwise.runs.quiet import single_threaded
from slotwise.runs.studies.setting import Scale, Setting

__all__ = ["Measurement", "draw_seed", "make_methods", "measure", "measure_on"]

Array = NDArray[np.float64]
Draws = Drops | Frozen
Row = dict[str, Any]

_BLOCK_VALUES = 2**23  # gains of one block: 64 MiB
_PURPOSE = 0x57D1E5  # sets the draws of studies apart from those that networks are trained on
_WARM_SAMPLES = 16
_WARM_VALUES = 2**17
_SHORT_S = 0.1
_REPEATS = 5
_WARM_DECISIONS = 20
_WARM_S = 0.5
_TURN_DECISIONS = 20
_TURN_S = 0.05
_FEWEST_LATENCIES = 3
_BOX_TOLERANCE = 1e-9
_QUANTILES = 201


@dataclass(slots=True)
class _Answers:
    """What one method has answered so far."""

    raw: list[Array] = field(default_factory=list)
    rounded: list[Array] = field(default_factory=list)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    open: int = 0
    gap: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out of one setting, ready to be written as JSON.

    Attributes
    ----------
    rows : list of dict
        One for each method: `relative_raw`, `relative_rounded` and `relative_better` are ratios to
        the reference's mean with `_low` and `_high` of a paired 95 % interval, rates in bit/s/Hz,
        times in s, ``speed`` the reference's median decision time over the method's own.
    goals : list of dict
        Goals with what was measured.
    left_out : dict of str to str
        Methods that did not take part, and why.
    quantiles : dict of str to dict
        Evenly spaced quantiles of each method's sum rate, raw and rounded.
    """

    rows: list[Row]
    goals: list[Row]
    left_out: dict[str, str]
    quantiles: dict[str, dict[str, list[float]]]


def draw_seed(seed: int, block: int = 0) -> int:
    """Seed of a block of a study's test draws; `slotwise evaluate --seed` draws the same."""
    return int(np.random.SeedSequence([_PURPOSE, seed, block]).generate_state(1)[0])


def make_methods(specs: Mapping[str, str]) -> tuple[dict[str, Controller], dict[str, str]]:
    """Controllers by label, and why others could not be made.

    Parameters
    ----------
    specs : mapping of str to str
        Spec of each label.
    """
    made: dict[str, Controller] = {}
    left_out: dict[str, str] = {}
    for label, spec in specs.items():
        try:
            made[label] = make(spec)
        except InputError as error:
            left_out[label] = " ".join(str(error).split())
    return made, left_out


def measure(
    setting: Setting,
    specs: Mapping[str, str],
    scale: Scale,
    seed: int,
    done: Callable[[int], None] = lambda _: None,
) -> Measurement:
    """Measure every method of a setting on draws of its scenario.

    Parameters
    ----------
    setting : Setting
        Network and methods.
    specs : mapping of str to str
        Spec of each label.
    scale : Scale
        How long single decisions are timed.
    seed : int
        Fixes the draws.
    done : callable
        Takes the number of answers so far, of samples times methods.

    Raises
    ------
    InputError
        If the scenario is wrong or the reference cannot be made.
    """
    scenario = load(setting.scenario, list(setting.overrides))
    size = max(1, _BLOCK_VALUES // setting.users**2)

    def blocks() -> Iterator[Draws]:
        for number, start in enumerate(range(0, setting.samples, size)):
            count = min(size, setting.samples - start)
            yield draw(scenario, count, draw_seed(seed, number), setting.users)

    return measure_on(blocks(), setting, specs, scale, done)


def measure_on(
    blocks: Iterator[Draws],
    setting: Setting,
    specs: Mapping[str, str],
    scale: Scale,
    done: Callable[[int], None] = lambda _: None,
) -> Measurement:
    """As `measure`, on draws that are given: one iterator of blocks, at least one."""
    made, left_out = make_methods({label: specs[label] for label in setting.methods})
    answers: dict[str, _Answers] = {}
    first: Draws | None = None
    answered = 0
    for block in blocks:
        if first is None:
            first = block
            made = _willing(made, block, left_out)
            answers = {label: _Answers() for label in made}
        for label, controller in made.items():
            _answer(controller, block, answers[label])
            answered += len(block.gain)
            done(answered)
    if first is None:
        raise InputError(f"{setting.label}: no draws")
    _time_decisions(made, answers, first, scale)
    return _measurement(setting, answers, left_out)


def _willing(
    made: Mapping[str, Controller], block: Draws, left_out: dict[str, str]
) -> dict[str, Controller]:
    """Those who answer a few draws, which also compiles them; why not is told of the others."""
    samples = min(_WARM_SAMPLES, max(1, _WARM_VALUES // block.gain.shape[-1] ** 2))
    few = Frozen(block.gain[:samples], block.noise_power, block.p_max, block.weight)
    willing = {}
    for label, controller in made.items():
        try:
            _answer(controller, few, _Answers())
        except ValueError as error:
            left_out[label] = " ".join(str(error).split())
        else:
            willing[label] = controller
    return willing


def _answer(controller: Controller, block: Draws, answers: _Answers) -> None:
    """Let a method answer a block of draws, and rate its answers."""
    power, seconds = _timed(controller, block)
    answers.seconds += seconds
    slack = _BOX_TOLERANCE * block.p_max
    if power.shape != block.gain.shape[:-1]:
        raise InputError(
            f"{controller.name} answered with shape {power.shape}, not {block.gain.shape[:-1]}"
        )
    if not ((power >= -slack) & (power <= block.p_max + slack)).all():
        raise InputError(f"{controller.name} answered with NaN or a power outside [0, p_max]")
    answers.raw.append(_rates(block, power))
    answers.rounded.append(_rates(block, np.where(power >= block.p_max / 2, block.p_max, 0.0)))
    certificate = getattr(controller, "certificate", None)
    if certificate is not None:
        answers.open += int(np.sum(~np.asarray(certificate.closed)))
        answers.gap = max(answers.gap or 0.0, float(np.max(certificate.gap)))


def _timed(controller: Controller, block: Draws) -> tuple[Array, float]:
    """Powers, and the processor's time of the call, as published: on one thread.

    A short call is made a few times, and its median counts.
    """
    taken: list[float] = []
    answers: list[Array] = []
    with single_threaded():
        while not taken or (len(taken) < _REPEATS and taken[0] < _SHORT_S):
            before = time.process_time()
            power = controller.allocate(block.gain, block.noise_power, block.p_max, block.weight)
            taken.append(time.process_time() - before)
            answers.append(np.asarray(power))
    return answers[0], float(np.median(taken))


def _rates(block: Draws, power: Array) -> Array:
    return sum_rate(
        block.gain, power, block.noise_power, weight=block.weight, sinr_cap=block.sinr_cap
    )


def _time_decisions(
    made: Mapping[str, Controller], answers: Mapping[str, _Answers], block: Draws, scale: Scale
) -> None:
    """Time single decisions on different draws, in turns, after warm-up, with one thread."""

    def turn(controller: Controller, most: int, budget_s: float) -> list[float]:
        taken: list[float] = []
        end = time.perf_counter() + budget_s
        while len(taken) < most and (not taken or time.perf_counter() < end):
            gain = block.gain[len(taken) % len(block.gain)]
            before = time.perf_counter()
            controller.allocate(gain, block.noise_power, block.p_max, block.weight)
            taken.append(time.perf_counter() - before)
        return taken

    with single_threaded():
        for controller in made.values():
            turn(controller, _WARM_DECISIONS, _WARM_S)
        waiting = dict(made)
        while waiting:
            for label, controller in list(waiting.items()):
                taken = answers[label].latencies
                missing = scale.latency_samples - len(taken)
                taken += turn(controller, min(_TURN_DECISIONS, missing), _TURN_S)
                long = sum(taken) >= scale.latency_s and len(taken) >= _FEWEST_LATENCIES
                if long or len(taken) >= scale.latency_samples:
                    del waiting[label]


def _measurement(
    setting: Setting, answers: Mapping[str, _Answers], left_out: dict[str, str]
) -> Measurement:
    raw = {label: np.concatenate(each.raw) for label, each in answers.items()}
    rounded = {label: np.concatenate(each.rounded) for label, each in answers.items()}
    rates = {
        label: {
            "raw": raw[label],
            "rounded": rounded[label],
            "better": np.maximum(raw[label], rounded[label]),
        }
        for label in answers
    }
    reference = setting.methods[0]
    base = raw.get(reference)
    median = {label: float(np.median(each.latencies)) for label, each in answers.items()}
    rows = [
        {
            "group": setting.group,
            "setting": setting.label,
            "users": setting.users,
            "method": label,
            "mean_sum_rate": float(raw[label].mean()),
            "std_error": _std_error(raw[label]),
            **_relatives(rates[label], base),
            "seconds_batch": each.seconds,
            "latency_p50_s": median[label],
            "latency_p99_s": float(np.quantile(each.latencies, 0.99)),
            "speed": median[reference] / median[label] if reference in median else None,
            "samples": len(raw[label]),
            "latency_samples": len(each.latencies),
            "open": each.open if each.gap is not None else None,
            "largest_gap": each.gap,
            **_published(setting, label),
        }
        for label, each in answers.items()
    ]
    shares = np.linspace(0.0, 1.0, _QUANTILES)
    quantiles = {
        label: {kind: np.quantile(sample[kind], shares).tolist() for kind in ("raw", "rounded")}
        for label, sample in rates.items()
    }
    return Measurement(rows, _goals(setting, rates, median), left_out, quantiles)


def _std_error(rates: Array) -> float | None:
    return float(rates.std(ddof=1)) / math.sqrt(len(rates)) if len(rates) > 1 else None


def _relatives(rates: Mapping[str, Array], base: Array | None) -> Row:
    row: Row = {}
    for kind, sample in rates.items():
        value, low, high = (None, None, None) if base is None else ratio_of_means(sample, base)
        row |= {
            f"relative_{kind}": value,
            f"relative_{kind}_low": low,
            f"relative_{kind}_high": high,
        }
    return row


def _published(setting: Setting, label: str) -> Row:
    known = setting.published.get(label)
    found = {} if known is None else asdict(known)
    return {f"published_{name}": found.get(name) for name in ("sum_rate", "relative", "time")}


def _goals(
    setting: Setting, rates: Mapping[str, Mapping[str, Array]], median: Mapping[str, float]
) -> list[Row]:
    """Each goal with what was measured, None where a method did not take part."""
    rows = []
    for goal in setting.goals:
        against = goal.against or setting.methods[0]
        measured: float | None = None
        bounds: Sequence[float | None] = (None, None)
        if goal.method in rates and against in rates:
            if goal.quantity == "speed":
                measured = median[against] / median[goal.method]
            else:
                ratio = ratio_of_means(rates[goal.method][goal.quantity], rates[against]["raw"])
                measured, *bounds = (None if one is None else 100 * one for one in ratio)
        rows.append(
            {
                "group": setting.group,
                "setting": setting.label,
                **asdict(goal),
                "against": against,
                "measured": measured,
                "low": bounds[0],
                "high": bounds[1],
                "reached": None if measured is None else measured >= goal.least,
            }
        )
    return rows
