"""What a controller is told: a report of the channel, measured at one instant, read at another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.measurement import Measurement
from slotwise.emulator.network import Network
from slotwise.emulator.roster import Roster

__all__ = ["Observation", "Report"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]
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
    mean_gain : ndarray, shape (K, K), float64
        The same in the long term, without fading. Read-only, and the same array object from report
        to report while users and places do not change.
    noise_power, p_max : ndarray, shape (K,), float64
        Noise at the users' receivers and largest powers [W]; read-only.
    weight : ndarray, shape (K,), float64
        Weights of the sum rate; read-only.
    power : ndarray, shape (K,), float64
        Powers in force now [W].
    serving : ndarray, shape (K,), int64
        Station of each user.
    channel : ndarray, shape (K, K), complex128, or None
        Reported complex channels, whose squared magnitudes `gain` has; None where the scenario's
        ``csi.reports`` is ``gain``.
    """

    slot: int
    time_s: float
    measured_s: float
    user_id: Ids
    gain: Array
    mean_gain: Array
    noise_power: Array
    p_max: Array
    weight: Array
    power: Array
    serving: Ids
    channel: Channels | None = None


@dataclass(slots=True, eq=False)
class Report:
    """A measurement of B networks on its way to a decision; rows as in the state arrays.

    Attributes
    ----------
    slot : int
        Slot in which the channel was measured.
    measured_s, arrived_s, time_s : float
        When it was measured, arrived, and was handed over [s].
    roster : Roster
        Who was there at the measurement and, once handed over, still is.
    network : Network
        Of which it is a report.
    measurement : Measurement
        The gains. Those that are reported at once are the network's own and are read while they
        are true: before the report is answered.
    fell_back : bool
        Whether the fallback answered for it.
    """

    slot: int
    measured_s: float
    roster: Roster
    network: Network
    measurement: Measurement
    arrived_s: float = 0.0
    time_s: float = 0.0
    fell_back: bool = False

    def hand_over(self, now_s: float) -> None:
        """Let somebody decide now, for who is still there."""
        self.time_s = now_s
        if self.roster is not self.network.roster:
            still_there = self.user_id == self.network.user_id
            self.roster = Roster(np.where(still_there, self.user_id, -1))

    @property
    def noise_w(self) -> float:
        """Noise power of every user [W]."""
        return self.network.noise_w

    @property
    def p_max_w(self) -> float:
        """Largest power of every user [W]."""
        return self.network.p_max_w

    @property
    def user_id(self) -> Ids:
        """Users in the rows of the networks, shape (B, M); -1 for nobody."""
        return self.roster.user_id

    @property
    def users(self) -> NDArray[np.int64]:
        """Number of users in each network, shape (B,)."""
        counts: NDArray[np.int64] = np.sum(self.user_id >= 0, axis=1, dtype=np.int64)
        return counts

    @property
    def gain(self) -> Array:
        """Reported gains of all networks, shape (B, M, M); zero to and from empty rows."""
        return self.measurement.everywhere(self.user_id)

    def observation(self, network: int = 0) -> Observation:
        """The report of one network, without empty rows."""
        roster, row = self.roster, self.roster.rows(network)
        return Observation(
            slot=self.slot,
            time_s=self.time_s,
            measured_s=self.measured_s,
            user_id=roster.of(roster.user_id, network),
            gain=self.measurement.among(network, row),
            mean_gain=self.measurement.long_term(network, row),
            noise_power=_alike(row.size, self.noise_w),
            p_max=_alike(row.size, self.p_max_w),
            weight=_alike(row.size, 1.0),
            power=roster.of(self.network.power, network).copy(),
            serving=roster.of(self.network.medium.serving, network).copy(),
            channel=self.measurement.channel_among(network, row),
        )


@lru_cache(maxsize=64)
def _alike(users: int, value: float) -> Array:
    """The same value for every user; read-only, because it is lent out again and again."""
    row = np.full(users, value)
    row.flags.writeable = False
    return row
