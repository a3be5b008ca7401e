"""Rows about slots: one network with a seat for whoever decides, and many networks at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from slotwise.emulator import Emulator
from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.bench.baselines import NumpySeat, NumpySlots
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.bench.timing import Times, interleaved

__all__ = ["Seat", "batched_slots", "fading_links", "single_slots", "slots_of"]

Array = NDArray[np.float64]

_DOPPLER_HZ = 10.0
_SLOT_S = 1e-3
_SINGLE = {10: (3.5, 6.0), 20: (None, None), 50: (8.0, 12.0), 100: (8.0, 12.0)}
# K: networks, goal and aim against NumPy, goal and aim as share of the bound.
_BATCHED = {
    10: (256, (4.0, 5.0), (None, None)),
    50: (64, (7.0, 11.0), (40.0, 70.0)),
    100: (16, (7.0, 11.0), (40.0, 70.0)),
}
_POWER = 0.5  # of everyone; what is granted does not matter to the time


def fading_links(users: int) -> Scenario:
    """The Gaussian interference channel, fading from slot to slot as a Gauss–Markov process."""
    return load(
        "gaussian-ic",
        [
            f"population.initial_users={users}",
            "channel.fading=gauss-markov",
            f"channel.doppler_hz={_DOPPLER_HZ}",
        ],
    )


class Seat:
    """A network with a seat for a learner: powers in; gains and the slot's sum rate out.

    Parameters
    ----------
    users : int
        K.
    seed : int
        Of the network.
    """

    def __init__(self, users: int, seed: int = 0) -> None:
        self.emulator = Emulator(fading_links(users), seed)
        self.gain = self._observe()
        self._carried = 0.0

    def step(self, power: Array) -> tuple[Array, float, bool, bool, dict[str, object]]:
        """One slot at these powers, shape (K,) [W], as Gymnasium's environments answer.

        Returns
        -------
        gain : ndarray, shape (K, K)
            Power gains at the beginning of the next slot.
        reward : float
            Sum rate of the slot [bit/s/Hz].
        terminated, truncated : bool
            Never.
        info : dict
            Empty.
        """
        self.emulator.grant(power)
        self.gain = self._observe()
        carried = float(self.emulator.network.carried[0])
        reward = (carried - self._carried) / _SLOT_S
        self._carried = carried
        return self.gain, reward, False, False, {}

    def _observe(self) -> Array:
        report = self.emulator.advance()
        assert report is not None  # the network lives for ever
        gain: Array = report.gain[0]
        return gain


def slots_of(networks: int, users: int, seed: int = 0) -> Callable[[], None]:
    """B networks on one clock, everyone granted half of the largest power in every slot.

    Returns
    -------
    callable
        Lives the next slot of all.
    """
    emulator = Emulator(fading_links(users), seed, networks=networks)
    power = np.full((networks, users), _POWER)
    emulator.advance()

    def step() -> None:
        emulator.grant(power)
        emulator.advance()

    return step


def _correlation() -> float:
    return float(j0(2.0 * math.pi * _DOPPLER_HZ * _SLOT_S))


def single_slots(setting: Setting) -> Iterator[Row | Skipped]:
    """One network: a slot with a step for a learner, against the same slot and step in NumPy."""
    for users, (goal, aim) in _SINGLE.items():
        power = np.full(users, _POWER)
        seat = Seat(users, setting.seed)
        rival = NumpySeat(users, _correlation())
        times = interleaved(
            {"slot": _stepping(seat, power), "numpy": _stepping(rival, power)}, setting.seconds
        )
        median, low, high = times.ratio("numpy", "slot")
        rate = 1.0 / times.median("slot")
        yield Row("slots", f"one network, K = {users}", rate, "slots/s")
        what = f"one network, K = {users}: NumPy slot"
        yield Row("slots", what, median, "×", low, high, goal, aim, times_s=times.medians())


def _stepping(seat: Seat | NumpySeat, power: Array) -> Callable[[], object]:
    return lambda: seat.step(power)


def batched_slots(setting: Setting) -> Iterator[Row | Skipped]:
    """Many networks: a slot of all, against NumPy and against the normals that it takes."""
    for users, (networks, (goal, aim), (share, share_aim)) in _BATCHED.items():
        times = _batched_times(setting, networks, users)
        what = f"{networks} networks, K = {users}"
        links = networks * users**2
        yield Row("batches", what, links / times.median("slots") / 1e6, "million link-slots/s")
        median, low, high = times.ratio("numpy", "slots")
        behind = times.medians()
        against = f"{what}: batched NumPy"
        yield Row("batches", against, median, "×", low, high, goal, aim, times_s=behind)
        # A link's scatter is a complex number, that is two normals a slot, and the bound.
        bound_s = 2.0 * links * setting.limits.normal_s
        of_bound = 100.0 * bound_s / times.median("slots")
        against = f"{what}: share of the random-number bound"
        yield Row("batches", against, of_bound, "%", goal=share, aim=share_aim)


def _batched_times(setting: Setting, networks: int, users: int) -> Times:
    baseline = NumpySlots(networks, users, _correlation(), setting.seed)
    power = np.full((networks, users), _POWER)
    return interleaved(
        {
            "slots": slots_of(networks, users, setting.seed),
            "numpy": lambda: baseline.step(power),
        },
        setting.seconds,
    )
