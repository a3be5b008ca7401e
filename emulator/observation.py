"""What a controller is told: a report of the channel, measured at one instant, read at another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Observation", "Report"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a controller sees of one network with K present users.

    Attributes
    ----------
    slot : int
        Slot in which the channel was measured.
    time_s : float
        Now [s].
    measured_s : float
        When the channel was measured [s].
    user_id : ndarray, shape (K,), int64
        Who the rows are; an id is never used twice.
    gain : ndarray, shape (K, K), float64
        Reported power gains, ``gain[k, j]`` from transmitter j to the receiver of k.
    noise_power, p_max : ndarray, shape (K,), float64
        Noise at the users' receivers and largest powers [W].
    weight : ndarray, shape (K,), float64
        Weights of the sum rate.
    power : ndarray, shape (K,), float64
        Powers in force now [W].
    serving : ndarray, shape (K,), int64
        Station of each user.
    """

    slot: int
    time_s: float
    measured_s: float
    user_id: Ids
    gain: Array
    noise_power: Array
    p_max: Array
    weight: Array
    power: Array
    serving: Ids


@dataclass(slots=True, eq=False)
class Report:
    """A measurement of B networks on its way to a decision; rows as in the state arrays.

    Attributes
    ----------
    slot : int
        Slot in which the channel was measured.
    measured_s, arrived_s, time_s : float
        When it was measured, arrived, and was handed over [s].
    user_id : ndarray, shape (B, M), int64
        Who was there at the measurement and, once handed over, still is; -1 for nobody.
    gain : ndarray, shape (B, M, M), float64
        Reported power gains; once handed over, zero to and from the absent.
    power : ndarray, shape (B, M), float64
        Powers in force at the hand-over [W].
    serving : ndarray, shape (B, M), int64
        Station of each user at the hand-over.
    noise_w, p_max_w : float
        Noise power and largest power of every user [W].
    fell_back : bool
        Whether the fallback answered for it.
    """

    slot: int
    measured_s: float
    user_id: Ids
    gain: Array
    noise_w: float
    p_max_w: float
    arrived_s: float = 0.0
    time_s: float = 0.0
    power: Array = field(default_factory=lambda: np.empty((0, 0)))
    serving: Ids = field(default_factory=lambda: np.empty((0, 0), np.int64))
    fell_back: bool = False

    @property
    def users(self) -> NDArray[np.int64]:
        """Number of users in each network, shape (B,)."""
        counts: NDArray[np.int64] = np.sum(self.user_id >= 0, axis=1, dtype=np.int64)
        return counts

    def keep_only(self, present: NDArray[np.bool_]) -> None:
        """Strike out who is not present, shape (B, M): no id, and gains of zero to and from it."""
        present = present & (self.user_id >= 0)
        if not np.all(present):
            self.user_id = np.where(present, self.user_id, -1)
            pairs = present[:, :, None] & present[:, None, :]
            self.gain = np.where(pairs, self.gain, 0.0)

    def observation(self, network: int = 0) -> Observation:
        """The report of one network, without empty rows."""
        rows = np.flatnonzero(self.user_id[network] >= 0)
        return Observation(
            slot=self.slot,
            time_s=self.time_s,
            measured_s=self.measured_s,
            user_id=self.user_id[network, rows],
            gain=self.gain[network][np.ix_(rows, rows)],
            noise_power=np.full(rows.size, self.noise_w),
            p_max=np.full(rows.size, self.p_max_w),
            weight=np.ones(rows.size),
            power=self.power[network, rows],
            serving=self.serving[network, rows],
        )
