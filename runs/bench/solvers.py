"""Rows about WMMSE: batches, single decisions, single precision, shared receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.registry import make
from slotwise.controllers.wmmse import wmmse
from slotwise.controllers.wmmse_numpy import wmmse_numpy
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import load
from slotwise.runs.bench.baselines import wmmse_loop
from slotwise.runs.bench.compiled_c import Missing
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting, rayleigh
from slotwise.runs.bench.timing import Times, interleaved

__all__ = ["accuracy", "batches", "decisions", "shared_receivers"]

Array = NDArray[np.float64]

# K: samples of a batch, goal and aim against C in double and in single precision.
_BATCHES = {
    10: (2000, (5.0, 7.5), (10.0, 18.0)),
    30: (800, (3.5, 4.5), (6.0, 7.0)),
    50: (300, (4.0, 6.0), (6.0, 8.0)),
    100: (100, (5.0, 8.0), (8.0, 13.0)),
}
_LOOPED = 25  # samples of the naive loop, of ten users: a millisecond each
_LOOP_GOAL, _LOOP_AIM = 1000.0, 3000.0
_DECISIONS = {10: (200, 2.0, 2.7), 30: (100, None, None), 50: (60, 3.0, 4.5), 100: (30, 3.0, 4.5)}
_ACCURACY = {10: 20_000, 50: 2_000}
_CELLS, _CELL_USERS, _CELL_SAMPLES = 20, 80, 60


def batches(setting: Setting) -> Iterator[Row | Skipped]:
    """WMMSE on batches against C, NumPy, a naive loop, and the peak of the machine."""
    for users, (samples, double, single) in _BATCHES.items():
        gain = rayleigh(samples, users, seed=setting.seed)
        times = _batch_times(setting, gain)
        for name, (goal, aim) in (("double", double), ("single", single)):
            what = f"batch in {name} precision, K = {users}: C"
            if isinstance(setting.c, Missing):
                yield Skipped("wmmse", what, str(setting.c))
            else:
                yield _ratio("wmmse", what, times, "c", name, goal, aim)
        what = f"batch in double precision, K = {users}"
        yield _ratio("wmmse", f"{what}: NumPy", times, "numpy")
        if "loop" in times.seconds:
            scale = samples / _LOOPED
            what = f"{what}: naive loop"
            yield _ratio("wmmse", what, times, "loop", "double", _LOOP_GOAL, _LOOP_AIM, scale)
            what = f"batch in single precision, K = {users}: naive loop"
            yield _ratio("wmmse", what, times, "loop", "single", None, None, scale)
        yield from _shares_of_peak(setting, times, gain)


def _batch_times(setting: Setting, gain: Array) -> Times:
    """One batch, solved by everyone."""
    half: NDArray[Any] = gain.astype(np.float32)
    doings: dict[str, Callable[[], object]] = {
        "double": lambda: wmmse(gain, 1.0, 1.0),
        "single": lambda: wmmse(half, 1.0, 1.0, dtype=np.float32),
        "numpy": lambda: wmmse_numpy(gain, 1.0, 1.0),
    }
    if not isinstance(setting.c, Missing):
        doings["c"] = setting.c.prepared(gain, 1.0, 1.0)[0]
    if gain.shape[-1] == min(_BATCHES):
        doings["loop"] = lambda: wmmse_loop(gain[:_LOOPED], 1.0, 1.0)
    return interleaved(doings, setting.seconds)


def _ratio(
    group: str,
    what: str,
    times: Times,
    slow: str,
    fast: str = "double",
    goal: float | None = None,
    aim: float | None = None,
    scale: float = 1.0,
) -> Row:
    median, low, high = times.ratio(slow, fast, scale)
    behind = {name: times.median(name) for name in (slow, fast)}
    return Row(group, what, median, "×", low, high, goal, aim, times_s=behind)


def _shares_of_peak(setting: Setting, times: Times, gain: Array) -> Iterator[Row]:
    """Operations of the equations over those that the machine could have done meanwhile.

    An iteration sums K interferers for K users, and K prices for K users, a fused multiply-add
    each; that users fall silent and are left out is not counted.
    """
    users = gain.shape[-1]
    operations = 4.0 * users**2 * float(wmmse(gain, 1.0, 1.0)[1].sum())
    peaks = (("double", setting.limits.double_flops), ("single", setting.limits.single_flops))
    for name, peak in peaks:
        share = 100.0 * operations / times.median(name) / peak
        yield Row("wmmse", f"batch in {name} precision, K = {users}: share of peak", share, "%")


def decisions(setting: Setting) -> Iterator[Row | Skipped]:
    """One WMMSE decision at a time from Python, against C through ctypes and a small network."""
    for users, (samples, goal, aim) in _DECISIONS.items():
        times = _decision_times(setting, rayleigh(samples, users, seed=setting.seed))
        what = f"one decision, K = {users}"
        yield Row("decision", what, times.median("wmmse") * 1e6, "µs")
        if isinstance(setting.c, Missing):
            yield Skipped("decision", f"{what}: C through ctypes", str(setting.c))
        else:
            against = f"{what}: C through ctypes"
            yield _ratio("decision", against, times, "c", "wmmse", goal, aim)


def _decision_times(setting: Setting, gain: Array) -> Times:
    """One decision, by everyone; of many, because one and the same would be learned by heart."""
    samples, users, _ = gain.shape
    gains = list(gain)
    noise, p_max = np.ones(users), np.ones(users)
    controller = make("wmmse")
    doings: dict[str, Callable[[], object]] = {
        "wmmse": lambda: [controller.allocate(one, noise, p_max) for one in gains],
    }
    if not isinstance(setting.c, Missing):
        calls = [setting.c.prepared(one[None], 1.0, 1.0)[0] for one in gains]
        doings["c"] = lambda: [call() for call in calls]
    times = interleaved(doings, setting.seconds)
    return Times({name: taken / samples for name, taken in times.seconds.items()})


def accuracy(setting: Setting) -> Iterator[Row | Skipped]:
    """What single precision costs in sum rate."""
    for users, most in _ACCURACY.items():
        samples = setting.fewer(most)
        gain = rayleigh(samples, users, seed=setting.seed)
        half: NDArray[Any] = gain.astype(np.float32)
        answers = wmmse(gain, 1.0, 1.0)[0], wmmse(half, 1.0, 1.0, dtype=np.float32)[0]
        rates = [np.asarray(sum_rate(gain, power.astype(np.float64), 1.0)) for power in answers]
        mean = float(abs(rates[1].mean() / rates[0].mean() - 1.0))
        off = float(np.mean(np.abs(rates[1] / rates[0] - 1.0) > 1e-3))
        what = f"single precision, K = {users}, {samples:,} draws"
        yield Row(
            "accuracy", f"{what}: mean rate off by", mean * 1e6, "ppm", None, None, 100.0, 20.0,
            "at most",
        )  # fmt: skip
        yield Row(
            "accuracy", f"{what}: draws off by > 0.1%", off * 100.0, "%", None, None, 0.5, 0.1,
            "at most",
        )  # fmt: skip


def shared_receivers(setting: Setting) -> Iterator[Row | Skipped]:
    """Uplink cells: the users of a cell share a receiver, and sums cost N×K instead of K×K."""
    scenario = load("imac", [f"layout.cells={_CELLS}"])
    drops = draw(scenario, _CELL_SAMPLES, setting.seed, _CELL_USERS)
    # To the last place every row is its own here, and so nothing is seen to be shared.
    own = drops.gain * (1.0 + 1e-15 * np.arange(_CELL_USERS))[:, None]
    times = interleaved(
        {
            "shared": lambda: wmmse(drops.gain, drops.noise_power, drops.p_max),
            "K×K": lambda: wmmse(own, drops.noise_power, drops.p_max),
        },
        setting.seconds,
    )
    what = f"{_CELLS} cells, {_CELL_USERS} users: the same solver on K×K gains"
    yield _ratio("cells", what, times, "K×K", "shared", 2.0, 3.5)
