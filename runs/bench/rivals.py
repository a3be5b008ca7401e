"""Rows about quality for time: beam search against WMMSE, and sparse WMMSE in big networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.registry import make
from slotwise.emulator import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import load
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting, rayleigh
from slotwise.runs.bench.timing import interleaved
from slotwise.runs.intervals import ratio_of_means

__all__ = ["beam", "sparse"]

Array = NDArray[np.float64]

_BEAM = "beam:width=16,polish=true"
_MANY_STARTS = "wmmse:starts=10,flip=true"
_TIME_AIM = 10.0
# SNR [dB] and K: draws, goal against WMMSE from full power [%].
_RATES = {
    (0.0, 10): (6000, 101.8),
    (0.0, 20): (3000, 101.6),
    (0.0, 50): (600, 101.8),
    (20.0, 20): (4000, 111.0),
    (20.0, 50): (1500, 116.0),
}
_TIMED = 20  # a part of the draws is enough to compare times

_PAIRS, _PAIRS_PER_KM2, _NEIGHBOURS, _NETWORKS = 1000, 50.0, 16, 3


def beam(setting: Setting) -> Iterator[Row | Skipped]:
    """Beam search: its rate over that of WMMSE, and its time under that of many starts."""
    for (snr_db, users), (most, goal) in _RATES.items():
        gain = rayleigh(setting.fewer(most), users, snr_db, setting.seed)
        controllers = {spec: make(spec, setting.seed) for spec in (_BEAM, "wmmse", _MANY_STARTS)}
        ratio = ratio_of_means(_rates(controllers[_BEAM], gain), _rates(controllers["wmmse"], gain))
        what = f"width 16 + polish, {snr_db:.0f} dB, K = {users}"
        low, high = ratio.low, ratio.high
        assert ratio.value is not None  # the rate of WMMSE is positive
        yield Row(
            "beam",
            f"{what}: rate of WMMSE",
            100.0 * ratio.value,
            "%",
            None if low is None else 100.0 * low,
            None if high is None else 100.0 * high,
            goal,
            digits=4,
        )
        part = gain[: max(4, len(gain) // _TIMED)]
        times = interleaved(
            {spec: _allocating(controllers[spec], part) for spec in (_BEAM, _MANY_STARTS)},
            setting.seconds,
        )
        median, low, high = times.ratio(_MANY_STARTS, _BEAM)
        against = f"{what}: WMMSE×10 + flip"
        yield Row("beam", against, median, "×", low, high, None, _TIME_AIM, times_s=times.medians())


def _rates(controller: Controller, gain: Array) -> Array:
    power = controller.allocate(gain, 1.0, 1.0)
    return np.asarray(sum_rate(gain, power, 1.0))


def _allocating(controller: Controller, gain: Array) -> Callable[[], object]:
    return lambda: controller.allocate(gain, 1.0, 1.0)


def sparse(setting: Setting) -> Iterator[Row | Skipped]:
    """A thousand pairs on the area that they need: WMMSE on each receiver's strongest few."""
    observations = [_crowd(setting.seed + n) for n in range(_NETWORKS)]
    dense, few = make("wmmse"), make(f"wmmse:sparse={_NEIGHBOURS}")
    rates = np.array([[_rate(seat, seen) for seat in (few, dense)] for seen in observations])
    what = f"{_PAIRS:,} pairs, {_NEIGHBOURS} neighbours"
    share = 100.0 * float(rates[:, 0].sum() / rates[:, 1].sum())
    yield Row("sparse", f"{what}: rate of dense WMMSE", share, "%", goal=99.3, digits=4)
    one = observations[0]
    few.decide(one)  # neighbours are found once, and kept while users and places do not change
    times = interleaved(
        {"sparse": lambda: few.decide(one), "dense": lambda: dense.decide(one)}, setting.seconds
    )
    median, low, high = times.ratio("dense", "sparse")
    against = f"{what}: dense WMMSE"
    yield Row("sparse", against, median, "×", low, high, 15.0, times_s=times.medians())


def _crowd(seed: int) -> Observation:
    """What a controller sees of a thousand device pairs in their first slot."""
    side_m = 1000.0 * math.sqrt(_PAIRS / _PAIRS_PER_KM2)
    scenario = load("d2d", [f"layout.side_m={side_m:.1f}", f"population.initial_users={_PAIRS}"])
    report = Emulator(scenario, seed).advance()
    assert report is not None
    return report.observation()


def _rate(controller: Controller, seen: Observation) -> float:
    return float(sum_rate(seen.gain, controller.decide(seen), seen.noise_power))
